"""What pages ask of the store, remembered where an answer is dear.

An answer is remembered with what the ledger looked like when it was given. While nothing new came, it is exact. When
something came, a cheap question is asked again at once; a dear one goes on being answered from memory for ten times as
long as it takes, while it is asked again in the background, so that a million messages neither keep a page waiting nor
hold up a sync.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

import msgspec

from ticktrail.messages.filters import MessageFilter
from ticktrail.stores import Store
from ticktrail.web.store_pool import BusyError, StorePool

T = TypeVar("T")
ApiRequest = Callable[[Store], T]

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


class QueryCache:
    """The store of the settings, as pages ask it.

    Args:
        ledgers: the threads that ask it, which others use too; who made them closes them.
    """

    def __init__(self, ledgers: StorePool) -> None:
        self._ledgers = ledgers
        self._lock = threading.Lock()
        self._known: dict[Hashable, _Answer] = {}
        self._seen: tuple[float, State] | None = None

    async def ask(self, question: ApiRequest[T]) -> T:
        """The answer to a question, from a thread.

        Raises:
            TicktrailError: the store did not answer, or refused, or too many ask at once.
        """
        return await self._ledgers.ask(question)

    async def recall(self, name: Hashable, question: ApiRequest[T], *, of_books: bool = False) -> T:
        """As :meth:`ask`, remembered under a name, which must say everything the question depends on.

        Args:
            of_books: the answer also depends on what syncs note of their work, not on messages alone.
        """
        return await self._ledgers.ask(lambda store: self._recalled(store, name, question, of_books=of_books))

    async def state(self) -> State:
        """What changes when something new is stored. Cheap, and at most one look a second."""
        return await self.ask(self._state)

    def _state(self, store: Store) -> State:
        now = time.monotonic()
        seen = self._seen
        if seen is not None and now - seen[0] < _LOOK_SECONDS:
            return seen[1]
        newest = next(store.messages(MessageFilter(order="updated", limit=1)), None)
        runs = store.sync_state.runs(1)
        facts = tuple((scope, one.checked_at) for scope, one in sorted(store.sync_state.facts().items()))
        state: State = (
            None if newest is None else (newest.last_updated_at, newest.message_id),
            runs[0].run_id if runs else None,
            facts,
        )
        self._seen = (now, state)
        return state

    def _recalled(self, store: Store, name: Hashable, question: ApiRequest[T], *, of_books: bool) -> T:
        state = self._state(store)
        if not of_books:
            state = state[:1]
        known = self._known.get(name)
        now = time.monotonic()
        if known is not None:
            age = now - known.given_at
            if known.state == state and age < _LONGEST_SECONDS:
                return cast("T", known.value)
            if known.took > _CHEAP_SECONDS and age < 10 * _LONGEST_SECONDS:
                if age > known.took * _REST:
                    self._ask_again(known, name, question, state)
                return cast("T", known.value)
        return self._answer_anew(store, name, question, state)

    def _ask_again(self, known: _Answer, name: Hashable, question: ApiRequest[T], state: State) -> None:
        """Have a question answered in the background, unless it is being already; later when too many wait."""
        with self._lock:
            if known.asked_again:
                return
            known.asked_again = True
        try:
            self._ledgers.submit(lambda store: self._answer_anew(store, name, question, state))
        except BusyError:
            known.asked_again = False

    def _answer_anew(self, store: Store, name: Hashable, question: ApiRequest[T], state: State) -> T:
        began = time.monotonic()
        try:
            value = question(store)
        except BaseException:
            with self._lock:
                self._known.pop(name, None)
            raise
        with self._lock:
            while len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            self._known.pop(name, None)
            self._known[name] = _Answer(value, state, time.monotonic(), time.monotonic() - began)
        return value
