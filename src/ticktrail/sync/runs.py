"""Sync every workflow once, and save a record of each run that changed something or failed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from ticktrail.errors import SourceRefusedError, TicktrailError
from ticktrail.stores import Store
from ticktrail.stores.sync_state import Run
from ticktrail.sync.context import SyncContext
from ticktrail.sync.decisions import ScanDepth
from ticktrail.sync.execution_list import Executions
from ticktrail.sync.incremental import scope_of, sync_workflow
from ticktrail.sync.results import SyncReport, report_document


def sync_workflows(
    workflows: Iterable[Executions], store: Store, context: SyncContext, *, full: bool = False
) -> Iterator[SyncReport]:
    """Sync one workflow after the other, and yield each report when it is ready.

    A workflow that n8n refuses does not keep the others from being synced.

    Raises:
        SourceRefusedError: n8n refused a workflow; every workflow was tried.
        TicktrailError: n8n or the store did not answer, or the store refused.
    """
    failure: SourceRefusedError | None = None
    for n8n in workflows:
        if context.should_stop():
            break
        try:
            yield _recorded(n8n, store, context, full=full)
        except SourceRefusedError as error:
            failure = failure or error
    if failure is not None:
        raise failure


def is_news(report: SyncReport) -> bool:
    """Return True for a run worth a line: it read something, scanned the whole list, or found something wrong."""
    result = report.workflow_result
    if result is None:
        return True
    return bool(
        report.read_counts.executions
        or result.depth is ScanDepth.FULL
        or result.rebuilt
        or result.gap
        or result.lost
        or result.stopped
    )


def _recorded(n8n: Executions, store: Store, context: SyncContext, *, full: bool) -> SyncReport:
    began_at = context.now()
    try:
        report = sync_workflow(n8n, store, context, full=full)
    except TicktrailError as error:
        with contextlib.suppress(TicktrailError):  # the store may be what failed
            seconds = (context.now() - began_at).total_seconds()
            _add_failure(store, _run(n8n, store, context, began_at=began_at, seconds=seconds, error=str(error)))
        raise
    if is_news(report) and (report.workflow_result is None or report.workflow_result.busy is None):
        document = report_document(report)
        store.sync_state.add_run(
            _run(n8n, store, context, began_at=began_at, seconds=report.seconds, document=document)
        )
    return report


def _add_failure(store: Store, run: Run) -> None:
    """Save a failed run. An outage of hours is one record, not one a minute."""
    last = next((one for one in store.sync_state.runs(20) if one.scope == run.scope), None)
    if last is not None and last.error == run.error:
        run = msgspec.structs.replace(
            last,
            seconds=(run.began_at - last.began_at).total_seconds(),
            report={"times": last.report.get("times", 1) + 1},
        )
    store.sync_state.add_run(run)


def _run(
    n8n: Executions,
    store: Store,
    context: SyncContext,
    *,
    began_at: datetime,
    seconds: float,
    error: str | None = None,
    document: dict[str, Any] | None = None,
) -> Run:
    return Run(
        run_id=f"{began_at:%Y%m%dT%H%M%S.%f}-{n8n.workflow_id}-{context.holder[-8:]}",
        scope=scope_of(context.instance_url, n8n.workflow_id, store),
        began_at=began_at,
        seconds=seconds,
        error=error,
        report=document or {},
    )
