"""Many operations in one request, each about one document: what became of every one.

What a server refuses for the sake of one document costs that document only. What it refuses altogether is raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson.errors import InvalidDocument
from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, OperationFailure

from ticktrail.stores.mongodb.connection import Address
from ticktrail.stores.mongodb.errors import DUPLICATE_KEY, about_values, is_systemic, reason_of, refusal

Documents = Collection[dict[str, Any]]

Operations = Mapping[str, UpdateOne]
"""By the key of what each is about: a message id, or a send's key."""

_ATTEMPTS = 5
"""How often an upsert is sent that lost a race for a new document; the second time it finds the document."""


class Outcome:
    """What a bulk came to.

    Attributes:
        inserted: keys of the documents that are new.
        modified: how many documents the operations changed; one that was changed into what it was is not among them.
        refused: why a document was not taken, by key.
        raced: keys of the upserts that found the document made by another writer in the same instant.
    """

    def __init__(self) -> None:
        self.inserted: set[str] = set()
        self.modified = 0
        self.refused: dict[str, str] = {}
        self.raced: set[str] = set()

    def add(self, other: Outcome) -> None:
        """Count another bulk in; what raced is the other's only."""
        self.inserted |= other.inserted
        self.modified += other.modified
        self.refused |= other.refused
        self.raced = other.raced


def run(collection: Documents, operations: Operations, address: Address) -> Outcome:
    """Send operations, those that lost a race again.

    Raises:
        PyMongoError: the server cannot be reached or refuses the request.
        TicktrailError: it refuses every operation for a reason that no document has.
    """
    total = Outcome()
    left = operations
    for _ in range(_ATTEMPTS):
        if not left:
            return total
        total.add(_send(collection, left, address))
        left = {key: operations[key] for key in left if key in total.raced}
    total.refused |= dict.fromkeys(left, "another unique index of the collection keeps it out")
    return total


def _send(collection: Documents, operations: Operations, address: Address) -> Outcome:
    try:
        result = collection.bulk_write(list(operations.values()), ordered=False).bulk_api_result
    except BulkWriteError as error:
        return _outcome(error.details or {}, list(operations), address)
    except InvalidDocument as error:
        return _send_halves(collection, operations, address, reason_of(error))
    except OperationFailure as error:
        reason = about_values(error.code)
        if reason is None:
            raise
        return _send_halves(collection, operations, address, reason)
    return _outcome(result, list(operations), address)


def _send_halves(collection: Documents, operations: Operations, address: Address, reason: str) -> Outcome:
    """Find the operation that a whole request was refused for."""
    outcome = Outcome()
    if len(operations) == 1:
        outcome.refused = dict.fromkeys(operations, reason)
        return outcome
    keys = list(operations)
    middle = len(keys) // 2
    raced: set[str] = set()
    for half in (keys[:middle], keys[middle:]):
        outcome.add(_send(collection, {key: operations[key] for key in half}, address))
        raced |= outcome.raced
    outcome.raced = raced
    return outcome


def _outcome(result: Mapping[str, Any], keys: list[str], address: Address) -> Outcome:
    """What the server answered to operations with these keys, in this order."""
    for failure in result.get("writeConcernErrors", ()):
        # Written here, and perhaps nowhere else: the caller must not believe it is safe.
        raise refusal(failure.get("code"), "", address)
    outcome = Outcome()
    outcome.inserted = {keys[upserted["index"]] for upserted in result.get("upserted", ())}
    outcome.modified = result.get("nModified", 0)
    unknown: dict[str, int] = {}
    for failure in result.get("writeErrors", ()):
        key, code = keys[failure["index"]], failure["code"]
        reason = about_values(code)
        if code == DUPLICATE_KEY:
            outcome.raced.add(key)
        elif reason is not None:
            outcome.refused[key] = reason
        elif is_systemic(code):
            raise refusal(code, str(failure.get("errmsg", "")), address)
        else:
            unknown[key] = code
    if len(unknown) == len(keys) > 1:
        # Nothing that all documents of a batch have is the fault of one of them.
        raise refusal(next(iter(unknown.values())), "", address)
    outcome.refused |= {key: f"MongoDB refused it (error {code})" for key, code in unknown.items()}
    return outcome
