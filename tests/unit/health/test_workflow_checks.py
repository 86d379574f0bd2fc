"""Judgements on workflows in the shapes that a real n8n gives them."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from tests.e2e import workflows
from tests.support.recordings import recording

from ticktrail.health.checks import Finding, Severity
from ticktrail.health.workflow_checks import WhatsAppTrigger, check_workflow, listens, may_only_send, whatsapp_triggers

OK, WARNING, FAULT, UNKNOWN = Severity.OK, Severity.WARNING, Severity.FAULT, Severity.UNKNOWN


def recorded(options: Any = None, *, live: bool = True, **changes: Any) -> dict[str, Any]:
    """The workflow that a real n8n 2.41.1 answered with; ``options`` become its trigger's.

    Args:
        live: change the published version too, not the draft only.
    """
    workflow: dict[str, Any] = json.loads(recording("workflow")) | changes
    if options is not None:
        for nodes in (workflow["nodes"], *([workflow["activeVersion"]["nodes"]] if live else [])):
            nodes[0]["parameters"]["options"] = options
    return workflow


def made(workflow: workflows.Workflow, **changes: Any) -> dict[str, Any]:
    """A workflow of the lab as n8n 1.x gives it back: active, without published versions."""
    kinds = ("whatsAppApi", "whatsAppTriggerApi")
    return {"id": "w", "active": True, **workflow.definition({kind: {"id": "1"} for kind in kinds}), **changes}


def findings(workflow: dict[str, Any]) -> dict[str, Finding]:
    """The findings of a workflow, by name."""
    return {finding.name: finding for finding in check_workflow(workflow, "w")}


def trigger(workflow: dict[str, Any]) -> Finding:
    """The finding about its trigger."""
    return findings(workflow)["trigger"]


def with_node(workflow: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same with its first node changed."""
    changed = copy.deepcopy(workflow)
    changed["nodes"][0] |= changes
    return changed


@pytest.mark.parametrize(
    "workflow", [recorded(), made(workflows.whatsapp_trigger()), made(workflows.webhook())], ids=str
)
def test_a_workflow_as_it_should_be(workflow: dict[str, Any]) -> None:
    """The recorded workflow and the lab's are in order, and every finding names the workflow it is about."""
    found = check_workflow(workflow, "w")
    assert {(one.severity, one.workflow_id) for one in found} == {(OK, "w")}
    assert [one.name for one in found if one.name != "address"] == ["workflow", "trigger", "saving"]


@pytest.mark.parametrize(
    ("changes", "severity", "said"),
    [
        ({"active": False}, FAULT, "not active"),
        ({"active": False, "isArchived": True}, FAULT, "archived"),
        ({"isArchived": True}, FAULT, "archived"),
        ({"active": None}, UNKNOWN, "does not say"),
    ],
)
def test_a_workflow_that_does_not_run(changes: dict[str, Any], severity: Severity, said: str) -> None:
    """Not active or archived is a fault: what Meta sends now is lost for good."""
    found = findings(recorded(**changes))["workflow"]
    assert (found.severity, said in found.says) == (severity, True)


@pytest.mark.parametrize(
    ("options", "severity", "said"),
    [
        ({}, OK, "every status"),
        ({"messageStatusUpdates": "all"}, OK, "every status"),
        ({"messageStatusUpdates": ["all", "read"]}, OK, "every status"),
        ({"messageStatusUpdates": ["sent", "delivered", "read", "failed"]}, OK, "sent, delivered, read and failed"),
        ({"messageStatusUpdates": []}, FAULT, "no status at all"),
        (
            {"messageStatusUpdates": ["read"]},
            WARNING,
            "passes only read: sent, delivered and failed never come, and rates will be wrong.",
        ),
        (
            {"messageStatusUpdates": ["sent", "delivered", "read"]},
            WARNING,
            "passes only sent, delivered and read: failed never comes, and failed messages are not recorded.",
        ),
        ({"messageStatusUpdates": "={{ $json.wanted }}"}, UNKNOWN, "expression"),
        ({"messageStatusUpdates": [None, 7]}, FAULT, "no status at all"),
        ("nonsense", OK, "every status"),
    ],
)
def test_what_the_whatsapp_trigger_leaves_out(options: Any, severity: Severity, said: str) -> None:
    """The trigger's own filter: which statuses never come is named, and what follows from it."""
    found = trigger(recorded(options))
    assert (found.severity, said in found.says) == (severity, True), found.says
    assert found.needs_attention == bool(found.remedy)


def test_what_is_published_counts() -> None:
    """From n8n 2.0 on ``nodes`` are a draft: a fix counts only once published, and the remedy says so."""
    workflow = recorded({"messageStatusUpdates": []})
    workflow["nodes"][0]["parameters"]["options"] = {}
    found = trigger(workflow)
    assert (found.severity, "publish" in found.remedy) == (FAULT, True)
    assert trigger(recorded({"messageStatusUpdates": []}, live=False)).severity is OK


def test_a_trigger_that_is_not_subscribed() -> None:
    """A WhatsApp Trigger without ``messages`` among its updates hears no status."""
    workflow = made(workflows.whatsapp_trigger())
    workflow["nodes"][0]["parameters"]["updates"] = ["account_update"]
    assert trigger(workflow).severity is FAULT


@pytest.mark.parametrize("workflow", [workflows.whatsapp_trigger(), workflows.webhook()], ids=["whatsapp", "webhook"])
def test_a_trigger_that_is_switched_off(workflow: workflows.Workflow) -> None:
    """A disabled trigger node is a fault, although the workflow is active."""
    found = trigger(with_node(made(workflow), disabled=True))
    assert (found.severity, "disabled" in found.says) == (FAULT, True)


@pytest.mark.parametrize(
    ("parameters", "severity", "said"),
    [
        ({"path": "wa"}, FAULT, "accepts only GET"),
        ({"path": "wa", "httpMethod": "POST"}, OK, "receives"),
        ({"path": "wa", "multipleMethods": True}, OK, "receives"),
        ({"path": "wa", "multipleMethods": True, "httpMethod": ["GET", "PUT"]}, FAULT, "accepts only GET and PUT"),
        ({"path": "wa", "httpMethod": "={{ $env.METHOD }}"}, OK, "receives"),
        ({"path": "wa", "httpMethod": "POST", "options": {"binaryData": True}}, FAULT, "Binary Data"),
        ({"path": "wa", "httpMethod": "POST", "options": {"rawBody": True}}, OK, "receives"),
    ],
)
def test_what_a_webhook_node_takes(parameters: dict[str, Any], severity: Severity, said: str) -> None:
    """Meta posts, and the body must not be kept as a file."""
    found = trigger(with_node(made(workflows.webhook()), parameters=parameters))
    assert (found.severity, said in found.says) == (severity, True), found.says


@pytest.mark.parametrize(
    ("parameters", "public"),
    [({}, True), ({"authentication": "none"}, True), ({"authentication": "headerAuth"}, False)],
    ids=["unset", "none", "header"],
)
def test_a_webhook_node_that_anyone_can_call(parameters: dict[str, Any], *, public: bool) -> None:
    """Without authentication the WhatsApp Trigger or the receiver is recommended, without a warning."""
    workflow = with_node(made(workflows.webhook()), parameters={"httpMethod": "POST", "path": "wa", **parameters})
    found = findings(workflow)

    assert ("address" in found) is public
    if public:
        assert not found["address"].needs_attention
        assert "WhatsApp Trigger or ticktrail receive" in found["address"].remedy
    assert "address" not in findings(made(workflows.whatsapp_trigger()))


def test_the_webhook_of_the_verification_is_no_fault() -> None:
    """Beside the Webhook node that takes POST there often is one that answers Meta's verification by GET."""
    workflow = made(workflows.webhook())
    verification = {"name": "Verify", "type": "n8n-nodes-base.webhook", "parameters": {"path": "wa"}}
    workflow["nodes"].insert(0, verification)
    assert trigger(workflow).severity is OK


def test_workflows_that_hear_nothing() -> None:
    """Without a node that hears Meta: fine for one that only sends, doubtful with another trigger, else a fault."""
    send = made(workflows.send_text())["nodes"][1]
    schedule = {"name": "Every hour", "type": "n8n-nodes-base.scheduleTrigger", "parameters": {}}
    done = {"name": "Done", "type": "n8n-nodes-base.noOp", "parameters": {}}
    sender = {"name": "Campaign", "active": False, "nodes": [schedule, send]}
    assert [finding.severity for finding in check_workflow(sender, "w")] == [OK, OK, OK]
    assert (listens(sender), may_only_send(sender)) == (False, True)
    assert trigger({"name": "x", "active": True, "nodes": [schedule, done]}).severity is WARNING
    assert trigger({"name": "x", "active": True, "nodes": [done]}).severity is FAULT
    http = made(workflows.send_http_request())
    assert (listens(http), may_only_send(http), may_only_send(recorded())) == (True, True, False)


@pytest.mark.parametrize(
    ("settings", "name", "severity"),
    [
        ({"saveDataSuccessExecution": "none"}, "saving", FAULT),
        ({"saveDataErrorExecution": "none"}, "saving", WARNING),
        ({"saveDataSuccessExecution": "DEFAULT"}, "saving", OK),
        ({"saveManualExecutions": False}, "saving", OK),
        ({"engineType": "v2"}, "engine", FAULT),
        ({"redactionPolicy": "all"}, "redaction", FAULT),
        ({"redactionPolicy": "non-manual"}, "redaction", FAULT),
    ],
)
def test_settings_that_keep_executions_from_us(settings: dict[str, Any], name: str, severity: Severity) -> None:
    """Not saved, run elsewhere, or blanked: each has its finding."""
    assert findings(made(workflows.webhook(settings=settings)))[name].severity is severity


@pytest.mark.parametrize(
    "settings", [{"engineType": "v1"}, {"redactionPolicy": "none"}, {"redactionPolicy": "manual-only"}, {}]
)
def test_settings_that_do_no_harm(settings: dict[str, Any]) -> None:
    """The usual engine and policies that spare production executions are not spoken of."""
    assert {"engine", "redaction"} & set(findings(made(workflows.webhook(settings=settings)))) == set()


@pytest.mark.parametrize(
    "workflow",
    [
        {},
        {"nodes": None, "settings": None, "activeVersion": None, "name": None},
        {"nodes": {"a": 1}, "settings": [], "activeVersion": []},
        {"nodes": [None, 1, "x", {}, {"type": None, "parameters": []}], "active": "yes"},
        {"active": True, "nodes": [{"type": "n8n-nodes-base.webhook", "parameters": {"httpMethod": [None, {}]}}]},
        {"active": True, "nodes": [{"type": "n8n-nodes-base.whatsAppTrigger", "parameters": {"updates": "messages"}}]},
        {"name": "\x1b[31m" + "x" * 5_000, "nodes": [{"type": "n8n-nodes-base.webhook", "name": "a\nb\x00"}]},
    ],
)
def test_any_shape_is_judged(workflow: dict[str, Any]) -> None:
    """Whatever n8n answers, there are findings and no error, in printable words of bearable length."""
    for finding in check_workflow(workflow, "w"):
        assert finding.says.isprintable()
        assert len(finding.says) < 400


def test_a_trigger_may_stop_statuses_that_are_received_directly() -> None:
    """With a receiver a trigger may filter statuses; a trigger that gets no webhooks at all is still a fault."""
    filtered = recorded({"messageStatusUpdates": []})
    assert trigger(filtered).severity is FAULT
    received = {one.name: one for one in check_workflow(filtered, "w", needs_statuses=False)}
    assert received["trigger"].severity is OK
    deaf = with_node(made(workflows.whatsapp_trigger()), parameters={"updates": ["account_update"]})
    received = {one.name: one for one in check_workflow(deaf, "w", needs_statuses=False)}
    assert received["trigger"].severity is FAULT


def test_the_triggers_of_a_workflow_have_their_path_and_token() -> None:
    """n8n registers the WhatsApp Trigger below its webhook id, and gives Meta the node's id as verify token."""
    path = "/webhook/11111111-1111-4111-8111-111111111111/webhook"
    assert list(whatsapp_triggers(recorded(), "w")) == [WhatsAppTrigger("w", "a1", path)]
    assert list(whatsapp_triggers(made(workflows.webhook()), "w")) == []
    assert list(whatsapp_triggers(with_node(made(workflows.whatsapp_trigger()), disabled=True), "w")) == []
    assert list(whatsapp_triggers({"nodes": [{"type": "x.whatsAppTrigger", "id": 1}]}, "w")) == []
