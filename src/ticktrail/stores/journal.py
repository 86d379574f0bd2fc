"""The receiver's journal: webhooks on disk, from the answer to Meta until they are stored and forwarded.

One SQLite file. Webhooks are appended with ``synchronous=FULL``: what :meth:`Journal.append` returned from survives a
crash of the machine. Finished work is noted with ``synchronous=NORMAL``, which does not wait for the disk: after a
crash a webhook may be stored (merging makes that harmless) or forwarded a second time. Deleted webhooks are overwritten
with zeros, and :meth:`Journal.clear_traces` removes their copies from the write-ahead log.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from ticktrail.errors import StoreRefusedError, StoreReplacedError, TicktrailError
from ticktrail.stores.erasure import TextEraser, people_in
from ticktrail.stores.sqlite.connection import file_id_at, make_durable, transaction, truncate_log
from ticktrail.stores.sqlite.errors import BUSY_SECONDS, explained

DONE, WAITING, FAILED = 0, 1, 2
"""State of one of the two jobs of a webhook: done or not needed, waiting, or given up until it is replayed."""

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
CREATE INDEX IF NOT EXISTS webhook_to_store ON webhook (id, received_at) WHERE storing = 1;
CREATE INDEX IF NOT EXISTS webhook_to_forward ON webhook (number, path, id, received_at) WHERE forwarding = 1;
CREATE INDEX IF NOT EXISTS webhook_failed ON webhook (id) WHERE storing = 2 OR forwarding = 2;
CREATE INDEX IF NOT EXISTS webhook_reason ON webhook (reason) WHERE reason IS NOT NULL;
CREATE TABLE IF NOT EXISTS count (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS counted_last (name TEXT PRIMARY KEY, at REAL NOT NULL);
"""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """One received webhook.

    Attributes:
        received_at: Unix seconds.
        number: ``phone_number_id``.
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

    @property
    def queue(self) -> tuple[str, str]:
        """Number and path: webhooks that agree in both are forwarded in order.

        The path too, because one deactivated workflow must not hold up the others of its number.
        """
        return self.number, self.path


class JournalState(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of the journal.

    Attributes:
        to_store: webhooks whose statuses are not stored yet; ``to_forward``: webhooks that n8n did not get yet.
        failed: webhooks that could not be stored or forwarded.
        oldest_at: Unix seconds when the oldest waiting webhook was received; None when none waits.
        reasons: of failed or repeated attempts, the commonest first, with their number.
        counts: since the journal exists: ``received``, ``stored``, ``forwarded``, ``wrong_signature``, ``unheard``
            (n8n answered and started no execution).
        counted_at: Unix seconds of the last change of each count.
    """

    to_store: int
    to_forward: int
    failed: int
    oldest_at: float | None
    reasons: tuple[tuple[str, int], ...]
    counts: dict[str, int]
    counted_at: dict[str, float]

    def is_late(self, now: float) -> bool:
        """Return whether a webhook has waited longer than :data:`LATE_SECONDS`."""
        return self.oldest_at is not None and now - self.oldest_at > LATE_SECONDS


_COLUMNS = "id, received_at, number, path, content_type, signature, body, storing, forwarding, attempts"


_FIRST_OF_EACH_QUEUE = """
WITH RECURSIVE first (number, path, id) AS (
    SELECT * FROM (SELECT number, path, id FROM webhook WHERE forwarding = 1 ORDER BY number, path, id LIMIT 1)
    UNION ALL
    SELECT following.number, following.path, following.id FROM first JOIN webhook AS following
        ON following.id = coalesce(
            (SELECT id FROM webhook WHERE forwarding = 1 AND number = first.number AND path > first.path
                ORDER BY path, id LIMIT 1),
            (SELECT id FROM webhook WHERE forwarding = 1 AND number > first.number ORDER BY number, path, id LIMIT 1)
        )
)
"""
"""Jumps from queue to queue in the index: grouping would read every waiting webhook for each one that is forwarded."""


class Journal:
    """The journal in one file. Any thread may use it; calls are serialised.

    Every method raises a TicktrailError when the file cannot be used (locked, on a full disk); nothing changed then.

    Args:
        path: created with mode 600 when missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._append_lock, self._lock = threading.Lock(), threading.Lock()
        # An earlier process may have left some.
        self._has_traces = True
        try:
            with explained(str(path)):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o600)
                self._appending = _connect(path)
                self._appending.executescript(_SCHEMA)
                self._connection = _connect(path)
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._file_id = file_id_at(path)
        except TicktrailError as error:
            raise StoreRefusedError(
                f"The journal cannot be opened: {error}",
                remedy="Set TICKTRAIL_JOURNAL to a file in a folder that this user may write to.",
            ) from error

    def append(self, webhooks: Sequence[Webhook], *, wrong_signatures: int = 0) -> None:
        """Write webhooks in one transaction. They are on disk when this returns.

        Args:
            wrong_signatures: requests to count that were refused.

        Raises:
            StoreReplacedError: the file was deleted or replaced, and what was written to it would be lost.
        """
        self._refuse_replaced()
        with self._append_lock, explained(str(self.path)), transaction(self._appending):
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
            _add(self._appending, received=len(webhooks), wrong_signature=wrong_signatures)
        self._refuse_replaced()

    def to_store(self, limit: int) -> list[Webhook]:
        """The oldest webhooks whose statuses are not stored yet."""
        return self._webhooks(f"SELECT {_COLUMNS} FROM webhook WHERE storing = 1 ORDER BY id LIMIT ?", (limit,))  # noqa: S608 - a constant

    def next_to_forward(self, now: float, busy: Iterable[tuple[str, str]], limit: int) -> list[Webhook]:
        """The first waiting webhook of each queue that is due, queues in ``busy`` left out.

        A queue whose first webhook is not due yet waits as a whole, so that its order is kept.
        """
        skipped = list(busy)
        others = " AND NOT (number = ? AND path = ?)" * len(skipped)
        return self._webhooks(
            f"{_FIRST_OF_EACH_QUEUE} SELECT {_COLUMNS} FROM webhook WHERE id IN (SELECT id FROM first)"  # noqa: S608
            f" AND next_try_at <= ?{others} ORDER BY id LIMIT ?",
            (now, *(part for queue in skipped for part in queue), limit),
        )

    def stored(self, ids: Sequence[int], *, failed: dict[int, str] | None = None) -> None:
        """Note that the statuses of these webhooks are stored, or, with a reason each, that the store refused them."""
        failed = failed or {}
        with self._changing() as connection:
            # One statement each, because appending waits meanwhile.
            done = json.dumps(list(ids))
            connection.execute(
                "DELETE FROM webhook WHERE id IN (SELECT value FROM json_each(?)) AND forwarding = 0", (done,)
            )
            connection.execute("UPDATE webhook SET storing = 0 WHERE id IN (SELECT value FROM json_each(?))", (done,))
            connection.executemany(
                "UPDATE webhook SET storing = 2, reason = ? WHERE id = ?",
                [(reason, number) for number, reason in failed.items()],
            )
            _add(connection, stored=len(ids))
        self._has_traces = True

    def forwarded(self, webhook_id: int, *, unheard: bool = False) -> None:
        """Note that n8n got this webhook; ``unheard`` when it started no execution."""
        with self._changing() as connection:
            connection.execute("UPDATE webhook SET forwarding = 0 WHERE id = ?", (webhook_id,))
            _add(connection, forwarded=1, unheard=int(unheard))
            self._drop_done([webhook_id])

    def postpone(self, webhook_id: int, *, next_try_at: float, reason: str) -> None:
        """Note a failed attempt to forward and when to try again."""
        with self._changing() as connection:
            connection.execute(
                "UPDATE webhook SET attempts = attempts + 1, next_try_at = ?, reason = ? WHERE id = ?",
                (next_try_at, reason, webhook_id),
            )

    def give_up(self, webhook_id: int, *, reason: str) -> None:
        """Keep a webhook as undeliverable, until :meth:`replay`."""
        with self._changing() as connection:
            connection.execute(
                "UPDATE webhook SET attempts = attempts + 1, forwarding = 2, reason = ? WHERE id = ?",
                (reason, webhook_id),
            )

    def replay(self, now: float) -> int:
        """Make every failed webhook wait again, as if received at ``now``. Returns their number."""
        with self._changing() as connection:
            return connection.execute(
                "UPDATE webhook SET received_at = ?, attempts = 0, next_try_at = 0, reason = NULL,"
                " storing = CASE storing WHEN 2 THEN 1 ELSE storing END,"
                " forwarding = CASE forwarding WHEN 2 THEN 1 ELSE forwarding END"
                " WHERE storing = 2 OR forwarding = 2",
                (now,),
            ).rowcount

    def concerning(self, names: Collection[str]) -> tuple[list[int], int]:
        """Find the webhooks, in whatever state, that name a person who is known by these ids.

        Returns:
            The ids of the webhooks about this person alone, and the number of those about others too. n8n needs the
            latter with the same bytes.
        """
        eraser, theirs = TextEraser(names), set(names)
        alone, shared = [], 0
        with self._reading() as connection:
            for number, body in connection.execute("SELECT id, body FROM webhook"):
                if not eraser.finds(bytes(body).decode("utf-8", "replace")):
                    continue
                if people_in(body) <= theirs:
                    alone.append(number)
                else:
                    shared += 1
        return alone, shared

    def delete(self, ids: Sequence[int]) -> None:
        """Delete webhooks without storing or forwarding them, and clear their traces."""
        with self._changing() as connection:
            connection.executemany("DELETE FROM webhook WHERE id = ?", [(number,) for number in ids])
        self._has_traces = True
        self.clear_traces()

    def clear_traces(self) -> None:
        """Overwrite the copies of delivered webhooks that the write-ahead log still holds.

        Does nothing when nothing was delivered since; tried again at the next call when a reader prevents it.
        """
        if self._has_traces:
            with self._append_lock, self._lock, explained(str(self.path)):
                self._has_traces = not truncate_log(self._connection)

    def state(self) -> JournalState:
        """Summary of what the journal holds."""
        with self._reading() as connection:
            to_store, stored_from = connection.execute(
                "SELECT count(*), min(received_at) FROM webhook WHERE storing = 1"
            ).fetchone()
            to_forward, forwarded_from = connection.execute(
                "SELECT count(*), min(received_at) FROM webhook WHERE forwarding = 1"
            ).fetchone()
            (failed,) = connection.execute(
                "SELECT count(*) FROM webhook WHERE storing = 2 OR forwarding = 2"
            ).fetchone()
            reasons = connection.execute(
                "SELECT reason, count(*) FROM webhook WHERE reason IS NOT NULL GROUP BY reason ORDER BY 2 DESC LIMIT 10"
            ).fetchall()
            counts = connection.execute("SELECT name, value FROM count").fetchall()
            counted_at = connection.execute("SELECT name, at FROM counted_last").fetchall()
        return JournalState(
            to_store=to_store,
            to_forward=to_forward,
            failed=failed,
            oldest_at=min((at for at in (stored_from, forwarded_from) if at is not None), default=None),
            reasons=tuple(reasons),
            counts=dict(counts),
            counted_at=dict(counted_at),
        )

    def failed(self, limit: int) -> list[tuple[int, float, str, int, str]]:
        """Failed webhooks, oldest first: id, received_at, path, attempts and reason. No body."""
        with self._reading() as connection:
            return connection.execute(
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

    def _refuse_replaced(self) -> None:
        if self._file_id != file_id_at(self.path):
            raise StoreReplacedError(
                f"The journal {self.path} was deleted or replaced while it was open. What still waited in it is lost.",
                remedy="Start the receiver again. Meta repeats every webhook that was not acknowledged.",
            )

    def _drop_done(self, ids: Sequence[int]) -> None:
        self._connection.executemany(
            "DELETE FROM webhook WHERE id = ? AND storing = 0 AND forwarding = 0", [(number,) for number in ids]
        )
        self._has_traces = True

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explained(str(self.path)):
            yield self._connection

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection, transaction(connection):
            yield connection

    def _webhooks(self, statement: str, values: tuple[object, ...]) -> list[Webhook]:
        with self._reading() as connection:
            rows = connection.execute(statement, values).fetchall()
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


def _add(connection: sqlite3.Connection, **numbers: int) -> None:
    """Add to counts of :class:`JournalState`."""
    changed = [(name, number) for name, number in numbers.items() if number]
    connection.executemany(
        "INSERT INTO count VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value", changed
    )
    now = time.time()
    connection.executemany("INSERT OR REPLACE INTO counted_last VALUES (?, ?)", [(name, now) for name, _ in changed])


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    make_durable(connection)
    connection.execute("PRAGMA secure_delete = ON")
    return connection
