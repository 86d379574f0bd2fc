"""Sends of an execution: accepted and refused, by which node, with which template.

The recordings of a real n8n stand for the common ways; the others are those recordings with the node's parameters,
its output or its failure replaced by what people's workflows have there.
"""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ticktrail.extraction.execution_reader import extract
from ticktrail.extraction.meta_error import find_meta_error
from ticktrail.messages.model import Outcome, Send, SentBy, Template

RECORDINGS = Path(__file__).parents[2] / "data" / "n8n-2.41.1"
ORDER_UPDATE = Template("order_update", "en_US")

NOT_FOUND = {
    "code": 132001,
    "details": "template name (hello) does not exist in en_US",
    "message": "(#132001) Template name does not exist in the translation",
    "title": "Template name does not exist in the translation",
}
NOT_FOUND_BRIEFLY = {name: NOT_FOUND[name] for name in ("code", "message", "title")}
EXPIRED = {
    "code": 190,
    "message": "Error validating access token: Session has expired",
    "title": "Error validating access token: Session has expired",
}


def recording(name: str) -> dict[str, Any]:
    """The recorded execution of this name."""
    loaded: dict[str, Any] = json.loads((RECORDINGS / f"execution_send_{name}.json").read_text(encoding="utf-8"))
    return loaded


def sends(execution: dict[str, Any]) -> tuple[Send, ...]:
    """The sends in an execution, in which there is nothing to complain of and no status."""
    found = extract(json.dumps(execution).encode())
    assert (found.problems, found.events) == ((), ())
    return found.sends


def runs(execution: dict[str, Any]) -> dict[str, Any]:
    """Node name → its runs."""
    found: dict[str, Any] = execution["data"]["resultData"]["runData"]
    return found


def sender(execution: dict[str, Any]) -> dict[str, Any]:
    """The only run of the node that sends, which is the second."""
    run: dict[str, Any] = list(runs(execution).values())[1][0]
    return run


def parameters(execution: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the node that sends."""
    found: dict[str, Any] = execution["workflowData"]["nodes"][1]["parameters"]
    return found


def item(json_: object, of_input: int = 0, **more: Any) -> dict[str, Any]:
    """An item made from the input item of this index."""
    return {"json": json_, "pairedItem": {"item": of_input}, **more}


def answer(message_id: str, to: str = "966500000001", status: str | None = "accepted") -> dict[str, Any]:
    """Meta's answer to a send that it accepts."""
    message = {"id": message_id} if status is None else {"id": message_id, "message_status": status}
    contacts = [{"input": f"+{to}", "wa_id": to}]
    return {"messaging_product": "whatsapp", "contacts": contacts, "messages": [message]}


def node_run(number: int, previous: str, *items: dict[str, Any], start: int = 1795358300000) -> dict[str, Any]:
    """The run of a node behind ``previous`` that put these items out."""
    return {
        "startTime": start + number,
        "executionIndex": number,
        "source": [{"previousNode": previous, "previousNodeOutput": 0, "previousNodeRun": 0}],
        "executionStatus": "success",
        "data": {"main": [list(items)]},
    }


def received(execution: dict[str, Any]) -> dict[str, Any]:
    """The JSON of the first item that the trigger put out."""
    json_: dict[str, Any] = runs(execution)["Webhook"][0]["data"]["main"][0][0]["json"]
    return json_


# --- The recordings.


@pytest.mark.parametrize(
    ("name", "wamid", "node", "sent_at", "template"),
    [
        ("template_accepted", "wamid.SENT0001", "Send template", "14:37:01.308", ORDER_UPDATE),
        ("text_accepted", "wamid.SENT0002", "Send message", "14:37:01.662", None),
        ("template_continue_on_fail_accepted", "wamid.SENT0003", "Send template", "14:37:02.188", ORDER_UPDATE),
        ("http_request_accepted", "wamid.SENT0004", "HTTP Request", "14:37:34.123", ORDER_UPDATE),
    ],
)
def test_accepted(name: str, wamid: str, node: str, sent_at: str, template: Template | None) -> None:
    """An accepted send has Meta's id and answer, the node that sent, its start and its template."""
    execution = recording(name)

    assert sends(execution) == (
        Send(
            key=wamid,
            message_id=wamid,
            sent_by=SentBy(execution["workflowId"], node, execution["id"]),
            status="accepted",
            sent_at=datetime.fromisoformat(f"2026-11-22T{sent_at}+00:00"),
            conversation_id="966500000001",
            input="+966500000001",
            template=template,
        ),
    )


@pytest.mark.parametrize(
    ("name", "node", "recipient", "template", "error"),
    [
        ("template_rejected_132001", "Send template", "966500009999", ORDER_UPDATE, NOT_FOUND),
        ("template_rejected_190", "Send template", "966500008888", ORDER_UPDATE, EXPIRED),
        ("text_rejected_132001", "Send message", "966500009999", None, NOT_FOUND),
        ("text_rejected_190", "Send message", "966500008888", None, EXPIRED),
        (
            "template_continue_on_fail_rejected_132001",
            "Send template",
            "966500009999",
            ORDER_UPDATE,
            NOT_FOUND_BRIEFLY,
        ),
        ("template_continue_on_fail_rejected_190", "Send template", "966500008888", ORDER_UPDATE, EXPIRED),
        ("http_request_rejected_132001", "HTTP Request", "966500009999", ORDER_UPDATE, NOT_FOUND),
        ("http_request_rejected_190", "HTTP Request", "966500008888", ORDER_UPDATE, EXPIRED),
    ],
)
def test_refused(name: str, node: str, recipient: str, template: Template | None, error: dict[str, Any]) -> None:
    """A refused send has no message id; it has Meta's error with its code, the recipient and the template."""
    execution = recording(name)

    (send,) = sends(execution)

    assert (send.message_id, send.rejected, send.status) == (None, True, "rejected")
    assert send.sent_by == SentBy(execution["workflowId"], node, execution["id"])
    assert (send.input, send.template) == (recipient, template)
    assert send.errors == (error,)
    assert send.conversation_id is None
    assert send.sent_at is not None
    assert send.sent_at.timestamp() * 1000 == sender(execution)["startTime"]


def test_keys_of_refused_sends_tell_attempts_apart() -> None:
    """Every refused attempt has a key of its own, the same on every reading and no other recording's."""
    names = sorted(path.stem.removeprefix("execution_send_") for path in RECORDINGS.glob("*_rejected_*.json"))
    keys = [sends(recording(name))[0].key for name in names]

    assert len(names) == 8
    assert len(set(keys)) == 8
    assert [sends(recording(name))[0].key for name in names] == keys


def test_no_text_and_no_secret_is_kept() -> None:
    """Of a send neither the message's text nor the customer's name nor anything of a request's head is kept."""
    for path in RECORDINGS.glob("execution_send_*.json"):
        execution = json.loads(path.read_text(encoding="utf-8"))
        kept = repr(extract(json.dumps(execution).encode()).sends)
        assert "Sara" not in kept
        assert "Bearer" not in kept
        assert "hub-signature" not in kept


# --- Accepted: shapes of the answer.


@pytest.mark.parametrize(
    ("json_", "wamid", "status"),
    [
        (answer("wamid.A1"), "wamid.A1", "accepted"),
        (answer("wamid.A1", status=None), "wamid.A1", "accepted"),
        (answer("wamid.A1", status="held_for_quality_assessment"), "wamid.A1", "held_for_quality_assessment"),
        (answer("wamid.A1", status="paused"), "wamid.A1", "paused"),
        ({"headers": {}, "statusCode": 200, "statusMessage": "OK", "body": answer("wamid.A1")}, "wamid.A1", "accepted"),
        ([answer("wamid.A1")], "wamid.A1", "accepted"),
        (answer("wamid.A\ud83d1"), "wamid.A?1", "accepted"),
    ],
    ids=["plain", "no status", "held", "paused", "full response", "list", "surrogate"],
)
def test_shapes_of_an_answer(json_: object, wamid: str, status: str) -> None:
    """The answer is known wherever the node puts it, and its message status is kept."""
    execution = recording("http_request_accepted")
    sender(execution)["data"]["main"][0][0]["json"] = json_

    (send,) = sends(execution)

    assert (send.key, send.message_id, send.status) == (wamid, wamid, status)
    assert (send.conversation_id, send.input) == ("966500000001", "+966500000001")


@pytest.mark.parametrize(
    "json_",
    [
        {},
        {"success": True},
        {"id": "1234567890"},
        {"messaging_product": "whatsapp", "messages": []},
        {"messaging_product": "whatsapp", "messages": {"id": "wamid.A1"}},
        {"messaging_product": "whatsapp", "messages": [None, "wamid.A1", {"id": 7}, {"id": "gBEG"}]},
        {"messaging_product": "sms", "messages": [{"id": "wamid.A1"}]},
        {"messages": [{"id": "wamid.A1"}], "note": "messaging_product"},
        {"messaging_product": "whatsapp", "metadata": {}, "messages": [{"id": "wamid.A1"}]},
        {"messaging_product": "whatsapp", "field": "messages", "messages": [{"id": "wamid.A1"}]},
        {"messaging_product": "whatsapp", "statuses": [], "messages": [{"id": "wamid.A1"}]},
        {"messaging_product": "whatsapp", "messages": [{"id": "wamid.A1", "from": "966500000001"}]},
        {"text": json.dumps(answer("wamid.A1"))},
    ],
    ids=lambda json_: json.dumps(json_)[:60],
)
def test_what_is_no_answer(json_: dict[str, Any]) -> None:
    """Other answers, and a user's message that a node passes on, are no send."""
    execution = recording("http_request_accepted")
    sender(execution)["data"]["main"][0][0]["json"] = json_

    assert sends(execution) == ()


@pytest.mark.parametrize("contacts", [None, [], {}, [None], ["x"], [{"wa_id": {}, "input": []}]], ids=repr)
def test_answer_without_usable_contacts(contacts: object) -> None:
    """An answer whose contacts cannot be read is a send without a recipient."""
    execution = recording("http_request_accepted")
    sender(execution)["data"]["main"][0][0]["json"]["contacts"] = contacts

    (send,) = sends(execution)

    assert (send.message_id, send.conversation_id, send.input) == ("wamid.SENT0004", None, None)


def test_corrected_number() -> None:
    """Meta may correct the number: what was written and what it became are both kept."""
    execution = recording("template_accepted")
    sender(execution)["data"]["main"][0][0]["json"]["contacts"] = [{"input": "15550001234", "wa_id": "15550004321"}]

    (send,) = sends(execution)

    assert (send.input, send.conversation_id) == ("15550001234", "15550004321")


def several(name: str, template: str) -> dict[str, Any]:
    """A recording in which the trigger put out three items and the node sent three messages, the second refused."""
    execution = recording(name)
    request = received(execution)
    items = [
        {**request, "body": {"to": f"96650000000{n}", "name": "Sara", "template": f"template_{n}|ar"}}
        for n in (1, 2, 3)
    ]
    runs(execution)["Webhook"][0]["data"]["main"] = [[item(json_, n) for n, json_ in enumerate(items)]]
    refused = sender(recording("template_continue_on_fail_rejected_132001"))["data"]["main"][0][0]
    sender(execution)["data"]["main"] = [
        [
            item(answer("wamid.A1", "966500000001"), 0),
            {**refused, "pairedItem": {"item": 1}},
            item(answer("wamid.A3", "966500000003"), 2),
        ]
    ]
    parameters(execution)["template"] = template
    del runs(execution)["Next"]
    return execution


def test_several_items_in_one_node() -> None:
    """One run sent three messages: each has its own recipient and template, and a refused one costs only itself."""
    first, third, second = sends(several("template_continue_on_fail_accepted", "={{ $json.body.template }}"))

    assert (first.message_id, first.conversation_id, first.template) == (
        "wamid.A1",
        "966500000001",
        Template("template_1", "ar"),
    )
    assert (second.message_id, second.input, second.template) == (None, "966500000002", Template("template_2", "ar"))
    assert second.errors == (NOT_FOUND_BRIEFLY,)
    assert (third.message_id, third.conversation_id, third.template) == (
        "wamid.A3",
        "966500000003",
        Template("template_3", "ar"),
    )


def test_template_of_another_node_with_several_items() -> None:
    """Of several items of another node the one counts that the sending node's item was made from."""
    execution = several("template_continue_on_fail_accepted", "={{ $('Webhook').item.json.body.template }}")

    assert [send.template for send in sends(execution)] == [
        Template("template_1", "ar"),
        Template("template_3", "ar"),
        Template("template_2", "ar"),
    ]


def test_template_of_an_item_that_is_not_paired() -> None:
    """Where an item does not say what it was made from, the template is unknown, never the first one's."""
    execution = several("template_continue_on_fail_accepted", "={{ $('Webhook').item.json.body.template }}")
    runs(execution)["Between"] = [node_run(1, "Webhook", *({"json": {"n": n}} for n in range(3)))]
    sender(execution)["source"] = [{"previousNode": "Between"}]

    assert [send.template for send in sends(execution)] == [None, None, None]


def test_several_items_whose_order_changed() -> None:
    """Output items are held against the input items they say they were made from, not those at the same place."""
    execution = several("template_continue_on_fail_accepted", "={{ $json.body.template }}")
    sender(execution)["data"]["main"][0].reverse()

    templates = {send.message_id or "refused": send.template for send in sends(execution)}

    assert templates == {
        "wamid.A1": Template("template_1", "ar"),
        "refused": Template("template_2", "ar"),
        "wamid.A3": Template("template_3", "ar"),
    }


def test_several_runs_of_one_node() -> None:
    """A node in a loop ran twice: two sends, each refused one with a key of its own."""
    execution = recording("template_continue_on_fail_rejected_132001")
    again = copy.deepcopy(sender(execution))
    again["executionIndex"] = 3
    runs(execution)["Send template"].append(again)

    first, second = sends(execution)

    assert first.errors == second.errors
    assert first.key != second.key


# --- Which template.


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("order_update|en_US", ORDER_UPDATE),
        ("order_update", Template("order_update")),
        ("order_update|", Template("order_update")),
        ("={{ $json.body.template }}", Template("promo", "ar")),
        ("={{$json.body.template}}", Template("promo", "ar")),
        ('={{ $json["body"]["template"] }}', Template("promo", "ar")),
        ("={{ $json.body['template'] }}", Template("promo", "ar")),
        ("={{ $('Webhook').item.json.body.template }}", Template("promo", "ar")),
        ('={{ $("Webhook").first().json.body.template }}', Template("promo", "ar")),
        ("={{ $json.body.missing }}", None),
        ("={{ $json.body.template.name }}", None),
        ("={{ $('Nowhere').item.json.body.template }}", None),
        ("={{ $json.body.template.toUpperCase() }}", Template("PROMO", "AR")),
        ("={{ $json.body.template.normalize() }}", None),
        ("={{ $json.body.a + $json.body.b }}", None),
        ("=promo_{{ $json.body.to }}|ar", Template("promo_966500000001", "ar")),
        ("=promo_{{ $json.body.missing }}|ar", None),
        ("", None),
        ("|ar", None),
        (None, None),
        (7, None),
        ({"name": "promo"}, None),
    ],
    ids=repr,
)
def test_template_of_the_whatsapp_node(written: object, expected: Template | None) -> None:
    """A literal or a plain look-up names the template; anything else is unknown, never guessed."""
    execution = recording("template_accepted")
    received(execution)["body"]["template"] = "promo|ar"
    parameters(execution)["template"] = written

    (send,) = sends(execution)

    assert send.template == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"template": {"name": "promo", "language": {"code": "ar"}}}', Template("promo", "ar")),
        (
            '={"to": "{{ $json.body.to }}", "template": {"name": "promo", "language": {"code": "ar"}}}',
            Template("promo", "ar"),
        ),
        ('={"template": {"name": "promo", "language": {"code": "{{ $json.body.lang }}"}}}', Template("promo")),
        ('={"template": {"name": "{{ $json.body.template }}", "language": {"code": "ar"}}}', None),
        ('={"template": {"name": "order_{{ $json.body.kind }}", "language": {"code": "ar"}}}', None),
        ('={"template": {"name": "promo", "language": {"code": "en_{{ $json.body.land }}"}}}', Template("promo")),
        (
            '={"to": {{ $json.body.to }}, "template": {"name": "promo", "language": {"code": "ar"}}}',
            Template("promo", "ar"),
        ),
        ("={{ $json.body.request }}", Template("promo", "ar")),
        ("={{ JSON.stringify($json.body.request) }}", Template("promo", "ar")),
        ('={"type": "text", "text": {"body": "{{ $json.body.name }}"}}', None),
        ("={{ broken", None),
        ('{"template": "promo"}', None),
        ('{"template": {"name": 7, "language": []}}', None),
        ({"template": {"name": "promo", "language": {"code": "ar"}}}, Template("promo", "ar")),
        (None, None),
    ],
    ids=repr,
)
def test_template_of_an_http_request(written: object, expected: Template | None) -> None:
    """The JSON body names the template, expressions in other places notwithstanding; a name made by one is unknown."""
    execution = recording("http_request_accepted")
    received(execution)["body"]["request"] = {"template": {"name": "promo", "language": {"code": "ar"}}}
    parameters(execution)["jsonBody"] = written

    (send,) = sends(execution)

    if isinstance(written, str) and '"name": 7' in written:
        assert send.template is None or send.template.name == "7"
    else:
        assert send.template == expected


def test_template_of_an_http_request_by_fields() -> None:
    """The body may be written field by field, the template in one of them as JSON text."""
    execution = recording("http_request_accepted")
    del parameters(execution)["jsonBody"]
    parameters(execution)["bodyParameters"] = {
        "parameters": [
            {"name": "messaging_product", "value": "whatsapp"},
            {"name": "to", "value": "={{ $json.body.to }}"},
            {"name": "template", "value": '{"name": "promo", "language": {"code": "ar"}}'},
        ]
    }

    (send,) = sends(execution)

    assert send.template == Template("promo", "ar")


@pytest.mark.parametrize(
    "fields",
    [
        None,
        7,
        "template",
        [],
        {},
        {"parameters": None},
        {"parameters": 7},
        {"parameters": True},
        {"parameters": "template"},
        {"parameters": {"name": "template"}},
        {"parameters": [None, 7, "template", {}, {"name": "template"}, {"name": "template", "value": 7}]},
        {"parameters": [{"name": "template", "value": "={{ $json.body.missing }}"}]},
    ],
    ids=repr,
)
def test_fields_of_wrong_types_name_no_template(fields: object) -> None:
    """Body fields that cannot be read cost the template, not the send."""
    execution = recording("http_request_accepted")
    del parameters(execution)["jsonBody"]
    parameters(execution)["bodyParameters"] = fields

    (send,) = sends(execution)

    assert (send.message_id, send.template) == ("wamid.SENT0004", None)


def test_template_of_a_refused_http_request_is_what_was_sent() -> None:
    """Of a refused request n8n keeps the body that was really sent: it goes before the parameters."""
    execution = recording("http_request_rejected_132001")
    sender(execution)["error"]["context"]["request"]["body"]["template"] = {"name": "promo", "language": {"code": "ar"}}

    (send,) = sends(execution)

    assert send.template == Template("promo", "ar")


@pytest.mark.parametrize("workflow", [None, {}, [], {"nodes": None}, {"nodes": [None, 7]}], ids=repr)
def test_send_without_the_snapshot(workflow: object) -> None:
    """Without a readable snapshot of the workflow an accepted send is still known, by its shape."""
    execution = recording("template_accepted") | {"workflowData": workflow}

    (send,) = sends(execution)

    assert (send.message_id, send.sent_by.node, send.template) == ("wamid.SENT0001", "Send template", None)


# --- Who sent.


def test_copies_belong_to_the_node_that_sent() -> None:
    """Nodes that pass the answer on did not send it."""
    execution = recording("template_accepted")
    passed_on = item({**answer("wamid.SENT0001"), "logged": True})
    runs(execution)["Log"] = [node_run(2, "Send template", passed_on)]
    runs(execution)["Archive"] = [node_run(3, "Log", passed_on)]

    (send,) = sends(execution)

    assert send.sent_by.node == "Send template"


def test_copies_that_stand_first_in_the_run_data() -> None:
    """The order of names in the run data does not decide who sent."""
    execution = recording("template_accepted")
    passed_on = [node_run(2, "Send template", item(answer("wamid.SENT0001")))]
    execution["data"]["resultData"]["runData"] = {"Log": passed_on, **runs(execution)}

    (send,) = sends(execution)

    assert send.sent_by.node == "Send template"


RETRIED_AT = "2026-11-22T14:40:00.000Z"
RETRY_STARTED = 1795358400100


def retry(name: str) -> dict[str, Any]:
    """The recording as n8n copies it into the retry of a later node's failure."""
    return recording(name) | {"id": "1300", "mode": "retry", "retryOf": "1249", "startedAt": RETRIED_AT}


@pytest.mark.parametrize("name", ["template_accepted", "template_continue_on_fail_rejected_132001"])
def test_retry_does_not_send_again(name: str) -> None:
    """A retried execution carries a copy of the first one's run: the send belongs to the first, under the same key."""
    original = recording(name) | {"id": "1249"}

    assert sends(retry(name)) == sends(original)


def test_retry_of_a_node_that_passes_on() -> None:
    """The retry runs a later node again and counts from nought: the node before it sent all the same."""
    execution = retry("template_accepted")
    again = node_run(0, "Send template", item(answer("wamid.SENT0001")), start=RETRY_STARTED)
    runs(execution)["Log"] = [again]

    (send,) = sends(execution)

    assert send.sent_by == SentBy(execution["workflowId"], "Send template", "1249")
    assert send.template == ORDER_UPDATE


def test_retry_that_sends_again() -> None:
    """A send that the retry itself made belongs to the retry."""
    execution = retry("template_accepted")
    sender(execution)["startTime"] = RETRY_STARTED

    (send,) = sends(execution)

    assert send.sent_by.execution_id == "1300"
    assert send.sent_at == datetime(2026, 11, 22, 14, 40, 0, 100_000, tzinfo=UTC)


@pytest.mark.parametrize("original", [None, 1249, "1249", [], {}], ids=repr)
def test_retry_of_ids_of_other_types(original: object) -> None:
    """The id of the retried execution may be a number; what is no id leaves the send with the retry."""
    execution = retry("template_accepted") | {"retryOf": original}

    (send,) = sends(execution)

    assert send.sent_by.execution_id == ("1249" if original in (1249, "1249") else "1300")


@pytest.mark.parametrize(
    ("start", "sent_at"),
    [
        (1795358221308, "2026-11-22T14:37:01.308000+00:00"),
        (1795358221, "2026-11-22T14:37:01+00:00"),
        (1795358221308.7, "2026-11-22T14:37:01.308000+00:00"),
        (None, "2026-11-22T14:37:01+00:00"),
        ("soon", "2026-11-22T14:37:01+00:00"),
        (True, "2026-11-22T14:37:01+00:00"),
        (-5, "2026-11-22T14:37:01+00:00"),
        (10**30, "2026-11-22T14:37:01+00:00"),
    ],
    ids=repr,
)
def test_time_of_a_send(start: object, sent_at: str) -> None:
    """A send happened when its node started; where that is unknown, when the execution did."""
    execution = recording("template_accepted")
    sender(execution)["startTime"] = start

    (send,) = sends(execution)

    assert send.sent_at is not None
    assert send.sent_at.isoformat() == sent_at


@pytest.mark.parametrize("started", [None, "soon", -99999999999, "0001-01-01T00:00:00+23:00"], ids=repr)
def test_time_of_a_send_is_unknown(started: object) -> None:
    """Where neither start is a moment of this world the send has no time, and is a send all the same."""
    execution = recording("template_accepted") | {"startedAt": started}
    sender(execution)["startTime"] = None

    (send,) = sends(execution)

    assert (send.message_id, send.sent_at) == ("wamid.SENT0001", None)


def test_names_of_nodes_are_fit_for_every_store() -> None:
    """A node's name goes into the send record, so it holds no NUL, no half character and no key separator."""
    text = json.dumps(recording("template_accepted")).replace("Send template", "Send\\u0000\\ud83d\\u001f")

    (send,) = extract(text.encode()).sends

    assert send.sent_by.node == "Send\ufffd?\ufffd"
    assert send.template == ORDER_UPDATE


# --- Refused: shapes of the failure.


def test_refused_http_request_that_continues() -> None:
    """An HTTP Request that continues on failure puts Meta's JSON into the text of its error."""
    execution = recording("http_request_accepted")
    body = json.dumps({"error": {"message": NOT_FOUND["message"], "code": 132001}})
    text = f"404 - {json.dumps(body)}"
    failure = {"message": text, "name": "AxiosError", "stack": "AxiosError", "code": "ERR_BAD_REQUEST", "status": 404}
    sender(execution)["data"]["main"] = [[item({"error": failure})]]

    (send,) = sends(execution)

    assert (send.rejected, send.message_id, send.template) == (True, None, ORDER_UPDATE)
    assert send.errors == (NOT_FOUND_BRIEFLY,)


@pytest.mark.parametrize(
    "written",
    [
        '={"messaging_product": "whatsapp", "to": "{{ $json.body.to }}", "type": "text"}',
        "={{ JSON.stringify({messaging_product: 'whatsapp', to: $json.body.to, type: 'text'}) }}",
        "={{ {'messaging_product': 'whatsapp', 'to': $json.body.to} }}",
        '={"messaging_product": "whatsapp", "recipient": "{{ $json.body.bsuid }}", "type": "text"}',
    ],
)
def test_refused_http_request_however_its_body_is_written(written: str) -> None:
    """That a request was a send shows in its body, however that is written and whatever its recipient is called."""
    execution = recording("template_continue_on_fail_rejected_132001")
    node = execution["workflowData"]["nodes"][1]
    node |= {"type": "n8n-nodes-base.httpRequest", "parameters": {"method": "POST", "jsonBody": written}}

    (send,) = sends(execution)

    assert (send.rejected, send.errors) == (True, (NOT_FOUND_BRIEFLY,))


def test_refused_http_request_to_a_user_id() -> None:
    """A request to a business-scoped user id names a recipient instead of a number."""
    execution = recording("http_request_rejected_132001")
    body = sender(execution)["error"]["context"]["request"]["body"]
    del body["to"]
    body["recipient"] = "SA.9001"

    (send,) = sends(execution)

    assert (send.rejected, send.input) == (True, "SA.9001")


@pytest.mark.parametrize("full", [False, True], ids=["answer only", "full response"])
@pytest.mark.parametrize("message", ["(#132001) Template name does not exist in the translation", "Invalid parameter"])
def test_refused_http_request_that_never_errs(message: str, *, full: bool) -> None:
    """With the option Never Error the node puts Meta's refusal out as if it were an answer."""
    execution = recording("http_request_accepted")
    refusal = {"error": {"message": message, "type": "OAuthException", "code": 132001, "fbtrace_id": "AbC"}}
    sender(execution)["data"]["main"] = [
        [item({"headers": {}, "statusCode": 404, "body": refusal} if full else refusal)]
    ]

    (send,) = sends(execution)

    assert (send.rejected, send.template) == (True, ORDER_UPDATE)
    assert send.errors is not None
    assert (send.errors[0]["code"], send.errors[0]["message"]) == (132001, message)


def test_refused_on_the_error_output() -> None:
    """A node that continues with its error output puts the failed item there, beside the input's own fields."""
    execution = recording("template_continue_on_fail_rejected_132001")
    (failed,) = sender(execution)["data"]["main"][0]
    failed["json"] = {**received(execution), **failed["json"]}
    sender(execution)["data"]["main"] = [[], [failed]]

    (send,) = sends(execution)

    assert (send.rejected, send.input, send.errors) == (True, "966500009999", (NOT_FOUND_BRIEFLY,))


@pytest.mark.parametrize(
    "failure",
    [
        {"message": "connect ECONNREFUSED 203.0.113.1:443", "name": "NodeApiError"},
        {"message": "The service is receiving too many requests from you", "httpCode": "429"},
        {"message": "timeout of 300000ms exceeded", "code": "ECONNABORTED"},
        {"message": '500 - "<html>Bad gateway</html>"'},
        {"message": '500 - "{\\"error\\":\\"internal\\"}"'},
        {"message": None, "description": None, "messages": None},
        {},
    ],
    ids=json.dumps,
)
def test_failure_in_which_meta_did_not_speak(failure: dict[str, Any]) -> None:
    """A node that never reached Meta was refused nothing."""
    execution = recording("template_rejected_132001")
    sender(execution)["error"] = failure

    assert sends(execution) == ()


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ({"errorResponse": {"body": {"error": {"code": 100, "message": "(#100) Invalid parameter"}}}}, 100),
        ({"errorResponse": {"error": {"code": 100, "message": "Invalid parameter"}}}, 100),
        ({"messages": ['400 - "{\\"error\\":{\\"code\\":131009}}"']}, 131009),
        ({"messages": ['400 - {"error":{"code":131009}}']}, 131009),
        ({"messages": [None, 7], "description": "(#131030) Recipient phone number not in allowed list"}, 131030),
        ({"message": "(#368) Temporarily blocked for policies violations"}, 368),
        ({"description": "Error validating access token: Session has expired"}, 190),
        ({"error": "(#10) Application does not have permission for this action"}, 10),
        ("(#131047) Re-engagement message", 131047),
        ({"errorResponse": {"body": {"error": {"code": {}, "message": "x"}}}, "description": "(#33) gone"}, 33),
        ({"description": "(#100) Invalid parameter - see the documentation"}, 100),
        ({"message": '400 - "(#100) Invalid parameter"'}, 100),
        ({"message": 'The value "(#131026) hi" is not supported!'}, None),
        ({"description": "Invalid JSON: (#131026) written by a customer"}, None),
        ({"description": "(#) nothing"}, None),
        ({"errorResponse": "x", "messages": "(#1)", "error": {}}, None),
        ("", None),
        (None, None),
        (7, None),
        (["(#1)"], None),
    ],
    ids=repr,
)
def test_code_in_a_failure(failure: object, expected: int | None) -> None:
    """Meta's code is found where n8n keeps the answer, its text, or only its sentence."""
    error = find_meta_error(failure)

    assert (error and error["code"]) == expected


# --- What is no send.


def test_media_upload_is_no_send() -> None:
    """A WhatsApp node that failed to upload a file was refused no message."""
    execution = recording("template_rejected_132001")
    execution["workflowData"]["nodes"][1]["parameters"] = {"resource": "media", "operation": "mediaUpload"}

    assert sends(execution) == ()


GRAPH = "https://graph.facebook.com/v24.0/106540352242922"


@pytest.mark.parametrize("kept", [True, False], ids=["with the request", "without"])
@pytest.mark.parametrize(
    ("url", "body"),
    [
        (f"{GRAPH}/media", {"messaging_product": "whatsapp", "type": "image/jpeg"}),
        (f"{GRAPH}/messages", {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.IN1"}),
        (f"{GRAPH}/whatsapp_business_profile", {"messaging_product": "whatsapp", "about": "We are open"}),
        ("https://graph.facebook.com/v24.0/act_1/insights", {"level": "ad"}),
        ("https://api.example.com/orders", {"to": "966500000001"}),
    ],
    ids=["media upload", "mark as read", "profile", "ads", "other service"],
)
def test_other_requests_are_no_sends(url: str, body: dict[str, Any], *, kept: bool) -> None:
    """An HTTP Request that failed at something other than sending was refused no message."""
    execution = recording("http_request_rejected_132001")
    sender(execution)["error"]["context"]["request"] |= {"uri": url, "body": body}
    if not kept:
        del sender(execution)["error"]["context"]["request"]
    parameters(execution).update(url=url, jsonBody=json.dumps(body))

    assert sends(execution) == ()


def test_answer_in_the_trigger_is_no_send() -> None:
    """A request that carries an answer, as one workflow may hand it to another, is not this workflow's send."""
    execution = recording("template_accepted")
    received(execution)["body"] = answer("wamid.OTHER")
    del runs(execution)["Send template"]

    assert sends(execution) == ()


def test_pinned_and_evaluated_sends_are_none() -> None:
    """Samples pinned in the editor, and evaluations, sent nothing."""
    pinned = recording("template_accepted") | {"mode": "manual"}
    pinned["data"]["resultData"]["pinData"] = {"Send template": [item(answer("wamid.SENT0001"))]}

    assert sends(pinned) == ()
    assert sends(recording("template_accepted") | {"mode": "evaluation"}) == ()


# --- Replies to a user.


def reply(name: str, node_type: str | None = None) -> dict[str, Any]:
    """A recording whose trigger was a user's message, and whose sending node has this type."""
    execution = recording(name)
    received(execution)["body"] = {
        "object": "whatsapp_business_account",
        "entry": [
            {"changes": [{"field": "messages", "value": {"messages": [{"from": "966500000001", "id": "wamid.I"}]}}]}
        ],
    }
    if node_type is not None:
        execution["workflowData"]["nodes"][1]["type"] = node_type
    return execution


@pytest.mark.parametrize(
    "node_type",
    [
        "n8n-nodes-base.whatsApp",
        "n8n-nodes-base.httpRequest",
        "n8n-nodes-base.facebookGraphApi",
    ],
)
def test_reply_to_a_user_is_a_send(node_type: str) -> None:
    """A node that talks to Meta sends also when a user's message started the execution."""
    (send,) = sends(reply("text_accepted", node_type))

    assert send.message_id == "wamid.SENT0002"


@pytest.mark.parametrize(
    "node_type", ["n8n-nodes-base.code", "n8n-nodes-base.set", "n8n-nodes-base.whatsAppTrigger", ""]
)
def test_answer_made_of_a_users_words_is_no_send(node_type: str) -> None:
    """A node that does not talk to Meta may pass a user's words on: what looks like an answer there is none."""
    assert sends(reply("text_accepted", node_type)) == ()


@pytest.mark.parametrize("source", [[None], [{"previousNode": "AI Agent"}]], ids=["older n8n", "newer n8n"])
def test_send_by_an_agents_tool(source: list[Any]) -> None:
    """An agent sent with the WhatsApp node as its tool: the answer lies in a list under ``response``."""
    execution = reply("text_accepted", "n8n-nodes-base.whatsAppTool")
    sender(execution)["source"] = source
    sender(execution)["data"] = {"ai_tool": [[{"json": {"response": [answer("wamid.SENT0002")]}}]]}

    (send,) = sends(execution)

    assert (send.message_id, send.conversation_id) == ("wamid.SENT0002", "966500000001")


MESSAGES = "https://graph.facebook.com/v24.0/2/messages"
REFUSED = {
    "error": {"message": "(#131030) not in allowed list", "type": "OAuthException", "code": 131030, "fbtrace_id": "A"}
}


@pytest.mark.parametrize(
    ("node_type", "written", "made"),
    [
        (
            "n8n-nodes-base.httpRequest",
            {"url": MESSAGES},
            {"headers": {}, "statusCode": 200, "body": answer("wamid.A")},
        ),
        ("n8n-nodes-base.httpRequest", {"url": MESSAGES}, {"data": json.dumps(answer("wamid.A"))}),
        ("n8n-nodes-base.httpRequestTool", {"url": MESSAGES}, {"response": [answer("wamid.A")]}),
        ("@n8n/n8n-nodes-langchain.toolHttpRequest", {"url": MESSAGES}, {"response": json.dumps(answer("wamid.A"))}),
        ("n8n-nodes-base.facebookGraphApi", {"node": "2", "edge": "messages"}, answer("wamid.A")),
        ("n8n-nodes-base.whatsAppTool", {}, {"response": [answer("wamid.A")]}),
        ("@example/n8n-nodes-kapso.kapso", {}, answer("wamid.A")),
        (
            "n8n-nodes-base.httpRequest",
            {"method": "POST", "url": "https://own.example.com/send", "jsonBody": '={"phone": "{{ $json.body.to }}"}'},
            {"success": True, "data": answer("wamid.A")},
        ),
        (
            "n8n-nodes-base.httpRequest",
            {"method": "POST", "url": "https://own.example.com/send", "jsonBody": '={"phone": "{{ $json.body.to }}"}'},
            {"success": True, "data": {"messageId": "wamid.A", "to": "966500000001"}},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_send_by_every_kind_of_node(node_type: str, written: dict[str, Any], made: dict[str, Any]) -> None:
    """A reply to a user is a send, whichever node asked Meta, a provider or the author's own server."""
    execution = reply("text_accepted", node_type)
    execution["workflowData"]["nodes"][1]["parameters"] = written
    sender(execution)["data"]["main"] = [[item(made)]]

    (send,) = sends(execution)

    assert (send.message_id, send.conversation_id) == ("wamid.A", "966500000001")


@pytest.mark.parametrize(
    "made",
    [
        REFUSED,
        {"headers": {}, "statusCode": 400, "body": REFUSED},
        {"data": json.dumps(REFUSED)},
        {"response": [REFUSED]},
        {"error": {"message": f"400 - {json.dumps(json.dumps(REFUSED))}", "name": "AxiosError"}},
    ],
    ids=["never error", "full response", "text", "tool", "continued"],
)
@pytest.mark.parametrize("body", ["={{ JSON.stringify($json.body) }}", "={{ $json.built }}"], ids=["known", "unknown"])
def test_refusal_however_the_body_was_built(body: str, made: dict[str, Any]) -> None:
    """A refused request is a send by its resolved body, or by its URL where the body is unknown."""
    execution = recording("http_request_accepted")
    received(execution)["body"] = {"messaging_product": "whatsapp", "to": "966500000001", "type": "text"}
    parameters(execution).update(url=MESSAGES, jsonBody=body)
    sender(execution)["data"]["main"] = [[item(made)]]

    (send,) = sends(execution)

    assert send.errors is not None
    assert (send.rejected, send.errors[0]["code"]) == (True, 131030)
    assert send.input == ("966500000001" if "stringify" in body else None)


def test_refused_tool_of_an_agent() -> None:
    """The arguments an agent gave to its tool are in the run's input, so the recipient is known."""
    execution = reply("text_accepted", "n8n-nodes-base.httpRequestTool")
    written = "={{ {messaging_product: 'whatsapp', to: $fromAI('to', 'whom'), type: 'text'} }}"
    execution["workflowData"]["nodes"][1]["parameters"] = {"url": MESSAGES, "jsonBody": written}
    given = {"ai_tool": [[{"json": {"to": "966500000001"}}]]}
    sender(execution).update(inputOverride=given, data={"ai_tool": [[{"json": {"response": [REFUSED]}}]]})

    (send,) = sends(execution)

    assert (send.rejected, send.input) == (True, "966500000001")


@pytest.mark.parametrize("url", ["={{ $json.body.link }}", "=https://{{ $json.body.host }}/v24.0/2/messages"])
def test_answer_of_a_customers_server_is_no_send(url: str) -> None:
    """Meta's answer from an address that came with the data is not believed, and counted."""
    execution = recording("http_request_accepted")
    parameters(execution).update(url=url)
    received(execution)["body"].update(link="https://evil.example/a", host="evil.example")

    found = extract(json.dumps(execution).encode())

    assert found.sends == ()
    assert (found.outcome, found.reason) == (Outcome.NOT_READ, "send")


def test_code_that_names_metas_api() -> None:
    """Code of the author's that names Meta's API sends, while nothing in the execution could hold a forged answer."""
    execution = recording("text_accepted")
    node = execution["workflowData"]["nodes"][1]
    node |= {"type": "n8n-nodes-base.code", "parameters": {"jsCode": f"await this.helpers.httpRequest('{MESSAGES}')"}}
    received(execution)["body"] = {"order": 7}

    assert [send.message_id for send in sends(execution)] == ["wamid.SENT0002"]
    received(execution)["body"]["note"] = json.dumps(answer("wamid.SENT0002"))
    assert extract(json.dumps(execution).encode()).sends == ()


def test_refused_reply() -> None:
    """A refused reply to a user is told like any other."""
    (send,) = sends(reply("text_rejected_190"))

    assert (send.rejected, send.errors) == (True, (EXPIRED,))


def test_send_beside_statuses() -> None:
    """One execution brought a status and sent a message: both are told."""
    execution = recording("template_accepted")
    received(execution)["body"] = {
        "statuses": [{"id": "wamid.B", "status": "read", "timestamp": "1767000000", "recipient_id": "966500000001"}]
    }

    found = extract(json.dumps(execution).encode())

    assert found.outcome is Outcome.FOUND
    assert [event.message_id for event in found.events] == ["wamid.B"]
    assert [send.message_id for send in found.sends] == ["wamid.SENT0001"]


@pytest.mark.parametrize("damage", [None, 7, "x", [], {}, [None, 7, "x"], {"main": [["x", 7, None]]}], ids=repr)
def test_damage_beside_a_send_costs_only_itself(damage: object) -> None:
    """Another node's damaged runs take no send along."""
    execution = recording("template_accepted")
    runs(execution)["Broken"] = damage
    runs(execution)["Odd"] = [node_run(9, "Webhook") | {"data": damage, "error": damage}]

    found = extract(json.dumps(execution).encode())

    assert [send.message_id for send in found.sends] == ["wamid.SENT0001"]
