"""Merge status events into messages: the same message in any order, with any repetition and in any batches.

Merging is commutative, associative and idempotent. Three rules make it so:

* a history is a **set** of entries under :func:`entry_key`; sorting happens at the end;
* two copies of one entry, and two events that disagree on a field of the message, are merged field by
  field: present beats absent, and the greater of two values wins in one fixed order (:func:`bson_order`);
* the current status (:func:`state_of`) follows from the whole history, never from what came last.

This module is pure: time comes in as an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from ticktrail.messages.model import (
    ARRIVED,
    EARLIEST_PLAUSIBLE_TIMESTAMP,
    FAILED,
    MADE_UP,
    NEVER,
    RANK,
    RECEIVED,
    Attributes,
    Failure,
    HistoryEntry,
    Message,
    MessageState,
    Send,
    StatusEvent,
)

KEY_SEPARATOR = "\x1f"
"""Separates the parts of a key. Extraction removes it from every reported value."""

_T = TypeVar("_T")


class Gathered(msgspec.Struct, frozen=True):
    """Distinct entries of one message by key, and its attributes."""

    entries: dict[str, HistoryEntry]
    attributes: Attributes


def entry_key(entry: HistoryEntry | StatusEvent) -> str:
    """Return a text that two entries share exactly when they are the same status.

    A time taken from the execution is not part of it: n8n up to 2.15 overwrites the start when an execution resumes.
    """
    status, moment, participant = _identity(entry)
    return KEY_SEPARATOR.join((status, moment, entry.execution_id, participant))


def _identity(entry: HistoryEntry | StatusEvent) -> tuple[str, str, str]:
    made_up = entry.timestamp is None or entry.timestamp_source == MADE_UP
    return entry.status, "" if made_up else str(entry.timestamp), entry.participant or ""


def drop_received_copies(entries: dict[str, HistoryEntry]) -> dict[str, HistoryEntry]:
    """Remove entries received directly from Meta whose status n8n reported too: both are one, n8n's id wins.

    An n8n entry is never removed, so applying this after each union gives the same set in any order.
    """
    received = [key for key, entry in entries.items() if entry.execution_id == RECEIVED]
    if not received:
        return entries
    executed = {_identity(entry) for entry in entries.values() if entry.execution_id != RECEIVED}
    copies = {key for key in received if _identity(entries[key]) in executed}
    return {key: entry for key, entry in entries.items() if key not in copies} if copies else entries


def bson_order(value: Any) -> tuple[Any, ...]:
    """Return a sort key that orders JSON values: null, numbers, texts, objects, arrays, booleans.

    See: https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
    """
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (5, value)
    if isinstance(value, (int, float)):
        # 1 and 1.0 are equal; which of them stays must not depend on the order of arrival.
        return (1, value, isinstance(value, float))
    if isinstance(value, str):
        return (2, value)
    if isinstance(value, Mapping):
        ordered = ((name, bson_order(item)) for name, item in value.items())
        return (3, tuple((order[0], name, order) for name, order in ordered))
    return (4, tuple(bson_order(item) for item in value))


def greater(one: _T | None, other: _T | None) -> _T | None:
    """Return the greater of two values in :func:`bson_order`; a value beats None."""
    if one is None:
        return other
    if other is None:
        return one
    if isinstance(one, str) and isinstance(other, str):
        return max(one, other)
    if _is_same(one, other):
        return one
    return one if bson_order(one) > bson_order(other) else other


def _is_same(one: object, other: object) -> bool:
    """Return whether two values are equal and of one type: Python takes 1, 1.0 and True for equal."""
    return one == other and repr(one) == repr(other)


def merge_entries(one: HistoryEntry, other: HistoryEntry) -> HistoryEntry:
    """Merge two copies of one entry (same :func:`entry_key`)."""
    if _is_same(one, other):
        return one
    moments = [moment for moment in (one.timestamp, other.timestamp) if moment is not None]
    merged = HistoryEntry(
        status=one.status,
        execution_id=one.execution_id,
        participant=one.participant,
        timestamp=min(moments) if moments else None,
        timestamp_source=greater(one.timestamp_source, other.timestamp_source),
        conversation_id=greater(one.conversation_id, other.conversation_id),
        workflow_id=max(one.workflow_id, other.workflow_id),
        errors=greater(one.errors, other.errors),
        pricing=greater(one.pricing, other.pricing),
    )
    # Returns the same object where nothing changed: stores write only new objects.
    return one if _is_same(merged, one) else merged


def merge_attributes(one: Attributes, other: Attributes) -> Attributes:
    """Merge the attributes of one message field by field."""
    if one == other:
        return one
    return Attributes(
        conversation_id=greater(one.conversation_id, other.conversation_id),
        phone_number_id=greater(one.phone_number_id, other.phone_number_id),
        display_phone_number=greater(one.display_phone_number, other.display_phone_number),
        recipient_user_id=greater(one.recipient_user_id, other.recipient_user_id),
        callback_data=greater(one.callback_data, other.callback_data),
        instance=greater(one.instance, other.instance),
    )


def merge_gathered(one: Gathered, other: Gathered) -> Gathered:
    """Merge two batches of events of the same message."""
    entries = dict(one.entries)
    for key, entry in other.entries.items():
        known = entries.get(key)
        entries[key] = entry if known is None else merge_entries(known, entry)
    return Gathered(drop_received_copies(entries), merge_attributes(one.attributes, other.attributes))


def gather(events: Iterable[StatusEvent], *, instance: str | None = None) -> dict[str, Gathered]:
    """Group events by message id, in order of first appearance, and merge the copies in them."""
    gathered: dict[str, Gathered] = {}
    for event in events:
        entry = HistoryEntry(
            status=event.status,
            timestamp=event.timestamp,
            timestamp_source=event.timestamp_source,
            execution_id=event.execution_id,
            conversation_id=event.conversation_id,
            participant=event.participant,
            workflow_id=event.workflow_id,
            errors=event.errors,
            pricing=event.pricing,
        )
        attributes = Attributes(
            conversation_id=event.conversation_id,
            phone_number_id=event.phone_number_id,
            display_phone_number=event.display_phone_number,
            recipient_user_id=event.recipient_user_id,
            callback_data=event.callback_data,
            instance=instance,
        )
        key = entry_key(entry)
        known = gathered.get(event.message_id)
        if known is None:
            gathered[event.message_id] = Gathered({key: entry}, attributes)
            continue
        twin = known.entries.get(key)
        known.entries[key] = entry if twin is None else merge_entries(twin, entry)
        if attributes != known.attributes:
            gathered[event.message_id] = Gathered(known.entries, merge_attributes(known.attributes, attributes))
    for message_id, found in gathered.items():
        entries = drop_received_copies(found.entries)
        if entries is not found.entries:
            gathered[message_id] = Gathered(entries, found.attributes)
    return gathered


def sort_history(entries: Mapping[str, HistoryEntry]) -> tuple[HistoryEntry, ...]:
    """Return entries, oldest first: by timestamp (none first), then rank, then key, so that the order is total."""
    if len(entries) == 1:
        return tuple(entries.values())
    order = sorted(
        entries.items(),
        key=lambda item: (
            item[1].timestamp is not None,
            item[1].timestamp or 0,
            RANK.get(item[1].status, 0),
            item[0],
        ),
    )
    return tuple(entry for _, entry in order)


def state_of(history: Iterable[HistoryEntry]) -> MessageState:
    """Return the state of a message with this sorted, non-empty history.

    The furthest status wins, whatever arrived last. ``failed`` beats ``sent``; a real delivered, read or
    played beats ``failed`` and, for the same participant, sets ``conflict``.
    """
    latest: HistoryEntry | None = None
    latest_place: tuple[int, bool, int, str] | None = None
    milestones: dict[str, int] = {}
    first: int | None = None
    failed_for: set[str | None] = set()
    arrived_for: set[str | None] = set()
    failure: Failure | None = None
    pricing: dict[str, Any] | None = None
    workflow_id = ""
    for entry in history:
        rank = RANK.get(entry.status, 0)
        place = (rank, entry.timestamp is not None, entry.timestamp or 0, "")
        if latest_place is None or place >= latest_place:
            # History is sorted by timestamp, rank, key: at equal rank and time the later one has the greater key.
            latest, latest_place = entry, place
        if entry.pricing is not None:
            pricing = entry.pricing
        if entry.workflow_id and (not workflow_id or entry.workflow_id < workflow_id):
            workflow_id = entry.workflow_id
        if entry.status in FAILED:
            failed_for.add(entry.participant)
            if entry.errors:
                failure = _failure(entry.errors[0])
        elif entry.status in ARRIVED:
            arrived_for.add(entry.participant)
        moment = entry.timestamp
        if moment is None or entry.timestamp_source is not None or moment < EARLIEST_PLAUSIBLE_TIMESTAMP:
            continue
        if first is None or moment < first:
            first = moment
        if rank:
            name = "failed" if entry.status in FAILED else entry.status
            if name not in milestones or moment < milestones[name]:
                milestones[name] = moment
    if latest is None:
        raise ValueError("a message has at least one status")
    return MessageState(
        latest_status=latest.status,
        latest_timestamp=latest.timestamp,
        workflow_id=workflow_id,
        conflict=not failed_for.isdisjoint(arrived_for),
        failure=failure,
        pricing=pricing,
        sent_timestamp=milestones.get("sent"),
        delivered_timestamp=milestones.get("delivered"),
        read_timestamp=milestones.get("read"),
        played_timestamp=milestones.get("played"),
        failed_timestamp=milestones.get("failed"),
        first_timestamp=first,
    )


def _failure(error: Mapping[str, Any]) -> Failure:
    return Failure(code=error.get("code"), title=error.get("title"), details=error.get("details"))


def merge_message(stored: Message | None, message_id: str, events: Gathered, *, at: datetime) -> Message:
    """Return a message after a scan at ``at`` found these events of it.

    ``last_updated_at`` moves only when the history grew; ``last_scanned_at`` never moves back.
    """
    if stored is None:
        history = sort_history(events.entries)
        return Message(
            message_id=message_id,
            history=history,
            attributes=events.attributes,
            state=state_of(history),
            first_seen_at=at,
            last_updated_at=at,
            last_scanned_at=at,
        )
    before = Gathered({entry_key(entry): entry for entry in stored.history}, stored.attributes)
    after = merge_gathered(before, events)
    # By identity, because Python takes 1, 1.0 and True for equal.
    unchanged = len(after.entries) == len(before.entries) and all(
        entry is before.entries.get(key) for key, entry in after.entries.items()
    )
    history = stored.history if unchanged else sort_history(after.entries)
    first_seen = at if stored.first_seen_at == NEVER else min(stored.first_seen_at, at)
    updated = first_seen if stored.last_updated_at == NEVER else stored.last_updated_at
    return msgspec.structs.replace(
        stored,
        history=history,
        attributes=after.attributes,
        state=stored.state if unchanged else state_of(history),
        first_seen_at=first_seen,
        last_updated_at=at if len(after.entries) > len(before.entries) else updated,
        last_scanned_at=max(stored.last_scanned_at, at),
    )


def join_messages(one: Message, other: Message) -> Message:
    """Merge the records of one message (same ``message_id``) in two stores.

    ``first_seen_at`` is the earlier, the other two dates are the later. Template and sender come from ``one`` where it
    has a sender.
    """
    both = [
        Gathered({entry_key(entry): entry for entry in message.history}, message.attributes) for message in (one, other)
    ]
    merged = merge_gathered(*both)
    history = sort_history(merged.entries)
    sent = other if one.sent_by is None else one
    seen = [at for at in (one.first_seen_at, other.first_seen_at) if at != NEVER]
    return Message(
        message_id=one.message_id,
        history=history,
        attributes=merged.attributes,
        state=state_of(history),
        first_seen_at=min(seen, default=NEVER),
        last_updated_at=max(one.last_updated_at, other.last_updated_at),
        last_scanned_at=max(one.last_scanned_at, other.last_scanned_at),
        template=sent.template,
        sent_by=sent.sent_by,
    )


def send_order(send: Send) -> tuple[Any, ...]:
    """Return a sort key for copies of one send: the least is the original, others repeat it (a retry, a forward)."""
    template = send.template
    return (
        send.sent_at is None,
        send.sent_at.timestamp() if send.sent_at else 0.0,
        send.sent_by.execution_id,
        send.sent_by.node,
        send.sent_by.workflow_id,
        template is None,
        (template.name, template.language or "") if template else ("", ""),
    )


def merge_sends(one: Send, other: Send) -> Send:
    """Merge two copies of one send (same ``key``): sender and template of the original, other fields one by one."""
    if _is_same(one, other):
        return one
    original, copy = sorted((one, other), key=send_order)
    return Send(
        key=original.key,
        message_id=original.message_id,
        rejected=original.rejected,
        sent_by=original.sent_by,
        sent_at=original.sent_at,
        template=original.template,
        status=max(original.status, copy.status),
        conversation_id=greater(original.conversation_id, copy.conversation_id),
        input=greater(original.input, copy.input),
        errors=greater(original.errors, copy.errors),
        instance=greater(original.instance, copy.instance),
    )
