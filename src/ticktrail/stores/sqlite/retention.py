"""Retention of a SQLite store: erasing people, pruning, importing, backups.

Tombstones and the retention mark are read in the transaction that writes, so a writer never uses an older state.
Deleted data is overwritten (``secure_delete``), in the log too; :meth:`SqliteRetention.clear_traces` rebuilds the file
to remove what earlier writes left in free pages.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ticktrail.errors import ConfigurationError, StoreUnavailableError
from ticktrail.messages.merge import entry_key, join_messages
from ticktrail.messages.model import EARLIEST_PLAUSIBLE_TIMESTAMP, Message, Send, StatusEvent
from ticktrail.stores.erasure import ErasureFilter, TextEraser, tombstone, without
from ticktrail.stores.results import Refusal, WriteReport
from ticktrail.stores.retention import Inventory, Pruned, linked
from ticktrail.stores.sqlite.backup import back_up
from ticktrail.stores.sqlite.cohorts import Cohorts
from ticktrail.stores.sqlite.connection import savepoint, transaction, truncate_log
from ticktrail.stores.sqlite.database import Database
from ticktrail.stores.sqlite.errors import explained, primary_code
from ticktrail.stores.sqlite.lookup import CHUNK, find_messages
from ticktrail.stores.sqlite.person import Found, erase_in_texts, find_person
from ticktrail.stores.sqlite.rows import (
    UPDATE_ATTRIBUTES,
    UPDATE_STANDING,
    attributes_row,
    bindable,
    origin_of,
    standing_row,
    times_row,
    to_milliseconds,
)
from ticktrail.stores.sqlite.sends import find_sends
from ticktrail.stores.sqlite.writing import UNSTORABLE, Taken, put_messages, reason_of
from ticktrail.text.formatting import size_text

_PRUNED_AT_ONCE = 500
_PAUSE_SECONDS = 0.01
_CLEARING_SECONDS = 10.0
"""How long to wait for a reader that prevents truncating the log."""


class SqliteRetention:
    """Retention of a SQLite store; :class:`ticktrail.stores.retention.Retention` documents every method."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._filter = ErasureFilter()
        self._filter_opening = 0

    # ── The write filter ──────────────────────────────────────────────────────────────────────────────────────────────

    def erasure_filter(self, *, at: datetime) -> ErasureFilter:
        """Return the current write filter."""
        del at  # the mark of a file does not move by itself
        with explained(self._database.location):
            connection = self._database.reader()
            return ErasureFilter() if connection is None else self._current_filter(connection)

    def accepted(
        self, connection: sqlite3.Connection, events: Sequence[StatusEvent], sends: Sequence[Send]
    ) -> tuple[Sequence[StatusEvent], Sequence[Send], int]:
        """Filter a batch in the transaction that writes it. Returns what to write, and how much is left out."""
        kept, kept_sends = self._current_filter(connection).accepted(events, sends)
        return kept, kept_sends, len(events) + len(sends) - len(kept) - len(kept_sends)

    def _current_filter(self, connection: sqlite3.Connection) -> ErasureFilter:
        mark = _value(connection, "kept_since")
        # Within one file tombstones are only ever added.
        newest = connection.execute("SELECT MAX(id) FROM forgotten").fetchone()[0] or 0
        if newest != self._filter.version or self._filter_opening != self._database.openings:
            rows = connection.execute("SELECT tombstone FROM forgotten").fetchall()
            self._filter = ErasureFilter((text for (text,) in rows), version=newest)
            self._filter_opening = self._database.openings
        return self._filter if mark == self._filter.kept_since else self._filter.at(mark)

    # ── Erasure ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def inventory(self, who: str, *others: str) -> Inventory:
        """Count what there is of a person."""
        with explained(self._database.location):
            connection = self._database.reader()
            if connection is None:
                return Inventory(names=linked([who, *others], lambda _names: set()))
            with transaction(connection, "DEFERRED"):
                found = find_person(connection, [who, *others])
                return self._inventory(connection, found, before=self._is_forgotten(connection, found), erase=False)

    def forget(self, who: str, *others: str, at: datetime) -> Inventory:
        """Erase a person."""
        with self._database.writing(overwrite=True) as connection:
            found = find_person(connection, [who, *others])
            before = self._is_forgotten(connection, found)
            salt = str(_value(connection, "salt"))
            _put_tombstones(connection, [tombstone(salt, name) for name in found.names], at)
            _erase(connection, found)
            return self._inventory(connection, found, before=before, erase=True)

    def _is_forgotten(self, connection: sqlite3.Connection, found: Found) -> bool:
        return any(map(self._current_filter(connection).is_forgotten, found.names))

    def clear_traces(self) -> bool:
        """Rebuild the file, so that it has no free pages, and empty the log.

        Raises:
            StoreUnavailableError: the disk has no room for a second copy of the file.
        """
        path = self._database.path
        if path is None:
            return True
        with explained(self._database.location):
            connection = self._database.writer()
            deadline = time.monotonic() + _CLEARING_SECONDS
            while True:
                try:
                    connection.execute("VACUUM")
                    break
                except sqlite3.OperationalError as error:
                    if primary_code(error) == sqlite3.SQLITE_FULL:
                        raise _no_room(path) from error
                    # Another connection is writing.
                    if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                        return False
            while not truncate_log(connection):
                if time.monotonic() > deadline:
                    return False
        return True

    def _inventory(self, connection: sqlite3.Connection, found: Found, *, before: bool, erase: bool) -> Inventory:
        """Count what was found of a person, and erase them from texts too."""
        erased = frozenset(number for number, left in found.left.items() if left is None)
        gone = [found.messages[number] for number in erased]
        trimmed = [(found.messages[number], left) for number, left in found.left.items() if left is not None]
        ids = tuple(message.message_id for message in gone)
        return Inventory(
            names=found.names,
            messages=len(gone),
            statuses=sum(len(message.history) for message in gone),
            group_messages=len(trimmed),
            group_statuses=sum(len(message.history) - len(left.history) for message, left in trimmed),
            sends=len(found.sends),
            records=erase_in_texts(connection, TextEraser(found.names, ids), erased, erase=erase),
            before=before,
            message_ids=ids,
        )

    # ── Pruning ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def kept_since(self, *, at: datetime) -> int | None:
        """Return the retention mark."""
        return self.erasure_filter(at=at).kept_since

    def keep_since(self, timestamp: int | None) -> None:
        """Set the retention mark, or remove it."""
        with self._database.writing() as connection:
            if timestamp is None:
                connection.execute("DELETE FROM care WHERE name = 'kept_since'")
            elif timestamp > (_value(connection, "kept_since") or 0):
                connection.execute("REPLACE INTO care VALUES ('kept_since', ?)", (timestamp,))

    def older(self, timestamp: int) -> Pruned:
        """Count older messages and sends."""
        with explained(self._database.location):
            connection = self._database.reader()
            if connection is None:
                return Pruned()
            messages, sends = connection.execute(
                f"SELECT (SELECT COUNT(*) FROM message WHERE {_OLD_MESSAGE}), (SELECT COUNT(*) FROM send"  # noqa: S608
                f" WHERE {_OLD_SEND} OR key IN (SELECT message_id FROM message WHERE {_OLD_MESSAGE}))",
                (timestamp, timestamp * 1000, timestamp),
            ).fetchone()
            return Pruned(messages, sends)

    def prune(self, timestamp: int) -> Iterator[Pruned]:
        """Remove older messages and sends, in a transaction for each few hundred messages."""
        while True:
            with self._database.writing(overwrite=True) as connection:
                rows = connection.execute(
                    f"SELECT id, message_id FROM message WHERE {_OLD_MESSAGE} LIMIT ?",  # noqa: S608
                    (timestamp, _PRUNED_AT_ONCE),
                ).fetchall()
                sends = connection.executemany("DELETE FROM send WHERE key = ?", [row[1:] for row in rows]).rowcount
                _delete_messages(connection, [row[0] for row in rows])
                sends = max(sends, 0)
                sends += connection.execute(
                    f"DELETE FROM send WHERE id IN (SELECT id FROM send WHERE {_OLD_SEND} LIMIT ?)",  # noqa: S608
                    (timestamp * 1000, _PRUNED_AT_ONCE),
                ).rowcount
            if not rows and not sends:
                return
            yield Pruned(len(rows), sends)
            # Waiting writers try every few milliseconds.
            time.sleep(_PAUSE_SECONDS)

    def ttl_seconds(self) -> int | None:
        """A file deletes nothing by itself."""
        return None

    def set_ttl(self, seconds: int | None) -> None:
        """Refuse: a file deletes nothing by itself."""
        del seconds
        raise ConfigurationError(
            f"--ttl is for MongoDB: a SQLite file such as {self._database.location} cannot delete by itself.",
            remedy="Schedule this command instead: ticktrail prune --older-than 180d --yes",
        )

    # ── Copies ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def tombstones(self) -> frozenset[str]:
        """Return all tombstones."""
        with explained(self._database.location):
            connection = self._database.reader()
            rows = [] if connection is None else connection.execute("SELECT tombstone FROM forgotten").fetchall()
        return frozenset(text for (text,) in rows)

    def add_tombstones(self, tombstones: frozenset[str], *, at: datetime) -> int:
        """Add tombstones of another store, and erase their people."""
        new = tombstones - self.tombstones()
        if not new:
            return 0
        erased = 0
        with self._database.writing(overwrite=True) as connection:
            _put_tombstones(connection, sorted(new), at)
            erasure_filter = ErasureFilter(new)
            for numbers in _portions([row[0] for row in connection.execute("SELECT id FROM message")]):
                messages = find_messages(connection, "id", numbers)
                left = {number: without(message, erasure_filter.is_forgotten) for number, message in messages.items()}
                changed = {number: kept for number, kept in left.items() if kept is not messages[number]}
                erased += _put_left(connection, changed)
            for numbers in _portions([row[0] for row in connection.execute("SELECT id FROM send")]):
                sends = find_sends(connection, "id", numbers)
                gone = [(number,) for number, send in sends.items() if not erasure_filter.accepts_send(send)]
                connection.executemany("DELETE FROM send WHERE id = ?", gone)
                erased += len(gone)
        return erased

    def import_messages(self, messages: Sequence[Message]) -> WriteReport:
        """Merge messages of another store in one transaction."""
        report = WriteReport()
        with self._database.writing() as connection:
            guard = self._current_filter(connection)
            left = [(message, guard.left_of(message)) for message in messages]
            wanted = [kept for _, kept in left if kept is not None]
            out = sum(len(message.history) - (len(kept.history) if kept else 0) for message, kept in left)
            ids = [bindable(message.message_id) for message in wanted]
            found = find_messages(connection, "message_id", ids)
            stored = {message.message_id: (number, message) for number, message in found.items()}
            joined: list[Taken] = []
            for message in wanted:
                number, known = stored.get(message.message_id, (None, None))
                joined.append((number, known, message if known is None else join_messages(known, message)))
            refused = _put(connection, [one for one in joined if one[1] != one[2]])
        for _, known, message in joined:
            if message.message_id in refused:
                continue
            grew = len(message.history) - (0 if known is None else len(known.history))
            report += WriteReport(
                inserted=known is None,
                updated=known is not None and grew > 0,
                unchanged=known is not None and grew == 0,
                events=grew,
            )
        report += WriteReport(refused=tuple(Refusal(name, reason) for name, reason in refused.items()))
        return report + WriteReport(left_out=out)

    def backup(self, target: Path) -> int:
        """Copy the file with SQLite's backup API."""
        with explained(self._database.location):
            connection = self._database.reader()
            if connection is None:
                raise ConfigurationError(f"There is no store at {self._database.location} to copy.")
            return back_up(connection, target)


def _no_room(path: Path) -> StoreUnavailableError:
    needed, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    return StoreUnavailableError(
        f"Rebuilding {path} takes up to {size_text(2 * needed)} for a while, and the disk that holds it has "
        f"{size_text(free)} free. What was deleted may still be readable in free space of the file.",
        remedy=f"Make room on the disk of {path.parent}, and in the folder for temporary files; then run again.",
    )


_OLD_MESSAGE = f"(message_time >= {EARLIEST_PLAUSIBLE_TIMESTAMP} AND message_time < ?)"
_OLD_SEND = f"(sent_at >= {EARLIEST_PLAUSIBLE_TIMESTAMP * 1000} AND sent_at < ?)"


def _value(connection: sqlite3.Connection, name: str) -> int | None:
    row = connection.execute("SELECT value FROM care WHERE name = ?", (name,)).fetchone()
    return None if row is None else row[0]


def _put_tombstones(connection: sqlite3.Connection, tombstones: Iterable[str], at: datetime) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO forgotten (tombstone, forgotten_at) VALUES (?, ?)",
        [(text, to_milliseconds(at)) for text in tombstones],
    )


def _put(connection: sqlite3.Connection, taken: list[Taken]) -> dict[str, str]:
    """Store messages. Returns why some were refused, by message id."""
    try:
        with savepoint(connection):
            put_messages(connection, taken)
    except UNSTORABLE as error:
        if len(taken) == 1:
            return {taken[0][2].message_id: reason_of(error)}
        refused: dict[str, str] = {}
        for one in taken:
            refused |= _put(connection, [one])
        return refused
    return {}


def _erase(connection: sqlite3.Connection, found: Found) -> None:
    _put_left(connection, found.left)
    connection.executemany("DELETE FROM send WHERE id = ?", [(number,) for number in found.sends])


def _put_left(connection: sqlite3.Connection, left: dict[int, Message | None]) -> int:
    """Replace messages by what is left of them. Returns the number of messages."""
    _delete_messages(connection, [number for number, message in left.items() if message is None])
    cohorts = Cohorts(connection)
    for number, message in left.items():
        if message is None:
            continue
        keys = {entry_key(entry) for entry in message.history}
        stored = connection.execute("SELECT key FROM event WHERE message = ?", (number,)).fetchall()
        gone = [(number, key) for (key,) in stored if key not in keys]
        connection.executemany("DELETE FROM event WHERE message = ? AND key = ?", gone)
        cohort = cohorts.number_of(message.attributes, message.state, origin_of(message))
        connection.execute(UPDATE_STANDING, (*standing_row(message), *times_row(message), cohort, number))
        connection.execute(UPDATE_ATTRIBUTES, (*attributes_row(message.attributes), cohort, number))
    return len(left)


def _delete_messages(connection: sqlite3.Connection, numbers: Collection[int]) -> None:
    rows = [(number,) for number in numbers]
    connection.executemany("DELETE FROM event WHERE message = ?", rows)
    connection.executemany("DELETE FROM message WHERE id = ?", rows)


def _portions(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), CHUNK):
        yield numbers[start : start + CHUNK]
