"""Speed of extraction: beside ``json.loads`` and a walk over every node, of both paths, and of a large loop."""

from __future__ import annotations

from benchmarks import baseline, workload
from benchmarks.measure import line, ratio
from ticktrail.extraction import execution_reader
from ticktrail.extraction.decoding import decode_execution
from ticktrail.extraction.execution_reader import extract

ROWS = 4_000


def run() -> None:
    """Measure small and fat executions, the general path, and one execution with many rows."""
    for name, executions in (
        ("small, 3 KB, recorded", workload.small_executions()),
        ("fat, 20 more nodes of 5 KB", workload.fat_executions()),
    ):
        found = sum(len(extract(raw).events) for raw in executions)
        assert found == sum(len(baseline.extract(raw)) for raw in executions), "the two ways must find the same"
        size = sum(map(len, executions))
        ours, plain, times = ratio(
            lambda executions=executions: [extract(raw) for raw in executions],  # type: ignore[misc]
            lambda executions=executions: [baseline.extract(raw) for raw in executions],  # type: ignore[misc]
        )
        line(
            f"extraction, {name}",
            f"{times:.1f} x the baseline  ({len(executions) / ours:,.0f} executions/s, {size / ours / 1e6:,.0f} MB/s; "
            f"baseline {len(executions) / plain:,.0f}/s)",
        )
    small = workload.small_executions()
    _, _, times = ratio(lambda: [extract(raw) for raw in small], lambda: [general_path(raw) for raw in small])
    line("extraction, general path", f"{times:.1f} x the time of the fast path")
    run_campaign()


def general_path(raw: bytes) -> object:
    """Read an execution without the fast path."""
    execution, problems = decode_execution(raw)
    assert execution is not None
    return execution_reader.extract_general(execution, raw, problems)


def run_campaign() -> None:
    """Measure whether the time of one execution is proportional to its rows."""
    small, large = workload.campaign(ROWS // 4), workload.campaign(ROWS)
    assert len(extract(large).sends) == ROWS
    seconds, _, share = ratio(lambda: extract(large), lambda: extract(small))
    line(f"extraction, one loop of {ROWS:,} rows", f"{seconds:.2f} s, {1 / share:.1f} x that of a quarter of the rows")
