"""Leases of syncs, and how their holders are named."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from ticktrail.stores import StoreOptions
from ticktrail.stores.sqlite.store import SqliteStore
from ticktrail.sync.incremental import lease_name
from ticktrail.sync.lease import LEASE, Lease, running_syncs
from ticktrail.sync.lease_owner import holder_text, new_holder

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_holder_is_named_by_process_and_host() -> None:
    """A name of another form is shown as it is."""
    assert holder_text(new_holder()) == f"process {os.getpid()} on {socket.gethostname()}"
    assert holder_text("elsewhere") == "elsewhere"


def test_running_syncs_name_workflow_process_and_end(tmp_path: Path) -> None:
    """Expired leases and those of alerts are no running syncs; a released one is gone."""
    with SqliteStore(str(tmp_path / "store.db"), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
        name = lease_name("https://n8n.example.com", "wf1")
        lease = Lease(store.sync_state, name, holder="web-1/pid:[1]/4123/ab", is_gone=lambda _: False, now=lambda: NOW)
        assert lease.take() is None
        store.sync_state.take_lease("alerts", holder="x", now=NOW, until=NOW + LEASE)
        assert running_syncs(store.sync_state, NOW) == [
            "Workflow wf1 is being synced by process 4123 on web-1 (lease until 12:01:30 UTC)."
        ]
        assert running_syncs(store.sync_state, NOW + timedelta(minutes=2)) == []
        lease.release()
        assert running_syncs(store.sync_state, NOW) == []


def test_a_lease_taken_with_a_clock_that_is_ahead_lasts_its_length(tmp_path: Path) -> None:
    """A holder whose clock was a day ahead and who died keeps others out for a minute and a half."""
    with SqliteStore(str(tmp_path / "store.db"), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
        clock = NOW + timedelta(days=1)

        def lease(holder: str) -> Lease:
            return Lease(store.sync_state, "sync|n|w", holder=holder, is_gone=lambda _: False, now=lambda: clock)

        assert lease("dead").take() is None
        clock = NOW
        assert lease("other").take() == "dead"
        clock = NOW + LEASE
        assert lease("other").take() is None
