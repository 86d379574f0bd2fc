"""``doctor`` where executions are read from n8n's own database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support import n8n_database

from ticktrail.health.checks import Finding, Severity
from ticktrail.health.doctor import examine
from ticktrail.stores.opening import open_configured_store


def findings(n8n_file: Path, tmp_path: Path, **more: str) -> list[Finding]:
    """The findings with only a database set."""
    environ = {
        "N8N_DATABASE_URL": str(n8n_file),
        "WORKFLOW_ID_WHATSAPP": n8n_database.WORKFLOW,
        "TICKTRAIL_STORE": str(tmp_path / "store.sqlite"),
        **more,
    }
    return list(examine({}, environ, tmp_path, open_configured_store))


@pytest.mark.parametrize("more", [{}, {"N8N_BASE_URL": "https://n8n.example.com"}])
def test_a_database_needs_no_key_and_no_address(n8n_file: Path, tmp_path: Path, more: dict[str, str]) -> None:
    """Nothing is missing, the executions are counted, and the workflow in the database is checked."""
    found = findings(n8n_file, tmp_path, **more)
    assert [one for one in found if one.severity is Severity.FAULT] == []
    assert "shows 1 execution of workflow" in next(one.says for one in found if one.name == "database")
    assert {"workflow", "trigger", "settings"} <= {one.name for one in found}
    assert "n8n" not in {one.name for one in found}


def test_files_of_another_user_are_explained(n8n_file: Path, tmp_path: Path) -> None:
    """A -wal file that belongs to another user than n8n's is a fault with the command that fixes it."""
    if os.name == "nt" or os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(f"{n8n_file}-wal", 20_001, 20_001)
    (found,) = (one for one in findings(n8n_file, tmp_path) if one.name == "database")
    assert found.severity is Severity.FAULT
    assert "belong to another user" in found.says
    assert f"chown --reference={n8n_file}" in found.remedy


def test_data_that_cannot_be_read_is_explained(n8n_file: Path, tmp_path: Path) -> None:
    """Executions without data name the rights and the folder that are missing."""
    with n8n_database.opened(n8n_file) as n8n:
        n8n.execute("DELETE FROM execution_data")
    (found,) = (one for one in findings(n8n_file, tmp_path) if one.name == "database")
    assert found.severity is Severity.FAULT
    assert "Grant SELECT on execution_data" in found.remedy
