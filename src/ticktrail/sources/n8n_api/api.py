"""Client of n8n's public API for the executions of one workflow.

Only a list **without** data is complete, so it decides which executions exist; a list with data may leave some out, or
end early. n8n hides running executions and lists them later below ids already listed, so neither an id nor a time marks
a point up to which everything has been listed.

See: https://docs.n8n.io/api/api-reference/
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from ticktrail.errors import SourceRefusedError
from ticktrail.settings.n8n_url import is_local
from ticktrail.settings.settings import N8nSettings
from ticktrail.sources import LARGEST_EXECUTION, Page, WithheldExecution
from ticktrail.sources.n8n_api.errors import BadRequestError, FailureKind, ForbiddenError, MissingError, NoAnswerError
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
"""From this size, compression costs n8n's main process more than the network gains (a page: 0.79 s, not 0.16 s)."""

BRIEF = RetryPolicy(attempts=5, total=60.0, wait_max=4.0, starting=15.0)
"""For a command that a person waits for, or that cron starts again anyway: long enough for a restart of n8n."""

_SMALLEST_LIST = 10
_LIST_ATTEMPTS = 2


class N8nApi:
    """Source of the executions of one workflow, and the single requests that it consists of.

    Every method may raise :class:`~ticktrail.errors.SourceUnavailableError` (n8n did not answer: wait) and
    :class:`~ticktrail.errors.SourceRefusedError` (a bad key, a missing scope, an unknown workflow: fix it).
    Ids are n8n's, as numbers.
    """

    fetch_ahead = True

    def __init__(
        self,
        settings: N8nSettings,
        workflow_id: str,
        *,
        transport: httpx2.BaseTransport | None = None,
        timeouts: Timeouts | None = None,
        retry_policy: RetryPolicy | None = None,
    ) -> None:
        self.workflow_id = workflow_id
        self.location = f"{settings.editor_url or settings.base_url}/workflow/{workflow_id}"
        self._http = N8nHttp(settings, transport=transport, timeouts=timeouts, retry_policy=retry_policy)
        self._fetcher = Fetcher(self, settings.base_url)
        self._near = is_local(settings.base_url)
        self._list_limit = LARGEST_PAGE

    def __repr__(self) -> str:
        return f"N8nApi({self.location!r})"

    def pages(self, *, limit: int | None = None) -> Iterator[Page]:
        """Yield all executions that n8n lists, or the newest ``limit`` of them, finished or not."""
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

    def unfinished(self) -> tuple[int, ...]:
        """Return ids of executions that run or are queued, 250 of each at most; n8n's list hides most of them.

        n8n up to 1.110 has no such filter. Between 2.13 and 2.28 it ignores ``new``, so statuses are compared.
        """
        ids: set[int] = set()
        for status in ("running", "new"):
            with contextlib.suppress(BadRequestError):
                rows, *_ = self._rows(None, LARGEST_PAGE, status=status)
                ids.update(row.id for row in rows if row.status in {"running", "new"})
        return tuple(sorted(ids))

    def metadata(self, below: int | None = None, limit: int = LARGEST_PAGE) -> MetadataPage:
        """Return the newest executions with an id below ``below`` (None: the newest of all), without their data.

        At most ``limit`` and 250; fewer after n8n failed on that many (up to 1.117 it loads their data all the same).
        For an empty list the workflow is requested too, because n8n answers the same for an unknown workflow.
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
        """Return one page of executions with data, as n8n returns it: rows may be missing silently."""
        page = self.raw_page(below, limit)
        return FetchedPage(
            executions=tuple(row.raw for row in page.rows), ids=tuple(row.id for row in page.rows), size=page.size
        )

    def fetch(self, listed: MetadataPage, wanted: Collection[int]) -> Iterator[FetchedPage]:
        """Yield the data of some executions of a page without data; each is returned or reported as withheld."""
        return self._fetcher.fetch(listed.rows, wanted)

    def single(self, execution_id: int) -> RawRow | WithheldExecution | None:
        """Return one execution, listed or not, or why its data is withheld; None when n8n no longer has it."""
        return self._fetcher.single(execution_id)

    @property
    def requests(self) -> int:
        """Number of requests sent so far."""
        return self._http.requests

    def execution(
        self, execution_id: int, *, ignore_size_limit: bool = False, redact: bool | None = None
    ) -> bytes | None:
        """Return one execution with its data, or None when n8n has none of that id (or none of its data).

        Args:
            execution_id: n8n's id.
            ignore_size_limit: also when n8n finds it too large to display (since 2.28; older releases have no limit).
            redact: False requests clear data where a policy redacts it (since 2.16; refused without the permission).
        """
        found = self.raw_execution(execution_id, ignore_size_limit=ignore_size_limit, redact=redact)
        return None if found is None else found.raw

    def workflow(self) -> dict[str, Any]:
        """Return the workflow: name, nodes, settings.

        Raises:
            SourceRefusedError: n8n does not have it, or the key has no access to it.
        """
        try:
            return self._http.ask(
                ApiRequest(path=f"/workflows/{quote(self.workflow_id)}"), lambda a: read_object(a.body)
            )
        except MissingError:
            raise SourceRefusedError(
                f"n8n has no workflow {self.workflow_id}, or the key's owner has no access to it.",
                remedy="Set WORKFLOW_ID_WHATSAPP to the id in its address, …/workflow/ID, or type: ticktrail init",
            ) from None

    def workflows(self) -> list[WorkflowSummary]:
        """Return all workflows that the key's owner has access to."""
        found: list[WorkflowSummary] = []
        cursor: str | None = ""
        seen = set()
        while cursor is not None and cursor not in seen:
            seen.add(cursor)
            parameters = {"limit": str(LARGEST_PAGE)} | ({"cursor": cursor} if cursor else {})
            request = ApiRequest(path="/workflows", parameters=parameters)
            page, cursor = self._http.ask(request, lambda a: read_workflows(a.body))
            found.extend(page)
        return found

    def check(self) -> None:
        """Raise unless n8n answers: request one row of the list, with the usual retries."""
        self._rows(None, 1)

    def is_listed(self, execution_id: int) -> bool:
        """Return True when the list without data still has this execution."""
        rows, _, _, _ = self._rows(execution_id + 1, 1)
        return bool(rows) and rows[0].id == execution_id

    @property
    def date(self) -> tuple[str | None, float] | None:
        """``Date`` header of the last response, and when it arrived (Unix seconds); None before the first."""
        return self._http.date

    @property
    def can_ignore_size_limit(self) -> bool:
        """False after this n8n refused the parameter."""
        return self._http.knows("ignoreDataSizeLimit")

    def raw_page(
        self, below: int | None, limit: int, *, overload_attempts: int | None = None, max_bytes: int = LARGEST_EXECUTION
    ) -> RawPage:
        """Return a page with data as :class:`~ticktrail.sources.n8n_api.responses.RawRow` records."""
        request = ApiRequest(
            path="/executions",
            parameters=self._list_parameters(below, limit, include_data=True),
            gzip=not self._near and self._fetcher.execution_bytes < _FAT_EXECUTION_BYTES,
            overload_attempts=overload_attempts,
            # One execution may be larger than a page of several.
            max_bytes=max_bytes if limit > 1 else LARGEST_EXECUTION,
        )
        return self._http.ask(
            request,
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
        """Return one execution as a :class:`~ticktrail.sources.n8n_api.responses.RawRow`; see :meth:`execution`."""
        optional = {"ignoreDataSizeLimit": "true"} if ignore_size_limit else {}
        if redact is not None:
            optional["redactExecutionData"] = "true" if redact else "false"
        request = ApiRequest(
            path=f"/executions/{execution_id}",
            parameters={"includeData": "true"},
            optional=optional,
            gzip=not self._near,
            overload_attempts=overload_attempts,
        )
        try:
            return self._http.ask(request, lambda a: read_execution(a.body))
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
        rows, more, invalid, size = self._rows(below, limit)
        problems = [f"{invalid} executions have ids that are not numbers: left out"] if invalid else []
        if below is not None and rows and rows[0].id >= below:
            raise NoAnswerError(
                f"n8n at {self._http.settings.base_url} returned the same page of its list twice. Nothing was lost.",
                FailureKind.DOWN,
                remedy="A proxy in front of n8n caches responses: exclude n8n's API from its cache.",
            )
        if below is None and not rows and not invalid:
            problems += self._prove_workflow()
        return MetadataPage(rows=tuple(rows), more=more, problems=tuple(problems), size=size)

    def _prove_workflow(self) -> list[str]:
        """Request the workflow: for an unknown one n8n answers 200 and an empty list, as for one that never ran."""
        try:
            self.workflow()
        except ForbiddenError:
            unproven = (
                f"n8n lists no execution of workflow {self.workflow_id}, and the key lacks the scope workflow:read: "
                "a mistyped id would look the same"
            )
            return [unproven]
        return []

    def _rows(
        self, below: int | None, limit: int, *, status: str | None = None
    ) -> tuple[list[ExecutionSummary], bool, int, int]:
        """Return rows without data, whether older ones follow, how many had invalid ids, and the bytes received."""
        chosen = {} if status is None else {"status": status}
        request = ApiRequest(
            path="/executions",
            parameters=self._list_parameters(below, limit, include_data=False) | chosen,
            overload_attempts=_LIST_ATTEMPTS if limit > _SMALLEST_LIST else None,
            max_bytes=LARGEST_PAGE_BYTES,
        )
        return self._http.ask(request, lambda a: (*read_rows(a.body), a.size))

    def _list_parameters(self, below: int | None, limit: int, *, include_data: bool) -> dict[str, str]:
        """Return the parameters of a page. A cursor contains no filters; n8n's status filter changed twice."""
        cursor = {} if below is None else {"cursor": cursor_below(below, limit)}
        return {
            "workflowId": self.workflow_id,
            "includeData": "true" if include_data else "false",
            "limit": str(limit),
            **cursor,
        }
