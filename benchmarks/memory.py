"""Peak memory of reading an export, whole processes: it must not grow with the number of executions."""

from __future__ import annotations

import gzip
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import workload
from benchmarks.measure import line

_PEAK = """
import resource, subprocess, sys
subprocess.run([sys.executable, "-m", "ticktrail", "sync", "--from", sys.argv[1], "--store", sys.argv[2]],
               stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def run() -> None:
    """Measure 10,000 and 100,000 executions."""
    peaks = {}
    for count in (10_000, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            export = Path(folder) / "executions.jsonl.gz"
            with gzip.open(export, "wb", compresslevel=1) as file:
                file.writelines(raw + b"\n" for raw in workload.many_executions(count))
            result = subprocess.run(
                [sys.executable, "-c", _PEAK, str(export), str(Path(folder) / "ledger.sqlite")],
                capture_output=True,
                text=True,
                check=True,
            )
        peaks[count] = int(result.stdout) / 1024
    small, large = peaks.values()
    line("peak memory, 10,000 executions", f"{small:.0f} MB")
    line(
        "peak memory, 100,000 executions",
        f"{large:.0f} MB, {large / small:.2f} x; wanted: at most 1.10 x, under 150 MB",
    )
