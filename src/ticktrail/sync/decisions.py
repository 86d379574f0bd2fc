"""Decide what a sync does next: how far to scan, which executions to fetch, and what stays pending.

This module is pure: it takes the coverage and the time as arguments, and changes nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

import msgspec

from ticktrail.messages.model import Extraction, Outcome
from ticktrail.stores.coverage import BLOCK, Coverage, Facts, Gap, LostExecution, NotRead, PendingExecution, PendingKind

CRASHED_FOR = timedelta(hours=6)
"""A crashed execution stays pending this long: a worker that is still alive may turn it into a success."""

WINDOW = timedelta(hours=2)
"""How far back a window scan goes, by start time. A full scan, or the pending record, finds what runs longer."""

WINDOW_EVERY = timedelta(minutes=5)

FULL_AT_LEAST_EVERY = timedelta(hours=24)
FULL_USUALLY_EVERY = timedelta(minutes=30)
FULL_AT_MOST_EVERY = timedelta(minutes=10)
"""n8n prunes once an hour, so an execution that was hidden until it was old enough to be pruned exists that long."""

_FULL_SHARE = 200
"""Full scans take at most one part in this many of the time."""

_ATTEMPTS = (timedelta(minutes=2), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6), timedelta(hours=24))
_RETRY_AFTER = {
    PendingKind.UNFINISHED: (timedelta(minutes=2), timedelta(minutes=5), timedelta(minutes=15)),
    PendingKind.CRASHED: (timedelta(minutes=30),),
    PendingKind.WITHHELD: _ATTEMPTS,
    PendingKind.REFUSED: _ATTEMPTS,
}
"""Time until a pending execution is requested again, by attempt; the last value repeats."""

_LONG_UNFINISHED = timedelta(days=7)
_LONG_UNFINISHED_RETRY = timedelta(hours=1)

_KEPT_RECORDS = 100
"""Number of gaps and of lost executions that are remembered, the newest."""

_KEPT_NOT_READ = 50
"""Number of reasons and providers that executions not read are counted by; further ones are counted without name."""


class ScanDepth(enum.StrEnum):
    """Extent of a scan of the execution list."""

    POLL = "poll"
    WINDOW = "window"
    FULL = "full"


class ListedExecution(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the execution list. ``final`` is None where the row does not say so (n8n up to 1.110)."""

    execution_id: int
    status: str | None = None
    final: bool | None = None
    started_at: str | None = None


def id_was_reused(coverage: Coverage, listed: ListedExecution) -> bool:
    """Return True when a processed id belongs to an execution that started later than its whole block.

    Then n8n was rebuilt and its ids began again, so the processed set says nothing about its executions.
    """
    block = coverage.blocks.get(listed.execution_id // BLOCK)
    if block is None or block.latest_started_at is None or listed.started_at is None:
        return False
    return coverage.is_processed(listed.execution_id) and listed.started_at > block.latest_started_at


def should_fetch(coverage: Coverage, listed: ListedExecution, *, now: datetime, all_pending: bool = False) -> bool:
    """Return True when a sync should fetch this execution's data now.

    Args:
        all_pending: ignore when pending executions are due (``sync --full``).
    """
    if coverage.is_processed(listed.execution_id):
        return False
    pending = coverage.pending.get(listed.execution_id)
    if pending is None or all_pending:
        return True
    if pending.kind is PendingKind.UNFINISHED:
        # Its data so far has been read. It is read again once it is final; where lists do not say so, when it is due.
        return listed.final is True or (listed.final is None and pending.look_again_at <= now)
    return pending.look_again_at <= now


def is_new_crash(coverage: Coverage, listed: ListedExecution) -> bool:
    """Return True for a crashed execution not met before: n8n was killed, and others may have appeared anywhere."""
    known = listed.execution_id in coverage.pending or coverage.is_processed(listed.execution_id)
    return listed.status == "crashed" and not known


def scan_depth(facts: Facts, *, now: datetime, full: bool = False) -> ScanDepth:
    """Return how far the next scan must go. ``full`` requests the whole list."""
    # A clock that was set back must not postpone a scan without end.
    if full or facts.full_owed or facts.full_at is None or not _recent(facts.full_at, full_every(facts, now), now):
        return ScanDepth.FULL
    if facts.window_at is None or not _recent(facts.window_at, WINDOW_EVERY, now):
        return ScanDepth.WINDOW
    return ScanDepth.POLL


def full_every(facts: Facts, now: datetime) -> timedelta:
    """Return how often a full scan is due.

    Every half hour, at least six times within n8n's retention, and at least daily, but never so often that scanning
    takes more than a two-hundredth of the time.
    """
    every = FULL_USUALLY_EVERY
    kept = retention(facts, now)
    if kept is not None:
        every = max(min(every, kept / 6), FULL_AT_MOST_EVERY)
    return min(max(every, timedelta(seconds=_FULL_SHARE * facts.full_seconds)), FULL_AT_LEAST_EVERY)


def pending_after_read(
    extraction: Extraction,
    listed: ListedExecution,
    known: PendingExecution | None,
    *,
    refused: str | None,
    now: datetime,
) -> PendingExecution | None:
    """Return the pending record of an execution whose events are stored; None when it is processed.

    Args:
        extraction: the content of the execution.
        listed: its row in the execution list.
        known: its pending record so far.
        refused: why the store refused something in it.
        now: the time.
    """
    if refused is not None:
        return _again(PendingKind.REFUSED, listed, known, reason=refused, now=now)
    # The row came before the data. One that ended in between is processed once the list says that it is final.
    if not extraction.final or listed.final is False:
        return _again(PendingKind.UNFINISHED, listed, known, reason=None, now=now)
    if extraction.outcome is Outcome.WITHHELD:
        return _again(PendingKind.WITHHELD, listed, known, reason=extraction.reason, now=now)
    if extraction.status == "crashed":
        record = _again(PendingKind.CRASHED, listed, known, reason=None, now=now)
        if now - record.first_met_at < CRASHED_FOR:
            return record
    return None


def pending_withheld(
    listed: ListedExecution, known: PendingExecution | None, *, reason: str, now: datetime
) -> PendingExecution:
    """Return the pending record of an execution that n8n listed without returning its data."""
    return _again(PendingKind.WITHHELD, listed, known, reason=reason, now=now)


def _again(
    kind: PendingKind, listed: ListedExecution, known: PendingExecution | None, *, reason: str | None, now: datetime
) -> PendingExecution:
    same = known if known is not None and known.kind is kind else None
    attempts = same.attempts + 1 if same else 1
    first_met_at = min(known.first_met_at, now) if known else now
    waits = _RETRY_AFTER[kind]
    wait = waits[min(attempts, len(waits)) - 1]
    if kind is PendingKind.UNFINISHED and now - first_met_at > _LONG_UNFINISHED:
        wait = _LONG_UNFINISHED_RETRY
    return PendingExecution(
        execution_id=listed.execution_id,
        kind=kind,
        reason=reason,
        first_met_at=first_met_at,
        look_again_at=now + wait,
        attempts=attempts,
        started_at=listed.started_at or (known.started_at if known else None),
    )


def lost_with(record: PendingExecution, *, now: datetime) -> LostExecution | None:
    """Return what is lost when n8n deletes a pending execution; None when its data so far has been stored."""
    if record.kind not in {PendingKind.WITHHELD, PendingKind.REFUSED}:
        return None
    return LostExecution(
        execution_id=record.execution_id, reason=record.reason, started_at=record.started_at, found_at=now
    )


def with_losses(facts: Facts, *, gaps: Collection[Gap] = (), lost: Collection[LostExecution] = ()) -> Facts:
    """Return the facts with more gaps and lost executions; of each, the newest hundred are kept."""
    return msgspec.structs.replace(
        facts, gaps=(*facts.gaps, *gaps)[-_KEPT_RECORDS:], lost=(*facts.lost, *lost)[-_KEPT_RECORDS:]
    )


class _NamedWorkflow(msgspec.Struct, frozen=True):
    name: str | None = None


class _NamedExecution(msgspec.Struct, frozen=True):
    workflow: _NamedWorkflow | None = msgspec.field(default=None, name="workflowData")


def with_not_read(facts: Facts, extractions: Iterable[Extraction], *, now: datetime) -> Facts:
    """Return the facts with more executions that were not read, by reason and provider; the same object for none."""
    counts = {(one.reason, one.provider): one for one in facts.not_read}
    for extraction in extractions:
        key = (extraction.reason or "", extraction.provider)
        if key not in counts and len(counts) >= _KEPT_NOT_READ:
            key = (extraction.reason or "", None)
        known = counts.get(key)
        counts[key] = NotRead(
            reason=key[0],
            provider=key[1],
            count=1 if known is None else known.count + 1,
            last_execution_id=int(extraction.execution_id) if extraction.execution_id.isdigit() else 0,
            first_at=now if known is None else known.first_at,
            last_at=now,
        )
    not_read = tuple(counts.values())
    return facts if not_read == facts.not_read else msgspec.structs.replace(facts, not_read=not_read)


def with_workflow_name(facts: Facts, execution: bytes) -> Facts:
    """Return the facts with the workflow's name as an execution has it; the same object for no other name."""
    try:
        workflow = msgspec.json.decode(execution, type=_NamedExecution).workflow
    except (ValueError, RecursionError):
        return facts
    name = workflow.name if workflow is not None else None
    return facts if not name or name == facts.workflow_name else msgspec.structs.replace(facts, workflow_name=name)


def retention(facts: Facts, now: datetime) -> timedelta | None:
    """Return how far back n8n's executions go, from the start of its oldest one; None when that is unknown."""
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
    last_processed: Collection[int],
    still_listed: Collection[int],
    next_above: ListedExecution | None,
    now: datetime,
) -> Gap | None:
    """Return the gap between the known executions and those n8n has now, if n8n pruned some unread.

    n8n prunes the oldest executions first. While the executions processed last are still listed, none that came after
    them can be gone. n8n spares single ones (waiting, annotated), so a tenth of them must still be listed.

    Args:
        facts: as they were before this scan.
        last_processed: :meth:`Coverage.last_processed` before this scan.
        still_listed: those of them that n8n still lists.
        next_above: the oldest listed execution above the newest one known, if any.
        now: the time.
    """
    if facts.newest_id is None or next_above is None or not last_processed:
        return None
    if 10 * len(still_listed) > len(last_processed):
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
