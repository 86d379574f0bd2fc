"""The worker pool: priority, the bounded queue, and stores that come and go."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest
from tests.support.patience import PATIENCE_SECONDS

from ticktrail.errors import StoreRefusedError, StoreReplacedError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.settings.loading import load_settings
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.sqlite.store import SqliteStore
from ticktrail.web.store_pool import NICENESS, BusyError, StorePool, open_store_pool

T = TypeVar("T")


def open_pool(path: Path) -> StorePool:
    """The pool of a file."""
    return open_store_pool(load_settings({"TICKTRAIL_STORE": str(path)}, {}, path.parent))


def ask(pool: StorePool, query: Callable[[Store], T]) -> T:
    """Ask in an event loop."""
    return asyncio.run(pool.ask(query))


def count(store: Store) -> int:
    """How many messages there are."""
    return store.count(MessageFilter())


def fill(path: Path, messages: int) -> None:
    """Make a store with so many messages."""
    with SqliteStore(str(path), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
        store.write(
            [
                StatusEvent(message_id=f"wamid.{number}", status="sent", timestamp=1_795_355_171, execution_id="1")
                for number in range(messages)
            ],
            at=datetime(2026, 11, 22, tzinfo=UTC),
        )


def priority() -> int:
    """The calling thread's."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_queries_run_at_a_lower_priority(tmp_path: Path) -> None:
    """The thread of a query has a lower priority than the thread that serves, which keeps its own."""
    own = priority()
    assert ask(open_pool(tmp_path / "a.db"), lambda _: priority()) == NICENESS
    assert priority() == own


def test_a_full_queue_refuses(tmp_path: Path) -> None:
    """When as many queries wait as may, the next fails at once, and the others are answered."""
    release = threading.Event()

    async def main() -> None:
        pool = StorePool(
            lambda: SqliteStore(str(tmp_path / "a.db"), StoreOptions(timezone=ZoneInfo("UTC"))),
            workers=1,
            max_waiting=2,
        )
        queries = [asyncio.ensure_future(pool.ask(lambda _: release.wait(PATIENCE_SECONDS))) for _ in range(3)]
        while pool._limiter.statistics().tasks_waiting < 2:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await pool.ask(count)
        release.set()
        assert await asyncio.gather(*queries) == [True] * 3
        assert await pool.ask(count) == 0

    asyncio.run(main())


def test_a_store_that_cannot_be_closed_costs_nothing(tmp_path: Path) -> None:
    """The error of the query is reported, not the one of closing, and the next query is answered."""
    opened: list[Store] = []

    class Stubborn(SqliteStore):
        def close(self) -> None:
            super().close()
            raise OSError("the disk is gone")

    def open_one() -> Store:
        opened.append(Stubborn(str(tmp_path / "a.db"), StoreOptions(timezone=ZoneInfo("UTC"))))
        return opened[-1]

    def fail(_: Store) -> None:
        raise StoreRefusedError("no", remedy="none")

    pool = StorePool(open_one, workers=1)
    with pytest.raises(StoreRefusedError):
        ask(pool, fail)
    assert ask(pool, count) == 0
    assert len(opened) == 2


def test_a_replaced_file_is_read_at_once(tmp_path: Path) -> None:
    """A restored backup needs no restart."""
    fill(tmp_path / "a.db", 1)
    fill(tmp_path / "backup.db", 3)
    pool = open_pool(tmp_path / "a.db")
    assert ask(pool, count) == 1
    (tmp_path / "backup.db").replace(tmp_path / "a.db")
    assert ask(pool, count) == 3


@pytest.mark.parametrize("way", ["deleted", "emptied"])
def test_a_missing_file_is_reported(tmp_path: Path, way: str) -> None:
    """A store that was there and is gone is an error, not an empty store; when it is back, queries are answered."""
    path = tmp_path / "a.db"
    pool = open_pool(path)
    assert ask(pool, count) == 0
    fill(path, 2)
    assert ask(pool, count) == 2
    saved = path.read_bytes()
    if way == "deleted":
        path.unlink()
    else:
        path.write_bytes(b"")
    with pytest.raises(StoreReplacedError, match=r"a\.db"):
        ask(pool, count)
    path.write_bytes(saved)
    assert ask(pool, count) == 2
