"""Pages of one person's thread: in which order, and each message once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest

from ticktrail.messages.filters import Cursor, MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.queries.conversation import ConversationPage, latest, read_conversation
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store

RIYADH = ZoneInfo("Asia/Riyadh")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MOMENT = int(NOW.timestamp())
WHO, OTHER = "966500000001", "966500000002"
CHOSEN = MessageFilter(conversation_id=WHO)


def _event(name: str, status: str, at: int | None, who: str = WHO) -> StatusEvent:
    return StatusEvent(message_id=name, status=status, timestamp=at, execution_id=name, workflow_id="w",
                       conversation_id=who)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of this test's own."""
    with open_store(str(tmp_path / "a.db"), StoreOptions(timezone=RIYADH)) as opened:
        yield opened


def walk(store: Store, size: int, order: Literal["newest", "oldest"] = "newest") -> list[ConversationPage]:
    """Every page, as links lead from one to the next."""
    pages: list[ConversationPage] = []
    place: Cursor | None = None
    while True:
        found = read_conversation(store, CHOSEN, size, order=order, after=place)
        pages.append(found)
        if found.cursor is None:
            return pages
        place = Cursor.read(found.cursor.token)


def ids(page: ConversationPage) -> list[str]:
    """The messages of a page, in its order."""
    return [one.message.message_id for one in page.entries if one.message is not None]


@pytest.mark.parametrize(("size", "count"), [(1, 90), (7, 450), (200, 450)])
def test_pages_go_by_when_messages_were_sent(store: Store, size: int, count: int) -> None:
    """A chat that was opened once, so that all were read in one second: the newest come first, each on one page."""
    names = [f"wamid.{number:03}" for number in range(count)]
    random.Random(1).shuffle(names)  # noqa: S311 - test data
    sent = {name: MOMENT - 100_000 + number * 60 for number, name in enumerate(names)}
    store.write([_event(name, "sent", at) for name, at in sent.items()], at=NOW)
    store.write([_event(name, "read", MOMENT) for name in names], at=NOW)
    store.write([_event("another's", "sent", MOMENT, OTHER)], at=NOW)
    met = [name for page in walk(store, size) for name in ids(page)]
    assert met == names[::-1]
    assert [name for page in walk(store, size, "oldest") for name in ids(page)] == names
    newest = latest(store, CHOSEN)
    assert newest is not None
    assert newest.message_id == names[-1]


def test_messages_of_one_second_and_of_no_time_are_on_one_page_each(store: Store) -> None:
    """Where times do not tell messages apart, or are not known, paging still brings each once."""
    names = [f"wamid.{number:02}" for number in range(30)]
    store.write([_event(name, "sent", None if name > "wamid.20" else MOMENT) for name in names], at=NOW)
    for order in ("newest", "oldest"):
        met = [name for page in walk(store, 4, order) for name in ids(page)]
        assert sorted(met) == names
        assert len(met) == 30
    assert ids(walk(store, 4)[-1])[-1] == "wamid.21"


def test_a_long_thread_is_not_read_to_its_end(store: Store) -> None:
    """For the newest page of a thread over years only the messages near it are read."""
    store.write([_event(f"wamid.{day:04}", "sent", MOMENT - day * 86_400) for day in range(1_000)], at=NOW)
    read = 0

    class Counting:
        """The store, counting what is taken of it."""

        def messages(self, chosen: MessageFilter) -> Iterator[Any]:
            nonlocal read
            for message in store.messages(chosen):
                read += 1
                yield message

    found = read_conversation(Counting(), CHOSEN, 10)  # type: ignore[arg-type]
    assert ids(found) == [f"wamid.{day:04}" for day in range(10)]
    assert read < 20
