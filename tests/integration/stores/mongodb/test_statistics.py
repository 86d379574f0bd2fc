"""Figures over a collection that others write to as well."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient

from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store

NOON = 1_767_258_000
AT = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def shared(mongodb_server: str) -> Iterator[tuple[Store, Any]]:
    """A store, and its collection as others see it."""
    name = f"tt_{uuid.uuid4().hex}"
    options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=name)
    with MongoClient[Any](mongodb_server) as client, open_store(mongodb_server, options) as store:
        yield store, client[name]["message_statuses"]
        client.drop_database(name)


def test_what_an_earlier_tool_wrote_is_counted_by_the_fields_it_has(shared: tuple[Store, Any]) -> None:
    """It stands where it says, at the time its history says; times to deliver it has none."""
    store, collection = shared
    history = [
        {"status": "read", "timestamp": NOON + 900, "waId": "966500000001", "executionId": "2"},
        {"status": "sent", "timestamp": NOON, "waId": "966500000001", "executionId": "1"},
    ]
    collection.insert_one(
        {"messageId": "old", "conversation_id": "966500000001", "latestStatus": "read", "statusHistory": history}
    )
    (total,) = store.statistics(MessageFilter(), young_since=0, details=True)
    counts = total.counts
    assert (counts.messages, counts.delivered, counts.read, counts.timed, counts.delays) == (1, 1, 1, 0, {})
    (quarter,) = store.statistics(MessageFilter(), Grouping.DAY, young_since=0)
    assert quarter.key == NOON // 900


def test_values_of_any_kind_stop_no_figure(shared: tuple[Store, Any]) -> None:
    """A document with nonsense in every field costs itself only; what is no message is not counted."""
    store, collection = shared
    store.write(
        [
            StatusEvent(
                message_id="good", status="sent", timestamp=NOON, execution_id="1", conversation_id="966500000001"
            )
        ],
        at=AT,
    )
    fields = (
        "conversation_id", "phoneNumberId", "displayPhoneNumber", "recipientUserId", "callbackData", "pricing",
        "failure", "template", "sentBy", "workflowId", "conflict", "sentTimestamp", "deliveredTimestamp",
        "readTimestamp", "playedTimestamp", "firstTimestamp", "latestTimestamp",
    )  # fmt: skip
    nonsense: tuple[Any, ...] = ("text", 7, 1.5, float("nan"), True, {"a": 1}, ["x"], None, AT, b"bytes", {"code": {}})
    entry = {"status": "failed", "timestamp": "x", "executionId": 1}
    for number, value in enumerate(nonsense):
        for status in ("failed", "read"):
            document = {**dict.fromkeys(fields, value), "messageId": f"{status} {number}", "latestStatus": status}
            collection.insert_one({**document, "statusHistory": [entry]})
    collection.insert_one({"messageId": "no message", "statusHistory": []})
    (total,) = store.statistics(MessageFilter(), young_since=NOON, details=True)
    assert total.counts.messages + total.counts.groups == 2 * len(nonsense) + 1
    for by in Grouping:
        groups = list(store.statistics(MessageFilter(), by, young_since=NOON, details=True))
        assert all(isinstance(group.key, (str, int, type(None))) for group in groups)
        expected = total.counts.failed if by is Grouping.ERROR else total.counts.messages
        assert sum(group.counts.messages for group in groups) == expected
