"""Merge a batch into a SQLite file: read its stored messages, merge, and write the rows that changed.

Everything here runs in a transaction that holds SQLite's write lock, so nothing changes between reading and writing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ticktrail.messages.merge import Gathered, entry_key, gather, merge_message
from ticktrail.messages.model import RECEIVED, Message, Send, StatusEvent
from ticktrail.stores.results import Refusal, WriteReport
from ticktrail.stores.sqlite.cohorts import Cohorts
from ticktrail.stores.sqlite.connection import savepoint
from ticktrail.stores.sqlite.lookup import bindable_keys, find_messages, next_number
from ticktrail.stores.sqlite.rows import (
    DELETE_EVENT,
    INSERT_MESSAGE,
    NO_ORIGIN,
    PUT_EVENT,
    UPDATE_ATTRIBUTES,
    UPDATE_ORIGIN,
    UPDATE_SCANNED,
    UPDATE_STANDING,
    Row,
    attributes_row,
    event_row,
    message_row,
    message_to_merge,
    origin_of,
    origin_row,
    scanned_row,
    standing_row,
    times_row,
)
from ticktrail.stores.sqlite.sends import find_sends, write_sends

UNSTORABLE = (
    AttributeError,
    ValueError,
    TypeError,
    OverflowError,
    RecursionError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""Errors of values that SQLite cannot store: in merging, encoding or binding."""


class _Changes:
    """Rows to write, collected for one ``executemany`` each."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.cohorts = Cohorts(connection)
        self.new: list[Row] = []
        self.events: list[Row] = []
        self.replaced: list[Row] = []
        self.standings: list[Row] = []
        self.attributes: list[Row] = []
        self.scanned: list[Row] = []

    def add(self, number: int, message: Message, origin: Row) -> None:
        """Add the row of a new message."""
        cohort = self.cohorts.number_of(message.attributes, message.state, origin)
        self.new.append(message_row(number, message, origin, cohort))

    def replace(self, number: int, message: Message) -> None:
        """Add the state of a stored message."""
        cohort = self.cohorts.number_of(message.attributes, message.state, origin_of(message))
        self.standings.append((*standing_row(message), *times_row(message), cohort, number))

    def change(self, number: int, stored: Message, merged: Message) -> None:
        """Add the rows in which a message differs from what is stored in row ``number``."""
        kept = set(map(id, stored.history))
        changed = [entry for entry in merged.history if id(entry) not in kept]
        if changed and any(entry.execution_id == RECEIVED for entry in stored.history):
            # An entry that Meta's webhook brought directly gives way to the same status read from n8n.
            keys = set(map(entry_key, merged.history))
            self.replaced += [(number, key) for key in map(entry_key, stored.history) if key not in keys]
        if changed:
            self.events += [event_row(number, entry_key(entry), entry) for entry in changed]
            self.replace(number, merged)
        elif merged.last_scanned_at != stored.last_scanned_at or merged.first_seen_at != stored.first_seen_at:
            self.scanned.append((*scanned_row(merged), number))
        if merged.attributes != stored.attributes:
            cohort = self.cohorts.number_of(merged.attributes, merged.state, origin_of(merged))
            self.attributes.append((*attributes_row(merged.attributes), cohort, number))

    def write(self, connection: sqlite3.Connection) -> None:
        """Write all rows."""
        for statement, changed in (
            (INSERT_MESSAGE, self.new),
            (UPDATE_STANDING, self.standings),
            (UPDATE_ATTRIBUTES, self.attributes),
            (UPDATE_SCANNED, self.scanned),
            (DELETE_EVENT, self.replaced),
            (PUT_EVENT, self.events),
        ):
            if changed:
                connection.executemany(statement, changed)


def write_together(
    connection: sqlite3.Connection,
    events: Iterable[StatusEvent],
    sends: Iterable[Send],
    *,
    at: datetime,
    instance: str | None,
) -> WriteReport:
    """Merge a batch in a few statements.

    Raises:
        one of UNSTORABLE: a value cannot be stored; the transaction must be rolled back.
    """
    report = write_sends(connection, sends, instance)
    return report + _write_messages(connection, gather(events, instance=instance), at)


def write_apart(
    connection: sqlite3.Connection,
    events: Iterable[StatusEvent],
    sends: Iterable[Send],
    *,
    at: datetime,
    instance: str | None,
) -> WriteReport:
    """Merge a batch message by message, so that only those that cannot be stored are refused."""
    events_of: dict[str, list[StatusEvent]] = {}
    for event in events:
        events_of.setdefault(event.message_id, []).append(event)
    sends_of: dict[str, list[Send]] = {}
    for send in sends:
        sends_of.setdefault(send.key, []).append(send)
    report = WriteReport()
    parts: list[tuple[str, list[StatusEvent], list[Send]]] = [
        *((key, [], copies) for key, copies in sends_of.items()),
        *((message_id, told, []) for message_id, told in events_of.items()),
    ]
    for key, told, copies in parts:
        try:
            with savepoint(connection):
                report += write_together(connection, told, copies, at=at, instance=instance)
        except UNSTORABLE as error:
            report += WriteReport(refused=(Refusal(key, reason_of(error)),))
    return report


Taken = tuple[int | None, Message | None, Message]
"""Row id of a stored message and the stored message, both None for a new one; and the message to store."""


def put_messages(connection: sqlite3.Connection, taken: Sequence[Taken]) -> None:
    """Store messages with their own dates.

    Raises:
        one of UNSTORABLE: a value cannot be stored.
    """
    changes = _Changes(connection)
    free = next_number(connection, "message")
    new = [message.message_id for number, _, message in taken if number is None]
    lent = {send.key: send for send in find_sends(connection, "key", bindable_keys(new)).values()}
    for number, stored, message in taken:
        origin = origin_of(message)
        if number is None or stored is None:
            send = lent.get(message.message_id)
            changes.add(free, message, origin if send is None else origin_row(send))
            changes.events += [event_row(free, entry_key(entry), entry) for entry in message.history]
            free += 1
            continue
        changes.change(number, stored, message)
        changes.replace(number, message)
        if origin != origin_of(stored):
            cohort = changes.cohorts.number_of(message.attributes, message.state, origin)
            connection.execute(UPDATE_ORIGIN, (*origin, cohort, number))
    changes.write(connection)


def _write_messages(connection: sqlite3.Connection, gathered: Mapping[str, Gathered], at: datetime) -> WriteReport:
    if not gathered:
        return WriteReport()
    found = find_messages(connection, "message_id", bindable_keys(gathered), message_to_merge)
    known = {message.message_id: (number, message) for number, message in found.items()}
    new = [message_id for message_id in gathered if message_id not in known]
    lent = {send.key: send for send in find_sends(connection, "key", bindable_keys(new)).values() if not send.rejected}
    number = next_number(connection, "message")
    changes = _Changes(connection)
    updated = fresh = 0
    for message_id, news in gathered.items():
        if message_id in known:
            row, stored = known[message_id]
            merged = merge_message(stored, message_id, news, at=at)
            changes.change(row, stored, merged)
            updated += len(merged.history) > len(stored.history)
            fresh += len(merged.history) - len(stored.history)
            continue
        merged = merge_message(None, message_id, news, at=at)
        fresh += len(merged.history)
        send = lent.get(message_id)
        changes.add(number, merged, NO_ORIGIN if send is None else origin_row(send))
        changes.events += [event_row(number, key, entry) for key, entry in news.entries.items()]
        number += 1
    changes.write(connection)
    return WriteReport(inserted=len(new), updated=updated, unchanged=len(known) - updated, events=fresh)


def reason_of(error: BaseException) -> str:
    """Return why a value was refused, without repeating the value."""
    if isinstance(error, UnicodeError):
        return "a text in it holds half a surrogate pair, which is no character"
    if isinstance(error, OverflowError):
        return "a number in it needs more than 64 bits"
    if isinstance(error, RecursionError):
        return "its details are nested too deeply"
    if isinstance(error, sqlite3.DataError):
        return "it is too large for SQLite"
    return f"SQLite cannot hold a value in it ({type(error).__name__})"
