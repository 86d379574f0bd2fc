"""A page of one person's thread: the ledger's messages, with what a workflow kept of the conversation beside them.

A thread goes by when things were said, a store by when their latest status was reported; and somebody who opens a chat
reads everything at once, so that a hundred messages have the same latest time. Pages are cut here, therefore: by the
time of a message and then its id, so that each is on one page, whatever is stored meanwhile.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol

import msgspec

from ticktrail.messages.conversation import Turn, join_turns, moment_of, time_of, turns_of
from ticktrail.messages.counts import DAY_SECONDS
from ticktrail.messages.filters import Cursor, MessageFilter
from ticktrail.messages.model import Message
from ticktrail.stores import Store

PAGE = 200
"""Messages, and what was said between them, on one page."""

LONGEST_TEXT = 10_000
"""Characters of a text that are handed on; WhatsApp itself takes 4,096."""

MOST_DOCUMENTS = 20_000
"""Documents of one person that are looked through, the newest; older texts are not found."""

_LATEST_MOMENT = 253_402_214_400
_SLACK_SECONDS = DAY_SECONDS
"""A message is sent before its latest status, by clocks that differ by less than this."""

Key = tuple[int, str]
"""The time of something said, Unix seconds, 0 for unknown; and what settles ties."""


class Texts(Protocol):
    """What a workflow keeps of conversations: see :class:`ticktrail.stores.mongodb.conversations.Conversations`."""

    def of(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The documents of one person, known by these ids, newest first."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the ledger, or one document of a conversation, or both where they are of the same message."""

    key: Key
    message: Message | None = None
    documents: tuple[dict[str, Any], ...] = ()


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a thread, in the order that was asked for. ``place`` is where it goes on, None at the end."""

    entries: tuple[Entry, ...]
    cursor: Cursor | None

    @property
    def turns(self) -> list[Turn]:
        """What was said in it, oldest first, texts cut to :data:`LONGEST_TEXT`."""
        messages = {one.message.message_id: one.message for one in self.entries if one.message is not None}
        said = itertools.chain.from_iterable(turns_of(document) for one in self.entries for document in one.documents)
        return join_turns((_cut(turn) for turn in said), messages)


def stretch(
    store: Store,
    chosen: MessageFilter,
    size: int,
    *,
    order: Literal["newest", "oldest"] = "newest",
    after: Cursor | None = None,
    kept: Texts | None = None,
    names: Sequence[str] = (),
) -> Stretch:
    """A page of a thread.

    Args:
        chosen: the person; its order and place are not looked at.
        after: where the page before ended.
        kept: where texts are; None for none.
        names: the ids under which the person's documents are kept.
    """
    place = None if after is None else (after.key or 0, after.message_id)
    found = {entry.key: entry for entry in _messages(store, chosen, size + 1, order, place)}
    if kept is not None:
        _join(found, kept.of(names), store, set(names), size + 1, order, place)
    entries = sorted(found.values(), key=lambda entry: entry.key, reverse=order == "newest")
    last = entries[size - 1].key if len(entries) > size else None
    return Stretch(
        entries=tuple(entries[:size]),
        cursor=None if last is None else Cursor(order=order, key=last[0], message_id=last[1]),
    )


def latest(store: Store, chosen: MessageFilter) -> Message | None:
    """The message that was sent last."""
    found = _messages(store, chosen, 1, "newest", None)
    return found[0].message if found else None


def _messages(store: Store, chosen: MessageFilter, most: int, order: str, after: Key | None) -> list[Entry]:
    """The first of a person's messages behind a place; of a long thread's newest only those are read."""
    asked = msgspec.structs.replace(chosen, order="newest", after=None, limit=None)
    if order == "oldest":
        every = (Entry(key=_key(message), message=message) for message in store.messages(asked))
        return heapq.nsmallest(most, (one for one in every if after is None or one.key > after), lambda one: one.key)
    heap: list[tuple[Key, Message]] = []
    for message in store.messages(asked):
        # What follows has older statuses still, and so was sent earlier than what is here.
        if len(heap) == most and (message.state.latest_timestamp or 0) + _SLACK_SECONDS < heap[0][0][0]:
            break
        key = _key(message)
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
    """Put the documents beside the messages they are of, and those of no message of the person's between them."""
    newest = order == "newest"
    keys = {entry.message.message_id: key for key, entry in found.items() if entry.message is not None}
    # Behind a full page's last message nothing is on the page.
    end = (min if newest else max)(found) if len(found) >= most else None
    beside: list[tuple[Key, dict[str, Any]]] = []
    for document in itertools.islice(documents, MOST_DOCUMENTS):
        message_id = _id_of(document)
        if message_id in keys:
            entry = found[keys[message_id]]
            found[entry.key] = msgspec.structs.replace(entry, documents=(document, *entry.documents))
            continue
        key = (min(max(moment_of(document.get("timestamp")) or 0, 0), _LATEST_MOMENT), str(document.get("_id", "")))
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
    """The first of these, less those of the person's other messages: they stand with these, on other pages."""
    known = store.get([message_id for _, document in beside if (message_id := _id_of(document))])
    theirs = {
        name
        for name, message in known.items()
        if names & {message.attributes.conversation_id, message.attributes.recipient_user_id}
    }
    left = [(key, document) for key, document in beside if _id_of(document) not in theirs]
    return sorted(left, key=lambda one: one[0], reverse=newest)[:most]


def _key(message: Message) -> Key:
    """Where a message stands: at its time, but never far behind its latest status, by which a store sorts."""
    known = message.state.latest_timestamp or 0
    moment = min(time_of(message) or 0, known + _SLACK_SECONDS)
    return (min(max(moment, 0), _LATEST_MOMENT), message.message_id)


def _id_of(document: dict[str, Any]) -> str:
    message_id = document.get("message_id")
    return message_id if isinstance(message_id, str) else ""


def _cut(turn: Turn) -> Turn:
    if turn.text is None or len(turn.text) <= LONGEST_TEXT:
        return turn
    return msgspec.structs.replace(turn, text=turn.text[: LONGEST_TEXT - 1] + "…")
