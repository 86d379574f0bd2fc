"""A page of messages or of sends as JSON, bounded in number and in size."""

from __future__ import annotations

import msgspec

from ticktrail.document import to_document
from ticktrail.masking import mask_document
from ticktrail.query import MessageFilter, Place, SendFilter, SendPlace
from ticktrail.render import to_json
from ticktrail.render_sends import send_to_document
from ticktrail.stores import Store

LISTED_BYTES = 8_000_000
"""A page ends early when it has grown so large: errors of a megabyte each are possible."""


class Page(msgspec.Struct, frozen=True):
    """The documents, with commas between them; where the next page begins, None at the end; whose they are."""

    body: bytes
    place: Place | SendPlace | None
    people: frozenset[str]


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
    place: Place | None = None
    for message in answer:
        if len(bodies) == limit or size > most_bytes:
            return Page(b", ".join(bodies), place, frozenset(people))
        document = to_document(message, store.timezone)
        if document["conversation_id"] is not None:
            people.add(document["conversation_id"])
        shown = document if salt is None else mask_document(document, salt)
        bodies.append(to_json(shown).encode("utf-8", "replace"))
        size += len(bodies[-1])
        place = answer.place
    return Page(b", ".join(bodies), None, frozenset(people))


def sends_page(store: Store, chosen: SendFilter, limit: int, *, salt: bytes | None, most_bytes: int) -> Page:
    """As :func:`page_of`, of what a filter of sends chooses."""
    bodies: list[bytes] = []
    size = 0
    place: SendPlace | None = None
    for send in store.sends(msgspec.structs.replace(chosen, limit=limit + 1)):
        if len(bodies) == limit or size > most_bytes:
            return Page(b", ".join(bodies), place, frozenset())
        document = send_to_document(send, store.timezone)
        shown = document if salt is None else mask_document(document, salt)
        bodies.append(to_json(shown).encode("utf-8", "replace"))
        size += len(bodies[-1])
        place = SendPlace.of(send)
    return Page(b", ".join(bodies), None, frozenset())
