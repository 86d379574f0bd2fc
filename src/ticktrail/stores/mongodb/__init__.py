"""Keep messages in MongoDB, in documents whose field names users query.

Guarantees atomic merges per message with any number of writers. Does not know where events come from.
"""
