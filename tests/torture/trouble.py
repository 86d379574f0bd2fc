"""The error and the faults that all stories share."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path

from tests.support.faulty_server import FaultyServer


class TortureError(AssertionError):
    """A guarantee does not hold."""


class Troubles:
    """Faults that a story began and that end by themselves."""

    def __init__(self, chance: random.Random, counts: Counter[str]) -> None:
        self._chance = chance
        self._counts = counts
        self._threads: list[threading.Thread] = []

    def begin(self, trouble: threading.Thread) -> None:
        """Begin a fault; the thread ends it."""
        trouble.start()
        self._threads.append(trouble)

    def stop_n8n(self, n8n: FaultyServer) -> None:
        """Stop n8n and start it again after a moment."""
        self._counts["n8n away"] += 1
        n8n.stop()
        self.begin(threading.Timer(self._chance.uniform(0.05, 0.6), n8n.start))

    def wait(self) -> None:
        """Wait until every fault has ended."""
        while self._threads:
            self._threads.pop().join()


def hold_lock(path: Path, seconds: float) -> None:
    """Keep a SQLite file locked for a while, as a backup does."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=0.1)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")
