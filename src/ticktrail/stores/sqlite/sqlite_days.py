"""Days of a zone as SQL: so a year comes out of the database as 365 groups, and not as 35,000 quarters of an hour."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from ticktrail.messages.counts import DAY_SECONDS, QUARTER_SECONDS
from ticktrail.messages.filters import MessageFilter

QUARTER = f"message_time / {QUARTER_SECONDS} - (message_time % {QUARTER_SECONDS} < 0)"
"""Rounded down; SQLite's division rounds towards zero."""

_FIRST, _LAST = 2 * DAY_SECONDS, 4_102_444_800
"""1970 to 2100: what lies beyond is no day of a business, and stays a quarter."""


def day_key(connection: sqlite3.Connection, chosen: MessageFilter, zone: ZoneInfo) -> str:
    """The quarter of an hour at noon of a message's day.

    Messages outside the span that was looked at (one may come in meanwhile) are at their own quarters.
    """
    first, last = connection.execute(
        "SELECT (SELECT MIN(message_time) FROM message), (SELECT MAX(message_time) FROM message)"
    ).fetchone()
    if first is None:
        return QUARTER
    first = max(first, _FIRST, *([] if chosen.since_timestamp is None else [chosen.since_timestamp]))
    last = min(last, _LAST, *([] if chosen.until_timestamp is None else [chosen.until_timestamp]))
    if first > last:
        return QUARTER
    *earlier, (_, offset) = _offsets(zone, first, last)
    cases = [f"WHEN message_time NOT BETWEEN {first} AND {last} THEN {QUARTER}"]
    cases += [f"WHEN message_time < {end} THEN {_noon(before)}" for end, before in earlier]
    return f"CASE {' '.join(cases)} ELSE {_noon(offset)} END"


def _noon(offset: int) -> str:
    start = f"(message_time + {offset}) / {DAY_SECONDS} * {DAY_SECONDS}"
    return f"({start} + {DAY_SECONDS // 2 - offset}) / {QUARTER_SECONDS}"


def _offsets(zone: ZoneInfo, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The zone's offsets from UTC in a span, in seconds, in order of time, each with the moment it ends."""
    moment, offset = first, _offset(zone, first)
    while moment < last:
        # No zone changes its clocks twice in a day.
        following = min(moment + DAY_SECONDS, last)
        if _offset(zone, following) != offset:
            same, other = moment, following
            while other - same > 1:
                middle = (same + other) // 2
                same, other = (middle, other) if _offset(zone, middle) == offset else (same, middle)
            yield other, offset
            offset = _offset(zone, following)
        moment = following
    yield last, offset


def _offset(zone: ZoneInfo, moment: int) -> int:
    found = datetime.fromtimestamp(moment, zone).utcoffset()
    return 0 if found is None else int(found.total_seconds())
