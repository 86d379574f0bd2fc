"""Cache of query results, shared by pages, metrics and probes.

A result is stored with the store's state at that time. While nothing new is stored, it is exact. When something is, a
cheap query runs again at once. An expensive result is served until it is ten times as old as the query took, and then
refreshed in the background, so that a million messages neither keep a page waiting nor slow down a sync. A live update
keeps no reader waiting, so it gets the new result instead.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

import msgspec

from ticktrail.messages.filters import MessageFilter
from ticktrail.stores import Store
from ticktrail.web.store_pool import StorePool

T = TypeVar("T")
Query = Callable[[Store], T]

EXPENSIVE_SECONDS = 0.15
_REST = 10
"""An expensive query may take one part in so many of a thread's time."""
_MAX_AGE_SECONDS = 60.0
"""Results are renewed at this age even when nothing new was stored: a person may have been erased."""
_MAX_ENTRIES = 500
_PATIENCE_SECONDS = 10.0
"""A live update waits so long until an expensive query may run again."""
_patient: ContextVar[bool] = ContextVar("patient", default=False)
STATE_SECONDS = 1.0
_STATE = object()

State = tuple[Any, ...]
"""Changes when something new is stored: the message updated last, the last sync, each workflow's progress."""


class _Entry(msgspec.Struct):
    value: Any
    state: State
    made_at: float
    took: float


@contextmanager
def patience() -> Iterator[None]:
    """Within it, queries wait for new results instead of serving older ones."""
    before = _patient.set(True)
    try:
        yield
    finally:
        _patient.reset(before)


class QueryCache:
    """Query results by name. Belongs to one event loop.

    Args:
        pool: runs the queries; its creator closes it.
    """

    def __init__(self, pool: StorePool) -> None:
        self._pool = pool
        self._entries: dict[Hashable, _Entry] = {}
        self._running: dict[Hashable, asyncio.Task[Any]] = {}
        self._state: tuple[float, State] | None = None

    async def ask(self, query: Query[T]) -> T:
        """Run a query without caching.

        Raises:
            TicktrailError: the store did not answer, or refused, or too many queries are waiting.
        """
        return await self._pool.ask(query)

    async def recall(self, name: Hashable, query: Query[T], *, of_sync_state: bool = False, seconds: float = 0.0) -> T:
        """The cached result of a query, or a new one. Requests for the same name at the same time share one query.

        Args:
            name: says everything the result depends on.
            of_sync_state: the result also depends on the sync state, not on messages alone.
            seconds: age up to which a result is used although something new was stored.
        """
        known = self._entries.get(name)
        if known is not None and time.monotonic() - known.made_at < seconds:
            return cast("T", known.value)
        state = await self.state()
        if not of_sync_state:
            state = state[:1]
        known = self._entries.get(name)
        if known is None or not self._may_serve(known, state):
            return await self._shared(name, lambda: self._renew(name, query, state))
        age = time.monotonic() - known.made_at
        if known.state == state and age < _MAX_AGE_SECONDS:
            return cast("T", known.value)
        rest = max(seconds, known.took * _REST) - age
        if _patient.get() and rest < _PATIENCE_SECONDS:
            await asyncio.sleep(max(rest, 0.0))
            return await self._shared(name, lambda: self._renew(name, query, state))
        if rest < 0:
            self._start(name, lambda: self._renew(name, query, state))
        return cast("T", known.value)

    async def state(self) -> State:
        """The store's state, at most one second old."""
        if self._state is not None and time.monotonic() - self._state[0] < STATE_SECONDS:
            return self._state[1]
        return await self._shared(_STATE, self._read_state)

    @staticmethod
    def _may_serve(known: _Entry, state: State) -> bool:
        age = time.monotonic() - known.made_at
        if known.took > EXPENSIVE_SECONDS:
            return age < 10 * _MAX_AGE_SECONDS
        return known.state == state and age < _MAX_AGE_SECONDS

    async def _read_state(self) -> State:
        state = await self._pool.ask(_state_of)
        self._state = time.monotonic(), state
        return state

    async def _renew(self, name: Hashable, query: Query[T], state: State) -> T:
        value, took = await self._pool.ask(lambda store: _timed(store, query))
        while len(self._entries) >= _MAX_ENTRIES:
            self._entries.pop(next(iter(self._entries)))
        self._entries.pop(name, None)
        self._entries[name] = _Entry(value, state, time.monotonic(), took)
        return value

    async def _shared(self, name: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        # A request that is cancelled does not cancel the query for the others.
        return cast("T", await asyncio.shield(self._start(name, make)))

    def _start(self, name: Hashable, make: Callable[[], Awaitable[T]]) -> asyncio.Task[Any]:
        running = self._running.get(name)
        if running is None or running.done():
            running = asyncio.ensure_future(make())
            running.add_done_callback(lambda task: self._finish(name, task))
            self._running[name] = running
        return running

    def _finish(self, name: Hashable, task: asyncio.Task[Any]) -> None:
        if self._running.get(name) is task:
            del self._running[name]
        # Marks the error as retrieved: a refresh in the background reports it to no request.
        if not task.cancelled():
            task.exception()


def _timed(store: Store, query: Query[T]) -> tuple[T, float]:
    began = time.monotonic()
    value = query(store)
    return value, time.monotonic() - began


def _state_of(store: Store) -> State:
    newest = next(store.messages(MessageFilter(order="updated", limit=1)), None)
    runs = store.sync_state.runs(1)
    facts = tuple((scope, one.checked_at) for scope, one in sorted(store.sync_state.facts().items()))
    return (
        None if newest is None else (newest.last_updated_at, newest.message_id),
        runs[0].run_id if runs else None,
        facts,
    )
