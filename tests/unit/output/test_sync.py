"""Output of syncs and audits, and of ``status`` for missing executions."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.output.status import StoreStatus, status_lines
from ticktrail.output.sync import counts_line, news_line, sync_text, total_line
from ticktrail.queries.completeness import Completeness, WorkflowCompleteness
from ticktrail.stores.coverage import Facts, NotRead, PendingExecution, PendingKind
from ticktrail.stores.results import WriteReport
from ticktrail.sync.results import ReadCounts, SyncReport, WorkflowSyncResult

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_each_execution_is_in_exactly_one_part() -> None:
    """Withheld by n8n and not read have their reasons beside them."""
    counts = ReadCounts(
        executions=1_030,
        with_statuses=1_000,
        without=18,
        withheld=Counter({"redacted": 2}),
        not_read=Counter({"Evolution API": 7, "status of unproven origin": 3}),
    )
    assert counts_line(counts) == (
        "1,030 executions: 1,000 with statuses, 18 without, 2 withheld by n8n (2 redacted), "
        "10 not read (7 Evolution API, 3 status of unproven origin)"
    )


def _report(executions: int, inserted: int) -> SyncReport:
    return SyncReport(
        source="n8n", store="a.sqlite", read_counts=ReadCounts(executions=executions, with_statuses=executions),
        written=WriteReport(inserted=inserted), seconds=1.0,
    )  # fmt: skip


def test_a_sync_that_read_nothing_has_nothing_new() -> None:
    """Counts of zeroes are left out."""
    assert sync_text(_report(0, 0)) == ["Nothing new in n8n", "Done in 1 s"]
    assert sync_text(_report(2, 1))[1].startswith("  2 executions")


def test_the_workflow_is_named_where_its_name_is_known() -> None:
    """The address and id are followed by the name; a line of a watch begins with it. Phone numbers in it are masked."""
    named = WorkflowSyncResult(workflow_id="w", workflow_name="Statuses +966500000001\x1b[31m")
    report = msgspec.structs.replace(_report(2, 1), workflow_result=named)
    assert sync_text(report)[0].startswith("Read from n8n (Statuses ")
    assert news_line(report).startswith("Statuses ")
    assert "966500000001" not in news_line(report)
    assert "\x1b" not in news_line(report)
    assert news_line(_report(2, 1)).startswith("2 executions")


def test_several_workflows_have_one_total() -> None:
    """The total adds up what each workflow brought."""
    assert total_line([_report(2, 1), _report(3, 4)]).startswith(
        "Total of 2 workflows: 5 executions, 5 with statuses; 5 messages inserted"
    )
    assert total_line([_report(0, 0), _report(0, 0)]) == "Total of 2 workflows: nothing new"


def test_status_names_what_is_missing_as_every_other_face_does() -> None:
    """Pending, withheld, refused by the store and not read are four sentences with the workflow's id."""
    kinds = (PendingKind.UNFINISHED, PendingKind.WITHHELD, PendingKind.REFUSED)
    workflow = WorkflowCompleteness(
        instance_url="https://n8n.example.com",
        workflow_id="w",
        scope="s",
        facts=Facts(
            checked_at=NOW,
            not_read=(
                NotRead(reason="provider", provider="WAHA", count=2, last_execution_id=7, first_at=NOW, last_at=NOW),
            ),
        ),
        unprocessed=tuple(
            PendingExecution(execution_id=number, kind=kind, first_met_at=NOW, look_again_at=NOW)
            for number, kind in enumerate(kinds)
        ),
    )
    known = Completeness(exists=True, location="a.sqlite", workflows=(workflow,), messages=3, never=frozenset())
    found = StoreStatus(known=known, sends=1, newest_timestamp=None, now=NOW, next_step="ticktrail alerts")
    missing = [line.split(":", 1)[1].strip() for line in status_lines(found, ZoneInfo("UTC")) if "Missing" in line]
    assert missing == [
        "1 execution pending. (workflow w)",
        "n8n withheld 1 execution (1 unreadable). (workflow w)",
        "The store refused data of 1 execution. (workflow w)",
        "2 executions not read (2 WAHA). (workflow w)",
    ]
