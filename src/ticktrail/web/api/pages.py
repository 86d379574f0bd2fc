"""Pages of messages and sends as JSON, bounded in number and in size, and the cursors between them."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import Literal

import msgspec

from ticktrail.errors import ConfigurationError
from ticktrail.messages.document import send_to_document, to_document
from ticktrail.messages.filters import Cursor, MessageFilter, SendCursor, SendFilter
from ticktrail.output.conversation import turn_document
from ticktrail.output.documents import to_json
from ticktrail.queries.conversation import LONGEST_TEXT, Texts, read_conversation
from ticktrail.stores import Store
from ticktrail.web import masking

MAX_BYTES = 8_000_000
"""A page ends early at this size: errors of a megabyte each are possible."""

_MAX_CURSORS = 10_000


class Page(msgspec.Struct, frozen=True):
    """One page of documents.

    Attributes:
        body: the documents as JSON, with commas between them.
        cursor: position of the next page; None at the end.
        people: conversation ids of the messages.
        turns: what was said, as a JSON array; None where no texts are kept.
    """

    body: bytes
    cursor: Cursor | SendCursor | None
    people: frozenset[str]
    turns: bytes | None = None


def message_page(store: Store, chosen: MessageFilter, limit: int, *, salt: bytes | None, max_bytes: int) -> Page:
    """A page of the messages that match a filter.

    Args:
        salt: salt of masked message ids; None leaves documents unmasked.
        max_bytes: size at which the page ends early.
    """
    # One more than the limit shows whether there is a next page.
    matches = store.messages(msgspec.structs.replace(chosen, limit=limit + 1))
    bodies: list[bytes] = []
    people: set[str] = set()
    size = 0
    cursor: Cursor | None = None
    for message in matches:
        if len(bodies) == limit or size > max_bytes:
            return Page(b", ".join(bodies), cursor, frozenset(people))
        document = to_document(message, store.timezone)
        if document["conversation_id"] is not None:
            people.add(document["conversation_id"])
        shown = document if salt is None else masking.message(document, salt)
        bodies.append(to_json(shown).encode("utf-8", "replace"))
        size += len(bodies[-1])
        cursor = matches.cursor
    return Page(b", ".join(bodies), None, frozenset(people))


def send_page(store: Store, chosen: SendFilter, limit: int, *, salt: bytes | None, max_bytes: int) -> Page:
    """As :func:`message_page`, of the sends that match a filter."""
    bodies: list[bytes] = []
    size = 0
    cursor: SendCursor | None = None
    for send in store.sends(msgspec.structs.replace(chosen, limit=limit + 1)):
        if len(bodies) == limit or size > max_bytes:
            return Page(b", ".join(bodies), cursor, frozenset())
        document = send_to_document(send, store.timezone)
        shown = document if salt is None else masking.send(document, salt)
        bodies.append(to_json(shown).encode("utf-8", "replace"))
        size += len(bodies[-1])
        cursor = SendCursor.of(send)
    return Page(b", ".join(bodies), None, frozenset())


def conversation_page(
    store: Store, chosen: MessageFilter, limit: int, *, texts: Texts, order: Literal["newest", "oldest"], max_bytes: int
) -> Page:
    """A page of one person's conversation, with what was said.

    Args:
        chosen: selects the person by ids, not by last digits.
        max_bytes: size at which the page ends early; one message is always on it.
    """
    names = chosen.person.ids if chosen.person is not None else ()
    page = read_conversation(store, chosen, limit, order=order, after=chosen.after, kept=texts, names=names)
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
        if size > max_bytes and number + 1 < len(page.entries):
            page = msgspec.structs.replace(
                page,
                entries=page.entries[: number + 1],
                cursor=Cursor(order=order, key=entry.key[0], message_id=entry.key[1]),
            )
            break
    documents = [to_json(turn_document(turn, store.timezone)).encode("utf-8", "replace") for turn in page.turns]
    turns = b"[%b]" % b", ".join(documents if order == "oldest" else documents[::-1])
    return Page(b", ".join(bodies), page.cursor, frozenset(people), turns)


class HiddenCursors:
    """Random names for the 10,000 cursors given out last.

    A cursor holds a message id, which holds a phone number. Viewers get a name in its place, and so does everybody
    where the cursor is too long for a URL.
    """

    def __init__(self) -> None:
        self._tokens: OrderedDict[str, str] = OrderedDict()

    def name(self, token: str) -> str:
        """A new name for a cursor."""
        name = f"p_{secrets.token_urlsafe(16)}"
        self._tokens[name] = token
        while len(self._tokens) > _MAX_CURSORS:
            self._tokens.popitem(last=False)
        return name

    def token(self, name: str) -> str:
        """The cursor of a name.

        Raises:
            ConfigurationError: no cursor has this name, or no longer.
        """
        try:
            return self._tokens[name]
        except KeyError:
            raise ConfigurationError(
                "--after is not a valid cursor, or it has expired.", remedy="Request the first page without --after."
            ) from None
