"""Batches into MongoDB: one atomic operation a message, sent in bulk, counted as the server counts.

A message is stored whole when it is new, and merged by the server when it is there (:mod:`mongodb_upsert`). What is
written never depends on what was read: a look at the stored keys only says which operations are expected to make a
history grow. Those are sent in a form that changes nothing unless it grows, so the server's own count of modified
documents is the number of updated messages, whatever other writers do meanwhile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import bson
import msgspec
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference, UpdateOne
from pymongo.errors import DocumentTooLarge

from ticktrail.messages.document import from_document
from ticktrail.messages.merge import Gathered, entry_key, gather, merge_sends
from ticktrail.messages.model import Send, StatusEvent
from ticktrail.stores.mongodb import merging as mongodb_upsert
from ticktrail.stores.mongodb import sends as mongodb_sends
from ticktrail.stores.mongodb.bulk import Documents, Outcome, run
from ticktrail.stores.mongodb.connection import Address
from ticktrail.stores.mongodb.errors import reason_of
from ticktrail.stores.mongodb.filters import storable
from ticktrail.stores.results import Refusal, WriteReport

BATCH = 1000
"""Messages or sends in one bulk: about 11 MB of updates, which zlib makes 0.1 MB."""

_LARGEST_OPERATION = 16 * 1024 * 1024 - 64 * 1024
_MAXIMUM_DEPTH = 90
"""Levels of nesting in reported details; MongoDB documents 100 for a whole document."""

_UNSTORABLE = (BSONError, ValueError, TypeError, OverflowError, RecursionError)
"""What a value that no document can hold raises: in folding or in encoding."""

_ENTRY_KEYS = {
    "_id": False,
    "messageId": True,
    **{
        f"statusHistory.{name}": True
        for name in ("status", "timestamp", "timestampSource", "executionId", "participant")
    },
}

_LOOKS = 10
"""How often a send is looked at again at most; it changes only when an earlier copy of it comes."""

_LENT = ("template", "sentBy")
"""What a send says of its message."""

_HELD = {"_id": False, "messageId": True, **dict.fromkeys(_LENT, True)}

_T = TypeVar("_T")


class Writer:
    """Writes into the two collections of a ledger, whose unique index must exist.

    Every method raises what the driver raises when the server cannot be reached or refuses altogether.
    """

    def __init__(self, statuses: Documents, sends: Documents, address: Address, zone: ZoneInfo) -> None:
        # What was written a moment ago must be seen, so no secondaries.
        self._statuses = statuses.with_options(read_preference=ReadPreference.PRIMARY)
        self._sends = sends.with_options(read_preference=ReadPreference.PRIMARY)
        self._address = address
        self._zone = zone
        self._merge_messages = [_encoded(stage) for stage in mongodb_upsert.merge_stages(str(zone))]
        self._merge_sends = [_encoded(stage) for stage in mongodb_sends.merge_stages()]

    def write(
        self, events: Sequence[StatusEvent], sends: Iterable[Send], *, at: datetime, instance: str | None
    ) -> WriteReport:
        """Merge a batch; see :meth:`ticktrail.stores.Store.write`."""
        gathered, report = _gathered(events, instance)
        for messages in _parts(gathered):
            report += self._write_messages(messages, at)
        folded: dict[str, Send] = {}
        for told in sends:
            send = told if told.instance is not None else msgspec.structs.replace(told, instance=instance)
            if send.sent_at is not None:
                send = msgspec.structs.replace(send, sent_at=truncated(send.sent_at))
            folded[send.key] = merge_sends(folded[send.key], send) if send.key in folded else send
        for attempts in _parts(folded):
            report += self._write_sends(attempts)
        # Both sides are written before either looks for the other, so of two writers at once one finds both.
        met = dict.fromkeys([*gathered, *(send.message_id for send in folded.values() if send.message_id is not None)])
        for message_ids in _parts(met):
            self._lend(storable(message_ids))
        return report

    def _write_messages(self, gathered: Mapping[str, Gathered], at: datetime) -> WriteReport:
        known = self._known_keys(gathered)
        refused: dict[str, str] = {}
        new: dict[str, UpdateOne] = {}
        for message_id, news in gathered.items():
            if message_id not in known:
                with _noting(message_id, refused):
                    new[message_id] = self._insertion(message_id, news, at)
        inserted = self._run(self._statuses, new, refused)
        grows = [
            message_id
            for message_id, news in gathered.items()
            # One that another writer was first to insert may yet grow by ours.
            if message_id not in inserted.inserted and not news.entries.keys() <= known.get(message_id, set())
        ]
        growing = self._merges(grows, gathered, at, refused, only_growth=True)
        grown = self._run(self._statuses, growing, refused)
        settled = [message_id for message_id in growing if message_id in grown.inserted or message_id in refused]
        if grown.modified + len(settled) == len(growing):
            settled = grows
        # Else another writer brought the same entries meanwhile, and what else is new of them is still to merge.
        rest = gathered.keys() - inserted.inserted - refused.keys() - set(settled)
        met = self._run(self._statuses, self._merges(rest, gathered, at, refused, only_growth=False), refused)
        fresh = len(inserted.inserted) + len(grown.inserted) + len(met.inserted)
        return WriteReport(
            inserted=fresh,
            updated=grown.modified,
            unchanged=len(gathered) - fresh - grown.modified - len(refused),
            refused=tuple(Refusal(key, reason) for key, reason in refused.items()),
            events=sum(
                len(news.entries.keys() - known.get(message_id, set()))
                for message_id, news in gathered.items()
                if message_id not in refused
            ),
        )

    def _known_keys(self, message_ids: Iterable[str]) -> dict[str, set[str]]:
        """The keys of the stored entries of each message that is stored."""
        found = self._statuses.find({"messageId": {"$in": storable(message_ids)}}, _ENTRY_KEYS)
        known: dict[str, set[str]] = {}
        for document in found:
            # One that cannot be read here is taken for new: what is read only says what to expect.
            with contextlib.suppress(*_UNSTORABLE):
                message = from_document(document)
                known[document["messageId"]] = set() if message is None else set(map(entry_key, message.history))
        return known

    def _insertion(self, message_id: str, news: Gathered, at: datetime) -> UpdateOne:
        _refuse_depth(news)
        update = mongodb_upsert.insertion(message_id, news, at=at, zone=self._zone)
        return UpdateOne(_encoded({"messageId": message_id}), _encoded(update), upsert=True)

    def _merges(
        self,
        message_ids: Iterable[str],
        gathered: Mapping[str, Gathered],
        at: datetime,
        refused: dict[str, str],
        *,
        only_growth: bool,
    ) -> dict[str, UpdateOne]:
        """The operations that merge what is said of these messages, but for those already refused."""
        operations: dict[str, UpdateOne] = {}
        for message_id in message_ids:
            news = gathered[message_id]
            if message_id in refused:
                continue
            with _noting(message_id, refused):
                _refuse_depth(news)
                first = mongodb_upsert.news_stage(message_id, news, at=at, only_growth=only_growth)
                operations[message_id] = UpdateOne(
                    _encoded({"messageId": message_id}), [_encoded(first), *self._merge_messages], upsert=True
                )
        return operations

    def _write_sends(self, sends: Mapping[str, Send]) -> WriteReport:
        refused: dict[str, str] = {}
        new: dict[str, UpdateOne] = {}
        for key, send in sends.items():
            with _noting(key, refused):
                _refuse_deep(send.errors)
                update = {"$setOnInsert": mongodb_sends.to_document(send)}
                new[key] = UpdateOne(_encoded({"_id": key}), _encoded(update), upsert=True)
        inserted = self._run(self._sends, new, refused).inserted
        known: dict[str, UpdateOne] = {}
        for key in new:
            if key in inserted or key in refused:
                continue
            with _noting(key, refused):
                stages = [_encoded(mongodb_sends.news_stage(sends[key])), *self._merge_sends]
                known[key] = UpdateOne(_encoded({"_id": key}), stages, upsert=True)
        inserted |= self._run(self._sends, known, refused).inserted
        return WriteReport(refused=tuple(Refusal(key, reason) for key, reason in refused.items()), sends=len(inserted))

    def _run(self, collection: Documents, operations: Mapping[str, UpdateOne], refused: dict[str, str]) -> Outcome:
        """Send operations and note what is refused."""
        outcome = run(collection, operations, self._address)
        refused |= outcome.refused
        return outcome

    def _lend(self, message_ids: Sequence[str]) -> None:
        """Write into stored messages what their sends say: the template, and who sent them.

        After writing it looks again: another writer may have put an earlier copy of the send in place between our
        look and our write. Whoever writes last thus finds what the send says at last.
        """
        for _ in range(_LOOKS):
            if not message_ids:
                return
            # An accepted send's key is its message's id.
            among = {"_id": {"$in": list(message_ids)}}
            lent = {
                send.pop("_id"): send
                for send in self._sends.find(among, dict.fromkeys(_LENT, True))
                if "sentBy" in send
            }
            operations: dict[str, UpdateOne] = {}
            held = self._statuses.find({"messageId": {"$in": list(lent)}}, _HELD) if lent else ()
            for message in held:
                message_id = message.pop("messageId")
                if message != lent[message_id]:
                    operations[message_id] = _lending(message_id, lent[message_id])
            refused = run(self._statuses, operations, self._address).refused
            message_ids = [message_id for message_id in operations if message_id not in refused]


def truncated(instant: datetime) -> datetime:
    """An instant as MongoDB keeps it: to the millisecond."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _gathered(events: Sequence[StatusEvent], instance: str | None) -> tuple[dict[str, Gathered], WriteReport]:
    """The events by message; those of a message that cannot even be folded are refused."""
    try:
        return gather(events, instance=instance), WriteReport()
    except _UNSTORABLE:
        apart: dict[str, list[StatusEvent]] = {}
        for event in events:
            apart.setdefault(event.message_id, []).append(event)
    gathered: dict[str, Gathered] = {}
    refused: list[Refusal] = []
    for message_id, told in apart.items():
        try:
            gathered |= gather(told, instance=instance)
        except _UNSTORABLE as error:
            refused.append(Refusal(message_id, reason_of(error)))
    return gathered, WriteReport(refused=tuple(refused))


def _lending(message_id: str, lent: Mapping[str, Any]) -> UpdateOne:
    update: dict[str, Any] = {"$set": lent}
    if "template" not in lent:
        update["$unset"] = {"template": ""}
    return UpdateOne({"messageId": message_id}, update)


@contextlib.contextmanager
def _noting(key: str, refused: dict[str, str]) -> Iterator[None]:
    """Note what cannot be encoded in the block as refused."""
    try:
        yield
    except _UNSTORABLE as error:
        refused[key] = reason_of(error)


def _encoded(document: Mapping[str, Any]) -> RawBSONDocument:
    """A document ready to be sent, so that what cannot be encoded fails here and alone.

    Raises:
        one of _UNSTORABLE: it holds a value that BSON has no form for, or is too large.
    """
    encoded = bson.encode(document)
    if len(encoded) > _LARGEST_OPERATION:
        raise DocumentTooLarge("more than one request may hold")
    return RawBSONDocument(encoded)


def _refuse_depth(news: Gathered) -> None:
    for entry in news.entries.values():
        _refuse_deep(entry.errors)
        _refuse_deep(entry.pricing)


def _refuse_deep(value: object) -> None:
    if _is_deeper(value, _MAXIMUM_DEPTH):
        raise RecursionError


def _is_deeper(value: object, levels: int) -> bool:
    """Whether objects and lists stand more than so many levels deep around the innermost value."""
    if isinstance(value, dict):
        inner: Iterable[object] = value.values()
    elif isinstance(value, (list, tuple)):
        inner = value
    else:
        return False
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner)


def _parts(items: Mapping[str, _T]) -> Iterator[dict[str, _T]]:
    """The items in portions of :data:`BATCH`."""
    keys = list(items)
    for start in range(0, len(keys), BATCH):
        yield {key: items[key] for key in keys[start : start + BATCH]}
