"""Nothing that a person writes, wherever it ends up in an execution, becomes a status event or a send.

The executions are built from a trigger into which a person's words came, nodes of every kind behind it, and forged
webhooks and answers in every form, as texts and as objects. A caller of a Webhook node's public address is not a
person in this sense: docs/concepts.md says what such an address means.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.forged import ANSWER, ENVELOPE, REFUSAL, STATUS, VALUE

from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.model import Outcome

OBJECTS = [
    STATUS,
    VALUE,
    ENVELOPE,
    {"statuses": [STATUS]},
    {"value": VALUE},
    {"body": ENVELOPE},
    {"data": [ENVELOPE]},
    ANSWER,
    {"body": ANSWER},
    {"success": True, "data": ANSWER},
    {"success": True, "messageId": "wamid.A", "to": "966500000066"},
    {"response": [ANSWER]},
    REFUSAL,
    {"statusCode": 400, "body": REFUSAL},
]
SNS = {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": json.dumps(ENVELOPE)}


@st.composite
def forged_texts(draw: st.DrawFn) -> str:
    """A forged object as a person would type it."""
    text = json.dumps(draw(st.sampled_from([*OBJECTS, SNS])))
    form = draw(st.sampled_from(["plain", "twice", "spaced", "escaped", "encoded", "fenced"]))
    if form == "twice":
        return json.dumps(text)
    if form == "spaced":
        return f"\n  {text}\n"
    if form == "escaped":
        return text.replace("statuses", "\\u0073tatuses")
    if form == "encoded":
        return base64.b64encode(text.encode()).decode()
    return f"```json\n{text}\n```" if form == "fenced" else text


def meta(**value: Any) -> dict[str, Any]:
    """A webhook of Meta's with this value, as a Webhook node puts it out."""
    value = {"messaging_product": "whatsapp", "metadata": VALUE["metadata"], **value}
    body = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
    }
    return webhook(body)


def webhook(body: object) -> dict[str, Any]:
    """The item of a Webhook node."""
    return {
        "headers": {"host": "n8n.example.com"},
        "params": {},
        "query": {},
        "body": body,
        "executionMode": "production",
    }


FORMS = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
TEXT_KEYS = [
    *("text", "message", "body", "content", "msg", "caption", "comment", "question", "answer", "note", "prompt"),
    *("input", "query", "value", "data", "payload", "description", "subject", "reply", "statuses", "lastMessage"),
]
BESIDE = [
    {"contact_id": "5"},
    {"id": 7, "name": "Sara"},
    {"subscriber": {"first_name": "Sara"}},
    {"conversation": "c1", "channel": "whatsapp"},
    {"topic": "orders"},
    {"lead": True},
    {"ticket": "T-1", "event": "reply"},
]
NAMED = [
    {"name": "Sara Ali", "id": 7},
    {"email": "sara@example.com"},
    {"first_name": "Sara"},
    {"customer": "C-7"},
    {"label": "Message"},
    {"note": "please call me back"},
]


@st.composite
def person_items(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    """A trigger's type, the execution's mode, and an item that holds a person's text."""
    text = draw(forged_texts())
    key, beside = draw(st.sampled_from(TEXT_KEYS)), draw(st.sampled_from(BESIDE))
    message = {"from": "966500000066", "id": "wamid.IN", "timestamp": "1767100008"}
    kind = draw(
        st.sampled_from(
            [
                "inbound",
                "button",
                "flow",
                "profile",
                "call",
                "endpoint",
                "form",
                "shaped",
                "sent form",
                "queue",
                "surrounded",
                "other",
            ]
        )
    )
    if kind == "inbound":
        return "webhook", "webhook", meta(messages=[{**message, "type": "text", "text": {"body": text}}])
    if kind == "button":
        return "webhook", "webhook", meta(messages=[{**message, "type": "button", "button": {"payload": text}}])
    if kind == "flow":
        reply = {"type": "nfm_reply", "nfm_reply": {"response_json": text}}
        return "webhook", "webhook", meta(messages=[{**message, "type": "interactive", "interactive": reply}])
    if kind == "profile":
        contacts = [{"profile": {"name": text}, "wa_id": "966500000066"}]
        return "whatsAppTrigger", "webhook", {**VALUE, "statuses": [], "contacts": contacts, "field": "messages"}
    if kind == "call":
        return "webhook", "webhook", meta(calls=[{"from": "966500000066", "biz_opaque_callback_data": text}])
    if kind == "endpoint":
        return "webhook", "webhook", webhook({"action": "data_exchange", "flow_token": "t", "data": {key: text}})
    if kind == "form":
        trigger = draw(
            st.sampled_from(["formTrigger", "chatTrigger", "emailReadImap", "telegramTrigger", "slackTrigger"])
        )
        return trigger, "webhook", {key: text, **beside}  # type: ignore[dict-item]
    if kind == "shaped":
        trigger = draw(st.sampled_from(["formTrigger", "chatTrigger", "emailReadImap", "messengerTrigger"]))
        return trigger, "webhook", draw(st.sampled_from(OBJECTS))
    if kind == "sent form":
        shaped = draw(st.sampled_from([{key: text, **beside}, {key: draw(st.sampled_from(OBJECTS))}, *OBJECTS]))  # type: ignore[dict-item]
        item = webhook(shaped)
        item["headers"]["content-type"] = draw(st.sampled_from(FORMS))
        return "webhook", "webhook", item if draw(st.booleans()) else {**item, "body": {}, "query": shaped}
    if kind == "surrounded":
        shaped = draw(st.sampled_from(OBJECTS))
        surrounded = draw(st.sampled_from([{**draw(st.sampled_from(NAMED)), "extra": shaped}, {"form": {"a": shaped}}]))
        return "webhook", "webhook", webhook(draw(st.sampled_from([surrounded, [surrounded], json.dumps(surrounded)])))
    if kind == "queue":
        trigger = draw(
            st.sampled_from(["rabbitmqTrigger", "kafkaTrigger", "mqttTrigger", "redisTrigger", "amqpTrigger"])
        )
        return trigger, "trigger", {"message": {key: text, **beside}, "topic": "wa"}  # type: ignore[dict-item]
    trigger, mode = draw(
        st.sampled_from(
            [
                ("webhook", "webhook"),
                ("executeWorkflowTrigger", "integrated"),
                ("executeWorkflowTrigger", "retry"),
                ("errorTrigger", "error"),
                ("mcpTrigger", "webhook"),
                ("", "integrated"),
                ("", "webhook"),
            ]
        )
    )
    depth = draw(st.sampled_from([lambda x: x, lambda x: {"data": x}, lambda x: [x, {"contact_id": "6"}]]))
    inner = depth({key: text, **beside})  # type: ignore[dict-item]
    return trigger, mode, webhook(inner) if trigger == "webhook" else {"body": inner}


LATER: list[tuple[str, dict[str, Any]]] = [
    ("n8n-nodes-base.code", {"jsCode": "return JSON.parse($json.text)"}),
    ("n8n-nodes-base.code", {"jsCode": "// https://graph.facebook.com/v24.0/2/messages"}),
    ("n8n-nodes-base.set", {}),
    ("n8n-nodes-base.splitOut", {}),
    ("n8n-nodes-base.postgres", {}),
    ("n8n-nodes-base.googleSheets", {}),
    ("n8n-nodes-base.wait", {"resume": "webhook"}),
    ("n8n-nodes-base.executeWorkflow", {}),
    ("n8n-nodes-base.httpRequest", {"url": "={{ $json.body.link }}"}),
    ("n8n-nodes-base.httpRequest", {"method": "POST", "url": "={{ $json.link }}", "jsonBody": '={"to": "1"}'}),
    ("n8n-nodes-base.httpRequest", {"url": "=https://{{ $json.host }}/messages"}),
    ("n8n-nodes-base.httpRequest", {"url": "https://api.example.com{{ $json.path }}"}),
    ("n8n-nodes-base.httpRequestTool", {"url": "={{ $fromAI('url') }}"}),
    ("@n8n/n8n-nodes-langchain.toolHttpRequest", {"url": "{address}"}),
    ("@n8n/n8n-nodes-langchain.agent", {}),
    ("@n8n/n8n-nodes-langchain.outputParserStructured", {}),
    ("n8n-nodes-base.whatsAppTrigger", {}),
    ("n8n-nodes-base.whatsApp", {"operation": "sendAndWait"}),
    ("n8n-nodes-base.whatsApp", {"disabled": True}),
    ("n8n-nodes-base.httpRequest", {"url": "https://relay.example.com/a", "disabled": True}),
    ("", {}),
]


def execution(
    trigger: str,
    mode: str,
    item: dict[str, Any],
    later: list[tuple[str, dict[str, Any], Any]],
    *,
    sources: bool = True,
) -> bytes:
    """An execution in which a trigger received an item and these nodes put something out, one behind the other.

    Args:
        sources: every run names the node before it; otherwise only the first one does.
    """
    nodes = [{"name": "Start", "type": f"n8n-nodes-base.{trigger}" if trigger else "", "parameters": {}}]
    runs: dict[str, Any] = {"Start": [{"startTime": 1795355170710, "source": [], "data": {"main": [[{"json": item}]]}}]}
    previous: str | None = "Start"
    for number, (kind, parameters, made) in enumerate(later):
        name = f"Node {number}"
        disabled = parameters.get("disabled", False)
        nodes.append({"name": name, "type": kind, "parameters": parameters, "disabled": disabled})
        output = {"main": [[{"json": made, "pairedItem": {"item": 0}}]]}
        runs[name] = [{"startTime": 1795355170711 + number, "source": [{"previousNode": previous}], "data": output}]
        previous = name if sources else None
    return json.dumps(
        {
            "id": "5001",
            "workflowId": "w",
            "mode": mode,
            "status": "success",
            "startedAt": "2026-11-22T13:46:10.696Z",
            "data": {"resultData": {"runData": runs}},
            "workflowData": {"id": "w", "nodes": nodes},
        }
    ).encode()


@st.composite
def forged_executions(draw: st.DrawFn) -> bytes:
    """An execution into which a person's words came, with up to three nodes that made something of them."""
    trigger, mode, item = draw(person_items())
    made = st.one_of(
        st.sampled_from(OBJECTS),
        st.builds(lambda key, text: {key: text}, st.sampled_from(TEXT_KEYS), forged_texts()),
    )
    nodes = st.tuples(st.sampled_from(LATER), made).map(lambda drawn: (*drawn[0], drawn[1]))
    later = draw(st.lists(nodes, max_size=3))
    # A trigger has no node before it, and what Meta's trigger receives is Meta's.
    sources = draw(st.booleans()) or any("Trigger" in kind for kind, _, _ in later)
    return execution(trigger, mode, item, later, sources=sources)


@settings(max_examples=600)
@given(forged_executions())
@example(execution("webhook", "webhook", webhook({"text": json.dumps({"statuses": [STATUS]}), "contact_id": "5"}), []))
def test_no_text_of_a_person_becomes_an_event_or_a_send(raw: bytes) -> None:
    """Whatever nodes make of a person's words, no event and no send comes of it."""
    found = extract(raw)

    assert found.events == ()
    assert found.sends == ()
    assert found.outcome in {Outcome.NONE, Outcome.NOT_READ}


TEXTS = [json.dumps(forged) for forged in (ENVELOPE, VALUE, {"statuses": [STATUS]}, STATUS, SNS)]


@pytest.mark.parametrize("beside", BESIDE, ids=json.dumps)
@pytest.mark.parametrize("key", TEXT_KEYS)
def test_no_text_in_a_request_of_a_person_is_opened(key: str, beside: dict[str, Any]) -> None:
    """Whatever a text is called and whatever is beside it, a forged webhook in it is not read, and counted."""
    for text in (*TEXTS, *map(json.dumps, TEXTS)):
        for body in ({key: text, **beside}, {"data": {key: text, **beside}}, [{key: text, **beside}]):
            found = extract(execution("webhook", "webhook", webhook(body), []))
            assert found.events == ()
            if "statuses" in text:
                assert (found.outcome, found.reason) == (Outcome.NOT_READ, "text")


@st.composite
def fetched_executions(draw: st.DrawFn) -> bytes:
    """A timer's or a campaign's execution in which a customer's address was fetched and answered with a forgery."""
    trigger, mode, item = draw(
        st.sampled_from(
            [
                ("scheduleTrigger", "trigger", {"timestamp": "2026-11-22T13:46:10.000Z"}),
                ("webhook", "webhook", webhook({"link": "https://evil.example/a"})),
                ("manualTrigger", "manual", {}),
            ]
        )
    )
    row = {"link": "https://evil.example/a", "host": "evil.example", "path": ".evil.example/a"}
    fetches = [(kind, parameters) for kind, parameters in LATER if "url" in parameters and "disabled" not in parameters]
    kind, parameters = draw(st.sampled_from(fetches))
    behind = draw(st.sampled_from(LATER[:3]))
    made = draw(st.sampled_from(OBJECTS))
    return execution(
        trigger, mode, item, [("n8n-nodes-base.googleSheets", {}, row), (kind, parameters, made), (*behind, made)]
    )


@settings(max_examples=300)
@given(fetched_executions())
def test_no_answer_of_an_address_from_the_data_becomes_an_event_or_a_send(raw: bytes) -> None:
    """The answer of a server whose address came from the data is not believed, nor what later nodes make of it."""
    found = extract(raw)

    assert found.events == ()
    assert found.sends == ()
