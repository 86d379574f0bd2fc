"""Several documents with one message id: named, and the mend that is offered really mends."""

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


def test_the_mend_for_doubles_keeps_every_status(mongodb_server: str) -> None:
    """Typing what the error says joins the doubles' histories, and the next write merges into the one document."""
    name = f"doubles_{uuid4().hex[:8]}"
    sent, read = _entry("sent", 1767106880, "1"), _entry("read", 1767106890, "2")
    news = [StatusEvent(message_id="wamid.A", status="delivered", timestamp=1767106885, execution_id="3")]
    options = StoreOptions(timezone=ZoneInfo("UTC"), database=name)
    with MongoClient[dict[str, Any]](mongodb_server) as client, open_store(mongodb_server, options) as store:
        try:
            statuses = client[name]["message_statuses"]
            statuses.insert_many(
                {"messageId": "wamid.A", "statusHistory": history, "statusCount": len(history)}
                for history in ([sent], [read, sent])
            )
            with pytest.raises(StoreRefusedError, match=r"wamid\.A \(2 documents\)") as refused:
                store.write(news, at=datetime.now(UTC))
            typed = re.search(r"aggregate\((\[.*\])\)$", refused.value.remedy)
            assert typed is not None
            statuses.rename("message_statuses_old")
            pipeline = json.loads(re.sub(r"([{,]\s*)([$\w]+):", r'\1"\2":', typed[1]))
            client[name]["message_statuses_old"].aggregate(pipeline).close()
            assert store.write(news, at=datetime.now(UTC)).updated == 1
            (document,) = statuses.find()
            assert [entry["status"] for entry in document["statusHistory"]] == ["sent", "delivered", "read"]
        finally:
            client.drop_database(name)
