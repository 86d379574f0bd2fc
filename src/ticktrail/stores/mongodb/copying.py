"""Whole messages of another ledger into MongoDB, each by one atomic operation of the server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import UpdateOne

from ticktrail.messages.document import from_document, to_document
from ticktrail.messages.merge import Gathered, entry_key
from ticktrail.messages.model import Message
from ticktrail.stores.mongodb import merging as mongodb_upsert
from ticktrail.stores.mongodb.bulk import Documents, run
from ticktrail.stores.mongodb.connection import Address
from ticktrail.stores.mongodb.errors import reason_of
from ticktrail.stores.mongodb.filters import storable
from ticktrail.stores.results import Refusal, WriteReport

_UNSTORABLE = (BSONError, ValueError, TypeError, OverflowError, RecursionError)

_DATES = {"firstSeenAt": "$min", "lastUpdatedAt": "$max", "lastScannedAt": "$max"}

_BEFORE = "_before"
"""A field that holds the dates as they were while an update is at work, and is not there afterwards."""


def import_messages(
    statuses: Documents, sends: Documents, messages: Sequence[Message], address: Address, zone: tzinfo
) -> WriteReport:
    """Merge messages, a few hundred at a time; see :meth:`ticktrail.stores.retention.Retention.import_messages`."""
    ids = storable(message.message_id for message in messages)
    known = {
        message.message_id: {entry_key(entry) for entry in message.history}
        for message in map(from_document, statuses.find({"messageId": {"$in": ids}}))
        if message is not None
    }
    lent = {send["_id"]: send for send in sends.find({"_id": {"$in": ids}, "sentBy": {"$exists": True}})}
    refused: dict[str, str] = {}
    new: dict[str, UpdateOne] = {}
    merges: dict[str, UpdateOne] = {}
    stages = mongodb_upsert.merge_stages(str(zone))
    for message in messages:
        name = message.message_id
        try:
            document = to_document(message, zone)
            del document["messageId"]
            if name in lent:
                document |= {field: lent[name][field] for field in ("template", "sentBy") if field in lent[name]}
            new[name] = UpdateOne({"messageId": name}, _encoded({"$setOnInsert": document}), upsert=True)
            merges[name] = UpdateOne({"messageId": name}, list(map(_encoded, _merging(message, document, stages))))
        except _UNSTORABLE as error:
            refused[name] = reason_of(error)
    first = run(statuses, {name: new[name] for name in new if name not in known and name not in refused}, address)
    refused |= first.refused
    rest = {name: merges[name] for name in merges if name not in first.inserted and name not in refused}
    refused |= run(statuses, rest, address).refused
    grown = {
        message.message_id: len(set(map(entry_key, message.history)) - known.get(message.message_id, set()))
        for message in messages
        if message.message_id not in refused
    }
    updated = sum(1 for name, count in grown.items() if count and name not in first.inserted)
    return WriteReport(
        inserted=len(first.inserted),
        updated=updated,
        unchanged=len(grown) - len(first.inserted) - updated,
        refused=tuple(Refusal(name, reason) for name, reason in refused.items()),
        events=sum(grown.values()),
    )


def _merging(message: Message, document: dict[str, Any], stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The merge of :mod:`mongodb_upsert`, and the dates as two ledgers settle them."""
    news = Gathered({entry_key(entry): entry for entry in message.history}, message.attributes)
    first = mongodb_upsert.news_stage(message.message_id, news, at=message.last_scanned_at, only_growth=False)
    dates: dict[str, Any] = {
        name: {choice: [f"${_BEFORE}.{name}", {"$literal": document[name]}]} for name, choice in _DATES.items()
    }
    lent = {
        name: {"$ifNull": [f"${name}", {"$literal": document[name]}]}
        for name in ("template", "sentBy")
        if name in document
    }
    return [
        {"$set": {_BEFORE: {name: f"${name}" for name in _DATES}}},
        first,
        *stages,
        {"$set": dates | lent},
        {"$unset": [_BEFORE]},
    ]


def _encoded(document: dict[str, Any]) -> RawBSONDocument:
    return RawBSONDocument(bson.encode(document))
