"""Everything that a SQLite ledger holds of one person: found in a few scans, for it is asked rarely."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from ticktrail.messages.model import Message, Send
from ticktrail.stores.erasure import is_group, names_in_send, names_of, number_in, person, wamid_start, without
from ticktrail.stores.retention import linked
from ticktrail.stores.sqlite.lookup import find_messages, find_sends
from ticktrail.stores.sqlite.rows import bindable


class Found(NamedTuple):
    """What there is of a person: rows by number, and the messages as they are without the person."""

    names: tuple[str, ...]
    messages: dict[int, Message]
    left: dict[int, Message | None]
    sends: dict[int, Send]


def find_person(connection: sqlite3.Connection, who: str) -> Found:
    """Everything of a person. Reads all sends and all statuses of groups: it is asked rarely."""
    connection.create_function("person", 1, person, deterministic=True)
    names = linked([who], lambda known: _others(connection, known))
    theirs = set(names)
    sends = find_sends(connection, "id", _send_numbers(connection, names))
    messages = find_messages(connection, "id", sorted(_message_numbers(connection, names)))
    told = [bindable(send.message_id) for send in sends.values() if send.message_id is not None]
    messages |= find_messages(connection, "message_id", told)
    left: dict[int, Message | None] = {}
    for number, message in messages.items():
        rest = without(message, lambda text: person(text) in theirs)
        if rest is not message:
            left[number] = rest
        elif not is_group(message) and message.message_id in told:
            left[number] = None
    gone = [bindable(messages[number].message_id) for number, rest in left.items() if rest is None]
    sends |= find_sends(connection, "key", gone)
    return Found(names, messages, left, sends)


def _others(connection: sqlite3.Connection, names: Sequence[str]) -> set[str]:
    """The ids that stand beside these in messages to one person, and in sends."""
    others: set[str] = set()
    for message in find_messages(connection, "id", sorted(_own_numbers(connection, names))).values():
        if not is_group(message):
            others |= names_of(message)
    for send in find_sends(connection, "id", _send_numbers(connection, names)).values():
        others |= names_in_send(send)
    return others


def _own_numbers(connection: sqlite3.Connection, names: Sequence[str]) -> set[int]:
    """Rows of messages that went to one of these."""
    numbers: set[int] = set()
    for name in names:
        written = [bindable(text) for text in (name, f"+{name}")]
        rows = connection.execute(
            "SELECT id FROM message WHERE conversation_id IN (?, ?)"
            " UNION SELECT id FROM message WHERE recipient_user_id IN (?, ?)",
            (*written, *written),
        )
        numbers.update(number for (number,) in rows)
        start = wamid_start(name)
        if start is not None:
            rows = connection.execute(
                "SELECT id, message_id FROM message WHERE message_id >= ? AND message_id < ?", (start, f"{start}\x7f")
            )
            numbers.update(number for number, message_id in rows if number_in(message_id) == name)
    return numbers


def _message_numbers(connection: sqlite3.Connection, names: Sequence[str]) -> set[int]:
    """Rows of messages that went to one of these, or name them in a status."""
    numbers = _own_numbers(connection, names)
    for name in names:
        rows = connection.execute(
            "SELECT message FROM event WHERE conversation_id IN (?, ?)"
            """ OR (details LIKE '%"participant"%' AND person(json_extract(details, '$.participant')) = ?)""",
            (bindable(name), bindable(f"+{name}"), bindable(name)),
        )
        numbers.update(number for (number,) in rows)
    return numbers


def _send_numbers(connection: sqlite3.Connection, names: Sequence[str]) -> list[int]:
    numbers: set[int] = set()
    for name in names:
        rows = connection.execute(
            "SELECT id FROM send WHERE person(input) = ? OR person(conversation_id) = ?", (bindable(name),) * 2
        )
        numbers.update(number for (number,) in rows)
        start = wamid_start(name)
        if start is not None:
            rows = connection.execute("SELECT id, key FROM send WHERE key >= ? AND key < ?", (start, f"{start}\x7f"))
            numbers.update(number for number, key in rows if number_in(key) == name)
    return sorted(numbers)
