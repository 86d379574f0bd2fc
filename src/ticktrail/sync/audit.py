"""Holds the ledger against everything a source still has: what is missing, what was not shown, what is gone for good.

It trusts no book: every execution is read again, and every status in it looked for in the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from ticktrail.messages.merge import entry_key
from ticktrail.messages.model import Extraction, StatusEvent
from ticktrail.sources import Source
from ticktrail.stores import Store
from ticktrail.stores.coverage import Coverage, Gap, LostExecution
from ticktrail.stores.results import WriteReport
from ticktrail.sync.ingest import BATCH_EVENTS, Progress, ReadCounts, read_ahead, silent

_NAMED = 1_000
"""Missing statuses that a report names; more are counted."""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A status that the source shows and the store does not hold.

    ``dealt_with`` tells that a sync had settled its execution: then something took it out of the store.
    """

    execution_id: str
    started_at: datetime | None
    message_id: str
    status: str
    timestamp: int | None
    was_processed: bool


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit found.

    Attributes:
        read_counts: what was read.
        statuses: distinct statuses that the source shows; ``missing_count`` of them are not stored.
        missing: the first thousand of those.
        not_shown: executions whose data was not shown: id → why.
        gaps: and ``lost`` executions, as the syncs noted them: gone from n8n before they were read.
        checked_at: when the last sync that came through began; None where none did, and for an export.
        repaired: what was stored of the missing, where that was asked for.
    """

    source: str
    store: str
    read_counts: ReadCounts
    statuses: int
    missing_count: int
    missing: tuple[Missing, ...]
    withheld: dict[str, str]
    gaps: tuple[Gap, ...] = ()
    lost: tuple[LostExecution, ...] = ()
    checked_at: datetime | None = None
    repaired: WriteReport | None = None
    seconds: float

    @property
    def is_complete(self) -> bool:
        """Whether everything that the source shows is stored, and nothing is known to be gone."""
        return not (self.missing_count or self.withheld or self.gaps or self.lost)

    @property
    def is_repaired(self) -> bool:
        """Whether what was missing has been stored, and nothing else is wrong."""
        stored = self.repaired is not None and not self.repaired.refused
        return stored and not (self.withheld or self.gaps or self.lost)


def audit(
    source: Source,
    store: Store,
    coverage: Coverage | None = None,
    *,
    repair: bool = False,
    instance: str | None = None,
    progress: Progress = silent,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AuditReport:
    """Read everything a source has, and look for each status in the store.

    Args:
        coverage: what the syncs of this source say they have dealt with.
        repair: store what is missing.
        instance: the label of this n8n, for what is repaired.
    """
    began = time.monotonic()
    coverage = coverage or Coverage()
    read_counts, statuses, missing_count = ReadCounts(), 0, 0
    missing: list[Missing] = []
    withheld: dict[str, str] = {}
    repaired = WriteReport() if repair else None
    # Who was forgotten, and what is older than the ledger keeps, is not missing.
    guard = store.retention.guard(at=now())
    for batch in _batches(read_ahead(source, read_counts, withheld, progress=progress)):
        events = [event for found in batch for event in found.events if guard.accepts(event)]
        started = {found.execution_id: found.started_at for found in batch}
        absent, count = _absent(store, events)
        statuses += count
        missing_count += len(absent)
        named = absent[: _NAMED - len(missing)]
        missing += [_missing(event, started.get(event.execution_id), coverage) for event in named]
        if repaired is not None and absent:
            repaired += store.write(absent, at=now(), instance=instance)
    return AuditReport(
        source=source.location,
        store=store.location,
        read_counts=read_counts,
        statuses=statuses,
        missing_count=missing_count,
        missing=tuple(missing),
        withheld=withheld,
        gaps=coverage.facts.gaps,
        lost=coverage.facts.lost,
        checked_at=coverage.facts.checked_at,
        repaired=repaired,
        seconds=time.monotonic() - began,
    )


def audit_document(report: AuditReport) -> dict[str, Any]:
    """What an audit found, for programs."""
    return {
        "source": report.source,
        "store": report.store,
        "complete": report.is_complete,
        "executions": report.read_counts.executions,
        "statuses": report.statuses,
        "missing": report.missing_count,
        "missingStatuses": [
            {
                "executionId": one.execution_id,
                "startedAt": None if one.started_at is None else one.started_at.isoformat(),
                "messageId": one.message_id,
                "status": one.status,
                "timestamp": one.timestamp,
                "dealtWith": one.was_processed,
            }
            for one in report.missing
        ],
        "notShown": report.withheld,
        "gaps": [
            {
                "afterId": gap.after_id,
                "beforeId": gap.before_id,
                "fromStartedAt": gap.from_started_at,
                "toStartedAt": gap.to_started_at,
                "foundAt": gap.found_at.isoformat(),
            }
            for gap in report.gaps
        ],
        "lost": [
            {"executionId": one.execution_id, "reason": one.reason, "startedAt": one.started_at} for one in report.lost
        ],
        "checkedAt": None if report.checked_at is None else report.checked_at.isoformat(),
        "repaired": None if report.repaired is None else report.repaired.events,
        "seconds": round(report.seconds, 3),
    }


def _batches(found: Iterator[Extraction]) -> Iterator[list[Extraction]]:
    batch: list[Extraction] = []
    count = 0
    for one in found:
        if one.events:
            batch.append(one)
            count += len(one.events)
        if count >= BATCH_EVENTS:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _absent(store: Store, events: list[StatusEvent]) -> tuple[list[StatusEvent], int]:
    """The events that the store does not hold, each once, and how many distinct ones there are."""
    stored = store.get({event.message_id for event in events})
    held = {(message_id, entry_key(entry)) for message_id, message in stored.items() for entry in message.history}
    distinct = {(event.message_id, entry_key(event)): event for event in events}
    return [event for key, event in distinct.items() if key not in held], len(distinct)


def _missing(event: StatusEvent, started_at: datetime | None, coverage: Coverage) -> Missing:
    number = event.execution_id
    return Missing(
        execution_id=number,
        started_at=started_at,
        message_id=event.message_id,
        status=event.status,
        timestamp=event.timestamp,
        was_processed=number.isdigit() and coverage.is_processed(int(number)),
    )
