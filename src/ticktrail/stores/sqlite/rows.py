"""Convert records to rows and back, with the SQL that names their columns.

A message is read back from its events: the merge law (:mod:`ticktrail.messages.merge`) gives its state, and the columns
with that state exist for queries. ``details`` is JSON of what few entries have. An instant is kept to the millisecond.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from ticktrail.messages import counts
from ticktrail.messages.failure_causes import error_code, error_title
from ticktrail.messages.merge import sort_history, state_of
from ticktrail.messages.model import Attributes, HistoryEntry, Message, MessageState, Send, SentBy, Template

Row = tuple[Any, ...]

MAXIMUM_DEPTH = 90
"""Levels of nesting in reported details; deeper ones could be written and then not be read back."""

ATTRIBUTES = (
    "conversation_id",
    "phone_number_id",
    "display_phone_number",
    "recipient_user_id",
    "callback_data",
    "instance",
)
STANDING = (
    "latest_status",
    "latest_timestamp",
    "status_count",
    "workflow_id",
    "conflict",
    "failure_code",
    "failure_title",
    "failure_details",
    "pricing",
    "sent_timestamp",
    "delivered_timestamp",
    "read_timestamp",
    "played_timestamp",
    "failed_timestamp",
    "first_timestamp",
    # Counted by statistics: see ticktrail.messages.counts.
    "message_time",
    "facts",
    "delay",
)
AUDIENCE = "audience"
COHORT = "cohort"
ORIGIN = ("template_name", "template_language", "sent_by_workflow_id", "sent_by_node", "sent_by_execution_id")
NO_ORIGIN: Row = (None,) * len(ORIGIN)
TIMES = ("first_seen_at", "last_updated_at", "last_scanned_at")


def _insert(verb: str, table: str, columns: Sequence[str]) -> str:
    return f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _update(table: str, columns: Sequence[str], key: str) -> str:
    return f"UPDATE {table} SET {', '.join(f'{column} = ?' for column in columns)} WHERE {key} = ?"  # noqa: S608


_EVENT = ("message", "key", "status", "timestamp", "execution_id", "conversation_id", "workflow_id", "details")
_SEND = (
    "key",
    "message_id",
    "status",
    "rejected",
    "sent_at",
    "conversation_id",
    "input",
    *ORIGIN,
    "errors",
    "instance",
)

INSERT_MESSAGE = _insert(
    "INSERT", "message", ("id", "message_id", *ATTRIBUTES, AUDIENCE, *STANDING, *ORIGIN, *TIMES, COHORT)
)
UPDATE_STANDING = _update("message", (*STANDING, *TIMES, COHORT), "id")
UPDATE_ATTRIBUTES = _update("message", (*ATTRIBUTES, AUDIENCE, COHORT), "id")
# Not last_updated_at, which is indexed: no news is what most scans bring of most messages.
UPDATE_SCANNED = _update("message", ("first_seen_at", "last_scanned_at"), "id")
UPDATE_ORIGIN = _update("message", (*ORIGIN, COHORT), "id")
PUT_EVENT = _insert("REPLACE", "event", _EVENT)
DELETE_EVENT = "DELETE FROM event WHERE message = ? AND key = ?"
INSERT_SEND = _insert("INSERT", "send", _SEND)
UPDATE_SEND = _update("send", _SEND[1:], "key")

MESSAGE_COLUMNS = ", ".join(("id", "message_id", *ATTRIBUTES, *ORIGIN, *TIMES))
EVENT_COLUMNS = ", ".join(_EVENT)
SEND_COLUMNS = ", ".join(_SEND)

_EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NOT_ASKED = MessageState(latest_status="")


class Details(msgspec.Struct, frozen=True, omit_defaults=True):
    """Details that only some history entries have."""

    participant: str | None = None
    timestamp_source: str | None = None
    errors: tuple[dict[str, Any], ...] | None = None
    pricing: dict[str, Any] | None = None


def _from_bson(value: object) -> object:
    """Return a value that only MongoDB has, for JSON: a copied document may hold one in its details."""
    if isinstance(value, int):
        return int(value)
    if type(value).__module__.startswith("bson."):
        return str(value)
    raise TypeError(type(value).__name__)


_encode = msgspec.json.Encoder(enc_hook=_from_bson).encode
_decode_details = msgspec.json.Decoder(Details).decode
_decode_errors = msgspec.json.Decoder(tuple[dict[str, Any], ...]).decode


def to_milliseconds(instant: datetime) -> int:
    """An aware instant as whole milliseconds since 1970 UTC, rounded down."""
    return (instant - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=4096)
def to_instant(milliseconds: int) -> datetime:
    """The inverse of :func:`to_milliseconds`, in UTC. Cached: a whole batch shares one instant."""
    return _EPOCH + milliseconds * _MILLISECOND


def bindable(text: str) -> str | bytes:
    """A text to look for. One that no store can hold (half a surrogate pair) becomes bytes, which match nothing."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def message_row(number: int, message: Message, origin: Row, cohort: int) -> Row:
    """For :data:`INSERT_MESSAGE`; ``number`` is the row's own key."""
    return (
        number,
        message.message_id,
        *attributes_row(message.attributes),
        *_standing_row(message.state, len(message.history)),
        *origin,
        *times_row(message),
        cohort,
    )


def attributes_row(known: Attributes) -> Row:
    """The values of :data:`ATTRIBUTES`, and of :data:`AUDIENCE`, which follows from them."""
    return (
        known.conversation_id,
        known.phone_number_id,
        known.display_phone_number,
        known.recipient_user_id,
        known.callback_data,
        known.instance,
        counts.audience(known.conversation_id, known.phone_number_id),
    )


def standing_row(message: Message) -> Row:
    """The values of :data:`STANDING`."""
    return _standing_row(message.state, len(message.history))


def _standing_row(state: MessageState, count: int) -> Row:
    failure = state.failure
    return (
        state.latest_status,
        state.latest_timestamp,
        count,
        state.workflow_id,
        state.conflict,
        *(
            (None, None, None)
            if failure is None
            else (error_code(failure.code), error_title(failure.title), _text(failure.details))
        ),
        None if state.pricing is None else to_json(state.pricing),
        state.sent_timestamp,
        state.delivered_timestamp,
        state.read_timestamp,
        state.played_timestamp,
        state.failed_timestamp,
        state.first_timestamp,
        counts.message_time(state),
        counts.facts(state),
        counts.delay(state),
    )


def times_row(message: Message) -> Row:
    """The values of :data:`TIMES`."""
    return (
        to_milliseconds(message.first_seen_at),
        to_milliseconds(message.last_updated_at),
        to_milliseconds(message.last_scanned_at),
    )


def scanned_row(message: Message) -> Row:
    """The times that a scan without news can move, for :data:`UPDATE_SCANNED`."""
    return (to_milliseconds(message.first_seen_at), to_milliseconds(message.last_scanned_at))


def event_row(number: int, key: str, entry: HistoryEntry) -> Row:
    """For :data:`PUT_EVENT`; ``number`` is the message's row, ``key`` the entry's merge.entry_key."""
    plain = entry.participant is None and entry.timestamp_source is None and entry.errors is None
    details = (
        None
        if plain and entry.pricing is None
        else to_json(Details(entry.participant, entry.timestamp_source, entry.errors, entry.pricing))
    )
    return (
        number,
        key,
        entry.status,
        entry.timestamp,
        entry.execution_id,
        entry.conversation_id,
        entry.workflow_id,
        details,
    )


def entry_of(row: Row) -> HistoryEntry:
    """A history entry from :data:`EVENT_COLUMNS`."""
    _, _, status, timestamp, execution_id, conversation_id, workflow_id, details = row
    if details is None:
        return HistoryEntry(
            status=status,
            timestamp=timestamp,
            execution_id=execution_id,
            conversation_id=conversation_id,
            workflow_id=workflow_id,
        )
    known = _decode_details(details)
    return HistoryEntry(
        status=status,
        timestamp=timestamp,
        execution_id=execution_id,
        conversation_id=conversation_id,
        workflow_id=workflow_id,
        participant=known.participant,
        timestamp_source=known.timestamp_source,
        errors=known.errors,
        pricing=known.pricing,
    )


def message_of(row: Row, entries: dict[str, HistoryEntry]) -> Message:
    """A message from :data:`MESSAGE_COLUMNS` and its entries by key."""
    history = sort_history(entries)
    return _message(row, history, state_of(history))


def message_to_merge(row: Row, entries: dict[str, HistoryEntry]) -> Message:
    """As :func:`message_of`, for merge_message, which needs neither the order nor the state."""
    return _message(row, tuple(entries.values()), _NOT_ASKED)


def _message(row: Row, history: tuple[HistoryEntry, ...], state: MessageState) -> Message:
    template, language, *sender = row[8:13]
    return Message(
        message_id=row[1],
        history=history,
        attributes=Attributes(
            conversation_id=row[2],
            phone_number_id=row[3],
            display_phone_number=row[4],
            recipient_user_id=row[5],
            callback_data=row[6],
            instance=row[7],
        ),
        state=state,
        template=None if template is None else Template(template, language),
        sent_by=None if sender[0] is None else SentBy(*sender),
        first_seen_at=to_instant(row[13]),
        last_updated_at=to_instant(row[14]),
        last_scanned_at=to_instant(row[15]),
    )


def origin_of(message: Message) -> Row:
    """The values of :data:`ORIGIN` of a stored message."""
    return NO_ORIGIN if message.sent_by is None else _origin(message.template, message.sent_by)


def origin_row(send: Send) -> Row:
    """The values of :data:`ORIGIN`: template and sender that a message gets from its send."""
    return _origin(send.template, send.sent_by)


def _origin(template: Template | None, sender: SentBy) -> Row:
    return (
        template.name if template else None,
        template.language if template else None,
        sender.workflow_id,
        sender.node,
        sender.execution_id,
    )


def send_row(send: Send) -> Row:
    """For :data:`INSERT_SEND`."""
    return (
        send.key,
        send.message_id,
        send.status,
        send.rejected,
        None if send.sent_at is None else to_milliseconds(send.sent_at),
        send.conversation_id,
        send.input,
        *origin_row(send),
        None if send.errors is None else to_json(send.errors),
        send.instance,
    )


def send_of(row: Row) -> Send:
    """A send from :data:`SEND_COLUMNS`."""
    key, message_id, status, rejected, sent_at, conversation_id, given, template, language, *sender, errors, label = row
    return Send(
        key=key,
        message_id=message_id,
        status=status,
        rejected=bool(rejected),
        sent_at=None if sent_at is None else to_instant(sent_at),
        conversation_id=conversation_id,
        input=given,
        template=None if template is None else Template(template, language),
        sent_by=SentBy(*sender),
        errors=None if errors is None else _decode_errors(errors),
        instance=label,
    )


def to_json(value: object) -> str:
    """JSON text of reported details.

    Raises:
        UnicodeEncodeError: half a surrogate pair is in it.
        RecursionError: it is nested more than :data:`MAXIMUM_DEPTH` levels deep.
    """
    encoded = _encode(value)
    if encoded.count(b"{") + encoded.count(b"[") > MAXIMUM_DEPTH and _depth(value) > MAXIMUM_DEPTH:
        raise RecursionError(f"more than {MAXIMUM_DEPTH} levels")
    return encoded.decode()


def _depth(value: object) -> int:
    """Return how deeply objects and lists are nested."""
    depth, level = 0, [msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else value]
    while level:
        inner: list[object] = []
        for item in level:
            members: Iterable[object] = ()
            if isinstance(item, dict):
                members = item.values()
            elif isinstance(item, (list, tuple)):
                members = item
            inner.extend(member for member in members if isinstance(member, (dict, list, tuple)))
        depth, level = depth + 1, inner
    return depth


def _text(value: object) -> str | None:
    """Return reported details for a column; anything but a text is stored as JSON."""
    return value if value is None or isinstance(value, str) else to_json(value)
