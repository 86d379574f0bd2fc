"""Reasons why an execution was not read: n8n withheld its data, or Ticktrail does not believe what it holds."""

from __future__ import annotations

REASONS = {
    "redacted": "redacted",
    "too_large": "too large",
    "no_data": "without data",
    "empty": "empty",
    "unreadable": "unreadable",
    "recovered_without_payload": "crashed, data lost",
    "trimmed": "trimmed",
    "binary": "body stored as a file",
    "its data is missing": "data missing",
    "n8n cannot read its data": "unreadable",
    "n8n deleted it meanwhile": "deleted meanwhile",
}
"""Reasons of the outcome ``WITHHELD``, in words."""

NOT_READ_REASONS = {
    "provider": "webhook of another provider",
    "text": "status inside a text that is not opened",
    "status": "status of unproven origin",
    "send": "send of unproven origin",
}
"""Reasons of the outcome ``NOT_READ``, in words. Only ``provider`` comes with the provider's name."""


def not_read_text(reason: str | None, provider: str | None) -> str:
    """Return why an execution was not read, in words: the name of the other provider where it is known."""
    return provider or NOT_READ_REASONS.get(reason or "", reason) or "unknown"
