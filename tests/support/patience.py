"""Limits that only something that hangs reaches, however slow the machine is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PATIENCE_SECONDS = 180.0
"""Limit for whatever is waited for. Speed is measured in ``make bench``."""


class WaitError(AssertionError):
    """The awaited condition did not hold in time."""


def wait_until(
    probe: Callable[[], Found | None], what: str = "the condition", *, seconds: float = PATIENCE_SECONDS,
    every: float = 0.05,
) -> Found:  # fmt: skip
    """Repeat the probe until its result is true, and return that.

    Raises:
        WaitError: it names ``what``, after so many seconds.
    """
    give_up_at = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > give_up_at:
            raise WaitError(f"waited {seconds:g} s in vain: {what}")
        time.sleep(every)
    return found
