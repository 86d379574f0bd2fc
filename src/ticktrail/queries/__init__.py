"""Questions to a store, answered as records for the CLI, the API and the pages alike.

Guarantees that the same question has the same answer everywhere. Does not know how an answer is shown.
"""
