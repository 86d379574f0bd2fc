"""Silent faults between syncs: what is said, and how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ticktrail.health.checks import Finding, Severity
from ticktrail.health.silent_faults import NewFindings, check_sync_interval
from ticktrail.stores.coverage import Facts

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def facts(age: timedelta, *, pruned: bool) -> Facts:
    """Facts about an n8n whose oldest execution is so old."""
    return Facts(oldest_started_at=f"{NOW - age:%Y-%m-%dT%H:%M:%S.000Z}", pruned=pruned)


def test_a_newcomer_s_first_execution_says_nothing_about_retention() -> None:
    """One execution five seconds ago, and nothing deleted: no warning that n8n keeps five seconds."""
    first = facts(timedelta(seconds=5), pruned=False)
    assert check_sync_interval(first, interval=20, workflow_id="w", now=NOW) is None


def test_an_interval_too_long_for_what_n8n_was_seen_to_delete_is_a_finding() -> None:
    """Fifteen minutes kept are enough for a sync every five, and not for one every six."""
    pruned = facts(timedelta(minutes=15), pruned=True)
    assert check_sync_interval(pruned, interval=300, workflow_id="w", now=NOW) is None
    found = check_sync_interval(pruned, interval=360, workflow_id="w", now=NOW)
    assert found is not None
    assert "Sync at least every 5 minutes." in found.says


def test_a_finding_is_said_once_until_it_comes_back() -> None:
    """Gone and back again is news."""
    finding = Finding(name="workflow", severity=Severity.FAULT, says="It is off.")
    new = NewFindings()
    assert [list(new.new(found)) for found in ([finding], [finding], [], [finding])] == [[finding], [], [], [finding]]
