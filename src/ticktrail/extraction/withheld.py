"""Reasons why an execution was withheld, in words."""

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
"""Why n8n would not show an execution, in words."""
