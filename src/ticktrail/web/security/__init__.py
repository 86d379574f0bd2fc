"""Access control of the web server: login, sessions, request limits, headers and sealed URL tokens.

Guarantees that no route except login and probes answers without a role. Does not know what a route shows.
"""
