"""Goes down n8n's list without data, newest first, and fetches what the coverage has not dealt with.

Nothing is written here: what is found is handed on a page at a time, and only the coverage is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Protocol

from ticktrail.sources import WithheldExecution
from ticktrail.sources.n8n_api.responses import ExecutionSummary, FetchedPage, MetadataPage, RawRow
from ticktrail.stores.coverage import Coverage
from ticktrail.sync.decisions import WINDOW, ListedExecution, ScanDepth, id_was_reused, is_new_crash, should_fetch

_POLL_ROWS = 50
"""The first page of a walk that will probably find nothing new."""

_ROWS = 250


class RebuiltError(Exception):
    """n8n's ids began again: what was settled says nothing about what it has now."""


class Executions(Protocol):
    """What a sync asks of n8n; :class:`~ticktrail.sources.n8n_api.api.N8nApi` answers."""

    location: str
    workflow_id: str

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        ...

    def metadata(self, below: int | None = None, limit: int = _ROWS) -> MetadataPage:
        """The list without data, newest first."""
        ...

    def fetch(self, listed: MetadataPage, wanted: Collection[int]) -> Iterator[FetchedPage]:
        """The data of some of its executions."""
        ...

    def single(self, execution_id: int) -> RawRow | WithheldExecution | None:
        """One execution by itself; None when n8n has it no more."""
        ...


def listed_execution(row: ExecutionSummary) -> ListedExecution:
    """What the coverage needs to know of a row."""
    return ListedExecution(execution_id=row.id, status=row.status, final=row.final, started_at=row.started_at)


class ExecutionListScan:
    """One walk. Iterating gives each page of the list, followed by the data pages that were fetched for it.

    With ``resume`` a full walk leaves out what an interrupted one had dealt with.

    Attributes:
        depth: how far it goes; a walk that does not find the newest execution it knew goes all the way down.
        complete: it came to the end of the list. ``resumed``: and it left out what an interrupted one had dealt with.
        newest: the highest listed execution that is done, and ``oldest`` the last one met.
        met: ids that were listed, among the open ones; ``still_listed``, among those settled last.
        next_above: the oldest listed execution above the newest one known before.
        crash_found: an execution has crashed since: others may have appeared anywhere below.
    """

    def __init__(
        self, n8n: Executions, coverage: Coverage, *, depth: ScanDepth, resume: bool, now: Callable[[], datetime]
    ) -> None:
        self._n8n = n8n
        self._coverage = coverage
        self._now = now
        self.began_at = now()
        self.depth = depth
        self.complete = self.resumed = self.crash_found = False
        self.newest: ExecutionSummary | None = None
        self.oldest: ExecutionSummary | None = None
        self.next_above: ListedExecution | None = None
        self.met: set[int] = set()
        self.last_processed = coverage.last_processed()
        self.still_listed: set[int] = set()
        self._resume = coverage.facts.interrupted_scan if resume and depth is ScanDepth.FULL else None
        self._newest_known = coverage.facts.newest_id
        self._newest_known_met = False

    def __iter__(self) -> Iterator[MetadataPage | FetchedPage]:
        """The pages.

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
            now = self._now()
            wanted = {row.id for row in page.rows if should_fetch(self._coverage, listed_execution(row), now=now)}
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

    def _note(self, page: MetadataPage) -> None:
        """Remember what the end of the walk will be judged by."""
        for row in page.rows:
            one = listed_execution(row)
            if id_was_reused(self._coverage, one):
                raise RebuiltError
            self.crash_found |= is_new_crash(self._coverage, one)
            if self.newest is None and row.final is not False:
                self.newest = row
            if self._newest_known is not None and row.id > self._newest_known:
                self.next_above = one
            if row.id in self._coverage.pending:
                self.met.add(row.id)
            if row.id in self.last_processed:
                self.still_listed.add(row.id)
            self._newest_known_met |= row.id == self._newest_known
            self.oldest = row

    def _is_far_enough(self, last: ExecutionSummary) -> bool:
        """Whether everything new has been met: the walk is below what was newest before, and past its window."""
        if self._newest_known is None or last.id > self._newest_known:
            return False
        if not self._newest_known_met:
            # It was deleted, and others may be. Where pruning came that far, a gap may have been torn.
            self.depth = ScanDepth.FULL
        if self.depth is ScanDepth.WINDOW:
            window = (self.began_at - WINDOW).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            return last.started_at is not None and last.started_at < window
        return self.depth is ScanDepth.POLL
