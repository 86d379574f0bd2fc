"""The errors that Ticktrail raises, grouped by what to do next.

    TicktrailError
    ├── ConfigurationError     fix a setting or an argument, then run again   (exit 2)
    │   └── SettingsError            a setting or ticktrail.toml cannot be used
    ├── NotFoundError          check the id: nothing matches the request      (exit 3)
    ├── RetriableError         run again later: the next run continues        (exit 1)
    │   ├── SourceUnavailableError   n8n did not answer, or another server did
    │   └── StoreUnavailableError    the store did not answer
    │       └── StoreReplacedError   the store file was deleted or replaced while it was open
    └── FatalError             fix the cause before the next run              (exit 1)
        ├── SourceRefusedError       n8n refused: key, scope, workflow, prefix
        └── StoreRefusedError        the store refused: rights, indexes, version

Rules for messages and remedies:

* The message says what failed, on which value, and why, in that order. It names options and settings as the user typed
  them (``--url``, ``N8N_API_KEY``).
* The remedy says what to do next, in one or two sentences. A command in it can be typed as it stands.
* Neither holds a secret or a whole phone number.
"""

from __future__ import annotations


class TicktrailError(Exception):
    """Base of all errors that Ticktrail raises on purpose.

    Attributes:
        remedy: what to do next, or an empty string.
        exit_code: exit code of the command line.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


class ConfigurationError(TicktrailError):
    """A setting or an argument is missing or malformed. The remedy shows a good value."""

    exit_code = 2


class SettingsError(ConfigurationError):
    """A setting or ``ticktrail.toml`` cannot be used. A visitor of the dashboard can neither cause nor fix this."""


class NotFoundError(TicktrailError):
    """The store, or n8n, has nothing that matches the request."""

    exit_code = 3


class RetriableError(TicktrailError):
    """A temporary failure. Nothing was lost, and the next run continues. The remedy may be empty."""


class SourceUnavailableError(RetriableError):
    """The source did not answer, answered with 5xx, or is not n8n."""


class StoreUnavailableError(RetriableError):
    """The store could not be reached, or the connection was lost."""


class StoreReplacedError(StoreUnavailableError):
    """The store file was deleted or replaced while it was open: the next use opens the file at its path."""


class FatalError(TicktrailError):
    """A failure that repeats until its cause is fixed. The remedy says how."""


class SourceRefusedError(FatalError):
    """The source refused the request: a wrong key, a missing scope, an unknown workflow."""


class StoreRefusedError(FatalError):
    """The store refused the request: missing rights, duplicates, a conflicting index, a version that is too old."""
