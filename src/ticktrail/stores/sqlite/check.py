"""Check whether a sync could write to a SQLite file, without changing it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ticktrail.errors import StoreRefusedError, TicktrailError
from ticktrail.stores.results import StoreState
from ticktrail.stores.sqlite.connection import open_to_write, refuse_directory
from ticktrail.stores.sqlite.errors import explained
from ticktrail.stores.sqlite.migrations import MIGRATIONS
from ticktrail.stores.sqlite.schema import MIGRATION_TABLE, applied_number, refuse_newer

_LOCK_WAIT_MILLISECONDS = 3_000
_CHECKED_BYTES = 100_000_000
"""A file up to this size is checked for damage, which takes about a second."""

_OTHERS = stat.S_IROTH | stat.S_IWOTH


def probe(path: Path | None, location: str) -> StoreState:
    """Return the state of the store in this file; None is a store in memory."""
    server = f"SQLite {sqlite3.sqlite_version}"
    if path is None:
        return StoreState(server=server, exists=False, remark="It is in memory: nothing is kept after a command ends.")
    with explained(location):
        refuse_directory(path)
        folder = _nearest_folder(path)
        free_bytes = shutil.disk_usage(folder).free
        there = path.exists()
    faults: list[TicktrailError] = []
    if not there:
        with _collecting(faults, location), tempfile.TemporaryFile(dir=folder):
            pass
        return StoreState(server=server, exists=False, faults=tuple(faults), free_bytes=free_bytes)
    found = _File()
    with _collecting(faults, location), contextlib.closing(open_to_write(path)) as connection:
        found.look(connection, path, location)
    if os.name == "posix" and path.stat().st_mode & _OTHERS:
        found.remarks.append("Every user of this machine may read the file. Restrict it to its owner with: chmod 600")
    return StoreState(
        server=server,
        exists=found.number > 0,
        faults=tuple(faults),
        missing_indexes=tuple(found.missing_indexes),
        free_bytes=free_bytes,
        remark=" ".join(found.remarks),
    )


class _File:
    """Findings about a file."""

    def __init__(self) -> None:
        self.number = 0
        self.missing_indexes: list[str] = []
        self.remarks: list[str] = []

    def look(self, connection: sqlite3.Connection, path: Path, location: str) -> None:
        """Inspect an existing file, and write to it in a transaction that is rolled back."""
        connection.execute(f"PRAGMA busy_timeout = {_LOCK_WAIT_MILLISECONDS}")
        self.number = applied_number(connection, location)
        refuse_newer(self.number, location)
        if self.number == MIGRATIONS[-1].number:
            present = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
            self.missing_indexes = [name for name in _index_names() if name not in present]
        elif self.number:
            self.remarks.append("An older Ticktrail wrote it; the next command that reads it migrates it.")
        self._write(connection)
        if path.stat().st_size <= _CHECKED_BYTES:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreRefusedError(
                    f"{location} is damaged: {' '.join(str(found).split())[:200]}",
                    remedy="Move it aside, restore a backup, then ticktrail sync reads again what n8n still holds.",
                )

    def _write(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                self.remarks.append("Another program is writing to it, so writing was not checked.")
                return
            raise
        try:
            if self.number:
                connection.execute(f"UPDATE {MIGRATION_TABLE} SET name = name || ''")  # noqa: S608 - a constant
            else:
                connection.execute("CREATE TABLE ticktrail_probe (id INTEGER)")
        finally:
            connection.execute("ROLLBACK")


def _nearest_folder(path: Path) -> Path:
    """Return the folder of the file, or the nearest existing one above it."""
    return next(folder for folder in path.parents if folder.exists())


def _index_names() -> Iterable[str]:
    """Return the names of the indexes that all migrations leave, in the order they were created."""
    names: dict[str, None] = {}
    for statement in (statement for migration in MIGRATIONS for statement in migration.statements):
        for verb, name in re.findall(r"(CREATE|DROP) (?:UNIQUE )?INDEX (\w+)", statement):
            names.pop(name, None)
            if verb == "CREATE":
                names[name] = None
    return names


@contextlib.contextmanager
def _collecting(faults: list[TicktrailError], location: str) -> Iterator[None]:
    """Collect errors instead of raising them."""
    try:
        with explained(location):
            yield
    except TicktrailError as error:
        faults.append(error)
