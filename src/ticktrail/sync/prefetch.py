"""Fetch the next item in a thread while the caller works on the current one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.2


def ahead(items: Iterator[T], should_stop: Callable[[], bool] = lambda: False) -> Iterator[T]:
    """Yield the same items, each made in a thread while the caller works on the one before; never two at a time.

    Errors of ``items`` are raised here, in their place. When ``should_stop`` returns True, iteration ends at once,
    even in the middle of a request: the thread is abandoned, and does not keep the process alive.
    """
    wanted: queue.SimpleQueue[str] = queue.SimpleQueue()
    made: queue.SimpleQueue[tuple[str, T | BaseException | None]] = queue.SimpleQueue()

    def make() -> None:
        while wanted.get() == "more":
            try:
                made.put(("item", next(items)))
            except StopIteration:
                made.put(("end", None))
            except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
                made.put(("error", error))

    threading.Thread(target=make, name="ticktrail-fetch", daemon=True).start()
    wanted.put("more")
    try:
        while True:
            try:
                kind, value = made.get(timeout=_POLL_SECONDS)
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
