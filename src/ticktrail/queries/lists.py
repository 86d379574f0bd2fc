"""The questions pages ask, each a function of a store: figures of a period, groups, one person, how complete it is."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.extraction.execution_reader import EXTRACTION_VERSION
from ticktrail.messages import grouping
from ticktrail.messages import rates as stats
from ticktrail.messages.counts import DAY_SECONDS, Counts, Group, Key
from ticktrail.messages.filters import READ, Cursor, Grouping, MessageFilter, SendCursor, SendFilter
from ticktrail.messages.model import Message, Send
from ticktrail.queries.periods import Period
from ticktrail.settings.naming import Naming
from ticktrail.stores import Store
from ticktrail.stores.coverage import Facts, PendingExecution
from ticktrail.stores.sync_state import Run
from ticktrail.text.phone_numbers import Person

PAGE = 50
"""Messages on a page of a list."""

THREAD = 200
"""Messages of a person on one page."""

MOST_COUNTED = 10_000
"""Sends that no status confirmed, after which nobody goes on counting."""

SPARKED = 30
"""Groups that get a sparkline and a reason."""

_LATEST = {"sent": ("sent",), "delivered": ("delivered",), "read": READ, "failed": ("failed", "undelivered")}
"""By what a status is found again: what only such a message stands at."""

_PERSONS = 20
_FEWEST_A_DAY = 5


class Funnel(msgspec.Struct, frozen=True, kw_only=True):
    """A period's figures, and those of each of its days.

    Attributes:
        days: in order, those without messages included; the key is the day's name.
        change: the delivery rate less that of the period before, in points, both final; None for too few.
        as_of: Unix seconds; messages younger than a day then are not final.
    """

    counts: Counts
    never: frozenset[str]
    days: tuple[Group, ...]
    change: float | None
    as_of: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A group beside others. ``change`` as in :class:`Funnel`."""

    group: Group
    change: float | None


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """The groups to show, the worst first, how many have a name, and what belongs to none."""

    rows: tuple[Row, ...]
    named: int
    nameless: Counts
    never: frozenset[str]


class Spark(msgspec.Struct, frozen=True, kw_only=True):
    """What a group's row shows beside its counts: the delivery rate by day, and what mostly keeps messages away."""

    rates: tuple[float | None, ...]
    reason: str | None
    reason_messages: int = 0


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list. ``place`` is where the next one begins, None on the last."""

    messages: tuple[Message, ...]
    cursor: Cursor | None


class Sends(msgspec.Struct, frozen=True, kw_only=True):
    """A page of sends, and what became of those that have a message. ``place`` as in :class:`Page`."""

    sends: tuple[Send, ...]
    messages: dict[str, Message]
    cursor: SendCursor | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a text means: ids with how many messages each has; ``more`` when there are others still."""

    people: tuple[tuple[str, int], ...]
    more: bool


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """How complete the ledger is, as far as its own books tell.

    Attributes:
        exists: whether there is a ledger at all.
        scopes: the workflow of each coverage, what is remembered of its walks, and its open executions.
        settled: executions dealt with, of all workflows.
        never: statuses that the trigger seems never to pass.
    """

    exists: bool
    location: str
    scopes: tuple[tuple[str, Facts, tuple[PendingExecution, ...]], ...]
    settled: int
    runs: tuple[Run, ...]
    never: frozenset[str]
    messages: int


def funnel(store: Store, period: Period, now: datetime, zone: ZoneInfo) -> Funnel:
    """The figures of a period, with each of its days."""
    young_since = int(now.timestamp()) - DAY_SECONDS
    wanted = _filter(period)
    (totals,) = store.statistics(wanted, young_since=young_since, details=True)
    days = grouping.folded(store.statistics(wanted, Grouping.DAY, young_since=young_since), Grouping.DAY, zone=zone)
    change = None
    halves = period.before(now)
    if halves is not None:
        young, earlier = (
            next(iter(store.statistics(_filter(span), young_since=young_since))).counts
            for span in (_not_final(period, halves[0]), halves[1])
        )
        change = _difference(_less(totals.counts, young), earlier)
    return Funnel(
        counts=totals.counts,
        never=never_passed(store, totals.counts, wanted),
        days=tuple(day for day in days if day.key is not None),
        change=change,
        as_of=int(now.timestamp()),
    )


def groups(
    store: Store, by: Grouping, period: Period, now: datetime, *, zone: ZoneInfo, naming: Naming, limit: int
) -> Groups:
    """The groups of a period, those first that kept most people's messages from arriving."""
    young_since = int(now.timestamp()) - DAY_SECONDS

    def counted(span: Period) -> Any:
        found = store.statistics(_filter(span), by, young_since=young_since)
        return grouping.folded(found, by, zone=zone, campaign_key=naming.campaign_key, names=naming.numbers)

    chosen = grouping.chosen(counted(period), by, limit)
    changes: dict[Any, float | None] = {}
    halves = period.before(now)
    if halves is not None:
        wanted = {group.key for group in chosen.shown}
        young, earlier = (
            {group.key: group.counts for group in counted(span) if group.key in wanted}
            for span in (_not_final(period, halves[0]), halves[1])
        )
        for group in chosen.shown:
            final = _less(group.counts, young.get(group.key, Counts()))
            changes[group.key] = _difference(final, earlier.get(group.key, Counts()))
    (totals,) = store.statistics(_filter(period), young_since=young_since)
    return Groups(
        rows=tuple(Row(group=group, change=changes.get(group.key)) for group in chosen.shown),
        named=chosen.named,
        nameless=chosen.nameless,
        never=never_passed(store, totals.counts, _filter(period)),
    )


def sparks(
    store: Store, by: Grouping, period: Period, keys: Collection[Key], *, zone: ZoneInfo, naming: Naming
) -> dict[Key, Spark]:
    """What the rows of groups show beside their counts: two questions, however many groups there are."""

    def told_apart(across: Grouping) -> dict[Key, list[Group]]:
        found: dict[Key, list[Group]] = {key: [] for key in keys}
        for group in store.statistics(_filter(period), by, young_since=0, across=across):
            key = group.key
            if by is Grouping.CAMPAIGN and naming.campaign_key:
                key = grouping.campaign_of(key, naming.campaign_key)
            if key in found:
                found[key].append(msgspec.structs.replace(group, key=group.across))
        return found

    days, reasons = told_apart(Grouping.DAY), told_apart(Grouping.ERROR)
    return {key: _spark(days[key], reasons[key], zone) for key in days}


def _spark(days: list[Group], reasons: list[Group], zone: ZoneInfo) -> Spark:
    failed: dict[Key, int] = {}
    for group in reasons:
        failed[group.key] = failed.get(group.key, 0) + group.counts.failed
    reason, messages = max(failed.items(), key=lambda one: (one[1], str(one[0])), default=(None, 0))
    return Spark(
        rates=tuple(
            day.counts.delivered / day.counts.sent if day.counts.sent >= _FEWEST_A_DAY else None
            for day in grouping.folded(days, Grouping.DAY, zone=zone)
            if day.key is not None
        ),
        reason=None if reason is None else str(reason),
        reason_messages=messages,
    )


def page(store: Store, chosen: MessageFilter, size: int = PAGE) -> Page:
    """The messages a filter chooses, up to a page of them."""
    answer = store.messages(msgspec.structs.replace(chosen, limit=size + 1))
    shown = tuple(itertools.islice(answer, size))
    place = answer.cursor
    return Page(messages=shown, cursor=place if next(answer, None) is not None else None)


def sends(store: Store, chosen: SendFilter, size: int = PAGE) -> Sends:
    """The sends a filter chooses, up to a page of them."""
    found = tuple(store.sends(msgspec.structs.replace(chosen, limit=size + 1)))
    shown = found[:size]
    messages = store.get([send.message_id for send in shown if send.message_id is not None])
    return Sends(sends=shown, messages=messages, cursor=SendCursor.of(shown[-1]) if len(found) > size else None)


def count_sends(store: Store, chosen: SendFilter) -> int:
    """How many sends a filter chooses, its place left aside.

    Unconfirmed ones are counted up to :data:`MOST_COUNTED`, and one more than that stands for more: each has to be
    looked for among the messages.
    """
    if chosen.unconfirmed:
        wanted = msgspec.structs.replace(chosen, after=None, limit=MOST_COUNTED + 1)
        return sum(1 for _ in store.sends(wanted))
    return sum(one.count for one in store.send_causes(chosen))


def people(store: Store, person: Person) -> Found:
    """The people a text means, those with most messages first."""
    found = store.statistics(MessageFilter(person=person), Grouping.USER, young_since=0)
    named = sorted(((str(group.key), group.counts.messages) for group in found if group.key is not None),
                   key=lambda one: (-one[1], one[0]))  # fmt: skip
    if not named:
        # Figures leave groups and tests out; a list does not.
        ids = {message.attributes.conversation_id for message in page(store, MessageFilter(person=person)).messages}
        named = sorted((one, store.count(MessageFilter(conversation_id=one))) for one in ids if one)
    return Found(people=tuple(named[:_PERSONS]), more=len(named) > _PERSONS)


def trust(store: Store, workflow_ids: Sequence[str]) -> Trust:
    """How complete the ledger is: what its books tell of each workflow, and its latest runs."""
    exists = store.exists()
    if not exists:
        return Trust(
            exists=False, location=store.location, scopes=(), settled=0, runs=(), never=frozenset(), messages=0
        )
    ending = f"|{EXTRACTION_VERSION}|{store.sync_state.identity()}"
    known: list[tuple[str, Facts, tuple[PendingExecution, ...]]] = []
    settled = 0
    for scope, facts in sorted(store.sync_state.facts().items()):
        workflow_id = scope.removesuffix(ending).rpartition("|")[2]
        if not scope.endswith(ending) or (workflow_ids and workflow_id not in workflow_ids):
            continue
        coverage = store.sync_state.load_coverage(scope)
        settled += coverage.processed_count()
        known.append((workflow_id, facts, tuple(coverage.pending.values())))
    return Trust(
        exists=True,
        location=store.location,
        scopes=tuple(known),
        settled=settled,
        runs=tuple(store.sync_state.runs(100)),
        never=_never_at_all(store),
        messages=store.count(MessageFilter()),
    )


def never_passed(store: Store, counts: Counts, asked: MessageFilter) -> frozenset[str]:
    """What the trigger never passes: what did not come in this time, nor ever."""
    absent = stats.never_passed(counts)
    if not absent or asked == MessageFilter():
        return absent
    seen = {name for name in absent if next(store.messages(MessageFilter(statuses=_LATEST[name], limit=1)), None)}
    return stats.never_passed(counts, seen)


def _never_at_all(store: Store) -> frozenset[str]:
    """What the trigger never passes: everything is counted only when some status is nobody's latest."""
    for statuses in _LATEST.values():
        stands_there = MessageFilter(statuses=statuses, people_only=True, limit=1)
        if next(store.messages(stands_there), None) is None:
            (totals,) = store.statistics(MessageFilter(), young_since=0)
            return stats.never_passed(totals.counts)
    return frozenset()


def _not_final(whole: Period, final: Period) -> Period:
    """What a period has beyond the part of it that is final: a day at most, where the part may be a month."""
    return Period(name="young", since=final.until, until=whole.until)


def _less(whole: Counts, part: Counts) -> Counts:
    """What rates of delivery need of a whole without a part of it."""
    return Counts(
        delivered=whole.delivered - part.delivered,
        on_the_way=whole.on_the_way - part.on_the_way,
        failed=whole.failed - part.failed,
    )


def _difference(later: Counts, earlier: Counts) -> float | None:
    """The delivery rate of one less that of another; None where either is of too few."""
    rates = _rate(later), _rate(earlier)
    return None if rates[0] is None or rates[1] is None else rates[0] - rates[1]


def _filter(period: Period) -> MessageFilter:
    return MessageFilter(since_timestamp=period.since, until_timestamp=period.until)


def _rate(counts: Counts) -> float | None:
    return stats.figures(counts).delivered.rate
