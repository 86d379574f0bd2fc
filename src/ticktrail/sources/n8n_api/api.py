"""Executions from n8n's public HTTP API.

Only a list **without** data is known to be complete, so that decides which executions exist; a list with data may
leave some out, or end early. n8n hides executions that run, and shows them later below ids already listed: no id
and no time marks a point up to which everything has been seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from ticktrail.errors import SourceRefusedError
from ticktrail.settings.n8n_url import is_local
from ticktrail.settings.settings import N8nSettings
from ticktrail.sources import LARGEST_EXECUTION, Page, WithheldExecution
from ticktrail.sources.n8n_api.errors import ForbiddenError, Kind, MissingError, NoAnswerError
from ticktrail.sources.n8n_api.fetching import LARGEST_PAGE, LARGEST_PAGE_BYTES, Fetcher
from ticktrail.sources.n8n_api.http import ApiRequest, N8nHttp, RetryPolicy, Timeouts
from ticktrail.sources.n8n_api.responses import (
    ExecutionSummary,
    FetchedPage,
    MetadataPage,
    RawPage,
    RawRow,
    WorkflowSummary,
    cursor_below,
    read_execution,
    read_object,
    read_raw_rows,
    read_rows,
    read_workflows,
)

__all__ = ["BRIEF", "N8nApi", "RawPage", "RetryPolicy", "Timeouts"]

_FAT_EXECUTION_BYTES = 65_536
"""From this size on, compressing costs n8n's main process more than the wire gains (0.16 s became 0.79 s a page)."""

BRIEF = RetryPolicy(attempts=5, total=60.0, wait_max=4.0, starting=15.0)
"""For a command that somebody waits for, or that cron starts again anyway: a restart of n8n is still sat out."""

_SMALLEST_LIST = 10
_LIST_ATTEMPTS = 2


class N8nApi:
    """The executions of one workflow, as a :class:`~ticktrail.sources.Source`, and the questions it is made of.

    Every method may raise :class:`~ticktrail.errors.SourceUnavailableError` (n8n did not answer: wait) and
    :class:`~ticktrail.errors.SourceRefusedError` (a bad key, a missing scope, an unknown workflow: mend it).
    Ids are n8n's, as numbers.
    """

    def __init__(
        self,
        settings: N8nSettings,
        workflow_id: str,
        *,
        transport: httpx2.BaseTransport | None = None,
        timeouts: Timeouts | None = None,
        patience: RetryPolicy | None = None,
    ) -> None:
        self.workflow_id = workflow_id
        self.location = f"{settings.editor_url or settings.base_url}/workflow/{workflow_id}"
        self._http = N8nHttp(settings, transport=transport, timeouts=timeouts, patience=patience)
        self._fetcher = Fetcher(self, settings.base_url)
        self._near = is_local(settings.base_url)
        self._list_limit = LARGEST_PAGE

    def __repr__(self) -> str:
        return f"N8nApi({self.location!r})"

    def pages(self, *, limit: int | None = None) -> Iterator[Page]:
        """All executions n8n lists, or the newest ``limit`` of them, finished or not; see :class:`Source`."""
        below: int | None = None
        left = limit
        while left is None or left > 0:
            listed = self.metadata(below, LARGEST_PAGE if left is None else min(left, LARGEST_PAGE))
            if listed.problems:
                yield Page(executions=(), problems=listed.problems, size=listed.size)
            yield from self.fetch(listed, {row.id for row in listed.rows})
            if not listed.more or not listed.rows:
                return
            below = listed.rows[-1].id
            left = None if left is None else left - len(listed.rows)

    def metadata(self, below: int | None = None, limit: int = LARGEST_PAGE) -> MetadataPage:
        """The newest executions with an id below ``below`` (None: the newest of all), without their data.

        At most ``limit`` and 250; fewer where n8n did not manage so many (up to 1.117 it loads their data all the
        same). An empty list is proven: a workflow that n8n does not have is refused, as n8n itself does not.
        """
        while True:
            asked = min(limit, self._list_limit)
            try:
                page = self._metadata(below, asked)
            except NoAnswerError as error:
                if not error.smaller_may_work or asked <= _SMALLEST_LIST:
                    raise
                self._list_limit = max(_SMALLEST_LIST, asked // 2)
            else:
                self._list_limit = min(LARGEST_PAGE, 2 * self._list_limit)
                return page

    def data(self, below: int | None, limit: int) -> FetchedPage:
        """One page of executions with data, as n8n gives it: rows may be missing, without a word."""
        page = self.raw_page(below, limit)
        return FetchedPage(
            executions=tuple(row.raw for row in page.rows), ids=tuple(row.id for row in page.rows), size=page.size
        )

    def fetch(self, listed: MetadataPage, wanted: Collection[int]) -> Iterator[FetchedPage]:
        """The data of some of the executions of a page without data, each either there or named as not shown."""
        return self._fetcher.fetch(listed.rows, wanted)

    def single(self, execution_id: int) -> RawRow | WithheldExecution | None:
        """One execution, listed or not, or why its data is not shown; None where n8n has it no more."""
        return self._fetcher.single(execution_id)

    @property
    def requests(self) -> int:
        """How many requests were sent so far."""
        return self._http.requests

    def execution(
        self, execution_id: int, *, ignore_size_limit: bool = False, redact: bool | None = None
    ) -> bytes | None:
        """One execution with its data, or None where n8n has none of that id (or none of its data).

        Args:
            execution_id: n8n's id.
            ignore_size_limit: also where n8n finds it too large to display (2.28 on; older ones have no limit).
            redact: False asks for clear data where a policy blanks it (2.16 on; refused without the right to it).
        """
        found = self.raw_execution(execution_id, ignore_size_limit=ignore_size_limit, redact=redact)
        return None if found is None else found.raw

    def workflow(self) -> dict[str, Any]:
        """The workflow itself: name, nodes, settings.

        Raises:
            SourceRefusedError: n8n does not have it, or the key may not see it.
        """
        try:
            return self._http.ask(
                ApiRequest(path=f"/workflows/{quote(self.workflow_id)}"), lambda a: read_object(a.body)
            )
        except MissingError:
            raise SourceRefusedError(
                f"n8n has no workflow {self.workflow_id}, or the key's owner may not see it.",
                remedy="Set WORKFLOW_ID_WHATSAPP to the id in its address, …/workflow/ID, or type: ticktrail init",
            ) from None

    def workflows(self) -> list[WorkflowSummary]:
        """All workflows that the key's owner may see."""
        found: list[WorkflowSummary] = []
        cursor: str | None = ""
        seen = set()
        while cursor is not None and cursor not in seen:
            seen.add(cursor)
            parameters = {"limit": str(LARGEST_PAGE)} | ({"cursor": cursor} if cursor else {})
            question = ApiRequest(path="/workflows", parameters=parameters)
            page, cursor = self._http.ask(question, lambda a: read_workflows(a.body))
            found.extend(page)
        return found

    def check(self) -> None:
        """Make sure that n8n answers at all: one row of the list, with the usual patience."""
        self._rows(None, 1)

    def is_listed(self, execution_id: int) -> bool:
        """Whether the list without data still has this execution."""
        rows, _, _, _ = self._rows(execution_id + 1, 1)
        return bool(rows) and rows[0].id == execution_id

    @property
    def date(self) -> tuple[str | None, float] | None:
        """The ``Date`` header of the last answer, and when it came (Unix seconds); None before the first."""
        return self._http.date

    @property
    def can_ignore_size_limit(self) -> bool:
        """Whether this n8n may know the parameter: False once it refused it."""
        return self._http.knows("ignoreDataSizeLimit")

    def raw_page(
        self, below: int | None, limit: int, *, overload_attempts: int | None = None, max_bytes: int = LARGEST_EXECUTION
    ) -> RawPage:
        """A page with data as :class:`~ticktrail.sources.n8n_api.responses.RawRow` records."""
        question = ApiRequest(
            path="/executions",
            parameters=self._list_parameters(below, limit, include_data=True),
            gzip=not self._near and self._fetcher.execution_bytes < _FAT_EXECUTION_BYTES,
            overload_attempts=overload_attempts,
            # One execution may be larger than a page of several.
            max_bytes=max_bytes if limit > 1 else LARGEST_EXECUTION,
        )
        return self._http.ask(
            question,
            lambda a: RawPage(rows=tuple(read_raw_rows(a.body)), length=len(a.body), size=a.size, seconds=a.seconds),
        )

    def raw_execution(
        self,
        execution_id: int,
        *,
        ignore_size_limit: bool = False,
        redact: bool | None = None,
        overload_attempts: int | None = None,
    ) -> RawRow | None:
        """One execution as a :class:`~ticktrail.sources.n8n_api.responses.RawRow`; see :meth:`execution`."""
        optional = {"ignoreDataSizeLimit": "true"} if ignore_size_limit else {}
        if redact is not None:
            optional["redactExecutionData"] = "true" if redact else "false"
        question = ApiRequest(
            path=f"/executions/{execution_id}",
            parameters={"includeData": "true"},
            optional=optional,
            gzip=not self._near,
            overload_attempts=overload_attempts,
        )
        try:
            return self._http.ask(question, lambda a: read_execution(a.body))
        except MissingError:
            return None

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _metadata(self, below: int | None, limit: int) -> MetadataPage:
        rows, more, strange, size = self._rows(below, limit)
        problems = [f"{strange} executions have ids that are no numbers: left out"] if strange else []
        if below is not None and rows and rows[0].id >= below:
            raise NoAnswerError(
                f"n8n at {self._http.settings.base_url} gives the same page of its list twice. Nothing was lost.",
                Kind.DOWN,
                remedy="Something between here and n8n keeps old answers: let it pass n8n's API uncached.",
            )
        if below is None and not rows and not strange:
            problems += self._prove_workflow()
        return MetadataPage(rows=tuple(rows), more=more, problems=tuple(problems), size=size)

    def _prove_workflow(self) -> list[str]:
        """For an unknown workflow n8n answers 200 and an empty list, as for one that never ran."""
        try:
            self.workflow()
        except ForbiddenError:
            unproven = (
                f"n8n lists no execution of workflow {self.workflow_id}, and the key may not read workflows "
                "(workflow:read): if the id were mistyped, it would look the same"
            )
            return [unproven]
        return []

    def _rows(self, below: int | None, limit: int) -> tuple[list[ExecutionSummary], bool, int, int]:
        """Rows without data, whether older ones follow, how many had strange ids, and the bytes on the wire."""
        question = ApiRequest(
            path="/executions",
            parameters=self._list_parameters(below, limit, include_data=False),
            overload_attempts=_LIST_ATTEMPTS if limit > _SMALLEST_LIST else None,
            max_bytes=LARGEST_PAGE_BYTES,
        )
        return self._http.ask(question, lambda a: (*read_rows(a.body), a.size))

    def _list_parameters(self, below: int | None, limit: int, *, include_data: bool) -> dict[str, str]:
        """Filters are not part of a cursor: they go with every page. No status filter: its meaning changed twice."""
        cursor = {} if below is None else {"cursor": cursor_below(below, limit)}
        return {
            "workflowId": self.workflow_id,
            "includeData": "true" if include_data else "false",
            "limit": str(limit),
            **cursor,
        }
