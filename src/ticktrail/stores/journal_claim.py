"""The claim of a receiver to its journal: two receivers would forward webhooks in a mixed order."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ticktrail.errors import ConfigurationError
from ticktrail.stores.sqlite.errors import primary_code

_CLAIM_SECONDS = 10.0
"""Time for the receiver before this one to end."""


@contextmanager
def claimed(journal: Path) -> Iterator[None]:
    """Keep other receivers from a journal during the block.

    Raises:
        ConfigurationError: another process has claimed it.
    """
    path = _lock_of(journal)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_CLAIM_SECONDS)) as lock:
        try:
            lock.execute("PRAGMA journal_mode = OFF")
            # The system releases this lock when the process ends, however it ends.
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise ConfigurationError(
                f"Another receiver uses the journal {journal}.",
                remedy="Stop it, or set TICKTRAIL_JOURNAL to another file.",
            ) from error
        yield


def is_claimed(journal: Path) -> bool:
    """Return True while a receiver uses a journal."""
    path = _lock_of(journal)
    if not path.is_file():
        return False
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as lock:
        try:
            lock.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return primary_code(error) == sqlite3.SQLITE_BUSY
        lock.execute("ROLLBACK")
        return False


def _lock_of(journal: Path) -> Path:
    return Path(f"{journal}.lock")
