"""The incremental sync against a real n8n: cheap, complete, through restarts and a rebuilt instance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.patience import PATIENCE_SECONDS, wait_until

from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.api import N8nApi
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.coverage import PendingKind
from ticktrail.stores.opening import open_store
from ticktrail.sync.audit import audit
from ticktrail.sync.context import SyncContext
from ticktrail.sync.decisions import ScanDepth
from ticktrail.sync.incremental import scope_of, sync_workflow
from ticktrail.sync.results import SyncReport, WorkflowSyncResult

from . import situations, workflows
from .n8n_lab import N8n, since
from .situations import Situation
from .test_store import kept, reported

pytestmark = pytest.mark.e2e


class Desk:
    """The lab's n8n, and a store that its workflows are synced into."""

    def __init__(self, n8n: N8n, store: Store) -> None:
        self.n8n = n8n
        self.store = store
        self._runs = 0

    def api(self, workflow_id: str) -> N8nApi:
        """n8n's API with the key that the documentation recommends."""
        base = self.n8n.base_url
        return N8nApi(N8nSettings(base_url=base, editor_url=base, api_key=Secret(self.n8n.reader_key)), workflow_id)

    def sync(self, workflow_id: str, *, full: bool = False) -> tuple[SyncReport, WorkflowSyncResult]:
        """One sync, as ``ticktrail sync`` does it."""
        self._runs += 1
        with self.api(workflow_id) as api:
            report = sync_workflow(api, self.store, self._context(), full=full)
        assert report.workflow_result is not None
        return report, report.workflow_result

    def pending(self, workflow_id: str) -> dict[int, PendingKind]:
        """The pending executions."""
        coverage = self.store.sync_state.load_coverage(scope_of(self.n8n.base_url, workflow_id, self.store))
        return {number: record.kind for number, record in coverage.pending.items()}

    def _context(self) -> SyncContext:
        return SyncContext(instance_url=self.n8n.base_url, holder=f"run-{self._runs}")


@pytest.fixture
def desk(n8n: N8n, tmp_path: Path) -> Iterator[Desk]:
    """A desk with an empty store."""
    with open_store(str(tmp_path / "store.sqlite"), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
        yield Desk(n8n, store)


def test_a_second_sync_reads_nothing_and_a_third_only_what_is_new(n8n: N8n, desk: Desk) -> None:
    """Without new executions a sync makes one or two requests; with new ones it fetches their data only."""
    first = situations.succeeded(n8n)
    desk.sync(first.workflow_id)
    quiet, workflow_result = desk.sync(first.workflow_id)
    assert (quiet.read_counts.executions, quiet.requests <= 2, workflow_result.depth) == (0, True, ScanDepth.POLL)
    new = situations.succeeded(n8n)
    report, _ = desk.sync(new.workflow_id)
    assert report.read_counts.executions == 1
    assert kept(desk.store, new) == reported(new)
    assert kept(desk.store, first) == reported(first)


def test_an_execution_that_was_running_is_found_below_newer_ones(n8n: N8n, desk: Desk) -> None:
    """No list shows it while it runs, and an audit names it; the full scan that follows finds it."""
    late = situations.running(n8n, seconds=8)
    with desk.api(late.workflow_id) as api:
        since(n8n, (1, 113), "list of running executions")
        assert str(late.execution_id) in audit(api, desk.store).unfinished
    newer = situations.succeeded(n8n)
    for workflow_id in {late.workflow_id, newer.workflow_id}:
        desk.sync(workflow_id)
    n8n.wait_for_status(late.execution_id)
    n8n.wait_until_listed(late.workflow_id, late.execution_id)
    desk.sync(late.workflow_id, full=True)
    assert kept(desk.store, late) == reported(late)
    assert late.execution_id not in desk.pending(late.workflow_id)


def test_a_waiting_execution_stays_open_and_its_statuses_are_kept(n8n: N8n, desk: Desk) -> None:
    """The data of a sleeping execution is read at once; the execution stays pending."""
    waiting = situations.waiting(n8n)
    desk.sync(waiting.workflow_id)
    if waiting.execution_id in n8n.listed_ids(waiting.workflow_id):
        assert kept(desk.store, waiting) == reported(waiting)
        assert desk.pending(waiting.workflow_id)[waiting.execution_id] is PendingKind.UNFINISHED


def test_a_crashed_execution_is_stored_and_read_again(n8n: N8n, desk: Desk) -> None:
    """Its statuses come from its stack; it stays pending for hours, and n8n's restart loses nothing."""
    before = situations.succeeded(n8n)
    desk.sync(before.workflow_id)
    crashed = situations.crashed(n8n)
    desk.sync(crashed.workflow_id)
    assert kept(desk.store, crashed) == reported(crashed)
    assert desk.pending(crashed.workflow_id)[crashed.execution_id] is PendingKind.CRASHED


def test_a_withheld_execution_stays_pending_until_n8n_deletes_it(n8n: N8n, desk: Desk) -> None:
    """An execution whose data row is gone is pending, never processed; deleted by n8n, it is reported as lost."""
    hidden = situations.dataless(n8n)
    desk.sync(hidden.workflow_id)
    assert desk.pending(hidden.workflow_id)[hidden.execution_id] is PendingKind.WITHHELD
    n8n.delete_execution(hidden.execution_id)
    _, workflow_result = desk.sync(hidden.workflow_id, full=True)
    assert [one.execution_id for one in workflow_result.lost] == [hidden.execution_id]


def test_an_audit_finds_the_store_complete_and_names_what_was_not_read(n8n: N8n, desk: Desk) -> None:
    """After a sync nothing is missing; a later execution is, until the next one."""
    first = situations.succeeded(n8n)
    desk.sync(first.workflow_id)
    new = situations.succeeded(n8n)
    with desk.api(new.workflow_id) as api:
        found = audit(api, desk.store)
        assert {one.execution_id for one in found.missing} == {str(new.execution_id)}
        assert found.missing_count == len(reported(new))
    desk.sync(new.workflow_id)
    with desk.api(new.workflow_id) as api:
        assert audit(api, desk.store).missing_count == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals of services are POSIX's")
def test_a_watch_lives_through_a_restart_of_n8n(n8n: N8n, desk: Desk, tmp_path: Path) -> None:
    """``ticktrail sync --watch`` stores what arrives before and after, and ends cleanly when asked to."""
    before = situations.succeeded(n8n)
    opened = desk.store.location
    environment = {
        **{name: os.environ[name] for name in ("PATH",) if name in os.environ},
        "HOME": str(tmp_path),
        "N8N_BASE_URL": n8n.base_url,
        "N8N_API_KEY": n8n.reader_key,
        "WORKFLOW_ID_WHATSAPP": before.workflow_id,
        "TICKTRAIL_STORE": opened,
    }
    with (tmp_path / "output").open("w") as output:
        watch = subprocess.Popen(
            [sys.executable, "-m", "ticktrail", "sync", "--watch", "1"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: _holds(desk, before), "the first statuses")
        n8n.restart()
        after = situations.succeeded(n8n)
        wait_until(lambda: _holds(desk, after), "the statuses after the restart")
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(timeout=PATIENCE_SECONDS) == 0
    finally:
        watch.kill()
        watch.wait()
    text = (tmp_path / "output").read_text()
    assert "Traceback" not in text
    assert n8n.reader_key not in text


def _holds(desk: Desk, situation: Situation) -> bool:
    return kept(desk.store, situation) == reported(situation)


def test_a_rebuilt_n8n_is_read_again(n8n: N8n, desk: Desk) -> None:
    """Same address, same workflow, ids from the beginning: everything that it has is read again."""
    n8n.installed(workflows.webhook())
    old = [situations.succeeded(n8n) for _ in range(3)]
    desk.sync(old[0].workflow_id)
    again = situations.ids_start_again(n8n)
    newest = max(one.execution_id for one in old)
    while again.execution_id < newest:
        desk.sync(again.workflow_id)
        assert kept(desk.store, again) >= reported(again)
        again = situations.succeeded(n8n)
    desk.sync(again.workflow_id)
    assert kept(desk.store, again) >= reported(again)
    for one in old:
        assert kept(desk.store, one) >= reported(one)
