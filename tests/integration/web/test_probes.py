"""``/healthz`` and ``/readyz``: what a container's keeper and a load balancer ask."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.web.conftest import Open, settings_of
from tests.integration.web.test_metrics import note_sync

from ticktrail.queries.freshness import freshness, is_late
from ticktrail.stores.coverage import Facts
from ticktrail.stores.opening import open_configured_store

NOW = datetime.now(UTC)
N8N = {"N8N_BASE_URL": "https://n8n.example.com", "WORKFLOW_ID_WHATSAPP": "flow-a,flow-b"}


def test_without_a_sync_it_is_well_and_not_ready(open_dashboard: Open) -> None:
    """The process is up; its ledger says nothing yet."""
    client = open_dashboard()
    assert client.get("/healthz").json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reason": "no sync has succeeded yet"}


@pytest.mark.parametrize(
    ("age", "environ", "status"),
    [
        (timedelta(minutes=14), {}, 200),
        (timedelta(minutes=16), {}, 503),
        (timedelta(minutes=16), {"TICKTRAIL_READY_SECONDS": "3600"}, 200),
        (timedelta(minutes=2), {"TICKTRAIL_READY_SECONDS": "60"}, 503),
    ],
)
def test_ready_means_that_the_last_good_sync_is_recent(
    open_dashboard: Open, tmp_path: Path, age: timedelta, environ: dict[str, str], status: int
) -> None:
    """Fifteen minutes, or as long as TICKTRAIL_READY_SECONDS says."""
    environ = {"TICKTRAIL_STORE": str(tmp_path / "ledger.db"), **environ}
    with open_configured_store(settings_of(tmp_path, **environ)) as store:
        note_sync(store, "https://n8n.example.com|flow-a|1|place", datetime.now(UTC) - age)
    client = open_dashboard(**environ)
    assert client.get("/readyz").status_code == status
    assert client.head("/readyz").status_code == status
    assert client.get("/api/v1/health").json()["ready"] is (status == 200)


def test_a_store_that_does_not_answer_is_not_ready(open_dashboard: Open, tmp_path: Path) -> None:
    """A damaged file is a 503 without its place; the process itself is well."""
    (tmp_path / "ledger.db").write_bytes(b"something else entirely, and long enough for a header" * 100)
    client = open_dashboard()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text


def test_of_the_settings_workflows_each_must_be_recent(tmp_path: Path) -> None:
    """One workflow that is not read keeps the ledger from being ready; one that was given up does not."""
    settings = settings_of(tmp_path, **N8N)
    recent, late = Facts(checked_at=NOW - timedelta(minutes=1)), Facts(checked_at=NOW - timedelta(hours=1))
    a, b, gone = (f"https://n8n.example.com|{name}|1|place" for name in ("flow-a", "flow-b", "gone"))
    assert not is_late(freshness({a: recent, b: recent, gone: late}, settings), settings, NOW)
    assert is_late(freshness({a: recent, b: late}, settings), settings, NOW)
    assert is_late(freshness({a: recent}, settings), settings, NOW)
    assert is_late(freshness({}, settings), settings, NOW)


def test_without_workflows_in_the_settings_the_newest_sync_counts(tmp_path: Path) -> None:
    """A dashboard beside a sync with settings of its own is ready while any workflow is read."""
    settings = settings_of(tmp_path)
    recent, late = Facts(checked_at=NOW - timedelta(minutes=1)), Facts(checked_at=NOW - timedelta(hours=1))
    assert not is_late(freshness({"u|a|1|p": recent, "u|b|1|p": late, "odd": late}, settings), settings, NOW)
    assert is_late(freshness({"u|a|1|p": late, "u|b|1|p": Facts()}, settings), settings, NOW)


def test_a_server_that_is_away_is_said_before_anybody_gives_up(open_dashboard: Open) -> None:
    """Whoever asks whether it is ready learns within seconds that it is not, however long the driver tries."""
    client = open_dashboard(MONGODB_URI="mongodb://127.0.0.1:1/ledger")
    began = time.monotonic()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the store does not answer")
    assert time.monotonic() - began < 5
