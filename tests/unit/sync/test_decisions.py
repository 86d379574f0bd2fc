"""Decisions of a sync: which executions to fetch, how far to scan, when to retry, and what is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ticktrail.messages.model import Extraction, Outcome
from ticktrail.stores.coverage import Change, Coverage, Facts, Gap, PendingExecution, PendingKind, processed_blocks
from ticktrail.sync.decisions import (
    ListedExecution,
    ScanDepth,
    find_gap,
    full_every,
    id_was_reused,
    lost_with,
    pending_after_read,
    pending_withheld,
    retention,
    scan_depth,
    should_fetch,
    with_losses,
    with_workflow_name,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
START = "2026-11-22T11:59:00.000Z"


def row(execution_id: int = 5, **more: Any) -> ListedExecution:
    """A row of a list without data, of an execution that succeeded."""
    return ListedExecution(
        **{"execution_id": execution_id, "status": "success", "final": True, "started_at": START, **more}
    )


def found(**more: Any) -> Extraction:
    """An extraction of an execution with statuses."""
    usual = {"execution_id": "5", "workflow_id": "w", "status": "success", "started_at": NOW, "outcome": Outcome.FOUND}
    return Extraction(**{**usual, **more})


def record(kind: PendingKind = PendingKind.WITHHELD, **more: Any) -> PendingExecution:
    """An execution that is pending since an hour, and due in a minute."""
    usual = {"execution_id": 5, "kind": kind, "first_met_at": NOW - HOUR, "look_again_at": NOW + MINUTE}
    return PendingExecution(**{**usual, **more})


@pytest.mark.parametrize(
    ("known", "listed", "wanted"),
    [
        (None, row(), True),
        (None, row(status="running", final=False), True),
        (record(PendingKind.UNFINISHED), row(status="waiting", final=False), False),
        (record(PendingKind.UNFINISHED), row(), True),
        (record(PendingKind.UNFINISHED), row(status=None, final=None), False),
        (record(PendingKind.UNFINISHED, look_again_at=NOW), row(status=None, final=None), True),
        (record(PendingKind.WITHHELD), row(), False),
        (record(PendingKind.WITHHELD, look_again_at=NOW), row(), True),
        (record(PendingKind.CRASHED), row(status="crashed"), False),
        (record(PendingKind.CRASHED, look_again_at=NOW), row(status="crashed"), True),
        (record(PendingKind.REFUSED, look_again_at=NOW), row(), True),
    ],
)
def test_which_executions_are_fetched(known: PendingExecution | None, listed: ListedExecution, wanted: bool) -> None:  # noqa: FBT001
    """Unknown ones at once, unfinished ones when final, others when due; processed ones never."""
    coverage = Coverage(pending={5: known} if known else {})
    assert should_fetch(coverage, listed, now=NOW) is wanted
    coverage.apply(Change(processed=processed_blocks([(5, START)])))
    assert should_fetch(coverage, listed, now=NOW) is False


def test_how_far_a_scan_goes() -> None:
    """Full when requested, owed, never done or due; over the window every five minutes; else a poll."""
    facts = Facts(full_owed=False, full_at=NOW - 9 * MINUTE, window_at=NOW - MINUTE, newest_id=9)
    cases = {
        ScanDepth.POLL: [facts],
        ScanDepth.WINDOW: [
            msgspec.structs.replace(facts, window_at=NOW - 6 * MINUTE),
            msgspec.structs.replace(facts, window_at=None),
            msgspec.structs.replace(facts, window_at=NOW + HOUR),  # a clock that was set back
        ],
        ScanDepth.FULL: [
            Facts(),
            msgspec.structs.replace(facts, full_owed=True),
            msgspec.structs.replace(facts, full_at=NOW - 31 * MINUTE),
            msgspec.structs.replace(facts, full_at=NOW + HOUR),
        ],
    }
    for depth, examples in cases.items():
        assert [scan_depth(example, now=NOW) for example in examples] == [depth] * len(examples)
    assert scan_depth(facts, now=NOW, full=True) is ScanDepth.FULL


@pytest.mark.parametrize(
    ("kept", "seconds", "every"),
    [
        (None, 1.0, 30 * MINUTE),
        (timedelta(days=14), 1.0, 30 * MINUTE),
        (2 * HOUR, 1.0, 20 * MINUTE),
        (10 * MINUTE, 1.0, 10 * MINUTE),
        (timedelta(days=14), 60.0, 200 * MINUTE),
        (timedelta(days=14), 3_600.0, 24 * HOUR),
    ],
)
def test_full_scans_follow_the_retention_of_n8n_and_their_cost(
    kept: timedelta | None, seconds: float, every: timedelta
) -> None:
    """Several within n8n's retention, at most a two-hundredth of the time, and at least daily."""
    oldest = None if kept is None else (NOW - kept).isoformat()
    facts = Facts(oldest_started_at=oldest, full_seconds=seconds)
    assert full_every(facts, NOW) == every


@pytest.mark.parametrize(
    ("extraction", "listed", "refused", "kind"),
    [
        (found(), row(), None, None),
        (found(outcome=Outcome.NONE), row(), None, None),
        (found(status="error"), row(status="error"), None, None),
        (found(), row(), "too large", PendingKind.REFUSED),
        (found(status="waiting"), row(status="waiting", final=False), None, PendingKind.UNFINISHED),
        (found(), row(status="running", final=False), None, PendingKind.UNFINISHED),
        (found(), row(status=None, final=None), None, None),
        (found(outcome=Outcome.WITHHELD, reason="redacted"), row(), None, PendingKind.WITHHELD),
        (found(status="crashed"), row(status="crashed"), None, PendingKind.CRASHED),
    ],
)
def test_what_stays_pending_after_an_execution_was_read(
    extraction: Extraction, listed: ListedExecution, refused: str | None, kind: PendingKind | None
) -> None:
    """Nothing, when it was done before its data was asked for and everything in it is stored."""
    left = pending_after_read(extraction, listed, None, refused=refused, now=NOW)
    assert (None if left is None else left.kind) == kind
    if left is not None:
        assert left.reason == (refused or extraction.reason)
        assert left.look_again_at > left.first_met_at == NOW


def test_a_crashed_execution_stays_pending_for_six_hours() -> None:
    """From when it was first met, whatever it was then."""
    crashed, listed = found(status="crashed"), row(status="crashed")
    for kind in PendingKind:
        young, old = record(kind, first_met_at=NOW - 5 * HOUR), record(kind, first_met_at=NOW - 6 * HOUR)
        assert pending_after_read(crashed, listed, young, refused=None, now=NOW) is not None
        assert pending_after_read(crashed, listed, old, refused=None, now=NOW) is None


def test_withheld_executions_are_requested_less_and_less() -> None:
    """After 2 and 15 minutes, 1, 6 and 24 hours; a new kind of reason restarts the waits and keeps first_met_at."""
    known, waits = None, []
    for _ in range(6):
        known = pending_withheld(row(), known, reason="redacted", now=NOW)
        waits.append(known.look_again_at - NOW)
    assert waits == [2 * MINUTE, 15 * MINUTE, HOUR, 6 * HOUR, 24 * HOUR, 24 * HOUR]
    assert known is not None
    later = pending_after_read(found(), row(), known, refused="no", now=NOW + HOUR)
    assert later is not None
    assert (later.kind, later.attempts, later.first_met_at) == (PendingKind.REFUSED, 1, NOW)


def test_an_execution_unfinished_for_weeks_is_requested_once_an_hour() -> None:
    """Ordinarily every quarter of an hour at most: n8n prunes once an hour."""
    waiting, listed = found(status="waiting"), row(status="waiting", final=False)
    usual = pending_after_read(waiting, listed, record(PendingKind.UNFINISHED, attempts=50), refused=None, now=NOW)
    long = pending_after_read(
        waiting, listed, record(PendingKind.UNFINISHED, first_met_at=NOW - 8 * 24 * HOUR), refused=None, now=NOW
    )
    assert usual is not None
    assert long is not None
    assert (usual.look_again_at - NOW, long.look_again_at - NOW) == (15 * MINUTE, HOUR)


def test_a_processed_id_that_started_later_was_reused() -> None:
    """Only where the id is processed and both starts are known."""
    coverage = Coverage()
    coverage.apply(Change(processed=processed_blocks([(5, START), (6, "2026-11-22T12:30:00.000Z"), (5_000, None)])))
    late = "2026-11-22T12:31:00.000Z"
    assert id_was_reused(coverage, row(5, started_at=late))
    assert not id_was_reused(coverage, row(5, started_at="2026-11-22T12:30:00.000Z"))
    assert not id_was_reused(coverage, row(7, started_at=late))
    assert not id_was_reused(coverage, row(5, started_at=None))
    assert not id_was_reused(coverage, row(5_000, started_at=late))


def test_only_withheld_and_refused_executions_are_lost_when_n8n_deletes_them() -> None:
    """The data of an unfinished or crashed one so far has been stored."""
    gone = {kind: lost_with(record(kind, reason="redacted"), now=NOW) for kind in PendingKind}
    assert {kind for kind, one in gone.items() if one is not None} == {PendingKind.WITHHELD, PendingKind.REFUSED}


@pytest.mark.parametrize(
    ("still_listed", "above", "torn"), [(0, True, True), (5, True, True), (6, True, False), (0, False, False)]
)
def test_a_gap_is_found_when_the_executions_processed_last_are_gone(still_listed: int, above: bool, torn: bool) -> None:  # noqa: FBT001
    """n8n prunes the oldest first: while a tenth of the last processed ones exist, none after them is missing."""
    facts = Facts(newest_id=100, newest_started_at=START)
    gap = find_gap(
        facts,
        last_processed=range(50),
        still_listed=range(still_listed),
        next_above=row(180, started_at=None) if above else None,
        now=NOW,
    )
    whole = Gap(after_id=100, before_id=180, from_started_at=START, to_started_at=None, found_at=NOW)
    assert gap == (whole if torn else None)


def test_the_newest_hundred_gaps_and_lost_executions_are_remembered() -> None:
    """The oldest go."""
    gaps = [
        Gap(after_id=number, before_id=number + 1, from_started_at=None, to_started_at=None, found_at=NOW)
        for number in range(120)
    ]
    facts = Facts()
    for gap in gaps:
        facts = with_losses(facts, gaps=[gap])
    assert list(facts.gaps) == gaps[20:]


@pytest.mark.parametrize(
    ("oldest", "kept"),
    [
        ("2026-11-22T10:00:00.000Z", 2 * HOUR),
        ("2026-11-22T13:00:00.000Z", timedelta(0)),
        (None, None),
        ("not a time", None),
        ("2026-11-22T10:00:00", None),
    ],
)
def test_retention_is_measured_from_the_oldest_execution(oldest: str | None, kept: timedelta | None) -> None:
    """None where it cannot be known; never less than nothing."""
    assert retention(Facts(oldest_started_at=oldest), NOW) == kept


@pytest.mark.parametrize(
    ("execution", "name"),
    [
        (b'{"id": "1", "workflowData": {"name": "Statuses", "nodes": []}}', "Statuses"),
        (b'{"id": "1", "workflowData": {"name": ""}}', "Before"),
        (b'{"id": "1", "workflowData": null}', "Before"),
        (b'{"id": "1", "workflowData": "[{\\"name\\": 1}]"}', "Before"),
        (b'{"id": "1"}', "Before"),
        (b"{", "Before"),
        (b'{"workflowData": {"name": "Deep"}, "data": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "Before"),
        (b'{"workflowData": {"name": "\xff"}}', "Before"),
    ],
)
def test_the_name_of_a_workflow_is_that_of_its_executions(execution: bytes, name: str) -> None:
    """A name that is missing or damaged leaves the known one, and the same facts."""
    before = Facts(workflow_name="Before")
    after = with_workflow_name(before, execution)
    assert after.workflow_name == name
    assert (after is before) == (name == "Before")
