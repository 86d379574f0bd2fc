"""What Meta's WhatsApp webhooks say: one webhook body in, status events out.

A body may be Meta's whole envelope (``entry[].changes[].value``), one change, a bare ``value``, a bare
``{"statuses": [...]}``, a ``value.standby``, or any of these inside other objects and lists. Every entry, change
and status is read. Whatever a WhatsApp user wrote (all below ``messages``, profile names, …) is never searched.

Sources: Meta's pages on webhooks and message statuses; variants of other providers that pass Meta's body on.
This module is pure and takes any JSON value without raising.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from ticktrail.messages.model import EARLIEST_PLAUSIBLE_TIMESTAMP, IMPLAUSIBLE, MADE_UP, StatusEvent
from ticktrail.text.sanitizing import INT64, clean_object, clean_text

_USER_WRITTEN = frozenset({"messages", "message", "message_echoes", "contacts", "history", "user_actions"})
"""Keys below which people's own words stand. ``headers``, ``query`` and ``params`` of a request hold no body."""

_NOT_A_BODY = _USER_WRITTEN | {"headers", "query", "params", "metadata", "conversation", "pricing", "errors"}

_WRITTEN = _USER_WRITTEN - {"contacts"}

_SENDER = re.compile(
    r"^(from|user|phone|wa_?id|chat|chat_?(id|input)|session_?id)$|sender|author|jid|profile|customer", re.IGNORECASE
)
"""A text beside one of these was written by a person, so it is not opened even in a trigger's output."""

_DEPTH = 12
"""Deeper than this no provider nests a status; it bounds the work a hostile body can cause."""

DAY_SECONDS = 86_400


class Body(msgspec.Struct, frozen=True):
    """The objects in one webhook body that hold a ``statuses`` list, and whether a person wrote to us in it."""

    holders: tuple[Holder, ...]
    user_wrote: bool


class Holder(msgspec.Struct, frozen=True):
    """One list of reported statuses with what Meta says around it.

    Attributes:
        statuses: as reported; entries may be anything.
        from_meta: the surroundings are Meta's (``messaging_product``, ``entry``), so any id is a message id.
    """

    statuses: tuple[Any, ...]
    metadata: dict[str, Any]
    contacts: tuple[Any, ...]
    from_meta: bool


class Moment(msgspec.Struct, frozen=True):
    """When an execution ran, Unix seconds: stands in for times that a webhook left out, and bounds the others."""

    trigger_timestamp: int | None
    execution_timestamp: int | None


def read_body(value: object, *, open_texts: bool = False) -> Body:
    """Find the statuses in a webhook body.

    Args:
        value: any JSON value.
        open_texts: whether a text that holds JSON may be opened: only in the output of a node that nothing
            precedes, where it is the request itself and not something made of a user's words.
    """
    walk = _Walk()
    walk.visit(value, _Surroundings(open_texts=open_texts), 0)
    return Body(tuple(walk.holders), walk.user_wrote)


class _Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What the objects around a place in a body say about it."""

    metadata: dict[str, Any] = {}
    contacts: tuple[Any, ...] = ()
    from_meta: bool = False
    open_texts: bool = False

    def inside(self, value: dict[str, Any]) -> _Surroundings:
        """The surroundings of what stands in ``value``."""
        metadata, contacts = value.get("metadata"), value.get("contacts")
        from_meta = (
            self.from_meta or value.get("messaging_product") == "whatsapp" or "entry" in value or "changes" in value
        )
        return _Surroundings(
            metadata=metadata if isinstance(metadata, dict) else self.metadata,
            contacts=tuple(contacts) if isinstance(contacts, list) else self.contacts,
            from_meta=from_meta,
            open_texts=self.open_texts and not from_meta and not any(map(_SENDER.search, value)),
        )


class _Walk:
    """Collects holders while going down a body."""

    def __init__(self) -> None:
        self.holders: list[Holder] = []
        self.user_wrote = False

    def visit(self, value: object, around: _Surroundings, depth: int) -> None:
        if depth > _DEPTH:
            return
        if isinstance(value, dict):
            self._visit_object(value, around, depth)
        elif isinstance(value, list):
            for item in value:
                self.visit(item, around, depth + 1)
        elif isinstance(value, str) and around.open_texts:
            self.visit(_open_text(value), around, depth + 1)

    def _visit_object(self, value: dict[str, Any], around: _Surroundings, depth: int) -> None:
        if (any(value.get(key) for key in _WRITTEN) and not _is_answer(value)) or any(map(_SENDER.search, value)):
            self.user_wrote = True
        if value.get("field") == "calls":
            return
        around = around.inside(value)
        statuses = value.get("statuses")
        if isinstance(statuses, dict):
            statuses = [statuses]
        if isinstance(statuses, list):
            self.holders.append(Holder(tuple(statuses), around.metadata, around.contacts, around.from_meta))
        for key, item in value.items():
            if key != "statuses" and key not in _NOT_A_BODY:
                self.visit(item, around, depth + 1)


def _is_answer(value: dict[str, Any]) -> bool:
    """Whether this is Meta's answer to a send: its messages are ids, with a status at most."""
    messages = value.get("messages")
    return isinstance(messages, list) and all(
        isinstance(message, dict) and "id" in message and message.keys() <= {"id", "message_status"}
        for message in messages
    )


def _open_text(text: str) -> object | None:
    """The JSON value in a text, when it may hold statuses; else None."""
    if ("statuses" not in text and "messages" not in text) or text.lstrip()[:1] not in {"{", "[", '"'}:
        return None
    try:
        opened: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return opened


class Reading(msgspec.Struct, frozen=True):
    """One reported status read: an event, or the problem that kept it from being one, or neither.

    Neither means it is no status of a message: a call, a payment, an entry without an id.
    """

    event: StatusEvent | None = None
    problem: str | None = None


_NOTHING = Reading()


def read_status(status: object, holder: Holder, moment: Moment, *, execution_id: str, workflow_id: str) -> Reading:
    """One element of ``statuses`` as an event."""
    if not isinstance(status, dict):
        return _NOTHING if status is None else Reading(problem="a status that is no object")
    message_id = status.get("id")
    if not isinstance(message_id, str) or not message_id or message_id.startswith("wacid."):
        return _NOTHING
    if status.get("type") in ("call", "payment", "set-callback") or isinstance(status.get("payment"), dict):
        return _NOTHING
    if not _is_of_a_message(message_id, status, holder):
        return _NOTHING
    name = status.get("status")
    if not isinstance(name, str) or not name.strip():
        return Reading(problem="a status without its name")
    reported = parse_timestamp(status.get("timestamp"))
    timestamp, source = _timed(reported, moment)
    recipient = _recipient(status)
    user_id = _text(status.get("recipient_user_id"))
    if holder.contacts and (recipient is None or user_id is None):
        recipient, user_id = complete_from_contacts(recipient, user_id, holder.contacts)
    callback = status.get("biz_opaque_callback_data")
    if callback is not None and not isinstance(callback, str):
        callback = _as_text(callback)
    pricing = status.get("pricing")
    if not isinstance(pricing, dict):
        conversation = status.get("conversation")
        pricing = conversation.get("pricing") if isinstance(conversation, dict) else None
    return Reading(
        event=StatusEvent(
            message_id=clean_text(message_id),
            status=clean_text(name.strip().lower()),
            timestamp=timestamp,
            timestamp_source=source,
            execution_id=execution_id,
            workflow_id=workflow_id,
            conversation_id=recipient,
            participant=_participant(status),
            errors=read_errors(status),
            pricing=clean_object(pricing),
            phone_number_id=_text(holder.metadata.get("phone_number_id")),
            display_phone_number=_text(holder.metadata.get("display_phone_number")),
            recipient_user_id=user_id,
            callback_data=clean_text(callback) if callback else None,
        )
    )


def _as_text(value: object) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except RecursionError:
        return None


def _is_of_a_message(message_id: str, status: dict[str, Any], holder: Holder) -> bool:
    """Tell WhatsApp's statuses from what other services call so: by id, surroundings, or recipient and time."""
    return (
        message_id.startswith("wamid.")
        or holder.from_meta
        or "phone_number_id" in holder.metadata
        or "recipient_id" in status
        or "timestamp" in status
    )


def _timed(reported: int | None, moment: Moment) -> tuple[int | None, str | None]:
    if reported is None:
        start = moment.trigger_timestamp if moment.trigger_timestamp is not None else moment.execution_timestamp
        return start, MADE_UP if start is not None else None
    start = moment.execution_timestamp if moment.execution_timestamp is not None else moment.trigger_timestamp
    too_late = start is not None and reported > start + DAY_SECONDS
    return reported, IMPLAUSIBLE if reported < EARLIEST_PLAUSIBLE_TIMESTAMP or too_late else None


def parse_timestamp(value: object) -> int | None:
    """A reported time as Unix seconds; None when it is none.

    Takes numbers and texts in seconds, milliseconds or microseconds (told by magnitude) and ISO 8601
    (without a zone: UTC).
    """
    if isinstance(value, str):
        if len(value) == 10 and value.isascii() and value.isdigit():
            return int(value)  # what Meta sends, nearly always
        text = value.strip()
        try:
            value = float(text)
        except ValueError:
            return _parse_iso(text)
        if text.isdigit() and len(text) <= 18:
            value = int(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    for unit in (1, 1_000, 1_000_000, 1_000_000_000):
        seconds = int(value // unit)
        if abs(seconds) < 100_000_000_000:
            return seconds
    return None


def _parse_iso(text: str) -> int | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    try:
        return math.floor(instant.timestamp())
    except (OverflowError, ValueError):
        return None


def _recipient(status: dict[str, Any]) -> str | None:
    message = status.get("message")
    nested = message.get("recipient_id") if isinstance(message, dict) else None
    return _text(status.get("recipient_id")) or _text(status.get("group_id")) or _text(nested)


def _participant(status: dict[str, Any]) -> str | None:
    """The group member a status is about, in any of the spellings Meta's pages have had."""
    return (
        _text(status.get("recipient_participant_id"))
        or _text(status.get("participant_recipient_id"))
        or _text(status.get("recipient_participant_user_id"))
    )


def complete_from_contacts(
    recipient: str | None, user_id: str | None, contacts: tuple[Any, ...]
) -> tuple[str | None, str | None]:
    """Fill the phone number from the business-scoped user id, or the other way, where ``contacts`` pairs them."""
    for contact in contacts:
        if not isinstance(contact, dict):
            continue
        wa_id, contact_user_id = _text(contact.get("wa_id")), _text(contact.get("user_id"))
        if recipient is not None and wa_id == recipient:
            return recipient, user_id or contact_user_id
        if recipient is None and user_id is not None and contact_user_id == user_id:
            return wa_id, user_id
    return recipient, user_id


def read_errors(status: dict[str, Any]) -> tuple[dict[str, Any], ...] | None:
    """The errors of a status, each with those of ``code, title, message, details, href`` that were reported."""
    reported = status.get("errors")
    if isinstance(reported, dict):
        reported = [reported]
    if reported is None and "code" not in status:
        return None
    errors = [read_error(error) for error in reported if isinstance(error, dict)] if isinstance(reported, list) else []
    if not errors and status.get("code") is not None:
        # Gupshup's passthrough puts the code and the reason on the status itself.
        errors = [read_error({"code": status["code"], "title": status.get("reason")})]
    return tuple(error for error in errors if error) or None


def read_error(error: dict[str, Any]) -> dict[str, Any]:
    """One of Meta's error objects, flattened; the code is a number where it is numeric."""
    data = error.get("error_data")
    details = data.get("details") if isinstance(data, dict) else error.get("details")
    fields = {
        "code": _code(error.get("code")),
        "details": _text(details),
        "href": _text(error.get("href")),
        "message": _text(error.get("message")),
        "title": _text(error.get("title")),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _code(value: object) -> int | str | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        stripped = value.strip()
        return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) < 19 else _text(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and -INT64 <= value < INT64:
        return value
    return _text(value)


def _text(value: object) -> str | None:
    """A reported id or sentence as text; None for what is empty or no scalar."""
    if value is None:
        return None
    if isinstance(value, str):
        return (value if value.isascii() and value.isprintable() else clean_text(value)) or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None
