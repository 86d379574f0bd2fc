"""What syncs and audits print, and what ``status`` says is missing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from ticktrail.output.status import StoreStatus, status_lines
from ticktrail.output.sync import counts_line
from ticktrail.queries.completeness import Completeness, WorkflowCompleteness
from ticktrail.stores.coverage import Facts, NotRead, PendingExecution, PendingKind
from ticktrail.sync.results import ReadCounts

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
