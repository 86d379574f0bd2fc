"""Store what executions hold, and only then mark them processed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.model import Extraction, Outcome, Send, StatusEvent
from ticktrail.sources.n8n_api.responses import FetchedPage, MetadataPage
from ticktrail.stores import Store
from ticktrail.stores.coverage import Change, Coverage, PendingExecution, processed_blocks
from ticktrail.stores.results import WriteReport
from ticktrail.sync.context import SyncContext
from ticktrail.sync.decisions import (
    ListedExecution,
    pending_after_read,
    pending_withheld,
    with_not_read,
    with_workflow_name,
)
from ticktrail.sync.execution_list import listed_execution
from ticktrail.sync.ingest import message_ids
from ticktrail.sync.results import ReadCounts


class ExecutionWriter:
    """Writes executions to a store, together with the coverage that says which are processed.

    Attributes:
        coverage: as it is saved.
        read_counts: what was read; ``written``: what the store took; ``processed``: executions marked processed.
    """

    def __init__(self, store: Store, scope: str, context: SyncContext) -> None:
        self._store = store
        self._scope = scope
        self._context = context
        self.coverage = Coverage()
        self.read_counts = ReadCounts()
        self.written = WriteReport()
        self.processed = 0

    def keep_page(self, page: MetadataPage, fetched: FetchedPage) -> None:
        """Store what the executions of a data page hold. ``page`` is the page of the list that it was fetched for."""
        rows = {row.id: row for row in page.rows}
        self.read_counts.pages += 1
        self.read_counts.size += fetched.size
        self.read_counts.count_withheld(fetched.withheld)
        for problem in fetched.problems:
            self.read_counts.add_problem(problem)
        texts = [
            (listed_execution(rows[number]), raw) for number, raw in zip(fetched.ids, fetched.executions, strict=True)
        ]
        self.keep(texts, [(listed_execution(rows[record.id]), record.reason) for record in fetched.withheld])

    def keep(self, texts: list[tuple[ListedExecution, bytes]], withheld: list[tuple[ListedExecution, str]]) -> None:
        """Store what executions hold, and only then mark them processed."""
        now = self._context.now()
        extractions = [(listed, extract(raw)) for listed, raw in texts]
        for _, extraction in extractions:
            self.read_counts.count(extraction)
        stored, refused = self._write([extraction for _, extraction in extractions], now)
        pending: list[PendingExecution] = []
        processed: list[tuple[int, str | None]] = []
        not_read: list[Extraction] = []
        for listed, extraction in extractions:
            known = self.coverage.pending.get(listed.execution_id)
            record = pending_after_read(extraction, listed, known, refused=_refusal(extraction, refused), now=now)
            if record is not None:
                pending.append(record)
                continue
            processed.append((listed.execution_id, listed.started_at))
            if extraction.outcome is Outcome.NOT_READ:
                not_read.append(extraction)
        for listed, reason in withheld:
            known = self.coverage.pending.get(listed.execution_id)
            pending.append(pending_withheld(listed, known, reason=reason, now=now))
        self.processed += len(processed)
        facts = with_not_read(self.coverage.facts, not_read, now=now)
        if texts:
            facts = with_workflow_name(facts, texts[0][1])
        # Where the store left out everything (erased people, too old), it may stay empty without having been emptied.
        if stored and not facts.holds_statuses:
            facts = msgspec.structs.replace(facts, holds_statuses=True)
        self.save(
            Change(
                processed=processed_blocks(processed),
                pending=tuple(pending),
                resolved=tuple(number for number, _ in processed if number in self.coverage.pending),
                facts=None if facts is self.coverage.facts else facts,
            )
        )

    def _write(self, extractions: Sequence[Extraction], now: datetime) -> tuple[int, dict[str, str]]:
        """Write to the store. Returns how many messages it took, and why it refused others, by key."""
        events: list[StatusEvent] = [event for extraction in extractions for event in extraction.events]
        sends: list[Send] = [send for extraction in extractions for send in extraction.sends]
        if not events and not sends:
            return 0, {}
        written = self._store.write(events, sends, at=now, instance=self._context.instance)
        self.written += written
        self._context.after_write(message_ids(events))
        stored = written.inserted + written.updated + written.unchanged
        return stored, {refusal.key: refusal.reason for refusal in written.refused}

    def save(self, change: Change) -> None:
        """Save a change of the coverage."""
        self._store.sync_state.save_coverage(self._scope, change)
        self.coverage.apply(change)

    def save_facts(self, **changes: object) -> None:
        """Save changed facts of the coverage."""
        self.save(Change(facts=msgspec.structs.replace(self.coverage.facts, **changes)))


def _refusal(extraction: Extraction, refused: dict[str, str]) -> str | None:
    """Return why the store refused something of an execution, if it did."""
    if not refused:
        return None
    keys = [event.message_id for event in extraction.events] + [send.key for send in extraction.sends]
    return next((refused[key] for key in keys if key in refused), None)
