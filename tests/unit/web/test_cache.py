"""The query cache: when a result is reused, when it is renewed, and who waits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.patience import PATIENCE_SECONDS

from ticktrail.errors import StoreRefusedError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.web import cache as cache_module
from ticktrail.web.cache import QueryCache, patience
from ticktrail.web.store_pool import StorePool

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's state is read for every request."""
    monkeypatch.setattr(cache_module, "STATE_SECONDS", 0.0)


def open_file(folder: Path) -> Store:
    """The store of a test."""
    return open_store(str(folder / "a.db"), StoreOptions(timezone=ZoneInfo("UTC")))


def write(folder: Path, number: int) -> None:
    """Store one more message."""
    event = StatusEvent(
        message_id=f"wamid.{number}", status="sent", timestamp=1_795_355_171, execution_id="1", workflow_id="w"
    )
    with open_file(folder) as store:
        store.write([event], at=NOW + timedelta(seconds=number))


def run(
    folder: Path, use: Callable[[QueryCache], Awaitable[None]], *, workers: int = 3, max_waiting: int = 100
) -> None:
    """Use a cache in an event loop."""

    async def main() -> None:
        pool = StorePool(lambda: open_file(folder), workers=workers, max_waiting=max_waiting)
        await use(QueryCache(pool))

    asyncio.run(main())


def count(store: Store) -> int:
    """A cheap query."""
    return store.count(MessageFilter())


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until a condition holds, at most PATIENCE_SECONDS."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def test_a_result_is_reused_until_something_is_stored(tmp_path: Path) -> None:
    """A query runs once while nothing changes, and again when something was written."""
    calls = []

    def query(store: Store) -> int:
        calls.append(1)
        return count(store)

    async def use(cache: QueryCache) -> None:
        assert [await cache.recall("n", query), await cache.recall("n", query)] == [0, 0]
        write(tmp_path, 1)
        assert [await cache.recall("n", query), await cache.recall("n", query)] == [1, 1]

    run(tmp_path, use)
    assert len(calls) == 2


def test_a_result_is_reused_for_as_long_as_asked(tmp_path: Path) -> None:
    """With a minimum age a result is reused although something new was stored."""

    async def use(cache: QueryCache) -> None:
        assert await cache.recall("n", count, seconds=60) == 0
        write(tmp_path, 1)
        assert await cache.recall("n", count, seconds=60) == 0
        assert await cache.recall("n", count) == 1

    run(tmp_path, use)


def test_requests_at_the_same_time_share_one_query(tmp_path: Path) -> None:
    """Twenty requests for one name cost one query, also when one of them is cancelled."""
    calls, release = [], threading.Event()

    def query(_: Store) -> int:
        calls.append(1)
        release.wait(PATIENCE_SECONDS)
        return 7

    async def use(cache: QueryCache) -> None:
        requests = [asyncio.ensure_future(cache.recall("n", query)) for _ in range(20)]
        await until(lambda: asyncio.sleep(0, bool(calls)))
        requests[0].cancel()
        release.set()
        results = await asyncio.gather(*requests, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1:] == [7] * 19
        assert not cache._running

    run(tmp_path, use)
    assert len(calls) == 1


def test_an_expensive_result_is_refreshed_in_the_background(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old result is served at once while the new one is made, even when the queue was full in between."""
    monkeypatch.setattr(cache_module, "EXPENSIVE_SECONDS", 0.0)
    monkeypatch.setattr(cache_module, "_REST", 0)
    release = threading.Event()
    release.set()

    def query(store: Store) -> int:
        assert release.wait(PATIENCE_SECONDS)
        return count(store)

    async def use(cache: QueryCache) -> None:
        assert await cache.recall("n", query) == 0
        write(tmp_path, 1)
        release.clear()
        state = await cache.state()
        monkeypatch.setattr(cache_module, "STATE_SECONDS", 60.0)
        held = asyncio.ensure_future(cache.ask(lambda _: release.wait(PATIENCE_SECONDS)))
        waiting = asyncio.ensure_future(cache.ask(count))
        await until(lambda: asyncio.sleep(0, cache._pool._limiter.statistics().tasks_waiting == 1))
        # The refresh finds the queue full.
        assert await cache.recall("n", query) == 0
        await until(lambda: asyncio.sleep(0, not cache._running))
        release.set()
        await asyncio.gather(held, waiting)
        assert await cache.recall("n", query) == 0
        await until(lambda: asyncio.sleep(0, not cache._running))
        assert await cache.recall("n", query) == 1
        assert await cache.state() == state

    run(tmp_path, use, workers=1, max_waiting=1)


def test_a_live_update_waits_for_the_new_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request with patience gets the new result of an expensive query, also when the query has to rest before."""
    monkeypatch.setattr(cache_module, "EXPENSIVE_SECONDS", 0.0)

    async def use(cache: QueryCache) -> None:
        assert await cache.recall("n", count) == 0
        cache._entries["n"].took = 0.05
        write(tmp_path, 1)
        assert await cache.recall("n", count) == 0
        with patience():
            assert await cache.recall("n", count) == 1
        # An expensive query that may not run again for long is not waited for.
        cache._entries["n"].took = 60.0
        write(tmp_path, 2)
        with patience():
            assert await cache.recall("n", count) == 1

    run(tmp_path, use)


def test_an_error_is_not_cached(tmp_path: Path) -> None:
    """The next request runs the query again."""
    (tmp_path / "a.db").write_bytes(b"no database at all, only these words" * 50)

    async def use(cache: QueryCache) -> None:
        with pytest.raises(StoreRefusedError):
            await cache.recall("n", count)
        (tmp_path / "a.db").unlink()
        write(tmp_path, 1)
        assert await cache.recall("n", count) == 1

    run(tmp_path, use)


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest results make room for new ones."""
    monkeypatch.setattr(cache_module, "_MAX_ENTRIES", 5)

    async def use(cache: QueryCache) -> None:
        for number in range(20):
            await cache.recall(number, count)
        assert sorted(cache._entries) == list(range(15, 20))  # type: ignore[type-var]

    run(tmp_path, use)
