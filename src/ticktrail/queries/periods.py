"""Spans of whole days of a zone, and the one before each to compare with. Pure."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.errors import ConfigurationError
from ticktrail.messages.counts import DAY_SECONDS
from ticktrail.messages.filters import MessageFilter

USUAL = "7d"
LENGTHS = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
"""Days, today included."""


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """A period of whole days, or from the start of a day to now.

    Attributes:
        since: Unix seconds, None for everything.
        until: Unix seconds, exclusive; None for now.
    """

    name: str
    since: int | None
    until: int | None

    @property
    def chosen(self) -> MessageFilter:
        """The messages that were sent in this period."""
        return MessageFilter(since_timestamp=self.since, until_timestamp=self.until)

    def before(self, now: datetime) -> tuple[Period, Period] | None:
        """Return the final part of this period, and an equally long period right before it; None without a final part.

        Messages younger than a day are provisional, so only older ones are compared.
        """
        if self.since is None:
            return None
        end = min(self.until or int(now.timestamp()), int(now.timestamp()) - DAY_SECONDS)
        if end <= self.since:
            return None
        return (
            Period(name="now", since=self.since, until=end),
            Period(name="before", since=self.since - (end - self.since), until=self.since),
        )


def period_of(name: str, now: datetime, zone: ZoneInfo) -> Period:
    """Parse a period: one of :data:`LENGTHS`, ``all``, a day (``2026-11-22``) or two with ``..`` between.

    Raises:
        ConfigurationError: it is none of these.
    """
    if name == "all":
        return Period(name=name, since=None, until=None)
    today = now.astimezone(zone).date()
    if name in LENGTHS:
        return Period(name=name, since=_start(today - timedelta(days=LENGTHS[name] - 1), zone), until=None)
    first, dots, last = name.partition("..")
    try:
        begins, ends = date.fromisoformat(first), date.fromisoformat(last if dots else first)
        since, until = _start(begins, zone), _start(ends + timedelta(days=1), zone)
    except (ValueError, OverflowError):
        since = until = 0
    if until <= since:
        raise ConfigurationError(
            "That is not a period.", remedy="Good ones: today, 7d, 30d, all, 2026-11-22, 2026-11-01..2026-11-22."
        )
    return Period(name=name, since=since, until=until)


def day_bounds(name: str, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first second of a day named ``2026-11-22``, and of the day after."""
    day = date.fromisoformat(name)
    return _start(day, zone), _start(day + timedelta(days=1), zone)


def _start(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time(), zone).timestamp())
