"""Incremental sync of one workflow of n8n: read the executions that are not processed yet, and store what they hold.

Crash safety: an execution is marked processed only after its events are committed. Killed at any instant, the next
run continues and ends in the same state.
"""

from __future__ import annotations

import contextlib
import time

import msgspec

from ticktrail.errors import RetriableError, TicktrailError
from ticktrail.extraction.execution_reader import EXTRACTION_VERSION
from ticktrail.messages.filters import MessageFilter
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
)
from ticktrail.sync.context import SyncContext
from ticktrail.sync.decisions import (
    ListedExecution,
    ScanDepth,
    lost_with,
    scan_depth,
    with_losses,
)
from ticktrail.sync.execution_list import ExecutionListScan, Executions, RebuiltError
from ticktrail.sync.execution_writer import ExecutionWriter
from ticktrail.sync.lease import LEASE_PREFIX, Lease
from ticktrail.sync.prefetch import ahead
from ticktrail.sync.results import (
    SyncReport,
    WorkflowSyncResult,
)

_SINGLES = 50
"""Pending executions that one run requests singly, because the scan did not meet them."""

_PAGES_BETWEEN_NOTES = 20
"""After this many pages of the list with nothing to read, a full scan notes how far it got."""


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
        self._writer = ExecutionWriter(store, self._scope, context)
        self._scan: ExecutionListScan | None = None
        self._rebuilt = self._stopped = False
        self._listed = 0
        self._gap: Gap | None = None
        self._lost: list[LostExecution] = []

    def _should_stop(self) -> bool:
        self._stopped = self._stopped or self._context.should_stop()
        return self._stopped

    def load(self) -> None:
        """Load the coverage; start with an empty one when the store was emptied."""
        self._writer.coverage = self._store.sync_state.load_coverage(self._scope)
        if self._writer.coverage.facts.holds_statuses and not any(self._store.messages(MessageFilter(limit=1))):
            self.reset()
        coverage = self._writer.coverage
        for execution_id in [pending_id for pending_id in coverage.pending if coverage.is_processed(pending_id)]:
            del coverage.pending[execution_id]

    def reset(self) -> None:
        """Start again with an empty coverage, because n8n or the store was rebuilt."""
        self._rebuilt = True
        self._store.sync_state.drop_coverage(self._scope)
        self._writer.coverage = Coverage()

    # ── The scan of the execution list ──────────────────────────────────────────────────────────────────────────────

    def scan(self) -> None:
        """Scan the list, and store on every page what is not processed."""
        coverage, began = self._writer.coverage, time.monotonic()
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
        pages = ahead(iter(scan), self._should_stop) if self._n8n.fetch_ahead else iter(scan)
        for received in pages:
            if self._should_stop():
                break
            if isinstance(received, FetchedPage):
                assert page is not None  # noqa: S101 - a data page follows the page that it was fetched for
                self._writer.keep_page(page, received)
                fresh = True
            else:
                if page is not None and (fresh or pages_since_note >= _PAGES_BETWEEN_NOTES):
                    self._note_progress(scan, page)
                    pages_since_note, fresh = 0, False
                page, pages_since_note = received, pages_since_note + 1
                self._count_page(received)
            self._context.progress(self._writer.read_counts)
            # False: this run was so slow that the lease ran out, and another sync is running.
            self._stopped = self._stopped or not self.lease.renew()
        if not self._should_stop():
            self._note_end(scan, seconds=time.monotonic() - began)

    def _count_page(self, page: MetadataPage) -> None:
        self._writer.read_counts.pages += 1
        self._writer.read_counts.size += page.size
        self._listed += len(page.rows)
        for problem in page.problems:
            self._writer.read_counts.add_problem(problem)

    def _note_progress(self, scan: ExecutionListScan, page: MetadataPage) -> None:
        """Save how far a full scan got, so that the next run can continue an interrupted one."""
        before = self._writer.coverage.facts.interrupted_scan
        if scan.depth is not ScanDepth.FULL or scan.newest is None or not page.rows:
            return
        below = page.rows[-1].id
        if before is not None and below > before.top_id:
            # The rows between here and the start of the earlier scan are still to come.
            return
        began_at = scan.began_at if before is None else min(scan.began_at, before.began_at)
        below = below if before is None else min(below, before.below)
        top_id = max(scan.newest.id, below)
        self._writer.save_facts(interrupted_scan=InterruptedScan(top_id=top_id, below=below, began_at=began_at))

    def _note_end(self, scan: ExecutionListScan, *, seconds: float) -> None:
        """Save the facts of a finished scan, and remove pending records of executions that n8n deleted."""
        facts = self._writer.coverage.facts
        self._gap = scan.gap(facts)
        deleted = scan.deleted(self._writer.coverage.pending.values())
        facts = scan.facts_at_end(facts, seconds=seconds)
        facts = self._remember_lost(facts, deleted, gaps=[self._gap] if self._gap else [])
        whole = scan.complete and not scan.resumed and scan.oldest is not None
        self._writer.save(
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
            self._writer.read_counts.add_problem(
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
            for record in self._writer.coverage.pending.values()
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
            self._writer.read_counts.size += len(found.raw)
            self._writer.keep([(msgspec.structs.replace(listed, started_at=found.started_at), found.raw)], [])
        elif found is not None:
            self._writer.read_counts.count_withheld([found])
            self._writer.keep([], [(listed, found.reason)])
        else:
            facts = self._remember_lost(self._writer.coverage.facts, [record], gaps=[])
            self._writer.save(Change(resolved=(record.execution_id,), facts=facts))

    # ── The end ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def owe_full(self) -> None:
        """After an outage executions may have crashed or appeared anywhere: make the next scan a full one."""
        if not self._writer.coverage.facts.full_owed:
            with contextlib.suppress(TicktrailError):  # the store may be what went away
                self._writer.save_facts(full_owed=True)

    def report(self, *, busy: str | None = None) -> SyncReport:
        """Return the report of this run."""
        pending: dict[str, int] = {}
        for record in self._writer.coverage.pending.values():
            pending[record.kind.value] = pending.get(record.kind.value, 0) + 1
        for refusal in self._writer.written.refused:
            self._writer.read_counts.add_problem(f"message {refusal.key}: not stored: {refusal.reason}")
        scan = self._scan
        return SyncReport(
            source=self._n8n.location,
            store=self._store.location,
            read_counts=self._writer.read_counts,
            written=self._writer.written,
            seconds=time.monotonic() - self._began,
            requests=self._n8n.requests - self._requests,
            workflow_result=WorkflowSyncResult(
                workflow_id=self._n8n.workflow_id,
                workflow_name=self._writer.coverage.facts.workflow_name,
                depth=scan.depth if scan is not None else ScanDepth.POLL,
                complete=scan is not None and scan.complete,
                rebuilt=self._rebuilt,
                busy=busy,
                stopped=self._stopped,
                listed=self._listed,
                processed=self._writer.processed,
                pending=pending,
                gap=self._gap,
                lost=tuple(self._lost),
                checked_at=self._writer.coverage.facts.checked_at,
            ),
        )
