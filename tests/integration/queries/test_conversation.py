"""Pages of a thread with what a workflow kept beside them: the conversation collection is a real one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient

from ticktrail.messages.filters import Cursor, MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.queries.conversation import LONGEST_TEXT, ConversationPage, read_conversation
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.mongodb.conversations import Conversations
from ticktrail.stores.opening import open_store

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MOMENT = int(NOW.timestamp())
WHO, OTHER = "966500000001", "966500000002"
Keep = Callable[..., Conversations]


def _event(name: str, status: str, at: int) -> StatusEvent:
    return StatusEvent(message_id=name, status=status, timestamp=at, execution_id=name, workflow_id="w",
                       conversation_id=WHO)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of this test's own."""
    with open_store(str(tmp_path / "a.db"), StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))) as opened:
        yield opened


@pytest.fixture
def keep(mongodb_server: str) -> Iterator[Keep]:
    """Puts documents into a collection, as a workflow does, and opens it."""
    options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=f"tt_{uuid.uuid4().hex}")
    opened = Conversations(mongodb_server, options, "conversations")
    with MongoClient[dict[str, Any]](mongodb_server) as client:

        def put(*documents: dict[str, Any]) -> Conversations:
            client[options.database or ""]["conversations"].insert_many(documents)
            return opened

        yield put
        opened.close()
        client.drop_database(options.database or "")


def walk(store: Store, size: int, order: Literal["newest", "oldest"], kept: Conversations) -> list[ConversationPage]:
    """Every page, as links lead from one to the next."""
    pages: list[ConversationPage] = []
    place: Cursor | None = None
    while True:
        chosen = MessageFilter(conversation_id=WHO)
        found = read_conversation(store, chosen, size, order=order, after=place, kept=kept, names=(WHO,))
        pages.append(found)
        if found.cursor is None:
            return pages
        place = Cursor.read(found.cursor.token)


def test_texts_stand_with_their_messages(store: Store, keep: Keep) -> None:
    """A text is on the page of its message, a question with its answer, whatever time the workflow wrote beside it."""
    names = [f"wamid.{number}" for number in range(6)]
    store.write([_event(name, "sent", MOMENT + 60 * number) for number, name in enumerate(names)], at=NOW)
    kept = keep(
        {"conversation_id": WHO, "message_id": "wamid.2", "outbound": "of 2", "timestamp": MOMENT + 10_000},
        {"conversation_id": WHO, "message_id": "wamid.3", "inbound": "ask 3", "outbound": "of 3", "timestamp": MOMENT},
        {"conversation_id": WHO, "message_id": "wamid.in", "inbound": "theirs", "timestamp": MOMENT + 250},
        {"conversation_id": OTHER, "message_id": "x", "inbound": "another's", "timestamp": MOMENT + 250},
    )
    pages = walk(store, 3, "newest", kept)
    assert [one.message_id for one in pages[0].turns] == ["wamid.4", "wamid.in", "wamid.5"]
    assert [one.text for one in pages[0].turns] == [None, "theirs", None]
    assert [one.outbound for one in pages[0].turns] == [True, False, True]
    told = [one.text for page in pages for one in page.turns if one.text]
    assert sorted(told) == ["ask 3", "of 2", "of 3", "theirs"]
    assert [one.text for page in walk(store, 3, "oldest", kept) for one in page.turns if one.text].count("of 3") == 1


def test_a_conversation_longer_than_the_store_is_paged_too(store: Store, keep: Keep) -> None:
    """Texts from before the store's first message are each returned once; long texts are cut."""
    store.write([_event("wamid.1", "read", MOMENT)], at=NOW)
    said = [{"conversation_id": WHO, "message_id": f"in{number}", "inbound": f"said {number}",
             "timestamp": MOMENT - (number // 3) * 60} for number in range(100)]  # fmt: skip
    said.append({"conversation_id": WHO, "message_id": "long", "inbound": "x" * 20_000, "timestamp": "no time"})
    kept = keep(*[{**one, "timestamp": str(one["timestamp"])} for one in said])
    for order in ("newest", "oldest"):
        told = [turn.text for page in walk(store, 9, order, kept) for turn in page.turns if turn.text]
        assert len(told) == 101
        assert {f"said {number}" for number in range(100)} < set(told)
        assert max(map(len, told)) == LONGEST_TEXT
