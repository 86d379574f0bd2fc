"""Connections to a SQLite file: the path of a store URL, how the file is opened, and transactions."""

from __future__ import annotations

import contextlib
import os
import random
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_from_bytes

from ticktrail.errors import ConfigurationError, SettingsError
from ticktrail.messages.campaign import campaign_of
from ticktrail.stores.sqlite.errors import BUSY_SECONDS, primary_code
from ticktrail.text.phone_numbers import person_id

MEMORY = ":memory:"

FileId = tuple[int, int]
"""Device and inode of a file."""

WAL_LIMIT_BYTES = 64 * 1024 * 1024
"""A write-ahead log larger than this is checkpointed and truncated (with a steady reader it reached 0.9 GB)."""

_CHECKPOINT_WAIT_MILLISECONDS = 250
_CACHE_KIBIBYTES = 4_096
"""Small: the system caches the file too, and memory stays flat for any store. 64 MB was no faster."""
_CHECKPOINT_PAGES = 4_000


def path_of(url: str) -> Path | None:
    """Return the absolute path of a store URL; None for a store in memory.

    ``sqlite:///a.db`` is relative, ``sqlite:////srv/a.db`` absolute, anything without ``sqlite:`` is a path. Nothing is
    percent-decoded; ``~`` is the home folder.

    Raises:
        ConfigurationError: the URL names no file.
    """
    prefix = re.match(r"sqlite://", url, re.IGNORECASE)
    rest = url[prefix.end() :] if prefix else url
    if rest == MEMORY or (prefix and rest in {"", f"/{MEMORY}"}):
        return None
    if prefix:
        if not rest.startswith("/"):
            raise ConfigurationError(
                f"The store URL {url} has two slashes where SQLite needs three or four.",
                remedy="Write sqlite:///folder/file.db (relative), sqlite:////folder/file.db (absolute) or a path.",
            )
        rest = rest[1:]
    if not rest or "\0" in rest:
        raise ConfigurationError(
            "The store URL names no file.", remedy="Give the path of a SQLite file, such as ~/ticktrail.db."
        )
    try:
        return Path(rest).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigurationError(f"The home folder in {rest} is unknown.", remedy="Write the path in full.") from error


def open_to_read(path: Path) -> sqlite3.Connection | None:
    """Return a connection that cannot change the file; None when there is no file.

    ``mode=ro`` is not used, because such a connection leaves the -wal and -shm files behind when it is the last to
    close. ``mode=rw`` does not create the file either, and falls back to reading where writing is not allowed.
    """
    refuse_directory(path)
    if not path.exists():
        return None
    connection = _connect(path)
    try:
        connection.execute("PRAGMA query_only = 1")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_write(path: Path | None) -> sqlite3.Connection:
    """Return a connection that may change the file, which is created with its folder when missing; None is memory.

    An existing file is not changed yet, because it may belong to another program.
    """
    if path is None:
        return _connect(None)
    refuse_directory(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # It contains phone numbers, so only its owner may read it. SQLite gives -wal and -shm the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    return _connect(path)


def _connect(path: Path | None) -> sqlite3.Connection:
    """Connect to an existing file, or to memory, with the functions that statements call.

    They are registered here because SQLite refuses that while a statement runs.
    """
    if path is None:
        connection = sqlite3.connect(MEMORY, isolation_level=None)
    else:
        connection = sqlite3.connect(_uri(path, "rw"), uri=True, isolation_level=None, timeout=BUSY_SECONDS)
    connection.create_function("campaign_of", 2, campaign_of, deterministic=True)
    connection.create_function("person_id", 1, _person_id, deterministic=True)
    return connection


def _person_id(value: object) -> str | None:
    return person_id(value) if isinstance(value, str) else None


def make_durable(connection: sqlite3.Connection) -> None:
    """Set WAL mode, so that others can read while this connection writes, and sync every commit to disk.

    On a file system without shared memory SQLite keeps its older journal, which is as safe but blocks readers.
    """
    # Changing the mode ignores the busy timeout: some simultaneous first openings would fail at once.
    _with_retries(connection, "PRAGMA journal_mode = WAL")
    # FULL syncs the log at every commit. With NORMAL a power cut could undo a commit that was reported.
    connection.execute("PRAGMA synchronous = FULL")
    # macOS' fsync() leaves data in the drive's cache; this asks for F_FULLFSYNC. Elsewhere it does nothing.
    connection.execute("PRAGMA fullfsync = 1")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIBIBYTES}")
    # Pages that every batch changes are copied into the file once for several batches (a quarter faster).
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Run a block in a transaction that is committed at its end, or rolled back when an error leaves it."""
    if kind == "IMMEDIATE":
        _begin_to_write(connection)
    else:
        connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # After a full disk SQLite has rolled back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def savepoint(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a part of a transaction that is undone alone when an error leaves the block."""
    connection.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO part")
            connection.execute("RELEASE part")
        raise
    connection.execute("RELEASE part")


def truncate_log(connection: sqlite3.Connection) -> bool:
    """Checkpoint the write-ahead log and truncate it. Returns False when a reader prevents that."""
    connection.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_WAIT_MILLISECONDS}")
    try:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    return not busy


def refuse_directory(path: Path) -> None:
    """Raise SettingsError when the path is a folder."""
    if path.is_dir():
        raise SettingsError(
            f"{path} is a folder, not a SQLite file.", remedy=f"Give a file, such as {path / 'ticktrail.db'}."
        )


def _uri(path: Path, mode: str) -> str:
    """Return the file: URI of a path, with special characters (space, ?, #, %) escaped."""
    posix = path.as_posix()
    return f"file://{'' if posix.startswith('/') else '/'}{quote_from_bytes(os.fsencode(posix))}?mode={mode}"


def file_id_at(path: Path | None) -> FileId | None:
    """Return device and inode of the file at a path; None when there is none."""
    if path is None:
        return None
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def _begin_to_write(connection: sqlite3.Connection) -> None:
    """Wait for the write lock by trying often.

    SQLite itself tries every 100 ms in the end, while busy writers leave gaps of a millisecond: with four writers one
    waited for six seconds.
    """
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        _with_retries(connection, "BEGIN IMMEDIATE")
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def _with_retries(connection: sqlite3.Connection, statement: str) -> None:
    """Execute a statement that fails at once while another connection writes, and retry it for a while."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if primary_code(error) not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.0005, 0.005))  # noqa: S311 - only to keep waiting processes apart
        else:
            return
