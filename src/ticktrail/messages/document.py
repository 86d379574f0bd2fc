"""One message as the document people query, and back. The field names here are the public interface.

MongoDB stores this document, JSON output prints it. Fields marked optional in the product's table are left
out when nothing is known of them, the others are always there. Documents that an earlier tool wrote (history
entries with ``waId``, in any order, some repeated) are read as what they mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from ticktrail.messages.merge import Gathered, entry_key, merge_entries, sort_history, standing
from ticktrail.messages.model import NEVER, RECEIVED, Attributes, HistoryEntry, Message, SentBy, Template
from ticktrail.text.formatting import date_time

MILESTONES = ("sent", "delivered", "read", "played", "failed", "first")
"""Each has a ``…Timestamp`` in the document and a ``…_timestamp`` in
:class:`~ticktrail.messages.model.MessageState`."""

_LAST_FORMATTABLE_TIMESTAMP = 253_402_214_400
"""9999-12-31: later than this no calendar goes, whatever the zone."""


_TOO_LARGE = 2**63


def format_timestamp(timestamp: int | None, zone: tzinfo) -> str | None:
    """Unix seconds as ``YYYY-MM-DD HH:MM`` in a zone; None for None and for times no calendar has."""
    if timestamp is None or not 0 <= timestamp <= _LAST_FORMATTABLE_TIMESTAMP:
        return None
    return date_time(datetime.fromtimestamp(timestamp, zone))


def to_document(message: Message, zone: tzinfo) -> dict[str, Any]:
    """The document of one message, without ``_id``; its dates carry the zone."""
    state, known = message.state, message.attributes
    several_workflows = len({entry.workflow_id for entry in message.history if entry.execution_id != RECEIVED}) > 1
    document: dict[str, Any] = {
        "messageId": message.message_id,
        "conversation_id": known.conversation_id,
        "latestStatus": state.latest_status,
        "latestTimestamp": state.latest_timestamp,
        "latestTimestampFormatted": format_timestamp(state.latest_timestamp, zone),
        "statusHistory": [entry_to_document(entry, zone, with_workflow=several_workflows) for entry in message.history],
        "workflowId": state.workflow_id or None,
        "statusCount": len(message.history),
        "firstSeenAt": message.first_seen_at.astimezone(zone),
        "lastUpdatedAt": message.last_updated_at.astimezone(zone),
        "lastScannedAt": message.last_scanned_at.astimezone(zone),
    }
    optional: dict[str, Any] = {
        "phoneNumberId": known.phone_number_id,
        "displayPhoneNumber": known.display_phone_number,
        "recipientUserId": known.recipient_user_id,
        "callbackData": known.callback_data,
        "instance": known.instance,
        "pricing": state.pricing,
        "conflict": True if state.conflict else None,
    }
    if state.failure is not None:
        optional["failure"] = {
            "code": state.failure.code,
            "title": state.failure.title,
            "details": state.failure.details,
        }
    for name in MILESTONES:
        optional[f"{name}Timestamp"] = getattr(state, f"{name}_timestamp")
    if message.template is not None:
        optional["template"] = {"name": message.template.name, "language": message.template.language}
    if message.sent_by is not None:
        optional["sentBy"] = {
            "workflowId": message.sent_by.workflow_id,
            "node": message.sent_by.node,
            "executionId": message.sent_by.execution_id,
        }
    document.update((name, value) for name, value in optional.items() if value is not None)
    return document


def entry_to_document(entry: HistoryEntry, zone: tzinfo, *, with_workflow: bool) -> dict[str, Any]:
    """One history entry as it stands in ``statusHistory``."""
    document: dict[str, Any] = {
        "status": entry.status,
        "timestamp": entry.timestamp,
        "timestampFormatted": format_timestamp(entry.timestamp, zone),
        "executionId": entry.execution_id,
        "conversation_id": entry.conversation_id,
    }
    optional: dict[str, Any] = {
        "participant": entry.participant,
        "errors": list(entry.errors) if entry.errors is not None else None,
        "pricing": entry.pricing,
        "timestampSource": entry.timestamp_source,
        "workflowId": entry.workflow_id if with_workflow and entry.execution_id != RECEIVED else None,
    }
    document.update((name, value) for name, value in optional.items() if value is not None)
    return document


def from_document(document: Mapping[str, Any]) -> Message | None:
    """The message a stored document means, an older tool's included; None when there is no status in it."""
    workflow_id = text_of(document.get("workflowId")) or ""
    entries: dict[str, HistoryEntry] = {}
    history = document.get("statusHistory")
    for stored in history if isinstance(history, list) else ():
        entry = entry_from_document(stored, workflow_id)
        if entry is not None:
            key = entry_key(entry)
            entries[key] = merge_entries(entries[key], entry) if key in entries else entry
    message_id = document.get("messageId")
    if not entries or not isinstance(message_id, str):
        return None
    gathered = Gathered(
        entries,
        Attributes(
            conversation_id=text_of(document.get("conversation_id")),
            phone_number_id=text_of(document.get("phoneNumberId")),
            display_phone_number=text_of(document.get("displayPhoneNumber")),
            recipient_user_id=text_of(document.get("recipientUserId")),
            callback_data=text_of(document.get("callbackData")),
            instance=text_of(document.get("instance")),
        ),
    )
    ordered = sort_history(gathered.entries)
    return Message(
        message_id=message_id,
        history=ordered,
        attributes=gathered.attributes,
        state=standing(ordered),
        first_seen_at=_instant(document.get("firstSeenAt")),
        last_updated_at=_instant(document.get("lastUpdatedAt")),
        last_scanned_at=_instant(document.get("lastScannedAt")),
        template=_template(document.get("template")),
        sent_by=_sent_by(document.get("sentBy")),
    )


def entry_from_document(stored: object, workflow_id: str) -> HistoryEntry | None:
    """The status a stored history entry means; None when it is none. ``workflow_id`` is the document's."""
    if not isinstance(stored, Mapping) or not isinstance(stored.get("status"), str):
        return None
    errors = stored.get("errors")
    pricing = stored.get("pricing")
    execution_id = text_of(stored.get("executionId")) or ""
    # An empty one was written because other entries have one: it does not mean the document's.
    no_workflow = execution_id == RECEIVED or stored.get("workflowId") == ""
    return HistoryEntry(
        status=stored["status"].lower(),
        timestamp=_whole_number(stored.get("timestamp")),
        timestamp_source=text_of(stored.get("timestampSource")),
        execution_id=execution_id,
        conversation_id=text_of(stored.get("conversation_id")) or text_of(stored.get("waId")),
        participant=text_of(stored.get("participant")),
        workflow_id="" if no_workflow else text_of(stored.get("workflowId")) or workflow_id,
        errors=tuple(error for error in errors if isinstance(error, dict)) if isinstance(errors, list) else None,
        pricing=pricing if isinstance(pricing, dict) else None,
    )


def text_of(value: object) -> str | None:
    """A stored value as text, None when it is missing or empty. An id kept as a double is written as a whole number."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _whole_number(value: object) -> int | None:
    """A stored number of 64 bits as an integer; None for anything else, infinity and NaN included."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if math.isfinite(value) and abs(value) < _TOO_LARGE else None


def _instant(value: object) -> datetime:
    if not isinstance(value, datetime):
        return NEVER
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def _template(value: object) -> Template | None:
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        return None
    return Template(value["name"], text_of(value.get("language")))


def _sent_by(value: object) -> SentBy | None:
    if not isinstance(value, Mapping):
        return None
    workflow_id, node, execution_id = (text_of(value.get(name)) or "" for name in ("workflowId", "node", "executionId"))
    return SentBy(workflow_id, node, execution_id)
