"""Statistics against figures worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ticktrail.messages.filters import Grouping
from ticktrail.messages.model import StatusEvent
from ticktrail.messages.rates import compute_rates
from ticktrail.queries.completeness import read_completeness
from ticktrail.queries.periods import Period, period_of
from ticktrail.queries.statistics import (
    Sparkline,
    Statistics,
    compute_statistics,
    is_covered,
    rates_by_group,
    sparklines,
)
from ticktrail.settings.loading import load_settings
from ticktrail.settings.user_file import UserFile
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store

RIYADH = ZoneInfo("Asia/Riyadh")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MOMENT = int(NOW.timestamp())
HOUR, DAY = 3_600, 86_400
SETTINGS = load_settings({"TICKTRAIL_STORE": "unused.db"}, {}, Path("nowhere"))


def _by_day(store: Store, period: Period) -> Statistics:
    return compute_statistics(store, SETTINGS, period.chosen, Grouping.DAY, user_file=UserFile(), now=NOW, compare=True)


def _change(found: Statistics) -> float | None:
    """The change of the delivery rate."""
    if found.compared is None:
        return None
    later, before = (compute_rates(counts).delivered.rate for counts in found.compared)
    return None if later is None or before is None else later - before


def _by_number(store: Store, period: Period | None = None) -> dict[object, float | None]:
    chosen = (period or period_of("7d", NOW, RIYADH)).chosen
    found = compute_statistics(store, SETTINGS, chosen, Grouping.NUMBER, user_file=UserFile(), now=NOW, compare=True)
    return dict(found.changes)  # type: ignore[arg-type]


def _write(store: Store, name: str, count: int, delivered: int, at: int, number: str = "1065") -> None:
    """So many messages sent at a moment, of which so many were delivered and the others failed."""
    for place in range(count):
        about = {"message_id": f"wamid.{name}{place}", "conversation_id": f"9665000000{place:02}",
                 "phone_number_id": number, "execution_id": "1", "workflow_id": "w"}  # fmt: skip
        fate = "delivered" if place < delivered else "failed"
        store.write(
            [StatusEvent(status="sent", timestamp=at, **about), StatusEvent(status=fate, timestamp=at + 1, **about)],  # type: ignore[arg-type]
            at=NOW,
        )


@pytest.fixture
def week(tmp_path: Path) -> Store:
    """A week of 40 messages (30 delivered), the one before of 25 (20 delivered), and 30 of today that all failed."""
    store = open_store(str(tmp_path / "a.db"), StoreOptions(timezone=RIYADH))
    _write(store, "first", 1, 1, MOMENT - 30 * DAY)
    _write(store, "later", 40, 30, MOMENT - 3 * DAY)
    _write(store, "earlier", 25, 20, MOMENT - 9 * DAY)
    _write(store, "young", 30, 0, MOMENT - HOUR)
    return store


def test_a_change_compares_final_figures_only(week: Store) -> None:
    """The delivery rate fell from 80 to 75 percent, whatever becomes of the messages of today; an ended span too."""
    with week:
        found = _by_day(week, period_of("7d", NOW, RIYADH))
        assert (found.totals.sent, found.totals.delivered, found.totals.provisional) == (70, 30, 30)
        assert _change(found) == pytest.approx(0.75 - 0.80)
        assert _by_number(week) == {"1065": pytest.approx(0.75 - 0.80)}
        ended = _by_day(week, period_of("2026-11-16..2026-11-20", NOW, RIYADH))
        assert (ended.totals.sent, _change(ended)) == (40, pytest.approx(0.75 - 0.80))


def test_too_few_messages_are_not_compared(week: Store) -> None:
    """A number that had nothing before, or has nothing final, gets no change."""
    with week:
        _write(week, "fresh", 30, 30, MOMENT - 3 * DAY, number="1066")
        assert {key: change is None for key, change in _by_number(week).items()} == {"1065": False, "1066": True}
        assert _change(_by_day(week, period_of("today", NOW, RIYADH))) is None


def test_wrong_times_hide_no_day(week: Store) -> None:
    """Messages of 1970 and of 2037 are counted without a day, and the oldest of them proves no coverage."""
    with week:
        for name, at in (("old", 1_000), ("new", MOMENT + 4_000 * DAY)):
            event = StatusEvent(
                status="sent", timestamp=at, timestamp_source="implausible", message_id=f"wamid.{name}",
                conversation_id="966500000099", execution_id="1", workflow_id="w",
            )  # fmt: skip
            week.write([event], at=NOW)
        found = _by_day(week, Period(name="", since=None, until=None))
        assert found.groups is not None
        days = [str(day.key) for day in found.groups.shown]
        assert (days[0], days[-1]) == ("2026-10-23", "2026-11-22")
        assert (found.groups.nameless.messages, found.totals.messages) == (2, 98)
        assert not is_covered(week, MOMENT - 90 * DAY)


def test_rates_of_groups_are_those_of_the_statistics(week: Store) -> None:
    """``rates_by_group`` gives the rates and changes of ``compute_statistics`` and omits groups without a rate."""
    with week:
        _write(week, "few", 3, 3, MOMENT - 3 * DAY, number="1066")
        chosen = period_of("7d", NOW, RIYADH).chosen
        found = rates_by_group(week, chosen, Grouping.NUMBER, user_file=UserFile(), now=NOW, limit=9)
        assert [(group.key, rate) for group, rate, _ in found] == [("1065", pytest.approx(30 / 70))]
        assert {group.key: change for group, _, change in found} == {"1065": _by_number(week)["1065"]}


def test_a_period_is_compared_only_where_the_store_covers_the_one_before(week: Store) -> None:
    """The store began within the 30 days before the last 30: neither the totals nor a number get a change."""
    with week:
        _write(week, "more", 30, 30, MOMENT - 40 * DAY)
        month = period_of("30d", NOW, RIYADH)
        assert _change(_by_day(week, month)) is None
        assert _by_number(week, month) == {}
        _write(week, "begin", 1, 1, MOMENT - 90 * DAY)
        assert _change(_by_day(week, month)) is not None
        assert _by_number(week, month)["1065"] is not None


def test_days_add_up_to_their_period(week: Store) -> None:
    """Each day's sent messages, those without any included, are the period's."""
    with week:
        found = _by_day(week, period_of("7d", NOW, RIYADH)).groups
    assert found is not None
    assert [(day.key, day.counts.sent, day.counts.provisional) for day in found.shown] == [
        ("2026-11-19", 40, 0),
        ("2026-11-20", 0, 0),
        ("2026-11-21", 0, 0),
        ("2026-11-22", 30, 30),
    ]


def test_a_status_that_all_went_beyond_was_passed(week: Store) -> None:
    """No message stands at sent any more, and none was ever read: only read is said never to have come."""
    with week:
        known = read_completeness(week, SETTINGS, content=True)
        assert (known.never, known.messages) == ({"read"}, 96)


def test_groups_and_tests_are_stored_and_prove_nothing(week: Store) -> None:
    """A read message to a group is one more in the store, and no sign that people's receipts come through."""
    with week:
        about = {"message_id": "wamid.group", "conversation_id": "120363000000000001", "execution_id": "1"}
        week.write([StatusEvent(status="read", timestamp=MOMENT - HOUR, workflow_id="w", **about)], at=NOW)  # type: ignore[arg-type]
        known = read_completeness(week, SETTINGS, content=True)
        assert (known.never, known.messages) == ({"read"}, 97)
        for status in ("read", "sent"):
            person = {"message_id": f"wamid.{status}", "conversation_id": "966500000001", "execution_id": "2"}
            week.write([StatusEvent(status=status, timestamp=MOMENT - HOUR, workflow_id="w", **person)], at=NOW)  # type: ignore[arg-type]
        assert read_completeness(week, SETTINGS, content=True).never == frozenset()


def test_a_campaigns_sparklines_are_of_all_its_labels(week: Store) -> None:
    """Labels that are JSON name a campaign each in many ways: its days hold them all."""
    with week:
        for place in range(10):
            about = {"message_id": f"wamid.c{place}", "conversation_id": f"9665000000{place:02}", "execution_id": "1"}
            label = f'{{"campaign": "spring", "order": {place}}}'
            fate = "delivered" if place < 8 else "failed"
            week.write(
                [StatusEvent(status=fate, timestamp=MOMENT - 3 * DAY, workflow_id="w", callback_data=label, **about)],  # type: ignore[arg-type]
                at=NOW,
            )
        chosen, user_file = period_of("7d", NOW, RIYADH).chosen, UserFile(campaign_key="campaign")
        found = sparklines(week, chosen, Grouping.CAMPAIGN, ("spring",), user_file=user_file, now=NOW)
    assert found == {"spring": Sparkline(rates=(0.8,), reason=None, reason_messages=2)}


def test_sparklines_tell_each_group_s_days_and_worst_reason(week: Store) -> None:
    """Each number's delivery rate by day, none where a day had too few, and the code of most failures."""
    with week:
        for place, code in enumerate((131026, 131049, 131049)):
            about = {"message_id": f"wamid.code{place}", "conversation_id": "966500000001", "execution_id": "1"}
            error = ({"code": code, "title": "No"},)
            week.write(
                [StatusEvent(status="failed", timestamp=MOMENT - 3 * DAY, workflow_id="w", phone_number_id="1067",
                             errors=error, **about)],  # type: ignore[arg-type]
                at=NOW,
            )  # fmt: skip
        _write(week, "other", 4, 4, MOMENT - 2 * DAY, number="1066")
        _write(week, "more", 10, 10, MOMENT - DAY, number="1066")
        chosen = period_of("7d", NOW, RIYADH).chosen
        found = sparklines(week, chosen, Grouping.NUMBER, ("1065", "1066", "1067", "9"), user_file=UserFile(), now=NOW)
    assert found == {
        "1065": Sparkline(rates=(0.75, None, None, 0.0), reason=None, reason_messages=40),
        "1066": Sparkline(rates=(None, 1.0), reason=None),
        "1067": Sparkline(rates=(None,), reason="131049", reason_messages=2),
        "9": Sparkline(rates=(), reason=None),
    }
