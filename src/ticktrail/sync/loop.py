"""Run a sync every N seconds with jitter, back off while it fails, and stop on an event."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from ticktrail.errors import ConfigurationError, StoreReplacedError, TicktrailError
from ticktrail.text.formatting import long_duration

LONGEST_PAUSE = 300.0
"""Maximum number of seconds between two attempts during an outage."""

_REMIND_SECONDS = 3_600.0
_JITTER = 0.1


def watch(
    cycle: Callable[[], object],
    *,
    interval: float,
    stop: threading.Event,
    say: Callable[[str], object],
    warn: Callable[[str], object],
) -> None:
    """Call ``cycle`` every ``interval`` seconds, plus or minus a tenth, until ``stop`` is set.

    After a cycle that fails the pauses double, up to :data:`LONGEST_PAUSE`. The error is printed once and then every
    hour, and so is the end of the outage. After a :class:`StoreReplacedError` the next cycle follows at once.

    Raises:
        ConfigurationError: a setting is wrong; waiting does not fix it.
    """
    failures = 0
    failing_since = reported_at = 0.0
    while not stop.is_set():
        began = time.monotonic()
        try:
            cycle()
        except ConfigurationError:
            raise
        except TicktrailError as error:
            if failures == 0:
                failing_since = began
            if failures == 0 or began - reported_at >= _REMIND_SECONDS:
                reported_at = began
                warn(" ".join(filter(None, [str(error), error.remedy])))
                warn("Trying again until it works; everything read so far is stored.")
            pause = min(interval * 2 ** min(failures + 1, 10), max(LONGEST_PAUSE, interval))
            if failures == 0 and isinstance(error, StoreReplacedError):
                pause = 0.0
            failures += 1
        else:
            if failures:
                say(f"It works again, after {long_duration(time.monotonic() - failing_since)}.")
            failures = 0
            pause = interval - (time.monotonic() - began)
        stop.wait(max(0.0, pause) * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - not a secret
