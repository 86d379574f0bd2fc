"""Retention and erasure in MongoDB; see :class:`ticktrail.stores.retention.Retention` for the contract.

Tombstones and the retention mark are in a collection of their own. Each writer reads the state document there before
and after it writes. If the state changed in between, the writer checks again what it just wrote. So a write that
overlaps an erasure leaves nothing behind, and needs no lock.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pymongo import ReadPreference, UpdateOne
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError

from ticktrail.errors import ConfigurationError
from ticktrail.messages.document import from_document
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import EARLIEST_PLAUSIBLE_TIMESTAMP, Message, Send, StatusEvent
from ticktrail.stores.erasure import ErasureFilter, TextEraser, is_group, names_in_send, names_of, tombstone, without
from ticktrail.stores.mongodb import sends as mongodb_sends
from ticktrail.stores.mongodb.bulk import Decision, Documents, in_batches, swap
from ticktrail.stores.mongodb.connection import READ_MILLISECONDS, Address
from ticktrail.stores.mongodb.errors import explained
from ticktrail.stores.mongodb.filters import query_of, storable
from ticktrail.stores.mongodb.indexes import set_ttl_indexes
from ticktrail.stores.mongodb.merging import change
from ticktrail.stores.mongodb.person import concerning, erase_in_records, sent_to, went_to
from ticktrail.stores.mongodb.retrying import delete, read
from ticktrail.stores.mongodb.writing import Writer
from ticktrail.stores.results import WriteReport
from ticktrail.stores.retention import Inventory, Pruned, linked
from ticktrail.text.phone_numbers import person_id

CARE = "ticktrail_care"

_Write = Callable[[Sequence[StatusEvent], Sequence[Send]], WriteReport]


class MongoRetention:
    """Retention of one store. ``database`` connects; ``prepare`` creates what is missing."""

    def __init__(
        self,
        address: Address,
        collections: tuple[str, str],
        database: Callable[[], Database[dict[str, Any]]],
        prepare: Callable[[], Writer],
    ) -> None:
        self._address = address
        self._names = collections
        self._status_collection = collections[0]
        self._database = database
        self._prepare = prepare
        self._lock = threading.Lock()
        self._guard = ErasureFilter()

    # ── The write filter ──────────────────────────────────────────────────────────────────────────────────────────────

    def erasure_filter(self, *, at: datetime) -> ErasureFilter:
        """Return the write filter. Where the server deletes by age, its limit moves with the clock."""
        with explained(self._address):
            state = self._state()
            version = state.get("version", 0)
            with self._lock:
                if version != self._guard.version:
                    self._guard = ErasureFilter(self._stored_tombstones(), version=version)
                guard = self._guard
        return guard.at(_mark(state, at))

    def guarded(
        self, events: Sequence[StatusEvent], sends: Sequence[Send], write: _Write, *, at: datetime
    ) -> WriteReport:
        """Write the part of a batch that the write filter accepts."""
        before = self.erasure_filter(at=at)
        kept, kept_sends = before.accepted(events, sends)
        report = write(kept, kept_sends)
        out = len(events) + len(sends) - len(kept) - len(kept_sends)
        after = self.erasure_filter(at=at)
        if after.version != before.version:
            self._clean(after, {event.message_id for event in kept}, {send.key for send in kept_sends})
        elif out:
            # A writer that was killed between its write and its second look may have left something.
            people = before.at(None)
            gone = {event.message_id for event in events if not people.accepts(event)}
            self._clean(after, gone, {send.key for send in sends if not people.accepts_send(send)})
        return report + WriteReport(left_out=out)

    def _clean(self, guard: ErasureFilter, message_ids: Iterable[str], keys: Iterable[str]) -> None:
        """Erase forgotten people from these messages and sends. The next prune removes data that is only too old."""
        people = guard.at(None)
        with explained(self._address):
            for ids in in_batches(storable(message_ids)):
                self._erase_where({"messageId": {"$in": ids}}, people.left_of)
            for ids in in_batches(storable(keys)):
                found = map(mongodb_sends.from_document, read(self._sends(), {"_id": {"$in": ids}}))
                gone = [send.key for send in found if send is not None and not people.accepts_send(send)]
                if gone:
                    delete(self._sends(), {"_id": {"$in": gone}})

    def _state(self) -> dict[str, Any]:
        return self._care().find_one({"_id": f"state|{self._status_collection}"}, max_time_ms=READ_MILLISECONDS) or {}

    def _stored_tombstones(self) -> list[str]:
        stored = {"ledger": self._status_collection, "tombstone": {"$exists": True}}
        return [document["tombstone"] for document in read(self._care(), stored, {"tombstone": True})]

    def _change_state(self, update: dict[str, Any]) -> dict[str, Any]:
        """Update the state and increment its version, so that concurrent writers notice."""
        where = {"_id": f"state|{self._status_collection}"}
        change = {**update, "$inc": {"version": 1}}
        try:
            self._care().update_one(where, change, upsert=True)
        except DuplicateKeyError:
            # Another made it in the same instant.
            self._care().update_one(where, change)
        return self._state()

    # ── Erasure ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def inventory(self, who: str, *others: str) -> Inventory:
        """Count what the store holds of a person."""
        before = any(map(self.erasure_filter(at=datetime.now(UTC)).is_forgotten, (who, *others)))
        with explained(self._address):
            return self._counted([who, *others], before=before, erase=False)

    def forget(self, who: str, *others: str, at: datetime) -> Inventory:
        """Erase a person: tombstones first, so that what is erased stays away."""
        before = any(map(self.erasure_filter(at=at).is_forgotten, (who, *others)))
        with explained(self._address):
            self._prepare()
            self._change_state({})
            self._care().update_one(
                {"_id": f"state|{self._status_collection}", "salt": {"$exists": False}},
                {"$set": {"salt": secrets.token_hex(16)}},
            )
            salt = self._state()["salt"]
            names = linked([who, *others], self._others)
            self._put_tombstones([tombstone(salt, name) for name in names], at)
            return self._counted([who, *others], before=before, erase=True)

    def clear_traces(self) -> bool:
        """Do nothing: the server manages the space of deleted documents in its files."""
        return True

    def _put_tombstones(self, tombstones: Collection[str], at: datetime) -> None:
        self._care().bulk_write(
            [
                UpdateOne(
                    {"_id": f"{self._status_collection}|{text}"},
                    {"$setOnInsert": {"ledger": self._status_collection, "tombstone": text, "forgottenAt": at}},
                    upsert=True,
                )
                for text in tombstones
            ],
            ordered=False,
        )
        self._change_state({})

    def _counted(self, who: Sequence[str], *, before: bool, erase: bool) -> Inventory:
        names = linked(who, self._others)
        ids_of_person = set(names)
        gone: list[str] = []
        keys: list[str] = []
        sent_ids: set[str] = set()
        counts = {"statuses": 0, "group_messages": 0, "group_statuses": 0}

        def rest(message: Message) -> Message | None:
            left = without(message, lambda text: person_id(text) in ids_of_person)
            is_for_person = message.message_id in sent_ids and not is_group(message)
            return None if left is message and is_for_person else left

        def count(message: Message, left: Message | None) -> None:
            if left is None:
                gone.append(message.message_id)
                counts["statuses"] += len(message.history)
            else:
                counts["group_messages"] += 1
                counts["group_statuses"] += len(message.history) - len(left.history)

        for send in self._sends_to(names):
            keys.append(send.key)
            if send.message_id is not None:
                sent_ids.add(send.message_id)
        self._erase_where(concerning(names), rest, count, erase=erase)
        for ids in in_batches(sorted(sent_ids - set(gone))):
            self._erase_where({"messageId": {"$in": ids}}, rest, count, erase=erase)
        for ids in in_batches(sorted(set(gone) - set(keys))):
            keys += [found["_id"] for found in read(self._sends(), {"_id": {"$in": ids}}, {"_id": True})]
        for ids in in_batches(keys) if erase else ():
            delete(self._sends(), {"_id": {"$in": ids}})
        return Inventory(
            names=names,
            messages=len(gone),
            sends=len(keys),
            records=erase_in_records(self._database(), self._names, names, frozenset(gone), self._address, erase=erase),
            before=before,
            message_ids=tuple(gone),
            **counts,
        )

    def _others(self, names: Sequence[str]) -> set[str]:
        """Return the ids beside these in messages to one person, and in sends."""
        others: set[str] = set()
        for found in read(self._statuses(), went_to(names)):
            message = from_document(found)
            if message is not None and not is_group(message):
                others |= names_of(message)
        for send in self._sends_to(names):
            others |= names_in_send(send)
        return others

    def _sends_to(self, names: Sequence[str]) -> Iterator[Send]:
        ids_of_person, eraser = set(names), TextEraser(names)
        for send in map(mongodb_sends.from_document, read(self._sends(), sent_to(names))):
            if send is not None and (names_in_send(send) & ids_of_person or eraser.finds(send.input)):
                yield send

    def _erase_where(
        self,
        wanted: dict[str, Any],
        rest: Callable[[Message], Message | None],
        count: Callable[[Message, Message | None], None] = lambda _message, _left: None,
        *,
        erase: bool = True,
    ) -> int:
        """Erase parts of the messages that a query finds, or all. Return how many messages changed.

        Args:
            rest: may be called again for a message that another writer changed meanwhile.
            count: called once for each message that changes.
        """
        changed = 0
        gone: list[Any] = []
        shortened: list[str] = []
        for found in read(self._statuses(), wanted):
            message = from_document(found)
            left = None if message is None else rest(message)
            if message is None or left is message:
                continue
            changed += 1
            count(message, left)
            if left is None:
                gone.append(found["_id"])
            else:
                shortened.append(message.message_id)
        if erase:
            for ids in in_batches(gone):
                delete(self._statuses(), {"_id": {"$in": ids}})
            for message_ids in in_batches(shortened):
                self._shorten(message_ids, rest)
        return changed

    def _shorten(self, message_ids: Sequence[str], rest: Callable[[Message], Message | None]) -> None:
        def decide(_message_id: str, stored: dict[str, Any] | None) -> Decision:
            message = None if stored is None else from_document(stored)
            left = None if message is None else rest(message)
            return None if stored is None or left is None else change(stored, message, left, self._zone())

        swap(self._statuses(), message_ids, decide, self._address, key_field="messageId")

    # ── Retention limits ──────────────────────────────────────────────────────────────────────────────────────────────

    def kept_since(self, *, at: datetime) -> int | None:
        """Return the retention mark, or the server's limit if it is later."""
        return self.erasure_filter(at=at).kept_since

    def keep_since(self, timestamp: int | None) -> None:
        """Set or remove the retention mark."""
        with explained(self._address):
            self._prepare()
            mark = {"keptSince": timestamp}
            self._change_state({"$unset": {"keptSince": ""}} if timestamp is None else {"$max": mark})

    def older(self, timestamp: int) -> Pruned:
        """Count older messages and sends."""
        with explained(self._address):
            messages = sends = 0
            for ids in in_batches(self._old_messages(timestamp)):
                messages += len(ids)
                sends += self._sends().count_documents({"_id": {"$in": ids}, "$nor": [_old_send(timestamp)]})
            return Pruned(messages, sends + self._sends().count_documents(_old_send(timestamp)))

    def prune(self, timestamp: int) -> Iterator[Pruned]:
        """Remove what is older, a few hundred messages in each request."""
        with explained(self._address):
            for ids in in_batches(self._old_messages(timestamp)):
                gone = delete(self._statuses(), {"messageId": {"$in": ids}})
                yield Pruned(gone, delete(self._sends(), {"_id": {"$in": ids}}))
            old = (found["_id"] for found in read(self._sends(), _old_send(timestamp), {"_id": True}))
            for ids in in_batches(old):
                yield Pruned(0, delete(self._sends(), {"_id": {"$in": ids}}))

    def _old_messages(self, timestamp: int) -> Iterator[str]:
        older = MessageFilter(since_timestamp=EARLIEST_PLAUSIBLE_TIMESTAMP, until_timestamp=timestamp)
        for found in read(self._statuses(), query_of(older), {"_id": False, "messageId": True}):
            yield found["messageId"]

    def ttl_seconds(self) -> int | None:
        """Return after how many seconds the server deletes."""
        with explained(self._address):
            seconds: int | None = self._state().get("ttlSeconds")
            return seconds

    def set_ttl(self, seconds: int | None) -> None:
        """Create, replace or drop the TTL indexes."""
        with explained(self._address):
            self._prepare()
            before = self._state().get("ttlSeconds")
            # The later mark first, the earlier one last: nothing that the server deletes may be written again.
            if seconds is not None:
                self._record_ttl(seconds)
            try:
                set_ttl_indexes(self._statuses(), self._sends(), seconds)
            except PyMongoError:
                with contextlib.suppress(PyMongoError):
                    self._record_ttl(before)
                    set_ttl_indexes(self._statuses(), self._sends(), before)
                raise
            if seconds is None:
                self._record_ttl(None)

    def _record_ttl(self, seconds: int | None) -> None:
        unset = {"$unset": {"ttlSeconds": ""}}
        self._change_state(unset if seconds is None else {"$set": {"ttlSeconds": seconds}})

    # ── Another store ─────────────────────────────────────────────────────────────────────────────────────────────────

    def tombstones(self) -> frozenset[str]:
        """Return all tombstones."""
        with explained(self._address):
            return frozenset(self._stored_tombstones())

    def add_tombstones(self, tombstones: frozenset[str], *, at: datetime) -> int:
        """Add the tombstones of another store, and erase the people they name from this one."""
        new = tombstones - self.tombstones()
        if not new:
            return 0
        guard = ErasureFilter(new)
        with explained(self._address):
            self._prepare()
            self._put_tombstones(new, at)
            erased = self._erase_where({}, lambda message: without(message, guard.is_forgotten))
            found = map(mongodb_sends.from_document, read(self._sends(), {}))
            for ids in in_batches(send.key for send in found if send is not None and not guard.accepts_send(send)):
                erased += delete(self._sends(), {"_id": {"$in": ids}})
        return erased

    def import_messages(self, messages: Sequence[Message]) -> WriteReport:
        """Merge whole messages."""
        at = datetime.now(UTC)
        before = self.erasure_filter(at=at)
        left = [(message, before.left_of(message)) for message in messages]
        wanted = [kept for _, kept in left if kept is not None]
        out = sum(len(message.history) - (len(kept.history) if kept else 0) for message, kept in left)
        with explained(self._address):
            report = self._prepare().import_messages(wanted)
        after = self.erasure_filter(at=at)
        if after.version != before.version:
            self._clean(after, [message.message_id for message in wanted], ())
        return report + WriteReport(left_out=out)

    def backup(self, target: Path) -> int:
        """Refuse: MongoDB has a tool of its own."""
        raise ConfigurationError(
            "This store is in MongoDB, which has a backup tool of its own.",
            remedy=f'Type: mongodump --uri="$MONGODB_URI" --db={self._address.database} --gzip --archive={target}',
        )

    def _zone(self) -> Any:
        return self._database().codec_options.tzinfo

    def _care(self) -> Documents:
        return self._database()[CARE].with_options(read_preference=ReadPreference.PRIMARY)

    def _statuses(self) -> Documents:
        return self._database()[self._names[0]].with_options(read_preference=ReadPreference.PRIMARY)

    def _sends(self) -> Documents:
        return self._database()[self._names[1]].with_options(read_preference=ReadPreference.PRIMARY)


def _mark(state: dict[str, Any], at: datetime) -> int | None:
    marks = [state.get("keptSince")]
    if state.get("ttlSeconds") is not None:
        marks.append(int((at - timedelta(seconds=state["ttlSeconds"])).timestamp()))
    return max((mark for mark in marks if mark is not None), default=None)


def _old_send(timestamp: int) -> dict[str, Any]:
    start = datetime.fromtimestamp(EARLIEST_PLAUSIBLE_TIMESTAMP, UTC)
    return {"sentAt": {"$gte": start, "$lt": datetime.fromtimestamp(timestamp, UTC)}}
