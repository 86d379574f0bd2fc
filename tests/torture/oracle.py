"""Read stores without the product's code: what a store holds, and what it has marked as processed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from tests.torture.world import Entry

History = list[Entry]

_BLOCK = 2_048
_WORD = 64


class Oracle(Protocol):
    """The state of a store that a test compares."""

    def held(self) -> dict[str, History]:
        """The statuses of every message, as they are stored; of a store that does not exist, none."""
        ...

    def processed(self) -> set[int]:
        """The ids of executions that are marked as processed."""
        ...


class SqliteOracle:
    """A SQLite file, read with plain SQL."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def held(self) -> dict[str, History]:
        """See :class:`Oracle`."""
        held: dict[str, History] = {}
        with self._connection() as connection:
            if connection is not None and _has(connection, "message"):
                rows = connection.execute("SELECT id, message_id FROM message").fetchall()
                names = dict(rows)
                held = {name: [] for name in names.values()}
                for number, *entry in connection.execute("SELECT message, status, timestamp, execution_id FROM event"):
                    held[names[number]].append((entry[0], entry[1], entry[2]))
        return held

    def processed(self) -> set[int]:
        """See :class:`Oracle`."""
        ids: set[int] = set()
        with self._connection() as connection:
            if connection is not None and _has(connection, "settled"):
                for block, bits in connection.execute("SELECT block, bits FROM settled"):
                    ids |= {block * _BLOCK + place for place in range(_BLOCK) if bits[place // 8] >> (place % 8) & 1}
        return ids

    def verdict(self) -> str:
        """SQLite's own verdict on the file; ``ok`` for a sound one."""
        with self._connection() as connection:
            return (
                "there is no file" if connection is None else connection.execute("PRAGMA integrity_check").fetchone()[0]
            )

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection | None]:
        if not self._path.exists():
            yield None
            return
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            yield connection


class MongoOracle:
    """A MongoDB database, read with the driver alone."""

    def __init__(self, url: str, database: str) -> None:
        self._url = url
        self._name = database

    def held(self) -> dict[str, History]:
        """See :class:`Oracle`."""
        with self._database() as database:
            return {
                document["messageId"]: [
                    (entry["status"], entry["timestamp"], entry["executionId"]) for entry in document["statusHistory"]
                ]
                for document in database["message_statuses"].find({})
            }

    def processed(self) -> set[int]:
        """See :class:`Oracle`."""
        ids: set[int] = set()
        with self._database() as database:
            for document in database["ticktrail_coverage"].find({"kind": "settled"}):
                for index, word in document.get("words", {}).items():
                    first = document["block"] * _BLOCK + int(index) * _WORD
                    ids |= {first + place for place in range(_WORD) if int(word) >> place & 1}
        return ids

    @contextlib.contextmanager
    def _database(self) -> Iterator[Any]:
        from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

        client: Any = MongoClient(self._url, serverSelectionTimeoutMS=5_000)
        try:
            yield client[self._name]
        finally:
            client.close()


def _has(connection: sqlite3.Connection, table: str) -> bool:
    question = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(question, (table,)).fetchone() is not None
