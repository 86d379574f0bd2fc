"""Whoever only looks lets those go first who write: threads that read, at a lower priority than a sync."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

NICENESS = 10
"""Beside somebody who asks without a pause, on one processor, a sync took 1.4 times as long; with this, no longer."""


def step_back() -> None:
    """Lower the priority of the thread that calls this, where threads have one of their own: on Linux (sched(7))."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
