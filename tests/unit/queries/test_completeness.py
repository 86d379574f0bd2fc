"""The completeness record: what the store holds of n8n's data, and what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ticktrail import MessageFilter, Store, open_store
from ticktrail.queries.completeness import (
    Completeness,
    gap_text,
    late_after,
    missing_data,
    read_completeness,
    workflow_document,
)
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.stores.coverage import Change, Facts, Gap, PendingExecution, PendingKind
from ticktrail.stores.sync_state import Run

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GAP = Gap(
    after_id=3,
    before_id=9,
    from_started_at="2026-11-20T02:10:00.000Z",
    to_started_at="2026-11-20T02:40:00.000Z",
    found_at=NOW,
)
N8N = {"N8N_BASE_URL": "https://n8n.example.com", "WORKFLOW_ID_WHATSAPP": "a,b"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    found = open_store(str(tmp_path / "ledger.db"))
    found.prepare()
    return found


def settings_of(tmp_path: Path, **environ: str) -> Settings:
    """Settings with these variables."""
    return load_settings({"TICKTRAIL_STORE": str(tmp_path / "ledger.db"), **environ}, {}, tmp_path)


def note(
    store: Store, workflow_id: str, age: timedelta | None, *pending: PendingExecution, version: int = 1, **facts: object
) -> str:
    """Note a workflow's last successful sync, so long ago. Returns the scope."""
    scope = f"https://n8n.example.com|{workflow_id}|{version}|{store.sync_state.identity()}"
    known = Facts(checked_at=None if age is None else NOW - age, **facts)  # type: ignore[arg-type]
    store.sync_state.save_coverage(scope, Change(facts=known, pending=pending))
    return scope


def execution(number: int, kind: PendingKind, reason: str | None = None) -> PendingExecution:
    """An execution that is not processed."""
    return PendingExecution(execution_id=number, kind=kind, reason=reason, first_met_at=NOW, look_again_at=NOW)


def known(store: Store, tmp_path: Path, **environ: str) -> Completeness:
    """The record under these settings."""
    return read_completeness(store, settings_of(tmp_path, **environ))


def test_a_store_without_syncs_lacks_nothing_that_is_known(store: Store, tmp_path: Path) -> None:
    """Imported files have no coverage."""
    found = known(store, tmp_path)
    assert (found.workflows, found.checked_at) == ((), None)
    assert missing_data(found, MessageFilter(), NOW) == ()


def test_withheld_refused_gaps_and_a_late_sync_are_a_sentence_each(store: Store, tmp_path: Path) -> None:
    """Pending executions are not missing, and a store refusal is never counted as withheld by n8n."""
    executions = [
        execution(1, PendingKind.WITHHELD, "redacted"),
        execution(2, PendingKind.WITHHELD, "too_large"),
        execution(3, PendingKind.UNFINISHED),
        execution(4, PendingKind.REFUSED, "document too large"),
        execution(5, PendingKind.CRASHED),
    ]
    note(store, "a", timedelta(hours=3), *executions, gaps=(GAP,))
    note(store, "given-up", timedelta(days=9), *executions, gaps=(GAP,))
    found = known(store, tmp_path)
    assert missing_data(found, MessageFilter(), NOW) == (
        "The last successful sync began 3 hours ago.",
        "n8n withheld 2 executions (1 redacted, 1 too large).",
        "The store refused data of 1 execution.",
        f"{gap_text(GAP)}.",
    )
    (workflow,) = found.workflows
    assert len(workflow.pending) + len(workflow.withheld) + len(workflow.refused) == len(workflow.unprocessed)
    document = workflow_document(workflow, UTC)
    assert (document["notShown"], document["refused"], document["pending"]) == (2, 1, 2)


@pytest.mark.parametrize(("since", "until", "told"), [(0, 30, True), (31, 60, False), (-99, -1, False), (-9, 1, True)])
def test_a_gap_is_named_where_it_touches_the_period(
    store: Store,
    tmp_path: Path,
    since: int,
    until: int,
    told: bool,  # noqa: FBT001
) -> None:
    """Minutes from its beginning; it is 30 minutes long."""
    begin = int(datetime(2026, 11, 20, 2, 10, tzinfo=UTC).timestamp())
    note(store, "a", timedelta(), gaps=(GAP,))
    chosen = MessageFilter(since_timestamp=begin + 60 * since, until_timestamp=begin + 60 * until)
    assert bool(missing_data(known(store, tmp_path), chosen, NOW)) is told


@pytest.mark.parametrize(
    ("intervals", "environ", "minutes"),
    [
        ((), {}, 120),
        ((60, 61, 59), {}, 15),
        ((3_600, 3_590, 36_000), {}, 120),
        ((86_400,), {}, 2_880),
        ((60, 60), {"TICKTRAIL_READY_SECONDS": "3600"}, 60),
    ],
)
def test_a_sync_is_late_after_twice_its_usual_interval(
    tmp_path: Path, intervals: tuple[int, ...], environ: dict[str, str], minutes: float
) -> None:
    """At least 15 minutes, two hours while unknown; one outage changes nothing, and a setting replaces it."""
    assert late_after(Facts(intervals=intervals), settings_of(tmp_path, **environ)) == timedelta(minutes=minutes)


def test_the_settings_file_replaces_the_limit_and_the_environment_wins(tmp_path: Path) -> None:
    """``sync_after`` of ticktrail.toml is the same limit; one that cannot be read is doctor's matter."""
    file = tmp_path / "ticktrail.toml"
    file.write_text('[alerts]\nsync_after = "30m"\n', encoding="utf-8")
    assert late_after(Facts(), settings_of(tmp_path)) == timedelta(minutes=30)
    assert late_after(Facts(), settings_of(tmp_path, TICKTRAIL_READY_SECONDS="60")) == timedelta(seconds=60)
    file.write_text("[alerts]\nsync_after = 7\n", encoding="utf-8")
    assert late_after(Facts(), settings_of(tmp_path)) == timedelta(hours=2)


def test_each_workflow_of_the_settings_must_be_recent(store: Store, tmp_path: Path) -> None:
    """One workflow that is not synced makes it late; one that the settings no longer name does not."""
    note(store, "a", timedelta(minutes=1))
    note(store, "given-up", timedelta(hours=5))
    assert known(store, tmp_path, **N8N).is_late(NOW)
    assert known(store, tmp_path, **N8N).checked_at is None
    note(store, "b", timedelta(hours=3))
    assert known(store, tmp_path, **N8N).is_late(NOW)
    note(store, "b", timedelta(minutes=2))
    found = known(store, tmp_path, **N8N)
    assert (found.is_late(NOW), found.checked_at) == (False, NOW - timedelta(minutes=2))


def test_of_several_extraction_versions_the_newest_sync_counts(store: Store, tmp_path: Path) -> None:
    """An older version's coverage, and that of a store that was emptied since, say nothing."""
    note(store, "a", timedelta(days=2), execution(1, PendingKind.WITHHELD), version=0)
    note(store, "a", timedelta(minutes=1), version=1)
    store.sync_state.save_coverage("https://n8n.example.com|a|1|emptied", Change(facts=Facts(checked_at=NOW)))
    (workflow,) = known(store, tmp_path).workflows
    assert (workflow.checked_at, workflow.withheld) == (NOW - timedelta(minutes=1), ())


def test_an_error_is_the_last_runs(store: Store, tmp_path: Path) -> None:
    """A failed run counts until a sync succeeds after it."""
    scope = note(store, "a", timedelta(minutes=10))
    run = Run(run_id="r", scope=scope, began_at=NOW - timedelta(minutes=5), seconds=1, error="n8n refused the key.")
    store.sync_state.add_run(run)
    assert known(store, tmp_path).workflows[0].error == "n8n refused the key."
    store.sync_state.add_run(msgspec.structs.replace(run, began_at=NOW - timedelta(minutes=20)))
    assert known(store, tmp_path).workflows[0].error is None
