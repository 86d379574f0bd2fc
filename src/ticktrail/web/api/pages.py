"""A page of messages or of sends as JSON, bounded in number and in size."""

from __future__ import annotations

from typing import Literal

import msgspec

from ticktrail.messages.document import to_document
from ticktrail.messages.filters import Cursor, MessageFilter, SendCursor, SendFilter
from ticktrail.output.conversation import turn_document
from ticktrail.output.documents import to_json
from ticktrail.output.sends import send_to_document
from ticktrail.queries.conversation import LONGEST_TEXT, Texts, stretch
from ticktrail.stores import Store
from ticktrail.web import masking as masked

LISTED_BYTES = 8_000_000
"""A page ends early when it has grown so large: errors of a megabyte each are possible."""


class Page(msgspec.Struct, frozen=True):
    """The documents, with commas between them; where the next page begins, None at the end; whose they are.

    Attributes:
        turns: what was said, as a list; None where no texts are kept.
    """

    body: bytes
    cursor: Cursor | SendCursor | None
    people: frozenset[str]
    turns: bytes | None = None


def page_of(store: Store, chosen: MessageFilter, limit: int, *, salt: bytes | None, most_bytes: int) -> Page:
    """A page of what a filter chooses.

    Args:
        salt: for masked message ids; None for documents as they are.
        most_bytes: no message follows once they are so many.
    """
    # One more than is shown tells whether there is more.
    answer = store.messages(msgspec.structs.replace(chosen, limit=limit + 1))
    bodies: list[bytes] = []
    people: set[str] = set()
    size = 0
    cursor: Cursor | None = None
    for message in answer:
        if len(bodies) == limit or size > most_bytes:
            return Page(b", ".join(bodies), cursor, frozenset(people))
        document = to_document(message, store.timezone)
        if document["conversation_id"] is not None:
            people.add(document["conversation_id"])
        shown = document if salt is None else masked.message(document, salt)
        bodies.append(to_json(shown).encode("utf-8", "replace"))
        size += len(bodies[-1])
        cursor = answer.cursor
    return Page(b", ".join(bodies), None, frozenset(people))


def sends_page(store: Store, chosen: SendFilter, limit: int, *, salt: bytes | None, most_bytes: int) -> Page:
    """As :func:`page_of`, of what a filter of sends chooses."""
    bodies: list[bytes] = []
    size = 0
    cursor: SendCursor | None = None
    for send in store.sends(msgspec.structs.replace(chosen, limit=limit + 1)):
        if len(bodies) == limit or size > most_bytes:
            return Page(b", ".join(bodies), cursor, frozenset())
        document = send_to_document(send, store.timezone)
        shown = document if salt is None else masked.send(document, salt)
        bodies.append(to_json(shown).encode("utf-8", "replace"))
        size += len(bodies[-1])
        cursor = SendCursor.of(send)
    return Page(b", ".join(bodies), None, frozenset())


def thread_of(
    store: Store, chosen: MessageFilter, limit: int, *, kept: Texts, order: Literal["newest", "oldest"], most_bytes: int
) -> Page:
    """A page of one person's thread, with what was said: for those who may see texts.

    Args:
        chosen: by ids, not by last digits; with its place.
        most_bytes: the page ends early when it would grow beyond so many, unless by one message alone.
    """
    names = chosen.person.ids if chosen.person is not None else ()
    page = stretch(store, chosen, limit, order=order, after=chosen.after, kept=kept, names=names)
    bodies: list[bytes] = []
    people: set[str] = set()
    size = 0
    for number, entry in enumerate(page.entries):
        if entry.message is not None:
            document = to_document(entry.message, store.timezone)
            people |= {document["conversation_id"]} - {None}
            bodies.append(to_json(document).encode("utf-8", "replace"))
            size += len(bodies[-1])
        size += LONGEST_TEXT * len(entry.documents)
        if size > most_bytes and number + 1 < len(page.entries):
            page = msgspec.structs.replace(
                page,
                entries=page.entries[: number + 1],
                cursor=Cursor(order=order, key=entry.key[0], message_id=entry.key[1]),
            )
            break
    said = [to_json(turn_document(turn, store.timezone)).encode("utf-8", "replace") for turn in page.turns]
    turns = b"[%b]" % b", ".join(said if order == "oldest" else said[::-1])
    return Page(b", ".join(bodies), page.cursor, frozenset(people), turns)
