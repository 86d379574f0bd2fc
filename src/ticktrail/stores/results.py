"""Results of a store: write reports, refusals and its state."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ticktrail.errors import TicktrailError


class Refusal(msgspec.Struct, frozen=True):
    """A message or send that the store refused, and why. Other messages are not affected."""

    key: str
    reason: str


class WriteReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a write: every message of the batch is in exactly one of the first four fields.

    ``events`` counts new statuses (beside other writers, it may count one twice), ``sends`` new send records.
    ``left_out`` counts statuses and sends of erased people and those older than the retention mark.
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


class ReceivedStatuses(msgspec.Struct, frozen=True):
    """Statuses that came directly from Meta and that no synced execution of n8n holds.

    Attributes:
        first_timestamp: Unix seconds of the oldest one; None for none. ``last_timestamp``: of the newest one.
    """

    count: int = 0
    first_timestamp: int | None = None
    last_timestamp: int | None = None


class StoreState(msgspec.Struct, frozen=True, kw_only=True):
    """State of a store, as a check found it.

    Attributes:
        server: the database software and its version.
        exists: a store exists already.
        faults: what would stop a sync, each with its remedy. The check leaves nothing behind.
        missing_indexes: names of indexes that an existing store lacks; the next write creates them.
        free_bytes: free space on the disk, where that is known.
        clock: the server's time and this machine's at the same moment, where the store has its own clock.
        remark: other remarks, one or more sentences.
    """

    server: str
    exists: bool
    faults: tuple[TicktrailError, ...] = ()
    missing_indexes: tuple[str, ...] = ()
    free_bytes: int | None = None
    clock: tuple[datetime, datetime] | None = None
    remark: str = ""
