"""Numbers that someone may have meant."""

from __future__ import annotations

import pytest

from ticktrail.queries.similar_people import similar_numbers


@pytest.mark.parametrize(
    ("wanted", "number", "similar"),
    [
        ("966500000041", "966500000042", True),
        ("966500000041", "96650000041", True),
        ("966500000041", "9665000000041", True),
        ("966500000041", "966500000014", True),
        ("0500000041", "966500000041", True),
        ("966500000041", "966500000041", False),
        ("966500000041", "966511100042", False),
        ("966500000041", "SA.500000041", False),
        ("SA.1", "SA.2", False),
    ],
)
def test_a_number_that_is_nearly_the_same_is_similar(wanted: str, number: str, *, similar: bool) -> None:
    """One digit wrong, missing, extra or swapped, or the same ending; an id that is not a number has no similar one."""
    assert similar_numbers(wanted, [number]) == ([number] if similar else [])


def test_at_most_three_are_named() -> None:
    """Among many similar numbers three are enough."""
    assert len(similar_numbers("966500000041", (f"9665000000{end}" for end in range(42, 50)))) == 3
