"""Scan n8n's execution list (metadata only, newest first) and fetch the executions that are not processed.

Nothing is written here: the caller stores each page, and the coverage is only read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import Protocol

import msgspec

from ticktrail.sources import WithheldExecution
from ticktrail.sources.n8n_api.responses import ExecutionSummary, FetchedPage, MetadataPage, RawRow
from ticktrail.stores.coverage import Coverage, Facts, Gap, PendingExecution, PendingKind
from ticktrail.sync.decisions import (
    WINDOW,
    ListedExecution,
    ScanDepth,
    find_gap,
    id_was_reused,
    is_new_crash,
    should_fetch,
)

_POLL_ROWS = 50
"""Rows of the first page of a scan that will probably find nothing new."""

_ROWS = 1_000
"""Rows of the other pages; n8n's API returns at most 250."""

_KEPT_INTERVALS = 5
"""Times between syncs that are remembered; their median is how often syncs usually run."""


class RebuiltError(Exception):
    """n8n's ids began again: the processed set says nothing about its executions."""


class Executions(Protocol):
    """The requests that a sync makes; :class:`~ticktrail.sources.n8n_api.api.N8nApi` answers them."""

    location: str
    fetch_ahead: bool
    workflow_id: str

    @property
    def requests(self) -> int:
        """The number of requests sent so far."""
        ...

    def metadata(self, below: int | None = None, limit: int = _ROWS) -> MetadataPage:
        """Return a page of the execution list without data, newest first."""
        ...

    def fetch(self, listed: MetadataPage, wanted: Collection[int]) -> Iterator[FetchedPage]:
        """Return the data of some executions of a page."""
        ...

    def single(self, execution_id: int) -> RawRow | WithheldExecution | None:
        """Return one execution; None when n8n no longer has it."""
        ...


def listed_execution(row: ExecutionSummary) -> ListedExecution:
    """Return a row of the list as the decisions need it."""
    return ListedExecution(execution_id=row.id, status=row.status, final=row.final, started_at=row.started_at)


class ExecutionListScan:
    """One scan. Iterating gives each page of the list, followed by the data pages that were fetched for it.

    Args:
        resume: let a full scan leave out what an interrupted one had processed.
        all_pending: fetch every pending execution, due or not.

    Attributes:
        depth: how far the scan goes; it becomes full when the newest known execution is no longer listed.
        complete: the scan reached the end of the list.
        resumed: it left out what an interrupted scan had processed.
        newest: the highest listed execution that is final.
        oldest: the last execution met.
        met: pending ids that were listed.
        crash_found: an execution has crashed since the last scan: others may have appeared anywhere below.
    """

    def __init__(
        self,
        n8n: Executions,
        coverage: Coverage,
        *,
        depth: ScanDepth,
        resume: bool,
        all_pending: bool = False,
        now: Callable[[], datetime],
    ) -> None:
        self._n8n = n8n
        self._coverage = coverage
        self._all_pending = all_pending
        self._now = now
        self.began_at = now()
        self.depth = depth
        self.complete = self.resumed = self.crash_found = False
        self.newest: ExecutionSummary | None = None
        self.oldest: ExecutionSummary | None = None
        self.met: set[int] = set()
        self._next_above: ListedExecution | None = None
        self._last_processed = coverage.last_processed()
        self._still_listed: set[int] = set()
        self._resume = coverage.facts.interrupted_scan if resume and depth is ScanDepth.FULL else None
        self._newest_known = coverage.facts.newest_id
        self._newest_known_met = False

    def __iter__(self) -> Iterator[MetadataPage | FetchedPage]:
        """Yield the pages.

        Raises:
            RebuiltError: n8n's ids began again.
            TicktrailError: n8n does not answer, or refuses.
        """
        resume = self._resume
        limit = _ROWS if self.depth is ScanDepth.FULL else _POLL_ROWS
        below: int | None = None
        while True:
            page = self._n8n.metadata(below, limit)
            limit = _ROWS
            self._note(page)
            yield page
            wanted = self._wanted(page)
            if wanted:
                yield from self._n8n.fetch(page, wanted)
            if not page.more or not page.rows:
                self.complete = True
                return
            if self._is_far_enough(page.rows[-1]):
                return
            below = page.rows[-1].id
            if resume is not None and below <= resume.top_id:
                self.resumed = resume.below < below
                below, resume = min(below, resume.below), None

    def facts_at_end(self, facts: Facts, *, seconds: float) -> Facts:
        """Return the facts after this scan finished. An interrupted scan proves nothing about what it did not meet."""
        changes: dict[str, object] = {"checked_at": self.began_at}
        if facts.checked_at is not None and self.began_at > facts.checked_at:
            interval = int((self.began_at - facts.checked_at).total_seconds())
            changes["intervals"] = (*facts.intervals, interval)[-_KEPT_INTERVALS:]
        if self.newest is not None:
            changes |= {"newest_id": self.newest.id, "newest_started_at": self.newest.started_at}
        if self.depth is not ScanDepth.POLL:
            changes["window_at"] = self.began_at
        if self.crash_found and self.depth is not ScanDepth.FULL:
            changes["full_owed"] = True
        if self.complete:
            changes |= {
                "full_at": self.began_at,
                # What an interrupted scan had met may have changed since: the next scan covers the whole list.
                "full_owed": self.resumed,
                "interrupted_scan": None,
                "oldest_id": self.oldest.id if self.oldest else None,
                "oldest_started_at": self.oldest.started_at if self.oldest else None,
            }
            if self.oldest and facts.oldest_id is not None and self.oldest.id > facts.oldest_id:
                changes["pruned"] = True
            if not self.resumed:
                changes["full_seconds"] = seconds
        return msgspec.structs.replace(facts, **changes)

    def deleted(self, pending: Iterable[PendingExecution]) -> list[PendingExecution]:
        """Return the pending executions that n8n no longer has; only a whole, complete scan can tell."""
        if not self.complete or self.resumed:
            return []
        return [
            record
            for record in pending
            # n8n hides unfinished executions, and lists all others that it still has.
            if record.kind is not PendingKind.UNFINISHED
            and record.execution_id not in self.met
            and record.first_met_at < self.began_at
        ]

    def gap(self, facts: Facts) -> Gap | None:
        """Return the gap that pruning left, if this scan was complete; ``facts`` are those before it."""
        if not self.complete:
            return None
        return find_gap(
            facts,
            last_processed=self._last_processed,
            still_listed=self._still_listed,
            next_above=self._next_above,
            now=self.began_at,
        )

    def _wanted(self, page: MetadataPage) -> set[int]:
        now = self._now()
        return {
            row.id
            for row in page.rows
            if should_fetch(self._coverage, listed_execution(row), now=now, all_pending=self._all_pending)
        }

    def _note(self, page: MetadataPage) -> None:
        """Remember what the end of the scan is judged by."""
        for row in page.rows:
            listed = listed_execution(row)
            if id_was_reused(self._coverage, listed):
                raise RebuiltError
            self.crash_found |= is_new_crash(self._coverage, listed)
            if self.newest is None and row.final is not False:
                self.newest = row
            if self._newest_known is not None and row.id > self._newest_known:
                self._next_above = listed
            if row.id in self._coverage.pending:
                self.met.add(row.id)
            if row.id in self._last_processed:
                self._still_listed.add(row.id)
            self._newest_known_met |= row.id == self._newest_known
            self.oldest = row

    def _is_far_enough(self, last: ExecutionSummary) -> bool:
        """Return True when the scan is below the newest execution known before, and past its window."""
        if self._newest_known is None or last.id > self._newest_known:
            return False
        if not self._newest_known_met:
            # It was deleted, so others may be: pruning may have reached executions that were not read.
            self.depth = ScanDepth.FULL
        if self.depth is ScanDepth.WINDOW:
            window = (self.began_at - WINDOW).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            return last.started_at is not None and last.started_at < window
        return self.depth is ScanDepth.POLL
