"""Geometry of charts: bars, ticks, the line of rates, sparklines."""

from __future__ import annotations

import itertools

import pytest

from ticktrail.web.pages.charts import HEIGHT, NO_SPARK, Column, spark, stack


def _column(*counts: int, **more: object) -> Column:
    return Column(label="22 Nov", counts=counts or (0, 0, 0, 0), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("highest", [1, 3, 7, 99, 101, 450, 4_001, 98_135, 1_000_000])
def test_the_tallest_bar_fits_and_is_not_small(highest: int) -> None:
    """The axis ends at a round number that is not below the tallest bar, nor more than double above four."""
    chart = stack([_column(highest, 0, 0, 0), _column(1, 0, 0, 0)])
    (tallest,) = chart.bars[0].segments
    assert tallest.y >= 0
    assert tallest.y + tallest.height == pytest.approx(HEIGHT)
    if highest > 4:
        assert tallest.height > HEIGHT * 0.45
    assert next(tick.count for tick in chart.ticks) == "0"


def test_parts_are_stacked_from_the_bottom_and_a_single_failure_shows() -> None:
    """Read, delivered, pending, failed from the bottom up, without overlap; one failure of thousands is a pixel."""
    (bar,) = stack([_column(2_000, 900, 0, 1)]).bars
    assert [one.part for one in bar.segments] == ["read", "delivered", "failed"]
    assert all(upper.y <= lower.y for lower, upper in itertools.pairwise(bar.segments))
    assert bar.segments[-1].height == 1


def test_the_line_skips_unknown_rates_and_marks_provisional_ones() -> None:
    """Bars with too few messages have no rate; a stroke that ends in a provisional bar says so."""
    columns = [_column(rate=0.9), _column(rate=None), _column(rate=0.8), _column(rate=0.5, provisional=True)]
    strokes = stack(columns).line
    assert [one.provisional for one in strokes] == [False, True]
    assert all(0 <= one.y1 <= HEIGHT and 0 <= one.y2 <= HEIGHT for one in strokes)


def test_a_provisional_rate_does_not_flatten_the_line() -> None:
    """The scale follows the settled rates; a lower provisional one is drawn at the bottom."""
    settled = [_column(95, 0, 5, 0, rate=0.95), _column(90, 0, 10, 0, rate=0.90)]
    alone = stack(settled)
    chart = stack([*settled, _column(3, 0, 7, 0, rate=0.3, provisional=True)])
    assert chart.ticks[0].rate == alone.ticks[0].rate == "80 %"
    assert chart.line[-1].y2 == HEIGHT


def test_mirrored_charts_run_from_right_to_left() -> None:
    """In Arabic the first day is on the right."""
    columns = [_column(1, 0, 0, 0), _column(2, 0, 0, 0)]
    left, right = (stack(columns, mirrored=mirrored).bars for mirrored in (False, True))
    assert left[0].x < left[1].x
    assert right[0].x > right[1].x
    assert spark([1.0, 2.0]).final.split()[0].startswith("0,")
    assert spark([1.0, 2.0], mirrored=True).final.split()[0].startswith("100,")


def test_charts_of_nothing_are_drawn_too() -> None:
    """No columns, columns of nothing, and a line of one point raise nothing."""
    assert stack([]).bars == ()
    assert stack([_column()]).bars[0].segments == ()
    assert spark([]) == spark([1.0]) == spark([None, 0.5]) == NO_SPARK
    assert spark([0.5, 0.5]) != NO_SPARK


def test_the_provisional_end_of_a_sparkline_is_a_line_of_its_own() -> None:
    """The drop of an unfinished day is told from a real one; the two lines meet at the last final value."""
    line = spark([1.0, 2.0, 0.0], young=1)
    assert line.final.split() == ["0,12", "50,2"]
    assert line.young.split() == ["50,2", "100,22"]
    assert spark([1.0, 2.0], young=2).final == ""
