"""Copy a SQLite store as it is at one moment, with SQLite's backup API, while others write."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
import time
from pathlib import Path

from ticktrail.errors import ConfigurationError, StoreRefusedError, StoreUnavailableError
from ticktrail.stores.sqlite.errors import explained, primary_code

_PART = re.compile(r"\..+\.[0-9a-f]{8}\.part(?:-journal|-wal|-shm)?")
"""Names of unfinished copies."""

_ABANDONED_SECONDS = 3_600.0
"""An unfinished copy that was not written to for this long belongs to a backup that was killed."""


def back_up(connection: sqlite3.Connection, target: Path) -> int:
    """Copy the database of a connection to a new file, readable by its owner only. Returns its size in bytes.

    The copy is one read transaction: writers of a file in WAL mode continue meanwhile. It gets its name when it is
    whole and checked. Unfinished copies that killed backups left in the same folder are removed.

    Raises:
        ConfigurationError: the target exists, or its folder does not.
        StoreUnavailableError: the target's disk is full.
        StoreRefusedError: the copy is damaged, so the store is.
    """
    target = target.expanduser().absolute()
    _refuse(target)
    _remove_abandoned(target.parent)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with explained(str(target)):
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        verdict = _copy(connection, part, target)
        if verdict != "ok":
            raise StoreRefusedError(
                f"The copy is damaged, so the store is: {verdict}. Nothing was left at {target}.",
                remedy="Keep the store as it is, restore the last good backup, and run: ticktrail sync --full",
            )
        with explained(str(target)):
            _sync_to_disk(part)
            size = part.stat().st_size
            _rename(part, target)
    finally:
        for leftover in (part, Path(f"{part}-journal"), Path(f"{part}-wal"), Path(f"{part}-shm")):
            with contextlib.suppress(OSError):
                leftover.unlink()
    return size


def _copy(connection: sqlite3.Connection, part: Path, target: Path) -> str:
    """Copy, and check the copy. Returns SQLite's verdict, ``ok`` for a sound one."""
    copy = sqlite3.connect(part, isolation_level=None)
    try:
        # All pages in one step: in several, every write of others would restart the copy.
        connection.backup(copy)
        # One file, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        return str(copy.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if primary_code(error) != sqlite3.SQLITE_FULL:
            raise
        raise StoreUnavailableError(
            f"The disk that should hold {target} is full. Nothing was left there, and the store is as it was.",
            remedy=f"Make room on the disk of {target.parent}, or choose another folder.",
        ) from error
    finally:
        copy.close()


def _remove_abandoned(folder: Path) -> None:
    """Remove unfinished copies of backups that were killed."""
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            if _PART.fullmatch(file.name) and time.time() - file.stat().st_mtime > _ABANDONED_SECONDS:
                file.unlink()


def _refuse(target: Path) -> None:
    if target.is_dir():
        raise ConfigurationError(f"{target} is a folder.", remedy=f"Give a file in it: {target / 'ticktrail.backup'}")
    if target.exists() or target.is_symlink():
        raise ConfigurationError(
            f"{target} exists already, and a backup never overwrites a file.",
            remedy="Choose another name, with a date.",
        )
    if not target.parent.is_dir():
        raise ConfigurationError(f"There is no folder {target.parent}.", remedy="Create it, or choose another.")


def _rename(part: Path, target: Path) -> None:
    """Give a file its name unless that was taken meanwhile."""
    try:
        # A link fails where the name is taken; renaming would replace the file (except on Windows).
        os.link(part, target)
    except FileExistsError:
        _refuse(target)
        raise
    except OSError:
        # The file system has no links, such as that of a USB stick.
        _refuse(target)
        part.rename(target)


def _sync_to_disk(file: Path) -> None:
    with file.open("r+b") as opened:
        os.fsync(opened.fileno())
