"""Read one webhook of Meta: its statuses, and whether n8n needs it. Pure."""

from __future__ import annotations

import msgspec

from ticktrail.extraction.status import Holder, Moment, read_status
from ticktrail.extraction.webhook import read_body
from ticktrail.messages.model import RECEIVED, StatusEvent
from ticktrail.text.json_decoding import decode_json

_STATUS_FIELDS = frozenset({"messaging_product", "metadata", "statuses", "contacts"})
"""Fields of a ``value`` that holds statuses alone. A user's message would add ``messages``; see Meta's page."""


class Contents(msgspec.Struct, frozen=True):
    """Contents of one webhook.

    Attributes:
        events: its statuses, with the execution id ``webhook``.
        problem: why another status in it cannot be read; None when there is none.
        statuses_alone: it holds statuses of messages and nothing else, so n8n need not get it.
        number: ``phone_number_id`` of the first change; webhooks of one number are forwarded in order.
    """

    events: tuple[StatusEvent, ...]
    problem: str | None
    statuses_alone: bool
    number: str


def read_contents(body: bytes, received_timestamp: int) -> Contents:
    """Read a webhook. A body that is not Meta's envelope holds no statuses and is forwarded as it came.

    Args:
        received_timestamp: Unix seconds; used for a status without a time.
    """
    envelope = decode_json(body)
    moment = Moment(trigger_timestamp=received_timestamp, execution_timestamp=received_timestamp)
    readings = [
        read_status(status, holder, moment, execution_id=RECEIVED, workflow_id="")
        for holder in _holders(envelope)
        for status in holder.statuses
    ]
    events = tuple(reading.event for reading in readings if reading.event is not None)
    changes = _changes(envelope)
    return Contents(
        events,
        problem=next((reading.problem for reading in readings if reading.problem is not None), None),
        statuses_alone=bool(events) and len(events) == len(readings) and all(map(_has_statuses_alone, changes)),
        number=_number(changes),
    )


def _holders(envelope: object) -> tuple[Holder, ...]:
    if not isinstance(envelope, dict) or envelope.get("object") != "whatsapp_business_account":
        return ()
    return tuple(holder for holder in read_body(envelope).holders if holder.in_envelope)


def _changes(envelope: object) -> list[object]:
    """Every change of an envelope, malformed ones and malformed entries included."""
    entries = envelope.get("entry") if isinstance(envelope, dict) else None
    changes: list[object] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        found = entry.get("changes") if isinstance(entry, dict) else None
        changes.extend(found if isinstance(found, list) else [found])
    return changes


def _has_statuses_alone(change: object) -> bool:
    value = change.get("value") if isinstance(change, dict) and change.get("field") == "messages" else None
    return isinstance(value, dict) and value.keys() <= _STATUS_FIELDS


def _number(changes: list[object]) -> str:
    for change in changes:
        value = change.get("value") if isinstance(change, dict) else None
        metadata = value.get("metadata") if isinstance(value, dict) else None
        if isinstance(metadata, dict) and isinstance(metadata.get("phone_number_id"), str):
            return str(metadata["phone_number_id"])
    return ""
