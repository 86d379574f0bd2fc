"""The store, asked by many at once: a few threads, each with a store of its own, and a queue that has an end.

A SQLite store belongs to the thread that opened it; a MongoDB store is shared. Few threads, so that reading leaves
the machine to a sync that is running; a bounded queue, so that a crowd is told to come back instead of piling up.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ticktrail.errors import RetriableError, TicktrailError
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.opening import open_configured_store
from ticktrail.web.courtesy import step_back

T = TypeVar("T")

WORKERS = 3
MOST_WAITING = 100

RENEW_SECONDS = 60.0
"""A file that was put in another's place (a restored backup) is seen after so long."""

_Task = tuple["Future[Any]", Callable[[Store], Any]]


class BusyError(RetriableError):
    """Too many questions are waiting already."""

    def __init__(self) -> None:
        super().__init__("Too many are asking the ledger just now.", remedy="Ask again in a moment.")


def open_ledgers(settings: Settings) -> StorePool:
    """The store of the settings, for all who ask it."""
    return StorePool(
        lambda: open_configured_store(settings), shared="mongodb" in settings.store_url.reveal().lower().split(":")[0]
    )


class StorePool:
    """Answers questions to a store, from any thread or event loop.

    Args:
        open_store: opens the store anew; called in the thread that will use it.
        shared: all threads use one store, which allows it.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        *,
        shared: bool = False,
        workers: int = WORKERS,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._shared = open_store() if shared else None
        self._open = open_store
        self._tasks: queue.Queue[_Task | None] = queue.Queue(most_waiting)
        self._threads = [
            threading.Thread(target=self._work, name=f"ledger-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, question: Callable[[Store], T]) -> Future[T]:
        """Have a question answered in one of the threads. It only reads, and hands on nothing that reads later.

        Raises:
            BusyError: too many wait already.
        """
        future: Future[T] = Future()
        try:
            self._tasks.put_nowait((future, question))
        except queue.Full:
            raise BusyError from None
        return future

    async def ask(self, question: Callable[[Store], T]) -> T:
        """As :meth:`submit`, awaited."""
        return await asyncio.wrap_future(self.submit(question))

    def close(self, timeout: float = 5.0) -> None:
        """Let the threads finish what they do and close their stores; what has waited until now is dropped."""
        with contextlib.suppress(queue.Empty):
            while waiting := self._tasks.get_nowait():
                waiting[0].cancel()
        deadline = time.monotonic() + timeout
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if self._shared is not None:
            self._shared.close()

    def _work(self) -> None:
        step_back()
        store: Store | None = None
        opened_at = 0.0
        while (task := self._tasks.get()) is not None:
            future, question = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                if store is not None and time.monotonic() - opened_at > RENEW_SECONDS:
                    store = self._let_go(store)
                if store is None:
                    store, opened_at = self._shared or self._open(), time.monotonic()
                answer = question(store)
            except BaseException as error:  # noqa: BLE001 - it is the asker's
                future.set_exception(error)
                if isinstance(error, TicktrailError):
                    store = self._let_go(store)
            else:
                future.set_result(answer)
            # Nothing of an answer stays in memory while this thread waits.
            del future, question, task
            answer = None
        self._let_go(store)

    def _let_go(self, store: Store | None) -> Store | None:
        """Close a store that is this thread's own; the next question opens it anew, however the closing went."""
        if store is None or store is self._shared:
            return store
        with contextlib.suppress(Exception):
            store.close()
        return None
