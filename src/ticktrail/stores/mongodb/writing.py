"""Writes batches of status events and sends to MongoDB, merged as in every store.

Three steps: messages, sends, and then what each send says of its message. All are compare-and-swap
(:mod:`ticktrail.stores.mongodb.bulk`), so any number of processes may write at once, and a killed one leaves every
document whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from pymongo import ReadPreference
from pymongo.read_concern import ReadConcern

from ticktrail.messages.document import from_document
from ticktrail.messages.merge import Gathered, gather, join_messages, merge_message, merge_sends
from ticktrail.messages.model import Message, Send, StatusEvent
from ticktrail.stores.mongodb import sends as send_documents
from ticktrail.stores.mongodb.bulk import (
    UNSTORABLE,
    Decide,
    Decision,
    Documents,
    Outcome,
    Update,
    parts,
    swap,
)
from ticktrail.stores.mongodb.connection import Address
from ticktrail.stores.mongodb.errors import reason_of
from ticktrail.stores.mongodb.filters import storable
from ticktrail.stores.mongodb.merging import change, insertion
from ticktrail.stores.mongodb.retrying import keep_trying, read
from ticktrail.stores.results import Refusal, WriteReport

_MAXIMUM_DEPTH = 90
"""Levels of nesting in reported details; MongoDB documents 100 for a whole document."""

_MAXIMUM_READS = 10
"""Maximum number of times a send is read again; it changes only when an earlier copy of it arrives."""

_FROM_SEND = ("template", "sentBy")
"""Fields of a message that come from its send."""


class Writer:
    """Writes into the two collections of a store; the unique index on ``messageId`` must exist.

    Methods raise what the driver raises when the server cannot be reached or refuses altogether.
    """

    def __init__(self, statuses: Documents, sends: Documents, address: Address, zone: ZoneInfo) -> None:
        self._statuses = statuses
        self._sends = sends
        self._address = address
        self._zone = zone

    def write(
        self, events: Sequence[StatusEvent], sends: Iterable[Send], *, at: datetime, instance: str | None
    ) -> WriteReport:
        """Merge a batch; see :meth:`ticktrail.stores.Store.write`."""
        gathered, report = _gathered(events, instance)
        for message_ids in parts(list(gathered)):
            report += self._write_messages({message_id: gathered[message_id] for message_id in message_ids}, at)
        folded: dict[str, Send] = {}
        for given in sends:
            send = given if given.instance is not None else msgspec.structs.replace(given, instance=instance)
            if send.sent_at is not None:
                send = msgspec.structs.replace(send, sent_at=truncated(send.sent_at))
            folded[send.key] = merge_sends(folded[send.key], send) if send.key in folded else send
        for keys in parts(list(folded)):
            report += self._write_sends({key: folded[key] for key in keys})
        # Messages and sends are written before either is read for the other, so of two writers at once one finds both.
        met = dict.fromkeys([*gathered, *(send.message_id for send in folded.values() if send.message_id is not None)])
        for message_ids in parts(list(met)):
            self._copy_from_sends(storable(message_ids))
        return report

    def import_messages(self, messages: Sequence[Message]) -> WriteReport:
        """Merge whole messages; see :meth:`ticktrail.stores.retention.Retention.import_messages`."""
        given = {message.message_id: message for message in messages}
        new_events: dict[str, int] = {}

        def merge(message_id: str, stored: dict[str, Any] | None) -> Decision:
            message = given[message_id]
            before = None if stored is None else from_document(stored)
            merged = message if before is None else join_messages(before, message)
            new_events.setdefault(message_id, len(merged.history) - (0 if before is None else len(before.history)))
            if stored is None:
                return insertion(merged, self._zone)
            decision = change(stored, before, merged, self._zone, with_send=True)
            if decision is None and before is not None and before.last_scanned_at < merged.last_scanned_at:
                return Update(fields={}, maximum={"lastScannedAt": merged.last_scanned_at})
            return decision

        report = WriteReport()
        for message_ids in parts(list(given)):
            report += _report(message_ids, self._swap_messages(message_ids, merge), new_events)
            self._copy_from_sends(storable(message_ids))
        return report

    def _write_messages(self, gathered: Mapping[str, Gathered], at: datetime) -> WriteReport:
        new_events: dict[str, int] = {}

        def merge(message_id: str, stored: dict[str, Any] | None) -> Decision:
            news = gathered[message_id]
            _refuse_depth(news)
            before = None if stored is None else from_document(stored)
            merged = merge_message(before, message_id, news, at=at)
            new_events.setdefault(message_id, len(merged.history) - (0 if before is None else len(before.history)))
            return insertion(merged, self._zone) if stored is None else change(stored, before, merged, self._zone)

        outcome = self._swap_messages(gathered, merge)
        unchanged = outcome.unchanged - outcome.inserted
        if unchanged:
            met = {"messageId": {"$in": sorted(unchanged)}}
            keep_trying(lambda: self._statuses.update_many(met, {"$max": {"lastScannedAt": at}}))
        return _report(gathered, outcome, new_events)

    def _swap_messages(self, message_ids: Collection[str], merge: Decide) -> Outcome:
        return swap(self._statuses, message_ids, merge, self._address, key_field="messageId")

    def _write_sends(self, sends: Mapping[str, Send]) -> WriteReport:
        def merge(key: str, stored: dict[str, Any] | None) -> Decision:
            _refuse_deep(sends[key].errors)
            return send_documents.decide(sends[key], stored)

        outcome = swap(self._sends, sends, merge, self._address)
        return WriteReport(refused=_refusals(outcome.refused), sends=len(outcome.inserted))

    def _copy_from_sends(self, message_ids: Sequence[str]) -> None:
        """Copy template and sender from sends into their messages.

        Sends are read again after writing, because another writer may have replaced one by an earlier copy meanwhile.
        So the last writer leaves the fields of the final send.
        """
        sends = self._sends.with_options(read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority"))
        for _ in range(_MAXIMUM_READS):
            if not message_ids:
                return
            # An accepted send's key is its message's id.
            among = {"_id": {"$in": list(message_ids)}}
            found = {send.pop("_id"): send for send in read(sends, among, dict.fromkeys(_FROM_SEND, True))}
            by_id = {message_id: send for message_id, send in found.items() if "sentBy" in send}

            def copy(
                message_id: str, stored: dict[str, Any] | None, by_id: Mapping[str, dict[str, Any]] = by_id
            ) -> Decision:
                return _copy(by_id[message_id], stored)

            outcome = self._swap_messages(by_id, copy)
            message_ids = [message_id for message_id in outcome.changed if message_id not in outcome.refused]


def truncated(instant: datetime) -> datetime:
    """Return an instant to the millisecond, as MongoDB keeps it."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _gathered(events: Sequence[StatusEvent], instance: str | None) -> tuple[dict[str, Gathered], WriteReport]:
    """Return the events by message; those that cannot be merged are refused."""
    try:
        return gather(events, instance=instance), WriteReport()
    except UNSTORABLE:
        apart: dict[str, list[StatusEvent]] = {}
        for event in events:
            apart.setdefault(event.message_id, []).append(event)
    gathered: dict[str, Gathered] = {}
    refused: dict[str, str] = {}
    for message_id, reported in apart.items():
        try:
            gathered |= gather(reported, instance=instance)
        except UNSTORABLE as error:
            refused[message_id] = reason_of(error)
    return gathered, WriteReport(refused=_refusals(refused))


def _report(message_ids: Collection[str], outcome: Outcome, new_events: Mapping[str, int]) -> WriteReport:
    fresh = len(outcome.inserted)
    return WriteReport(
        inserted=fresh,
        updated=outcome.grown,
        unchanged=len(message_ids) - fresh - outcome.grown - len(outcome.refused),
        refused=_refusals(outcome.refused),
        events=sum(new_events.get(message_id, 0) for message_id in message_ids if message_id not in outcome.refused),
    )


def _refusals(refused: Mapping[str, str]) -> tuple[Refusal, ...]:
    return tuple(Refusal(key, reason) for key, reason in refused.items())


def _copy(send: Mapping[str, Any], stored: Mapping[str, Any] | None) -> Decision:
    """Return the update of a message with the template and sender of its send."""
    if stored is None or all(stored.get(name) == send.get(name) for name in _FROM_SEND):
        return None
    return Update(fields=dict(send), removed=[name for name in _FROM_SEND if name in stored and name not in send])


def _refuse_depth(news: Gathered) -> None:
    for entry in news.entries.values():
        _refuse_deep(entry.errors)
        _refuse_deep(entry.pricing)


def _refuse_deep(value: object) -> None:
    if _is_deeper(value, _MAXIMUM_DEPTH):
        raise RecursionError


def _is_deeper(value: object, levels: int) -> bool:
    """Return whether objects and lists are nested more than this many levels deep."""
    if isinstance(value, dict):
        inner: Iterable[object] = value.values()
    elif isinstance(value, (list, tuple)):
        inner = value
    else:
        return False
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)
