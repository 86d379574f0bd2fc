"""How fast executions are read, beside ``json.loads`` and a walk over every node."""

from __future__ import annotations

from benchmarks import baseline, workload
from benchmarks.measure import line, ratio
from ticktrail.extraction.execution_reader import extract


def run() -> None:
    """Measure small and fat executions."""
    for name, executions in (
        ("small, 3 KB, recorded", workload.small_executions()),
        ("fat, 20 more nodes of 5 KB", workload.fat_executions()),
    ):
        found = sum(len(extract(raw).events) for raw in executions)
        assert found == sum(len(baseline.extract(raw)) for raw in executions), "the two ways must find the same"
        size = sum(map(len, executions))
        ours, plain, times = ratio(
            lambda executions=executions: [extract(raw) for raw in executions],
            lambda executions=executions: [baseline.extract(raw) for raw in executions],
        )
        line(
            f"extraction, {name}",
            f"{times:.1f} x the baseline  ({len(executions) / ours:,.0f} executions/s, {size / ours / 1e6:,.0f} MB/s; "
            f"baseline {len(executions) / plain:,.0f}/s)",
        )
