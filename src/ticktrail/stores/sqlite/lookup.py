"""Find stored messages by key: one statement for every :data:`CHUNK` keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ticktrail.messages.model import HistoryEntry, Message
from ticktrail.stores.sqlite.rows import (
    EVENT_COLUMNS,
    MESSAGE_COLUMNS,
    Row,
    bindable,
    entry_of,
    message_of,
)

CHUNK = 512
"""Values in one ``IN (…)``, far below every limit on parameters."""

Parameter = str | bytes | int

_T = TypeVar("_T")


def find_messages(
    connection: sqlite3.Connection,
    column: str,
    values: Sequence[Parameter],
    build: Callable[[Row, dict[str, HistoryEntry]], Message] = message_of,
) -> dict[int, Message]:
    """Return the stored messages whose ``id`` or ``message_id`` is among the values, by row id.

    It executes two statements a chunk: call it in a transaction to read both at one moment.
    """
    found: dict[int, Message] = {}
    for chunk in chunks(values):
        selected = connection.execute(
            f"SELECT {MESSAGE_COLUMNS} FROM message WHERE {column} IN ({marks(len(chunk))})",  # noqa: S608
            chunk,
        ).fetchall()
        entries: dict[int, dict[str, HistoryEntry]] = {row[0]: {} for row in selected}
        for keys in chunks(list(entries)):
            for event in connection.execute(
                f"SELECT {EVENT_COLUMNS} FROM event WHERE message IN ({marks(len(keys))})",  # noqa: S608
                keys,
            ):
                entries[event[0]][event[1]] = entry_of(event)
        found.update((row[0], build(row, entries[row[0]])) for row in selected)
    return found


def next_number(connection: sqlite3.Connection, table: str) -> int:
    """Return the next free row id of a table. It is reliable only for a writer that holds the lock."""
    greatest = connection.execute(f"SELECT MAX(id) FROM {table}").fetchone()[0]  # noqa: S608
    return int(greatest or 0) + 1


def chunks(values: Sequence[_T]) -> Iterable[Sequence[_T]]:
    """Yield the values in portions whose sizes are powers of two, padded with the last value.

    So SQLite prepares ten statements for a query, not five hundred.
    """
    for start in range(0, len(values), CHUNK):
        chunk = list(values[start : start + CHUNK])
        size = 1 << (len(chunk) - 1).bit_length()
        yield chunk + chunk[-1:] * (size - len(chunk))


def marks(count: int) -> str:
    """Return placeholders for a number of parameters."""
    return ", ".join("?" * count)


def bindable_keys(texts: Iterable[str]) -> Sequence[Parameter]:
    """Return keys as parameters of a query."""
    return [bindable(text) for text in texts]
