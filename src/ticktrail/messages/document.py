"""Convert messages and sends to the documents that people query, and messages back.

MongoDB stores these documents and JSON output prints them; :mod:`ticktrail.messages.document_records` names their
fields. Documents of an earlier tool (history entries with ``waId``, in any order, some repeated) are understood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from ticktrail.messages.document_records import (
    FailureDocument,
    MessageDocument,
    SendDocument,
    SenderDocument,
    StatusDocument,
    TemplateDocument,
    as_dict,
)
from ticktrail.messages.merge import Gathered, entry_key, merge_entries, sort_history, state_of
from ticktrail.messages.model import NEVER, RECEIVED, Attributes, Failure, HistoryEntry, Message, Send, SentBy, Template
from ticktrail.text.formatting import date_time

_T = TypeVar("_T")

MILESTONES = ("sent", "delivered", "read", "played", "failed", "first")
"""Each has a ``…Timestamp`` in the document, and a ``…_timestamp`` in
:class:`~ticktrail.messages.model.MessageState`."""

_LAST_FORMATTABLE_TIMESTAMP = 253_402_214_400
"""9999-12-31: the end of Python's calendar in every zone."""


_TOO_LARGE = 2**63


def format_timestamp(timestamp: int | None, zone: tzinfo) -> str | None:
    """Return Unix seconds as ``YYYY-MM-DD HH:MM`` in a zone; None for None and for times beyond the calendar."""
    if timestamp is None or not 0 <= timestamp <= _LAST_FORMATTABLE_TIMESTAMP:
        return None
    return date_time(datetime.fromtimestamp(timestamp, zone))


def to_document(message: Message, zone: tzinfo) -> dict[str, Any]:
    """Return the document of one message, without ``_id``; its dates carry the zone."""
    state, known = message.state, message.attributes
    several_workflows = len({entry.workflow_id for entry in message.history if entry.execution_id != RECEIVED}) > 1
    return as_dict(
        MessageDocument(
            message_id=message.message_id,
            conversation_id=known.conversation_id,
            latest_status=state.latest_status,
            latest_timestamp=state.latest_timestamp,
            latest_timestamp_formatted=format_timestamp(state.latest_timestamp, zone),
            status_history=[_status(entry, zone, with_workflow=several_workflows) for entry in message.history],
            workflow_id=state.workflow_id or None,
            status_count=len(message.history),
            first_seen_at=message.first_seen_at.astimezone(zone),
            last_updated_at=message.last_updated_at.astimezone(zone),
            last_scanned_at=message.last_scanned_at.astimezone(zone),
            phone_number_id=_known(known.phone_number_id),
            display_phone_number=_known(known.display_phone_number),
            recipient_user_id=_known(known.recipient_user_id),
            callback_data=_known(known.callback_data),
            instance=_known(known.instance),
            pricing=_known(state.pricing),
            conflict=True if state.conflict else UNSET,
            failure=UNSET if state.failure is None else _failure(state.failure),
            sent_timestamp=_known(state.sent_timestamp),
            delivered_timestamp=_known(state.delivered_timestamp),
            read_timestamp=_known(state.read_timestamp),
            played_timestamp=_known(state.played_timestamp),
            failed_timestamp=_known(state.failed_timestamp),
            first_timestamp=_known(state.first_timestamp),
            template=_template_document(message.template),
            sent_by=UNSET if message.sent_by is None else _sender(message.sent_by),
        )
    )


def send_to_document(send: Send, zone: tzinfo | None = None) -> dict[str, Any]:
    """Return the document of one send, without ``_id``; its date carries the zone, if there is one."""
    sent_at = send.sent_at
    return as_dict(
        SendDocument(
            message_id=_known(send.message_id),
            conversation_id=_known(send.conversation_id),
            input=_known(send.input),
            status=send.status,
            template=_template_document(send.template),
            sent_by=_sender(send.sent_by),
            sent_at=UNSET if sent_at is None else sent_at if zone is None else sent_at.astimezone(zone),
            rejected=True if send.rejected else UNSET,
            errors=UNSET if send.errors is None else list(send.errors),
            instance=_known(send.instance),
        )
    )


def _status(entry: HistoryEntry, zone: tzinfo, *, with_workflow: bool) -> StatusDocument:
    return StatusDocument(
        status=entry.status,
        timestamp=entry.timestamp,
        timestamp_formatted=format_timestamp(entry.timestamp, zone),
        execution_id=entry.execution_id,
        conversation_id=entry.conversation_id,
        participant=_known(entry.participant),
        errors=UNSET if entry.errors is None else list(entry.errors),
        pricing=_known(entry.pricing),
        timestamp_source=_known(entry.timestamp_source),
        workflow_id=entry.workflow_id if with_workflow and entry.execution_id != RECEIVED else UNSET,
    )


def _known(value: _T | None) -> _T | UnsetType:
    return UNSET if value is None else value


def _failure(failure: Failure) -> FailureDocument:
    return FailureDocument(code=failure.code, title=failure.title, details=failure.details)


def _template_document(template: Template | None) -> TemplateDocument | UnsetType:
    return UNSET if template is None else TemplateDocument(name=template.name, language=template.language)


def _sender(sender: SentBy) -> SenderDocument:
    return SenderDocument(workflow_id=sender.workflow_id, node=sender.node, execution_id=sender.execution_id)


def from_document(document: Mapping[str, Any]) -> Message | None:
    """Return the message of a stored document, also of an older tool's; None when it has no status."""
    workflow_id = text_of(document.get("workflowId")) or ""
    entries: dict[str, HistoryEntry] = {}
    history = document.get("statusHistory")
    for stored in history if isinstance(history, list) and history else [_own_status(document)]:
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
        state=state_of(ordered),
        first_seen_at=_instant(document.get("firstSeenAt")),
        last_updated_at=_instant(document.get("lastUpdatedAt")),
        last_scanned_at=_instant(document.get("lastScannedAt")),
        template=_template(document.get("template")),
        sent_by=_sent_by(document.get("sentBy")),
    )


def _own_status(document: Mapping[str, Any]) -> dict[str, Any]:
    """The status of a document without history, as an entry: another program stored one document per status."""
    return {
        "status": document.get("latestStatus", document.get("status")),
        "timestamp": document.get("latestTimestamp", document.get("timestamp")),
        **{name: document.get(name) for name in ("executionId", "conversation_id", "waId", "errors", "pricing")},
    }


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
    """Return a stored id as text; None when it is missing, empty, or no id.

    An id kept as a double is written as a whole number.
    """
    if value is None or type(value) is str:
        return value or None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < _TOO_LARGE else None
    if isinstance(value, (bool, bytes, datetime, list, Mapping)):
        return None
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
