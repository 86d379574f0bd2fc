"""Embedded store: one SQLite file, any number of processes, no server.

A write is one transaction that holds SQLite's write lock from its start: it reads the stored messages of the batch,
merges them with :mod:`ticktrail.messages.merge`, and writes what changed. When :meth:`SqliteStore.write` returns, the
batch is on disk. Keep the file on a local disk: SQLite's locks do not work on network shares.
"""

from __future__ import annotations

import contextlib
import sqlite3
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from ticktrail.messages.counts import Group
from ticktrail.messages.document import to_document
from ticktrail.messages.failure_causes import CauseCount
from ticktrail.messages.filters import EVERY_SEND, Grouping, MessageFilter, SendFilter
from ticktrail.messages.model import RECEIVED, Message, Send, StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.pages import MessagePage
from ticktrail.stores.results import ReceivedStatuses, StoreState, WriteReport
from ticktrail.stores.sqlite.alert_state import SqliteAlertState
from ticktrail.stores.sqlite.causes import message_causes, send_causes
from ticktrail.stores.sqlite.check import probe
from ticktrail.stores.sqlite.connection import WAL_LIMIT_BYTES, path_of, transaction, truncate_log
from ticktrail.stores.sqlite.database import Database
from ticktrail.stores.sqlite.errors import explained
from ticktrail.stores.sqlite.filters import count_messages, message_numbers
from ticktrail.stores.sqlite.lookup import CHUNK, find_messages
from ticktrail.stores.sqlite.retention import SqliteRetention
from ticktrail.stores.sqlite.rows import bindable, to_instant, to_milliseconds
from ticktrail.stores.sqlite.sends import find_sends, send_numbers
from ticktrail.stores.sqlite.statistics import count_groups
from ticktrail.stores.sqlite.sync_state import SqliteSyncState
from ticktrail.stores.sqlite.unconfirmed import count_unconfirmed
from ticktrail.stores.sqlite.writing import UNSTORABLE, write_apart, write_together

_Record = TypeVar("_Record", Message, Send)

_UNKNOWN = -(2**63)
"""Represents NULL in an array of numbers; no time is that long ago."""


class SqliteStore:
    """Store in a SQLite file; :class:`ticktrail.stores.Store` documents every method.

    Use an object in one thread only. A store in memory (``:memory:``, ``sqlite://``) lives as long as its object.

    Raises:
        ConfigurationError: the URL names no file, or a folder.
    """

    def __init__(self, url: str, options: StoreOptions) -> None:
        self.database = Database(path_of(url))
        self._truncate_beyond = WAL_LIMIT_BYTES
        self.location = self.database.location
        self.timezone = options.timezone
        self.sync_state = SqliteSyncState(self.database)
        self.retention = SqliteRetention(self.database)
        self.alert_state = SqliteAlertState(self.database)

    def exists(self) -> bool:
        """Return True when the store exists already. Never creates anything."""
        with explained(self.location):
            return self.database.exists()

    def require_adoptable(self) -> None:
        """Do nothing: a file of another program is refused when it is opened."""

    def prepare(self) -> None:
        """Create what is missing: the folder, the file, its tables and indexes."""
        with explained(self.location):
            self.database.writer()

    def write(
        self,
        events: Sequence[StatusEvent],
        sends: Sequence[Send] = (),
        *,
        at: datetime,
        instance: str | None = None,
    ) -> WriteReport:
        """Merge events and sends into what is stored, in one transaction.

        When something cannot be stored, the transaction is rolled back and repeated message by message.
        """
        at = to_instant(to_milliseconds(at))
        with explained(self.location):
            try:
                with self.database.transaction() as connection:
                    events, sends, left_out = self.retention.accepted(connection, events, sends)
                    report = write_together(connection, events, sends, at=at, instance=instance)
            except UNSTORABLE:
                with self.database.transaction() as connection:
                    report = write_apart(connection, events, sends, at=at, instance=instance)
        self._keep_log_small(connection)
        return report + WriteReport(left_out=left_out)

    def get(self, message_ids: Collection[str]) -> dict[str, Message]:
        """Return the stored messages among these ids, by id."""
        with explained(self.location):
            connection = self.database.reader()
            if connection is None:
                return {}
            with transaction(connection, "DEFERRED"):
                found = find_messages(connection, "message_id", [bindable(name) for name in message_ids])
        return {message.message_id: message for message in found.values()}

    def documents(self, message_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """As :meth:`get`, but each as its document."""
        return {name: to_document(message, self.timezone) for name, message in self.get(message_ids).items()}

    def messages(self, chosen: MessageFilter) -> MessagePage:
        """Return the messages that a filter chooses, in its order.

        Their row ids are read at the start, at sixteen bytes a message; their content is read in portions. So a slow
        consumer keeps no transaction open (which would let the log grow) and misses no message that moves.
        """
        return MessagePage(
            chosen.order,
            self._in_portions(
                lambda connection: message_numbers(connection, chosen),
                lambda connection, portion: find_messages(connection, "id", portion),
            ),
        )

    def count(self, chosen: MessageFilter) -> int:
        """Count the messages that a filter chooses, without its ``limit`` and ``after``."""
        with explained(self.location):
            connection = self.database.reader()
            return 0 if connection is None else count_messages(connection, chosen)

    def received_statuses(self) -> ReceivedStatuses:
        """Count the statuses that came directly from Meta and that no synced execution of n8n holds."""
        statement = "SELECT COUNT(*), MIN(timestamp), MAX(timestamp) FROM event WHERE execution_id = ?"
        with explained(self.location):
            connection = self.database.reader()
            if connection is None:
                return ReceivedStatuses()
            return ReceivedStatuses(*connection.execute(statement, (RECEIVED,)).fetchone())

    def statistics(
        self,
        chosen: MessageFilter,
        by: Grouping | None = None,
        *,
        young_since: int,
        details: bool = False,
        across: Grouping | None = None,
    ) -> Iterator[Group]:
        """Yield raw counts of the messages that a filter chooses, by group."""
        with explained(self.location):
            connection, zone = self.database.reader(), self.timezone
            yield from count_groups(
                connection, chosen, by, young_since=young_since, details=details, across=across, zone=zone
            )

    def sends(self, chosen: SendFilter = EVERY_SEND) -> Iterator[Send]:
        """Yield the send records that a filter chooses, newest first, read in portions as :meth:`messages` are."""
        found = self._in_portions(
            lambda connection: send_numbers(connection, chosen),
            lambda connection, portion: find_sends(connection, "id", portion),
        )
        return (send for _, send in found)

    def unconfirmed(
        self,
        chosen: SendFilter = EVERY_SEND,
        by: Grouping | None = None,
        *,
        overdue_before: int,
        across: Grouping | None = None,
    ) -> Iterator[Group]:
        """Count the accepted sends that no status confirmed, by group."""
        with explained(self.location):
            yield from count_unconfirmed(
                self.database.reader(), chosen, by, overdue_before=overdue_before, across=across
            )

    def causes(self, chosen: MessageFilter) -> Iterator[CauseCount]:
        """Count messages by what failures have in common."""
        with explained(self.location):
            yield from message_causes(self.database.reader(), chosen)

    def send_causes(self, chosen: SendFilter = EVERY_SEND) -> Iterator[CauseCount]:
        """Count sends by what failures have in common."""
        with explained(self.location):
            yield from send_causes(self.database.reader(), chosen)

    def check(self) -> StoreState:
        """Check whether a sync could write."""
        return probe(self.database.path, self.location)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _in_portions(
        self,
        choose: Callable[[sqlite3.Connection], Iterable[tuple[int, int | None]]],
        find: Callable[[sqlite3.Connection, Sequence[int]], dict[int, _Record]],
    ) -> Iterator[tuple[int | None, _Record]]:
        """Yield the records of the row ids that ``choose`` returns, in its order, with their sort keys.

        Each portion is read as it is at one moment.
        """
        numbers, keys = array("q"), array("q")
        with explained(self.location):
            connection = self.database.reader()
            for number, key in () if connection is None else choose(connection):
                numbers.append(number)
                keys.append(_UNKNOWN if key is None else key)
        for start in range(0, len(numbers), CHUNK):
            portion = numbers[start : start + CHUNK]
            with explained(self.location):
                # Asked for each portion: a write in between opens another connection.
                connection = self.database.reader()
                if connection is None:
                    return
                with transaction(connection, "DEFERRED"):
                    found = find(connection, portion)
            for number, key in zip(portion, keys[start : start + CHUNK], strict=True):
                if number in found:
                    yield None if key == _UNKNOWN else key, found[number]

    def _keep_log_small(self, connection: sqlite3.Connection) -> None:
        """Truncate a write-ahead log that grew too large; when a reader prevents it, try again 64 MB later.

        The batch is stored already, so errors here are ignored.
        """
        if self.database.path is None:
            return
        with contextlib.suppress(OSError, sqlite3.OperationalError):
            size = Path(f"{self.database.path}-wal").stat().st_size
            if size > self._truncate_beyond:
                emptied = truncate_log(connection)
                self._truncate_beyond = WAL_LIMIT_BYTES if emptied else size + WAL_LIMIT_BYTES
