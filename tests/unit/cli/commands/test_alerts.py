"""The watch over alerts beside a sync loop."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.support import invented_store

from ticktrail.cli.commands.alerts import AlertWatch
from ticktrail.settings.loading import load_settings
from ticktrail.stores.opening import open_configured_store


def test_alerts_are_remembered_without_channels(tmp_path: Path) -> None:
    """Without channels ``run`` remembers what fires, so that the dashboard tells of it when it is over."""
    invented_store.fill(tmp_path / "a.db", 200, datetime.now(UTC), trouble=True)
    settings = load_settings({"TICKTRAIL_STORE": str(tmp_path / "a.db")}, {}, tmp_path)
    with open_configured_store(settings) as store:
        with AlertWatch().after(settings, store):
            assert store.alert_state.all() == []
        assert len(store.alert_state.all()) >= 3
