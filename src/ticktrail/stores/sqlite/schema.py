"""Schema of the SQLite file: which migrations it has, and applying those it lacks.

All missing migrations are applied and recorded in :data:`MIGRATION_TABLE` in one transaction, so that a killed process
or several first openings at once leave a file with all of them or none.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from ticktrail.errors import StoreRefusedError
from ticktrail.stores.sqlite.connection import transaction
from ticktrail.stores.sqlite.migrations import MIGRATIONS, Migration
from ticktrail.stores.sqlite.statistics import register_functions

MIGRATION_TABLE = "ticktrail_migration"
"""The table that records the migrations of a file; a file without it belongs to another program."""


def applied_number(connection: sqlite3.Connection, location: str) -> int:
    """Return the number of the last migration of a file; 0 for a new or empty file.

    Raises:
        StoreRefusedError: the file is another program's database.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if MIGRATION_TABLE in tables:
        number = connection.execute(f"SELECT MAX(number) FROM {MIGRATION_TABLE}").fetchone()[0]  # noqa: S608 - a constant
        return int(number or 0)
    if tables:
        raise StoreRefusedError(
            f"{location} is a SQLite database of another program. Nothing in it was changed.",
            remedy="Give the path of a Ticktrail store, or of a file that does not exist yet.",
        )
    return 0


def refuse_newer(number: int, location: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Refuse a file with migrations that this version does not know: writing to it could damage it.

    Raises:
        StoreRefusedError: the file's number is higher than that of the last migration.
    """
    newest = migrations[-1].number
    if number > newest:
        raise StoreRefusedError(
            f"{location} was written by a newer Ticktrail (its schema is number {number}, this one knows {newest}).",
            remedy="Upgrade Ticktrail on this machine, or use another store.",
        )


def is_older(number: int, migrations: Sequence[Migration] = MIGRATIONS) -> bool:
    """Return True when a file lacks migrations."""
    return number < migrations[-1].number


def older_file_error(number: int, location: str) -> StoreRefusedError:
    """Return the error about a file that lacks migrations and cannot be written."""
    return StoreRefusedError(
        f"{location} was written by an older Ticktrail (its schema is number {number}), and this process cannot "
        "migrate it. Nothing in it is lost.",
        remedy="Run ticktrail status once as the user who owns the file.",
    )


def migrate(connection: sqlite3.Connection, location: str, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Apply the migrations that a file lacks, in one transaction; does nothing when it lacks none.

    Raises:
        StoreRefusedError: the file is another program's or a newer Ticktrail's.
    """
    if applied_number(connection, location) == migrations[-1].number:
        return
    register_functions(connection)
    with transaction(connection):
        number = applied_number(connection, location)
        refuse_newer(number, location, migrations)
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {MIGRATION_TABLE}"
            " (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL)"
        )
        for migration in migrations:
            if migration.number <= number:
                continue
            for statement in migration.statements:
                connection.execute(statement)
            connection.execute(
                f"INSERT INTO {MIGRATION_TABLE} VALUES (?, ?, ?)",  # noqa: S608 - a constant
                (migration.number, migration.name, time.time_ns() // 1_000_000),
            )
