"""What pages ask of the store: in threads, each with a store of its own, and remembered where an answer is dear.

An answer is remembered with what the ledger looked like when it was given. While nothing new came, it is exact. When
something came, a cheap question is asked again at once; a dear one goes on being answered from memory for ten times as
long as it takes, while it is asked again in the background, so that a million messages neither keep a page waiting nor
hold up a sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import msgspec

from ticktrail.config import Settings
from ticktrail.dashboard.courtesy import step_back
from ticktrail.errors import TicktrailError
from ticktrail.query import MessageFilter
from ticktrail.stores import Store, StoreOptions, open_store

T = TypeVar("T")
Question = Callable[[Store], T]

WORKERS = 3
_CHEAP_SECONDS = 0.15
_REST = 10
"""A dear question may take one part in so many of a thread's time."""
_LONGEST_SECONDS = 60.0
"""After so long an answer is asked for again even when nothing new came: something may have been forgotten."""
_KEPT = 500
_LOOK_SECONDS = 1.0

State = tuple[Any, ...]
"""What tells a ledger from itself with news."""


class _Answer(msgspec.Struct):
    value: Any
    state: State
    given_at: float
    took: float
    asked_again: bool = False


class Ledger:
    """The store of the settings, to be asked from any thread and from pages.

    Attributes:
        location: where it is, for people.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="ticktrail-ledger", initializer=step_back)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._known: dict[Hashable, _Answer] = {}
        self._seen: tuple[float, State] | None = None

    async def ask(self, question: Question[T]) -> T:
        """The answer to a question, from a thread.

        Raises:
            TicktrailError: the store did not answer, or refused.
        """
        return await asyncio.wrap_future(self._threads.submit(self._asked, question))

    async def recall(self, name: Hashable, question: Question[T], *, of_books: bool = False) -> T:
        """As :meth:`ask`, remembered under a name, which must say everything the question depends on.

        Args:
            of_books: the answer also depends on what syncs note of their work, not on messages alone.
        """
        return await asyncio.wrap_future(self._threads.submit(self._recalled, name, question, of_books))

    async def state(self) -> State:
        """What changes when something new is stored. Cheap, and at most one look a second."""
        return await self.ask(self._state)

    def close(self) -> None:
        """Let go of every store, each in the thread it belongs to."""
        together = threading.Barrier(WORKERS)

        def let_go() -> None:
            # All at once, so that every thread gets one of these.
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait(5)
            store = getattr(self._own, "store", None)
            if store is not None:
                self._own.store = None
                store.close()

        for _ in range(WORKERS):
            self._threads.submit(let_go)
        self._threads.shutdown(wait=True)

    def open_store(self) -> Store:
        """A store of its own for a caller that stays in one thread and closes it."""
        settings = self._settings
        return open_store(
            settings.store_url.reveal(),
            StoreOptions(
                timezone=settings.timezone,
                database=settings.mongodb.database,
                status_collection=settings.mongodb.status_collection,
                sends_collection=settings.mongodb.sends_collection,
            ),
        )

    def _asked(self, question: Question[T]) -> T:
        store = cast("Store | None", getattr(self._own, "store", None))
        if store is None:
            store = self._own.store = self.open_store()
        try:
            return question(store)
        except TicktrailError:
            # A file that was moved or a server that was restarted: the next question opens anew.
            self._own.store = None
            store.close()
            raise

    def _state(self, store: Store) -> State:
        now = time.monotonic()
        seen = self._seen
        if seen is not None and now - seen[0] < _LOOK_SECONDS:
            return seen[1]
        newest = next(store.messages(MessageFilter(order="updated", limit=1)), None)
        runs = store.books.runs(1)
        facts = tuple((scope, one.checked_at) for scope, one in sorted(store.books.facts().items()))
        state: State = (
            None if newest is None else (newest.last_updated_at, newest.message_id),
            runs[0].run_id if runs else None,
            facts,
        )
        self._seen = (now, state)
        return state

    def _recalled(self, name: Hashable, question: Question[T], of_books: bool) -> T:  # noqa: FBT001 - handed on
        state = self._asked(self._state)
        if not of_books:
            state = state[:1]
        known = self._known.get(name)
        now = time.monotonic()
        if known is not None:
            age = now - known.given_at
            if known.state == state and age < _LONGEST_SECONDS:
                return cast("T", known.value)
            if known.took > _CHEAP_SECONDS and age < 10 * _LONGEST_SECONDS:
                if age > known.took * _REST and not known.asked_again:
                    known.asked_again = True
                    self._threads.submit(self._answer_anew, name, question, state)
                return cast("T", known.value)
        return self._answer_anew(name, question, state)

    def _answer_anew(self, name: Hashable, question: Question[T], state: State) -> T:
        began = time.monotonic()
        try:
            value = self._asked(question)
        except TicktrailError:
            self._known.pop(name, None)
            raise
        with self._lock:
            while len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            self._known.pop(name, None)
            self._known[name] = _Answer(value, state, time.monotonic(), time.monotonic() - began)
        return value
