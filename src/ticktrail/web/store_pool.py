"""Worker pool for store queries: a few threads at once, and a queue with an end.

Each query opens the store for itself, so any thread may run it and a replaced file is read at once. Opening an
embedded store takes less than a millisecond; a MongoDB client is thread-safe and shared.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from ticktrail.errors import RetriableError, StoreReplacedError
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.opening import open_configured_store

T = TypeVar("T")

WORKERS = 3
"""Queries that run at once. Few, so that a sync on the same machine is not slowed."""
MAX_WAITING = 100

NICENESS = 10
"""A sync on one processor beside a client that queries without a pause took 1.4 times as long; with this, no longer."""


class BusyError(RetriableError):
    """The query queue is full."""

    def __init__(self) -> None:
        super().__init__("Too many requests are waiting for the store.", remedy="Try again in a few seconds.")


def open_store_pool(settings: Settings) -> StorePool:
    """The worker pool for the store of the settings."""
    url = settings.store_url.reveal()
    if url.lower().startswith(("mongodb://", "mongodb+srv://")):
        return StorePool(lambda: open_configured_store(settings), shared=True)
    from ticktrail.stores.sqlite.connection import path_of  # noqa: PLC0415 - the driver loads when chosen

    return StorePool(lambda: open_configured_store(settings), file=path_of(url))


class StorePool:
    """Runs queries in worker threads.

    Args:
        open_store: opens the store; called in the thread that runs the query.
        shared: open the store once for all threads; the store must be thread-safe.
        file: file of an embedded store, whose removal is reported.
        max_waiting: length of the queue; a query that finds it full fails with :class:`BusyError`.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        *,
        shared: bool = False,
        file: Path | None = None,
        workers: int = WORKERS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._open = open_store
        self._shared = open_store() if shared else None
        self._file = file
        self._file_was_seen = _has_content(file)
        self._limiter = CapacityLimiter(workers)
        self._max_waiting = max_waiting

    async def ask(self, question: Callable[[Store], T]) -> T:
        """Run a query in a worker thread. It must not return anything that reads from the store later.

        Raises:
            BusyError: the queue is full.
            StoreReplacedError: the store file was deleted or emptied.
        """
        if self._limiter.statistics().tasks_waiting >= self._max_waiting:
            raise BusyError
        return await to_thread.run_sync(self._answer, question, limiter=self._limiter)

    def close(self) -> None:
        """Close the shared store, if there is one."""
        if self._shared is not None:
            self._shared.close()

    def _answer(self, question: Callable[[Store], T]) -> T:
        lower_priority()
        self._refuse_missing_file()
        if self._shared is not None:
            return question(self._shared)
        store = self._open()
        try:
            return question(store)
        finally:
            # The answer, or the error of the query, matters more than an error on closing.
            with contextlib.suppress(Exception):
                store.close()

    def _refuse_missing_file(self) -> None:
        if _has_content(self._file):
            self._file_was_seen = True
        elif self._file_was_seen:
            raise StoreReplacedError(
                f"The store file {self._file} was deleted, or emptied, while the dashboard was running.",
                remedy="Restore it from a backup, or run ticktrail sync to read again what n8n still holds.",
            )


def lower_priority() -> None:
    """Lower the priority of the calling thread, where threads have their own: on Linux.

    See: https://man7.org/linux/man-pages/man7/sched.7.html
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _has_content(file: Path | None) -> bool:
    """True when a file exists and is not empty. For a file that cannot be accessed, the store reports the reason."""
    try:
        return file is not None and file.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True
