"""Several documents with one message id: they are named, and the printed fix loses no status."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient

from ticktrail.errors import StoreRefusedError
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store


def _entry(status: str, timestamp: int, execution_id: str) -> dict[str, Any]:
    return {"status": status, "timestamp": timestamp, "executionId": execution_id, "waId": "966500000001"}


_SHAPES: dict[str, list[dict[str, Any]]] = {
    "overlapping histories": [
        {"statusHistory": [_entry("sent", 1767106880, "1")], "statusCount": 1},
        {"statusHistory": [_entry("read", 1767106890, "2"), _entry("sent", 1767106880, "1")], "statusCount": 2},
    ],
    "one document per status": [
        {"latestStatus": "sent", "latestTimestamp": 1767106880, "conversation_id": "966500000001"},
        {"status": "read", "timestamp": 1767106890, "executionId": "2", "waId": "966500000001"},
    ],
    "some with a history, some without": [
        {"statusHistory": [_entry("read", 1767106890, "2")], "statusCount": 1},
        {"statusHistory": [], "latestStatus": "sent", "latestTimestamp": 1767106880},
        {"statusHistory": "none", "latestStatus": "sent", "latestTimestamp": 1767106880},
    ],
}


@pytest.mark.parametrize("documents", _SHAPES.values(), ids=_SHAPES.keys())
def test_the_fix_for_duplicates_keeps_every_status(mongodb_server: str, documents: list[dict[str, Any]]) -> None:
    """Typing what the error says joins the documents, and the next write merges into the one that is left."""
    name = f"doubles_{uuid4().hex[:8]}"
    news = [StatusEvent(message_id="wamid.A", status="delivered", timestamp=1767106885, execution_id="3")]
    options = StoreOptions(timezone=ZoneInfo("UTC"), database=name)
    with MongoClient[dict[str, Any]](mongodb_server) as client, open_store(mongodb_server, options) as store:
        try:
            statuses = client[name]["message_statuses"]
            statuses.insert_many({"messageId": "wamid.A", "label": 7, **document} for document in documents)
            said = rf"wamid\.A \({len(documents)} documents\)"
            with pytest.raises(StoreRefusedError, match=said):
                store.require_adoptable()
            with pytest.raises(StoreRefusedError, match=said) as refused:
                store.write(news, at=datetime.now(UTC))
            typed = re.search(r"aggregate\((\[.*\])\)$", refused.value.remedy)
            assert typed is not None
            statuses.rename("message_statuses_old")
            pipeline = json.loads(re.sub(r"([{,]\s*)([$\w]+):", r'\1"\2":', typed[1]))
            client[name]["message_statuses_old"].aggregate(pipeline).close()
            assert store.write(news, at=datetime.now(UTC)).updated == 1
            (document,) = statuses.find()
            assert [entry["status"] for entry in document["statusHistory"]] == ["sent", "delivered", "read"]
            assert document["label"] == 7
        finally:
            client.drop_database(name)
