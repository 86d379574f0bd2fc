"""The check of ``ticktrail.toml`` in ``doctor``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ticktrail.health.checks import Severity
from ticktrail.health.settings_check import check_settings
from ticktrail.settings.loading import load_settings


@pytest.mark.parametrize(
    ("text", "severity", "says"),
    [
        ('campaign_key = "campaign"', Severity.OK, "can be used"),
        ("[alert]\nwindow = '1h'", Severity.FAULT, "Did you mean alerts?"),
        ("[[channels]]\nurl_env = 'NOT_SET_ANYWHERE'", Severity.FAULT, "NOT_SET_ANYWHERE"),
    ],
)
def test_the_file_is_checked_whole(tmp_path: Path, text: str, severity: Severity, says: str) -> None:
    """Unknown tables and missing secrets of channels are found before an alert needs them."""
    (tmp_path / "ticktrail.toml").write_text(text, encoding="utf-8")
    findings = check_settings(load_settings({}, {}, tmp_path), (), datetime.now(UTC))
    (found,) = (one for one in findings if one.name == "ticktrail.toml")
    assert found.severity == severity
    assert says in f"{found.says} {found.remedy}"
