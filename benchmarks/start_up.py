"""How long ``ticktrail --help`` takes, beside starting Python alone."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.measure import line, ratio


def run() -> None:
    """Measure whole processes."""
    ours, plain, _ = ratio(
        lambda: subprocess.run([sys.executable, "-m", "ticktrail", "--help"], capture_output=True, check=True),
        lambda: subprocess.run([sys.executable, "-c", "pass"], capture_output=True, check=True),
        rounds=9,
    )
    line(
        "ticktrail --help", f"{ours:.3f} s, {ours / plain:.1f} x starting Python ({plain:.3f} s); wanted: under 0.25 s"
    )
