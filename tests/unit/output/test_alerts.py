"""Alerts as people read them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ticktrail.alerts.alert import Alert, AlertKind
from ticktrail.alerts.service import OpenAlerts
from ticktrail.output.alerts import write_alerts


def test_a_long_title_is_indented_and_a_command_is_never_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command at the end of a remedy is on a line of its own, as it is typed here, so that it can be copied."""
    monkeypatch.setenv("COLUMNS", "50")
    alert = Alert(
        key="unconfirmed",
        kind=AlertKind.UNCONFIRMED,
        urgency="urgent",
        title="Accepted messages without any status, template customer_survey, workflow DemoSendTemplates",
        says="6 of 20 messages have had no status for over an hour.",
        remedy="Check that the statuses reach a synced workflow: ticktrail doctor",
    )
    stream = io.StringIO()
    write_alerts(
        OpenAlerts(alerts=(alert,), checked="Checked 20 messages.", messages=20),
        [],
        now=datetime.now(UTC),
        zone=ZoneInfo("Asia/Riyadh"),
        stream=stream,
        as_typed=lambda text: text.replace("ticktrail doctor", "/a/long/path/ticktrail doctor --store /a/b/c/d.sqlite"),
    )
    lines = stream.getvalue().splitlines()
    block = lines[lines.index("") + 1 :]
    assert block[0].startswith("✗ Accepted messages")
    assert all(line.startswith("  ") for line in block[1:])
    assert "  /a/long/path/ticktrail doctor --store /a/b/c/d.sqlite" in block
