"""Compare-and-swap writes in bulk: read documents, decide in Python, write if unchanged since.

Each changed document carries a ``revision``. An update is carried out only on the revision that was read, and
increments it; a new document is inserted under a unique key. Whatever another writer changed first is read again and
decided again. So each document changes atomically, no writer undoes another's work, and the server needs plain
operators only.

A document that the server refuses costs itself only. A request that it refuses altogether raises an error.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import bson
import msgspec
from bson.errors import BSONError, InvalidDocument
from bson.raw_bson import RawBSONDocument
from pymongo import InsertOne, ReadPreference, UpdateOne
from pymongo.collection import Collection as MongoCollection
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from ticktrail.errors import StoreUnavailableError, TicktrailError
from ticktrail.stores.mongodb.connection import READ_MILLISECONDS, Address
from ticktrail.stores.mongodb.errors import (
    DUPLICATE_KEY,
    about_values,
    is_passing,
    is_systemic,
    passes,
    reason_of,
    refusal,
)
from ticktrail.stores.mongodb.filters import storable
from ticktrail.stores.mongodb.retrying import ATTEMPTS, pause
from ticktrail.text.formatting import plural

Documents = MongoCollection[dict[str, Any]]

REVISION = "revision"
"""How often Ticktrail wrote a document; absent in documents of an earlier tool or version."""

BATCH = 1000
"""Documents in one request."""

UNSTORABLE = (BSONError, ValueError, TypeError, OverflowError, RecursionError)
"""Exceptions of a value that no document can hold, in merging or in encoding."""

_T = TypeVar("_T")

_LARGEST_DOCUMENT = 16 * 1024 * 1024 - 64 * 1024
_RACES = 40
"""Maximum number of rounds for documents that other writers keep changing."""

_OTHER_INDEX = 5
"""Rounds after which a new document that is a duplicate, but cannot be found, is refused."""

_SMALL_BATCH = 500

_SAMPLE = 8
"""Documents sent alone to learn whether a refused request is refused for all of them."""


class Insert(msgspec.Struct, frozen=True):
    """A new document, without ``_id`` unless that is its key."""

    document: dict[str, Any]


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """Changes to a stored document.

    Attributes:
        fields: fields to set; all others stay as they are.
        removed: fields to remove.
        maximum: fields to raise to a value unless they are greater, which commutes with other writers.
        grew: count the change in :attr:`Outcome.grown`.
    """

    fields: dict[str, Any]
    removed: Sequence[str] = ()
    maximum: dict[str, Any] = {}
    grew: bool = False


Decision = Insert | Update | None
Decide = Callable[[str, dict[str, Any] | None], Decision]
"""Maps a key and the stored document, if there is one, to what is to be written; None changes nothing."""


class Outcome:
    """Result of a bulk.

    Attributes:
        inserted: keys of new documents.
        grown: number of carried-out updates that were marked ``grew``.
        changed: keys of documents for which an update was sent.
        unchanged: keys of documents that are as they should be.
        refused: reason for each document that was not taken, by key.
    """

    def __init__(self) -> None:
        self.inserted: set[str] = set()
        self.grown = 0
        self.changed: set[str] = set()
        self.unchanged: set[str] = set()
        self.refused: dict[str, str] = {}


class _Operation(msgspec.Struct, frozen=True):
    """One encoded write of the document with a key."""

    key: str
    write: InsertOne[Any] | UpdateOne


class _Sent:
    """Result of one request: keys of inserted documents, number of matched updates, keys to read again."""

    def __init__(self) -> None:
        self.inserted: set[str] = set()
        self.matched = 0
        self.again: set[str] = set()
        self.passing: TicktrailError | None = None

    def add(self, other: _Sent) -> None:
        """Add the result of another part of the same request."""
        self.inserted |= other.inserted
        self.matched += other.matched
        self.again |= other.again
        self.passing = other.passing or self.passing


def swap(
    collection: Documents, keys: Collection[str], decide: Decide, address: Address, *, key_field: str = "_id"
) -> Outcome:
    """Bring documents up to date, each atomically; see the module.

    Args:
        collection: must have a unique index on ``key_field``.
        keys: of the documents, at most :data:`BATCH`.
        decide: called again for a document that another writer changed first.

    Raises:
        PyMongoError: the server cannot be reached, or refuses the request.
        TicktrailError: the server refuses every document for a reason that is not about it, or other writers kept
            changing the documents.
    """
    return _Swap(collection, decide, address, key_field).run(keys)


class _Swap:
    def __init__(self, collection: Documents, decide: Decide, address: Address, key_field: str) -> None:
        # Fresh, and not to be rolled back: "unchanged" is decided from what most members have.
        self._read_from = collection.with_options(
            read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority")
        )
        self._collection = collection
        self._decide = decide
        self._address = address
        self._key_field = key_field
        self._outcome = Outcome()
        self._missing: dict[str, int] = {}

    def run(self, keys: Collection[str]) -> Outcome:
        left: Collection[str] = keys
        failures = 0
        for attempt in range(_RACES):
            try:
                sent = self._round(left)
            except PyMongoError as error:
                if failures + 1 >= ATTEMPTS or not passes(error):
                    raise
                failures += 1
            else:
                left = sent.again
                failures = 0 if sent.passing is None else failures + 1
                if sent.passing is not None and failures >= ATTEMPTS:
                    raise sent.passing
            if not left:
                return self._outcome
            # Elections take seconds, other writers milliseconds.
            pause(max(attempt, 6 * bool(failures)))
        raise StoreUnavailableError(
            f"Other processes kept changing {plural(len(left), 'document')} of {self._collection.full_name} at "
            f"{self._address.location}.",
            remedy="Nothing is lost. Run again when fewer processes write to the same messages.",
        )

    def _round(self, keys: Collection[str]) -> _Sent:
        """Read, decide and write once. Returns which documents have to be read again."""
        stored = self._stored(keys)
        growing: list[_Operation] = []
        others: list[_Operation] = []
        for key in keys:
            document = stored.get(key)
            try:
                decision = self._decide(key, document)
                if decision is None:
                    self._outcome.unchanged.add(key)
                elif isinstance(decision, Insert):
                    growing.append(self._insertion(key, decision))
                else:
                    operation = self._update(key, document or {}, decision)
                    (growing if decision.grew else others).append(operation)
            except UNSTORABLE as error:
                self._outcome.refused[key] = reason_of(error)
        sent = self._send(growing)
        self._outcome.grown += sent.matched
        self._outcome.inserted |= sent.inserted
        # Apart, because a server says how many updates it carried out, not which.
        sent.add(self._send(others))
        return sent

    def _stored(self, keys: Collection[str]) -> dict[str, dict[str, Any]]:
        among = {self._key_field: {"$in": storable(keys)}}
        return {
            document[self._key_field]: document
            for document in self._read_from.find(among, batch_size=BATCH, max_time_ms=READ_MILLISECONDS)
        }

    def _insertion(self, key: str, decision: Insert) -> _Operation:
        document = {"_id": bson.ObjectId(), **decision.document, REVISION: 1}
        return _Operation(key, InsertOne(_encoded(document)))

    def _update(self, key: str, stored: Mapping[str, Any], decision: Update) -> _Operation:
        self._outcome.changed.add(key)
        known = stored.get(REVISION)
        revision = known + 1 if isinstance(known, int) else 1
        update: dict[str, Any] = {"$set": {**decision.fields, REVISION: revision}}
        if decision.removed:
            update["$unset"] = dict.fromkeys(decision.removed, "")
        if decision.maximum:
            update["$max"] = decision.maximum
        # The _id too: a document that was deleted and inserted again may have come to the same revision.
        guard = {self._key_field: key, "_id": stored["_id"], REVISION: {"$eq": known}}
        return _Operation(key, UpdateOne(_encoded(guard), _encoded(update)))

    def _send(self, operations: Sequence[_Operation]) -> _Sent:
        if not operations:
            return _Sent()
        try:
            result = self._collection.bulk_write(
                [operation.write for operation in operations], ordered=False
            ).bulk_api_result
        except BulkWriteError as error:
            return self._result(error.details or {}, operations)
        except InvalidDocument as error:
            return self._send_parts(operations, 0, reason_of(error))
        except OperationFailure as error:
            reason = about_values(error.code)
            if reason is None:
                raise
            return self._send_parts(operations, error.code or 0, reason)
        return self._result(result, operations)

    def _send_parts(self, operations: Sequence[_Operation], code: int, reason: str) -> _Sent:
        """Find the documents for which the server refused a whole request."""
        if len(operations) == 1:
            self._outcome.refused[operations[0].key] = reason
            return _Sent()
        sent = _Sent()
        rest = list(operations)
        if len(rest) > _SAMPLE:
            random.shuffle(rest)
            sample, rest = rest[:_SAMPLE], rest[_SAMPLE:]
            for operation in sample:
                sent.add(self._send([operation]))
            if all(self._outcome.refused.get(operation.key) == reason for operation in sample):
                # A reason that the server gives for every document is not about one of them.
                for operation in sample:
                    del self._outcome.refused[operation.key]
                raise refusal(code, "", self._address)
        middle = (len(rest) + 1) // 2
        for half in filter(None, (rest[:middle], rest[middle:])):
            sent.add(self._send(half))
        return sent

    def _result(self, result: Mapping[str, Any], operations: Sequence[_Operation]) -> _Sent:
        """Evaluate the server's answer to operations in this order."""
        sent = _Sent()
        sent.matched = result.get("nMatched", 0)
        inserts = {place: one.key for place, one in enumerate(operations) if isinstance(one.write, InsertOne)}
        updates = {one.key for place, one in enumerate(operations) if place not in inserts}
        failed = {failure["index"]: failure for failure in result.get("writeErrors", ())}
        sent.inserted = {key for place, key in inserts.items() if place not in failed}
        unknown: dict[str, int] = {}
        for place, failure in failed.items():
            key, code = operations[place].key, failure["code"]
            updates.discard(key)
            if code == DUPLICATE_KEY:
                self._lost_to_a_duplicate(key, sent, inserting=place in inserts)
            elif is_passing(code):
                sent.again.add(key)
                sent.passing = refusal(code, "", self._address)
            elif about_values(code) is not None:
                self._outcome.refused[key] = str(about_values(code))
            elif is_systemic(code):
                raise refusal(code, str(failure.get("errmsg", "")), self._address)
            else:
                unknown[key] = code
        if len(unknown) == len(operations) > 1:
            raise refusal(next(iter(unknown.values())), "", self._address)
        self._outcome.refused |= {key: f"MongoDB refused it (error {code})" for key, code in unknown.items()}
        if sent.matched < len(updates):
            sent.again |= updates
        for failure in result.get("writeConcernErrors", ()):
            # Written here, and perhaps nowhere else: the caller must not believe that it is safe.
            raise refusal(failure.get("code"), "", self._address)
        return sent

    def _lost_to_a_duplicate(self, key: str, sent: _Sent, *, inserting: bool) -> None:
        """Read a document again that another writer inserted first; refuse it if it never turns up."""
        self._missing[key] = self._missing.get(key, 0) + 1
        # Another writer's document may be on the primary only, where reads with concern majority do not see it yet.
        if inserting and (self._missing[key] < _OTHER_INDEX or self._is_on_primary(key)):
            sent.again.add(key)
        else:
            self._outcome.refused[key] = "another unique index of the collection keeps it out"

    def _is_on_primary(self, key: str) -> bool:
        primary = self._collection.with_options(
            read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("local")
        )
        return primary.find_one({self._key_field: key}, {"_id": True}, max_time_ms=READ_MILLISECONDS) is not None


def in_batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield the items in lists of 500, small enough for other writers to write in between."""
    batch: list[_T] = []
    for item in items:
        batch.append(item)
        if len(batch) == _SMALL_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the keys in lists of :data:`BATCH`."""
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]


def _encoded(document: Mapping[str, Any]) -> RawBSONDocument:
    """Return an encoded document: a value that cannot be encoded fails here, and refuses this document only.

    Raises:
        one of UNSTORABLE: BSON has no form for a value, or the document is too large.
    """
    encoded = bson.encode(document)
    if len(encoded) > _LARGEST_DOCUMENT:
        raise DocumentTooLarge("more than one document may hold")
    return RawBSONDocument(encoded)
