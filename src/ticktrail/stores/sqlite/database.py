"""Connections of one process to a SQLite store, which notice when the file is deleted or replaced."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ticktrail.errors import StoreReplacedError
from ticktrail.stores.sqlite.connection import (
    MEMORY,
    FileId,
    file_id_at,
    make_durable,
    open_to_read,
    open_to_write,
    transaction,
)
from ticktrail.stores.sqlite.errors import explained
from ticktrail.stores.sqlite.schema import applied_number, is_older, migrate, older_file_error, refuse_newer


class Database:
    """At most one connection to read and one to write.

    An open file that is deleted stays writable, and everything written to it is lost when it is closed. So before each
    use, and after each commit, the open file is compared with the file at the path. Where they differ, the connections
    are closed, and a process that writes gets an error; the next use opens the file at the path.

    Args:
        path: the file; None for a store in memory.

    Attributes:
        openings: how often a file was opened; a cache of its content is valid for one opening.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.location = MEMORY if path is None else str(path)
        self.openings = 0
        self._reading: sqlite3.Connection | None = None
        self._writing: sqlite3.Connection | None = None
        self._file_id: FileId | None = None
        self._log_id: FileId | None = None

    def exists(self) -> bool:
        """Return True when the file holds a store. Never creates anything."""
        self._check_file()
        return self._writing is not None or self._open_to_read() > 0

    def reader(self) -> sqlite3.Connection | None:
        """Return a connection to read with; None when there is no store. Migrates a file of an older Ticktrail.

        Raises:
            StoreRefusedError: the file needs a migration, and this process cannot write to it.
        """
        self._check_file()
        if self._writing is not None:
            return self._writing
        number = self._open_to_read()
        if number and is_older(number):
            self._migrate(number)
            self._open_to_read()
        return self._reading

    def writer(self) -> sqlite3.Connection:
        """Return a connection to write with; the first call creates what is missing."""
        self._check_file()
        if self._writing is None:
            # Before the file is opened: one that is replaced in between is noticed at the next check.
            file_id = file_id_at(self.path)
            with contextlib.ExitStack() as undo:
                connection = open_to_write(self.path)
                undo.callback(connection.close)
                refuse_newer(applied_number(connection, self.location), self.location)
                make_durable(connection)
                migrate(connection, self.location)
                undo.pop_all()
            self.close()
            self._writing = connection
            self._file_id, self._log_id = file_id or file_id_at(self.path), file_id_at(self._log)
            self.openings += 1
        return self._writing

    @contextlib.contextmanager
    def transaction(self, *, overwrite: bool = False) -> Iterator[sqlite3.Connection]:
        """Run a block in a transaction that holds the write lock from its start.

        Args:
            overwrite: overwrite what is deleted with zeros.

        Raises:
            StoreReplacedError: the file was deleted or replaced, before or during the transaction.
        """
        connection = self.writer()
        if overwrite:
            connection.execute("PRAGMA secure_delete = 1")
        with transaction(connection):
            yield connection
        self._check_file()

    @contextlib.contextmanager
    def writing(self, *, overwrite: bool = False) -> Iterator[sqlite3.Connection]:
        """As :meth:`transaction`, with errors of SQLite as Ticktrail's."""
        with explained(self.location), self.transaction(overwrite=overwrite) as connection:
            yield connection

    def close(self) -> None:
        """Close the connections; the next use opens them again."""
        for connection in (self._reading, self._writing):
            if connection is not None:
                connection.close()
        self._reading = self._writing = self._file_id = self._log_id = None

    def _open_to_read(self) -> int:
        """Open the file to read when it exists. Returns its schema number, 0 when there is no store."""
        if self._reading is None:
            self._file_id = file_id_at(self.path)
            self._reading = None if self.path is None else open_to_read(self.path)
            if self._reading is None:
                return 0
            self.openings += 1
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            number = applied_number(self._reading, self.location)
            refuse_newer(number, self.location)
            if number > 0:
                undo.pop_all()
            return number

    def _migrate(self, number: int) -> None:
        try:
            self.writer()
        except (sqlite3.Error, OSError) as error:
            raise older_file_error(number, self.location) from error
        finally:
            self.close()

    def _check_file(self) -> None:
        """Close the connections when the open file is no longer the file at the path."""
        if self._file_id is None or self._file_id == file_id_at(self.path):
            return
        was_writing, log_id = self._writing is not None, self._log_id
        self.close()
        if was_writing:
            # SQLite leaves the log of a file that was moved, and would play it into the new file.
            if self._log is not None and log_id is not None and file_id_at(self._log) == log_id:
                self._log.unlink()
            raise StoreReplacedError(
                f"The store file {self.location} was deleted or replaced while it was open. "
                "Nothing more is written to the old file.",
                remedy="The next sync opens the file at that path and reads again everything that n8n still holds.",
            )

    @property
    def _log(self) -> Path | None:
        return None if self.path is None else Path(f"{self.path}-wal")
