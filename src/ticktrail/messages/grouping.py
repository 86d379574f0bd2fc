"""Groups as stores count them → groups as people know them: days of a zone, countries, campaigns; ordered and cut.

Pure. What is counted twice under one name is added; counts can be added, rates cannot.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.messages.campaign import campaign_of
from ticktrail.messages.counts import QUARTER_SECONDS, Counts, Group, Key
from ticktrail.messages.filters import Grouping
from ticktrail.messages.model import EARLIEST_PLAUSIBLE_TIMESTAMP
from ticktrail.text.phone_numbers import country_of_prefix, own_name

TIMES = frozenset({Grouping.DAY, Grouping.HOUR})

WITH_DETAILS = frozenset(
    {Grouping.CATEGORY, Grouping.TEMPLATE, Grouping.NUMBER, Grouping.COUNTRY, Grouping.WORKFLOW, Grouping.SENDER}
)
"""Groupings few enough in number to show each group's time to deliver."""

_MOST_FILLED = 20_000
"""Two messages years apart do not make a hundred thousand empty hours."""

_FIRST_QUARTER = EARLIEST_PLAUSIBLE_TIMESTAMP // QUARTER_SECONDS
_LAST_QUARTER = 253_402_214_400 // QUARTER_SECONDS
"""9999-12-31: no calendar goes further."""


def folded(
    groups: Iterable[Group],
    by: Grouping,
    *,
    zone: ZoneInfo,
    campaign_key: str | None = None,
    names: Mapping[str, str] | None = None,
    latest: int | None = None,
) -> Iterator[Group]:
    """Yield the groups under the names that people use, each once.

    Days are ``2026-11-22``, hours ``2026-11-22T14:00+03:00`` (of two hours of one name, when clocks go back, each has
    its own), both in order of time and without gaps; countries ISO codes.

    Args:
        campaign_key: the key of the campaign's name in labels that are JSON, see :func:`campaign_of`.
        names: names of sending numbers, by phone number id or number, or of workflows, by id.
        latest: Unix seconds of the latest plausible time. Days and hours after it, and those before the earliest
            plausible time, have no name: one wrong time must not hide the last days behind years without messages.
    """
    if by in TIMES:
        last = _LAST_QUARTER if latest is None else latest // QUARTER_SECONDS
        return _times(groups, by, zone, last)
    if by is Grouping.COUNTRY:
        return _joined((_country(group.key), None, group.counts) for group in groups)
    if by is Grouping.CAMPAIGN and campaign_key:
        return _joined((campaign_of(_text(group.key), campaign_key), None, group.counts) for group in groups)
    if by is Grouping.NUMBER and names:
        return (
            msgspec.structs.replace(group, label=own_name(names, str(group.key), group.label) or group.label)
            for group in groups
        )
    if by in {Grouping.WORKFLOW, Grouping.SENDER} and names:
        return (msgspec.structs.replace(group, label=names.get(str(group.key), group.label)) for group in groups)
    return iter(groups)


def _country(prefix: Key) -> str | None:
    return None if prefix is None else country_of_prefix(str(prefix))


def _text(key: str | int | None) -> str | None:
    return None if key is None else str(key)


def with_sends(groups: Iterable[Group], sends: Iterable[Group]) -> Iterator[Group]:
    """Add the counts of unconfirmed sends to the groups of messages with the same keys, before they are folded."""
    waiting = {group.key: group for group in sends}
    for group in groups:
        known = waiting.pop(group.key, None)
        yield group if known is None else msgspec.structs.replace(group, counts=group.counts + known.counts)
    yield from waiting.values()


class Chosen(msgspec.Struct, frozen=True):
    """The groups to show, the number of groups that have a name, and the messages without one (``nameless``)."""

    shown: tuple[Group, ...]
    named: int
    nameless: Counts


def chosen(groups: Iterable[Group], by: Grouping, limit: int) -> Chosen:
    """Return the groups to show: those with most failed and unconfirmed messages first; of times the latest, in order.

    Errors are ordered by the number of people concerned. Larger groups come first among equals.
    Memory holds no more than ``limit`` groups, however many there are.
    """
    named, nameless = 0, Counts()

    def counting() -> Iterator[Group]:
        nonlocal named, nameless
        for group in groups:
            if group.key is None:
                nameless += group.counts
            else:
                named += 1
                yield group

    found = list(counting())[-limit:] if by in TIMES else heapq.nsmallest(limit, counting(), key=_order)
    return Chosen(tuple(found), named, nameless)


def _order(group: Group) -> tuple[int, int, str]:
    lost = group.counts.failed + group.counts.unconfirmed if group.people is None else group.people
    return (-lost, -group.counts.accepted, str(group.key))


def _joined(renamed: Iterable[tuple[str | None, str | None, Counts]]) -> Iterator[Group]:
    found: dict[str | None, Group] = {}
    for key, label, counts in renamed:
        known = found.get(key)
        found[key] = Group(key=key, label=label, counts=counts if known is None else known.counts + counts)
    return iter(found.values())


def _times(groups: Iterable[Group], by: Grouping, zone: ZoneInfo, last: int) -> Iterator[Group]:
    """Quarters of hours of UTC as the zone's days or hours, those without messages included."""
    by_quarter: dict[str | int | None, Counts] = {}
    for group in groups:
        known = by_quarter.get(group.key)
        by_quarter[group.key] = group.counts if known is None else known + group.counts
    quarters = sorted(key for key in by_quarter if isinstance(key, int) and _FIRST_QUARTER <= key <= last)
    found: dict[str, Counts] = {}
    previous: datetime | None = None
    for quarter in quarters:
        start = _start(datetime.fromtimestamp(quarter * QUARTER_SECONDS, zone), by)
        if previous is not None and previous != start:
            for empty in _between(previous, start, by):
                found[_name(empty, by)] = Counts()
        name = _name(start, by)
        found[name] = found[name] + by_quarter[quarter] if name in found else by_quarter[quarter]
        previous = start
    yield from (Group(key=name, counts=counts) for name, counts in found.items())
    timeless = [
        counts for key, counts in by_quarter.items() if not isinstance(key, int) or not _FIRST_QUARTER <= key <= last
    ]
    if timeless:
        yield Group(key=None, counts=sum(timeless, Counts()))


def _start(moment: datetime, by: Grouping) -> datetime:
    hour = moment.replace(minute=0)
    return hour if by is Grouping.HOUR else hour.replace(hour=0, fold=0)


def _between(start: datetime, end: datetime, by: Grouping) -> Iterator[datetime]:
    """Yield the days or hours between two others; none when there are too many to show."""
    if by is Grouping.DAY:
        days = (end.date() - start.date()).days
        # On the wall clock: a day is not always 24 hours.
        yield from (start + timedelta(days=day) for day in range(1, days if days <= _MOST_FILLED else 1))
        return
    hours = int((end.astimezone(UTC) - start.astimezone(UTC)).total_seconds()) // 3_600
    for hour in range(1, hours if hours <= _MOST_FILLED else 1):
        yield (start.astimezone(UTC) + timedelta(hours=hour)).astimezone(start.tzinfo)


def _name(start: datetime, by: Grouping) -> str:
    return start.strftime("%Y-%m-%d") if by is Grouping.DAY else start.isoformat(timespec="minutes")
