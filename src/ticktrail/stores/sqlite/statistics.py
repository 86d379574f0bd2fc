"""Statistics in SQL: one statement counts the groups of a query, in the order of their keys, from a covering index.

Messages are counted by stored columns (:mod:`ticktrail.messages.counts`), because indexes over expressions and over
generated columns are not covering before SQLite 3.41. What a cohort knows (:mod:`ticktrail.stores.sqlite.cohorts`) is
grouped in two steps: messages by cohort, which an index has in order, and then the few cohorts by what was asked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.messages import counts
from ticktrail.messages.counts import DAY_SECONDS, HOUR_SECONDS, QUARTER_SECONDS, Counts, Group
from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.model import MessageState
from ticktrail.stores.sqlite.cohorts import UNKNOWN
from ticktrail.stores.sqlite.filters import FAILED_FACTS, Index, has_only_times, index_to_count, span, where_of
from ticktrail.text.phone_numbers import country_prefix

QUARTER = f"message_time / {QUARTER_SECONDS} - (message_time % {QUARTER_SECONDS} < 0)"
"""Rounded down; SQLite's division rounds towards zero."""

_FIRST, _LAST = 2 * DAY_SECONDS, 4_102_444_800
"""1970 to 2100. Times beyond are not grouped into days."""

_CODE = "substr(CAST(failure_code AS TEXT), 1, 64)"

KEYS = {
    Grouping.DAY: QUARTER,
    Grouping.HOUR: QUARTER,
    Grouping.USER: "COALESCE(NULLIF(conversation_id, ''), recipient_user_id)",
    # What is kept as JSON was no code.
    Grouping.ERROR: f"CASE WHEN substr(failure_code, 1, 1) NOT IN ('{{', '[') THEN {_CODE} END",
    Grouping.CAMPAIGN: "callback_data",
}
"""SQL expression of each grouping, in columns of the message."""

NUMBER = "COALESCE(NULLIF(phone_number_id, ''), display_phone_number)"

_COHORT_KEYS = {
    Grouping.CATEGORY: "pricing_category",
    Grouping.TEMPLATE: "template_name",
    Grouping.NUMBER: NUMBER,
    Grouping.COUNTRY: "country_prefix",
    Grouping.WORKFLOW: "workflow_id",
    Grouping.SENDER: "sent_by_workflow_id",
}
"""SQL expression of each other grouping, in columns of the cohort."""

_TIMES = (Grouping.DAY, Grouping.HOUR)

_COLUMNS = "NULL, NULL, 0, facts, NULL, NULL, NULL"

_ARMS = {
    Grouping.USER: (
        f"SELECT conversation_id AS key, {_COLUMNS}, {{counted}} FROM message "  # noqa: S608 - constants
        f"WHERE conversation_id > '' AND {{where}} AND +audience = {counts.PEOPLE} GROUP BY conversation_id, facts "
        f"UNION ALL SELECT NULLIF(recipient_user_id, ''), {_COLUMNS}, {{counted}} FROM message "
        "WHERE (conversation_id IS NULL OR conversation_id = '') "
        f"AND {{where}} AND +audience = {counts.PEOPLE} GROUP BY 1, facts ORDER BY key, facts"
    ),
    Grouping.CAMPAIGN: (
        f"SELECT callback_data AS key, {_COLUMNS}, {{counted}} FROM message "  # noqa: S608 - constants
        f"WHERE callback_data > '' AND {{where}} AND +audience = {counts.PEOPLE} GROUP BY callback_data, facts "
        f"UNION ALL SELECT NULL, {_COLUMNS}, SUM(messages), SUM(young) FROM (SELECT facts, {{counted}} FROM message "
        f"WHERE cohort IN (SELECT id FROM cohort WHERE audience = {counts.PEOPLE} AND NOT in_campaign) AND {{where}} "
        "GROUP BY cohort, facts) GROUP BY facts ORDER BY key, facts"
    ),
}
"""Statements that count messages of all or most times by recipient or campaign, in the order of two indexes."""

_TIMELESS = -(2**55)
"""Represents an unknown time where a quarter is packed with facts; no quarter of a time in SQLite is as low."""

_DELAYS = 2**32
"""Greater than all delays."""

_LABELS: dict[Grouping | None, str] = {
    Grouping.ERROR: "MAX(failure_title)",
    Grouping.NUMBER: "MAX(display_phone_number)",
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
    where, parameters = where_of(connection, msgspec.structs.replace(chosen, people_only=True))
    question = (
        f"SELECT NULLIF({KEYS[Grouping.ERROR]}, ''), COUNT(DISTINCT {KEYS[Grouping.USER]}) FROM message "  # noqa: S608
        f"WHERE {where} AND {FAILED_FACTS} GROUP BY 1"
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
    keys = [one for one in (by, across) if one is not None]
    by_cohort = by is None or not _COHORT_KEYS.keys().isdisjoint(keys)
    counted = f"COUNT(*) AS messages, COALESCE(SUM(message_time >= {int(young_since)}), 0) AS young"
    index = index_to_count(connection, chosen)
    if (
        index is Index.COHORT
        and keys in ([Grouping.USER], [Grouping.CAMPAIGN])
        and has_only_times(chosen)
        and not details
    ):
        where, parameters = where_of(connection, msgspec.structs.replace(chosen, people_only=False), index)
        return _ARMS[keys[0]].format(counted=counted, where=where), [*parameters, *parameters]
    expressions = [_key(connection, chosen, key, zone) for key in keys]
    table = "message"
    if not by_cohort and index is Index.COHORT and keys[-1] in _TIMES and has_only_times(chosen):
        # In the order of times there is less to sort.
        table, index = "message INDEXED BY message_time", Index.TIME
    where, parameters = where_of(
        connection, chosen if by_cohort else msgspec.structs.replace(chosen, people_only=True), index
    )
    if Grouping.ERROR in keys:
        where += f" AND {FAILED_FACTS}"
    if by_cohort:
        in_order = index is Index.COHORT
        return _in_two_steps(by, across, expressions, where, counted, in_order=in_order, details=details), parameters
    grouped_by = [*expressions, "facts"]
    if keys[-1] in _TIMES:
        # Packed: SQLite sorts by one number twice as fast as by two columns.
        grouped_by[-2:] = [f"COALESCE({expressions[-1]}, {_TIMELESS}) * {counts.FACTS} + facts"]
    grouped_by += ["delay"] if details else []
    question = (
        f"SELECT {', '.join([*expressions, 'NULL'][:2])}, {_LABELS.get(by, 'NULL')}, {counts.PEOPLE}, facts, "  # noqa: S608
        f"NULL, NULL, {'delay' if details else 'NULL'}, {counted} "
        f"FROM {table} WHERE {where} GROUP BY {', '.join(grouped_by)} ORDER BY {', '.join(grouped_by)}"
    )
    return question, parameters


def _in_two_steps(
    by: Grouping | None,
    across: Grouping | None,
    expressions: list[str],
    where: str,
    counted: str,
    *,
    in_order: bool,
    details: bool,
) -> str:
    """Return the statement that counts messages by cohort, and then the cohorts by keys of theirs.

    Args:
        in_order: messages are read from the index of cohorts, so that nothing is sorted where all of them count.
    """
    steps = {
        name: (key, expression)
        for name, key, expression in zip(("key", "across"), (by, across), expressions, strict=False)
    }
    inner = {name: expression for name, (key, expression) in steps.items() if key not in _COHORT_KEYS}
    outer = [name if name in inner else expression for name, (_, expression) in steps.items()]
    columns = [*inner, "cohort", "facts", *(["delay"] if details else [])]
    selected = [*(f"{expression} AS {name}" for name, expression in inner.items()), *columns[len(inner) :], counted]
    counted_by = columns
    if not in_order:
        # Packed as above, which also keeps SQLite from reading all of the index of cohorts for a few messages.
        counted_by = [
            *inner,
            f"(cohort * {counts.FACTS} + facts) * {_DELAYS} + {'COALESCE(delay, -1)' if details else 0}",
        ]
    label = _LABELS.get(by, "NULL")
    if by is Grouping.ERROR:
        selected, label = [*selected, f"{label} AS label"], "MAX(label)"
    grouped_by = [*outer, *(["audience"] if by is None else []), "facts", *columns[len(inner) + 2 :]]
    price = ["NULL", "NULL"]
    if details and by is None:
        price = ["NULLIF(pricing_category, '')", f"NULLIF(billable, {UNKNOWN})"]
        grouped_by += price
    return (
        f"SELECT {', '.join([*outer, 'NULL', 'NULL'][:2])}, {label}, audience, facts, {', '.join(price)}, "  # noqa: S608
        f"{'delay' if details else 'NULL'}, SUM(messages), SUM(young) "
        f"FROM (SELECT {', '.join(selected)} FROM message WHERE {where} "
        f"GROUP BY {', '.join(counted_by)}) AS counted "
        f"JOIN cohort ON cohort.id = counted.cohort {'' if by is None else f'WHERE audience = {counts.PEOPLE}'} "
        f"GROUP BY {', '.join(grouped_by)} ORDER BY {', '.join(grouped_by)}"
    )


def _key(connection: sqlite3.Connection, chosen: MessageFilter, by: Grouping, zone: ZoneInfo) -> str:
    if by in _TIMES:
        return _time_key(connection, chosen, by, zone)
    return f"NULLIF({_COHORT_KEYS.get(by) or KEYS[by]}, '')"


def _time_key(connection: sqlite3.Connection, chosen: MessageFilter, by: Grouping, zone: ZoneInfo) -> str:
    """Return the SQL of the quarter of an hour at noon of a message's day, or at the start of its hour.

    Messages outside the span that was looked at (one may come in meanwhile) are at their own quarters, and so are all
    where an hour of the zone does not begin with an hour of UTC.
    """
    first, last = span(connection)
    first = max(first, _FIRST, *([] if chosen.since_timestamp is None else [chosen.since_timestamp]))
    last = min(last, _LAST, *([] if chosen.until_timestamp is None else [chosen.until_timestamp]))
    if first > last:
        return QUARTER
    *earlier, (_, offset) = _offsets(zone, first, last)
    cases = [f"WHEN message_time NOT BETWEEN {first} AND {last} THEN {QUARTER}"]
    if by is Grouping.HOUR:
        if any(moment % HOUR_SECONDS for one in [*earlier, (0, offset)] for moment in one):
            return QUARTER
        otherwise = f"message_time / {HOUR_SECONDS} * {HOUR_SECONDS // QUARTER_SECONDS}"
    else:
        cases += [f"WHEN message_time < {end} THEN {_noon(before)}" for end, before in earlier]
        otherwise = _noon(offset)
    return f"CASE {' '.join(cases)} ELSE {otherwise} END"


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
    connection.create_function("counted_prefix", 1, lambda number: country_prefix(number) or "", deterministic=True)
