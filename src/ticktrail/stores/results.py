"""Results of a store: write reports, refusals and its state."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ticktrail.errors import TicktrailError


class Refusal(msgspec.Struct, frozen=True):
    """A message or send the store would not take, and why. It cost itself only."""

    key: str
    reason: str


class WriteReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one write came to, in messages: every message of the batch is in exactly one of the four.

    ``events`` counts statuses that were new (beside other writers at once, it may count one twice), ``sends`` send
    records that were. ``left_out`` counts the statuses and sends that the ledger does not keep
    (:attr:`Store.retention`): they are in none of the others.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: tuple[Refusal, ...] = ()
    events: int = 0
    sends: int = 0
    left_out: int = 0

    def __add__(self, other: WriteReport) -> WriteReport:
        return WriteReport(
            inserted=self.inserted + other.inserted,
            updated=self.updated + other.updated,
            unchanged=self.unchanged + other.unchanged,
            refused=self.refused + other.refused,
            events=self.events + other.events,
            sends=self.sends + other.sends,
            left_out=self.left_out + other.left_out,
        )


class StoreState(msgspec.Struct, frozen=True, kw_only=True):
    """How a store fares, as far as trying shows.

    Attributes:
        server: the software that keeps the data, and its version.
        exists: whether there is a ledger already.
        faults: what would stop a sync, each with its remedy; a probe that was not refused left nothing behind.
        missing_indexes: indexes that an existing ledger lacks, by name; the next write makes them.
        free_bytes: room on the disk, where that can be seen.
        clock: the store's own time and this machine's when it was told, where it has a clock of its own.
        remark: what else should be known, one sentence.
    """

    server: str
    exists: bool
    faults: tuple[TicktrailError, ...] = ()
    missing_indexes: tuple[str, ...] = ()
    free_bytes: int | None = None
    clock: tuple[datetime, datetime] | None = None
    remark: str = ""
