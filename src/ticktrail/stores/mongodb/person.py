"""Queries that find the messages and sends of one person, and the erasing of a person from texts."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from typing import Any

import msgspec
from pymongo import ReadPreference
from pymongo.collection import Collection
from pymongo.database import Database

from ticktrail.stores.erasure import TextEraser, wamid_start
from ticktrail.stores.mongodb.alert_state import ALERTS
from ticktrail.stores.mongodb.bulk import Update, in_batches, swap
from ticktrail.stores.mongodb.connection import Address
from ticktrail.stores.mongodb.filters import IS_MESSAGE, Query
from ticktrail.stores.mongodb.retrying import read
from ticktrail.stores.mongodb.sync_state import COVERAGE, RUNS
from ticktrail.text.phone_numbers import number_pattern

_LONGEST = 1_000
"""Characters of a pattern; servers refuse long ones. Phone numbers and ids need fewer."""


def went_to(names: Sequence[str]) -> Query:
    """Return a query for the messages to one of these ids."""
    return {"$or": _own(names)}


def concerning(names: Sequence[str]) -> Query:
    """Return a query for the messages to one of these ids, or with a status that names one."""
    return {"$or": [*_own(names), *_naming(names)]}


def sent_to(names: Sequence[str]) -> Query:
    """Return a query for the sends that went to one of these; it may find a few others."""
    wanted: list[Query] = []
    for name in names:
        wanted += [{"input": _spelling(name)}, {"conversation_id": _spelling(name)}]
        start = wamid_start(name)
        if start is not None:
            wanted.append({"_id": _beginning(start)})
    return {"$or": wanted}


def _own(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return conditions of which at least one holds for a message that went to one of these."""
    starts = [start for start in map(wamid_start, names) if start is not None]
    # An earlier tool may have kept numbers as numbers.
    numbers = [int(name) for name in names if name.isdigit() and len(name) <= 18]
    return [
        {"conversation_id": {"$in": numbers}},
        *({field: _spelling(name)} for field in ("conversation_id", "recipientUserId") for name in names),
        *({"messageId": _beginning(start)} for start in starts),
    ]


def _naming(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return conditions of which at least one holds for a message with a status that names one of these."""
    fields = ("participant", "conversation_id", "waId")
    return [{f"statusHistory.{field}": _spelling(name)} for field in fields for name in names]


def _beginning(start: str) -> dict[str, str]:
    return {"$gte": start, "$lt": f"{start}\x7f"}


def _spelling(name: str) -> Any:
    """Return a condition for a person's id in any spelling; it may find a few others."""
    pattern = number_pattern(name) if name.isascii() and name.isdigit() else re.escape(name)
    return {"$regex": pattern} if len(pattern) <= _LONGEST else {"$eq": name}


def erase_in_records(
    database: Database[dict[str, Any]],
    collections: tuple[str, str],
    names: Sequence[str],
    gone: frozenset[str],
    address: Address,
    *,
    erase: bool,
) -> int:
    """Erase a person from every text of the store. Return how many records name them.

    Args:
        collections: of the messages and of the sends.
        names: every id of the person, in normal form.
        gone: ids of the messages that are erased whole, whose texts do not count.
    """
    eraser = TextEraser(names, gone)
    messages, sends = (_primary(database[name]) for name in collections)
    count = _erase_in_texts(database, eraser, erase=erase) + _erase_in_errors(sends, eraser, erase=erase)
    for ids in in_batches(_messages_naming(messages, names, eraser, gone)):
        count += len(ids)
        if erase:
            swap(messages, ids, lambda _id, stored: _without_names(stored, eraser), address, key_field="messageId")
    return count


def _primary(documents: Collection[dict[str, Any]]) -> Collection[dict[str, Any]]:
    return documents.with_options(read_preference=ReadPreference.PRIMARY)


def _erase_in_texts(database: Database[dict[str, Any]], eraser: TextEraser, *, erase: bool) -> int:
    """Erase a person from errors of runs, reasons of pending executions, and alerts. Return how many name them."""
    count = 0
    for name, fields, is_json in _TEXTS:
        documents = _primary(database[name])
        for found in read(documents, {}, dict.fromkeys(fields, True)):
            for field in fields:
                text = found.get(field)
                if not isinstance(text, str):
                    continue
                value = msgspec.json.decode(text) if is_json else text
                left = eraser.erase(value)
                if left == value:
                    continue
                count += 1
                if erase:
                    new = msgspec.json.encode(left).decode() if is_json else left
                    documents.update_one({"_id": found["_id"], field: text}, {"$set": {field: new}})
    return count


def _erase_in_errors(sends: Collection[dict[str, Any]], eraser: TextEraser, *, erase: bool) -> int:
    """Erase a person from the errors of other people's sends. Return how many name them."""
    count = 0
    for found in read(sends, {"errors": {"$exists": True}}, {"errors": True}):
        left = eraser.erase(found["errors"])
        if left != found["errors"]:
            count += 1
            if erase:
                sends.update_one({"_id": found["_id"], "errors": found["errors"]}, {"$set": {"errors": left}})
    return count


def _messages_naming(
    messages: Collection[dict[str, Any]], names: Sequence[str], eraser: TextEraser, gone: Container[str]
) -> Iterator[str]:
    """Yield the ids of the messages to other people whose label or errors name a person."""
    named: Query = {"$or": [{field: _spelling(name)} for field in _MESSAGE_TEXTS for name in names]}
    for stored in read(messages, {"$and": [IS_MESSAGE, named]}, _KEPT_TEXTS):
        if stored["messageId"] not in gone and _without_names(stored, eraser) is not None:
            yield stored["messageId"]


def _without_names(stored: dict[str, Any] | None, eraser: TextEraser) -> Update | None:
    """Return the change that erases a person from a document's texts; None where they do not name the person."""
    if stored is None:
        return None
    left: dict[str, Any] = {
        field: eraser.erase(stored[field]) for field in ("callbackData", "failure") if field in stored
    }
    history = stored.get("statusHistory")
    if isinstance(history, list):
        left["statusHistory"] = [
            {**entry, "errors": eraser.erase(entry["errors"])}
            if isinstance(entry, dict) and "errors" in entry
            else entry
            for entry in history
        ]
    fields = {field: value for field, value in left.items() if value != stored[field]}
    return Update(fields=fields) if fields else None


_MESSAGE_TEXTS = (
    *("callbackData", "failure.title", "failure.details", "statusHistory.errors.title"),
    *("statusHistory.errors.message", "statusHistory.errors.details"),
)
_KEPT_TEXTS = dict.fromkeys(("messageId", "callbackData", "failure", "statusHistory"), True)

_TEXTS = (
    (RUNS, ("record",), True),
    (COVERAGE, ("record",), True),
    (ALERTS, ("title", "note", "acknowledgedBy"), False),
)
"""Collections and fields with texts for operators, and whether they are JSON."""
