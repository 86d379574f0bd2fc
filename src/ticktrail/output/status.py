"""Write ``ticktrail status``: lines for people and a document for programs."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

import msgspec

from ticktrail.messages.document import format_timestamp
from ticktrail.queries.completeness import Completeness, workflow_document, workflow_sentences
from ticktrail.text.formatting import date_time, long_duration, plural

_LABEL_WIDTH = 11


class StoreStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of ``ticktrail status``.

    Attributes:
        known: the completeness record of the store.
        newest_timestamp: Unix seconds of the newest status; None when there is none.
        running: a sentence for each sync that is running.
        next_step: a command as the user can type it.
    """

    known: Completeness
    sends: int
    newest_timestamp: int | None
    now: datetime
    next_step: str
    running: tuple[str, ...] = ()


def status_lines(found: StoreStatus, zone: tzinfo) -> list[str]:
    """Return the status for people, a fact a line."""
    known = found.known
    lines = [_line("Store", known.location if known.exists else f"none yet at {known.location}")]
    if known.exists:
        newest = format_timestamp(found.newest_timestamp, zone)
        content = f"{plural(known.messages or 0, 'message')}, {plural(found.sends, 'send')}"
        lines.append(_line("Holds", content + (f"; newest status {newest}" if newest else "")))
        lines.append(_line("Last sync", _last_sync(known, found.now, zone)))
        lines += [_line("Running", sentence) for sentence in found.running]
        missing = [
            f"{sentence} (workflow {workflow.facts.workflow_name or workflow.workflow_id})"
            for workflow in known.workflows
            for sentence in workflow_sentences(workflow)
        ]
        lines += [_line("Missing", sentence) for sentence in missing]
        if known.workflows and not missing and known.checked_at is not None:
            lines.append(_line("Complete", "nothing that n8n listed is missing"))
    lines.append(_line("Next step", found.next_step))
    return lines


def status_document(found: StoreStatus, zone: tzinfo) -> dict[str, Any]:
    """Return the status for programs."""
    known = found.known
    return {
        "store": known.location,
        "exists": known.exists,
        "messages": known.messages or 0,
        "sends": found.sends,
        "newestTimestamp": found.newest_timestamp,
        "newestTimestampFormatted": format_timestamp(found.newest_timestamp, zone),
        "checkedAt": known.checked_at and known.checked_at.astimezone(zone),
        "late": known.is_late(found.now),
        "workflows": [
            {**workflow_document(workflow, zone), "processed": workflow.processed, "error": workflow.error}
            for workflow in known.workflows
        ],
        "running": list(found.running),
        "nextStep": found.next_step,
    }


def _line(label: str, text: str) -> str:
    return f"{label + ':':<{_LABEL_WIDTH}} {text}"


def _last_sync(known: Completeness, now: datetime, zone: tzinfo) -> str:
    if not known.workflows:
        return "none from n8n (data was imported or received directly)"
    if known.checked_at is None:
        return "no successful sync of every workflow yet"
    age = long_duration((now - known.checked_at).total_seconds())
    late = ", which is late" if known.is_late(now) else ""
    return f"{date_time(known.checked_at.astimezone(zone))}, {age} ago{late}"
