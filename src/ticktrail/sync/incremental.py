"""Brings the store up to date with one workflow of n8n: everything it holds, and only what is new.

The order of steps is the promise. Data is asked for only where the coverage has not dealt with an execution; what it
holds is stored; only then the coverage says so. Killed at any instant, the next run carries on and ends in the same
state. A lease keeps two syncs from doing the same work; nothing would be wrong if they did.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from ticktrail.errors import RetriableError, TicktrailError
from ticktrail.extraction.execution_reader import EXTRACTION_VERSION, extract
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Extraction, Send, StatusEvent
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
    PendingKind,
    processed_blocks,
)
from ticktrail.stores.results import WriteReport
from ticktrail.sync.decisions import (
    ListedExecution,
    ScanDepth,
    find_gap,
    lost_with,
    pending_after_read,
    pending_withheld,
    scan_depth,
    with_losses,
)
from ticktrail.sync.execution_list import ExecutionListScan, Executions, RebuiltError, listed_execution
from ticktrail.sync.ingest import (
    AfterWrite,
    Progress,
    ReadCounts,
    SyncReport,
    WorkflowSyncResult,
    message_ids,
    nothing_more,
    silent,
)
from ticktrail.sync.prefetch import ahead

LEASE = timedelta(seconds=90)
"""How long a sync that died keeps others from its workflow, where they cannot know; a live one renews it."""

_RENEW_SECONDS = 20.0

_SINGLES = 50
"""How many open executions that the walk did not meet are asked for by themselves in one run."""

_KEPT_INTERVALS = 5
"""Times between syncs that are remembered; their median is how often syncs usually run."""

_PAGES_BETWEEN_NOTES = 20
"""After so many pages of the list without anything to read, a full walk notes how far it got."""


class SyncContext(msgspec.Struct, frozen=True, kw_only=True):
    """Who syncs, and how it is to be done.

    Attributes:
        instance_url: which n8n this is: ids are its own.
        holder: a name for this run's lease, another one for every run.
        is_gone: whether the process behind another holder's name is known to have ended.
        instance: the label of this n8n.
        progress: called after every page.
        after_write: called after every batch, before its executions are settled.
        should_stop: asked between writes, and while waiting; True ends the run cleanly.
        now: the clock.
    """

    instance_url: str
    holder: str
    is_gone: Callable[[str], bool] = lambda _holder: False
    instance: str | None = None
    progress: Progress = silent
    after_write: AfterWrite = nothing_more
    should_stop: Callable[[], bool] = lambda: False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def scope_of(instance_url: str, workflow_id: str, store: Store) -> str:
    """What a coverage holds for: this n8n, this workflow, this extraction, this very collection or file."""
    return f"{instance_url}|{workflow_id}|{EXTRACTION_VERSION}|{store.sync_state.identity()}"


def sync_workflow(n8n: Executions, store: Store, caller: SyncContext, *, full: bool = False) -> SyncReport:
    """Bring the store up to date with one workflow.

    Args:
        n8n: where the executions are.
        store: where their statuses go, and where the coverage is.
        caller: who asks.
        full: walk down to the oldest execution that n8n has.

    Raises:
        RetriableError: n8n or the store went away; what was read before is kept, the next run continues and walks
            all of the list.
        FatalError: n8n or the store refuses.
    """
    store.prepare()
    run = _Run(n8n, store, caller)
    other = run.take_lease()
    if other is not None:
        return run.report(busy=other)
    try:
        run.load()
        try:
            run.walk(full=full)
        except RebuiltError:
            run.forget()
            run.walk(full=True)
        run.look_at_open()
        return run.report()
    except RetriableError:
        run.owe_full()
        raise
    finally:
        run.drop_lease()


class _Run:
    """One run over one workflow."""

    def __init__(self, n8n: Executions, store: Store, caller: SyncContext) -> None:
        self._n8n = n8n
        self._store = store
        self._caller = caller
        self._scope = scope_of(caller.instance_url, n8n.workflow_id, store)
        self._lease = f"sync|{caller.instance_url}|{n8n.workflow_id}"
        self._began = self._renewed = time.monotonic()
        self._requests = n8n.requests
        self._tally = ReadCounts()
        self._written = WriteReport()
        self._coverage = Coverage()
        self._walk: ExecutionListScan | None = None
        self._rebuilt = self._stopped = False
        self._listed = self._settled = 0
        self._gap: Gap | None = None
        self._lost: list[LostExecution] = []

    # ── The lease ───────────────────────────────────────────────────────────────────────────────────────────────────

    def take_lease(self) -> str | None:
        """Take it, or say who has it."""
        caller = self._caller
        other = self._ask_for_lease()
        if other != caller.holder and caller.is_gone(other):
            self._store.sync_state.drop_lease(self._lease, holder=other)
            other = self._ask_for_lease()
        return None if other == caller.holder else other

    def drop_lease(self) -> None:
        """Give it back; where that fails it runs out by itself."""
        with contextlib.suppress(TicktrailError):
            self._store.sync_state.drop_lease(self._lease, holder=self._caller.holder)

    def _renew_lease(self) -> None:
        if time.monotonic() - self._renewed < _RENEW_SECONDS:
            return
        if self._ask_for_lease() != self._caller.holder:
            # We were so slow that it ran out, and another sync is at work.
            self._stopped = True

    def _ask_for_lease(self) -> str:
        self._renewed = time.monotonic()
        now = self._caller.now()
        return self._store.sync_state.take_lease(self._lease, holder=self._caller.holder, now=now, until=now + LEASE)

    def _should_stop(self) -> bool:
        self._stopped = self._stopped or self._caller.should_stop()
        return self._stopped

    # ── The walk ────────────────────────────────────────────────────────────────────────────────────────────────────

    def load(self) -> None:
        """Take up what earlier runs knew; nothing, where the store was emptied since."""
        self._coverage = self._store.sync_state.load_coverage(self._scope)
        if self._coverage.facts.holds_statuses and not any(self._store.messages(MessageFilter(limit=1))):
            self.forget()
        for execution_id in [known for known in self._coverage.pending if self._coverage.is_processed(known)]:
            del self._coverage.pending[execution_id]

    def walk(self, *, full: bool) -> None:
        """Go down the list, and store on every page what is not dealt with."""
        coverage, began = self._coverage, time.monotonic()
        depth = scan_depth(coverage.facts, now=self._caller.now(), full=full)
        walk = self._walk = ExecutionListScan(self._n8n, coverage, depth=depth, resume=not full, now=self._caller.now)
        page: MetadataPage | None = None
        unnoted, fresh = 0, False
        for found in ahead(iter(walk), self._should_stop):
            if self._should_stop():
                break
            if isinstance(found, FetchedPage):
                assert page is not None  # noqa: S101 - a data page follows the page that it was fetched for
                self._keep_page(page, found)
                fresh = True
            else:
                if page is not None and (fresh or unnoted >= _PAGES_BETWEEN_NOTES):
                    self._note_progress(walk, page)
                    unnoted, fresh = 0, False
                page, unnoted = found, unnoted + 1
                self._count_page(found)
            self._caller.progress(self._tally)
            self._renew_lease()
        if not self._should_stop():
            self._note_end(walk, seconds=time.monotonic() - began)

    def _count_page(self, page: MetadataPage) -> None:
        self._tally.pages += 1
        self._tally.size += page.size
        self._listed += len(page.rows)
        for problem in page.problems:
            self._tally.add_problem(problem)

    def _keep_page(self, listed: MetadataPage, fetched: FetchedPage) -> None:
        rows = {row.id: listed_execution(row) for row in listed.rows}
        self._tally.pages += 1
        self._tally.size += fetched.size
        self._tally.count_withheld(fetched.withheld)
        for problem in fetched.problems:
            self._tally.add_problem(problem)
        shown = [(rows[number], raw) for number, raw in zip(fetched.ids, fetched.executions, strict=True)]
        self._keep(shown, [(rows[one.id], one.reason) for one in fetched.withheld])

    def _keep(self, shown: list[tuple[ListedExecution, bytes]], gone: list[tuple[ListedExecution, str]]) -> None:
        """Store what executions hold, and only then settle them."""
        now = self._caller.now()
        read = [(row, extract(raw)) for row, raw in shown]
        events: list[StatusEvent] = []
        sends: list[Send] = []
        for _, found in read:
            self._tally.count(found)
            events.extend(found.events)
            sends.extend(found.sends)
        refused: dict[str, str] = {}
        met = 0
        if events or sends:
            written = self._store.write(events, sends, at=now, instance=self._caller.instance)
            self._written += written
            self._caller.after_write(message_ids(events))
            met = written.inserted + written.updated + written.unchanged
            refused = {refusal.key: refusal.reason for refusal in written.refused}
        opened: list[PendingExecution] = []
        settled: list[tuple[int, str | None]] = []
        for row, found in read:
            known = self._coverage.pending.get(row.execution_id)
            record = pending_after_read(found, row, known, refused=_refusal(found, refused), now=now)
            if record is None:
                settled.append((row.execution_id, row.started_at))
            else:
                opened.append(record)
        for row, reason in gone:
            opened.append(pending_withheld(row, self._coverage.pending.get(row.execution_id), reason=reason, now=now))
        closed = tuple(number for number, _ in settled if number in self._coverage.pending)
        self._settled += len(settled)
        facts = None
        # Where all was left out (forgotten people, too old), an empty store does not mean that somebody emptied it.
        if met and not self._coverage.facts.holds_statuses:
            facts = msgspec.structs.replace(self._coverage.facts, holds_statuses=True)
        self._save(Change(processed=processed_blocks(settled), pending=tuple(opened), resolved=closed, facts=facts))

    def _save(self, change: Change) -> None:
        self._store.sync_state.save_coverage(self._scope, change)
        self._coverage.apply(change)

    def _save_facts(self, **changes: object) -> None:
        self._save(Change(facts=msgspec.structs.replace(self._coverage.facts, **changes)))

    # ── What is remembered of a walk ────────────────────────────────────────────────────────────────────────────────

    def _note_progress(self, walk: ExecutionListScan, page: MetadataPage) -> None:
        """Note how far a full walk got, so that one that is interrupted need not begin anew."""
        before = self._coverage.facts.interrupted_scan
        if walk.depth is not ScanDepth.FULL or walk.newest is None or not page.rows:
            return
        below = page.rows[-1].id
        if before is not None and below > before.top_id:
            # What lies between here and where the earlier one began is still to be met.
            return
        began_at = walk.began_at if before is None else min(walk.began_at, before.began_at)
        below = below if before is None else min(below, before.below)
        self._save_facts(
            interrupted_scan=InterruptedScan(top_id=max(walk.newest.id, below), below=below, began_at=began_at)
        )

    def _note_end(self, walk: ExecutionListScan, *, seconds: float) -> None:
        """Note a walk that came through. An interrupted one proves nothing about what it did not meet."""
        facts = self._coverage.facts
        changes: dict[str, object] = {"checked_at": walk.began_at}
        if facts.checked_at is not None and walk.began_at > facts.checked_at:
            seconds_between = int((walk.began_at - facts.checked_at).total_seconds())
            changes["intervals"] = (*facts.intervals, seconds_between)[-_KEPT_INTERVALS:]
        if walk.newest is not None:
            changes |= {"newest_id": walk.newest.id, "newest_started_at": walk.newest.started_at}
        if walk.depth is not ScanDepth.POLL:
            changes["window_at"] = walk.began_at
        if walk.crash_found and walk.depth is not ScanDepth.FULL:
            changes["full_owed"] = True
        forgotten_below = None
        closed: list[PendingExecution] = []
        if walk.complete:
            changes |= {
                "full_at": walk.began_at,
                # What an interrupted walk had met may have changed since: the next one goes all the way again.
                "full_owed": walk.resumed,
                "interrupted_scan": None,
                "oldest_id": walk.oldest.id if walk.oldest else None,
                "oldest_started_at": walk.oldest.started_at if walk.oldest else None,
            }
            if not walk.resumed:
                changes["full_seconds"] = seconds
                closed = [
                    record
                    for record in self._coverage.pending.values()
                    # n8n hides what is unfinished, and lists all else that it still has.
                    if record.kind is not PendingKind.UNFINISHED
                    and record.execution_id not in walk.met
                    and record.first_met_at < walk.began_at
                ]
                forgotten_below = walk.oldest.id // BLOCK if walk.oldest else None
            self._gap = find_gap(
                facts,
                last_processed=walk.last_processed,
                still_listed=walk.still_listed,
                next_above=walk.next_above,
                now=walk.began_at,
            )
        facts = msgspec.structs.replace(facts, **changes)
        facts = self._remember_lost(facts, closed, gaps=[self._gap] if self._gap else [])
        closed_ids = tuple(record.execution_id for record in closed)
        self._save(Change(resolved=closed_ids, facts=facts, forgotten_below=forgotten_below))

    def _remember_lost(self, facts: Facts, closed: list[PendingExecution], *, gaps: list[Gap]) -> Facts:
        now = self._caller.now()
        gone = [one for one in (lost_with(record, now=now) for record in closed) if one is not None]
        self._lost += gone
        for one in gone:
            self._tally.add_problem(
                f"execution {one.execution_id}: n8n deleted it before it could be read ({one.reason})"
            )
        return with_losses(facts, gaps=gaps, lost=gone)

    # ── Open executions ─────────────────────────────────────────────────────────────────────────────────────────────

    def look_at_open(self) -> None:
        """Ask for open executions that the walk did not meet: n8n up to 2.28 lists waiting ones only when done."""
        now, walk = self._caller.now(), self._walk
        met = walk.met if walk is not None else set()
        due = [
            record
            for record in self._coverage.pending.values()
            if record.execution_id not in met and record.look_again_at <= now
        ]
        due.sort(key=lambda record: record.look_again_at)
        for record in due[:_SINGLES]:
            if self._should_stop():
                return
            self._look_at(record)

    def _look_at(self, record: PendingExecution) -> None:
        found = self._n8n.single(record.execution_id)
        row = ListedExecution(execution_id=record.execution_id, started_at=record.started_at)
        if isinstance(found, RawRow):
            self._tally.size += len(found.raw)
            self._keep([(msgspec.structs.replace(row, started_at=found.started_at), found.raw)], [])
        elif found is not None:
            self._tally.count_withheld([found])
            self._keep([], [(row, found.reason)])
        else:
            facts = self._remember_lost(self._coverage.facts, [record], gaps=[])
            self._save(Change(resolved=(record.execution_id,), facts=facts))

    # ── Starting anew, and the end ──────────────────────────────────────────────────────────────────────────────────

    def forget(self) -> None:
        """Start anew: what was settled says nothing about what n8n, or the store, holds now."""
        self._rebuilt = True
        self._store.sync_state.drop_coverage(self._scope)
        self._coverage = Coverage()

    def owe_full(self) -> None:
        """After an outage executions may have crashed or appeared anywhere: the next walk must see the whole list."""
        if not self._coverage.facts.full_owed:
            with contextlib.suppress(TicktrailError):  # the store may be what went away
                self._save_facts(full_owed=True)

    def report(self, *, busy: str | None = None) -> SyncReport:
        """What this run came to."""
        open_by_kind: dict[str, int] = {}
        for record in self._coverage.pending.values():
            open_by_kind[record.kind.value] = open_by_kind.get(record.kind.value, 0) + 1
        for refusal in self._written.refused:
            self._tally.add_problem(f"message {refusal.key}: not stored: {refusal.reason}")
        walk = self._walk
        return SyncReport(
            source=self._n8n.location,
            store=self._store.location,
            read_counts=self._tally,
            written=self._written,
            seconds=time.monotonic() - self._began,
            requests=self._n8n.requests - self._requests,
            workflow_result=WorkflowSyncResult(
                workflow_id=self._n8n.workflow_id,
                depth=walk.depth if walk is not None else ScanDepth.POLL,
                complete=walk is not None and walk.complete,
                rebuilt=self._rebuilt,
                busy=busy,
                stopped=self._stopped,
                listed=self._listed,
                processed=self._settled,
                pending=open_by_kind,
                gap=self._gap,
                lost=tuple(self._lost),
                checked_at=self._coverage.facts.checked_at,
            ),
        )


def _refusal(found: Extraction, refused: dict[str, str]) -> str | None:
    """Why the store refused something of an execution, if it did."""
    if not refused:
        return None
    keys = [event.message_id for event in found.events] + [send.key for send in found.sends]
    return next((refused[key] for key in keys if key in refused), None)
