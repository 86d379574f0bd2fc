"""Read exported executions from JSON, JSON Lines and gzip files, folders or standard input.

Guarantees that one broken execution never costs the others. Does not know what is in an execution.
"""
