"""The command line: parse options, open connections, call one function, print the result.

Guarantees the documented exit codes, and never a traceback for a user's mistake. Holds no rule of its own.
"""
