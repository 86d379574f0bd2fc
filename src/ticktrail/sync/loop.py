"""Does one thing again and again, at a steady pace, through outages, until it is asked to stop."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from ticktrail.errors import ConfigurationError, TicktrailError

LONGEST_PAUSE = 300.0
"""Seconds between attempts when something stays away."""

_REMIND_SECONDS = 3_600.0
_JITTER = 0.1


def watch(cycle: Callable[[], object], *, interval: float, stop: threading.Event, say: Callable[[str], object]) -> None:
    """Call ``cycle`` every ``interval`` seconds, a tenth more or less, until ``stop`` is set.

    A cycle that fails is tried again, after longer and longer pauses. That is said once, and again every hour; when
    it works again, so is that.

    Raises:
        ConfigurationError: of a cycle: waiting does not mend settings.
    """
    failures = 0
    failing_since = said_at = 0.0
    while not stop.is_set():
        began = time.monotonic()
        try:
            cycle()
        except ConfigurationError:
            raise
        except TicktrailError as error:
            if failures == 0:
                failing_since = began
            if failures == 0 or began - said_at >= _REMIND_SECONDS:
                said_at = began
                say(" ".join(filter(None, [str(error), error.remedy])))
                say("Trying again until it works; what was read is safe.")
            failures += 1
            pause = min(interval * 2 ** min(failures, 10), max(LONGEST_PAUSE, interval))
        else:
            if failures:
                say(f"It works again, after {_duration(time.monotonic() - failing_since)}.")
            failures = 0
            pause = interval - (time.monotonic() - began)
        stop.wait(max(0.0, pause) * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - not a secret


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h"
