"""Sync state in MongoDB; see :class:`ticktrail.stores.sync_state.SyncState` for the contract.

Three collections in the database of the messages. A scope includes the identity of the collection of messages, so
several stores in one database can share these collections.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec
from bson.int64 import Int64
from pymongo import ASCENDING, DESCENDING, DeleteMany, IndexModel, ReadPreference, UpdateOne
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from ticktrail.stores.coverage import BLOCK, Block, Change, Coverage, Facts, PendingExecution
from ticktrail.stores.mongodb.bulk import Documents
from ticktrail.stores.mongodb.connection import Address
from ticktrail.stores.mongodb.errors import explained
from ticktrail.stores.mongodb.indexes import make_indexes
from ticktrail.stores.mongodb.retrying import delete, keep_trying, read
from ticktrail.stores.sync_state import KEPT_RUNS, LeaseRecord, Run

COVERAGE, LEASES, RUNS = "ticktrail_coverage", "ticktrail_leases", "ticktrail_runs"

_WORD = 64
_SIGN = 1 << (_WORD - 1)

_INDEXES = {
    COVERAGE: (IndexModel({"scope": ASCENDING}),),
    LEASES: (),
    RUNS: (IndexModel({"beganAt": DESCENDING}),),
}


class MongoSyncState:
    """Sync state of one store. ``database`` connects; ``prepare`` creates missing collections and indexes."""

    def __init__(
        self,
        address: Address,
        statuses: str,
        database: Callable[[], Database[dict[str, Any]]],
        prepare: Callable[[], Any],
    ) -> None:
        self._address = address
        self._statuses = statuses
        self._database = database
        self._prepare = prepare
        self._prepared = False

    def identity(self) -> str:
        """Return the UUID that the server gave to the collection of messages."""
        with explained(self._address):
            for _ in range(2):
                for found in self._database().list_collections(filter={"name": self._statuses}):
                    return str(found.get("info", {}).get("uuid", self._statuses))
                self._prepare()
            return self._statuses

    def load_coverage(self, scope: str) -> Coverage:
        """Return the coverage of a scope."""
        coverage = Coverage()
        with explained(self._address):
            for document in read(self._read(COVERAGE), {"scope": scope}):
                if document["kind"] == "settled":
                    coverage.blocks[document["block"]] = Block(_bits(document), document.get("latestStartedAt"))
                elif document["kind"] == "open":
                    record = msgspec.json.decode(document["record"], type=PendingExecution)
                    coverage.pending[record.execution_id] = record
                else:
                    coverage.facts = msgspec.json.decode(document["record"], type=Facts)
        return coverage

    def save_coverage(self, scope: str, change: Change) -> None:
        """Add a change. The server sets the bits, so that concurrent additions are kept."""
        writes = list(operations(scope, change))
        if writes:
            with explained(self._address):
                coverage = self._write(COVERAGE)
                keep_trying(lambda: coverage.bulk_write(writes))

    def facts(self) -> dict[str, Facts]:
        """Return what earlier scans found out, by scope."""
        with explained(self._address):
            return {
                document["scope"]: msgspec.json.decode(document["record"], type=Facts)
                for document in read(self._read(COVERAGE), {"kind": "facts"})
            }

    def drop_coverage(self, scope: str) -> None:
        """Delete the coverage of a scope."""
        with explained(self._address):
            delete(self._write(COVERAGE), {"scope": scope})

    def take_lease(self, name: str, *, holder: str, now: datetime, until: datetime) -> str:
        """Take or renew a lease: an upsert that finds it held by another fails on its unique ``_id``."""
        free = {"_id": name, "$or": [{"holder": holder}, {"until": {"$lte": now}}]}
        with explained(self._address):
            leases = self._write(LEASES)
            try:
                leases.update_one(free, {"$set": {"holder": holder, "until": until}}, upsert=True)
            except DuplicateKeyError:
                found = leases.find_one_and_update({"_id": name}, {"$min": {"until": until}})
                return "" if found is None else str(found["holder"])
        return holder

    def drop_lease(self, name: str, *, holder: str) -> None:
        """Release a lease."""
        with explained(self._address):
            self._write(LEASES).delete_one({"_id": name, "holder": holder})

    def leases(self) -> list[LeaseRecord]:
        """Return all leases, by name."""
        with explained(self._address):
            found = read(self._read(LEASES), {}, sorting=[("_id", 1)])
            return [LeaseRecord(name=one["_id"], holder=one["holder"], until=one["until"]) for one in found]

    def add_run(self, run: Run) -> None:
        """Save a run."""
        record = msgspec.json.encode(run).decode()
        with explained(self._address):
            runs = self._write(RUNS)
            runs.update_one(
                {"_id": run.run_id},
                {"$set": {"scope": run.scope, "beganAt": run.began_at, "record": record}},
                upsert=True,
            )
            beyond = [
                document["_id"]
                for document in runs.find({}, {"_id": True}).sort([("beganAt", -1), ("_id", -1)]).skip(KEPT_RUNS)
            ]
            if beyond:
                delete(runs, {"_id": {"$in": beyond}})

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return the saved runs, newest first."""
        if limit is not None and limit <= 0:
            return []
        with explained(self._address):
            found = read(self._read(RUNS), {}, sorting=[("beganAt", -1), ("_id", -1)], limit=limit or 0)
            return [msgspec.json.decode(document["record"], type=Run) for document in found]

    def _read(self, name: str) -> Documents:
        # Not from a secondary, which may lack what was written a moment ago.
        return self._database()[name].with_options(read_preference=ReadPreference.PRIMARY)

    def _write(self, name: str) -> Documents:
        if not self._prepared:
            self._prepare()
            for collection, indexes in _INDEXES.items():
                make_indexes(self._database()[collection], indexes)
            self._prepared = True
        return self._database()[name]


def operations(scope: str, change: Change) -> Iterator[UpdateOne | DeleteMany]:
    """Yield the writes that add a change to the coverage of a scope."""
    for number, block in change.processed.items():
        update: dict[str, Any] = {
            "$bit": {f"words.{index}": {"or": word} for index, word in _words(block.bits)},
            "$setOnInsert": {"scope": scope, "kind": "settled", "block": number},
        }
        if block.latest_started_at is not None:
            update["$max"] = {"latestStartedAt": block.latest_started_at}
        yield UpdateOne({"_id": f"{scope}#settled#{number}"}, update, upsert=True)
    for record in change.pending:
        yield _put(scope, "open", f"#{record.execution_id}", record)
    if change.resolved:
        yield DeleteMany({"_id": {"$in": [f"{scope}#open#{execution_id}" for execution_id in change.resolved]}})
    if change.facts is not None:
        yield _put(scope, "facts", "", change.facts)
    if change.forgotten_below is not None:
        yield DeleteMany({"scope": scope, "kind": "settled", "block": {"$lt": change.forgotten_below}})


def _put(scope: str, kind: str, name: str, record: PendingExecution | Facts) -> UpdateOne:
    fields = {"scope": scope, "kind": kind, "record": msgspec.json.encode(record).decode()}
    return UpdateOne({"_id": f"{scope}#{kind}{name}"}, {"$set": fields}, upsert=True)


def _words(bits: int) -> Iterator[tuple[int, Int64]]:
    """Yield the 64-bit words of a block that have a bit set, as the signed numbers that MongoDB has."""
    for index in range(BLOCK // _WORD):
        word = bits >> (index * _WORD) & ((1 << _WORD) - 1)
        if word:
            yield index, Int64(word - (1 << _WORD) if word & _SIGN else word)


def _bits(document: dict[str, Any]) -> int:
    bits = 0
    for index, word in document.get("words", {}).items():
        bits |= (int(word) & ((1 << _WORD) - 1)) << (int(index) * _WORD)
    return bits
