"""Items of earlier nodes: found through n8n's links, unknown where a link is missing, in linear time."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from ticktrail.extraction.execution import Execution
from ticktrail.extraction.paired_items import PairedItems, Place


def paired(runs: dict[str, Any], *loops: str) -> tuple[PairedItems, Execution]:
    """Look-ups in run data given as plain objects."""
    execution = msgspec.convert({"data": {"resultData": {"runData": runs}}}, Execution, strict=False)
    return PairedItems(execution, frozenset(loops)), execution


def run(
    previous: str | None, *items: Any, output: int = 0, number: int = 0, previous_output: int = 0
) -> dict[str, Any]:
    """One run that put these (JSON, paired item) out."""
    source = {"previousNode": previous, "previousNodeRun": number, "previousNodeOutput": previous_output}
    made = [{"json": msgspec.Raw(msgspec.json.encode(json)), "pairedItem": pair} for json, pair in items]
    return {"source": [] if previous is None else [source], "data": {"main": [*([[]] * output), made]}}


def test_chain() -> None:
    """An item is followed back through every node between."""
    items, _ = paired(
        {
            "Rows": [run(None, ({"n": 0}, None), ({"n": 1}, None))],
            "Set": [run("Rows", ({"x": 1}, {"item": 1}), ({"x": 0}, 0))],
            "Filter": [run("Set", ({"x": 1}, [{"item": 0}]))],
        }
    )
    last = Place("Filter", 0, 0, 0)

    assert items.json(items.origin(last, "Rows")) == {"n": 1}
    assert items.json(items.origin(last, "Set")) == {"x": 1}
    assert items.origin(last, "Filter") == last
    assert items.origin(last, "Nowhere") is None


def test_missing_link() -> None:
    """Without a link one of several items is never chosen; the only item of a node is certain."""
    items, _ = paired(
        {
            "Rows": [run(None, ({"n": 0}, None), ({"n": 1}, None))],
            "One": [run("Rows", ({"only": True}, None))],
            "Set": [run("One", ({"x": 1}, None), ({"x": 2}, [0, 1]))],
        }
    )

    for index in (0, 1, 7):
        assert items.origin(Place("Set", 0, 0, index), "Rows") is None
        assert items.json(items.origin(Place("Set", 0, 0, index), "One")) == {"only": True}


def test_links_in_a_circle() -> None:
    """Links that form a circle end."""
    items, execution = paired({"A": [run("B", ({}, 0))], "B": [run("A", ({}, 0))], "C": [run("A", ({}, 0))]})
    (last,) = (execution.data.result_data.run_data or {})["C"] or [None]  # type: ignore[union-attr]

    assert items.origin(Place("C", 0, 0, 0), "Nowhere") is None
    assert last is not None
    assert items.ancestor(last, "Nowhere") is None


def test_loop_of_many_rows() -> None:
    """Every pass of a loop finds its own row, and all of them together take time in proportion to their number."""
    # 16 times as many rows: the time of a search through all passes would grow 256 times.
    assert _seconds_in_a_loop(8_000) < 64 * _seconds_in_a_loop(500)


def _seconds_in_a_loop(rows: int) -> float:
    """Processor time of finding the row of every pass."""
    items, execution = paired(
        {
            "Rows": [run(None, *(({"n": n}, None) for n in range(rows)))],
            "Loop": [
                run("Send" if n else "Rows", ({"n": n}, {"item": n}), output=1, number=max(n - 1, 0))
                for n in range(rows)
            ],
            "Send": [run("Loop", ({}, 0), number=n, previous_output=1) for n in range(rows)],
        },
        "Loop",
    )
    sends = (execution.data.result_data.run_data or {})["Send"] or []  # type: ignore[union-attr]

    began = time.thread_time()
    for number, one in enumerate(sends):
        assert one is not None
        place = items.input_of(one, None, 0)
        assert items.json(items.origin(place, "Rows")) == {"n": number}
        assert items.ancestor(one, "Loop") == (number, 1)
        assert items.ancestor(one, "Nowhere") is None
    return time.thread_time() - began
