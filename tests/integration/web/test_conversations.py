"""Conversations with the texts that a workflow stores in MongoDB."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from starlette.testclient import TestClient
from tests.integration.web.conftest import TOKEN, VIEWER_TOKEN, Open, bearer

from ticktrail.messages.conversation import join_turns, turns_of
from ticktrail.messages.error_codes import packaged
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.output.conversation import write_thread
from ticktrail.stores import StoreOptions
from ticktrail.stores.mongodb.conversations import Conversations
from ticktrail.stores.opening import open_store

WHO, OTHER = "966500000041", "966500010041"
RIYADH = ZoneInfo("Asia/Riyadh")
NOON = 1_767_258_000
HARM = "<script>alert(1)</script>"


def _event(name: str, status: str, at: int, who: str = WHO) -> StatusEvent:
    return StatusEvent(message_id=name, status=status, timestamp=at, execution_id="1", workflow_id="w",
                       conversation_id=who)  # fmt: skip


@pytest.fixture(scope="module")
def kept(mongodb_server: str) -> Iterator[dict[str, str]]:
    """The environment of a MongoDB store with a conversations collection."""
    database = f"tt_{uuid.uuid4().hex}"
    events = [_event(f"wamid.{number}", "sent", NOON + number * 60) for number in range(5)]
    # Read in one second, so that the time of the latest status tells nothing of the order.
    events += [_event(f"wamid.{number}", "read", NOON + 900) for number in range(5)]
    with open_store(mongodb_server, StoreOptions(timezone=RIYADH, database=database)) as store:
        store.write([*events, _event("wamid.other", "sent", NOON, OTHER)], at=datetime.now(UTC))
    with MongoClient[dict[str, Any]](mongodb_server) as client:
        client[database]["chat"].insert_many([
            {"conversation_id": WHO, "message_id": "wamid.0", "outbound": "Good morning", "timestamp": NOON},
            {"conversation_id": WHO, "message_id": "wamid.in", "inbound": HARM, "timestamp": NOON + 90},
            {"conversation_id": f"+{WHO}", "message_id": "wamid.2", "inbound": "When?", "outbound": "At noon",
             "media": {"type": "image"}, "timestamp": str(NOON + 121)},
            {"conversation_id": OTHER, "message_id": "wamid.other", "outbound": "another's", "timestamp": NOON},
        ])  # fmt: skip
        yield {"MONGODB_URI": mongodb_server, "MONGODB_DATABASE": database, "MONGODB_CONVERSATIONS_COLLECTION": "chat"}
        client.drop_database(database)


@pytest.fixture
def client(open_dashboard: Open, kept: dict[str, str]) -> TestClient:
    """A dashboard with a token for each role."""
    return open_dashboard(**kept, TICKTRAIL_DASHBOARD_TOKEN=TOKEN, TICKTRAIL_DASHBOARD_VIEWER_TOKEN=VIEWER_TOKEN)


def ask(client: TestClient, path: str, **parameters: Any) -> dict[str, Any]:
    """The answer to the full role."""
    answer = client.get(f"/api/v1{path}", params=parameters, headers=bearer(TOKEN))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_turns_come_with_the_messages(client: TestClient) -> None:
    """Turns as the command prints them, oldest first, with the statuses of messages sent."""
    found = ask(client, f"/conversations/+{WHO}")
    assert found["conversationIds"] == [WHO]
    assert [one["messageId"] for one in found["messages"]] == [f"wamid.{number}" for number in range(5)]
    assert [(one["direction"], one["text"], one["media"], one["latestStatus"]) for one in found["turns"]] == [
        ("outbound", "Good morning", None, "read"),
        ("outbound", None, None, "read"),
        ("inbound", HARM, None, None),
        ("inbound", "When?", None, None),
        ("outbound", "At noon", "image", "read"),
        ("outbound", None, None, "read"),
        ("outbound", None, None, "read"),
    ]
    assert found["turns"][0]["latestTimestamp"] == NOON + 900
    assert found["next"] is None


@pytest.mark.parametrize("sort", ["oldest", "newest"])
def test_paging_a_conversation_returns_everything_once(client: TestClient, sort: str) -> None:
    """Following next returns every message and text once, in the requested order."""
    messages: list[str] = []
    said: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = ask(client, f"/conversations/{WHO}", limit=2, sort=sort, **after)
        messages += [one["messageId"] for one in page["messages"]]
        said += [one["text"] for one in page["turns"] if one["text"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    ahead = 1 if sort == "oldest" else -1
    assert messages == [f"wamid.{number}" for number in range(5)][::ahead]
    assert said == ["Good morning", HARM, "When?", "At noon"][::ahead]


def test_the_command_prints_the_same_documents(client: TestClient, kept: dict[str, str]) -> None:
    """Field for field the documents of ``ticktrail conversation --format json``."""
    options = StoreOptions(timezone=RIYADH, database=kept["MONGODB_DATABASE"])
    opened = Conversations(kept["MONGODB_URI"], options, "chat")
    with open_store(kept["MONGODB_URI"], options) as store:
        messages = {one.message_id: one for one in store.messages(MessageFilter(conversation_id=WHO))}
    turns = join_turns([turn for document in opened.of([WHO]) for turn in turns_of(document)], messages)
    opened.close()
    printed = io.StringIO()
    write_thread(turns, "json", RIYADH, printed, packaged())
    assert ask(client, f"/conversations/{WHO}")["turns"] == json.loads(printed.getvalue())


def test_several_people_get_no_texts(client: TestClient) -> None:
    """Last digits of two people return their messages without texts, which do not say whose they are."""
    found = ask(client, "/conversations/0041")
    assert "turns" not in found
    assert found["conversationIds"] == [WHO, OTHER]


def test_no_other_path_has_texts(client: TestClient) -> None:
    """Texts are on no other path, and viewers get none."""
    for path in ("/messages", "/messages/wamid.0", "/stats?by=user", "/alerts", "/sync/runs", "/health"):
        for token in (TOKEN, VIEWER_TOKEN):
            assert "Good morning" not in client.get(f"/api/v1{path}", headers=bearer(token)).text
    answer = client.get(f"/api/v1/conversations/{WHO}", headers=bearer(VIEWER_TOKEN))
    assert answer.status_code == 403
    assert "Good morning" not in answer.text


def test_without_a_conversations_collection_there_are_no_turns(
    open_dashboard: Open, kept: dict[str, str], recorded: Path
) -> None:
    """With SQLite, or without a configured collection, the answer has no turns."""
    unnamed = {name: value for name, value in kept.items() if name != "MONGODB_CONVERSATIONS_COLLECTION"}
    for environ in (unnamed, {"TICKTRAIL_STORE": str(recorded), "MONGODB_CONVERSATIONS_COLLECTION": "chat"}):
        found = open_dashboard(**environ).get(f"/api/v1/conversations/{WHO}").json()
        assert list(found) == ["conversationIds", "messages", "next"]
