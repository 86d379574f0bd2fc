"""Waiting for something that another process does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


class WaitError(AssertionError):
    """The awaited condition did not hold in time."""


def wait_for(what: str, probe: Callable[[], Found | None], *, seconds: float, every: float = 0.1) -> Found:
    """Ask again and again until the probe answers something other than None, and return that.

    Raises WaitError, which names ``what``, after so many seconds.
    """
    give_up_at = time.monotonic() + seconds
    while True:
        found = probe()
        if found is not None:
            return found
        if time.monotonic() > give_up_at:
            raise WaitError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(every)
