"""Tries whether a sync could write to MongoDB, and leaves everything as it was.

Into a collection that exists a made-up message is written, merged a second time by the real update, and deleted; the
right to delete is proven before. Where there is none yet, a collection of another name is made and dropped: one of the
right name might be somebody else's by the time it is dropped.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from bson import ObjectId
from pymongo.errors import OperationFailure, PyMongoError

from ticktrail.errors import StoreRefusedError, TicktrailError
from ticktrail.messages.model import StatusEvent
from ticktrail.stores.mongodb.bulk import Documents
from ticktrail.stores.mongodb.connection import Address
from ticktrail.stores.mongodb.errors import too_old, translated
from ticktrail.stores.mongodb.indexes import SEND_INDEXES, STATUS_INDEXES, missing_indexes
from ticktrail.stores.mongodb.writing import Writer
from ticktrail.stores.results import StoreState

_PROBE = "ticktrail-doctor-"
"""What a probe's message id, or its collection's name, begins with."""

_COUNT_SECONDS = 1_767_225_600
"""The made-up statuses are of 2026-01-01."""


def probe(
    statuses: Documents, sends: Documents, address: Address, zone: ZoneInfo, first_wire_version: int
) -> StoreState:
    """How the ledger in these collections fares.

    Raises:
        PyMongoError: the server cannot be reached, or lets nobody in.
    """
    database = statuses.database
    hello = database.client.admin.command("hello")
    now = datetime.now(UTC)
    clock = hello.get("localTime")
    version = str(database.client.server_info().get("version", "of an unknown version"))
    names = set(
        database.list_collection_names(
            filter={"name": {"$in": [statuses.name, sends.name]}}, authorizedCollections=True
        )
    )
    faults: list[TicktrailError] = []
    if hello.get("maxWireVersion", 0) < first_wire_version:
        faults.append(too_old(version, address))
    else:
        with _noting(faults, address):
            _try_writing(statuses, sends, address, zone, exists=statuses.name in names)
    missing: list[str] = []
    for collection, wanted in ((statuses, STATUS_INDEXES), (sends, SEND_INDEXES)):
        if collection.name in names:
            with _noting(faults, address):
                missing += [
                    f"{collection.name}.{model.document['name']}" for model in missing_indexes(collection, wanted)
                ]
    return StoreState(
        server=f"MongoDB {version}",
        exists=statuses.name in names,
        faults=tuple(faults),
        missing_indexes=tuple(missing),
        clock=(clock.replace(tzinfo=UTC), now) if isinstance(clock, datetime) else None,
    )


def _try_writing(statuses: Documents, sends: Documents, address: Address, zone: ZoneInfo, *, exists: bool) -> None:
    name = f"{_PROBE}{uuid.uuid4().hex}"
    if exists:
        # Refused here, nothing was written that could not be taken away again.
        statuses.delete_one({"_id": ObjectId()})
        try:
            _merge_twice(Writer(statuses, sends, address, zone), name, address)
        finally:
            # Also those of a doctor that was killed.
            statuses.delete_many({"messageId": {"$gte": _PROBE, "$lt": f"{_PROBE}~"}})
        return
    apart = statuses.database[name]
    try:
        _merge_twice(Writer(apart, apart, address, zone), name, address)
    finally:
        with contextlib.suppress(PyMongoError):
            apart.drop()


def _merge_twice(writer: Writer, name: str, address: Address) -> None:
    """Insert a message, then let the server merge a second status into it."""
    for status, seconds in (("sent", _COUNT_SECONDS), ("delivered", _COUNT_SECONDS + 1)):
        event = StatusEvent(message_id=name, status=status, execution_id="0", timestamp=seconds)
        report = writer.write([event], (), at=datetime.fromtimestamp(_COUNT_SECONDS, UTC), instance=None)
        if report.refused:
            raise StoreRefusedError(
                f"MongoDB at {address.location} does not take a message: {report.refused[0].reason}.",
                remedy="Does the collection have a validation rule of its own? In mongosh: db.getCollectionInfos()",
            )


@contextlib.contextmanager
def _noting(faults: list[TicktrailError], address: Address) -> Iterator[None]:
    """Note what would stop a sync, instead of stopping. A server that goes away meanwhile still stops it."""
    try:
        yield
    except OperationFailure as error:
        found = translated(error, address)
        if str(found) not in {str(known) for known in faults}:
            faults.append(found)
    except TicktrailError as error:
        faults.append(error)
