"""Moments and durations as people type them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ticktrail.errors import ConfigurationError
from ticktrail.text.times import parse_duration, parse_moment

RIYADH = ZoneInfo("Asia/Riyadh")
NOW = datetime(2026, 11, 22, 22, 30, tzinfo=UTC)  # already the 23rd in Riyadh


def unix(text: str) -> int:
    """Unix seconds of an ISO date-time with its offset."""
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1795355171", "2026-11-22T13:46:11Z"),
        ("1795355171662", "2026-11-22T13:46:11Z"),
        ("999999999", "2001-09-09T01:46:39Z"),
        ("0", "1970-01-01T00:00:00Z"),
        ("2026-11-22", "2026-11-22T00:00:00+03:00"),
        ("20261122", "2026-11-22T00:00:00+03:00"),
        ("2026-11-22T14:30", "2026-11-22T14:30:00+03:00"),
        ("2026-11-22 14:30:15", "2026-11-22T14:30:15+03:00"),
        ("2026-11-22T14:30Z", "2026-11-22T14:30:00Z"),
        ("2026-11-22t14:30z", "2026-11-22T14:30:00Z"),
        ("2026-11-22T14:30-05:00", "2026-11-22T14:30:00-05:00"),
        ("now", "2026-11-22T22:30:00Z"),
        ("today", "2026-11-23T00:00:00+03:00"),
        ("Yesterday", "2026-11-22T00:00:00+03:00"),
        ("30m", "2026-11-22T22:00:00Z"),
        ("2h", "2026-11-22T20:30:00Z"),
        ("1h30m", "2026-11-22T21:00:00Z"),
        ("3d", "2026-11-19T22:30:00Z"),
        ("1w", "2026-11-15T22:30:00Z"),
        ("45s", "2026-11-22T22:29:15Z"),
        (" 2 H ", "2026-11-22T20:30:00Z"),
        ("٢h", "2026-11-22T20:30:00Z"),
        ("99999d", "1970-01-01T00:00:00Z"),
        ("0001-01-01", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_moment_means_what_people_mean(text: str, expected: str) -> None:
    """Unix seconds and milliseconds, ISO dates, durations back from now and three words are understood."""
    assert parse_moment(text, NOW, RIYADH) == unix(expected)


@pytest.mark.parametrize("zone", ["UTC", "America/Sao_Paulo", "Pacific/Kiritimati"])
def test_dates_are_days_of_the_configured_zone(zone: str) -> None:
    """A date and `today` begin when the day begins there."""
    midnight = datetime(2026, 11, 22, tzinfo=ZoneInfo(zone))
    assert parse_moment("2026-11-22", NOW, ZoneInfo(zone)) == int(midnight.timestamp())
    assert parse_moment("today", midnight, ZoneInfo(zone)) == int(midnight.timestamp())


def test_yesterday_is_a_calendar_day_when_clocks_change() -> None:
    """On the day after the change, yesterday begins 25 hours before today does."""
    berlin = ZoneInfo("Europe/Berlin")
    monday = datetime(2026, 10, 26, 12, tzinfo=berlin)
    assert parse_moment("today", monday, berlin) - parse_moment("yesterday", monday, berlin) == 25 * 3600


@pytest.mark.parametrize(
    "text",
    [
        "31/12",
        "",
        " ",
        "5",
        "12345678901",
        "123456789012",
        "14:30",
        "tomorrow",
        "-2h",
        "2 hours",
        "2026-13-01",
        "h",
        "2h ago",
    ],
)
def test_anything_else_is_refused_with_good_examples(text: str) -> None:
    """The error quotes the invalid time and shows valid ones."""
    with pytest.raises(ConfigurationError) as caught:
        parse_moment(text, NOW, RIYADH)
    for example in ("2h", "3d", "yesterday", "2026-11-22", "1795355171"):
        assert example in caught.value.remedy


def test_a_phone_number_in_the_wrong_place_is_not_repeated() -> None:
    """A number typed as a time may be a real phone number, so no message repeats it in full."""
    with pytest.raises(ConfigurationError) as caught:
        parse_moment("966500000012", NOW, RIYADH)
    assert "966500000012" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("45m", 2_700),
        ("1h", 3_600),
        ("2d", 172_800),
        ("1w", 604_800),
        ("1h30m", 5_400),
        (" 2 D ", 172_800),
    ],
)
def test_a_duration_is_seconds(text: str, seconds: int) -> None:
    """Seconds, minutes, hours, days and weeks, alone or together."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "0s", "0h0m", "-1h", "1.5h", "h", "yesterday", "1y"])
def test_a_duration_without_a_unit_or_a_length_is_refused(text: str) -> None:
    """A number alone could mean anything, and nothing is no length: good ones are shown."""
    with pytest.raises(ConfigurationError) as caught:
        parse_duration(text)
    assert "1h30m" in caught.value.remedy
