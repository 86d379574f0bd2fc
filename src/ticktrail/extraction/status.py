"""Read one status object of a WhatsApp webhook as a status event.

Pure: takes any JSON value and never raises.

See: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
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

DAY_SECONDS = 86_400

_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
"""A business-scoped user id. Meta sends it as ``recipient_id`` when the phone number may not be shared."""


class Holder(msgspec.Struct, frozen=True):
    """A list of status objects with the objects around it.

    Attributes:
        statuses: as reported; entries may be anything.
        from_meta: something around the list is Meta's (``messaging_product``, ``entry``), so any id is a message id.
        in_envelope: the list is inside Meta's envelope, which is proof enough where a bare list is not.
        by_person: something around the list holds a person's words, or has the shape that a person gave it.
        beside_words: outside Meta's envelope, an object around the list holds a text of several words.
    """

    statuses: tuple[Any, ...]
    metadata: dict[str, Any]
    contacts: tuple[Any, ...]
    from_meta: bool
    in_envelope: bool = False
    by_person: bool = False
    beside_words: bool = False


class Moment(msgspec.Struct, frozen=True):
    """Time of an execution, Unix seconds. Replaces a missing status time, and marks times far after it."""

    trigger_timestamp: int | None
    execution_timestamp: int | None


class Reading(msgspec.Struct, frozen=True):
    """Result of reading one status object: an event, or the problem that prevented one.

    Both are None when the object is not a status of a message: a call, a payment, an entry without an id.
    """

    event: StatusEvent | None = None
    problem: str | None = None


_NOTHING = Reading()


def read_status(status: object, holder: Holder, moment: Moment, *, execution_id: str, workflow_id: str) -> Reading:
    """Read one element of ``statuses``."""
    if not isinstance(status, dict):
        return _NOTHING if status is None else Reading(problem="a status that is no object")
    message_id = _message_id(status)
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
    if recipient is not None and _USER_ID.fullmatch(recipient):
        user_id = user_id or recipient
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


def _message_id(status: dict[str, Any]) -> Any:
    """Return the wamid. Gupshup v3 puts its own id into ``id`` and the wamid into ``meta_msg_id``."""
    meta_id = status.get("meta_msg_id")
    return meta_id if isinstance(meta_id, str) and meta_id.startswith("wamid.") else status.get("id")


def _as_text(value: object) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    except RecursionError:
        return None


def _is_of_a_message(message_id: str, status: dict[str, Any], holder: Holder) -> bool:
    """Return whether this is a status of WhatsApp: by its id, its surroundings, its recipient or its time.

    Other services have lists called ``statuses`` too.
    """
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
    """Return a reported time as Unix seconds, or None when the value is not a time.

    Accepts numbers and texts in seconds, milliseconds, microseconds or nanoseconds (by magnitude) and ISO 8601
    (UTC when it has no zone).
    """
    if isinstance(value, str):
        if len(value) == 10 and value.isascii() and value.isdigit():
            return int(value)  # Meta's usual form
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
    """Return the group member a status is about, in any of the spellings of Meta's pages."""
    return (
        _text(status.get("recipient_participant_id"))
        or _text(status.get("participant_recipient_id"))
        or _text(status.get("recipient_participant_user_id"))
    )


def complete_from_contacts(
    recipient: str | None, user_id: str | None, contacts: tuple[Any, ...]
) -> tuple[str | None, str | None]:
    """Complete the phone number from the business-scoped user id, or the reverse, from a contact that has both."""
    for contact in contacts:
        if not isinstance(contact, dict):
            continue
        wa_id, contact_user_id = _text(contact.get("wa_id")), _text(contact.get("user_id"))
        if recipient is not None and wa_id == recipient:
            return recipient, user_id or contact_user_id
        if recipient in (None, user_id) and user_id is not None and contact_user_id == user_id:
            return wa_id or recipient, user_id
    return recipient, user_id


def read_errors(status: dict[str, Any]) -> tuple[dict[str, Any], ...] | None:
    """Return the errors of a status, each with those of ``code, title, message, details, href`` it has."""
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
    """Return one of Meta's error objects, flattened, with a numeric code as a number."""
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
    """Return a reported id or sentence as text, or None when it is empty or not a scalar."""
    if value is None:
        return None
    if isinstance(value, str):
        return (value if value.isascii() and value.isprintable() else clean_text(value)) or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None
