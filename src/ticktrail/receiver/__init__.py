"""Receive Meta's webhooks directly: answer, journal, store statuses, forward the rest to n8n.

Guarantees that a webhook answered with 200 is on disk, and leaves the journal only when its statuses are stored
and n8n has what it should get. Keeps no text of a customer beyond that.
"""
