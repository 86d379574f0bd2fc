"""The workflows of the lab, as n8n takes them: a trigger that hears Meta's webhook, and what is behind it.

A node that needs a credential names its type only; the running n8n puts in its own.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from .webhook_bodies import PHONE_NUMBER_ID

Node = dict[str, Any]

TEMPLATE = "order_update"
LANGUAGE = "en_US"
CAMPAIGN = "campaign-7"


@dataclass(frozen=True)
class Workflow:
    """A workflow before n8n knows it, known by the ``path`` below ``/webhook/`` where it listens."""

    name: str
    trigger: Literal["webhook", "whatsapp_trigger"]
    path: str
    nodes: tuple[Node, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    def definition(self, credentials: dict[str, dict[str, str]]) -> dict[str, Any]:
        """The body n8n's API expects: nodes in a row, with ``credentials`` (type → id and name) put in."""
        nodes = [
            {**node, "credentials": {kind: credentials[kind] for kind in node["credentials"]}}
            if "credentials" in node
            else node
            for node in self.nodes
        ]
        connections = {
            before["name"]: {"main": [[{"node": behind["name"], "type": "main", "index": 0}]]}
            for before, behind in pairwise(nodes)
        }
        settings = {"executionOrder": "v1", **self.settings}
        return {"name": self.name, "nodes": nodes, "connections": connections, "settings": settings}

    def credential_types(self) -> set[str]:
        """The types of the credentials that its nodes need."""
        return {kind for node in self.nodes for kind in node.get("credentials", ())}


def whatsapp_trigger(status_updates: tuple[str, ...] = ("all",)) -> Workflow:
    """The WhatsApp Trigger and a node behind it. ``status_updates`` is the trigger's own filter."""
    webhook_id = _stable_id("whatsapp-trigger", *status_updates)
    trigger = _node(
        "WhatsApp Trigger",
        "whatsAppTrigger",
        1,
        {"updates": ["messages"], "options": {"messageStatusUpdates": list(status_updates)}},
        webhookId=webhook_id,
        credentials=("whatsAppTriggerApi",),
    )
    seen = {"id": "x", "name": "seen", "type": "boolean", "value": True}
    enrichment = {"includeOtherFields": True, "assignments": {"assignments": [seen]}, "options": {}}
    enrich = _node("Enrich", "set", 3.4, enrichment)
    return Workflow("WhatsApp statuses", "whatsapp_trigger", f"{webhook_id}/webhook", (trigger, enrich))


def webhook(path: str = "wa", *, settings: dict[str, Any] | None = None) -> Workflow:
    """Meta's webhook through a plain Webhook node."""
    return _behind_webhook("Meta webhook", path, _done(), settings=settings)


def not_saved() -> Workflow:
    """The same, set to keep nothing of executions that succeed."""
    return webhook("wa-not-saved", settings={"saveDataSuccessExecution": "none"})


def failing() -> Workflow:
    """A Code node behind the trigger throws."""
    throw = _node("Boom", "code", 2, {"jsCode": "throw new Error('downstream failed')"})
    return _behind_webhook("Fails after the trigger", "wa-error", throw)


def waiting(hours: int = 2) -> Workflow:
    """A Wait node that puts the execution to sleep: its status is ``waiting`` for hours."""
    return _behind_webhook("Waits after the trigger", f"wa-wait-{hours}", _wait(hours, "hours"), _done())


def late(seconds: int = 40) -> Workflow:
    """A Wait node of less than 65 s: the execution stays in memory as ``running`` and finishes late."""
    assert seconds < 65, "from 65 s on, n8n puts the execution to sleep instead"
    return _behind_webhook("Runs for a while", f"wa-late-{seconds}", _wait(seconds, "seconds"), _done())


def splitter() -> Workflow:
    """Later nodes split the statuses into items and wrap each again: the same statuses three times."""
    statuses = "body.entry[0].changes[0].value.statuses"
    split = _node("Split", "splitOut", 1, {"fieldToSplitOut": statuses, "options": {}})
    wrap = "return $input.all().map(item => ({json: {body: {statuses: [item.json]}}}))"
    return _behind_webhook("Splits statuses", "wa-split", split, _node("Code", "code", 2, {"jsCode": wrap}))


def send_template(*, continue_on_fail: bool = False) -> Workflow:
    """The WhatsApp node sends a template to ``body.to``, carrying on after a refusal if asked to."""
    first_parameter = {"type": "text", "text": "={{ $json.body.name }}"}
    send = _whatsapp_node(
        "Send template",
        "={{ $json.body.to }}",
        {
            "operation": "sendTemplate",
            "template": f"{TEMPLATE}|{LANGUAGE}",
            "components": {
                "component": [{"type": "body", "bodyParameters": {"parameter": [first_parameter]}}],
            },
        },
    )
    if continue_on_fail:
        carries_on = {**send, "onError": "continueRegularOutput"}
        return _behind_webhook("Send template, carry on", "send-template-carry-on", carries_on, _done())
    return _behind_webhook("Send template", "send-template", send)


def send_text() -> Workflow:
    """The WhatsApp node sends a text to ``body.to``."""
    send = _whatsapp_node(
        "Send message",
        "={{ $json.body.to }}",
        {
            "operation": "send",
            "messageType": "text",
            "textBody": "=Hello {{ $json.body.name }}",
            "additionalFields": {},
        },
    )
    return _behind_webhook("Send text", "send-text", send)


def send_http_request() -> Workflow:
    """An HTTP Request node sends the template straight to Meta's API, with callback data of its own."""
    message = {
        "messaging_product": "whatsapp",
        "to": "{{ $json.body.to }}",
        "type": "template",
        "template": {"name": TEMPLATE, "language": {"code": LANGUAGE}},
        "biz_opaque_callback_data": CAMPAIGN,
    }
    request = _node(
        "HTTP Request",
        "httpRequest",
        4.2,
        {
            "method": "POST",
            "url": f"https://graph.facebook.com/v24.0/{PHONE_NUMBER_ID}/messages",
            "sendBody": True,
            "specifyBody": "json",
            "jsonBody": "=" + json.dumps(message),
            "options": {},
        },
    )
    return _behind_webhook("Send by HTTP Request", "send-http-request", request)


def _behind_webhook(name: str, path: str, *nodes: Node, settings: dict[str, Any] | None = None) -> Workflow:
    parameters = {"httpMethod": "POST", "path": path, "options": {}}
    trigger = _node("Webhook", "webhook", 2, parameters, webhookId=_stable_id(path))
    return Workflow(name, "webhook", path, (trigger, *nodes), settings or {})


def _whatsapp_node(name: str, recipient: str, parameters: dict[str, Any]) -> Node:
    message = {
        "resource": "message",
        "phoneNumberId": PHONE_NUMBER_ID,
        "recipientPhoneNumber": recipient,
        **parameters,
    }
    credentials = ("whatsAppApi",)
    return _node(name, "whatsApp", 1.1, message, webhookId=_stable_id(name), credentials=credentials)


def _wait(amount: int, unit: str) -> Node:
    parameters = {"resume": "timeInterval", "amount": amount, "unit": unit}
    return _node("Wait", "wait", 1.1, parameters, webhookId=_stable_id("wait", str(amount), unit))


def _done() -> Node:
    return _node("Done", "noOp", 1, {})


def _node(name: str, kind: str, version: float, parameters: dict[str, Any], **more: Any) -> Node:
    return {
        "id": _stable_id(name, kind),
        "name": name,
        "type": f"n8n-nodes-base.{kind}",
        "typeVersion": version,
        "position": [0, 0],
        "parameters": parameters,
        **more,
    }


def _stable_id(*parts: str) -> str:
    """The same id in every n8n, so that a rebuilt one listens where the old one did."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(("ticktrail-lab", *parts))))
