"""The domain: status events, sends and messages, the merge law, filters, counts and rates.

Guarantees that merging gives the same message in any order and any number of repetitions. Pure: does not know n8n,
a store or the current time.
"""
