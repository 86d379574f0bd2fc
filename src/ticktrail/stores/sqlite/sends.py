"""Sends in SQLite: their filters as SQL, finding them, and merging new ones into the stored ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ticktrail.messages.filters import SendCursor, SendFilter
from ticktrail.messages.merge import merge_sends
from ticktrail.messages.model import Send
from ticktrail.stores.results import WriteReport
from ticktrail.stores.sqlite.cohorts import Cohorts
from ticktrail.stores.sqlite.filters import Clause, clamped, joined
from ticktrail.stores.sqlite.lookup import Parameter, bindable_keys, chunks, marks
from ticktrail.stores.sqlite.rows import (
    INSERT_SEND,
    SEND_COLUMNS,
    UPDATE_ORIGIN,
    UPDATE_SEND,
    Row,
    bindable,
    origin_row,
    send_of,
    send_row,
    to_instant,
    to_milliseconds,
)


def send_numbers(connection: sqlite3.Connection, chosen: SendFilter) -> Iterator[tuple[int, int | None]]:
    """Yield the row ids of the send records that a filter chooses, newest first, with their times in milliseconds."""
    where = sends_where(connection, chosen)
    places = [("1", list[Parameter]())] if chosen.after is None else _behind_send(chosen.after)
    selects, parameters = [], list[Parameter]()
    # Each arm is ordered by the index, and SQLite merges ordered arms without sorting.
    for place in places:
        condition, values = joined([where, place])
        selects.append(f"SELECT id, sent_at, key FROM send WHERE {condition}")  # noqa: S608
        parameters += values
    question = f"{' UNION ALL '.join(selects)} ORDER BY sent_at DESC, key"
    if chosen.limit is not None:
        question += " LIMIT ?"
        parameters.append(clamped(max(chosen.limit, 0)))
    return ((number, sent_at) for number, sent_at, _ in connection.execute(question, parameters))


def sends_where(connection: sqlite3.Connection, chosen: SendFilter) -> Clause:
    """Return a filter of sends as a WHERE clause with its parameters, without its limit and cursor."""
    clauses: list[Clause] = []
    if chosen.refused is not None:
        clauses.append(("rejected = 1" if chosen.refused else "rejected = 0", []))
    if chosen.unconfirmed:
        confirmed = "EXISTS (SELECT 1 FROM message WHERE message.message_id = send.message_id)"
        clauses.append((f"rejected = 0 AND send.message_id IS NOT NULL AND NOT {confirmed}", []))
    if chosen.since_timestamp is not None:
        clauses.append(("sent_at >= ?", [clamped(chosen.since_timestamp * 1000)]))
    if chosen.until_timestamp is not None:
        clauses.append(("sent_at < ?", [clamped(chosen.until_timestamp * 1000)]))
    for column, wanted in (
        ("sent_by_workflow_id", chosen.workflow_id),
        ("template_name", chosen.template),
        ("template_language", chosen.template_language),
    ):
        if wanted is not None:
            clauses.append((f"{column} = ?", [bindable(wanted)]))
    if chosen.failure_codes:
        # Not every SQLite that Python comes with has JSON functions.
        codes = frozenset(map(str, chosen.failure_codes))
        connection.create_function("has_code", 1, lambda errors: bool(codes & _codes(errors)), deterministic=True)
        clauses.append(("errors IS NOT NULL AND has_code(errors)", []))
    return joined(clauses)


def _codes(errors: str) -> set[str]:
    """Return the codes of stored errors as texts. MongoDB's shell writes whole numbers as doubles."""
    try:
        found = msgspec.json.decode(errors)
    except msgspec.DecodeError:
        return set()
    codes = [one.get("code") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return {str(int(code) if isinstance(code, float) and code.is_integer() else code) for code in codes}


def _behind_send(place: SendCursor) -> list[Clause]:
    """Return conditions for the rows behind a cursor, each of them ordered by an index."""
    key = bindable(place.key)
    if place.sent_at is None:
        return [("sent_at IS NULL AND key > ?", [key])]
    behind: Clause = ("sent_at <= ? AND (sent_at < ? OR key > ?)", [place.sent_at, place.sent_at, key])
    return [behind, ("sent_at IS NULL", [])]


def find_sends(connection: sqlite3.Connection, column: str, values: Sequence[Parameter]) -> dict[int, Send]:
    """Return the stored sends whose ``id`` or ``key`` is among the values, by row id."""
    found: dict[int, Send] = {}
    for chunk in chunks(values):
        selected = connection.execute(
            f"SELECT id, {SEND_COLUMNS} FROM send WHERE {column} IN ({marks(len(chunk))})",  # noqa: S608
            chunk,
        )
        found.update((number, send_of(row)) for number, *row in selected)
    return found


def write_sends(connection: sqlite3.Connection, sends: Iterable[Send], instance: str | None) -> WriteReport:
    """Merge sends into the stored ones, and set template and sender of messages that are stored already."""
    fresh: dict[str, Send] = {}
    for one in sends:
        send = msgspec.structs.replace(
            one,
            sent_at=None if one.sent_at is None else to_instant(to_milliseconds(one.sent_at)),
            instance=instance if one.instance is None else one.instance,
        )
        fresh[send.key] = merge_sends(fresh[send.key], send) if send.key in fresh else send
    if not fresh:
        return WriteReport()
    stored = {send.key: send for send in find_sends(connection, "key", bindable_keys(fresh)).values()}
    new = [send for key, send in fresh.items() if key not in stored]
    merged = [merge_sends(stored[key], send) for key, send in fresh.items() if key in stored]
    changed = [send for send in merged if send != stored[send.key]]
    connection.executemany(INSERT_SEND, map(send_row, new))
    connection.executemany(UPDATE_SEND, ((*send_row(send)[1:], send.key) for send in changed))
    _set_origins(connection, {send.key: origin_row(send) for send in (*new, *changed) if not send.rejected})
    return WriteReport(sends=len(new))


def _set_origins(connection: sqlite3.Connection, origins: dict[str, Row]) -> None:
    """Set template and sender of the messages among these ids that are stored."""
    cohorts = Cohorts(connection)
    for chunk in chunks(bindable_keys(origins)):
        stored = connection.execute(
            f"SELECT id, message_id, cohort FROM message WHERE message_id IN ({marks(len(chunk))})",  # noqa: S608
            chunk,
        ).fetchall()
        rows = [(*origins[key], cohorts.with_origin(cohort, origins[key]), number) for number, key, cohort in stored]
        connection.executemany(UPDATE_ORIGIN, rows)
