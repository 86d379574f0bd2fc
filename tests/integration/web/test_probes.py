"""The probes ``/healthz`` and ``/readyz``."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.integration.web.conftest import Open, settings_of
from tests.integration.web.test_metrics import note_sync
from tests.support.patience import PATIENCE_SECONDS

from ticktrail.stores.opening import open_configured_store
from ticktrail.web import probes


def test_without_a_sync_it_is_healthy_and_not_ready(open_dashboard: Open) -> None:
    """The process runs; the store is empty."""
    client = open_dashboard()
    assert client.get("/healthz").json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reason": "no sync has succeeded yet"}


@pytest.mark.parametrize(
    ("age", "environ", "status"),
    [
        (timedelta(minutes=119), {}, 200),
        (timedelta(minutes=121), {}, 503),
        (timedelta(minutes=16), {"TICKTRAIL_READY_SECONDS": "3600"}, 200),
        (timedelta(minutes=2), {"TICKTRAIL_READY_SECONDS": "60"}, 503),
    ],
)
def test_ready_means_that_the_last_successful_sync_is_recent(
    open_dashboard: Open, tmp_path: Path, age: timedelta, environ: dict[str, str], status: int
) -> None:
    """Two hours while the usual time between syncs is unknown, or as long as TICKTRAIL_READY_SECONDS says."""
    environ = {"TICKTRAIL_STORE": str(tmp_path / "ledger.db"), **environ}
    with open_configured_store(settings_of(tmp_path, **environ)) as store:
        note_sync(store, "flow-a", datetime.now(UTC) - age)
    client = open_dashboard(**environ)
    assert client.get("/readyz").status_code == status
    assert client.head("/readyz").status_code == status
    assert client.get("/api/v1/health").json()["ready"] is (status == 200)


def test_a_store_that_does_not_answer_is_not_ready(open_dashboard: Open, tmp_path: Path) -> None:
    """A damaged file is a 503 without its path; the process is healthy."""
    (tmp_path / "ledger.db").write_bytes(b"something else entirely, and long enough for a header" * 100)
    client = open_dashboard()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text


def test_a_silent_store_is_reported_while_it_is_silent(open_dashboard: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe answers before a prober's usual five seconds are over, although the query has not ended."""
    assert probes._WAIT_SECONDS < 5
    monkeypatch.setattr(probes, "_WAIT_SECONDS", 0.1)
    ended = threading.Event()
    monkeypatch.setattr(probes, "read_completeness", lambda *_: ended.wait(PATIENCE_SECONDS))
    answer = open_dashboard().get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the store does not answer")
    ended.set()
