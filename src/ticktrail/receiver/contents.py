"""Read one webhook of Meta: its statuses, and whether n8n needs it. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from ticktrail.extraction.status import Holder, Moment, read_status
from ticktrail.extraction.webhook import read_body
from ticktrail.messages.model import RECEIVED, StatusEvent

_STATUS_FIELDS = frozenset({"messaging_product", "metadata", "statuses", "contacts"})
"""Fields of a ``value`` that holds statuses alone. A user's message would add ``messages``; see Meta's page."""


class Contents(msgspec.Struct, frozen=True):
    """Contents of one webhook.

    Attributes:
        events: its statuses, with the execution id ``webhook``.
        statuses_alone: it holds statuses and nothing else, so n8n need not get it.
        number: ``phone_number_id`` of the first change; webhooks of one number are forwarded in order.
    """

    events: tuple[StatusEvent, ...]
    statuses_alone: bool
    number: str


def read_contents(body: bytes, received_timestamp: int) -> Contents:
    """Read a webhook. A body that is not Meta's envelope holds no statuses and is forwarded as it came.

    Args:
        received_timestamp: Unix seconds; used for a status without a time.
    """
    try:
        envelope = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Contents((), statuses_alone=False, number="")
    values = _values(envelope)
    moment = Moment(trigger_timestamp=received_timestamp, execution_timestamp=received_timestamp)
    events = tuple(
        event
        for holder in _holders(envelope)
        for status in holder.statuses
        if (event := read_status(status, holder, moment, execution_id=RECEIVED, workflow_id="").event) is not None
    )
    alone = bool(events) and all(field == "messages" and value.keys() <= _STATUS_FIELDS for field, value in values)
    return Contents(events, statuses_alone=alone, number=_number(values))


def _holders(envelope: object) -> tuple[Holder, ...]:
    if not isinstance(envelope, dict) or envelope.get("object") != "whatsapp_business_account":
        return ()
    return read_body(envelope).holders


def _values(envelope: object) -> list[tuple[object, dict[str, Any]]]:
    """Field and value of every change of an envelope, malformed ones left out."""
    entries = envelope.get("entry") if isinstance(envelope, dict) else None
    changes = [change for entry in _objects(entries) for change in _objects(entry.get("changes"))]
    return [(change.get("field"), change["value"]) for change in changes if isinstance(change.get("value"), dict)]


def _objects(value: object) -> list[dict[str, Any]]:
    return [element for element in value if isinstance(element, dict)] if isinstance(value, list) else []


def _number(values: list[tuple[object, dict[str, Any]]]) -> str:
    for _, value in values:
        metadata = value.get("metadata")
        if isinstance(metadata, dict) and isinstance(metadata.get("phone_number_id"), str):
            return str(metadata["phone_number_id"])
    return ""
