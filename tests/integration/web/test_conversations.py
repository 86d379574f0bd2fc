"""A person's thread with the texts that a workflow keeps in MongoDB beside the ledger, as the API hands it out."""

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
    """A ledger in MongoDB with a conversation beside it, as an environment."""
    database = f"ticktrail_test_{uuid.uuid4().hex}"
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
    """What it answers to somebody who may see everything."""
    answer = client.get(f"/api/v1{path}", params=parameters, headers=bearer(TOKEN))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_what_was_said_comes_with_the_messages(client: TestClient) -> None:
    """Turns as the command prints them, oldest first: texts of what was sent and what came in, and where they stand."""
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
def test_pages_of_a_thread_hold_everything_once(client: TestClient, sort: str) -> None:
    """Following next brings every message and every text once, in the order that was asked for."""
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


def test_the_command_prints_the_same(client: TestClient, kept: dict[str, str]) -> None:
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


def test_several_people_have_no_texts(client: TestClient) -> None:
    """Last digits that are two people's bring their messages, and no texts: those do not say whose they are."""
    found = ask(client, "/conversations/0041")
    assert "turns" not in found
    assert found["conversationIds"] == [WHO, OTHER]


def test_texts_are_nowhere_else(client: TestClient) -> None:
    """No other path has them, and a viewer has none at all."""
    for path in ("/messages", "/messages/wamid.0", "/stats?by=user", "/alerts", "/sync/runs", "/health"):
        for token in (TOKEN, VIEWER_TOKEN):
            assert "Good morning" not in client.get(f"/api/v1{path}", headers=bearer(token)).text
    answer = client.get(f"/api/v1/conversations/{WHO}", headers=bearer(VIEWER_TOKEN))
    assert answer.status_code == 403
    assert "Good morning" not in answer.text


def test_without_a_conversation_nothing_is_joined(open_dashboard: Open, kept: dict[str, str], recorded: Path) -> None:
    """Over SQLite, and where no collection is named, the answer is what it was."""
    unnamed = {name: value for name, value in kept.items() if name != "MONGODB_CONVERSATIONS_COLLECTION"}
    for environ in (unnamed, {"TICKTRAIL_STORE": str(recorded), "MONGODB_CONVERSATIONS_COLLECTION": "chat"}):
        found = open_dashboard(**environ).get(f"/api/v1/conversations/{WHO}").json()
        assert list(found) == ["conversationIds", "messages", "next"]
