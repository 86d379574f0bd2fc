"""Bars and sparklines out of characters."""

from __future__ import annotations

import pytest

from ticktrail.output.charts import bar, parts, sparkline, thinned


@pytest.mark.parametrize(
    ("share", "drawn", "plain"),
    [(0, "", ""), (0.0001, "▏", "#"), (0.5, "█████", "#####"), (0.55, "█████▌", "######"), (1, "█" * 10, "#" * 10),
     (7, "█" * 10, "#" * 10), (-1, "", "")],
)  # fmt: skip
def test_a_bar_is_as_long_as_its_share(share: float, drawn: str, plain: str) -> None:
    """In eighths of a character, never longer than its room; what is more than nothing shows."""
    assert bar(share, 10, blocks=True) == drawn
    if share != 0.55:
        assert bar(share, 10, blocks=False) == plain


def test_a_sparkline_has_a_character_a_value() -> None:
    """The greatest is highest, nothing is a space, and one of a thousand is not nothing."""
    assert sparkline([0, 1, 500, 1_000, None], blocks=True) == " ▁▅█ "
    assert sparkline([0, 1, 500, 1_000], blocks=False) == " .=#"
    assert sparkline([], blocks=True) == ""
    assert sparkline([0, 0], blocks=True) == "  "


def test_no_part_of_a_whole_vanishes() -> None:
    """Lengths fill the width exactly, and the smallest part has a character."""
    assert parts([1_000_000, 1, 0, 1], 50) == [48, 1, 0, 1]
    assert parts([0, 0], 50) == [0, 0]
    for counts in ([3, 3, 3, 1], [1, 0, 0, 0], [5, 4, 3, 2]):
        assert sum(parts(counts, 79)) == 79


def test_a_long_line_is_thinned_by_adding_neighbours() -> None:
    """No value is dropped."""
    assert thinned([1, 2, 3, None, None, None, 7], 4) == [3, 3, None, 7]
    assert thinned([], 4) == []
    assert thinned([1, 2], 4) == [1, 2]
