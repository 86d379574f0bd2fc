"""Connections to n8n's database that cannot disturb n8n.

Every statement is an autocommit read: on SQLite's rollback journal a transaction of 15 seconds made n8n lose
executions.
A SQLite file in WAL mode is opened only where its ``-shm`` and ``-wal`` files exist and belong to the file's owner:
otherwise SQLite would create them under our user, and n8n could not open its database again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from ticktrail.errors import ConfigurationError, SourceRefusedError, SourceUnavailableError
from ticktrail.settings.optional_packages import install_command

Row = tuple[Any, ...]

_BUSY_SECONDS = 5.0
_STATEMENT_SECONDS = 20
_CONNECT_SECONDS = 5
_WAL_VERSION = 2


class Database(Protocol):
    """Short reads from one database. Statements mark values with ``?`` and quote names with ``"``."""

    location: str

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one SELECT to its end.

        Raises:
            SourceUnavailableError: the database is away or busy.
            SourceRefusedError: it refuses this user.
        """
        ...

    def columns(self, table: str) -> frozenset[str]:
        """Names of a table's columns; empty when there is no such table."""
        ...

    def as_bytes(self, column: str) -> str:
        """SQL for a column of text or JSON as bytes in UTF-8."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def open_database(url: str, schema: str | None) -> Database:
    """Open n8n's database.

    Args:
        url: ``sqlite:///path``, a path, or ``postgresql://…``.
        schema: PostgreSQL's schema, ``public`` when None.

    Raises:
        ConfigurationError: the URL names no database that n8n uses, or a package is missing.
    """
    if url.lower().startswith(("postgres://", "postgresql://")):
        return PostgresDatabase(url, schema or "public")
    path = url.removeprefix("sqlite:///") if url.lower().startswith("sqlite:///") else url
    return SqliteDatabase(Path(path))


class SqliteDatabase:
    """n8n's SQLite file, opened for each read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.location = str(path)

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one SELECT on a connection of its own; see :class:`Database`."""
        immutable = self._must_be_immutable()
        try:
            uri = f"{self.path.resolve().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
            try:
                rows = connection.execute(statement, values).fetchall()
            finally:
                connection.close()
                self._remove_own_files()
        except sqlite3.OperationalError as error:
            raise self._unavailable(error) from error
        except sqlite3.DatabaseError as error:
            raise SourceRefusedError(
                f"{self.path} cannot be read as a SQLite database: {error}.",
                remedy="Set N8N_DATABASE_URL to n8n's database.sqlite, in the folder .n8n of n8n's user.",
            ) from error
        if immutable and not self._must_be_immutable():
            raise SourceUnavailableError(
                f"n8n started while {self.path} was read. Nothing was lost.", remedy="The next sync reads it again."
            )
        return rows

    def columns(self, table: str) -> frozenset[str]:
        """Names of a table's columns; see :class:`Database`."""
        return frozenset(name for (name,) in self.read("SELECT name FROM pragma_table_info(?)", (table,)))

    def as_bytes(self, column: str) -> str:
        """The text as it is stored: SQLite does not check that it is UTF-8."""
        return f"CAST({column} AS BLOB)"

    def close(self) -> None:
        """Nothing is open between reads."""

    def _must_be_immutable(self) -> bool:
        """Return True when nothing has the file open, so that it must be read as an unchanging file.

        Raises:
            SourceRefusedError: opening the file could keep n8n from opening it again.
            SourceUnavailableError: n8n is starting, or the file was copied without the two beside it.
        """
        try:
            with self.path.open("rb") as file:
                header = file.read(20)
            owner = self.path.stat().st_uid
        except FileNotFoundError:
            raise SourceRefusedError(
                f"There is no n8n database at {self.path}.",
                remedy="Set N8N_DATABASE_URL to n8n's database.sqlite, in the folder .n8n of n8n's user.",
            ) from None
        except OSError as error:
            raise SourceRefusedError(
                f"{self.path} cannot be read: {error.strerror or error}.",
                remedy=f"Give this user the right to read {self.path.name} and to enter its folder, as root: "
                f"setfacl -m u:$USER:rx {self.path.parent} && setfacl -m u:$USER:r {self.path.parent}/database.sqlite*",
            ) from error
        if len(header) < 20 or header[18] != _WAL_VERSION:
            return False
        beside = self._beside()
        present = [file for file in beside if file.exists()]
        if not present:
            return True
        strangers = [file.name for file in present if file.stat().st_uid != owner]
        if strangers:
            raise SourceRefusedError(
                f"{' and '.join(strangers)} beside {self.path.name} belong to another user than n8n's.",
                remedy=f"Stop n8n, then as root: chown --reference={self.path} {self.path}-wal {self.path}-shm",
            )
        if len(present) < len(beside):
            raise SourceUnavailableError(
                f"{self.path} has only {present[0].name} beside it: n8n is starting, or this is an incomplete copy. "
                "Nothing was lost.",
                remedy="The next sync tries again. A copy needs the files -wal and -shm too, or n8n stopped before it.",
            )
        return False

    def _remove_own_files(self) -> None:
        """Remove the empty files that SQLite made under our user when n8n stopped just before the read."""
        if os.name == "nt" or os.geteuid() == 0:
            return  # root gives new files to the owner of the database
        with contextlib.suppress(OSError):
            owner = self.path.stat().st_uid
            for file in self._beside():
                if file.exists() and file.stat().st_uid == os.geteuid() != owner:
                    file.unlink()

    def _beside(self) -> list[Path]:
        return [self.path.with_name(f"{self.path.name}{ending}") for ending in ("-wal", "-shm")]

    def _unavailable(self, error: sqlite3.Error) -> SourceUnavailableError:
        return SourceUnavailableError(
            f"n8n's database {self.path} cannot be read now: {error}. Nothing was lost.",
            remedy="The next sync tries again. A folder without reading rights, or a lock that stays, is the cause.",
        )


class PostgresDatabase:
    """n8n's PostgreSQL database over one autocommit connection that may only read."""

    def __init__(self, url: str, schema: str) -> None:
        try:
            import psycopg  # noqa: PLC0415 - the driver loads when chosen
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "Reading n8n's PostgreSQL database needs the package psycopg, which is not installed.",
                remedy=f"Type: {install_command('postgresql')}",
            ) from error
        self._psycopg = psycopg
        self._url = url
        self._schema = schema
        self._connection: Any = None
        parts = psycopg.conninfo.conninfo_to_dict(url)
        self.location = f"postgresql://{parts.get('host', 'localhost')}/{parts.get('dbname', '')}"

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one SELECT; see :class:`Database`."""
        try:
            connection = self._connected()
            with connection.cursor(binary=True) as cursor:
                cursor.execute(statement.replace("?", "%s"), values)
                found: list[Row] = cursor.fetchall()
                return found
        except self._psycopg.errors.InsufficientPrivilege as error:
            raise SourceRefusedError(
                f"PostgreSQL refuses this user: {_first_line(error)}.",
                remedy="Grant SELECT on n8n's tables execution_entity, execution_data and workflow_entity.",
            ) from error
        except self._psycopg.OperationalError as error:
            self.close()
            raise SourceUnavailableError(
                f"n8n's database {self.location} does not answer: {_first_line(error)}. Nothing was lost.",
                remedy="Is it running, is N8N_DATABASE_URL right, and may this machine connect?",
            ) from error
        except self._psycopg.Error as error:
            raise SourceRefusedError(f"PostgreSQL refuses: {_first_line(error)}.", remedy="") from error

    def columns(self, table: str) -> frozenset[str]:
        """Names of a table's columns; see :class:`Database`."""
        rows = self.read(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?",
            (self._schema, table),
        )
        return frozenset(name for (name,) in rows)

    def as_bytes(self, column: str) -> str:
        """The text in UTF-8, whatever the database's encoding."""
        return f"convert_to(CAST({column} AS text), 'UTF8')"

    def close(self) -> None:
        """Close the connection; the next read opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> Any:
        if self._connection is None or self._connection.closed:
            options = f"-c statement_timeout={_STATEMENT_SECONDS}s -c default_transaction_read_only=on"
            self._connection = self._psycopg.connect(
                self._url,
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                application_name="ticktrail",
                options=f"{options} -c search_path={self._schema}",
            )
        return self._connection


def _first_line(error: BaseException) -> str:
    """The first line of a driver's message, which may repeat the statement below."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
