"""Questions as SQL: which rows a filter means, and the stored records among given keys.

Looking up many keys takes one statement for every :data:`CHUNK` of them, whatever their number.
"""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from ticktrail.model import HistoryEntry, Message, Send
from ticktrail.query import MessageFilter
from ticktrail.stores.sqlite_rows import (
    EVENT_COLUMNS,
    MESSAGE_COLUMNS,
    SEND_COLUMNS,
    Row,
    bindable,
    entry_of,
    message_of,
    send_of,
    to_milliseconds,
)

CHUNK = 512
"""Values in one ``IN (…)``: far from every limit on parameters."""

Parameter = str | bytes | int

_LARGEST_INTEGER = 2**63 - 1

_MESSAGE_TIME = "message_time"
"""counts.message_time of the message: the same order as query.MESSAGE_TIME_FIELDS."""

_MOST_ARMS = 16

_T = TypeVar("_T")


class _Index(enum.Enum):
    """What leads to a filter's messages."""

    CONVERSATION = "message_conversation and message_recipient"
    UPDATED = "message_updated"
    TIME = "message_time"
    STATUS = "message_status"
    LATEST = "message_latest"


def count_messages(connection: sqlite3.Connection, chosen: MessageFilter) -> int:
    """How many messages a filter chooses, its limit left aside."""
    where, parameters = where_of(chosen)
    return int(connection.execute(f"SELECT COUNT(*) FROM message WHERE {where}", parameters).fetchone()[0])  # noqa: S608


def where_of(chosen: MessageFilter) -> tuple[str, list[Parameter]]:
    """A filter as a WHERE clause and its parameters, its limit left aside."""
    chosen = msgspec.structs.replace(chosen, limit=None)
    return _conditions(chosen, _index_to_use(chosen))


def message_numbers(connection: sqlite3.Connection, chosen: MessageFilter) -> Iterator[int]:
    """The row numbers of the messages a filter chooses, newest first, its limit included."""
    index = _index_to_use(chosen)
    arms = [chosen]
    if index is _Index.STATUS and len(set(chosen.statuses)) <= _MOST_ARMS:
        # Each status alone is in order in the index, and SQLite merges ordered arms without sorting them.
        arms = [msgspec.structs.replace(chosen, statuses=(status,)) for status in sorted(set(chosen.statuses))]
    selects, parameters = [], list[Parameter]()
    for arm in arms:
        where, values = _conditions(arm, index)
        selects.append(f"SELECT id, latest_timestamp, message_id FROM message WHERE {where}")  # noqa: S608
        parameters += values
    sorting = "latest_timestamp DESC, message_id"
    if index not in {_Index.STATUS, _Index.LATEST}:
        sorting = f"+{sorting}"
    question = f"{' UNION ALL '.join(selects)} ORDER BY {sorting}"
    if chosen.limit is not None:
        question += " LIMIT ?"
        parameters.append(_clamped(max(chosen.limit, 0)))
    return (number for number, _, _ in connection.execute(question, parameters))


def send_numbers(connection: sqlite3.Connection, *, rejected: bool | None) -> Iterator[int]:
    """The row numbers of the send records, newest first."""
    where, parameters = ("1", ()) if rejected is None else ("rejected = ?", (rejected,))
    found = connection.execute(f"SELECT id FROM send WHERE {where} ORDER BY sent_at DESC, key", parameters)  # noqa: S608
    return (number for (number,) in found)


def find_messages(
    connection: sqlite3.Connection,
    column: str,
    values: Sequence[Parameter],
    build: Callable[[Row, dict[str, HistoryEntry]], Message] = message_of,
) -> dict[int, Message]:
    """The stored messages whose ``id`` or ``message_id`` is among the values, by row number.

    Takes two statements a chunk: for one moment's view of both, call it in a transaction.
    """
    found: dict[int, Message] = {}
    for chunk in _chunks(values):
        selected = connection.execute(
            f"SELECT {MESSAGE_COLUMNS} FROM message WHERE {column} IN ({_marks(len(chunk))})",  # noqa: S608
            chunk,
        ).fetchall()
        entries: dict[int, dict[str, HistoryEntry]] = {row[0]: {} for row in selected}
        for keys in _chunks(list(entries)):
            for event in connection.execute(
                f"SELECT {EVENT_COLUMNS} FROM event WHERE message IN ({_marks(len(keys))})",  # noqa: S608
                keys,
            ):
                entries[event[0]][event[1]] = entry_of(event)
        found.update((row[0], build(row, entries[row[0]])) for row in selected)
    return found


def find_sends(connection: sqlite3.Connection, column: str, values: Sequence[Parameter]) -> dict[int, Send]:
    """The stored sends whose ``id`` or ``key`` is among the values, by row number."""
    found: dict[int, Send] = {}
    for chunk in _chunks(values):
        selected = connection.execute(
            f"SELECT id, {SEND_COLUMNS} FROM send WHERE {column} IN ({_marks(len(chunk))})",  # noqa: S608
            chunk,
        )
        found.update((number, send_of(row)) for number, *row in selected)
    return found


def next_number(connection: sqlite3.Connection, table: str) -> int:
    """The row number after the greatest of a table. Only a writer that holds the lock can rely on it."""
    greatest = connection.execute(f"SELECT MAX(id) FROM {table}").fetchone()[0]  # noqa: S608
    return int(greatest or 0) + 1


def _index_to_use(chosen: MessageFilter) -> _Index:
    """The index that leads to a filter's messages in the fewest steps.

    SQLite, which knows no quantities, would read all unread messages of a million to find one person's. One person
    has few messages, what was updated lately is little, a span of time is as long as it is; and where only the
    newest are wanted, walking from the newest stops early.
    """
    if chosen.conversation_id is not None:
        return _Index.CONVERSATION
    if chosen.updated_since is not None:
        return _Index.UPDATED
    if chosen.until_timestamp is not None or (chosen.since_timestamp is not None and chosen.limit is None):
        return _Index.TIME
    return _Index.STATUS if chosen.statuses else _Index.LATEST


def _conditions(chosen: MessageFilter, index: _Index) -> tuple[str, list[Parameter]]:
    """A WHERE clause (``1`` for everything) and its parameters. A unary plus keeps SQLite off the other indexes."""
    clauses: list[str] = []
    parameters: list[Parameter] = []
    if chosen.conversation_id is not None:
        clauses.append("(conversation_id = ? OR recipient_user_id = ?)")
        parameters += [bindable(chosen.conversation_id)] * 2
    if chosen.statuses:
        plus = "" if index is _Index.STATUS else "+"
        clauses.append(f"{plus}latest_status IN ({_marks(len(chosen.statuses))})")
        parameters += map(bindable, chosen.statuses)
    if chosen.not_statuses:
        clauses.append(f"latest_status NOT IN ({_marks(len(chosen.not_statuses))})")
        parameters += map(bindable, chosen.not_statuses)
    plus = "" if index is _Index.TIME else "+"
    if chosen.since_timestamp is not None:
        clauses.append(f"{plus}{_MESSAGE_TIME} >= ?")
        parameters.append(_clamped(chosen.since_timestamp))
    if chosen.until_timestamp is not None:
        clauses.append(f"{plus}{_MESSAGE_TIME} < ?")
        parameters.append(_clamped(chosen.until_timestamp))
    if chosen.updated_since is not None:
        plus = "" if index is _Index.UPDATED else "+"
        clauses.append(f"{plus}last_updated_at >= ?")
        parameters.append(to_milliseconds(chosen.updated_since))
    return " AND ".join(clauses) or "1", parameters


def _chunks(values: Sequence[_T]) -> Iterable[Sequence[_T]]:
    """The values in portions whose sizes are powers of two, filled up with the last value.

    So SQLite prepares ten statements for a question and not five hundred.
    """
    for start in range(0, len(values), CHUNK):
        chunk = list(values[start : start + CHUNK])
        size = 1 << (len(chunk) - 1).bit_length()
        yield chunk + chunk[-1:] * (size - len(chunk))


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _clamped(number: int) -> int:
    return max(-_LARGEST_INTEGER - 1, min(number, _LARGEST_INTEGER))
