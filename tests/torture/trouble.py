"""The error and the faults that all stories share."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path


class TortureError(AssertionError):
    """A guarantee does not hold."""


def hold_lock(path: Path, seconds: float) -> None:
    """Keep a SQLite file locked for a while, as a backup does."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=0.1)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
