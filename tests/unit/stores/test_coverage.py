"""Coverage: the processed and the pending executions of a workflow."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ticktrail.stores.coverage import BLOCK, Block, Change, Coverage, Facts, processed_blocks

START = "2026-11-22T11:59:00.000Z"


@given(st.lists(st.lists(st.integers(0, 9_000), max_size=6), max_size=6), st.randoms())
def test_processed_ids_are_a_set_in_any_order_and_repetition(portions: list[list[int]], chance: Any) -> None:
    """The processed ids are exactly those of all changes."""
    shuffled = [*portions, *portions[:2]]
    chance.shuffle(shuffled)
    coverage = Coverage()
    for portion in shuffled:
        coverage.apply(Change(processed=processed_blocks((number, START) for number in portion)))
    ids = {number for portion in portions for number in portion}
    assert {number for number in range(9_001) if coverage.is_processed(number)} == ids
    assert coverage.processed_count() == len(ids)


def test_last_processed_are_the_highest_up_to_the_newest_known() -> None:
    """Not those above it, which an unfinished scan may have processed."""
    coverage = Coverage(facts=Facts(newest_id=3_000))
    coverage.apply(
        Change(processed=processed_blocks((number, START) for number in [*range(2_000, 3_001), 5_000, 9_000]))
    )
    assert coverage.last_processed(3) == {3_000, 2_999, 2_998}
    assert len(coverage.last_processed(1_000)) == 1_000
    assert Coverage().last_processed() == set()


def test_blocks_below_the_oldest_execution_can_be_forgotten() -> None:
    """Whole blocks only: forgetting a bit costs reading again, and must not happen to what n8n still has."""
    coverage = Coverage()
    coverage.apply(Change(processed=processed_blocks((number, START) for number in (5, BLOCK - 1, BLOCK, 3 * BLOCK))))
    coverage.apply(Change(forgotten_below=1))
    assert [coverage.is_processed(number) for number in (5, BLOCK - 1, BLOCK, 3 * BLOCK)] == [False, False, True, True]


def test_a_block_without_bits_marks_nothing_as_processed() -> None:
    """Not even its first id."""
    assert not Coverage(blocks={0: Block()}).is_processed(0)
