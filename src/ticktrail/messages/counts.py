"""Counts: how one message is counted, and sums of messages without rates.

A few facts about a message are packed into one number (:func:`facts`). A database groups by it, and the counts of a
quarter of an hour, a day or a country are sums. MongoDB computes the number from its documents, SQLite keeps it in a
column. :mod:`ticktrail.messages.rates` turns counts into rates and percentiles.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ticktrail.messages.filters import Grouping
from ticktrail.messages.model import ARRIVED, FAILED, MessageState

QUARTER_SECONDS = 900
"""Every zone's days and hours begin at a quarter of an hour of UTC (Nepal is 5:45 ahead)."""

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400

PEOPLE, GROUP, TEST = 0, 1, 2
"""Recipients of a message: only messages to people enter the rates."""

TEST_NUMBER_ID = "123456123"
"""``phone_number_id`` of what Meta's *Test* button sends; no real number has it."""

LONGEST_NUMBER = 15
"""Digits of the longest phone number (E.164). The ids of groups are longer."""

OTHER, PENDING, NOT_REACHED, REACHED, SEEN = range(5)
"""The state of a message, for counting; ``read`` and ``played`` are both ``SEEN``."""

STANDING_BITS = 7
"""Of :func:`facts`: one of the five."""

CONFLICT = 8
SENT_REPORTED = 16
DELIVERED_REPORTED = 32
TIMED, WITHIN_DAY, WITHIN_HOUR = 64, 128, 192
"""Two bits: the delivery's time is known, and it was read within 24 hours, or within one hour, of it."""

_READING_BITS = 192

_ALIKE = 4
"""Parts of a group up to which its counts are cached."""

FACTS = 256
"""Greater than all :func:`facts`."""


def audience(conversation_id: str | None, phone_number_id: str | None) -> int:
    """:data:`PEOPLE`, :data:`GROUP` or :data:`TEST`.

    A group's id is longer than any phone number. A business-scoped user id (``SA.1a2b…``, Meta's BSUID page) is a
    person's however long it is.
    """
    if phone_number_id == TEST_NUMBER_ID:
        return TEST
    if conversation_id is None or len(conversation_id) <= LONGEST_NUMBER or conversation_id[2] == ".":
        return PEOPLE
    return GROUP


def facts(state: MessageState) -> int:
    """Return the state of a message and the statuses that were reported, as one number.

    ``read`` and ``played`` count as delivered even where no ``delivered`` came (Meta's status page).
    """
    status = state.latest_status
    delivered, sent = state.delivered_timestamp, state.sent_timestamp
    found = OTHER
    if status == "sent":
        found = PENDING
    elif status in FAILED:
        found = NOT_REACHED
    elif status in ARRIVED:
        found = REACHED if status == "delivered" else SEEN
    arrived = found >= REACHED
    if state.conflict:
        found += CONFLICT
    if sent is not None or status == "sent":
        found += SENT_REPORTED
    if delivered is not None or status == "delivered":
        found += DELIVERED_REPORTED
    if arrived and delivered is not None:
        seen = min(
            (moment for moment in (state.read_timestamp, state.played_timestamp) if moment is not None), default=None
        )
        if seen is None or seen - delivered > DAY_SECONDS:
            found += TIMED
        else:
            found += WITHIN_HOUR if seen - delivered <= HOUR_SECONDS else WITHIN_DAY
    return found


def delay(state: MessageState) -> int | None:
    """Seconds from ``sent`` to ``delivered``, None where either time is unknown or the message did not arrive.

    Whole seconds up to a day, whole minutes beyond: exact where it matters, and few enough to be listed. Clocks that
    disagree give no negative delay.
    """
    sent, delivered = state.sent_timestamp, state.delivered_timestamp
    if sent is None or delivered is None or state.latest_status not in ARRIVED:
        return None
    seconds = max(0, delivered - sent)
    return seconds if seconds <= DAY_SECONDS else seconds - seconds % 60


def message_time(state: MessageState) -> int | None:
    """Return the time a message belongs to, see :data:`ticktrail.messages.filters.MESSAGE_TIME_FIELDS`."""
    for moment in (state.sent_timestamp, state.first_timestamp, state.latest_timestamp):
        if moment is not None:
            return moment
    return None


def category(pricing: Mapping[str, Any] | None) -> str | None:
    """Return the pricing category as Meta writes it (``marketing``, ``utility``, …; Meta adds new ones)."""
    found = None if pricing is None else pricing.get("category")
    return found if isinstance(found, str) and found else None


def billable(pricing: Mapping[str, Any] | None) -> bool | None:
    """Return whether Meta charges for a message; None when the pricing does not say.

    Meta announced to remove ``billable`` (Meta's pricing page). Without it ``type`` decides: ``regular`` or ``free_…``.
    """
    if pricing is None:
        return None
    said, kind = pricing.get("billable"), pricing.get("type")
    if isinstance(said, bool):
        return said
    if kind == "regular":
        return True
    return False if isinstance(kind, str) and kind.startswith("free") else None


Price = tuple[str | None, bool | None]
"""Category, and whether it is billed."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of messages by state. Two of them can be added.

    Messages to groups and Meta's test messages are in ``groups`` and ``tests`` and nowhere else. Every message that
    WhatsApp accepted is in exactly one of ``messages``, ``unconfirmed`` and ``awaiting``.

    Attributes:
        messages: with a status: ``delivered + pending + failed + other``.
        unconfirmed: accepted by WhatsApp, without any status for more than an hour; ``awaiting``: not that long.
        read: of those delivered.
        other: their status says nothing about delivery (``deleted``, ``warning``, values unknown today).
        conflicts: delivered, although an error was reported as well.
        sent_reported: a ``sent`` status came; ``delivered_reported`` likewise.
        timed: delivered, at a known time; of these ``read_within_day``, and of those ``read_within_hour``.
        provisional: younger than 24 hours.
        prices: messages that arrived, by their last non-null pricing.
        delays: messages by :func:`delay`.
    """

    messages: int = 0
    unconfirmed: int = 0
    awaiting: int = 0
    delivered: int = 0
    read: int = 0
    failed: int = 0
    pending: int = 0
    other: int = 0
    conflicts: int = 0
    sent_reported: int = 0
    delivered_reported: int = 0
    timed: int = 0
    read_within_hour: int = 0
    read_within_day: int = 0
    provisional: int = 0
    groups: int = 0
    tests: int = 0
    prices: Mapping[Price, int] = {}
    delays: Mapping[int, int] = {}

    @property
    def accepted(self) -> int:
        """Accepted by WhatsApp: with a status, or known from the send alone."""
        return self.messages + self.unconfirmed + self.awaiting

    @property
    def sent(self) -> int:
        """Delivered, pending and failed, which add up to this."""
        return self.delivered + self.pending + self.failed

    def __add__(self, other: Counts) -> Counts:
        sums = {name: getattr(self, name) + getattr(other, name) for name in _NUMBERS}
        return Counts(**sums, prices=_joined(self.prices, other.prices), delays=_joined(self.delays, other.delays))


_NUMBERS = tuple(name for name in Counts.__struct_fields__ if name not in {"prices", "delays"})
_PROVISIONAL = _NUMBERS.index("provisional")


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one group.

    Attributes:
        key: what its messages share; None for messages that have no such thing. Where times are grouped, quarters of
            an hour since 1970 UTC; where days are, a store may give all of a day of its zone under one quarter of
            that day. Where countries are, :func:`ticktrail.text.phone_numbers.country_prefix`.
        label: the key in other words: an error's title, or a sending number as people write it.
        people: where errors are grouped, how many recipients did not get a message because of it.
        across: as ``key``, where the groups are told apart by a second grouping too.
    """

    key: str | int | None
    counts: Counts
    label: str | None = None
    people: int | None = None
    across: str | int | None = None


Key = str | int | None

Row = tuple[Key, Key, str | None, int, int, str | None, bool | None, int | None, int, int]
"""Key, key across, label, audience, facts, category, billable, delay, how many messages, how many not final."""


def grouped(rows: Iterable[Row], *, prices: bool) -> Iterator[Group]:
    """Yield the groups of rows that a database counted. Rows come with equal keys side by side.

    Args:
        prices: the rows are grouped by price too.
    """
    for (key, across), alike in itertools.groupby(rows, key=operator.itemgetter(0, 1)):
        parts = list(alike)
        label = max((row[2] for row in parts if row[2] is not None and row[3] == PEOPLE), default=None)
        counted = tuple(row[3:] for row in parts)
        # Most groups of many have few messages, and many others have the same counts.
        count = _count if len(counted) <= _ALIKE else _count.__wrapped__
        yield Group(key=key, counts=count(counted, prices=prices), label=label, across=across)


_Part = tuple[int, int, str | None, bool | None, int | None, int, int]
"""A :data:`Row` from its audience on."""


@functools.lru_cache(maxsize=4096)
def _count(parts: tuple[_Part, ...], *, prices: bool) -> Counts:
    """Add up the parts of one group."""
    sums = [0] * len(_NUMBERS)
    billing: dict[Price, int] = {}
    delays: dict[int, int] = {}
    for to_whom, packed, category, billed, seconds, messages, young in parts:
        for place in _places(to_whom, packed):
            sums[place] += messages
        if to_whom != PEOPLE:
            continue
        sums[_PROVISIONAL] += young
        if prices and packed & STANDING_BITS >= REACHED:
            price = (category, None if billed is None else bool(billed))
            billing[price] = billing.get(price, 0) + messages
        if seconds is not None:
            delays[seconds] = delays.get(seconds, 0) + messages
    return Counts(**dict(zip(_NUMBERS, sums, strict=True)), prices=billing, delays=delays)


UnconfirmedRow = tuple[Key, Key, str | None, int, int, int]
"""Key, key across, label, audience, how many sends are overdue, how many there are."""


def unconfirmed_groups(rows: Iterable[UnconfirmedRow], by: Grouping | None) -> Iterator[Group]:
    """Yield the groups of sends that a database counted; without ``by`` exactly one, which counts groups' messages too.

    Rows come with equal keys side by side.
    """
    if by is None:
        totals = Counts()
        for _, _, _, to_whom, overdue, sends in rows:
            totals += (
                Counts(unconfirmed=overdue, awaiting=sends - overdue) if to_whom == PEOPLE else Counts(groups=sends)
            )
        yield Group(key=None, counts=totals)
        return
    for (key, across), alike in itertools.groupby(rows, key=lambda row: row[:2]):
        people = [row for row in alike if row[3] == PEOPLE]
        overdue = sum(row[4] for row in people)
        if people:
            counts = Counts(unconfirmed=overdue, awaiting=sum(row[5] for row in people) - overdue)
            yield Group(key=key, counts=counts, across=across)


@functools.cache
def _places(to_whom: int, packed: int) -> tuple[int, ...]:
    """Which of the numbers a message with these facts is counted in."""
    stands, reading = packed & STANDING_BITS, packed & _READING_BITS
    counted = {
        "messages": True,
        "delivered": stands >= REACHED,
        "read": stands == SEEN,
        "failed": stands == NOT_REACHED,
        "pending": stands == PENDING,
        "other": stands == OTHER,
        "conflicts": stands >= REACHED and bool(packed & CONFLICT),
        "sent_reported": bool(packed & SENT_REPORTED),
        "delivered_reported": bool(packed & DELIVERED_REPORTED),
        "timed": reading >= TIMED,
        "read_within_hour": reading == WITHIN_HOUR,
        "read_within_day": reading >= WITHIN_DAY,
    }
    if to_whom != PEOPLE:
        counted = {"groups": to_whom == GROUP, "tests": to_whom == TEST}
    return tuple(_NUMBERS.index(name) for name, holds in counted.items() if holds)


def _joined(one: Mapping[Any, int], other: Mapping[Any, int]) -> Mapping[Any, int]:
    if not one or not other:
        return one or other
    joined = dict(one)
    for key, count in other.items():
        joined[key] = joined.get(key, 0) + count
    return joined
