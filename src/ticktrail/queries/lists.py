"""Lists for the pages: a page of messages, a page of sends, the people a text can mean."""

from __future__ import annotations

import itertools
from datetime import datetime

import msgspec

from ticktrail.messages.filters import Cursor, Grouping, MessageFilter, SendCursor, SendFilter
from ticktrail.messages.model import Message, Send
from ticktrail.stores import Store
from ticktrail.text.phone_numbers import Person

PAGE_SIZE = 50
"""Messages on a page of a list."""

MOST_COUNTED = 10_000
"""Unconfirmed sends are counted up to this number."""

_MOST_PEOPLE = 20


_AHEAD = 20
"""Messages with a status in the future that are passed over in search of the newest status."""


class MessageList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of messages. ``cursor`` is where the next page begins, None on the last page."""

    messages: tuple[Message, ...]
    cursor: Cursor | None


class SendList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sends, and the stored messages of those that have one. ``cursor`` as in :class:`MessageList`."""

    sends: tuple[Send, ...]
    messages: dict[str, Message]
    cursor: SendCursor | None


class PeopleMatches(msgspec.Struct, frozen=True, kw_only=True):
    """People that a text can mean: ids with their number of messages; ``more`` when there are others."""

    people: tuple[tuple[str, int], ...]
    more: bool


def latest_status_at(store: Store, now: datetime) -> int | None:
    """Return the time of the newest status up to now; None where there is none."""
    times = (message.state.latest_timestamp for message in store.messages(MessageFilter(order="latest", limit=_AHEAD)))
    return next((time for time in times if time is not None and time <= now.timestamp()), None)


def list_messages(store: Store, chosen: MessageFilter, size: int = PAGE_SIZE) -> MessageList:
    """Return a page of the messages a filter chooses."""
    answer = store.messages(msgspec.structs.replace(chosen, limit=size + 1))
    shown = tuple(itertools.islice(answer, size))
    cursor = answer.cursor
    return MessageList(messages=shown, cursor=cursor if next(answer, None) is not None else None)


def list_sends(store: Store, chosen: SendFilter, size: int = PAGE_SIZE) -> SendList:
    """Return a page of the sends a filter chooses."""
    found = tuple(store.sends(msgspec.structs.replace(chosen, limit=size + 1)))
    shown = found[:size]
    messages = store.get([send.message_id for send in shown if send.message_id is not None])
    return SendList(sends=shown, messages=messages, cursor=SendCursor.of(shown[-1]) if len(found) > size else None)


def count_sends(store: Store, chosen: SendFilter) -> int:
    """Return how many sends a filter chooses, its cursor left aside.

    Unconfirmed sends are counted up to one more than :data:`MOST_COUNTED`: each is looked up among the messages.
    """
    if chosen.unconfirmed:
        wanted = msgspec.structs.replace(chosen, after=None, limit=MOST_COUNTED + 1)
        return sum(1 for _ in store.sends(wanted))
    return sum(send_cause.count for send_cause in store.send_causes(chosen))


def find_people(store: Store, person: Person) -> PeopleMatches:
    """Return the people a text can mean, those with most messages first."""
    found = store.statistics(MessageFilter(person=person), Grouping.USER, young_since=0)
    named = sorted(((str(group.key), group.counts.messages) for group in found if group.key is not None),
                   key=lambda one: (-one[1], one[0]))  # fmt: skip
    if not named:
        # Statistics leave out groups and test messages; a list does not.
        messages = list_messages(store, MessageFilter(person=person)).messages
        ids = {message.attributes.conversation_id for message in messages}
        named = sorted((id_, store.count(MessageFilter(conversation_id=id_))) for id_ in ids if id_)
    return PeopleMatches(people=tuple(named[:_MOST_PEOPLE]), more=len(named) > _MOST_PEOPLE)
