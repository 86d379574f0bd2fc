"""Reasons why an execution was not read: n8n withheld its data, or Ticktrail does not believe what it holds."""

from __future__ import annotations

from collections.abc import Sequence

from ticktrail.extraction.execution import Execution, Item
from ticktrail.messages.model import FINAL_STATUSES
from ticktrail.text.json_decoding import decode_json
from ticktrail.text.sanitizing import clean_text

REASONS = {
    "redacted": "redacted",
    "too_large": "too large",
    "no_data": "without data",
    "empty": "empty",
    "unreadable": "unreadable",
    "recovered_without_payload": "crashed, data lost",
    "trimmed": "trimmed",
    "binary": "body stored as a file",
    "damaged": "damaged",
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


def withheld_reason(
    execution: Execution, status: str, trigger_items: Sequence[Item], problems: Sequence[str]
) -> str | None:
    """Return why an execution without statuses may still hold some, or None when n8n returned it whole.

    Args:
        status: n8n's status of the execution.
        trigger_items: what its triggers received.
        problems: what had to be left out while it was read.
    """
    data = execution.data
    if execution.data_too_large_to_display:
        return "too_large"
    if data is None:
        return "no_data"
    if data.redaction_info is not None and data.redaction_info.is_redacted:
        return "redacted"
    if any(b"redacted" in bytes(item.redaction) for item in trigger_items):
        return "redacted"
    ran = data.result_data is not None and bool(data.result_data.run_data)
    if status in FINAL_STATUSES and not ran and not trigger_items and execution.mode != "evaluation":
        return "empty"
    texts = [bytes(item.json) for item in trigger_items]
    if texts and all(b"isArtificialRecoveredEventItem" in text for text in texts):
        return "recovered_without_payload"
    if any(b"__isTrimmedManualExecutionDataItem" in text for text in texts):
        return "trimmed"
    if any(_is_file_elsewhere(item) for item in trigger_items):
        return "binary"
    return "damaged" if problems and not trigger_items else None


def execution_status(execution: Execution) -> str:
    """Return n8n's status. Lists before n8n 1.111 have none; there it follows from the other fields where it can."""
    if isinstance(execution.status, str) and execution.status:
        return clean_text(execution.status)
    if execution.finished is True:
        return "success"
    stopped = execution.stopped_at is not None and execution.wait_till is None
    return "error" if stopped else "unknown"


def inline_file(item: Item) -> str | None:
    """Return the content (base64) of the only JSON file of an item, when it is inside the execution itself."""
    if bytes(item.binary) == b"null" or b"json" not in bytes(item.binary):
        return None
    files = decode_json(item.binary)
    if not isinstance(files, dict) or len(files) != 1:
        return None
    file = next(iter(files.values()))
    content = file.get("data") if isinstance(file, dict) else None
    # "filesystem-v2" and the like name a place outside the execution.
    return content if isinstance(content, str) and ":" not in content and "-" not in content else None


def _is_file_elsewhere(item: Item) -> bool:
    """Return whether a request's JSON body is in a file that the public API does not return."""
    if bytes(item.binary) == b"null" or b"json" not in bytes(item.binary):
        return False
    value = decode_json(item.json)
    return isinstance(value, dict) and not value.get("body", True) and inline_file(item) is None
