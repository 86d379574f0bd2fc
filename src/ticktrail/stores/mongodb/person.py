"""Queries that find the messages and sends of one person, and the erasing of a person from texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from pymongo import ReadPreference
from pymongo.collection import Collection
from pymongo.database import Database

from ticktrail.stores.erasure import TextEraser, wamid_start
from ticktrail.stores.mongodb.alert_state import ALERTS
from ticktrail.stores.mongodb.filters import Query
from ticktrail.stores.mongodb.retrying import read
from ticktrail.stores.mongodb.sync_state import COVERAGE, RUNS
from ticktrail.text.phone_numbers import number_pattern


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
    return {"$regex": number_pattern(name) if name.isascii() and name.isdigit() else re.escape(name)}


def erase_in_texts(database: Database[dict[str, Any]], eraser: TextEraser, *, erase: bool) -> int:
    """Erase a person from errors of runs, reasons of pending executions, and alerts. Return how many name them."""
    count = 0
    for name, fields, is_json in _TEXTS:
        documents = database[name].with_options(read_preference=ReadPreference.PRIMARY)
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


def erase_in_errors(sends: Collection[dict[str, Any]], eraser: TextEraser, *, erase: bool) -> int:
    """Erase a person from the errors of other people's sends. Return how many name them."""
    count = 0
    for found in read(sends, {"errors": {"$exists": True}}, {"errors": True}):
        left = eraser.erase(found["errors"])
        if left != found["errors"]:
            count += 1
            if erase:
                sends.update_one({"_id": found["_id"], "errors": found["errors"]}, {"$set": {"errors": left}})
    return count


_TEXTS = (
    (RUNS, ("record",), True),
    (COVERAGE, ("record",), True),
    (ALERTS, ("title", "note", "acknowledgedBy"), False),
)
"""Collections and fields with texts for operators, and whether they are JSON."""
