"""The embedded store: one SQLite file, any number of processes, no server.

A write is one transaction that holds SQLite's write lock from its start: read what is stored of these messages,
fold it with :mod:`ticktrail.messages.merge`, write what changed. What :meth:`SqliteStore.write` returned from is on
disk. Keep the file on a disk of this machine: SQLite's locks do not hold on network shares.
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
from ticktrail.messages.model import Message, Send, StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.pages import MessagePage
from ticktrail.stores.results import StoreState, WriteReport
from ticktrail.stores.sqlite.alert_state import SqliteAlertState
from ticktrail.stores.sqlite.causes import message_causes, send_causes
from ticktrail.stores.sqlite.check import probe
from ticktrail.stores.sqlite.connection import (
    MEMORY,
    WAL_LIMIT_BYTES,
    explained,
    make_durable,
    open_to_read,
    open_to_write,
    path_of,
    transaction,
    truncate_log,
)
from ticktrail.stores.sqlite.filters import count_messages, message_numbers, send_numbers
from ticktrail.stores.sqlite.lookup import CHUNK, find_messages, find_sends
from ticktrail.stores.sqlite.retention import SqliteRetention
from ticktrail.stores.sqlite.rows import bindable, to_instant, to_milliseconds
from ticktrail.stores.sqlite.schema import applied_number, migrate, refuse_newer, refuse_older
from ticktrail.stores.sqlite.statistics import count_groups
from ticktrail.stores.sqlite.sync_state import SqliteSyncState
from ticktrail.stores.sqlite.writing import UNSTORABLE, write_apart, write_together

_Record = TypeVar("_Record", Message, Send)

_UNKNOWN = -(2**63)
"""Stands for NULL in an array of numbers; no time is that long ago."""


class SqliteStore:
    """Messages and sends in a SQLite file; :class:`ticktrail.stores.Store` says what every method promises.

    One object belongs to one thread. A store in memory (``:memory:``, ``sqlite://``) lives as long as its object.

    Raises:
        ConfigurationError: the URL names no file, or a folder stands in its place.
    """

    def __init__(self, url: str, options: StoreOptions) -> None:
        self._path = path_of(url)
        self._reading: sqlite3.Connection | None = None
        self._writing: sqlite3.Connection | None = None
        self._truncate_beyond = WAL_LIMIT_BYTES
        self.location = MEMORY if self._path is None else str(self._path)
        self.timezone = options.timezone
        self.sync_state = SqliteSyncState(self.location, self._reader, self._writer)
        self.retention = SqliteRetention(self._path, self.location, self._reader, self._writer)
        self.alert_state = SqliteAlertState(self.location, self._reader, self._writer)

    def exists(self) -> bool:
        """Whether the place holds a ledger already. Never creates anything."""
        with explained(self.location):
            return self._writing is not None or self._look() > 0

    def prepare(self) -> None:
        """Create what is missing: the folder, the file, its tables and indexes."""
        with explained(self.location):
            self._writer()

    def write(
        self,
        events: Sequence[StatusEvent],
        sends: Sequence[Send] = (),
        *,
        at: datetime,
        instance: str | None = None,
    ) -> WriteReport:
        """Merge events and sends into what is stored, in one transaction.

        When something cannot be stored, the transaction is taken back and made again message by message.
        """
        at = to_instant(to_milliseconds(at))
        with explained(self.location):
            connection = self._writer()
            try:
                with transaction(connection):
                    events, sends, left_out = self.retention.accepted(connection, events, sends)
                    report = write_together(connection, events, sends, at=at, instance=instance)
            except UNSTORABLE:
                with transaction(connection):
                    report = write_apart(connection, events, sends, at=at, instance=instance)
            report += WriteReport(left_out=left_out)
        self._keep_log_small(connection)
        return report

    def get(self, message_ids: Collection[str]) -> dict[str, Message]:
        """The stored messages among these ids, by id."""
        with explained(self.location):
            connection = self._reader()
            if connection is None:
                return {}
            with transaction(connection, "DEFERRED"):
                found = find_messages(connection, "message_id", [bindable(name) for name in message_ids])
        return {message.message_id: message for message in found.values()}

    def documents(self, message_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """As :meth:`get`, but each as its document."""
        return {name: to_document(message, self.timezone) for name, message in self.get(message_ids).items()}

    def messages(self, chosen: MessageFilter) -> MessagePage:
        """The messages a filter chooses, in its order.

        Which they are is settled at the start, at sixteen bytes a message; their content is read in portions. So a
        slow consumer holds no transaction open (which would let the log grow) and misses nothing that moves.
        """
        return MessagePage(
            chosen.order,
            self._in_portions(
                lambda connection: message_numbers(connection, chosen),
                lambda connection, portion: find_messages(connection, "id", portion),
            ),
        )

    def count(self, chosen: MessageFilter) -> int:
        """How many messages a filter chooses, its ``limit`` and ``after`` left aside."""
        with explained(self.location):
            connection = self._reader()
            return 0 if connection is None else count_messages(connection, chosen)

    def statistics(
        self,
        chosen: MessageFilter,
        by: Grouping | None = None,
        *,
        young_since: int,
        details: bool = False,
        across: Grouping | None = None,
    ) -> Iterator[Group]:
        """Raw counts of the messages a filter chooses, by group."""
        with explained(self.location):
            connection, zone = self._reader(), self.timezone
            yield from count_groups(
                connection, chosen, by, young_since=young_since, details=details, across=across, zone=zone
            )

    def sends(self, chosen: SendFilter = EVERY_SEND) -> Iterator[Send]:
        """The send records a filter chooses, newest first, read in portions as :meth:`messages` are."""
        found = self._in_portions(
            lambda connection: send_numbers(connection, chosen),
            lambda connection, portion: find_sends(connection, "id", portion),
        )
        return (send for _, send in found)

    def causes(self, chosen: MessageFilter) -> Iterator[CauseCount]:
        """What the messages a filter chooses have in common."""
        with explained(self.location):
            yield from message_causes(self._reader(), chosen)

    def send_causes(self, chosen: SendFilter = EVERY_SEND) -> Iterator[CauseCount]:
        """What the attempts to send that a filter chooses have in common."""
        with explained(self.location):
            yield from send_causes(self._reader(), chosen)

    def check(self) -> StoreState:
        """Try whether a sync could write; see :class:`ticktrail.stores.Store`."""
        return probe(self._path, self.location)

    def close(self) -> None:
        """Let go of the file."""
        for connection in (self._reading, self._writing):
            if connection is not None:
                connection.close()
        self._reading = self._writing = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _look(self) -> int:
        """The schema number of the file, opened for reading when it is there; 0 when there is no ledger."""
        with contextlib.ExitStack() as undo:
            if self._reading is None:
                self._reading = None if self._path is None else open_to_read(self._path)
            if self._reading is None:
                return 0
            undo.callback(self.close)
            number = applied_number(self._reading, self.location)
            refuse_newer(number, self.location)
            if number > 0:
                undo.pop_all()
            return number

    def _reader(self) -> sqlite3.Connection | None:
        """A connection to read with; None when there is no ledger in the place."""
        if self._writing is not None:
            return self._writing
        number = self._look()
        if number:
            refuse_older(number, self.location)
        return self._reading

    def _writer(self) -> sqlite3.Connection:
        """A connection to write with; the first one creates what is missing."""
        if self._writing is None:
            with contextlib.ExitStack() as undo:
                connection = open_to_write(self._path)
                undo.callback(connection.close)
                refuse_newer(applied_number(connection, self.location), self.location)
                make_durable(connection)
                migrate(connection, self.location)
                undo.pop_all()
            self.close()
            self._writing = connection
        return self._writing

    def _in_portions(
        self,
        choose: Callable[[sqlite3.Connection], Iterable[tuple[int, int | None]]],
        find: Callable[[sqlite3.Connection, Sequence[int]], dict[int, _Record]],
    ) -> Iterator[tuple[int | None, _Record]]:
        """The records of the rows that ``choose`` numbers, in its order, each portion as it is at one moment.

        Beside each stands what ``choose`` sorted it by.
        """
        numbers, keys = array("q"), array("q")
        with explained(self.location):
            connection = self._reader()
            for number, key in () if connection is None else choose(connection):
                numbers.append(number)
                keys.append(_UNKNOWN if key is None else key)
        for start in range(0, len(numbers), CHUNK):
            portion = numbers[start : start + CHUNK]
            with explained(self.location):
                # MessageQuery anew: a write between two portions changes the connection.
                connection = self._reader()
                if connection is None:
                    return
                with transaction(connection, "DEFERRED"):
                    found = find(connection, portion)
            for number, key in zip(portion, keys[start : start + CHUNK], strict=True):
                if number in found:
                    yield None if key == _UNKNOWN else key, found[number]

    def _keep_log_small(self, connection: sqlite3.Connection) -> None:
        """Empty a write-ahead log that grew too large; with a reader in the way, try again 64 MB later.

        The batch is stored by now, so nothing that fails here is the caller's concern.
        """
        if self._path is None:
            return
        with contextlib.suppress(OSError, sqlite3.OperationalError):
            size = Path(f"{self._path}-wal").stat().st_size
            if size > self._truncate_beyond:
                emptied = truncate_log(connection)
                self._truncate_beyond = WAL_LIMIT_BYTES if emptied else size + WAL_LIMIT_BYTES
