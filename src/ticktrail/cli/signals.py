"""A clean end when a signal asks for one, and an end all the same when the clean one takes too long."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from ticktrail.cli.options import say

PATIENCE_SECONDS = 8.0
"""Docker kills after ten. What takes longer waits for somebody: a store that another program keeps locked."""

_FAILED = 1


@contextmanager
def stopping(stop: threading.Event, *signals: signal.Signals, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Let these signals ask for a clean end, between two writes. Only the main thread hears signals.

    A second signal, or ``patience`` seconds after the first, end the process where it stands: whatever instant that
    is, nothing is lost, and the next run continues. The exit code is then 1.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    timer: list[threading.Timer] = []

    def hear(_: int, __: FrameType | None) -> None:
        if timer:
            _give_up()
        timer.append(threading.Timer(patience, _give_up))
        timer[0].daemon = True
        timer[0].start()
        # Last: an event that the thread which was interrupted is just about to wait for cannot be set, nor can one
        # that it is setting.
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
        say("Ended without waiting for what was under way. Nothing was lost; the next run continues.")
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
    finally:
        # A stream that was being written to when the signal came takes nothing more.
        os._exit(_FAILED)
