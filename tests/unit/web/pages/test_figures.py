"""Key figures and their changes."""

from __future__ import annotations

import pytest

from ticktrail.messages.counts import Counts
from ticktrail.web.pages.figures import Kpi, provisional_steps, with_changes

KPIS = [Kpi(kind=kind, label=kind, value="1") for kind in ("sent", "delivered", "read", "pending", "failed", "never")]


def _changes(later: Counts, before: Counts, never: frozenset[str] = frozenset()) -> dict[str, tuple[str, bool | None]]:
    """The changes by kind, with whether each is good news."""
    made = with_changes(KPIS, (later, before), never)
    return {kpi.kind: (f"{kpi.change} {kpi.unit}", kpi.better) for kpi in made if kpi.change}


def test_every_settled_figure_tells_its_change() -> None:
    """Messages sent in percent, rates in points; fewer failures are good news, more messages are neither."""
    later = Counts(delivered=90, read=45, failed=10)
    before = Counts(delivered=60, read=36, failed=20)
    assert _changes(later, before) == {
        "sent": ("+25.0 %", None),
        "delivered": ("+15.0 pts", True),
        "read": ("\N{MINUS SIGN}10.0 pts", False),
        "failed": ("\N{MINUS SIGN}15.0 pts", True),
    }


def test_no_change_is_neither_good_nor_bad() -> None:
    """Equal rates are shown as ±0.0."""
    same = Counts(delivered=90, read=45, failed=10)
    assert {better for _text, better in _changes(same, same).values()} == {None}


@pytest.mark.parametrize("few", [Counts(delivered=10), Counts()])
def test_few_messages_are_not_compared(few: Counts) -> None:
    """Below 20 messages a change would be chance."""
    many = Counts(delivered=90, read=45, failed=10)
    assert _changes(many, few) == _changes(few, many) == {}


def test_what_the_trigger_never_passes_is_not_compared() -> None:
    """Where no message ever came with ``read``, its rate has no change."""
    counts = Counts(delivered=90, failed=10)
    assert "read" not in _changes(counts, counts, frozenset({"read"}))
    assert with_changes(KPIS, None, frozenset()) == KPIS


def test_a_day_without_messages_so_far_is_provisional_too() -> None:
    """In the morning the last day is empty; it and the provisional day before it are no final figures."""
    steps = [Counts(delivered=9), Counts(), Counts(delivered=9, provisional=4), Counts()]
    assert provisional_steps(steps) == 2
    assert provisional_steps(steps[:2]) == provisional_steps([]) == 0
