"""Translate errors of SQLite and of the file system into Ticktrail's errors."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator

from ticktrail.errors import ConfigurationError, StoreRefusedError, StoreUnavailableError, TicktrailError

BUSY_SECONDS = 30.0
"""How long a writer waits for other writers before it gives up."""


@contextlib.contextmanager
def explained(location: str) -> Iterator[None]:
    """Translate errors of SQLite and the file system in the block into Ticktrail's errors.

    Errors that mean a bug in Ticktrail (ProgrammingError, InterfaceError) are not translated.
    """
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise
    except (sqlite3.Error, OSError) as error:
        raise _explanation(error, location) from error


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary error code."""
    # Errors that Python itself raises have no code.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _explanation(error: sqlite3.Error | OSError, location: str) -> TicktrailError:
    if isinstance(error, OSError):
        return _explain_file_system(error, location)
    code = primary_code(error)
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}:
        return StoreUnavailableError(
            f"{location} stayed locked by another program for {BUSY_SECONDS:.0f} seconds. Nothing was lost.",
            remedy="Wait for the other program to end (another sync, a backup, a database browser), then run again.",
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreUnavailableError(
            f"The disk that holds {location} is full. What was stored before is safe.",
            remedy="Make room on that disk, then run again.",
        )
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}:
        return StoreRefusedError(
            f"{location} or its folder is read-only here; even to read, SQLite keeps -wal and -shm files there.",
            remedy="Give this user write permission for the file and its folder, or choose another store.",
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreRefusedError(
            f"{location} cannot be opened: this user may not read it, or may not write to its folder.",
            remedy="Give this user write permission for the folder too: SQLite keeps -wal and -shm files there.",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return StoreRefusedError(
            f"{location} is not a SQLite database. Nothing in it was changed.",
            remedy="Give the path of a Ticktrail store, or of a file that does not exist yet.",
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return StoreRefusedError(
            f"{location} is damaged: {error}.",
            remedy="Move it aside, restore a backup, and run ticktrail sync --full to read again what n8n still holds.",
        )
    if code == sqlite3.SQLITE_IOERR:
        return StoreUnavailableError(
            f"{location} could not be read or written: {error}. What was stored before is safe.",
            remedy="Check the disk, and that the file is not on a network share; then run again.",
        )
    return StoreRefusedError(f"SQLite refused to work on {location}: {error}.")


def _explain_file_system(error: OSError, location: str) -> TicktrailError:
    reason = error.strerror or type(error).__name__
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreUnavailableError(
            f"The disk that should hold {location} is full.", remedy="Make room on that disk, then run again."
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return StoreRefusedError(
            f"{location} cannot be reached or created: {reason}.",
            remedy="Give this user write permission for that folder, or choose another store.",
        )
    return ConfigurationError(
        f"{location} cannot be a file: {reason}.",
        remedy="Give a path whose folders are folders, such as ~/ticktrail.db.",
    )
