"""A SQLite file as an older Ticktrail left it, to be brought up to date by a command that may be killed."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

from tests.torture.world import Entry

from ticktrail.stores.sqlite.migrations import MIGRATIONS
from ticktrail.stores.sqlite.schema import migrate

_MESSAGES = 3_000
_OLDEST, _NEWEST = 4, len(MIGRATIONS) - 1
_BEGAN = 1_793_000_000

OLDER = frozenset(f"wamid.older{number}" for number in range(_MESSAGES))
"""The messages of an older file."""


def make_older_file(path: Path, chance: random.Random) -> dict[str, set[Entry]]:
    """Make a file at one of the earlier steps of the schema. Returns the statuses of its messages."""
    newest = chance.randint(_OLDEST, _NEWEST)
    made: dict[str, set[Entry]] = {}
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, str(path), MIGRATIONS[:_OLDEST])
        connection.execute("BEGIN")
        for number, name in enumerate(sorted(OLDER), 1):
            sent = _BEGAN + number
            connection.execute(
                "INSERT INTO message (id, message_id, conversation_id, latest_status, latest_timestamp, status_count,"
                " workflow_id, conflict, sent_timestamp, first_timestamp, first_seen_at, last_updated_at,"
                " last_scanned_at) VALUES (?, ?, ?, 'sent', ?, 1, 'w', 0, ?, ?, ?, ?, ?)",
                (number, name, f"9665100{number:05}", sent, sent, sent, *[sent * 1000] * 3),
            )
            connection.execute(
                "INSERT INTO event (message, key, status, timestamp, execution_id, workflow_id)"
                " VALUES (?, ?, 'sent', ?, ?, 'w')",
                (number, f"sent|{sent}|old{number}", sent, f"old{number}"),
            )
            made[name] = {("sent", sent, f"old{number}")}
        connection.execute("COMMIT")
        migrate(connection, str(path), MIGRATIONS[:newest])
    return made
