"""Incremental sync of one workflow of n8n: read the executions that are not processed yet, and store what they hold.

Crash safety: an execution is marked processed only after its events are committed. Killed at any instant, the next
run continues and ends in the same state.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from ticktrail.errors import RetriableError, TicktrailError
from ticktrail.extraction.execution_reader import EXTRACTION_VERSION, extract
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Extraction, Outcome, Send, StatusEvent
from ticktrail.sources.n8n_api.responses import FetchedPage, MetadataPage, RawRow
from ticktrail.stores import Store
from ticktrail.stores.coverage import (
    BLOCK,
    Change,
    Coverage,
    Facts,
    Gap,
    InterruptedScan,
    LostExecution,
    PendingExecution,
    processed_blocks,
)
from ticktrail.stores.results import WriteReport
from ticktrail.sync.decisions import (
    ListedExecution,
    ScanDepth,
    lost_with,
    pending_after_read,
    pending_withheld,
    scan_depth,
    with_losses,
    with_not_read,
    with_workflow_name,
)
from ticktrail.sync.execution_list import ExecutionListScan, Executions, RebuiltError, listed_execution
from ticktrail.sync.ingest import message_ids
from ticktrail.sync.lease import LEASE_PREFIX, Lease
from ticktrail.sync.prefetch import ahead
from ticktrail.sync.results import (
    AfterWrite,
    Progress,
    ReadCounts,
    SyncReport,
    WorkflowSyncResult,
    no_action,
    no_progress,
)

_SINGLES = 50
"""Pending executions that one run requests singly, because the scan did not meet them."""

_PAGES_BETWEEN_NOTES = 20
"""After this many pages of the list with nothing to read, a full scan notes how far it got."""


class SyncContext(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a run.

    Attributes:
        instance_url: the n8n: execution ids are its own.
        holder: a name for this run's lease, see :func:`ticktrail.sync.lease_owner.new_holder`.
        is_gone: returns True when the process behind another holder's name is known to have ended.
        instance: the label of this n8n.
        progress: called after every page.
        after_write: called after every batch, before its executions are marked processed.
        should_stop: asked between writes, and while waiting; True ends the run cleanly.
        now: the clock.
    """

    instance_url: str
    holder: str
    is_gone: Callable[[str], bool] = lambda _holder: False
    instance: str | None = None
    progress: Progress = no_progress
    after_write: AfterWrite = no_action
    should_stop: Callable[[], bool] = lambda: False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def scope_of(instance_url: str, workflow_id: str, store: Store) -> str:
    """Return the name of a coverage: it holds for this n8n, workflow, extraction version and store."""
    return f"{instance_url}|{workflow_id}|{EXTRACTION_VERSION}|{store.sync_state.identity()}"


def lease_name(instance_url: str, workflow_id: str) -> str:
    """Return the name of the lease that a sync of this workflow takes."""
    return f"{LEASE_PREFIX}{instance_url}|{workflow_id}"


def sync_workflow(n8n: Executions, store: Store, context: SyncContext, *, full: bool = False) -> SyncReport:
    """Bring the store up to date with one workflow.

    Args:
        full: scan the list down to the oldest execution, and request everything pending or withheld again, due or not.

    Raises:
        RetriableError: n8n or the store went away. What was read before is kept; the next run continues, with a full
            scan.
        FatalError: n8n or the store refuses.
    """
    store.prepare()
    run = _Run(n8n, store, context, full=full)
    other = run.lease.take()
    if other is not None:
        return run.report(busy=other)
    try:
        run.load()
        try:
            run.scan()
        except RebuiltError:
            run.reset()
            run.scan()
        run.read_pending()
        return run.report()
    except RetriableError:
        run.owe_full()
        raise
    finally:
        run.lease.release()


class _Run:
    """One run over one workflow."""

    def __init__(self, n8n: Executions, store: Store, context: SyncContext, *, full: bool) -> None:
        self._n8n = n8n
        self._store = store
        self._context = context
        self._full = full
        self._scope = scope_of(context.instance_url, n8n.workflow_id, store)
        self.lease = Lease(
            store.sync_state,
            lease_name(context.instance_url, n8n.workflow_id),
            holder=context.holder,
            is_gone=context.is_gone,
            now=context.now,
        )
        self._began = time.monotonic()
        self._requests = n8n.requests
        self._read_counts = ReadCounts()
        self._written = WriteReport()
        self._coverage = Coverage()
        self._scan: ExecutionListScan | None = None
        self._rebuilt = self._stopped = False
        self._listed = self._processed = 0
        self._gap: Gap | None = None
        self._lost: list[LostExecution] = []

    def _should_stop(self) -> bool:
        self._stopped = self._stopped or self._context.should_stop()
        return self._stopped

    def load(self) -> None:
        """Load the coverage; start with an empty one when the store was emptied."""
        self._coverage = self._store.sync_state.load_coverage(self._scope)
        if self._coverage.facts.holds_statuses and not any(self._store.messages(MessageFilter(limit=1))):
            self.reset()
        for execution_id in [one for one in self._coverage.pending if self._coverage.is_processed(one)]:
            del self._coverage.pending[execution_id]

    def reset(self) -> None:
        """Start again with an empty coverage, because n8n or the store was rebuilt."""
        self._rebuilt = True
        self._store.sync_state.drop_coverage(self._scope)
        self._coverage = Coverage()

    # ── The scan of the execution list ──────────────────────────────────────────────────────────────────────────────

    def scan(self) -> None:
        """Scan the list, and store on every page what is not processed."""
        coverage, began = self._coverage, time.monotonic()
        scan = self._scan = ExecutionListScan(
            self._n8n,
            coverage,
            depth=scan_depth(coverage.facts, now=self._context.now(), full=self._full or self._rebuilt),
            resume=not (self._full or self._rebuilt),
            all_pending=self._full,
            now=self._context.now,
        )
        page: MetadataPage | None = None
        pages_since_note, fresh = 0, False
        for received in ahead(iter(scan), self._should_stop):
            if self._should_stop():
                break
            if isinstance(received, FetchedPage):
                assert page is not None  # noqa: S101 - a data page follows the page that it was fetched for
                self._keep_page(page, received)
                fresh = True
            else:
                if page is not None and (fresh or pages_since_note >= _PAGES_BETWEEN_NOTES):
                    self._note_progress(scan, page)
                    pages_since_note, fresh = 0, False
                page, pages_since_note = received, pages_since_note + 1
                self._count_page(received)
            self._context.progress(self._read_counts)
            # False: this run was so slow that the lease ran out, and another sync is running.
            self._stopped = self._stopped or not self.lease.renew()
        if not self._should_stop():
            self._note_end(scan, seconds=time.monotonic() - began)

    def _count_page(self, page: MetadataPage) -> None:
        self._read_counts.pages += 1
        self._read_counts.size += page.size
        self._listed += len(page.rows)
        for problem in page.problems:
            self._read_counts.add_problem(problem)

    def _keep_page(self, page: MetadataPage, fetched: FetchedPage) -> None:
        rows = {row.id: listed_execution(row) for row in page.rows}
        self._read_counts.pages += 1
        self._read_counts.size += fetched.size
        self._read_counts.count_withheld(fetched.withheld)
        for problem in fetched.problems:
            self._read_counts.add_problem(problem)
        texts = [(rows[number], raw) for number, raw in zip(fetched.ids, fetched.executions, strict=True)]
        self._keep(texts, [(rows[one.id], one.reason) for one in fetched.withheld])

    def _keep(self, texts: list[tuple[ListedExecution, bytes]], withheld: list[tuple[ListedExecution, str]]) -> None:
        """Store what executions hold, and only then mark them processed."""
        now = self._context.now()
        extractions = [(listed, extract(raw)) for listed, raw in texts]
        for _, extraction in extractions:
            self._read_counts.count(extraction)
        stored, refused = self._write([extraction for _, extraction in extractions], now)
        pending: list[PendingExecution] = []
        processed: list[tuple[int, str | None]] = []
        not_read: list[Extraction] = []
        for listed, extraction in extractions:
            known = self._coverage.pending.get(listed.execution_id)
            record = pending_after_read(extraction, listed, known, refused=_refusal(extraction, refused), now=now)
            if record is not None:
                pending.append(record)
                continue
            processed.append((listed.execution_id, listed.started_at))
            if extraction.outcome is Outcome.NOT_READ:
                not_read.append(extraction)
        for listed, reason in withheld:
            known = self._coverage.pending.get(listed.execution_id)
            pending.append(pending_withheld(listed, known, reason=reason, now=now))
        self._processed += len(processed)
        facts = with_not_read(self._coverage.facts, not_read, now=now)
        if texts:
            facts = with_workflow_name(facts, texts[0][1])
        # Where the store left out everything (erased people, too old), it may stay empty without having been emptied.
        if stored and not facts.holds_statuses:
            facts = msgspec.structs.replace(facts, holds_statuses=True)
        self._save(
            Change(
                processed=processed_blocks(processed),
                pending=tuple(pending),
                resolved=tuple(number for number, _ in processed if number in self._coverage.pending),
                facts=None if facts is self._coverage.facts else facts,
            )
        )

    def _write(self, extractions: Sequence[Extraction], now: datetime) -> tuple[int, dict[str, str]]:
        """Write to the store. Returns how many messages it took, and why it refused others, by key."""
        events: list[StatusEvent] = [event for extraction in extractions for event in extraction.events]
        sends: list[Send] = [send for extraction in extractions for send in extraction.sends]
        if not events and not sends:
            return 0, {}
        written = self._store.write(events, sends, at=now, instance=self._context.instance)
        self._written += written
        self._context.after_write(message_ids(events))
        stored = written.inserted + written.updated + written.unchanged
        return stored, {refusal.key: refusal.reason for refusal in written.refused}

    def _save(self, change: Change) -> None:
        self._store.sync_state.save_coverage(self._scope, change)
        self._coverage.apply(change)

    def _save_facts(self, **changes: object) -> None:
        self._save(Change(facts=msgspec.structs.replace(self._coverage.facts, **changes)))

    def _note_progress(self, scan: ExecutionListScan, page: MetadataPage) -> None:
        """Save how far a full scan got, so that the next run can continue an interrupted one."""
        before = self._coverage.facts.interrupted_scan
        if scan.depth is not ScanDepth.FULL or scan.newest is None or not page.rows:
            return
        below = page.rows[-1].id
        if before is not None and below > before.top_id:
            # The rows between here and the start of the earlier scan are still to come.
            return
        began_at = scan.began_at if before is None else min(scan.began_at, before.began_at)
        below = below if before is None else min(below, before.below)
        top_id = max(scan.newest.id, below)
        self._save_facts(interrupted_scan=InterruptedScan(top_id=top_id, below=below, began_at=began_at))

    def _note_end(self, scan: ExecutionListScan, *, seconds: float) -> None:
        """Save the facts of a finished scan, and remove pending records of executions that n8n deleted."""
        facts = self._coverage.facts
        self._gap = scan.gap(facts)
        deleted = scan.deleted(self._coverage.pending.values())
        facts = scan.facts_at_end(facts, seconds=seconds)
        facts = self._remember_lost(facts, deleted, gaps=[self._gap] if self._gap else [])
        whole = scan.complete and not scan.resumed and scan.oldest is not None
        self._save(
            Change(
                resolved=tuple(record.execution_id for record in deleted),
                facts=facts,
                forgotten_below=scan.oldest.id // BLOCK if whole and scan.oldest else None,
            )
        )

    def _remember_lost(self, facts: Facts, deleted: list[PendingExecution], *, gaps: list[Gap]) -> Facts:
        now = self._context.now()
        lost = [one for one in (lost_with(record, now=now) for record in deleted) if one is not None]
        self._lost += lost
        for one in lost:
            self._read_counts.add_problem(
                f"execution {one.execution_id}: n8n deleted it before it could be read ({one.reason})"
            )
        return with_losses(facts, gaps=gaps, lost=lost)

    # ── Pending executions ──────────────────────────────────────────────────────────────────────────────────────────

    def read_pending(self) -> None:
        """Request pending executions that the scan did not meet: n8n up to 2.28 lists waiting ones only at the end."""
        now = self._context.now()
        met = self._scan.met if self._scan is not None else set()
        due = [
            record
            for record in self._coverage.pending.values()
            if record.execution_id not in met and (self._full or record.look_again_at <= now)
        ]
        due.sort(key=lambda record: record.look_again_at)
        for record in due if self._full else due[:_SINGLES]:
            if self._should_stop():
                return
            self._read_single(record)

    def _read_single(self, record: PendingExecution) -> None:
        found = self._n8n.single(record.execution_id)
        listed = ListedExecution(execution_id=record.execution_id, started_at=record.started_at)
        if isinstance(found, RawRow):
            self._read_counts.size += len(found.raw)
            self._keep([(msgspec.structs.replace(listed, started_at=found.started_at), found.raw)], [])
        elif found is not None:
            self._read_counts.count_withheld([found])
            self._keep([], [(listed, found.reason)])
        else:
            facts = self._remember_lost(self._coverage.facts, [record], gaps=[])
            self._save(Change(resolved=(record.execution_id,), facts=facts))

    # ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def owe_full(self) -> None:
        """After an outage executions may have crashed or appeared anywhere: make the next scan a full one."""
        if not self._coverage.facts.full_owed:
            with contextlib.suppress(TicktrailError):  # the store may be what went away
                self._save_facts(full_owed=True)

    def report(self, *, busy: str | None = None) -> SyncReport:
        """Return the report of this run."""
        pending: dict[str, int] = {}
        for record in self._coverage.pending.values():
            pending[record.kind.value] = pending.get(record.kind.value, 0) + 1
        for refusal in self._written.refused:
            self._read_counts.add_problem(f"message {refusal.key}: not stored: {refusal.reason}")
        scan = self._scan
        return SyncReport(
            source=self._n8n.location,
            store=self._store.location,
            read_counts=self._read_counts,
            written=self._written,
            seconds=time.monotonic() - self._began,
            requests=self._n8n.requests - self._requests,
            workflow_result=WorkflowSyncResult(
                workflow_id=self._n8n.workflow_id,
                depth=scan.depth if scan is not None else ScanDepth.POLL,
                complete=scan is not None and scan.complete,
                rebuilt=self._rebuilt,
                busy=busy,
                stopped=self._stopped,
                listed=self._listed,
                processed=self._processed,
                pending=pending,
                gap=self._gap,
                lost=tuple(self._lost),
                checked_at=self._coverage.facts.checked_at,
            ),
        )


def _refusal(extraction: Extraction, refused: dict[str, str]) -> str | None:
    """Return why the store refused something of an execution, if it did."""
    if not refused:
        return None
    keys = [event.message_id for event in extraction.events] + [send.key for send in extraction.sends]
    return next((refused[key] for key in keys if key in refused), None)
