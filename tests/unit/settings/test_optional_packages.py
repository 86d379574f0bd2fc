"""The command that adds an extra, for each way of installing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from ticktrail.settings.optional_packages import install_command


@pytest.mark.parametrize(
    ("marker", "begins"),
    [("uv-receipt.toml", "uv tool install --force"), ("pipx_metadata.json", "pipx install --force")],
)
def test_a_tool_is_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str, begins: str) -> None:
    """Uv's and pipx's tools have no pip to type."""
    (tmp_path / marker).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert install_command("dashboard").startswith(begins)
    assert "ticktrail[dashboard]" in install_command("dashboard")


def test_an_environment_of_uv_has_no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uv installs into the environment of this Python."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/srv/venv/bin/python")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else True)
    assert install_command("alerts") == 'uv pip install --python /srv/venv/bin/python "ticktrail[alerts]"'


def test_pip_is_this_pythons_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path with a space is quoted."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/srv/a venv/bin/python")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: True)
    assert install_command("alerts") == '"/srv/a venv/bin/python" -m pip install "ticktrail[alerts]"'
