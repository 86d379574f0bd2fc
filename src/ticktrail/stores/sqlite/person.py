"""Everything that a SQLite store holds of one person. Found with full scans, because it is asked rarely."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from ticktrail.messages.model import Message, Send
from ticktrail.stores.erasure import TextEraser, is_group, names_in_send, names_of, number_in, wamid_start, without
from ticktrail.stores.retention import linked
from ticktrail.stores.sqlite.lookup import find_messages, marks
from ticktrail.stores.sqlite.rows import bindable
from ticktrail.stores.sqlite.sends import find_sends
from ticktrail.text.phone_numbers import person_id


class Found(NamedTuple):
    """Records of a person by row id, and what is left of each message without the person."""

    names: tuple[str, ...]
    messages: dict[int, Message]
    left: dict[int, Message | None]
    sends: dict[int, Send]


def find_person(connection: sqlite3.Connection, who: Sequence[str]) -> Found:
    """Find everything of a person who is known by these ids."""
    names = linked(who, lambda known: _others(connection, known))
    theirs = set(names)
    sends = find_sends(connection, "id", _send_numbers(connection, names))
    messages = find_messages(connection, "id", sorted(_message_numbers(connection, names)))
    told = [bindable(send.message_id) for send in sends.values() if send.message_id is not None]
    messages |= find_messages(connection, "message_id", told)
    left: dict[int, Message | None] = {}
    for number, message in messages.items():
        rest = without(message, lambda text: person_id(text) in theirs)
        if rest is not message:
            left[number] = rest
        elif not is_group(message) and message.message_id in told:
            left[number] = None
    gone = [bindable(messages[number].message_id) for number, rest in left.items() if rest is None]
    sends |= find_sends(connection, "key", gone)
    return Found(names, messages, left, sends)


def _others(connection: sqlite3.Connection, names: Sequence[str]) -> set[str]:
    """Return the ids beside these in messages to one person, and in sends."""
    others: set[str] = set()
    for message in find_messages(connection, "id", sorted(_own_numbers(connection, names))).values():
        if not is_group(message):
            others |= names_of(message)
    for send in find_sends(connection, "id", _send_numbers(connection, names)).values():
        others |= names_in_send(send)
    return others


def _own_numbers(connection: sqlite3.Connection, names: Sequence[str]) -> set[int]:
    """Row ids of messages that went to one of these."""
    numbers: set[int] = set()
    for column in ("conversation_id", "recipient_user_id"):
        for spelling in _spellings(connection, "message", column, names):
            rows = connection.execute(f"SELECT id FROM message WHERE {column} = ?", (spelling,))  # noqa: S608
            numbers.update(number for (number,) in rows)
    for name in names:
        start = wamid_start(name)
        if start is not None:
            rows = connection.execute(
                "SELECT id, message_id FROM message WHERE message_id >= ? AND message_id < ?", (start, f"{start}\x7f")
            )
            numbers.update(number for number, message_id in rows if number_in(message_id) == name)
    return numbers


def _spellings(connection: sqlite3.Connection, table: str, column: str, names: Sequence[str]) -> list[str | bytes]:
    """Return the stored values of a column that mean one of these people."""
    values = connection.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608
    return [value for (value,) in values if isinstance(value, str) and person_id(value) in names]


def _message_numbers(connection: sqlite3.Connection, names: Sequence[str]) -> set[int]:
    """Row ids of messages that went to one of these, or name them in a status."""
    numbers = _own_numbers(connection, names)
    theirs = [bindable(name) for name in names]
    rows = connection.execute(
        f"SELECT message FROM event WHERE person_id(conversation_id) IN ({marks(len(theirs))})"  # noqa: S608
        """ OR (details LIKE '%"participant"%'"""
        f" AND person_id(json_extract(details, '$.participant')) IN ({marks(len(theirs))}))",
        (*theirs, *theirs),
    )
    numbers.update(number for (number,) in rows)
    return numbers


def _send_numbers(connection: sqlite3.Connection, names: Sequence[str]) -> list[int]:
    numbers: set[int] = set()
    eraser = TextEraser(names)
    for column in ("input", "conversation_id"):
        values = _spellings(connection, "send", column, names)
        if column == "input":
            # A refused send keeps whatever the workflow wrote, such as a sentence with the number in it.
            inputs = connection.execute("SELECT DISTINCT input FROM send WHERE input IS NOT NULL")
            values += [text for (text,) in inputs if isinstance(text, str) and eraser.finds(text)]
        for value in values:
            rows = connection.execute(f"SELECT id FROM send WHERE {column} = ?", (value,))  # noqa: S608
            numbers.update(number for (number,) in rows)
    for name in names:
        start = wamid_start(name)
        if start is not None:
            rows = connection.execute("SELECT id, key FROM send WHERE key >= ? AND key < ?", (start, f"{start}\x7f"))
            numbers.update(number for number, key in rows if number_in(key) == name)
    return sorted(numbers)


def erase_in_texts(connection: sqlite3.Connection, eraser: TextEraser, gone: Collection[int], *, erase: bool) -> int:
    """Erase a person from texts for operators, and from labels and errors of other people's messages and sends.

    Return how many name them.

    Args:
        gone: row ids of the messages that are erased whole, whose texts do not count.
    """
    count = 0
    for table, column, content in _TEXTS:
        # A label may be different for each of a million messages: only those that name the person are kept in memory.
        rows = connection.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608
        left = {text: left for (text,) in rows if (left := _without(text, eraser, content)) != text}
        named = [text for text in left if _is_kept(connection, table, column, text, gone)]
        count += len(named)
        if erase:
            connection.executemany(
                f"UPDATE {table} SET {column} = ? WHERE {column} = ?",  # noqa: S608
                [(left[text], text) for text in named],
            )
    return count


def _without(text: str, eraser: TextEraser, content: str) -> str:
    if content == "text":
        return str(eraser.erase(text))
    if content == "errors" and '"errors"' not in text:
        return text
    value = msgspec.json.decode(text)
    left = eraser.erase(value) if content == "json" else {**value, "errors": eraser.erase(value["errors"])}
    return text if left == value else msgspec.json.encode(left).decode()


def _is_kept(connection: sqlite3.Connection, table: str, column: str, text: str, gone: Collection[int]) -> bool:
    """Return whether a text is also in a row that is not of an erased message."""
    number = {"message": "id", "event": "message"}.get(table)
    if number is None or not gone:
        return True
    rows = connection.execute(f"SELECT {number} FROM {table} WHERE {column} = ?", (text,))  # noqa: S608
    return any(message not in gone for (message,) in rows)


_TEXTS = (
    ("run", "record", "json"),
    ("open_execution", "record", "json"),
    ("coverage_facts", "facts", "json"),
    ("alert", "title", "text"),
    ("alert", "note", "text"),
    ("alert", "acknowledged_by", "text"),
    ("send", "errors", "json"),
    ("message", "callback_data", "text"),
    ("message", "failure_title", "text"),
    ("message", "failure_details", "text"),
    ("event", "details", "errors"),
)
"""Tables and columns that may name a person, and what they hold: a text, JSON, or JSON whose ``errors`` may."""
