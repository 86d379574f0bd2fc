"""Receive Meta's webhooks directly: answer, journal, store statuses, forward the rest to n8n.

Guarantees that a webhook answered with 200 is on disk, and leaves the journal only when its statuses are stored and what
n8n should get was delivered. Keeps no text of a customer beyond that.
"""
