"""Groups as stores count them → groups as people know them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.filters import Grouping
from ticktrail.messages.grouping import chosen, folded
from ticktrail.text.phone_numbers import country_of

RIYADH, BERLIN, KATHMANDU = (ZoneInfo(name) for name in ("Asia/Riyadh", "Europe/Berlin", "Asia/Kathmandu"))


def at(*moment: int) -> Group:
    """One message in the quarter of an hour that a UTC moment falls into."""
    return Group(key=int(datetime(*moment, tzinfo=UTC).timestamp()) // 900, counts=Counts(messages=1))  # type: ignore[arg-type, misc]


def counted(groups: list[Group], by: Grouping, zone: ZoneInfo) -> dict[object, int]:
    """Messages by name, in order."""
    return {group.key: group.counts.messages for group in folded(groups, by, zone=zone)}


def test_days_are_the_zones() -> None:
    """A day begins at midnight of the zone, wherever that falls in UTC; days without messages are shown."""
    groups = [at(2026, 1, 4, 20, 59), at(2026, 1, 1, 21, 0), at(2026, 1, 1, 20, 45), at(2026, 1, 1, 21, 15)]
    assert counted(groups, Grouping.DAY, RIYADH) == {
        "2026-01-01": 1,
        "2026-01-02": 2,
        "2026-01-03": 0,
        "2026-01-04": 1,
    }
    assert counted([at(2026, 1, 1, 18, 15), at(2026, 1, 1, 18, 14)], Grouping.DAY, KATHMANDU) == {
        "2026-01-01": 1,
        "2026-01-02": 1,
    }


def test_a_quarter_that_comes_twice_is_added() -> None:
    """Two campaigns' labels can mean one campaign: both of its counts of a day are in the day's."""
    assert counted([at(2026, 1, 1, 9, 0), at(2026, 1, 1, 9, 0)], Grouping.DAY, RIYADH) == {"2026-01-01": 2}


def test_days_of_23_and_25_hours_are_days() -> None:
    """When clocks change, a day has its own messages and is there once."""
    groups = [at(2026, 10, 24, 21, 45), at(2026, 10, 24, 22, 0), at(2026, 10, 25, 22, 45), at(2026, 10, 25, 23, 0)]
    assert counted(groups, Grouping.DAY, BERLIN) == {"2026-10-24": 1, "2026-10-25": 2, "2026-10-26": 1}
    spring = [at(2026, 3, 28, 22, 45), at(2026, 3, 30, 21, 45)]
    assert counted(spring, Grouping.DAY, BERLIN) == {"2026-03-28": 1, "2026-03-29": 0, "2026-03-30": 1}


def test_two_hours_of_one_name_are_distinguished() -> None:
    """When clocks go back, 02:00 comes twice; when they go forward, it does not come."""
    autumn = [at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 30), at(2026, 10, 25, 2, 0)]
    assert counted(autumn, Grouping.HOUR, BERLIN) == {
        "2026-10-25T02:00+02:00": 1,
        "2026-10-25T02:00+01:00": 1,
        "2026-10-25T03:00+01:00": 1,
    }
    spring = [at(2026, 3, 28, 23, 0), at(2026, 3, 29, 1, 59)]
    assert list(counted(spring, Grouping.HOUR, BERLIN)) == [
        "2026-03-29T00:00+01:00",
        "2026-03-29T01:00+01:00",
        "2026-03-29T03:00+02:00",
    ]


def test_impossible_times_are_no_time() -> None:
    """A time no calendar has, and one from before 1970, stay out of the days; the message is still counted."""
    far = [Group(key=10**15, counts=Counts(messages=2)), Group(key=-5, counts=Counts(messages=3)), at(2026, 1, 1)]
    timeless = Group(key=None, counts=Counts(messages=4))
    assert counted([*far, timeless], Grouping.DAY, RIYADH) == {"2026-01-01": 1, None: 9}


def test_wrong_times_have_no_day() -> None:
    """A time before 2009, or after the latest plausible one, has no day; the days between are not filled."""
    groups = [at(1970, 1, 2), at(2026, 1, 1), at(2037, 1, 1)]
    latest = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp())
    found = {one.key: one.counts.messages for one in folded(groups, Grouping.DAY, zone=RIYADH, latest=latest)}
    assert found == {"2026-01-01": 1, None: 2}


def test_hours_years_apart_do_not_fill_the_screen() -> None:
    """A hundred thousand empty hours are not shown."""
    assert len(counted([at(2010, 1, 2), at(2026, 1, 1)], Grouping.HOUR, RIYADH)) == 2


@pytest.mark.parametrize(
    ("number", "country"),
    [
        ("966500000001", "SA"),
        ("447797000013", "GB"),
        ("447400000013", "GB"),
        ("18765550014", "JM"),
        ("12025550014", "US"),
        ("77010000000", "KZ"),
        ("79990000000", "RU"),
        ("88300000000000", None),
        ("9", None),
        ("", None),
        (None, None),
        ("٩٦٦٥٠٠٠٠٠٠٠١", None),
    ],
)
def test_countries(number: str | None, country: str | None) -> None:
    """Numbers with +1 or +7 have their own country, other shared codes the largest one; other texts have none."""
    assert country_of(number) == country


def test_countries_are_added_up() -> None:
    """Several prefixes make one country; numbers without one are a group of their own."""
    groups = [
        Group(key="1202", counts=Counts(messages=1)),
        Group(key="1212", counts=Counts(messages=2)),
        Group(key="966", counts=Counts(messages=3)),
        Group(key=None, counts=Counts(messages=4)),
    ]
    assert counted(groups, Grouping.COUNTRY, RIYADH) == {"US": 3, "SA": 3, None: 4}


def test_numbers_have_the_names_the_user_gave_them() -> None:
    """By phone number id or by the number; the number itself where there is no name."""
    groups = [
        Group(key="1065", label="15550000001", counts=Counts()),
        Group(key="1066", label="15550000002", counts=Counts()),
        Group(key="1067", label="15550000003", counts=Counts()),
    ]
    names = {"1065": "Support", "15550000002": "Sales"}
    found = folded(groups, Grouping.NUMBER, zone=RIYADH, names=names)
    assert [group.label for group in found] == ["Support", "Sales", "15550000003"]


def test_the_worst_come_first_and_memory_stays_flat() -> None:
    """Most failures first, of equals the largest; a million groups are counted and never held."""

    def many() -> Iterator[Group]:
        for number in range(50_000):
            counts = Counts(messages=number % 7, failed=number % 5)
            yield Group(key=f"{number:06}", counts=counts)
        yield Group(key=None, counts=Counts(messages=9))

    found = chosen(many(), Grouping.USER, 3)
    assert [group.key for group in found.shown] == ["000034", "000069", "000104"]
    assert (found.named, found.nameless.messages) == (50_000, 9)


def test_of_times_the_latest_are_shown() -> None:
    """In order of time, the newest last."""
    groups = folded([at(2026, 1, day) for day in (3, 1, 2)], Grouping.DAY, zone=RIYADH)
    found = chosen(groups, Grouping.DAY, 2)
    assert [group.key for group in found.shown] == ["2026-01-02", "2026-01-03"]
    assert found.named == 3
