"""Creates the indexes that a MongoDB store lacks, and refuses collections that cannot be adopted.

The unique index comes first and alone: concurrent inserts are sound only when it is there before the first write.
An index that gives the order of a list ends with ``messageId``, the last key of every order: so lists need no sort in
the server's memory.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from typing import Any

import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from ticktrail.errors import StoreRefusedError
from ticktrail.stores.mongodb.connection import LONG_SECONDS
from ticktrail.stores.mongodb.errors import DUPLICATE_KEY

Documents = Collection[dict[str, Any]]

STATUS_INDEXES = (
    IndexModel({"messageId": ASCENDING}, unique=True),
    IndexModel({"conversation_id": ASCENDING}),
    IndexModel({"conversation_id": ASCENDING, "latestTimestamp": DESCENDING}),
    IndexModel({"conversation_id": ASCENDING, "sentTimestamp": DESCENDING, "messageId": ASCENDING}),
    IndexModel({"latestStatus": ASCENDING}),
    IndexModel({"latestStatus": ASCENDING, "sentTimestamp": DESCENDING, "messageId": ASCENDING}),
    IndexModel({"latestTimestamp": DESCENDING, "messageId": ASCENDING}),
    IndexModel({"sentTimestamp": DESCENDING, "messageId": ASCENDING}),
    IndexModel({"sentTimestamp": ASCENDING, "messageId": ASCENDING}),
    # For messages of which no "sent" was reported.
    IndexModel({"sentTimestamp": ASCENDING, "firstTimestamp": DESCENDING, "messageId": ASCENDING}),
    IndexModel({"lastUpdatedAt": DESCENDING, "messageId": ASCENDING}),
    IndexModel({"failure.code": ASCENDING}, sparse=True),
    IndexModel({"recipientUserId": ASCENDING}, sparse=True),
    IndexModel({"callbackData": ASCENDING}, sparse=True),
)

SEND_INDEXES = (
    IndexModel({"messageId": ASCENDING}),
    IndexModel({"sentAt": DESCENDING, "_id": ASCENDING}),
    IndexModel({"rejected": ASCENDING}, sparse=True),
)

_NAMED = 3
"""Number of duplicates that an error names."""

_FOREIGN = {
    "$or": [
        {"messageId": {"$not": {"$type": "string"}}},
        {
            "statusHistory": {"$not": {"$type": "array"}},
            "latestStatus": {"$not": {"$type": "string"}},
            "status": {"$not": {"$type": "string"}},
        },
    ]
}
"""Finds documents that are not message statuses: no ``messageId``, or no status in any form."""

_CONFLICTS = frozenset({85, 86})
"""IndexOptionsConflict, IndexKeySpecsConflict."""

_OTHERS_BUILD = frozenset({117, 276, 309, 332})
"""ConflictingOperationInProgress and kin: another process builds, or just aborted building, the same index."""

_ATTEMPTS = 5

_TTL_INDEX = "ticktrail_ttl"
_NAMESPACE_NOT_FOUND = 26
_NO_INDEX = 27


def require_adoptable(statuses: Documents) -> None:
    """Refuse a collection of message statuses that a first write would damage, or could not write to.

    Only reads. A collection that has all indexes was adopted before.

    Raises:
        StoreRefusedError: documents that are not message statuses, several documents with one ``messageId``, or an
            index in the way; the remedy loses nothing.
    """
    missing = missing_indexes(statuses, STATUS_INDEXES)
    if not missing:
        return
    with pymongo.timeout(LONG_SECONDS):
        if statuses.find_one(_FOREIGN, {"_id": True}) is not None:
            raise StoreRefusedError(
                f"{statuses.full_name}: this collection holds documents that are not message statuses: choose another. "
                "Nothing was written.",
                remedy="Set MONGODB_STATUS_COLLECTION to a collection of its own; a new name is created.",
            )
        if any(model.document.get("unique") for model in missing):
            duplicates = _most_frequent(statuses)
            if duplicates:
                raise _duplicates(statuses, duplicates)


def make_indexes(collection: Documents, wanted: Iterable[IndexModel]) -> None:
    """Create the indexes that a collection lacks. Safe to repeat, and from many processes at once.

    An index on the same keys is taken as it is, whatever its name, unless it is unique where it must not be or the
    other way round: that only changes how fast questions are answered.

    Raises:
        StoreRefusedError: duplicates or another index prevent it; the error names them and the fix.
    """
    missing = missing_indexes(collection, wanted)
    unique = [model for model in missing if model.document.get("unique")]
    for models in (unique, [model for model in missing if model not in unique]):
        if models:
            _create(collection, models)


def missing_indexes(collection: Documents, wanted: Iterable[IndexModel]) -> list[IndexModel]:
    """Return the indexes that a collection lacks; see :func:`make_indexes`. Changes nothing.

    Raises:
        StoreRefusedError: another index is in the way.
    """
    present = list(collection.list_indexes())
    wanted = list(wanted)
    identifying = {"_id", *(name for model in wanted if model.document.get("unique") for name in model.document["key"])}
    for index in present:
        # A sparse or partial one may be on fields that only other programs set.
        covers_all = "sparse" not in index and "partialFilterExpression" not in index
        if index.get("unique") and covers_all and identifying.isdisjoint(index["key"]):
            raise _in_the_way(collection, index["name"], must_be_unique=False)
    missing = []
    for model in wanted:
        must_be_unique = bool(model.document.get("unique"))
        alike = [index for index in present if _keys(index) == _keys(model.document)]
        # One index that keeps ids unique is enough; one that refuses messages is too many.
        serving = [index for index in alike if _serves(index, must_be_unique=must_be_unique)]
        if not alike:
            missing.append(model)
        elif not serving or (len(serving) < len(alike) and not must_be_unique):
            wrong = next(index for index in alike if index not in serving)
            raise _in_the_way(collection, wrong["name"], must_be_unique=must_be_unique)
    return missing


def set_ttl_indexes(statuses: Documents, sends: Documents, seconds: int | None) -> None:
    """Create, replace or drop the TTL indexes. Changing them in place would need more rights than ``readWrite``."""
    for collection, field in ((statuses, "firstSeenAt"), (sends, "sentAt")):
        present = {index["name"]: index for index in collection.list_indexes()}
        if seconds is not None and present.get(_TTL_INDEX, {}).get("expireAfterSeconds") == seconds:
            continue
        try:
            collection.drop_index(_TTL_INDEX)
        except OperationFailure as error:
            if error.code not in {_NAMESPACE_NOT_FOUND, _NO_INDEX}:
                raise
        if seconds is not None:
            with pymongo.timeout(LONG_SECONDS):
                collection.create_index({field: 1}, name=_TTL_INDEX, expireAfterSeconds=seconds)


def _create(collection: Documents, models: list[IndexModel]) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with pymongo.timeout(LONG_SECONDS):
                collection.create_indexes(models)
        except OperationFailure as error:
            if error.code == DUPLICATE_KEY:
                raise _duplicates(collection, _most_frequent(collection)) from None
            if error.code in _CONFLICTS:
                raise _name_taken(collection, models) from None
            if error.code not in _OTHERS_BUILD or attempt == _ATTEMPTS:
                raise
            time.sleep(random.uniform(0, attempt))  # noqa: S311 - only keeps two processes apart
        else:
            return


def _keys(index: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the keys of an index in order; directions come as 1, 1.0 or Int64(1), kinds as text."""
    return tuple(
        (name, kind if isinstance(kind, str) else "up" if kind > 0 else "down") for name, kind in index["key"].items()
    )


def _serves(index: Mapping[str, Any], *, must_be_unique: bool) -> bool:
    """Return whether an existing index on the same keys serves the purpose of a wanted one."""
    if not must_be_unique:
        return not index.get("unique")
    # A collation would take two ids for one, a partial index would let some of them stand twice.
    return bool(index.get("unique")) and "partialFilterExpression" not in index and "collation" not in index


def _in_the_way(collection: Documents, name: str, *, must_be_unique: bool) -> StoreRefusedError:
    reason = (
        "does not keep every messageId unique, which Ticktrail relies on"
        if must_be_unique
        else "is unique and would keep messages out"
    )
    return StoreRefusedError(
        f"The index {name} of {collection.full_name} {reason}. Nothing was written.",
        remedy=f'In mongosh: db.getCollection("{collection.name}").dropIndex("{name}"), then run again.',
    )


def _name_taken(collection: Documents, models: list[IndexModel]) -> StoreRefusedError:
    ours = {model.document["name"]: _keys(model.document) for model in models}
    taken = [
        str(index["name"])
        for index in collection.list_indexes()
        if index["name"] in ours and _keys(index) != ours[index["name"]]
    ]
    drops = "; ".join(f'db.getCollection("{collection.name}").dropIndex("{name}")' for name in taken)
    return StoreRefusedError(
        f"Other indexes of {collection.full_name} have the names of Ticktrail's: {', '.join(taken) or 'unknown'}.",
        remedy=f"In mongosh: {drops or 'db.collection.getIndexes()'}, then run again.",
    )


def _most_frequent(collection: Documents) -> list[tuple[str, int]]:
    """Return message ids that several documents have, with their number."""
    stages: list[dict[str, Any]] = [
        {"$group": {"_id": "$messageId", "count": {"$sum": 1}}},
        {"$match": {"count": {"$gt": 1}}},
        {"$sort": {"count": -1, "_id": 1}},
        {"$limit": _NAMED},
    ]
    return [(str(one["_id"]), int(one["count"])) for one in collection.aggregate(stages, allowDiskUse=True)]


_AS_ENTRY = (
    '{status: {$ifNull: ["$latestStatus", "$status"]}, timestamp: {$ifNull: ["$latestTimestamp", "$timestamp"]}, '
    'executionId: {$ifNull: ["$executionId", ""]}, conversation_id: {$ifNull: ["$conversation_id", "$waId"]}}'
)
"""The status of a document without history, as an entry of one."""


def _duplicates(collection: Documents, found: list[tuple[str, int]]) -> StoreRefusedError:
    named = ", ".join(f"{message_id} ({count} documents)" for message_id, count in found)
    old = f"{collection.name}_old"
    listed = '{$cond: [{$isArray: "$statusHistory"}, "$statusHistory", []]}'
    history = f"{{$cond: [{{$gt: [{{$size: {listed}}}, 0]}}, {listed}, [{_AS_ENTRY}]]}}"
    joined = '{$reduce: {input: "$all", initialValue: [], in: {$concatArrays: ["$$value", "$$this"]}}}'
    return StoreRefusedError(
        f"In {collection.full_name} several documents have one messageId: {named}. Nothing was written.",
        remedy="Join them in mongosh, which keeps every status and the old collection; then run again: "
        f'db.getCollection("{collection.name}").renameCollection("{old}"); '
        f'db.getCollection("{old}").aggregate([{{$sort: {{statusCount: -1}}}}, '
        f'{{$group: {{_id: "$messageId", all: {{$push: {history}}}, documents: {{$push: "$$ROOT"}}}}}}, '
        '{$replaceWith: {$mergeObjects: [{$mergeObjects: "$documents"}, {$arrayElemAt: ["$documents", 0]}, '
        f'{{statusHistory: {joined}}}]}}}}, {{$out: "{collection.name}"}}])',
    )
