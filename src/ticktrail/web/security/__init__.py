"""Access control of the web server: login, sessions, request limits, headers and sealed URL tokens.

Guarantees that no route answers without a role. Does not know what a route shows.
"""
