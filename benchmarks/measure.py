"""Timing in pairs: ours and the baseline in turn, so that a machine whose speed drifts spoils neither."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ratio(ours: Callable[[], object], baseline: Callable[[], object], *, rounds: int = 5) -> tuple[float, float, float]:
    """Median seconds of ours, of the baseline, and the median of baseline / ours, round by round."""
    pairs = [(seconds(ours), seconds(baseline)) for _ in range(rounds)]
    return (
        statistics.median(one for one, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(other / one for one, other in pairs),
    )


def line(name: str, text: str) -> None:
    """One figure, printed as soon as it is there."""
    print(f"{name:<44} {text}", flush=True)
