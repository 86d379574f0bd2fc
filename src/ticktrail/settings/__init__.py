"""Settings: one frozen value, read from arguments, the environment, ``.env`` and ``ticktrail.toml``.

Guarantees that a missing or malformed setting names itself and its remedy, and that no secret is printed. Does not know
what the settings are used for.
"""
