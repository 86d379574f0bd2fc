"""Format records as JSON, CSV, XLSX and terminal tables.

Guarantees that no output carries control characters from stored text. Does not query: everything it shows is passed in.
"""
