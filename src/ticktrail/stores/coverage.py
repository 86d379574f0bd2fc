"""Which executions have been dealt with, decided by what has been done, not by how far a walk got.

n8n hides executions and shows them later below ids already read, so no id and no time marks a point up to which
everything is known. What is kept instead, per n8n and workflow: the set of **settled** ids (bits, 2,048 a block), and
a record for each execution that is **open**: unfinished, not shown, crashed a short while ago, refused by the store.
An id in neither has not been dealt with. Forgetting a bit is always safe: the execution is read again, and merging
makes that harmless.

This module is pure: time comes in as an argument, and a store keeps the state (``stores/bookkeeping.py``).
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from ticktrail.messages.model import Extraction, Outcome

BLOCK = 2_048
"""Ids in a block of the settled set."""

CRASHED_FOR = timedelta(hours=6)
"""How long a crashed execution is looked at again: a worker that lives on may still turn it into a success."""

WINDOW = timedelta(hours=2)
"""How far back, by start, a window walk looks: what runs longer is found by a full walk or by its open record."""

WINDOW_EVERY = timedelta(minutes=5)

FULL_AT_LEAST_EVERY = timedelta(hours=24)
FULL_USUALLY_EVERY = timedelta(minutes=30)
FULL_AT_MOST_EVERY = timedelta(minutes=10)
"""n8n prunes once an hour: an execution that was hidden until it was older than what n8n keeps is there that long."""

_FULL_SHARE = 200
"""A full walk may take one part in so many of the time."""

_ATTEMPTS = (timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
_LOOK_AGAIN = {
    "unfinished": (timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=15)),
    "crashed": (timedelta(minutes=30),),
    "not_shown": _ATTEMPTS,
    "refused": _ATTEMPTS,
}
"""When an open execution is asked for again, by attempt; the last one for good."""

_LONG_UNFINISHED = timedelta(days=7)
_LONG_UNFINISHED_LOOK_AGAIN = timedelta(hours=1)

NEIGHBOURS = 50
"""Of so many executions settled last, at least a tenth must still be listed, or a gap may have been torn."""

_KEPT_RECORDS = 100
"""Gaps and lost executions that are remembered, the newest."""


class Kind(enum.StrEnum):
    """Why an execution is open."""

    UNFINISHED = "unfinished"
    WITHHELD = "not_shown"
    CRASHED = "crashed"
    REFUSED = "refused"


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that has been met and not settled.

    Attributes:
        reason: for people, when it was not shown or the store refused what is in it.
        attempts: how often its data was asked for since it is open for this kind of reason.
        started_at: as n8n wrote it, None for a queued one.
        first_met_at: when a sync first met it.
        look_again_at: not before then.
    """

    execution_id: int
    kind: Kind
    first_met_at: datetime
    look_again_at: datetime
    attempts: int = 1
    reason: str | None = None
    started_at: str | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a list without data says of one execution. ``final`` is None where it does not tell (n8n up to 1.110)."""

    execution_id: int
    status: str | None = None
    final: bool | None = None
    started_at: str | None = None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of which nothing is known: n8n deleted its executions before they were read.

    ``after_id`` is the newest execution known before it, ``before_id`` the oldest one after it that n8n still had; the
    times are those two executions' starts as n8n wrote them.
    """

    after_id: int
    before_id: int
    from_started_at: str | None
    to_started_at: str | None
    found_at: datetime


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that n8n deleted before it ever showed its data, or the store took it."""

    execution_id: int
    reason: str | None
    started_at: str | None
    found_at: datetime


class InterruptedScan(msgspec.Struct, frozen=True, kw_only=True):
    """A full walk that was interrupted: it began at ``top_id`` and had dealt with what is listed from ``below`` on."""

    top_id: int
    below: int
    began_at: datetime


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of earlier walks.

    Attributes:
        newest_id: the highest id met by a walk that came through, and when that execution started.
        checked_at: when the last walk that came through began: complete up to then, but for what n8n hides.
        full_at: when the last complete full walk began; None when there was none. ``full_seconds``: how long it took.
        full_owed: an earlier walk did not come through, or n8n was away: the next one must be full.
        window_at: when the last window walk (or full one) began.
        walk: where a full walk was interrupted.
        oldest_id: the oldest execution n8n still had at the last full walk, and when it started.
        holds_statuses: whether a status was ever stored: then an empty store means that it was emptied.
        gaps: and ``lost`` executions, the newest hundred of each.
    """

    newest_id: int | None = None
    newest_started_at: str | None = None
    checked_at: datetime | None = None
    full_at: datetime | None = None
    full_seconds: float = 0.0
    full_owed: bool = True
    window_at: datetime | None = None
    walk: InterruptedScan | None = None
    oldest_id: int | None = None
    oldest_started_at: str | None = None
    holds_statuses: bool = False
    gaps: tuple[Gap, ...] = ()
    lost: tuple[Lost, ...] = ()


class Block(msgspec.Struct, frozen=True):
    """A block of the settled set: one bit an id, and the latest start among its settled executions."""

    bits: int = 0
    latest_started_at: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a step of a sync adds to the coverage. Applying it twice comes to the same.

    Attributes:
        settled: block number → bits to add and the latest start among them. Bits commute: two syncs at once lose none.
        opened: records to put in place of what stands under their id.
        closed: ids whose open records go.
        facts: what replaces the facts, None for no change.
        forgotten_below: blocks below this number go: n8n has no such executions any more.
    """

    settled: Mapping[int, Block] = msgspec.field(default_factory=dict)
    opened: tuple[Open, ...] = ()
    closed: tuple[int, ...] = ()
    facts: Facts | None = None
    forgotten_below: int | None = None


class ScanDepth(enum.StrEnum):
    """How far a walk over the list goes."""

    POLL = "poll"
    WINDOW = "window"
    FULL = "full"


class Coverage(msgspec.Struct, kw_only=True):
    """What has been dealt with in one workflow of one n8n. Grows as a sync goes on."""

    blocks: dict[int, Block] = msgspec.field(default_factory=dict)
    open: dict[int, Open] = msgspec.field(default_factory=dict)
    facts: Facts = msgspec.field(default_factory=Facts)

    def is_settled(self, execution_id: int) -> bool:
        """Whether nothing is left to do for this execution."""
        block = self.blocks.get(execution_id // BLOCK)
        return block is not None and bool(block.bits >> (execution_id % BLOCK) & 1)

    def settled_count(self) -> int:
        """How many executions are settled, of those n8n had at the last full walk or got since."""
        return sum(block.bits.bit_count() for block in self.blocks.values())

    def settled_last(self, limit: int = NEIGHBOURS) -> set[int]:
        """The highest settled ids up to the newest one that was met by a walk that came through."""
        newest = self.facts.newest_id
        found: set[int] = set()
        if newest is None:
            return found
        for number in sorted(self.blocks, reverse=True):
            bits = self.blocks[number].bits
            while bits and len(found) < limit:
                bit = bits.bit_length() - 1
                bits ^= 1 << bit
                if number * BLOCK + bit <= newest:
                    found.add(number * BLOCK + bit)
        return found

    def is_from_another_life(self, seen: Seen) -> bool:
        """Whether a settled id now belongs to an execution that started later than any settled one of its block.

        Then n8n was rebuilt and its ids began again: nothing that was settled says anything about what it holds now.
        """
        block = self.blocks.get(seen.execution_id // BLOCK)
        if block is None or block.latest_started_at is None or seen.started_at is None:
            return False
        return self.is_settled(seen.execution_id) and seen.started_at > block.latest_started_at

    def wants(self, seen: Seen, *, now: datetime) -> bool:
        """Whether an execution's data is to be fetched now."""
        if self.is_settled(seen.execution_id):
            return False
        known = self.open.get(seen.execution_id)
        if known is None:
            return True
        if known.kind is Kind.UNFINISHED:
            # What it showed has been read. It is read again when it is done; where lists do not tell, in time.
            return seen.final is True or (seen.final is None and known.look_again_at <= now)
        return known.look_again_at <= now

    def is_news_of_a_crash(self, seen: Seen) -> bool:
        """Whether this is a crashed execution not met before: n8n was killed, and others may have appeared anywhere."""
        return (
            seen.status == "crashed" and seen.execution_id not in self.open and not self.is_settled(seen.execution_id)
        )

    def depth(self, *, now: datetime, full: bool = False) -> ScanDepth:
        """How far the next walk must go. ``full`` says that somebody asked for everything."""
        facts = self.facts
        # A clock that was set back must not put a walk off for ever.
        if full or facts.full_owed or facts.full_at is None or not _recent(facts.full_at, self.full_every(now), now):
            return ScanDepth.FULL
        if facts.window_at is None or not _recent(facts.window_at, WINDOW_EVERY, now):
            return ScanDepth.WINDOW
        return ScanDepth.POLL

    def full_every(self, now: datetime) -> timedelta:
        """How often a full walk is due: every half hour, several times within what n8n keeps, at least daily.

        Never so often that walking takes more than a two-hundredth of the time.
        """
        every = FULL_USUALLY_EVERY
        kept = retention(self.facts, now)
        if kept is not None:
            every = max(min(every, kept / 6), FULL_AT_MOST_EVERY)
        return min(max(every, timedelta(seconds=_FULL_SHARE * self.facts.full_seconds)), FULL_AT_LEAST_EVERY)

    def apply(self, change: Change) -> None:
        """Take over a change, as the store does."""
        for number, block in change.settled.items():
            self.blocks[number] = merge_blocks(self.blocks.get(number, Block()), block)
        for record in change.opened:
            self.open[record.execution_id] = record
        for execution_id in change.closed:
            self.open.pop(execution_id, None)
        if change.facts is not None:
            self.facts = change.facts
        if change.forgotten_below is not None:
            for number in [number for number in self.blocks if number < change.forgotten_below]:
                del self.blocks[number]


def merge_blocks(one: Block, other: Block) -> Block:
    """Two views of one block: every bit of either."""
    starts = [start for start in (one.latest_started_at, other.latest_started_at) if start is not None]
    return Block(one.bits | other.bits, max(starts) if starts else None)


def settle(executions: Iterable[tuple[int, str | None]]) -> dict[int, Block]:
    """The blocks that settle these executions, given as (id, start as n8n wrote it)."""
    blocks: dict[int, Block] = {}
    for execution_id, started_at in executions:
        number, bit = divmod(execution_id, BLOCK)
        blocks[number] = merge_blocks(blocks.get(number, Block()), Block(1 << bit, started_at))
    return blocks


def judge(found: Extraction, seen: Seen, known: Open | None, *, refused: str | None, now: datetime) -> Open | None:
    """What is left to do for an execution that has been read and whose statuses are stored: None, it is settled.

    Args:
        found: what was in it.
        seen: its row in the list without data.
        known: its open record so far.
        refused: why the store would not take something in it.
        now: the time.
    """
    if refused is not None:
        return _again(Kind.REFUSED, seen, known, reason=refused, now=now)
    # The list came first: one that ended in between is settled when the list says so, and with the start it says.
    if not found.final or seen.final is False:
        return _again(Kind.UNFINISHED, seen, known, reason=None, now=now)
    if found.outcome is Outcome.WITHHELD:
        return _again(Kind.WITHHELD, seen, known, reason=found.reason, now=now)
    if found.status == "crashed":
        record = _again(Kind.CRASHED, seen, known, reason=None, now=now)
        if now - record.first_met_at < CRASHED_FOR:
            return record
    return None


def not_shown(seen: Seen, known: Open | None, *, reason: str, now: datetime) -> Open:
    """The open record of an execution that n8n listed and did not hand out."""
    return _again(Kind.WITHHELD, seen, known, reason=reason, now=now)


def _again(kind: Kind, seen: Seen, known: Open | None, *, reason: str | None, now: datetime) -> Open:
    same = known if known is not None and known.kind is kind else None
    attempts = same.attempts + 1 if same else 1
    first_met_at = min(known.first_met_at, now) if known else now
    waits = _LOOK_AGAIN[kind]
    wait = waits[min(attempts, len(waits)) - 1]
    if kind is Kind.UNFINISHED and now - first_met_at > _LONG_UNFINISHED:
        wait = _LONG_UNFINISHED_LOOK_AGAIN
    return Open(
        execution_id=seen.execution_id,
        kind=kind,
        reason=reason,
        first_met_at=first_met_at,
        look_again_at=now + wait,
        attempts=attempts,
        started_at=seen.started_at or (known.started_at if known else None),
    )


def lost(record: Open, *, now: datetime) -> Lost | None:
    """What is lost with an open execution that n8n has no more: nothing, if what it showed has been stored."""
    if record.kind not in {Kind.WITHHELD, Kind.REFUSED}:
        return None
    return Lost(execution_id=record.execution_id, reason=record.reason, started_at=record.started_at, found_at=now)


def remembered(facts: Facts, *, gaps: Collection[Gap] = (), lost: Collection[Lost] = ()) -> Facts:
    """The facts with more gaps and lost executions; the oldest beyond a hundred of each go."""
    return msgspec.structs.replace(
        facts, gaps=(*facts.gaps, *gaps)[-_KEPT_RECORDS:], lost=(*facts.lost, *lost)[-_KEPT_RECORDS:]
    )


def retention(facts: Facts, now: datetime) -> timedelta | None:
    """How far back n8n still goes, measured: from the start of its oldest execution; None when that is unknown."""
    if facts.oldest_started_at is None:
        return None
    try:
        oldest = datetime.fromisoformat(facts.oldest_started_at)
    except ValueError:
        return None
    return max(now - oldest, timedelta(0)) if oldest.tzinfo is not None else None


def find_gap(
    facts: Facts,
    *,
    settled_last: Collection[int],
    still_listed: Collection[int],
    next_above: Seen | None,
    now: datetime,
) -> Gap | None:
    """The gap between what was known and what n8n has now, if pruning tore one.

    n8n prunes the oldest first, so while executions settled last are still listed, none that came after them can be
    gone. It spares single ones (waiting, annotated): so one that is left proves nothing, and a tenth of them must be.

    Args:
        facts: as they were before this walk.
        settled_last: :meth:`Coverage.settled_last` before this walk.
        still_listed: which of those n8n still lists.
        next_above: the oldest listed execution above the newest one known, if any.
        now: the time.
    """
    if facts.newest_id is None or next_above is None or not settled_last:
        return None
    if 10 * len(still_listed) > len(settled_last):
        return None
    return Gap(
        after_id=facts.newest_id,
        before_id=next_above.execution_id,
        from_started_at=facts.newest_started_at,
        to_started_at=next_above.started_at,
        found_at=now,
    )


def _recent(moment: datetime, span: timedelta, now: datetime) -> bool:
    return timedelta(0) <= now - moment < span
