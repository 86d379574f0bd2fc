"""Coverage: which executions of a workflow have been processed, and which are pending.

n8n hides executions and lists them later below ids that were read before, so neither an id nor a time marks a point
up to which everything is known. The coverage of one n8n and workflow therefore consists of:

* the set of **processed** ids: one bit an id, 2,048 ids a block;
* one record for each **pending** execution: unfinished, withheld, crashed a short while ago, or refused by the store.

An id in neither has not been read. Forgetting a bit is always safe: the execution is read again, and merging makes
that harmless.

This module is pure. A store keeps the state (:mod:`ticktrail.stores.sync_state`), and
:mod:`ticktrail.sync.decisions` decides what to read next.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

BLOCK = 2_048
"""Ids in a block of the processed set."""

LAST_PROCESSED = 50
"""How many of the highest processed ids :meth:`Coverage.last_processed` returns."""


class PendingKind(enum.StrEnum):
    """Reason why an execution is pending. The values are stored."""

    UNFINISHED = "unfinished"
    WITHHELD = "not_shown"
    CRASHED = "crashed"
    REFUSED = "refused"


class PendingExecution(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that n8n listed and that is not processed yet.

    Attributes:
        reason: why n8n withheld it or the store refused it, for people.
        attempts: how often its data was requested since it is pending for this kind of reason.
        started_at: as n8n wrote it, None for a queued execution.
        first_met_at: when a sync first listed it.
        look_again_at: the next sync at or after this time requests it again.
    """

    execution_id: int
    kind: PendingKind
    first_met_at: datetime
    look_again_at: datetime
    attempts: int = 1
    reason: str | None = None
    started_at: str | None = None


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A range of executions that n8n deleted before they were read.

    ``after_id`` is the newest execution known before the range, ``before_id`` the oldest one after it that n8n still
    had; the times are those two executions' starts as n8n wrote them.
    """

    after_id: int
    before_id: int
    from_started_at: str | None
    to_started_at: str | None
    found_at: datetime


class LostExecution(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that n8n deleted before it returned its data, or before the store accepted it."""

    execution_id: int
    reason: str | None
    started_at: str | None
    found_at: datetime


class NotRead(msgspec.Struct, frozen=True, kw_only=True):
    """Count of the executions that were not read for one reason, and of one provider.

    Attributes:
        reason: a key of :data:`ticktrail.extraction.withheld.NOT_READ_REASONS`.
        provider: the name of the provider whose webhook they hold, where it is known.
        count: how many, since this coverage began.
        last_execution_id: of the one read last.
        first_at: when a sync read the first one.
        last_at: when a sync read the last one.
    """

    reason: str
    provider: str | None = None
    count: int
    last_execution_id: int
    first_at: datetime
    last_at: datetime


class InterruptedScan(msgspec.Struct, frozen=True, kw_only=True):
    """A full scan that was interrupted: it began at ``top_id`` and had processed the list down to ``below``."""

    top_id: int
    below: int
    began_at: datetime


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that earlier scans of the execution list found.

    Attributes:
        newest_id: the highest id that a finished scan met, and when that execution started.
        checked_at: when the last finished scan began: everything up to then is stored, except what n8n hides.
        intervals: seconds between the last finished scans, at most five: how often syncs usually run.
        full_at: when the last complete full scan began; None when there was none.
        full_seconds: how long that scan took.
        full_owed: an earlier scan did not finish, or n8n was away: the next scan must be full.
        window_at: when the last window scan (or full scan) began.
        interrupted_scan: where a full scan was interrupted.
        oldest_id: the oldest execution that n8n had at the last full scan, and when it started.
        holds_statuses: a status was stored: if the store is empty now, it was emptied.
        pruned: n8n was seen to delete executions: the oldest execution at a full scan is not that of an earlier one.
        gaps: the newest hundred.
        lost: the newest hundred.
        not_read: executions that were not read, counted by reason and provider.
        workflow_name: the workflow's name in n8n, as its last processed executions have it.
    """

    newest_id: int | None = None
    newest_started_at: str | None = None
    checked_at: datetime | None = None
    intervals: tuple[int, ...] = ()
    full_at: datetime | None = None
    full_seconds: float = 0.0
    full_owed: bool = True
    window_at: datetime | None = None
    interrupted_scan: InterruptedScan | None = msgspec.field(default=None, name="walk")
    oldest_id: int | None = None
    oldest_started_at: str | None = None
    holds_statuses: bool = False
    pruned: bool = False
    gaps: tuple[Gap, ...] = ()
    lost: tuple[LostExecution, ...] = ()
    not_read: tuple[NotRead, ...] = ()
    workflow_name: str | None = None


class Block(msgspec.Struct, frozen=True):
    """A block of the processed set: one bit an id, and the latest start among its processed executions."""

    bits: int = 0
    latest_started_at: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a sync, as a change to the coverage. Applying it twice gives the same result.

    Attributes:
        processed: block number → bits to add and the latest start among them. Bits commute: two syncs lose none.
        pending: records that replace those of the same ids.
        resolved: ids that are no longer pending.
        facts: the new facts, None to keep the old ones.
        forgotten_below: remove blocks below this number: n8n no longer has such executions.
    """

    processed: Mapping[int, Block] = msgspec.field(default_factory=dict)
    pending: tuple[PendingExecution, ...] = ()
    resolved: tuple[int, ...] = ()
    facts: Facts | None = None
    forgotten_below: int | None = None


class Coverage(msgspec.Struct, kw_only=True):
    """The processed and the pending executions of one workflow of one n8n."""

    blocks: dict[int, Block] = msgspec.field(default_factory=dict)
    pending: dict[int, PendingExecution] = msgspec.field(default_factory=dict)
    facts: Facts = msgspec.field(default_factory=Facts)

    def is_processed(self, execution_id: int) -> bool:
        """Return True when nothing is left to do for this execution."""
        block = self.blocks.get(execution_id // BLOCK)
        return block is not None and bool(block.bits >> (execution_id % BLOCK) & 1)

    def processed_count(self) -> int:
        """Count the processed executions, of those n8n had at the last full scan or created since."""
        return sum(block.bits.bit_count() for block in self.blocks.values())

    def lowest_processed(self) -> int | None:
        """Return the lowest processed id that is remembered; None where there is none."""
        for number in sorted(self.blocks):
            bits = self.blocks[number].bits
            if bits:
                return number * BLOCK + (bits & -bits).bit_length() - 1
        return None

    def last_processed(self, limit: int = LAST_PROCESSED) -> set[int]:
        """Return the highest processed ids up to the newest one that a finished scan met."""
        newest = self.facts.newest_id
        ids: set[int] = set()
        if newest is None:
            return ids
        for number in sorted(self.blocks, reverse=True):
            bits = self.blocks[number].bits
            while bits and len(ids) < limit:
                bit = bits.bit_length() - 1
                bits ^= 1 << bit
                if number * BLOCK + bit <= newest:
                    ids.add(number * BLOCK + bit)
        return ids

    def apply(self, change: Change) -> None:
        """Apply a change in memory, as the store does."""
        for number, block in change.processed.items():
            self.blocks[number] = merge_blocks(self.blocks.get(number, Block()), block)
        for record in change.pending:
            self.pending[record.execution_id] = record
        for execution_id in change.resolved:
            self.pending.pop(execution_id, None)
        if change.facts is not None:
            self.facts = change.facts
        if change.forgotten_below is not None:
            for number in [number for number in self.blocks if number < change.forgotten_below]:
                del self.blocks[number]


def merge_blocks(one: Block, other: Block) -> Block:
    """Return a block with the bits of both."""
    starts = [start for start in (one.latest_started_at, other.latest_started_at) if start is not None]
    return Block(one.bits | other.bits, max(starts) if starts else None)


def processed_blocks(executions: Iterable[tuple[int, str | None]]) -> dict[int, Block]:
    """Return the blocks that mark these executions as processed, given as (id, start as n8n wrote it)."""
    blocks: dict[int, Block] = {}
    for execution_id, started_at in executions:
        number, bit = divmod(execution_id, BLOCK)
        blocks[number] = merge_blocks(blocks.get(number, Block()), Block(1 << bit, started_at))
    return blocks
