"""Statistics in SQL: one statement counts the groups of a query, in the order of their keys, from a covering index.

Messages are counted by stored columns (:mod:`ticktrail.messages.counts`), because indexes over expressions and over
generated columns are not covering before SQLite 3.41.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.messages import counts
from ticktrail.messages.counts import DAY_SECONDS, QUARTER_SECONDS, Counts, Group
from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.model import FAILED, MessageState
from ticktrail.stores.sqlite.filters import where_of

QUARTER = f"message_time / {QUARTER_SECONDS} - (message_time % {QUARTER_SECONDS} < 0)"
"""Rounded down; SQLite's division rounds towards zero."""

_FIRST, _LAST = 2 * DAY_SECONDS, 4_102_444_800
"""1970 to 2100. Times beyond are not grouped into days."""

_COUNTRY_DIGITS = 7
"""Numbers that begin with these are in one country: +44 7797 is Jersey, +1 876 Jamaica."""

_FAILED = ", ".join(f"'{status}'" for status in sorted(FAILED))

_CODE = "substr(CAST(failure_code AS TEXT), 1, 64)"

KEYS = {
    Grouping.DAY: QUARTER,
    Grouping.HOUR: QUARTER,
    Grouping.USER: "COALESCE(NULLIF(conversation_id, ''), recipient_user_id)",
    # What is kept as JSON was no code.
    Grouping.ERROR: f"CASE WHEN substr(failure_code, 1, 1) NOT IN ('{{', '[') THEN {_CODE} END",
    Grouping.CATEGORY: "pricing_category",
    Grouping.TEMPLATE: "template_name",
    Grouping.CAMPAIGN: "callback_data",
    Grouping.NUMBER: "COALESCE(NULLIF(phone_number_id, ''), display_phone_number)",
    Grouping.COUNTRY: (
        f"CASE WHEN conversation_id NOT GLOB '*[^0-9]*' THEN substr(conversation_id, 1, {_COUNTRY_DIGITS}) END"
    ),
    Grouping.WORKFLOW: "workflow_id",
    Grouping.SENDER: "sent_by_workflow_id",
}
"""SQL expression of each grouping."""

_TIMES = (Grouping.DAY, Grouping.HOUR)

_TIMELESS = -(2**55)
"""Represents an unknown time where a quarter is packed with facts; no quarter of a time in SQLite is as low."""

_FACTS = 256
"""Above all facts."""

_PACKED = f"((COALESCE(delay, -1) * {_FACTS} + facts) * 4 + audience) * 4 + COALESCE(billable, 2)"
_LABELS: dict[Grouping | None, str] = {
    Grouping.ERROR: "MAX(failure_title)",
    Grouping.NUMBER: "MAX(display_phone_number)",
    Grouping.COUNTRY: "MIN(conversation_id)",
}


def count_groups(
    connection: sqlite3.Connection | None,
    chosen: MessageFilter,
    by: Grouping | None,
    *,
    young_since: int,
    details: bool,
    zone: ZoneInfo,
    across: Grouping | None = None,
) -> Iterator[Group]:
    """Count as :meth:`ticktrail.stores.Store.statistics` promises; a missing store holds nothing."""
    if connection is None:
        found: Iterator[Group] = iter(())
    else:
        question, parameters = figures_question(
            connection, chosen, by, young_since=young_since, details=details, zone=zone, across=across
        )
        found = counts.grouped(connection.execute(question, parameters), prices=details and by is None)
    if by is None:
        yield next(found, Group(key=None, counts=Counts()))
    elif by is Grouping.ERROR and across is None and connection is not None:
        people = _people_by_error(connection, chosen)
        yield from (msgspec.structs.replace(group, people=people.get(group.key, 0)) for group in found)
    else:
        yield from found


def _people_by_error(connection: sqlite3.Connection, chosen: MessageFilter) -> dict[str | int | None, int]:
    """Count the recipients of each error; a million failures have few codes."""
    where, parameters = where_of(chosen)
    question = (
        f"SELECT NULLIF({KEYS[Grouping.ERROR]}, ''), COUNT(DISTINCT {KEYS[Grouping.USER]}) FROM message "  # noqa: S608
        f"WHERE {where} AND +audience = {counts.PEOPLE} AND {_failed(chosen)} GROUP BY 1"
    )
    return dict(connection.execute(question, parameters))


def figures_question(
    connection: sqlite3.Connection,
    chosen: MessageFilter,
    by: Grouping | None,
    *,
    young_since: int,
    details: bool,
    zone: ZoneInfo,
    across: Grouping | None = None,
) -> tuple[str, list[str | bytes | int]]:
    """Return the statement that counts, and its parameters; its rows are :data:`ticktrail.messages.counts.Row`."""
    where, parameters = where_of(chosen)
    # Prices are the totals' alone: in every group they would double the sorting.
    details_columns = [] if not details else ["delay"] if by else ["pricing_category", "billable", "delay"]
    told_apart = ", ".join(
        column if column in details_columns else "NULL" for column in ("pricing_category", "billable", "delay")
    )
    keys = [_key(connection, chosen, one, zone) for one in (by, across) if one is not None]
    if by is None:
        grouped_by = ["audience", "facts", *details_columns]
        if where != "1":
            # Few messages are met through another index sooner than all in this order. What must be sorted then is
            # packed: SQLite sorts by one number twice as fast as by five columns.
            grouped_by = [_PACKED, "+pricing_category"] if details else ["facts * 4 + audience"]
    else:
        last = across or by
        counted_by = f"COALESCE({keys[-1]}, {_TIMELESS}) * {_FACTS} + facts"
        grouped_by = [*keys[:-1], *([counted_by] if last in _TIMES else [keys[-1], "facts"]), *details_columns]
        # The plus: nearly all are people, whom an index would look up one by one (three times slower than a scan).
        where += f" AND +audience = {counts.PEOPLE}"
    if Grouping.ERROR in (by, across):
        where += f" AND {_failed(chosen)}"
    question = (
        f"SELECT {', '.join([*keys, 'NULL', 'NULL'][:2])}, {_LABELS.get(by, 'NULL')}, "  # noqa: S608 - constants
        f"{'audience' if by is None else counts.PEOPLE}, facts, {told_apart}, COUNT(*), "
        f"COALESCE(SUM(message_time >= {int(young_since)}), 0) "
        f"FROM message WHERE {where} GROUP BY {', '.join(grouped_by)} ORDER BY {', '.join(grouped_by)}"
    )
    return question, parameters


def _key(connection: sqlite3.Connection, chosen: MessageFilter, by: Grouping, zone: ZoneInfo) -> str:
    if by is Grouping.DAY:
        return _day_key(connection, chosen, zone)
    return KEYS[by] if by in _TIMES else f"NULLIF({KEYS[by]}, '')"


def _failed(chosen: MessageFilter) -> str:
    """Return the condition of failed messages, in columns of the index that the filter uses."""
    if chosen.since_timestamp is None and chosen.until_timestamp is None:
        return f"latest_status IN ({_FAILED})"
    return f"facts & {counts.STANDING_BITS} = {counts.NOT_REACHED}"


def _day_key(connection: sqlite3.Connection, chosen: MessageFilter, zone: ZoneInfo) -> str:
    """Return the SQL of the quarter of an hour at noon of a message's day.

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


def register_functions(connection: sqlite3.Connection) -> None:
    """Register the functions of :mod:`ticktrail.messages.counts` with SQLite, for rows from before the columns."""

    def facts(
        status: str, conflict: int, sent: int | None, delivered: int | None, read: int | None, played: int | None
    ) -> int:
        known = MessageState(
            latest_status=status,
            conflict=bool(conflict),
            sent_timestamp=sent,
            delivered_timestamp=delivered,
            read_timestamp=read,
            played_timestamp=played,
        )
        return counts.facts(known)

    def delay(status: str, sent: int | None, delivered: int | None) -> int | None:
        return counts.delay(MessageState(latest_status=status, sent_timestamp=sent, delivered_timestamp=delivered))

    def pricing(text: str | None) -> dict[str, object] | None:
        return None if text is None else msgspec.json.decode(text, type=dict[str, object])

    connection.create_function("counted_audience", 2, counts.audience)
    connection.create_function("counted_facts", 6, facts)
    connection.create_function("counted_delay", 3, delay)
    connection.create_function("counted_category", 1, lambda text: counts.category(pricing(text)))
    connection.create_function("counted_billable", 1, lambda text: counts.billable(pricing(text)))
