"""The receiver's journal: webhooks on disk, from the answer to Meta until they are stored and forwarded.

One SQLite file. Webhooks are appended with ``synchronous=FULL``: what :meth:`Journal.append` returned from survives a
crash of the machine. Finished work is noted with ``synchronous=NORMAL``, which does not wait for the disk: after a
crash a webhook may be stored (merging makes that harmless) or forwarded a second time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from ticktrail.errors import StoreRefusedError

DONE, WAITING, FAILED = 0, 1, 2
"""State of one of the two jobs of a webhook: done or not needed, waiting, given up until someone replays it."""

LATE_SECONDS = 900
"""A webhook that waits longer than this makes ``/readyz`` answer 503 and raises an alert."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS webhook (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    received_at REAL NOT NULL,
    number TEXT NOT NULL,
    path TEXT NOT NULL,
    content_type TEXT,
    signature TEXT,
    body BLOB NOT NULL,
    storing INTEGER NOT NULL,
    forwarding INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_try_at REAL NOT NULL DEFAULT 0,
    reason TEXT
);
CREATE INDEX IF NOT EXISTS webhook_storing ON webhook (id) WHERE storing = 1;
CREATE INDEX IF NOT EXISTS webhook_forwarding ON webhook (number, id) WHERE forwarding = 1;
CREATE INDEX IF NOT EXISTS webhook_failed ON webhook (id) WHERE storing = 2 OR forwarding = 2;
CREATE TABLE IF NOT EXISTS count (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """One received webhook.

    Attributes:
        received_at: Unix seconds.
        number: ``phone_number_id``; webhooks of one number are forwarded in order.
        path: path and query string of the request, which n8n gets too.
        content_type: and ``signature``: Meta's headers, forwarded unchanged.
        storing: and ``forwarding``: :data:`DONE`, :data:`WAITING` or :data:`FAILED`.
    """

    id: int = 0
    received_at: float
    number: str
    path: str
    content_type: str | None
    signature: str | None
    body: bytes
    storing: int
    forwarding: int
    attempts: int = 0


class JournalState(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of the journal.

    Attributes:
        to_store: webhooks whose statuses are not stored yet; ``to_forward``: webhooks that n8n did not get yet.
        failed: webhooks that could not be stored or forwarded.
        oldest_at: Unix seconds when the oldest waiting webhook was received; None when none waits.
        reasons: of failed or repeated attempts, the commonest first, with their number.
        counts: since the journal exists: ``received``, ``stored``, ``forwarded``, ``wrong_signature``, ``unheard``
            (n8n answered and started no execution).
    """

    to_store: int
    to_forward: int
    failed: int
    oldest_at: float | None
    reasons: tuple[tuple[str, int], ...]
    counts: dict[str, int]

    def is_late(self, now: float) -> bool:
        """Return whether a webhook has waited longer than :data:`LATE_SECONDS`."""
        return self.oldest_at is not None and now - self.oldest_at > LATE_SECONDS


_COUNT = "INSERT INTO count VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
_COLUMNS = "id, received_at, number, path, content_type, signature, body, storing, forwarding, attempts"


class Journal:
    """The journal in one file. Any thread may use it; calls are serialised.

    Args:
        path: created with mode 600 when missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._append_lock, self._lock = threading.Lock(), threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._appending = _connect(path, "FULL")
            self._appending.executescript(_SCHEMA)
            self._connection = _connect(path, "NORMAL")
        except (OSError, sqlite3.Error) as error:
            raise StoreRefusedError(
                f"The journal {path} cannot be opened: {error}.",
                remedy="Set TICKTRAIL_JOURNAL to a file in a folder that this user may write to.",
            ) from error

    def append(self, webhooks: Sequence[Webhook]) -> None:
        """Write webhooks in one transaction. They are on disk when this returns.

        Raises:
            sqlite3.Error: nothing was written.
        """
        with self._append_lock, _transaction(self._appending):
            self._appending.executemany(
                "INSERT INTO webhook (received_at, number, path, content_type, signature, body, storing, forwarding)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        webhook.received_at,
                        webhook.number,
                        webhook.path,
                        webhook.content_type,
                        webhook.signature,
                        webhook.body,
                        webhook.storing,
                        webhook.forwarding,
                    )
                    for webhook in webhooks
                ],
            )
            self._appending.execute(_COUNT, ("received", len(webhooks)))

    def count(self, name: str, number: int = 1) -> None:
        """Add to one of the counts of :class:`JournalState`."""
        with self._lock, _transaction(self._connection):
            self._add(name, number)

    def to_store(self, limit: int) -> list[Webhook]:
        """The oldest webhooks whose statuses are not stored yet."""
        statement = f"SELECT {_COLUMNS} FROM webhook WHERE storing = 1 ORDER BY id LIMIT ?"  # noqa: S608 - a constant
        return self._webhooks(statement, (limit,))

    def next_to_forward(self, now: float, busy: Iterable[str], limit: int) -> list[Webhook]:
        """The first waiting webhook of each number that is due, numbers in ``busy`` left out.

        A number whose first webhook is not due yet waits as a whole, so that its order is kept.
        """
        skipped = list(busy)
        marks = ", ".join("?" * len(skipped))
        return self._webhooks(
            f"SELECT {_COLUMNS} FROM webhook WHERE id IN (SELECT min(id) FROM webhook WHERE forwarding = 1"  # noqa: S608
            f" GROUP BY number) AND number NOT IN ({marks}) AND next_try_at <= ? ORDER BY id LIMIT ?",
            (*skipped, now, limit),
        )

    def stored(self, ids: Sequence[int], *, failed: dict[int, str] | None = None) -> None:
        """Note that the statuses of these webhooks are stored, or, with a reason each, that the store refused them."""
        failed = failed or {}
        with self._lock, _transaction(self._connection):
            self._connection.executemany("UPDATE webhook SET storing = 0 WHERE id = ?", [(number,) for number in ids])
            self._connection.executemany(
                "UPDATE webhook SET storing = 2, reason = ? WHERE id = ?",
                [(reason, number) for number, reason in failed.items()],
            )
            self._add("stored", len(ids))
            self._drop_done(ids)

    def forwarded(self, webhook_id: int) -> None:
        """Note that n8n got this webhook."""
        with self._lock, _transaction(self._connection):
            self._connection.execute("UPDATE webhook SET forwarding = 0 WHERE id = ?", (webhook_id,))
            self._add("forwarded", 1)
            self._drop_done([webhook_id])

    def postpone(self, webhook_id: int, *, next_try_at: float, reason: str) -> None:
        """Note a failed attempt to forward and when to try again."""
        self._execute(
            "UPDATE webhook SET attempts = attempts + 1, next_try_at = ?, reason = ? WHERE id = ?",
            (next_try_at, reason, webhook_id),
        )

    def give_up(self, webhook_id: int, *, reason: str) -> None:
        """Keep a webhook as undeliverable, until :meth:`replay`."""
        self._execute(
            "UPDATE webhook SET attempts = attempts + 1, forwarding = 2, reason = ? WHERE id = ?", (reason, webhook_id)
        )

    def replay(self, now: float) -> int:
        """Make every failed webhook wait again, as if received at ``now``. Returns their number."""
        with self._lock, _transaction(self._connection):
            changed = self._connection.execute(
                "UPDATE webhook SET received_at = ?, attempts = 0, next_try_at = 0, reason = NULL,"
                " storing = CASE storing WHEN 2 THEN 1 ELSE storing END,"
                " forwarding = CASE forwarding WHEN 2 THEN 1 ELSE forwarding END"
                " WHERE storing = 2 OR forwarding = 2",
                (now,),
            )
            return changed.rowcount

    def state(self) -> JournalState:
        """Summary of what the journal holds."""
        with self._lock:
            to_store, to_forward, failed, oldest = self._connection.execute(
                "SELECT coalesce(sum(storing = 1), 0), coalesce(sum(forwarding = 1), 0),"
                " coalesce(sum(storing = 2 OR forwarding = 2), 0),"
                " min(CASE WHEN storing = 1 OR forwarding = 1 THEN received_at END) FROM webhook"
            ).fetchone()
            reasons = self._connection.execute(
                "SELECT reason, count(*) FROM webhook WHERE reason IS NOT NULL GROUP BY reason ORDER BY 2 DESC LIMIT 10"
            ).fetchall()
            counts = self._connection.execute("SELECT name, value FROM count").fetchall()
        return JournalState(
            to_store=to_store,
            to_forward=to_forward,
            failed=failed,
            oldest_at=oldest,
            reasons=tuple(reasons),
            counts=dict(counts),
        )

    def failed(self, limit: int) -> list[tuple[int, float, str, int, str]]:
        """Failed webhooks, oldest first: id, received_at, path, attempts and reason. No body."""
        with self._lock:
            return self._connection.execute(
                "SELECT id, received_at, path, attempts, coalesce(reason, '') FROM webhook"
                " WHERE storing = 2 OR forwarding = 2 ORDER BY id LIMIT ?",
                (limit,),
            ).fetchall()

    def close(self) -> None:
        """Close the file. The journal is not used afterwards."""
        with self._append_lock, self._lock:
            self._appending.close()
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _add(self, name: str, number: int) -> None:
        self._connection.execute(_COUNT, (name, number))

    def _drop_done(self, ids: Sequence[int]) -> None:
        self._connection.executemany(
            "DELETE FROM webhook WHERE id = ? AND storing = 0 AND forwarding = 0", [(number,) for number in ids]
        )

    def _execute(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._lock, _transaction(self._connection):
            self._connection.execute(statement, values)

    def _webhooks(self, statement: str, values: tuple[Any, ...]) -> list[Webhook]:
        with self._lock:
            rows = self._connection.execute(statement, values).fetchall()
        return [Webhook(**dict(zip(Webhook.__struct_fields__, row, strict=True))) for row in rows]


def read_state(path: Path) -> JournalState | None:
    """Summary of the journal at a path; None when there is none.

    Raises:
        StoreRefusedError: the file is no journal, or cannot be read.
    """
    if not path.is_file():
        return None
    with Journal(path) as journal:
        return journal.state()


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.executescript(
        f"PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA secure_delete = ON;"
    )
    return connection


class _transaction:  # noqa: N801 - used like a function
    """One transaction that takes the write lock at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
