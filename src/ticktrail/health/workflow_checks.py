"""Check a workflow as n8n's ``GET /workflows/{id}`` returns it: do statuses reach it, and are they saved?

An inactive workflow, a trigger that stops statuses, executions that are not saved: each looks like a quiet day. Used by
``doctor`` and by ``sync --watch``. The answer may have any shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from ticktrail.health.checks import Finding, Severity
from ticktrail.text.sanitizing import one_line

_WHATSAPP_TRIGGER = "whatsapptrigger"
_WEBHOOK = "webhook"
_FACEBOOK_TRIGGER = "facebooktrigger"
_OLD_TRIGGERS = frozenset({"cron", "interval", "start"})

_STATUSES = ("sent", "delivered", "read", "failed")
"""The choices of the WhatsApp Trigger that rates are computed from."""

_REDACTING_NOTHING = frozenset({"none", "manual-only"})
"""Policies that do not redact executions started by webhooks."""

Workflow = Mapping[str, Any]
Node = Mapping[str, Any]

_LONGEST_NAME = 60


class WhatsAppTrigger(msgspec.Struct, frozen=True):
    """A WhatsApp Trigger that is not disabled. Its id is the verify token that it gave to Meta."""

    workflow_id: str
    node_id: str
    path: str


def whatsapp_triggers(workflow: Workflow, workflow_id: str) -> Iterator[WhatsAppTrigger]:
    """Yield the WhatsApp Triggers of a workflow, with the paths that n8n registers for them."""
    for node in _live_nodes(workflow):
        node_id, webhook_id = node.get("id"), node.get("webhookId")
        if _kind(node) != _WHATSAPP_TRIGGER or node.get("disabled") is True:
            continue
        if isinstance(node_id, str) and isinstance(webhook_id, str):
            yield WhatsAppTrigger(workflow_id, node_id, f"/webhook/{quote(webhook_id)}/webhook")


def check_workflow(workflow: Workflow, workflow_id: str, *, needs_statuses: bool = True) -> tuple[Finding, ...]:
    """Return the findings about a workflow, its executions aside.

    From n8n 2.0 on the published version runs, and ``nodes`` are a draft: the published nodes are checked.

    Args:
        needs_statuses: False where ``ticktrail receive`` stores them, so that the trigger may stop them.
    """
    live, draft = _live_nodes(workflow), _nodes(workflow.get("nodes"))
    if not needs_statuses:
        live, draft = [_without_filter(node) for node in live], [_without_filter(node) for node in draft]
    findings = [_judge_active(workflow, live), _judge_trigger(live)]
    if findings[1].needs_attention and draft != live and not _judge_trigger(draft).needs_attention:
        findings[1] = _with(findings[1], remedy="The draft has this fixed: open the workflow and publish it.")
    findings += _judge_address(live)
    settings = workflow.get("settings")
    findings += _judge_settings(settings if isinstance(settings, Mapping) else {})
    return tuple(_with(finding, workflow_id=workflow_id) for finding in findings)


def listens(workflow: Workflow) -> bool:
    """Return False for a workflow that only sends: it has no trigger for Meta's webhooks, and receives no statuses."""
    nodes = _live_nodes(workflow)
    return bool(_hearing(nodes)) or not _sends(nodes)


def may_only_send(workflow: Workflow) -> bool:
    """Return True for a workflow that sends and has no WhatsApp Trigger: others than Meta may call its webhook."""
    nodes = _live_nodes(workflow)
    return _sends(nodes) and all(_kind(node) != _WHATSAPP_TRIGGER for node in nodes)


def workflow_name(workflow: Workflow) -> str:
    """Return its name in quotation marks."""
    return f"'{one_line(str(workflow.get('name') or 'without a name'), _LONGEST_NAME)}'"


def _judge_active(workflow: Workflow, nodes: list[Node]) -> Finding:
    name = workflow_name(workflow)
    if workflow.get("isArchived") is True:
        return _finding(
            "workflow",
            Severity.FAULT,
            f"The workflow {name} is archived: it receives nothing.",
            "Unarchive and activate it in n8n, or choose the workflow that replaced it: ticktrail init",
        )
    if workflow.get("active") is True:
        return _finding("workflow", Severity.OK, f"The workflow {name} is active.")
    if workflow.get("active") is None:
        return _finding("workflow", Severity.UNKNOWN, f"n8n does not say whether the workflow {name} is active.")
    if not _hearing(nodes) and _sends(nodes):
        return _finding(
            "workflow", Severity.OK, f"The workflow {name} is not active; that is fine, because it only sends."
        )
    return _finding(
        "workflow",
        Severity.FAULT,
        f"The workflow {name} is not active: every status that Meta sends now is lost.",
        "Activate (publish) it in n8n.",
    )


def _judge_trigger(nodes: list[Node]) -> Finding:
    """Check that a node receives Meta's webhooks, and passes every status."""
    hearing = _hearing(nodes)
    enabled = [node for node in hearing if node.get("disabled") is not True]
    if hearing and not enabled:
        names = ", ".join(_named(node) for node in hearing)
        return _trigger(
            Severity.FAULT,
            f"{names} is disabled: no status is received." if len(hearing) == 1 else f"{names} are disabled.",
            "Enable the node in n8n (select it, press D), then save and publish.",
        )
    if not enabled:
        return _without_hearing(nodes)
    judged = [_judge_hearing(node) for node in enabled]
    # One trigger that passes everything is enough: a webhook for GET verification often exists beside it.
    best = min(judged, key=lambda finding: _RANK[finding.severity])
    whatsapp = next((one for one, node in zip(judged, enabled, strict=True) if _kind(node) == _WHATSAPP_TRIGGER), None)
    return whatsapp if whatsapp is not None and whatsapp.needs_attention else best


_RANK = {Severity.OK: 0, Severity.UNKNOWN: 1, Severity.WARNING: 2, Severity.FAULT: 3}


def _without_hearing(nodes: list[Node]) -> Finding:
    triggers = [node for node in nodes if _is_trigger(node) and node.get("disabled") is not True]
    if _sends(nodes):
        return _trigger(Severity.OK, "It only sends (no WhatsApp Trigger, no Webhook node): its sends are read.")
    if triggers:
        return _trigger(
            Severity.WARNING,
            f"It has no WhatsApp Trigger and no Webhook node, only {_named(triggers[0])}: statuses are received "
            "only if it passes Meta's webhook on.",
            "If it does not, set WORKFLOW_ID_WHATSAPP to the workflow that Meta calls: ticktrail init",
        )
    return _trigger(
        Severity.FAULT,
        "It has no WhatsApp Trigger and no Webhook node: no status can be received.",
        "Set WORKFLOW_ID_WHATSAPP to the workflow that Meta calls: ticktrail init",
    )


def _judge_hearing(node: Node) -> Finding:
    kind = _kind(node)
    if kind == _WHATSAPP_TRIGGER:
        return _judge_whatsapp_trigger(node)
    if kind == _WEBHOOK:
        return _judge_webhook(node)
    return _trigger(Severity.OK, f"{_named(node)} receives Meta's webhook.")


def _judge_whatsapp_trigger(node: Node) -> Finding:
    """Check which statuses the WhatsApp Trigger stops (by its code in n8n-nodes-base).

    ``updates`` are the fields it subscribes to at Meta. ``messageStatusUpdates``: unset or with ``all`` everything
    passes, an empty list stops all statuses, else only those listed pass.
    """
    named, parameters = _named(node), _parameters(node)
    updates, options = parameters.get("updates"), _options(parameters)
    if isinstance(updates, list) and "messages" not in updates:
        return _trigger(
            Severity.FAULT,
            f"{named} is not subscribed to messages: Meta sends it no status.",
            "Add 'Messages' to its Trigger On, save, and deactivate and activate the workflow so that it subscribes.",
        )
    chosen = options.get("messageStatusUpdates")
    if chosen is None or chosen == "all" or (isinstance(chosen, list) and "all" in chosen):
        return _trigger(Severity.OK, f"{named} passes every status.")
    fix = "In its options set Receive Message Status Updates to All, then save and publish."
    if not isinstance(chosen, list):
        return _trigger(Severity.UNKNOWN, f"{named} chooses statuses by an expression: which ones it stops is unknown.")
    kept = [status for status in chosen if isinstance(status, str)]
    if not kept:
        return _trigger(Severity.FAULT, f"{named} passes no status at all.", fix)
    lost = [status for status in _STATUSES if status not in kept]
    if not lost:
        return _trigger(Severity.OK, f"{named} passes {_listed(kept)}.")
    consequence = "failed messages are not recorded" if lost == ["failed"] else "rates will be wrong"
    return _trigger(
        Severity.WARNING,
        f"{named} passes only {_listed(kept)}: {_listed(lost)} never {'come' if len(lost) > 1 else 'comes'}, "
        f"and {consequence}.",
        fix,
    )


def _judge_webhook(node: Node) -> Finding:
    """Check that a Webhook node accepts Meta's POST, and keeps its body where the public API returns it."""
    named, parameters = _named(node), _parameters(node)
    method = parameters.get("httpMethod", ["GET", "POST"] if parameters.get("multipleMethods") is True else "GET")
    methods = method if isinstance(method, list) else [method]
    if "POST" not in methods and not any(str(one).startswith("=") for one in methods):
        return _trigger(
            Severity.FAULT,
            f"{named} accepts only {_listed([one_line(str(one), _LONGEST_NAME) for one in methods])}, "
            "but Meta sends statuses by POST.",
            "Add a Webhook node with the method POST at the same path, or let this node accept both.",
        )
    if _options(parameters).get("binaryData") is True:
        return _trigger(
            Severity.FAULT,
            f"{named} keeps the body as a file (option Binary Data), which n8n's API does not return.",
            "Turn off the option Binary Data of the node; Raw Body may stay on.",
        )
    return _trigger(Severity.OK, f"{named} receives Meta's webhook.")


def _judge_address(nodes: list[Node]) -> list[Finding]:
    """Recommend a trigger that checks Meta's signature to those who receive webhooks at a public address.

    This is no fault: Meta cannot send a secret to a Webhook node, so many installations work like this.
    """
    public = [
        node
        for node in nodes
        if _kind(node) == _WEBHOOK
        and node.get("disabled") is not True
        and _parameters(node).get("authentication") in (None, "none")
    ]
    if not public:
        return []
    says = f"{_named(public[0])} has no authentication: anyone who knows its address can send made-up statuses."
    remedy = "Keep the address secret, or use the WhatsApp Trigger or ticktrail receive: both check Meta's signature."
    return [_finding("address", Severity.OK, says, remedy)]


def _judge_settings(settings: Mapping[str, Any]) -> list[Finding]:
    findings = []
    if settings.get("saveDataSuccessExecution") == "none":
        findings.append(
            _finding(
                "saving",
                Severity.FAULT,
                "n8n does not save this workflow's successful executions: their statuses are lost.",
                "In the workflow's settings set Save successful production executions to Save.",
            )
        )
    elif settings.get("saveDataErrorExecution") == "none":
        findings.append(
            _finding(
                "saving",
                Severity.WARNING,
                "n8n does not save this workflow's failed executions: the statuses in them are lost.",
                "In the workflow's settings set Save failed production executions to Save.",
            )
        )
    else:
        findings.append(_finding("saving", Severity.OK, "The workflow's settings save its executions."))
    if settings.get("engineType") == "v2":
        findings.append(
            _finding(
                "engine",
                Severity.FAULT,
                "The workflow runs on n8n's engine v2, whose executions n8n's public API does not show.",
                "Set the workflow back to the usual engine.",
            )
        )
    policy = settings.get("redactionPolicy")
    if policy and policy not in _REDACTING_NOTHING:
        findings.append(
            _finding(
                "redaction",
                Severity.FAULT,
                f"n8n blanks the data of this workflow's executions (redaction policy {one_line(str(policy), 20)}).",
                "Turn off the redaction in the workflow's settings; executions blanked so far cannot be read.",
            )
        )
    return findings


def _live_nodes(workflow: Workflow) -> list[Node]:
    version = workflow.get("activeVersion")
    published = _nodes(version.get("nodes")) if isinstance(version, Mapping) else []
    return published or _nodes(workflow.get("nodes"))


def _nodes(value: object) -> list[Node]:
    return [node for node in value if isinstance(node, Mapping)] if isinstance(value, list) else []


def _kind(node: Node) -> str:
    """Return the type's last part in lower case: ``whatsapptrigger`` of ``n8n-nodes-base.whatsAppTrigger``."""
    return str(node.get("type")).rsplit(".", 1)[-1].lower()


def _without_filter(node: Node) -> Node:
    """Return a WhatsApp Trigger as if it passed every status."""
    parameters = _parameters(node)
    if _kind(node) != _WHATSAPP_TRIGGER or "messageStatusUpdates" not in _options(parameters):
        return node
    return {**node, "parameters": {**parameters, "options": {}}}


def _is_trigger(node: Node) -> bool:
    kind = _kind(node)
    return kind.endswith("trigger") or kind == _WEBHOOK or kind in _OLD_TRIGGERS


def _hearing(nodes: list[Node]) -> list[Node]:
    """Return the nodes that can receive Meta's webhooks, disabled ones included."""
    return [node for node in nodes if _kind(node) in {_WHATSAPP_TRIGGER, _WEBHOOK, _FACEBOOK_TRIGGER}]


def _sends(nodes: list[Node]) -> bool:
    """Return True when a node sends: the WhatsApp node, or a request to Meta's API."""
    return any(
        _kind(node) == "whatsapp" or "graph.facebook.com" in str(_parameters(node).get("url", "")) for node in nodes
    )


def _parameters(node: Node) -> Mapping[str, Any]:
    found = node.get("parameters")
    return found if isinstance(found, Mapping) else {}


def _options(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    found = parameters.get("options")
    return found if isinstance(found, Mapping) else {}


def _named(node: Node) -> str:
    return f"The node '{one_line(str(node.get('name') or _kind(node)), _LONGEST_NAME)}'"


def _listed(words: list[str]) -> str:
    words = [one_line(str(word), 20) for word in words]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _trigger(severity: Severity, says: str, remedy: str = "") -> Finding:
    return _finding("trigger", severity, says, remedy)


def _finding(name: str, severity: Severity, says: str, remedy: str = "") -> Finding:
    return Finding(name=name, severity=severity, says=says, remedy=remedy)


def _with(finding: Finding, *, remedy: str | None = None, workflow_id: str | None = None) -> Finding:
    return Finding(
        name=finding.name,
        severity=finding.severity,
        says=finding.says,
        remedy=finding.remedy if remedy is None else remedy,
        workflow_id=workflow_id or finding.workflow_id,
    )
