"""Ticktrail: the delivery ledger for WhatsApp messages sent through n8n."""

from __future__ import annotations

__version__ = "0.1.0"
