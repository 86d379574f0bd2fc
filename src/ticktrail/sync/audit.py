"""Audit: compare a store with everything that a source still has, and with what the receiver got from Meta.

The coverage is not trusted: every execution is read again, and every status in it is looked up in the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from ticktrail.messages.merge import entry_key
from ticktrail.messages.model import RECEIVED, Extraction, StatusEvent
from ticktrail.settings.settings import Settings
from ticktrail.sources import Source
from ticktrail.stores import Store
from ticktrail.stores.coverage import Coverage, Gap, LostExecution
from ticktrail.stores.journal import JournalState, read_state
from ticktrail.stores.results import ReceivedStatuses, WriteReport
from ticktrail.sync.ingest import BATCH_EVENTS, read_ahead
from ticktrail.sync.results import Progress, ReadCounts, no_progress

_NAMED = 1_000
"""Maximum number of missing statuses that a report names; all are counted."""


class MissingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A status that the source has and the store has not.

    ``was_processed``: a sync had processed its execution, so the status was removed from the store since.
    """

    execution_id: str
    started_at: datetime | None
    message_id: str
    status: str
    timestamp: int | None
    was_processed: bool


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of an audit.

    Attributes:
        read_counts: counts of what was read.
        statuses: number of distinct statuses that the source has.
        missing_count: number of those that are not stored.
        missing: the first thousand of those.
        received_count: number of statuses that are stored as received directly, and that the next sync finds in n8n.
        withheld: executions whose data n8n did not return: id → reason.
        unfinished: ids of executions that run, wait or are queued, so that statuses may still come.
        gaps: ranges of executions that n8n deleted before a sync read them.
        lost: executions that n8n deleted while they were pending.
        checked_at: when the last finished sync began; None for an import, or before the first.
        repaired: what was stored of the missing statuses, with ``repair``.
    """

    source: str
    store: str
    read_counts: ReadCounts
    statuses: int
    missing_count: int
    missing: tuple[MissingStatus, ...]
    received_count: int = 0
    withheld: dict[str, str]
    unfinished: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()
    lost: tuple[LostExecution, ...] = ()
    checked_at: datetime | None = None
    repaired: WriteReport | None = None
    seconds: float

    @property
    def is_complete(self) -> bool:
        """Return True when every status of the source is stored, and no execution is unread or deleted."""
        return not (self.missing_count or self._is_unread)

    @property
    def is_repaired(self) -> bool:
        """Return True when the missing statuses have been stored, and nothing else is wrong."""
        stored = self.repaired is not None and not self.repaired.refused
        return stored and not self._is_unread

    @property
    def _is_unread(self) -> bool:
        return bool(self.withheld or self.read_counts.not_read or self.gaps or self.lost)


def audit(
    source: Source,
    store: Store,
    coverage: Coverage | None = None,
    *,
    repair: bool = False,
    instance: str | None = None,
    progress: Progress = no_progress,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AuditReport:
    """Read everything that a source has, and look for each status in the store.

    Args:
        coverage: the coverage of the syncs of this source.
        repair: store missing statuses.
        instance: the label of this n8n, for repaired statuses.
    """
    began = time.monotonic()
    coverage = coverage or Coverage()
    read_counts, statuses, missing_count, received_count = ReadCounts(), 0, 0, 0
    missing: list[MissingStatus] = []
    withheld: dict[str, str] = {}
    repaired = WriteReport() if repair else None
    # Statuses of erased people, and those older than the store keeps, are not missing.
    erasure_filter = store.retention.erasure_filter(at=now())
    unfinished = dict.fromkeys(map(str, source.unfinished()))
    for batch in _batches(_noting_unfinished(read_ahead(source, read_counts, withheld, progress=progress), unfinished)):
        events = [event for extraction in batch for event in extraction.events if erasure_filter.accepts(event)]
        started = {extraction.execution_id: extraction.started_at for extraction in batch}
        absent, received, count = _absent(store, events)
        statuses += count
        received_count += received
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
        received_count=received_count,
        withheld=withheld,
        unfinished=tuple(sorted(unfinished, key=lambda number: (len(number), number))),
        gaps=coverage.facts.gaps,
        lost=coverage.facts.lost,
        checked_at=coverage.facts.checked_at,
        repaired=repaired,
        seconds=time.monotonic() - began,
    )


def audit_document(report: AuditReport) -> dict[str, Any]:
    """Return a report as ``audit --format json`` prints it."""
    return {
        "source": report.source,
        "store": report.store,
        "complete": report.is_complete,
        "executions": report.read_counts.executions,
        "statuses": report.statuses,
        "missing": report.missing_count,
        "receivedDirectly": report.received_count,
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
        "unfinished": list(report.unfinished),
        "notRead": dict(report.read_counts.not_read),
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


class ReceivedReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of an audit of what the receiver got directly from Meta.

    Attributes:
        only_received: statuses that no execution of n8n holds. n8n never got them, did not save them, or dropped them
            while it migrated its database. They are stored, so they are no fault.
        forward: the setting ``TICKTRAIL_FORWARD``; ``all`` when n8n should have got every status.
        journal: the journal of webhooks on their way; None without one.
        is_late: a webhook has waited in the journal for too long.
    """

    store: str
    only_received: ReceivedStatuses
    forward: str
    journal: JournalState | None
    is_late: bool

    @property
    def is_complete(self) -> bool:
        """Return True when no webhook was given up, and none waits for too long."""
        return self.journal is None or not (self.journal.failed or self.is_late)


def audit_received(store: Store, settings: Settings, *, seen_in_n8n: int, now: float) -> ReceivedReport | None:
    """Return what only the receiver had, and what its journal still holds; None where nothing is received directly.

    Args:
        seen_in_n8n: number of received statuses that audits of n8n found there, see :class:`AuditReport`.
        now: Unix seconds.
    """
    stored = store.received_statuses()
    journal = read_state(settings.receiver.journal)
    if not stored.count and journal is None and not settings.receiver.app_secrets:
        return None
    return ReceivedReport(
        store=store.location,
        only_received=msgspec.structs.replace(stored, count=max(0, stored.count - seen_in_n8n)),
        forward=settings.receiver.forward if settings.receiver.forward_url else "none",
        journal=journal,
        is_late=journal is not None and journal.is_late(now),
    )


def received_document(report: ReceivedReport) -> dict[str, Any]:
    """Return a report on the receiver as ``audit --format json`` prints it."""
    journal = report.journal
    return {
        "source": "receiver",
        "store": report.store,
        "complete": report.is_complete,
        "onlyReceived": report.only_received.count,
        "firstOnlyReceivedAt": _utc(report.only_received.first_timestamp),
        "lastOnlyReceivedAt": _utc(report.only_received.last_timestamp),
        "forward": report.forward,
        "journal": None
        if journal is None
        else {
            "toStore": journal.to_store,
            "toForward": journal.to_forward,
            "failed": journal.failed,
            "oldestWaitingAt": _utc(journal.oldest_at),
            "reasons": dict(journal.reasons),
        },
    }


def _utc(timestamp: float | None) -> str | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC).isoformat()


def _noting_unfinished(extractions: Iterator[Extraction], unfinished: dict[str, None]) -> Iterator[Extraction]:
    """Yield the same extractions, and add the ids of those that n8n has not finished to ``unfinished``."""
    for extraction in extractions:
        if extraction.final:
            unfinished.pop(extraction.execution_id, None)
        else:
            unfinished[extraction.execution_id] = None
        yield extraction


def _batches(extractions: Iterator[Extraction]) -> Iterator[list[Extraction]]:
    batch: list[Extraction] = []
    count = 0
    for extraction in extractions:
        if extraction.events:
            batch.append(extraction)
            count += len(extraction.events)
        if count >= BATCH_EVENTS:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch


def _absent(store: Store, events: list[StatusEvent]) -> tuple[list[StatusEvent], int, int]:
    """Compare events with the store.

    Returns:
        The events that are not stored, each once; how many are stored as received directly; how many are distinct.
    """
    messages = store.get({event.message_id for event in events})
    stored = {(message_id, entry_key(entry)) for message_id, message in messages.items() for entry in message.history}
    distinct = {(event.message_id, entry_key(event)): event for event in events}
    absent = [event for key, event in distinct.items() if key not in stored]
    received = [msgspec.structs.replace(event, execution_id=RECEIVED) for event in absent]
    known = [(event.message_id, entry_key(event)) in stored for event in received]
    missing = [event for event, is_known in zip(absent, known, strict=True) if not is_known]
    return missing, sum(known), len(distinct)


def _missing(event: StatusEvent, started_at: datetime | None, coverage: Coverage) -> MissingStatus:
    number = event.execution_id
    return MissingStatus(
        execution_id=number,
        started_at=started_at,
        message_id=event.message_id,
        status=event.status,
        timestamp=event.timestamp,
        was_processed=number.isdigit() and coverage.is_processed(int(number)),
    )
