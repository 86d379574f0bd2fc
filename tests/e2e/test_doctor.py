"""``doctor`` on a real n8n: findings about workflows, keys and addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from ticktrail.cli.options import open_configured_store
from ticktrail.health.checks import Finding, Severity
from ticktrail.health.doctor import examine

from . import situations, workflows
from .n8n_lab import N8n

pytestmark = pytest.mark.e2e


def look(n8n: N8n, folder: Path, workflow_id: str, **changes: str) -> dict[str, Finding]:
    """The findings of ``doctor`` by name, with the key that the documentation recommends."""
    environ = {"N8N_BASE_URL": n8n.base_url, "N8N_API_KEY": n8n.reader_key, "WORKFLOW_ID_WHATSAPP": workflow_id}
    store = str(folder / "store.sqlite")
    return {
        one.name: one for one in examine({"TICKTRAIL_STORE": store}, environ | changes, folder, open_configured_store)
    }


def needing(found: dict[str, Finding]) -> dict[str, Severity]:
    """Name and result of each check that found a fault."""
    return {name: one.severity for name, one in found.items() if one.needs_attention}


def test_a_workflow_in_order(n8n: N8n, tmp_path: Path) -> None:
    """A workflow with a trigger that passes all and an execution with statuses has no fault."""
    situation = situations.triggered(n8n)
    found = look(n8n, tmp_path, situation.workflow_id)
    assert needing(found) == {}
    assert found["key expiry"].severity is Severity.OK
    assert "passes every status" in found["trigger"].says


def test_triggers_that_leave_statuses_out(n8n: N8n, tmp_path: Path) -> None:
    """The filter of a published WhatsApp Trigger is read from the version that runs; so is being inactive."""
    workflow_id = n8n.installed(workflows.whatsapp_trigger(("read",))).id
    found = look(n8n, tmp_path, workflow_id)
    assert needing(found) == {"trigger": Severity.WARNING, "executions": Severity.WARNING}
    assert "sent, delivered and failed never come" in found["trigger"].says
    n8n.deactivate(workflow_id)
    assert needing(look(n8n, tmp_path, workflow_id))["workflow"] is Severity.FAULT


def test_executions_that_are_not_kept(n8n: N8n, tmp_path: Path) -> None:
    """The workflow's own setting not to save successes is found."""
    workflow_id = n8n.installed(workflows.not_saved()).id
    assert needing(look(n8n, tmp_path, workflow_id))["saving"] is Severity.FAULT


def test_wrong_ways_in(n8n: N8n, tmp_path: Path) -> None:
    """A wrong key, a wrong prefix, a wrong path and an unknown workflow have different findings."""
    workflow_id = situations.triggered(n8n).workflow_id
    assert needing(look(n8n, tmp_path, workflow_id, N8N_API_KEY="n8n_api_0123456789abcdef")) == {"key": Severity.FAULT}
    assert needing(look(n8n, tmp_path, "NotThereAtAll000")) == {"workflow": Severity.FAULT}
    found = look(n8n, tmp_path, workflow_id, N8N_API_PREFIX="/rest-api/v1")
    assert needing(found) == {"n8n": Severity.FAULT}
    assert "Remove N8N_API_PREFIX" in found["n8n"].remedy
    found = look(n8n, tmp_path, workflow_id, N8N_BASE_URL=f"{n8n.base_url}/automation")
    assert f"Set N8N_BASE_URL={n8n.base_url}" in found["n8n"].remedy
