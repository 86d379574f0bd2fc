"""Keeps a store up to date: syncs every workflow once, and keeps a record of the runs worth one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import msgspec

from ticktrail.errors import SourceRefusedError, TicktrailError
from ticktrail.stores import Store
from ticktrail.stores.sync_state import Run
from ticktrail.sync.decisions import ScanDepth
from ticktrail.sync.execution_list import Executions
from ticktrail.sync.incremental import SyncContext, scope_of, sync_workflow
from ticktrail.sync.ingest import SyncReport, report_document


def sync_workflows(
    workflows: Iterable[Executions], store: Store, caller: SyncContext, *, full: bool = False
) -> Iterator[SyncReport]:
    """Sync one workflow after the other; each report as soon as it is there.

    A workflow that n8n refuses does not keep the others from being synced.

    Raises:
        SourceRefusedError: n8n refused one; every workflow was tried.
        TicktrailError: n8n or the store did not answer, or the store refused.
    """
    failure: SourceRefusedError | None = None
    for n8n in workflows:
        if caller.should_stop():
            break
        try:
            yield _recorded(n8n, store, caller, full=full)
        except SourceRefusedError as error:
            failure = failure or error
    if failure is not None:
        raise failure


def is_news(report: SyncReport) -> bool:
    """Whether a run is worth a line: it read something, walked the whole list, or found something wrong."""
    workflow_result = report.workflow_result
    if workflow_result is None:
        return True
    return bool(
        report.read_counts.executions
        or workflow_result.depth is ScanDepth.FULL
        or workflow_result.rebuilt
        or workflow_result.gap
        or workflow_result.lost
        or workflow_result.stopped
    )


def _recorded(n8n: Executions, store: Store, caller: SyncContext, *, full: bool) -> SyncReport:
    began_at = caller.now()
    try:
        report = sync_workflow(n8n, store, caller, full=full)
    except TicktrailError as error:
        seconds = (caller.now() - began_at).total_seconds()
        with contextlib.suppress(TicktrailError):  # the store may be what failed
            _note_failure(store, _run(n8n, store, caller, error=str(error), began_at=began_at, seconds=seconds))
        raise
    if is_news(report) and (report.workflow_result is None or report.workflow_result.busy is None):
        run = _run(n8n, store, caller, began_at=began_at, seconds=report.seconds, report=report_document(report))
        store.sync_state.add_run(run)
    return report


def _note_failure(store: Store, run: Run) -> None:
    """An outage of hours is one record, not one a minute."""
    last = next((one for one in store.sync_state.runs(20) if one.scope == run.scope), None)
    if last is not None and last.error == run.error:
        run = msgspec.structs.replace(
            last,
            seconds=(run.began_at - last.began_at).total_seconds(),
            report={"times": last.report.get("times", 1) + 1},
        )
    store.sync_state.add_run(run)


def _run(n8n: Executions, store: Store, caller: SyncContext, **facts: object) -> Run:
    began_at = facts["began_at"]
    name = f"{began_at:%Y%m%dT%H%M%S.%f}-{n8n.workflow_id}-{caller.holder[-8:]}"
    return msgspec.convert(
        {"run_id": name, "scope": scope_of(caller.instance_url, n8n.workflow_id, store), **facts}, Run
    )
