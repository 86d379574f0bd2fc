"""Makes the next item while the last one is worked on: never two at a time, and never waited for once unwanted."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

_LOOK_UP_SECONDS = 0.2


def ahead(items: Iterator[T], should_stop: Callable[[], bool] = lambda: False) -> Iterator[T]:
    """The same items, each made in a thread of its own while the one before is worked on.

    Errors of ``items`` are raised here, in their place. When ``should_stop`` says so, it ends at once, even in the
    middle of a request: the thread is left to itself, and does not keep the process alive.
    """
    wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
    made: queue.SimpleQueue[tuple[str, T | BaseException | None]] = queue.SimpleQueue()

    def make() -> None:
        while wanted.get() == "more":
            try:
                made.put(("item", next(items)))
            except StopIteration:
                made.put(("end", None))
            except BaseException as error:  # noqa: BLE001 - handed over
                made.put(("error", error))

    threading.Thread(target=make, name="ticktrail-fetch", daemon=True).start()
    wanted.put("more")
    try:
        while True:
            try:
                kind, value = made.get(timeout=_LOOK_UP_SECONDS)
            except queue.Empty:
                if should_stop():
                    return
                continue
            if kind == "end":
                return
            if isinstance(value, BaseException):
                raise value
            wanted.put("more")
            yield value  # type: ignore[misc]
    finally:
        wanted.put("enough")
