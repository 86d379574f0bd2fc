"""Fetch the data of listed executions, and report those that n8n does not return.

A page with data leaves out rows that n8n cannot read, may end early, and up to n8n 2.24 fails as a whole for one
unreadable row. So received ids are compared with requested ones, a page that fails is halved down to the execution at
fault, and missing executions are requested singly and then reported as withheld.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from ticktrail.errors import SourceUnavailableError
from ticktrail.sources import LARGEST_EXECUTION, WithheldExecution
from ticktrail.sources.n8n_api.errors import BadRequestError, FailureKind, NoAnswerError
from ticktrail.sources.n8n_api.responses import ExecutionSummary, FetchedPage, RawPage, RawRow


class DataPages(Protocol):
    """The requests of a :class:`Fetcher`; :class:`~ticktrail.sources.n8n_api.api.N8nApi` sends them."""

    @property
    def can_ignore_size_limit(self) -> bool:
        """False after n8n refused the parameter."""
        ...

    def raw_page(
        self, below: int | None, limit: int, *, overload_attempts: int | None = None, max_bytes: int = LARGEST_EXECUTION
    ) -> RawPage:
        """Return a page of executions with their data."""
        ...

    def raw_execution(
        self,
        execution_id: int,
        *,
        ignore_size_limit: bool = False,
        redact: bool | None = None,
        overload_attempts: int | None = None,
    ) -> RawRow | None:
        """Return one execution with its data; None when n8n does not have it."""
        ...

    def is_listed(self, execution_id: int) -> bool:
        """Return True when n8n's list still has this execution."""
        ...

    def check(self) -> None:
        """Raise unless n8n answers."""
        ...


LARGEST_PAGE = 250
"""n8n's own limit."""

_PAGE_BYTES = 8_000_000
LARGEST_PAGE_BYTES = 4 * _PAGE_BYTES
"""Maximum bytes of a page, uncompressed; a larger one is aborted and halved."""

_PAGE_SECONDS = 2.0
"""Target size and duration of a page: n8n builds it in the process that also answers Meta's webhooks."""

_CALM_PAGES = 5
"""Pages that must succeed after a failure before a larger one is tried."""

_PAGE_ATTEMPTS = 2
_FAILED_IN_A_ROW = 3
"""After this many failed executions in a row, the next ones are requested only once."""

_SLOW_IN_A_ROW = 20
"""After this many without any answer, the fault is n8n's, not theirs."""


_DELETED = "n8n deleted it meanwhile"


class PageSize:
    """Number of executions to request at once: adapts to the bytes and seconds that pages take."""

    def __init__(self, base_url: str) -> None:
        # n8n Cloud's smallest plan has 320 MB of memory.
        self.limit = 10 if (urlsplit(base_url).hostname or "").endswith(".n8n.cloud") else 25
        self.execution_bytes = 0.0
        self._ceiling = LARGEST_PAGE
        self._calm = 0

    def answered(self, asked: int, length: int, seconds: float) -> None:
        """Note a page of ``asked`` executions: its bytes uncompressed, and its seconds."""
        self.execution_bytes = length / asked
        self._calm += 1
        if self._calm >= _CALM_PAGES:
            self._calm, self._ceiling = 0, min(LARGEST_PAGE, 2 * self._ceiling)
        affordable = min(_PAGE_BYTES / max(length, 1), _PAGE_SECONDS / max(seconds, 0.001)) * asked
        self.limit = max(1, min(self._ceiling, 2 * self.limit, int(affordable)))

    def failed(self, asked: int) -> None:
        """Note that n8n failed on a page of ``asked`` executions."""
        self._calm, self._ceiling = 0, max(1, asked // 2)
        self.limit = min(self.limit, self._ceiling)


class Fetcher:
    """Fetch data for one :class:`~ticktrail.sources.n8n_api.api.N8nApi`, in pages of a size that suits its n8n."""

    def __init__(self, api: DataPages, base_url: str) -> None:
        self._api = api
        self._size = PageSize(base_url)
        self._failed_in_a_row = 0
        self._slow_in_a_row = 0

    @property
    def execution_bytes(self) -> float:
        """Average size of an execution on the last page, uncompressed."""
        return self._size.execution_bytes

    def fetch(self, rows: Sequence[ExecutionSummary], wanted: Collection[int]) -> Iterator[FetchedPage]:
        """Yield the data of the wanted executions among ``rows``, which are in the order of the list.

        Each wanted id is in ``ids`` of one page, or in its ``withheld``.
        """
        for run in _runs(rows, wanted):
            begin = 0
            while begin < len(run):
                chunk = run[begin : begin + self._size.limit]
                begin += len(chunk)
                yield self._fetch_chunk(chunk)

    def single(self, execution_id: int) -> RawRow | WithheldExecution | None:
        """Return one execution, or why it is withheld; None when n8n has none of that id."""
        found = self._get(execution_id, withheld=False)
        return None if isinstance(found, WithheldExecution) and found.reason == _DELETED else found

    def _fetch_chunk(self, chunk: Sequence[ExecutionSummary]) -> FetchedPage:
        """Fetch executions that follow one another in n8n's list."""
        # A page of one is requested only to find out whether n8n can return more again.
        found, size = self._list(chunk) if len(chunk) > 1 or self._size.limit == 1 else ({}, 0)
        withheld = []
        for row in chunk:
            listed = found.get(row.id)
            if listed is not None and not self._is_better_alone(row, listed):
                continue
            single = self._get(row.id, withheld=listed is not None and listed.withheld)
            if isinstance(single, RawRow):
                found[row.id] = single
                size += len(single.raw)
            elif listed is None:
                withheld.append(single)
        kept = [found[row.id] for row in chunk if row.id in found]
        return FetchedPage(
            executions=tuple(row.raw for row in kept),
            ids=tuple(row.id for row in kept),
            withheld=tuple(withheld),
            problems=tuple(
                f"execution {record.id}: n8n did not return its data ({record.reason})" for record in withheld
            ),
            size=size,
        )

    def _is_better_alone(self, row: ExecutionSummary, listed: RawRow) -> bool:
        """Return True when a single request returns more: past the size limit, or the status (lists before 1.111)."""
        if listed.withheld:
            return self._api.can_ignore_size_limit
        return not listed.has_status and row.final is None

    def _list(self, chunk: Sequence[ExecutionSummary]) -> tuple[dict[int, RawRow], int]:
        """Request executions as a page, halved where n8n fails on it. Returns them by id, and the bytes received."""
        try:
            listed = self._api.raw_page(
                chunk[0].id + 1, len(chunk), overload_attempts=_PAGE_ATTEMPTS, max_bytes=LARGEST_PAGE_BYTES
            )
        except NoAnswerError as error:
            if not error.smaller_may_work:
                raise
            self._api.check()
            self._size.failed(len(chunk))
        except BadRequestError:
            pass
        else:
            self._failed_in_a_row = self._slow_in_a_row = 0
            self._size.answered(len(chunk), listed.length, listed.seconds)
            return {row.id: row for row in listed.rows}, listed.size
        if len(chunk) == 1:
            return {}, 0
        middle = len(chunk) // 2
        newer, newer_size = self._list(chunk[:middle])
        older, older_size = self._list(chunk[middle:])
        return newer | older, newer_size + older_size

    def _get(self, execution_id: int, *, withheld: bool) -> RawRow | WithheldExecution:
        """Request one execution. Returns it, or why it is withheld."""
        attempts = 1 if self._failed_in_a_row >= _FAILED_IN_A_ROW else _PAGE_ATTEMPTS
        try:
            found = self._api.raw_execution(execution_id, ignore_size_limit=withheld, overload_attempts=attempts)
        except BadRequestError:
            return WithheldExecution(id=execution_id, reason="n8n cannot read its data")
        except NoAnswerError as error:
            if not error.smaller_may_work:
                raise
            self._api.check()
            self._failed_in_a_row += 1
            # An answer, even 500, is fast, and corrupt executions may follow one another. Timeouts would take hours.
            self._slow_in_a_row += error.kind not in {FailureKind.FAILED, FailureKind.TOO_LARGE}
            if self._slow_in_a_row >= _SLOW_IN_A_ROW:
                raise SourceUnavailableError(
                    f"n8n lists executions, but does not return their data: {_SLOW_IN_A_ROW} in a row.",
                    remedy="See n8n's log. Nothing was lost; the next run continues.",
                ) from error
            return WithheldExecution(id=execution_id, reason=error.reason)
        self._failed_in_a_row = self._slow_in_a_row = 0
        if found is not None and found.withheld and not withheld and self._api.can_ignore_size_limit:
            whole = self._get(execution_id, withheld=True)
            return whole if isinstance(whole, RawRow) else found
        if found is None:
            there = self._api.is_listed(execution_id)
            return WithheldExecution(id=execution_id, reason="its data is missing" if there else _DELETED)
        return found


def _runs(rows: Sequence[ExecutionSummary], wanted: Collection[int]) -> Iterator[list[ExecutionSummary]]:
    """Yield the runs of wanted rows without another row between them: a page returns consecutive rows."""
    run: list[ExecutionSummary] = []
    for row in rows:
        if row.id in wanted:
            run.append(row)
        elif run:
            yield run
            run = []
    if run:
        yield run
