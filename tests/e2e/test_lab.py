"""The lab works: every situation that the store must cope with can be made in a real n8n."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.patience import wait_until

from . import database, fake_meta, situations, webhook_bodies, workflows
from .installation import Installation
from .n8n_lab import N8n, since
from .n8n_process import N8nProcess
from .workflows import Workflow

pytestmark = pytest.mark.e2e

SENDING = {
    "template": workflows.send_template(),
    "text": workflows.send_text(),
    "http_request": workflows.send_http_request(),
    "carry_on": workflows.send_template(continue_on_fail=True),
}


def message_ids(data: object) -> set[str]:
    """Every message id anywhere in it."""
    return set(re.findall(r"wamid\.\w+", json.dumps(data)))


def run_data(execution: dict[str, Any]) -> dict[str, Any]:
    """Node name → its runs."""
    found: dict[str, Any] = execution["data"]["resultData"]["runData"]
    return found


def execution_stack(execution: dict[str, Any]) -> list[Any]:
    """The work that was pending when it ended."""
    found: list[Any] = execution["data"]["executionData"]["nodeExecutionStack"]
    return found


def test_webhook_node_keeps_the_statuses(n8n: N8n) -> None:
    """The reader finds the statuses, as they were sent, in the list with data."""
    situation = situations.succeeded(n8n)
    page = n8n.executions(include_data=True, workflowId=situation.workflow_id, limit=1)
    (row,) = page["data"]
    assert (int(row["id"]), row["status"]) == (situation.execution_id, "success")
    body = run_data(row)["Webhook"][0]["data"]["main"][0][0]["json"]["body"]
    assert tuple(body["entry"][0]["changes"][0]["value"]["statuses"]) == situation.statuses


def test_whatsapp_trigger_makes_an_item_of_each_change(n8n: N8n) -> None:
    """The WhatsApp Trigger is activated against the fake Meta and yields one item for each change."""
    situation = situations.triggered(n8n)
    items = run_data(n8n.execution(situation.execution_id))["WhatsApp Trigger"][0]["data"]["main"][0]
    assert tuple(item["json"]["statuses"][0] for item in items) == situation.statuses


def test_whatsapp_trigger_drops_a_forged_webhook(n8n: N8n) -> None:
    """A webhook signed with another secret begins no execution."""
    installed = n8n.installed(workflows.whatsapp_trigger())
    before = n8n.newest_execution_id(installed.id)
    forged = webhook_bodies.body(webhook_bodies.status("read"))
    n8n.fire_whatsapp_trigger(forged, client_secret="another")  # noqa: S106
    genuine = situations.triggered(n8n)
    with database.opened(n8n.database) as connection:
        question = "SELECT count(*) FROM execution_entity WHERE workflowId = ? AND id > ? AND id < ?"
        assert connection.execute(question, (installed.id, before, genuine.execution_id)).fetchone() == (0,)


def test_reader_key_reads_and_does_nothing_else(n8n: N8n) -> None:
    """The key that the documentation recommends sees workflow and executions, and may not change anything."""
    since(n8n, (2, 20), "enforced key scopes")
    situation = situations.succeeded(n8n)
    with n8n.reader() as reader:
        assert reader.get(f"/api/v1/workflows/{situation.workflow_id}").json()["active"] is True
        assert reader.get("/api/v1/workflows").is_success
        assert reader.delete(f"/api/v1/executions/{situation.execution_id}").status_code == 403


def test_split_items_repeat_the_statuses(n8n: N8n) -> None:
    """Behind a splitter the same statuses are in the output of all three nodes."""
    situation = situations.split(n8n)
    runs = run_data(n8n.execution(situation.execution_id))
    assert {name: message_ids(run) for name, run in runs.items()} == {
        "Webhook": situation.message_ids,
        "Split": situation.message_ids,
        "Code": situation.message_ids,
    }


def test_error_keeps_the_triggers_output(n8n: N8n) -> None:
    """A node that throws leaves the trigger's output readable."""
    situation = situations.errored(n8n)
    assert message_ids(run_data(n8n.execution(situation.execution_id))["Webhook"]) == situation.message_ids


def test_retry_is_a_new_execution_with_the_same_statuses(n8n: N8n) -> None:
    """A retry has a higher id, names the execution it retried, and carries its statuses again."""
    situation = situations.retried(n8n)
    retry = n8n.execution(situation.execution_id)
    assert (retry["mode"], retry["retryOf"]) == ("retry", str(situation.retry_of))
    assert message_ids(retry["data"]) == situation.message_ids


def test_waiting_shows_its_data(n8n: N8n) -> None:
    """A waiting execution is not final and has the statuses already; releases before 2.30 list it nowhere."""
    situation = situations.waiting(n8n)
    execution = n8n.execution(situation.execution_id)
    assert (execution["status"], execution["finished"]) == ("waiting", False)
    assert message_ids(run_data(execution)["Webhook"]) == situation.message_ids
    if n8n.installation.version_numbers >= (2, 30):
        n8n.wait_until_listed(situation.workflow_id, situation.execution_id)
    else:
        assert n8n.listed_ids(situation.workflow_id, status="waiting") == []


def test_late_one_is_listed_below_newer_ids(n8n: N8n) -> None:
    """While it runs the list hides it; when it has ended it is below an id that was listed before."""
    late = situations.running(n8n, seconds=8)
    newer = situations.succeeded(n8n)
    assert late.execution_id not in n8n.listed_ids(late.workflow_id)
    assert late.execution_id in n8n.listed_ids(late.workflow_id, status="running")
    assert n8n.wait_for_status(late.execution_id) == "success"
    n8n.wait_until_listed(late.workflow_id, late.execution_id)
    assert late.execution_id < newer.execution_id


def test_canceled_keeps_the_payload_in_its_stack(n8n: N8n) -> None:
    """Stopped while running: no run data, the payload in the stack. Older releases keep the run data."""
    situation = situations.canceled(n8n)
    execution = n8n.execution(situation.execution_id)
    assert message_ids(execution["data"]) == situation.message_ids
    since(n8n, (2, 41), "cancellation that empties the run data")
    assert run_data(execution) == {}
    assert message_ids(execution_stack(execution)) == situation.message_ids


def test_redacted_on_request(n8n: N8n) -> None:
    """Asked to redact, n8n empties the items and says so."""
    since(n8n, (2, 16), "redactExecutionData")
    situation = situations.succeeded(n8n)
    execution = n8n.execution(situation.execution_id, redactExecutionData="true")
    assert execution["data"]["redactionInfo"]["isRedacted"] is True
    assert message_ids(execution["data"]) == set()


def test_redacted_unasked(n8n: N8n) -> None:
    """An execution marked as using private credentials comes back redacted in an ordinary list."""
    since(n8n, (2, 41), "redaction without a licence")
    situation = situations.redacted(n8n)
    page = n8n.executions(include_data=True, workflowId=situation.workflow_id, limit=1)
    (row,) = page["data"]
    assert int(row["id"]) == situation.execution_id
    assert row["data"]["redactionInfo"]["reason"] == "dynamic_credentials"
    assert message_ids(row["data"]) == set()


def test_oversized_is_withheld_until_asked_for_alone(n8n: N8n) -> None:
    """Above the display size the data is empty and flagged; asked to ignore the size, n8n gives it."""
    since(n8n, (2, 28), "display size")
    situation = situations.oversized(n8n)
    withheld = n8n.execution(situation.execution_id)
    assert (withheld["dataTooLargeToDisplay"], run_data(withheld)) == (True, {})
    full = n8n.execution(situation.execution_id, ignoreDataSizeLimit="true")
    assert message_ids(full["data"]) == situation.message_ids


def test_corrupt_data_is_left_out_and_ends_the_list(n8n: N8n) -> None:
    """A page with data drops a corrupt row silently, and a page of nothing else says the list is over."""
    situation = situations.corrupted(n8n)
    assert n8n.listed_ids(situation.workflow_id, limit=1) == [situation.execution_id]
    with n8n.reader() as reader:
        query: dict[str, str | int] = {"includeData": "true", "workflowId": situation.workflow_id, "limit": 1}
        page = reader.get("/api/v1/executions", params=query)
        alone = reader.get(f"/api/v1/executions/{situation.execution_id}", params={"includeData": "true"})
    if n8n.installation.version_numbers < (2, 25):
        # There, one corrupt row makes n8n refuse the whole page.
        assert (page.status_code, alone.status_code) == (400, 400)
    else:
        assert page.json() == {"data": [], "nextCursor": None}
        assert alone.status_code == 500


def test_missing_data_is_left_out(n8n: N8n) -> None:
    """Without its data row an execution is listed without data, and not found with data."""
    since(n8n, (2, 27), "list that survives missing data")
    situation = situations.dataless(n8n)
    assert situation.execution_id in n8n.listed_ids(situation.workflow_id)
    page = n8n.executions(include_data=True, workflowId=situation.workflow_id)
    assert str(situation.execution_id) not in {row["id"] for row in page["data"]}
    with n8n.reader() as reader:
        assert reader.get(f"/api/v1/executions/{situation.execution_id}?includeData=true").status_code == 404


def test_pruned_and_unsaved_leave_nothing(n8n: N8n) -> None:
    """Deleted executions, and those of a workflow that saves nothing, are in no list."""
    for situation in (situations.pruned(n8n), situations.not_saved(n8n)):
        assert situation.execution_id not in n8n.listed_ids(situation.workflow_id)


@pytest.mark.parametrize("workflow", SENDING.values(), ids=SENDING)
def test_accepted_send_carries_the_message_id(n8n: N8n, workflow: Workflow) -> None:
    """Meta's answer with the new message id is in the send node's output."""
    situation = situations.sent(n8n, workflow, fake_meta.ACCEPTED_RECIPIENT)
    execution = n8n.execution(situation.execution_id)
    assert execution["status"] == "success"
    assert message_ids(run_data(execution)) == {situation.send.message_id}


@pytest.mark.parametrize(
    ("recipient", "code", "words"),
    [
        (fake_meta.UNKNOWN_TEMPLATE_RECIPIENT, 132001, "Template name does not exist"),
        (fake_meta.EXPIRED_LOGIN_RECIPIENT, 190, "Session has expired"),
    ],
)
@pytest.mark.parametrize("workflow", SENDING.values(), ids=SENDING)
def test_refused_send_carries_the_reason(
    n8n: N8n,
    workflow: Workflow,
    recipient: str,
    code: int,
    words: str,
) -> None:
    """A refusal is in the data in Meta's words: an error, or success where the node continues on errors."""
    situation = situations.sent(n8n, workflow, recipient)
    execution = n8n.execution(situation.execution_id)
    assert situation.send.error_code == code
    assert execution["status"] == ("success" if workflow is SENDING["carry_on"] else "error")
    assert words in json.dumps(run_data(execution))


def test_abandoned_n8n_ends(installation: Installation, tmp_path: Path) -> None:
    """When the process that started n8n is killed, n8n ends by itself."""
    abandoned = N8nProcess(installation, tmp_path / "n8n")
    abandoned.spawn()
    try:
        abandoned.let_go()
        assert wait_until(lambda: not abandoned.is_running(), "n8n to end")
    finally:
        abandoned.kill()


def test_crashed_keeps_the_payload_in_its_stack(n8n: N8n) -> None:
    """Killed while running: after the next start it is crashed, its payload in the execution stack only."""
    situation = situations.crashed(n8n)
    execution = n8n.execution(situation.execution_id)
    assert "isArtificialRecoveredEventItem" in json.dumps(run_data(execution))
    assert message_ids(run_data(execution)) == set()
    assert message_ids(execution_stack(execution)) == situation.message_ids


def test_rebuilt_n8n_gives_the_same_ids_again(n8n: N8n) -> None:
    """After a rebuild the same workflow id at the same address has another execution under a known id."""
    before = situations.succeeded(n8n)
    after = situations.ids_start_again(n8n)
    assert after.workflow_id == before.workflow_id
    assert after.execution_id <= before.execution_id
    assert n8n.listed_ids(before.workflow_id) == [after.execution_id]
