"""Filters as SQL: conditions, order, and the index that finds the rows."""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Collection, Iterator

import msgspec

from ticktrail.messages import counts
from ticktrail.messages.filters import Cursor, MessageFilter
from ticktrail.messages.model import ARRIVED, FAILED
from ticktrail.stores.sqlite.lookup import Parameter, marks
from ticktrail.stores.sqlite.rows import bindable, to_milliseconds
from ticktrail.text.phone_numbers import Country, Person

Clause = tuple[str, list[Parameter]]
"""A condition and its parameters."""

_LARGEST_INTEGER = 2**63 - 1

_MOST_ARMS = 16

_STANDINGS: dict[int, frozenset[str]] = {
    counts.PENDING: frozenset({"sent"}),
    counts.NOT_REACHED: FAILED,
    counts.REACHED: frozenset({"delivered"}),
    counts.SEEN: ARRIVED - {"delivered"},
}
"""Statuses that each standing counts, as in :func:`ticktrail.messages.counts.facts`."""

_SORTING = {
    "newest": "message_time DESC, message_id",
    "oldest": "message_time ASC NULLS LAST, message_id",
    "latest": "latest_timestamp DESC, message_id",
    "updated": "last_updated_at DESC, message_id",
}

_SHORT = 3
"""A span of less than this fraction of all time is counted from the index of times: sorting more of it would take
longer than reading the whole index of cohorts in order."""


class Index(enum.Enum):
    """Indexes that find a filter's messages."""

    CONVERSATION = "message_conversation and message_recipient"
    CAMPAIGN = "message_campaign"
    FAILURE = "message_failure"
    UPDATED = "message_updated"
    LATEST = "message_latest"
    TIME = "message_time"
    STATUS = "message_status"
    COHORT = "message_cohort"


_INDEX_OF_ORDER = {"latest": Index.LATEST, "updated": Index.UPDATED}
"""Orders with an index of their own, which combines with no other condition."""


def count_messages(connection: sqlite3.Connection, chosen: MessageFilter) -> int:
    """Count the messages that a filter chooses, without its limit and cursor."""
    question, parameters = count_question(connection, chosen)
    return int(connection.execute(question, parameters).fetchone()[0])


def count_question(connection: sqlite3.Connection, chosen: MessageFilter) -> Clause:
    """Return the statement that counts a filter's messages, and its parameters."""
    where, parameters = where_of(connection, chosen)
    return f"SELECT COUNT(*) FROM message WHERE {where}", parameters  # noqa: S608 - constants


def where_of(connection: sqlite3.Connection, chosen: MessageFilter, index: Index | None = None) -> Clause:
    """Return a filter as a WHERE clause with its parameters, without its limit and cursor.

    Args:
        index: the index to use; None for that of :func:`index_to_count`.
    """
    index = index_to_count(connection, chosen) if index is None else index
    standings = _standings(chosen)
    if index in {Index.TIME, Index.COHORT} and standings is not None:
        # These indexes contain facts and no status.
        others = msgspec.structs.replace(chosen, statuses=(), not_statuses=())
        return joined([*conditions(others, index), (_facts(standings), [])])
    return joined(conditions(chosen, index))


def index_to_count(connection: sqlite3.Connection, chosen: MessageFilter) -> Index:
    """Return the index that counts a filter's messages without reading most of them."""
    index = index_to_use(msgspec.structs.replace(chosen, order="newest", limit=None, after=None))
    if index not in {Index.STATUS, Index.TIME} or (chosen.statuses and _standings(chosen) is None):
        return index
    since, until = chosen.since_timestamp, chosen.until_timestamp
    if since is None and until is None:
        return Index.COHORT
    first, last = span(connection)
    since, until = (first if since is None else max(since, first)), (last if until is None else min(until, last))
    return Index.TIME if (until - since) * _SHORT < last - first else Index.COHORT


def has_only_times(chosen: MessageFilter) -> bool:
    """Return True when a filter has no conditions but those on the time and on people, apart from limit and cursor."""
    aside = MessageFilter(
        since_timestamp=chosen.since_timestamp,
        until_timestamp=chosen.until_timestamp,
        people_only=chosen.people_only,
        order=chosen.order,
        after=chosen.after,
        limit=chosen.limit,
    )
    return chosen == aside


def span(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the first and the last time of a message; both are 0 in an empty store."""
    first, last = connection.execute(
        "SELECT (SELECT MIN(message_time) FROM message), (SELECT MAX(message_time) FROM message)"
    ).fetchone()
    return first or 0, last or 0


def _standings(chosen: MessageFilter) -> set[int] | None:
    """Return the standings of exactly the messages whose status a filter chooses; None where none are as exact."""
    among = _exact(chosen.statuses) if chosen.statuses else {counts.OTHER, *_STANDINGS}
    without = _exact(chosen.not_statuses)
    return None if among is None or without is None else among - without


def _exact(statuses: tuple[str, ...]) -> set[int] | None:
    wanted = set(statuses)
    found = {standing for standing, names in _STANDINGS.items() if names <= wanted}
    return found if wanted == set().union(*(_STANDINGS[standing] for standing in found)) else None


def _facts(standings: Collection[int]) -> str:
    if {counts.OTHER, *_STANDINGS} <= set(standings):
        return "1"
    packed = (str(number) for number in range(counts.FACTS) if number & counts.STANDING_BITS in standings)
    return f"facts IN ({', '.join(packed)})"


FAILED_FACTS = _facts({counts.NOT_REACHED})
"""Condition of failed messages, in a column of every index that counts."""


def message_numbers(connection: sqlite3.Connection, chosen: MessageFilter) -> Iterator[tuple[int, int | None]]:
    """Yield the row ids of the messages that a filter chooses, in its order and up to its limit, with sort keys."""
    index = index_to_use(chosen)
    clauses = conditions(chosen, index)
    column = _SORTING[chosen.order].split()[0]
    places = [] if chosen.after is None else _behind(chosen.after, column)
    splits = _split(chosen, index)
    ordered = splits is not None
    if not ordered and places:
        places = [_either(places)]
    # Each arm is ordered by the index, and SQLite merges ordered arms without sorting.
    selects, parameters = [], list[Parameter]()
    for split in splits or [("1", [])]:
        for place in places or [("1", [])]:
            where, values = joined([split, *clauses, place])
            selects.append(f"SELECT id, {column}, message_id FROM message WHERE {where}")  # noqa: S608
            parameters += values
    question = f"{' UNION ALL '.join(selects)} ORDER BY {'' if ordered else '+'}{_SORTING[chosen.order]}"
    if chosen.limit is not None:
        question += " LIMIT ?"
        parameters.append(clamped(max(chosen.limit, 0)))
    return ((number, key) for number, key, _ in connection.execute(question, parameters))


def index_to_use(chosen: MessageFilter) -> Index:
    """Return the index that finds a filter's messages in the fewest steps.

    SQLite has no statistics here, and would read all unread messages of a million to find those of one person. A person
    has few messages, a campaign or an error some; recent updates are few. Where only the newest are wanted, scanning
    from the newest stops early.
    """
    if chosen.conversation_id is not None or chosen.person is not None:
        return Index.CONVERSATION
    if chosen.campaign is not None and chosen.campaign_key is None:
        return Index.CAMPAIGN
    if chosen.failure_codes:
        return Index.FAILURE
    if chosen.updated_since is not None:
        return Index.UPDATED
    if chosen.order in _INDEX_OF_ORDER and (chosen.limit is not None or not chosen.statuses):
        return _INDEX_OF_ORDER[chosen.order]
    return Index.STATUS if chosen.statuses else Index.TIME


def conditions(chosen: MessageFilter, index: Index) -> list[Clause]:
    """Return the conditions of a filter. A unary plus keeps SQLite from using other indexes."""
    clauses: list[Clause] = []
    if chosen.message_id_ending:
        ending = bindable(chosen.message_id_ending)
        clauses.append(("substr(message_id, ?) = ?", [-len(ending), ending]))
    if chosen.conversation_id is not None:
        clauses.append(_person(Person((chosen.conversation_id,))))
    if chosen.person is not None:
        clauses.append(_person(chosen.person))
    if chosen.statuses:
        clauses.append(_among(f"{'' if index is Index.STATUS else '+'}latest_status", chosen.statuses))
    if chosen.not_statuses:
        without, parameters = _among("latest_status", chosen.not_statuses)
        clauses.append((f"NOT {without}", parameters))
    if chosen.failure_codes:
        clauses.append(
            (
                f"{'' if index is Index.FAILURE else '+'}failure_code IN ({marks(len(chosen.failure_codes) * 2)})",
                [*map(clamped, chosen.failure_codes), *map(str, chosen.failure_codes)],
            )
        )
    clauses += _times(chosen, index)
    cohorts = _cohorts(chosen)
    if cohorts:
        among, parameters = joined(cohorts)
        plus = "" if index is Index.COHORT else "+"
        clauses.append((f"{plus}cohort IN (SELECT id FROM cohort WHERE {among})", parameters))  # noqa: S608
    if chosen.campaign is not None:
        clauses.append(_campaign(chosen.campaign, chosen.campaign_key, index))
    return clauses


def _cohorts(chosen: MessageFilter) -> list[Clause]:
    """Return the conditions that all messages of a cohort meet or none does, in columns of the cohort."""
    clauses: list[Clause] = [
        # An empty text stands for none, which no filter looks for.
        (f"{column} = NULLIF(?, '')", [bindable(wanted)])
        for column, wanted in (
            ("workflow_id", chosen.workflow_id),
            ("sent_by_workflow_id", chosen.sending_workflow_id),
            ("template_name", chosen.template),
            ("template_language", chosen.template_language),
            ("instance", chosen.instance),
            ("pricing_category", chosen.category),
        )
        if wanted is not None
    ]
    if chosen.sending_numbers:
        clauses.append(
            _either(
                [
                    _among(f"NULLIF({name}, '')", chosen.sending_numbers)
                    for name in ("phone_number_id", "display_phone_number")
                ]
            )
        )
    if chosen.country is not None:
        clauses.append(_country(chosen.country))
    if chosen.people_only:
        clauses.append((f"audience = {counts.PEOPLE}", []))
    return clauses


def joined(clauses: list[Clause]) -> Clause:
    """Join conditions with AND; ``1`` for none."""
    needed = [(text, parameters) for text, parameters in clauses if text != "1"]
    return (
        " AND ".join(text for text, _ in needed) or "1",
        [parameter for _, parameters in needed for parameter in parameters],
    )


def _split(chosen: MessageFilter, index: Index) -> list[Clause] | None:
    """Split a filter into conditions that an index orders each; None when the result must be sorted."""
    own = _INDEX_OF_ORDER.get(chosen.order)
    if own is not None or index in _INDEX_OF_ORDER.values():
        return [("1", [])] if index is own else None
    if index is Index.TIME:
        return [("1", [])]
    statuses = sorted(set(chosen.statuses))
    if index is Index.STATUS and len(statuses) <= _MOST_ARMS:
        return [("latest_status = ?", [bindable(status)]) for status in statuses]
    if index is Index.FAILURE and len(set(chosen.failure_codes)) * 2 <= _MOST_ARMS:
        codes = [code for number in sorted(set(chosen.failure_codes)) for code in (clamped(number), str(number))]
        return [("failure_code = ?", [code]) for code in codes]
    return [("1", [])] if index is Index.CAMPAIGN else None


def _behind(place: Cursor, column: str) -> list[Clause]:
    """Return conditions for the rows behind a cursor, each of them ordered by an index."""
    if place.key is None:
        return [(f"{column} IS NULL AND message_id > ?", [bindable(place.message_id)])]
    beyond = ">" if place.order == "oldest" else "<"
    known = f"{column} {beyond}= ? AND ({column} {beyond} ? OR message_id > ?)"
    behind: list[Clause] = [(known, [int(place.key), int(place.key), bindable(place.message_id)])]
    return behind if place.order == "updated" else [*behind, (f"{column} IS NULL", [])]


def _times(chosen: MessageFilter, index: Index) -> list[Clause]:
    """Return the conditions on times, with a unary plus where another index than that of times is to be used."""
    clauses: list[Clause] = []
    plus = "+" if index in {Index.CONVERSATION, Index.UPDATED, Index.LATEST, Index.COHORT} else ""
    if chosen.since_timestamp is not None:
        clauses.append((f"{plus}message_time >= ?", [clamped(chosen.since_timestamp)]))
    if chosen.until_timestamp is not None:
        clauses.append((f"{plus}message_time < ?", [clamped(chosen.until_timestamp)]))
    if chosen.updated_since is not None:
        plus = "" if index is Index.UPDATED else "+"
        clauses.append((f"{plus}last_updated_at >= ?", [to_milliseconds(chosen.updated_since)]))
    return clauses


def _person(wanted: Person) -> Clause:
    parts = [_among(name, wanted.ids) for name in ("conversation_id", "recipient_user_id")]
    if wanted.suffix is not None:
        # An index contains the numbers: a message is looked up only when its number matches.
        among = "SELECT conversation_id FROM message WHERE substr(conversation_id, ?) = ?"
        parts.append((f"conversation_id IN ({among})", [-len(wanted.suffix), wanted.suffix]))
    return _either(parts)


def _campaign(campaign: str, key: str | None, index: Index) -> Clause:
    label = f"{'' if index is Index.CAMPAIGN else '+'}callback_data"
    exactly: Clause = (f"{label} = ?", [bindable(campaign)])
    if key is None:
        return exactly
    wanted = bindable(campaign)
    # The function is slow: it is called only for labels that hold the campaign as it is, or escaped.
    candidate = f"({label} = ? OR instr(callback_data, '{{') > 0 AND (instr(callback_data, ?) > 0 OR {_IS_ESCAPED}))"
    return f"{candidate} AND campaign_of(callback_data, ?) = ?", [wanted, wanted, bindable(key), wanted]


_IS_ESCAPED = "instr(callback_data, '\\') > 0"


def _country(wanted: Country) -> Clause:
    clauses: list[Clause] = []
    for prefixes, negation in ((wanted.prefixes, ""), (wanted.but_not, "NOT ")):
        by_length: dict[int, list[str]] = {}
        for prefix in prefixes:
            by_length.setdefault(len(prefix), []).append(prefix)
        parts = [_among(f"substr(country_prefix, 1, {length})", tuple(alike)) for length, alike in by_length.items()]
        if parts or not negation:
            text, parameters = _either(parts) if parts else ("0", [])
            clauses.append((f"{negation}{text}", parameters))
    return joined(clauses)


def _among(column: str, wanted: tuple[str, ...]) -> Clause:
    return f"{column} IN ({marks(len(wanted))})", list(map(bindable, wanted))


def _either(clauses: list[Clause]) -> Clause:
    return (
        f"({' OR '.join(f'({text})' if ' AND ' in text else text for text, _ in clauses)})",
        [parameter for _, parameters in clauses for parameter in parameters],
    )


def clamped(number: int) -> int:
    """Limit a number to what SQLite can compare."""
    return max(-_LARGEST_INTEGER - 1, min(number, _LARGEST_INTEGER))
