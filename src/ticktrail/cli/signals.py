"""Stop cleanly on a signal, and stop anyway when that takes too long."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from ticktrail.cli.options import say

PATIENCE_SECONDS = 8.0
"""Docker kills a container after ten seconds. A clean stop takes longer only while it waits for a locked store."""

_SAME_SIGNAL_SECONDS = 1.0

_FAILED = 1


@contextmanager
def stopping(stop: threading.Event, *signals: signal.Signals, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Set ``stop`` on these signals, so that the work stops between two writes. Works in the main thread only.

    A second signal, or ``patience`` seconds after the first, ends the process at once with exit code 1. Nothing is lost
    at any instant; the next run continues. Signals within a second count as one: ``timeout`` and some shells send each
    signal to the process and to its group.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    timer: list[threading.Timer] = []
    first = 0.0

    def hear(_: int, __: FrameType | None) -> None:
        nonlocal first
        if timer:
            if time.monotonic() - first > _SAME_SIGNAL_SECONDS:
                _give_up()
            return
        first = time.monotonic()
        timer.append(threading.Timer(patience, _give_up))
        timer[0].daemon = True
        timer[0].start()
        # Last, because setting an event blocks while the interrupted thread holds the event's lock.
        stop.set()

    before = [(number, signal.signal(number, hear)) for number in signals]
    try:
        yield
    finally:
        for one in timer:
            one.cancel()
        for number, handler in before:
            signal.signal(number, handler)


def _give_up() -> None:
    try:
        say("Stopped without waiting for the current step. Nothing was lost; the next run continues.")
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
    finally:
        # os._exit, because a stream that was being written to when the signal came cannot be flushed again.
        os._exit(_FAILED)
