"""Read the executions of a whole source, extract their events and sends, and write them to a store.

What is read is written in batches, so memory stays flat however much the source holds. Interrupted anywhere, running
it again ends in the same state, because merging is repeatable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.model import Extraction, Outcome, Send, StatusEvent
from ticktrail.sources import Page, Source
from ticktrail.stores import Store
from ticktrail.stores.results import WriteReport
from ticktrail.sync.prefetch import ahead
from ticktrail.sync.results import AfterWrite, Progress, ReadCounts, SyncReport, no_action, no_progress

BATCH_EVENTS = 1_000
"""Events per write: both stores are near their best speed with it, and a batch is small in memory."""


def message_ids(events: Iterable[StatusEvent]) -> list[str]:
    """Return the ids of the messages that events are about, each once."""
    return list(dict.fromkeys(event.message_id for event in events))


def read(
    source: Source, read_counts: ReadCounts, *, limit: int | None = None, progress: Progress = no_progress
) -> Iterator[Extraction]:
    """Read the executions of a source and add them to ``read_counts``.

    Args:
        limit: read only the newest executions, at most this many.
    """
    for page in source.pages(limit=limit):
        yield from read_page(page, read_counts)
        progress(read_counts)


def read_page(page: Page, read_counts: ReadCounts) -> Iterator[Extraction]:
    """Read the executions of a page and add them to ``read_counts``."""
    read_counts.pages += 1
    read_counts.size += page.size
    read_counts.count_withheld(page.withheld)
    for problem in page.problems:
        read_counts.add_problem(problem)
    for raw in page.executions:
        extraction = extract(raw)
        read_counts.count(extraction)
        yield extraction


def read_ahead(
    source: Source, read_counts: ReadCounts, withheld: dict[str, str], *, progress: Progress = no_progress
) -> Iterator[Extraction]:
    """As :func:`read`, but fetch the next page meanwhile, and collect why executions were withheld, by id."""
    for page in ahead(source.pages()) if source.fetch_ahead else source.pages():
        withheld.update((str(record.id), record.reason) for record in page.withheld)
        for extraction in read_page(page, read_counts):
            if extraction.outcome is Outcome.WITHHELD:
                withheld[extraction.execution_id] = extraction.reason or "unreadable"
            yield extraction
        progress(read_counts)


def batches(extractions: Iterator[Extraction]) -> Iterator[tuple[list[StatusEvent], list[Send]]]:
    """Group events and sends into batches of about :data:`BATCH_EVENTS`; an execution is never split."""
    events: list[StatusEvent] = []
    sends: list[Send] = []
    for extraction in extractions:
        events.extend(extraction.events)
        sends.extend(extraction.sends)
        if len(events) + len(sends) >= BATCH_EVENTS:
            yield events, sends
            events, sends = [], []
    if events or sends:
        yield events, sends


def sync(
    source: Source,
    store: Store,
    *,
    instance: str | None = None,
    limit: int | None = None,
    progress: Progress = no_progress,
    after_write: AfterWrite = no_action,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> SyncReport:
    """Write everything that a source holds to the store, in one pass.

    Args:
        instance: the label of this n8n, for users who run several.
        limit: read only the newest executions, at most this many.
        progress: called after every page.
        after_write: called after every batch.
        now: the clock; its time becomes ``lastScannedAt``.
    """
    began = time.monotonic()
    read_counts, written = ReadCounts(), WriteReport()
    for events, sends in batches(read(source, read_counts, limit=limit, progress=progress)):
        written += store.write(events, sends, at=now(), instance=instance)
        after_write(message_ids(events))
    for refusal in written.refused:
        read_counts.add_problem(f"message {refusal.key}: not stored: {refusal.reason}")
    return SyncReport(
        source=source.location,
        store=store.location,
        read_counts=read_counts,
        written=written,
        seconds=time.monotonic() - began,
    )
