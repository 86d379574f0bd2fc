"""One format for each kind of value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticktrail.text.formatting import (
    date_time,
    long_duration,
    n8n_time,
    percent,
    plural,
    recent_time,
    short_duration,
    size_text,
)

HOUR, DAY = 3_600, 86_400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.44, "0.4 s"),
        (3.0, "3 s"),
        (12.7, "12 s"),
        (89, "89 s"),
        (90, "1 min 30 s"),
        (599, "9 min 59 s"),
        (600, "10 min"),
        (HOUR, "1 h"),
        (3_700, "1 h 1 min"),
        (11_100, "3 h 5 min"),
        (DAY, "24 h"),
        (2 * DAY - 1, "47 h"),
        (190_000, "2 d 4 h"),
        (1_000 * DAY, "1,000 d"),
    ],
)
def test_durations_in_tables_have_two_units_at_most(seconds: float, text: str) -> None:
    """The second unit is left out where it says little."""
    assert short_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1 s"), (60, "60 s"), (3_599, "60 min"), (3_601, "1 h 1 min"), (2 * DAY - 1, "2 d"), (20 * DAY + 1, "21 d")],
)
def test_a_wait_is_rounded_up(seconds: int, text: str) -> None:
    """Waits are rounded up, so that users do not try again too early."""
    assert short_duration(seconds, round_up=True).replace("60 min", "1 h") == text.replace("60 min", "1 h")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0, "1 second"), (1, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7_199, "119 minutes")],
        *[(2 * HOUR, "2 hours"), (2 * DAY - 1, "47 hours"), (2 * DAY, "2 days"), (120 * DAY, "120 days")],
    ],
)
def test_durations_in_sentences_have_one_unit(seconds: float, text: str) -> None:
    """Rounded down, in a unit of which there are at least two."""
    assert long_duration(seconds) == text


@given(st.floats(0, 1e9))
def test_every_duration_can_be_formatted(seconds: float) -> None:
    """No measured time breaks a report."""
    assert short_duration(seconds)
    assert short_duration(seconds, round_up=True)
    assert long_duration(seconds)


def test_counts_shares_and_sizes() -> None:
    """Thousands are separated, a share has one decimal, a size its unit."""
    assert [plural(count, "status") for count in (0, 1, 2_000)] == ["0 statuses", "1 status", "2,000 statuses"]
    assert plural(2, "person", "people") == "2 people"
    assert (percent(0.9714), percent(1)) == ("97.1 %", "100.0 %")
    assert [size_text(size) for size in (999, 1_000, 1_500_000, 2_000_000_000)] == ["999 bytes", "1 kB", "2 MB", "2 GB"]


def test_times() -> None:
    """Today by the clock, yesterday so named, then by the date; else to the minute."""
    now = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    told = [recent_time(int((now - timedelta(hours=hours)).timestamp()), now, UTC) for hours in (0, 20, 21, 48)]
    assert told == ["20:00", "00:00", "yesterday 23:00", "20 Nov 20:00"]
    assert date_time(now) == "2026-11-22 20:00"
    assert n8n_time("2026-11-22T14:03:05.123Z") == "2026-11-22 14:03"
