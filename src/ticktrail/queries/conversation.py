"""Pages of one person's conversation: stored messages, joined with the texts that a workflow keeps.

Pages are cut by the time of a message and then its id, in both directions. Each message is on one page, whatever is
stored in the meantime.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol

import msgspec

from ticktrail.messages.conversation import Turn, join_turns, moment_of, time_of, turns_of
from ticktrail.messages.filters import Cursor, MessageFilter
from ticktrail.messages.model import Message
from ticktrail.stores import Store

PAGE = 200
"""Messages and other turns on one page."""

LONGEST_TEXT = 10_000
"""Longest text in characters; WhatsApp itself accepts 4,096."""

MOST_DOCUMENTS = 20_000
"""Number of one person's documents that are read, the newest; older texts are not found."""

_LATEST_MOMENT = 253_402_214_400

Key = tuple[int | float, str]
"""Time of a turn in Unix seconds, 0 for unknown; and an id that settles ties."""


class Texts(Protocol):
    """The texts that a workflow keeps: see :class:`ticktrail.stores.mongodb.conversations.Conversations`."""

    def of(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the documents of one person, who has these ids, newest first."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A stored message, documents of a conversation, or both where they belong to the same message."""

    key: Key
    message: Message | None = None
    documents: tuple[dict[str, Any], ...] = ()


class ConversationPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a conversation, in the requested order. ``cursor`` is where it goes on, None at the end."""

    entries: tuple[Entry, ...]
    cursor: Cursor | None

    @property
    def turns(self) -> list[Turn]:
        """The turns of this page, oldest first, texts cut to :data:`LONGEST_TEXT`."""
        messages = {entry.message.message_id: entry.message for entry in self.entries if entry.message is not None}
        said = itertools.chain.from_iterable(
            turns_of(document) for entry in self.entries for document in entry.documents
        )
        return join_turns((_cut(turn) for turn in said), messages)


def read_conversation(
    store: Store,
    chosen: MessageFilter,
    size: int,
    *,
    order: Literal["newest", "oldest"] = "newest",
    after: Cursor | None = None,
    kept: Texts | None = None,
    names: Sequence[str] = (),
) -> ConversationPage:
    """Return a page of a conversation.

    Args:
        chosen: the person; its order and cursor are ignored.
        after: where the previous page ended.
        kept: where the texts are; None for none.
        names: the ids of the person in the documents.
    """
    place = None if after is None else (after.key or 0, after.message_id)
    found = {entry.key: entry for entry in _messages(store, chosen, size + 1, order, place)}
    if kept is not None:
        _join(found, kept.of(names), store, set(names), size + 1, order, place)
    entries = sorted(found.values(), key=lambda entry: entry.key, reverse=order == "newest")
    last = entries[size - 1].key if len(entries) > size else None
    return ConversationPage(
        entries=tuple(entries[:size]),
        cursor=None if last is None else Cursor(order=order, key=last[0], message_id=last[1]),
    )


def latest(store: Store, chosen: MessageFilter) -> Message | None:
    """Return the message that was sent last."""
    found = _messages(store, chosen, 1, "newest", None)
    return found[0].message if found else None


def _messages(store: Store, chosen: MessageFilter, most: int, order: str, after: Key | None) -> list[Entry]:
    """Return the first of a person's messages after a key; of a long conversation only the newest are read."""
    asked = msgspec.structs.replace(chosen, order="newest", after=None, limit=None)
    if order == "oldest":
        every = (Entry(key=_key(message), message=message) for message in store.messages(asked))
        return heapq.nsmallest(most, (one for one in every if after is None or one.key > after), lambda one: one.key)
    heap: list[tuple[Key, Message]] = []
    for message in store.messages(asked):
        key = _key(message)
        if len(heap) == most and key[0] < heap[0][0][0]:
            break
        if after is None or key < after:
            (heapq.heappushpop if len(heap) == most else heapq.heappush)(heap, (key, message))
    return [Entry(key=key, message=message) for key, message in heap]


def _join(
    found: dict[Key, Entry],
    documents: Iterable[dict[str, Any]],
    store: Store,
    names: set[str],
    most: int,
    order: str,
    after: Key | None,
) -> None:
    """Add the documents to the messages they belong to, and put the others between the messages."""
    newest = order == "newest"
    keys = {entry.message.message_id: key for key, entry in found.items() if entry.message is not None}
    # The page ends with the last message of a full page.
    end = (min if newest else max)(found) if len(found) >= most else None
    beside: list[tuple[Key, dict[str, Any]]] = []
    for document in itertools.islice(documents, MOST_DOCUMENTS):
        message_id = _id_of(document)
        if message_id in keys:
            entry = found[keys[message_id]]
            found[entry.key] = msgspec.structs.replace(entry, documents=(document, *entry.documents))
            continue
        key: Key = (
            min(max(moment_of(document.get("timestamp")) or 0, 0), _LATEST_MOMENT),
            str(document.get("_id", "")),
        )
        is_behind = after is None or (key < after if newest else key > after)
        if is_behind and (end is None or (key > end if newest else key < end)):
            beside.append((key, document))
            if len(beside) > 10 * most:
                beside = _first(beside, most, store, names, newest=newest)
    for key, document in _first(beside, most, store, names, newest=newest):
        known = store.get([message_id]).get(message_id) if (message_id := _id_of(document)) else None
        found[key] = Entry(key=key, message=known, documents=(document,))


def _first(
    beside: list[tuple[Key, dict[str, Any]]], most: int, store: Store, names: set[str], *, newest: bool
) -> list[tuple[Key, dict[str, Any]]]:
    """Return the first of these, without documents of the person's other messages, which are on other pages."""
    known = store.get([message_id for _, document in beside if (message_id := _id_of(document))])
    theirs = {
        name
        for name, message in known.items()
        if names & {message.attributes.conversation_id, message.attributes.recipient_user_id}
    }
    left = [(key, document) for key, document in beside if _id_of(document) not in theirs]
    return sorted(left, key=lambda one: one[0], reverse=newest)[:most]


def _key(message: Message) -> Key:
    return (min(max(time_of(message) or 0, 0), _LATEST_MOMENT), message.message_id)


def _id_of(document: dict[str, Any]) -> str:
    message_id = document.get("message_id")
    return message_id if isinstance(message_id, str) else ""


def _cut(turn: Turn) -> Turn:
    if turn.text is None or len(turn.text) <= LONGEST_TEXT:
        return turn
    return msgspec.structs.replace(turn, text=turn.text[: LONGEST_TEXT - 1] + "…")
