"""Older documents with a value of any kind in any field: nothing is lost from a list, and figures are SQLite's."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest
from bson import Binary, Decimal128, Int64, ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from tests.support.records import AT, NOON, WHO

from ticktrail.messages import counts
from ticktrail.messages.document import from_document
from ticktrail.messages.filters import Grouping, MessageFilter, Order
from ticktrail.messages.model import Message
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.copying import copy as copy_store
from ticktrail.stores.opening import open_store

pytestmark = pytest.mark.thorough

Document = dict[str, Any]
Place = tuple[str | int, ...]

DAY = 86_400
MISSING = object()
ODD: dict[str, Any] = {
    "missing": MISSING, "null": None, "empty": "", "text": "text", "digits": str(NOON), "nan": float("nan"),
    "infinity": float("inf"), "minus infinity": float("-inf"), "too large": 1e300, "double": float(NOON),
    "fraction": NOON + 0.5, "bool": True, "long": Int64(NOON), "negative": -5, "decimal": Decimal128(str(NOON)),
    "date": AT, "id": ObjectId("6b0b49021d04fa5830a05d79"), "bytes": Binary(b"x"), "list": ["text"], "object": {"a": 1},
}  # fmt: skip

SENT: Document = {"status": "sent", "timestamp": NOON, "executionId": "1", "conversation_id": WHO}
PRICING = {"category": "utility", "billable": True, "type": "regular"}
ERROR = {"code": 131026, "title": "Undeliverable"}
MESSAGE: Document = {
    "conversation_id": WHO, "latestStatus": "failed", "latestTimestamp": NOON + 60, "workflowId": "delivery",
    "statusHistory": [
        SENT,
        {**SENT, "status": "failed", "timestamp": NOON + 60, "executionId": "2", "errors": [ERROR], "pricing": PRICING},
    ],
    "statusCount": 2, "firstSeenAt": AT, "lastUpdatedAt": AT, "lastScannedAt": AT, "phoneNumberId": "1065",
    "displayPhoneNumber": "15550000001", "recipientUserId": "SA.1", "callbackData": "spring", "instance": "one",
    "pricing": PRICING, "failure": {**ERROR, "details": None}, "sentTimestamp": NOON, "failedTimestamp": NOON + 60,
    "firstTimestamp": NOON, "template": {"name": "ready", "language": "en"},
    "sentBy": {"workflowId": "orders", "node": "Send", "executionId": "9"},
}  # fmt: skip

ATTRIBUTES: list[Place] = [
    *((name,) for name in ("conversation_id", "phoneNumberId", "displayPhoneNumber", "recipientUserId")),
    *((name,) for name in ("callbackData", "workflowId", "instance", "firstSeenAt", "lastScannedAt", "statusCount")),
    *(("template", name) for name in ("name", "language")),
    *(("sentBy", name) for name in ("workflowId", "node", "executionId")),
    *(("statusHistory", 0, name) for name in ("executionId", "conversation_id", "waId", "participant")),
    ("statusHistory", 1, "errors", 0, "details"),
    ("statusHistory", 1, "pricing", "cost"),
]
"""Fields that are copied as they are: every store counts by them."""

TIMES: list[Place] = [
    *((f"{name}Timestamp",) for name in ("sent", "delivered", "read", "played", "failed", "first", "latest")),
    ("lastUpdatedAt",),
    ("statusHistory", 0, "timestamp"),
]


def odd_document(number: int, changes: dict[Place, Any]) -> Document:
    """Return the usual document with some of its values replaced."""
    document = {"messageId": f"wamid.{number:04}", **copy.deepcopy(MESSAGE)}
    for place, value in changes.items():
        inner: Any = document
        for name in place[:-1]:
            inner = inner[name]
        if value is MISSING:
            inner.pop(place[-1], None)
        else:
            inner[place[-1]] = copy.deepcopy(value)
    return document


@pytest.fixture
def opened(mongodb_server: str) -> Iterator[tuple[Store, Collection[Document]]]:
    """A store, and its collection as other programs see it."""
    options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=f"tt_{uuid.uuid4().hex}")
    with MongoClient[Document](mongodb_server) as client, open_store(mongodb_server, options) as store:
        store.prepare()
        yield store, client[str(options.database)][options.status_collection]
        client.drop_database(str(options.database))


def figures(store: Store) -> dict[str, Any]:
    """Every figure and list of a store that does not go by a field derived from the history."""
    every = MessageFilter()
    span = MessageFilter(since_timestamp=NOON - DAY, until_timestamp=NOON + DAY)
    found: dict[str, Any] = {"received": store.received_statuses(), "older": store.retention.older(NOON + DAY)}
    for name, chosen in {"every": every, "span": span}.items():
        found[f"{name} ids"] = sorted(message.message_id for message in store.messages(chosen))
        found[f"{name} count"] = store.count(chosen)
        found[f"{name} causes"] = sorted(store.causes(chosen), key=repr)
        for by in (None, *Grouping):
            found[f"{name} {by}"] = sorted(store.statistics(chosen, by, young_since=NOON, details=True), key=repr)
    return found


def test_odd_attributes_are_counted_as_sqlite_counts_their_copy(
    opened: tuple[Store, Collection[Document]], tmp_path: Path
) -> None:
    """Each statistic, list and cause is the same in both stores; the copy refuses nothing."""
    store, collection = opened
    changes = [{place: value} for place in ATTRIBUTES for value in ODD.values()]
    collection.insert_many(odd_document(number, change) for number, change in enumerate(changes))
    with open_store(str(tmp_path / "copy.db"), StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))) as target:
        report = copy_store(store, target, at=AT)
        assert (report.messages, report.written.refused) == (len(changes), ())
        assert figures(store) == figures(target)


def message_time(document: Document) -> int | None:
    """Return the time a stored document belongs to: the first of its fields that holds one, else its history's."""
    for name in ("sentTimestamp", "firstTimestamp"):
        value = document.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63:
            return int(value)
    message = from_document(document)
    return None if message is None else counts.message_time(message.state)


def pages(store: Store, order: Order, size: int) -> list[Message]:
    """Return all messages, page by page."""
    met: list[Message] = []
    question = MessageFilter(order=order, limit=size)
    for _ in range(100):
        page = store.messages(question)
        part = list(page)
        if not part:
            break
        met += part
        question = msgspec.structs.replace(question, after=page.cursor)
    return met


def test_every_message_is_listed_once_and_counted_in_its_time_whatever_its_times_are(
    opened: tuple[Store, Collection[Document]],
) -> None:
    """In each order, page by page; and a range of time holds the messages that statistics count in it."""
    store, collection = opened
    changes: list[dict[Place, Any]] = [{place: value} for place in TIMES for value in ODD.values()]
    changes += [
        {("sentTimestamp",): value, ("firstTimestamp",): ODD[other]}
        for value in ODD.values()
        for other in ("null", "text", "nan", "negative", "decimal")
    ]
    documents = [odd_document(number, change) for number, change in enumerate(changes)]
    collection.insert_many(documents)
    ids = sorted(document["messageId"] for document in documents)
    for order in get_args(Order):
        met = [message.message_id for message in pages(store, order, 60)]
        assert met == [message.message_id for message in store.messages(MessageFilter(order=order))]
        assert sorted(met) == ids
    stored = {document["messageId"]: message_time(document) for document in collection.find()}
    for since, until in ((NOON - DAY, NOON + DAY), (None, NOON), (NOON + 1, None), (-10, 10)):
        chosen = MessageFilter(since_timestamp=since, until_timestamp=until)
        expected = sorted(
            name
            for name, time in stored.items()
            if time is not None and (since is None or time >= since) and (until is None or time < until)
        )
        assert sorted(message.message_id for message in store.messages(chosen)) == expected
        assert store.count(chosen) == len(expected)
        (total,) = store.statistics(chosen, young_since=datetime.now(UTC).year)
        assert total.counts.messages == len(expected)


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_pages_skip_and_repeat_nothing_within_a_second(
    opened: tuple[Store, Collection[Document]], order: Order
) -> None:
    """An older tool kept fractions of a second, in which the server sorts."""
    store, collection = opened
    changes: list[dict[Place, Any]] = [{("sentTimestamp",): NOON + (7 * part % 8) / 4} for part in range(8)]
    changes += [{("sentTimestamp",): None, ("firstTimestamp",): NOON + part / 3} for part in range(6)]
    collection.insert_many(odd_document(number, change) for number, change in enumerate(changes))
    met = [message.message_id for message in pages(store, order, 1)]
    assert met == [message.message_id for message in store.messages(MessageFilter(order=order))]
    assert len(set(met)) == len(changes)
