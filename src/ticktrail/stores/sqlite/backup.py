"""A copy of a SQLite ledger as it is at one moment, made by SQLite's own means while others write."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from pathlib import Path

from ticktrail.errors import ConfigurationError, StoreRefusedError


def back_up(connection: sqlite3.Connection, target: Path) -> int:
    """Copy the database of a connection to a new file, checked, for its owner only. Returns its size in bytes.

    The copy is one transaction that reads: writers of a file in WAL mode go on meanwhile. It gets its name when it is
    whole, so a name never stands for half a copy.

    Raises:
        ConfigurationError: there is such a file, or no such folder.
        StoreRefusedError: the copy is damaged, so the ledger is.
    """
    target = target.expanduser().absolute()
    _refuse(target)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        copy = sqlite3.connect(part, isolation_level=None)
        try:
            # All pages in one step: in several, every write of others would make it begin anew.
            connection.backup(copy)
            # One file that stands alone, without a log beside it.
            copy.execute("PRAGMA journal_mode = DELETE")
            verdict = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        finally:
            copy.close()
        if verdict != "ok":
            raise StoreRefusedError(
                f"The copy is damaged, so the ledger is: {verdict}. Nothing was left at {target}.",
                remedy="Keep the ledger as it is, take the last good backup, and run: ticktrail sync --full",
            )
        _sync_to_disk(part)
        size = part.stat().st_size
        _rename(part, target)
    finally:
        for leftover in (part, Path(f"{part}-journal"), Path(f"{part}-wal"), Path(f"{part}-shm")):
            with contextlib.suppress(OSError):
                leftover.unlink()
    return size


def _refuse(target: Path) -> None:
    if target.is_dir():
        raise ConfigurationError(f"{target} is a folder.", remedy=f"Give a file in it: {target / 'ticktrail.backup'}")
    if target.exists() or target.is_symlink():
        raise ConfigurationError(
            f"{target} exists already, and a backup never overwrites one.", remedy="Choose another name, with a date."
        )
    if not target.parent.is_dir():
        raise ConfigurationError(f"There is no folder {target.parent}.", remedy="Make it first, or choose another.")


def _rename(part: Path, target: Path) -> None:
    """Give a file its name unless somebody took it meanwhile."""
    try:
        # A link fails where a name is taken; renaming would replace it (though not on Windows).
        os.link(part, target)
    except FileExistsError:
        _refuse(target)
        raise
    except OSError:
        # A file system without links, such as a USB stick's.
        _refuse(target)
        part.rename(target)


def _sync_to_disk(file: Path) -> None:
    with file.open("r+b") as opened:
        os.fsync(opened.fileno())
