"""Bring a store up to date with n8n: incremental syncs, imports, audits and the sync loop.

Guarantees that an execution is marked processed only after its events are committed. Does not know how results are
shown.
"""
