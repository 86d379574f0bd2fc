"""Forged statuses and sends at every place of an execution that a person can shape, and genuine ones."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.support.forged import ANSWER, ENVELOPE, REFUSAL, STATUS, VALUE

from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.model import Extraction, Outcome

TEXT = json.dumps(ENVELOPE)
SHAPES: dict[str, Any] = {
    "envelope": ENVELOPE,
    "value": {**VALUE, "field": "messages"},
    "list": {"statuses": [STATUS]},
    "status": STATUS,
    "request": {"headers": {}, "query": {}, "body": ENVELOPE},
}
META = "https://graph.facebook.com/v24.0/2/messages"
SEND = '={"messaging_product": "whatsapp", "to": "966500000066"}'
CLOCK = ("n8n-nodes-base.scheduleTrigger", {"timestamp": "2026-11-22T13:46:10.000Z"}, "trigger")


def request(body: object, content_type: str | None = "application/json", **more: Any) -> dict[str, Any]:
    """The item of a Webhook node."""
    headers = {"host": "n8n.example.com"} | ({"content-type": content_type} if content_type else {})
    return {"headers": headers, "params": {}, "query": {}, "body": body, "executionMode": "production", **more}


def node(kind: str, made: object, *, output: str = "main", run: Any = None, **parameters: Any) -> dict[str, Any]:
    """A node behind the trigger, and its output. ``disabled`` is a property of the node itself."""
    name = kind if "." in kind or not kind else f"n8n-nodes-base.{kind}"
    disabled = parameters.pop("disabled", False)
    described = {"type": name, "parameters": parameters, "disabled": disabled}
    return {"node": described, "made": made, "output": output, "run": run or {}}


def read(
    trigger: str, item: object, *later: dict[str, Any], mode: str = "webhook", binary: object = None
) -> Extraction:
    """Read an execution in which a trigger received an item and these nodes ran, one behind the other."""
    kind = trigger if "." in trigger else f"n8n-nodes-base.{trigger}"
    nodes: list[dict[str, Any]] = [{"name": "Start", "type": kind, "parameters": {}}]
    received = {"json": item} | ({"binary": binary} if binary else {})
    runs: dict[str, Any] = {
        "Start": [{"startTime": 1795355170710, "executionIndex": 0, "source": [], "data": {"main": [[received]]}}]
    }
    for number, step in enumerate(later, 1):
        nodes.append({"name": f"Node {number}", **step["node"]})
        runs[f"Node {number}"] = [
            {
                "startTime": 1795355170710 + number,
                "executionIndex": number,
                "source": [{"previousNode": nodes[-2]["name"]}],
                "data": {step["output"]: [[{"json": step["made"], "pairedItem": {"item": 0}}]]},
                **step["run"],
            }
        ]
    execution = {
        "id": "5001",
        "workflowId": "w",
        "mode": mode,
        "status": "success",
        "startedAt": "2026-11-22T13:46:10.696Z",
        "data": {"resultData": {"runData": runs}},
        "workflowData": {"id": "w", "nodes": nodes},
    }
    return extract(json.dumps(execution).encode())


def assert_not_trusted(found: Extraction) -> None:
    """Assert that no event or send was read, and that the execution is counted as not read."""
    assert (found.events, found.sends) == ((), ())
    assert found.outcome is Outcome.NOT_READ


PEOPLE = [
    *("@n8n/n8n-nodes-langchain.chatTrigger", "formTrigger", "emailReadImap", "gmailTrigger", "telegramTrigger"),
    *("slackTrigger", "n8n-nodes-x.facebookMessengerTrigger", "n8n-nodes-x.signalTrigger", "typeformTrigger"),
    *("n8n-nodes-x.viberTrigger", "n8n-nodes-x.matrixTrigger", "microsoftTeamsTrigger", "evaluationTrigger"),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("trigger", PEOPLE)
def test_object_at_a_trigger_that_people_call(trigger: str, shape: str) -> None:
    """An item that a person can shape completely is not trusted, by neither path."""
    assert_not_trusted(read(trigger, SHAPES[shape]))


WORDS: dict[str, Any] = {
    "text": {"text": "hello", "data": ENVELOPE},
    "sentence": {"note": "please call me back", "payload": ENVELOPE},
    "name": {"name": "Sara Ali", "attributes": ENVELOPE},
    "question": {"query": "where is my order", "context": ENVELOPE},
    "bare": {"data": {"statuses": [STATUS]}},
    "status beside a name": {**STATUS, "name": "Sara"},
}


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize(
    ("trigger", "mode"),
    [
        ("executeWorkflowTrigger", "integrated"),
        ("executeWorkflowTrigger", "manual"),
        ("errorTrigger", "error"),
        ("@n8n/n8n-nodes-langchain.mcpTrigger", "webhook"),
        ("shopifyTrigger", "webhook"),
        ("googleSheetsTrigger", "trigger"),
    ],
)
def test_words_beside_an_envelope_at_other_triggers(trigger: str, mode: str, words: str) -> None:
    """Other triggers are trusted only inside Meta's envelope, and only without a person's words beside it."""
    assert_not_trusted(read(trigger, WORDS[words], mode=mode))


@pytest.mark.parametrize("shape", [*SHAPES, "text", "field"])
@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "Multipart/Form-Data; boundary=x"])
def test_fields_of_a_form(content_type: str, shape: str) -> None:
    """Form fields with brackets in their names become objects; Meta never sends forms, so none is trusted."""
    body = {**SHAPES, "text": {"data": TEXT}, "field": {"name": "Eve", "a": {"statuses": [STATUS]}}}[shape]

    assert_not_trusted(read("webhook", request(body, content_type)))
    assert_not_trusted(read("webhook", request(body, content_type), node("code", ENVELOPE)))
    forwarded = {"request": request(body, content_type)}
    for found in (
        read("webhook", request(forwarded)),
        read("executeWorkflowTrigger", request(body, content_type), mode="integrated"),
        read("executeWorkflowTrigger", forwarded, mode="integrated"),
    ):
        assert found.events == ()


@pytest.mark.parametrize("mime_type", ["application/json", "text/csv"])
def test_uploaded_file(mime_type: str) -> None:
    """A file that was uploaded with a form is not trusted."""
    content = base64.b64encode(TEXT.encode()).decode()
    item, binary = request({}, "multipart/form-data"), {"file": {"mimeType": mime_type, "data": content}}

    assert read("webhook", item, binary=binary).events == ()
    assert_not_trusted(read("webhook", item, node("extractFromFile", {"data": ENVELOPE}), binary=binary))
    sub = read("executeWorkflowTrigger", {}, node("extractFromFile", STATUS), binary=binary, mode="integrated")
    assert_not_trusted(sub)


@pytest.mark.parametrize(
    "item",
    [
        request({}, query={"statuses": [STATUS]}),
        request({}, params={"statuses": [STATUS]}),
        {**request({}), "headers": {"x-data": TEXT}},
        {**request({}), "headers": {"cookie": base64.b64encode(TEXT.encode()).decode()}},
    ],
    ids=["query", "path", "header", "cookie"],
)
def test_request_without_a_body(item: dict[str, Any]) -> None:
    """Query parameters may be objects and headers may hold JSON; output that nodes make of them is not trusted."""
    assert_not_trusted(read("webhook", item, node("code", {"statuses": [STATUS]})))
    assert_not_trusted(read("webhook", item, node("set", ENVELOPE)))


@pytest.mark.parametrize(
    "body",
    [
        {"from": "966500000066", "text": ENVELOPE},
        {"customer": {"custom_attributes": ENVELOPE}, "customer_id": 5},
        {"user": {"id": 1, "traits": ENVELOPE}},
        {"version": "3.0", "action": "data_exchange", "flow_token": "t", "data": ENVELOPE},
        {"chatInput": "hi", **VALUE},
        {"message": "hi", **ENVELOPE},
        {"message": "hi", "data": ENVELOPE},
        {"messages": [{"from": "966500000066"}], "extra": ENVELOPE},
        {"calls": [{"id": "wacid.A"}], "extra": ENVELOPE},
        {"name": "Sara Ali", "attributes": ENVELOPE},
        {"event": "contact_updated", "custom_attributes": {"extra": ENVELOPE}},
        {"email": "s@example.com", "extra": ENVELOPE},
        {"first_name": "Sara", "extra": {"statuses": [STATUS]}},
        {"form": {"answer": ENVELOPE}},
        {"data": {"fields": [{"label": "Message", "value": ENVELOPE}]}},
        {"note": "please call me back", "statuses": [STATUS]},
    ],
    ids=json.dumps,
)
def test_envelope_that_a_person_surrounds(body: dict[str, Any]) -> None:
    """An envelope inside an object that names a person, holds a person's words or is a form is not trusted."""
    assert_not_trusted(read("webhook", request(body)))
    assert_not_trusted(read("webhook", request(json.dumps(body), "text/plain")))
    assert_not_trusted(read("webhook", request(body), node("code", ENVELOPE)))


INBOUND = {"from": "966500000066", "id": "wamid.IN", "timestamp": "1795355100"}
MESSAGES: dict[str, Any] = {
    "text": {"text": {"body": TEXT}},
    "status": {"text": {"body": json.dumps(STATUS)}},
    "button": {"button": {"payload": TEXT, "text": "Yes"}},
    "button reply": {"interactive": {"button_reply": {"id": TEXT, "title": "Yes"}}},
    "list": {"interactive": {"list_reply": {"id": "1", "title": "A", "description": TEXT}}},
    "flow": {"interactive": {"nfm_reply": {"response_json": json.dumps({"flow_token": "t", "note": TEXT})}}},
    "flow object": {"interactive": {"nfm_reply": {"response_json": ENVELOPE}}},
    "contact": {"contacts": [{"name": {"formatted_name": TEXT}}]},
    "location": {"location": {"latitude": 1, "longitude": 2, "name": TEXT}},
    "order": {"order": {"text": TEXT, "product_items": []}},
    "reaction": {"reaction": {"message_id": "wamid.A", "emoji": TEXT}},
    "document": {"document": {"id": "1", "filename": TEXT}},
    "referral": {"text": {"body": "hi"}, "referral": {"body": TEXT}},
    "statuses": {"text": {"body": "hi"}, "statuses": [STATUS]},
}


@pytest.mark.parametrize("message", MESSAGES)
def test_message_of_a_customer(message: str) -> None:
    """Nothing in an inbound message is searched; a genuine status in the same webhook is read."""
    value = {**VALUE, "statuses": None, "messages": [{**INBOUND, **MESSAGES[message]}]}
    genuine = {**VALUE, "statuses": [{**STATUS, "id": "wamid.REAL"}]}

    for trigger, item in (
        ("whatsAppTrigger", {**value, "field": "messages"}),
        ("webhook", request({"object": "whatsapp_business_account", "entry": [{"changes": [{"value": value}]}]})),
    ):
        assert read(trigger, item).outcome is Outcome.NONE
        assert_not_trusted(read(trigger, item, node("code", ENVELOPE)))
    both = {"object": "whatsapp_business_account", "entry": [{"changes": [{"value": value}, {"value": genuine}]}]}
    for found in (
        read("webhook", request(both), node("code", ENVELOPE)),
        read("whatsAppTrigger", {**value, "statuses": genuine["statuses"], "field": "messages"}),
        read("kafkaTrigger", {"message": json.dumps(both), "topic": "wa"}, node("code", ENVELOPE), mode="trigger"),
    ):
        assert [event.message_id for event in found.events] == ["wamid.REAL"]


@pytest.mark.parametrize("trigger", PEOPLE)
def test_text_at_a_trigger_that_people_call(trigger: str) -> None:
    """Words of a person are not searched, and results of nodes that read them are not trusted."""
    for item in ({"chatInput": TEXT, "sessionId": "a"}, {"message": {"text": TEXT, "from": {"first_name": "Sara"}}}):
        assert read(trigger, item).outcome is Outcome.NONE
        assert_not_trusted(read(trigger, item, node("code", ENVELOPE)))


@pytest.mark.parametrize("source", [None, [], [None]], ids=repr)
@pytest.mark.parametrize("kind", ["code", "set", "postgres", "@n8n/n8n-nodes-langchain.agent"])
@pytest.mark.parametrize(
    ("trigger", "item"),
    [
        ("whatsAppTrigger", {**VALUE, "statuses": None, "messages": [{**INBOUND, "text": {"body": TEXT}}]}),
        ("webhook", request({"text": TEXT, "contact_id": "5"})),
        ("formTrigger", {"question": TEXT}),
    ],
    ids=["inbound", "webhook", "form"],
)
def test_node_that_names_no_source(trigger: str, item: object, kind: str, source: object) -> None:
    """A node that is no trigger is not trusted like one because its run names no node before it."""
    assert_not_trusted(read(trigger, item, node(kind, ENVELOPE, run={"source": source})))


@pytest.mark.parametrize("known", [False, True])
def test_node_on_the_stack_that_names_no_source(*, known: bool) -> None:
    """The input of a node that had not run is not a trigger's item, also when only the stack names its type."""
    inbound = {**VALUE, "statuses": None, "messages": [{**INBOUND, "text": {"body": TEXT}}]}
    code = {"name": "Code", "type": "n8n-nodes-base.code", "parameters": {}}
    nodes = [{"name": "Start", "type": "n8n-nodes-base.whatsAppTrigger"}, *([code] if known else [])]
    entry = {"node": code, "data": {"main": [[{"json": ENVELOPE}]]}, "source": None}
    execution = {
        "id": "5001",
        "workflowId": "w",
        "mode": "webhook",
        "status": "error",
        "startedAt": "2026-11-22T13:46:10.696Z",
        "data": {
            "resultData": {"runData": {"Start": [{"source": [], "data": {"main": [[{"json": inbound}]]}}]}},
            "executionData": {"nodeExecutionStack": [entry]},
        },
        "workflowData": {"id": "w", "nodes": nodes},
    }

    assert_not_trusted(extract(json.dumps(execution).encode()))


@pytest.mark.parametrize(
    "parameters",
    [
        {"sendBody": True, "contentType": "binaryData", "inputDataFieldName": "data"},
        {"sendBinaryData": True},
        {"sendBody": True, "bodyParameters": {"parameters": [{"parameterType": "formBinaryData", "name": "file"}]}},
    ],
    ids=json.dumps,
)
def test_fixed_request_that_sends_a_file(parameters: dict[str, Any]) -> None:
    """The response to a request that uploads a customer's file is not trusted, even without an expression in it."""
    document = {**VALUE, "statuses": None, "messages": [{**INBOUND, "document": {"id": "1"}}]}
    ask = node("httpRequest", {"data": ENVELOPE}, url="https://convert.example.com/json", method="POST", **parameters)

    assert_not_trusted(read("whatsAppTrigger", document, ask))


def test_tool_whose_values_a_model_gives() -> None:
    """An HTTP tool sends what the model says, although its parameters hold no expression."""
    asked = {**VALUE, "statuses": None, "messages": [{**INBOUND, "text": {"body": "hi"}}]}
    tool = "@n8n/n8n-nodes-langchain.toolHttpRequest"
    ask = node(tool, {"response": ENVELOPE}, output="ai_tool", url="https://echo.example.com/", specifyBody="model")

    assert_not_trusted(read("whatsAppTrigger", asked, ask))


@pytest.mark.parametrize("kind", ["gmail", "telegram", "whatsApp"])
def test_attachment_that_a_later_node_fetched(kind: str) -> None:
    """A JSON file that came with a person's message is not trusted."""
    trigger, item, mode = CLOCK
    fetched = node(kind, {"id": "1"})
    run = {"data": {"main": [[{"json": {"id": "1"}, "binary": {"data": {"mimeType": "application/json"}}}]]}}
    fetched["run"] = run

    assert_not_trusted(read(trigger, item, fetched, node("extractFromFile", {"data": ENVELOPE}), mode=mode))


SNS = {"Type": "Notification", "TopicArn": "arn:aws:sns:x", "MessageId": "1", "Message": TEXT}
SQS = {"eventSource": "aws:sqs", "receiptHandle": "r", "body": TEXT}
PUSHED = {"data": base64.b64encode(TEXT.encode()).decode(), "messageId": "1"}


@pytest.mark.parametrize(
    "body",
    [
        {**SNS, "contact_id": "5"},
        {**SNS, "Subject": "hello from Eve"},
        {**SQS, "comment": "hi"},
        {"Records": [{"EventSource": "aws:sns", "Sns": {**SNS, "text": "hi"}}]},
        {"message": {**PUSHED, "text": "hi"}, "subscription": "s"},
        {"message": PUSHED, "subscription": "s", "note": "hi"},
        {"headers": {}, "body": TEXT, "query": {"text": "hi there Eve"}},
        [SNS, {"text": "hi there", "contact_id": "5"}],
        json.dumps({"text": "hi", "payload": ENVELOPE}),
        json.dumps({"from": "966500000066", "text": "hi", "data": ENVELOPE}),
        json.dumps({"statuses": [STATUS]}),
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_text_beside_words(body: object) -> None:
    """A message of a queue or gateway with additional fields is not trusted, and neither is the text in it."""
    assert read("webhook", request(body)).events == ()


@pytest.mark.parametrize(
    "item",
    [
        {"message": TEXT, "topic": "wa", "name": "Eve"},
        {"message": TEXT, "topic": "wa", "headers": {"text": "hello I am Eve"}},
        {"message": {"text": TEXT, "contact_id": "5"}, "topic": "wa"},
        {"message": {"from": "966500000066", "data": ENVELOPE}, "topic": "wa"},
        {"message": json.dumps({"text": "hi", "data": ENVELOPE}), "topic": "wa"},
        {"message": TEXT, "topic": "wa", "headers": {"note": TEXT}},
        {"content": ENVELOPE, "properties": {"headers": {"text": "hello I am Eve"}}},
    ],
    ids=lambda item: json.dumps(item)[:60],
)
@pytest.mark.parametrize("trigger", ["kafkaTrigger", "mqttTrigger", "rabbitmqTrigger"])
def test_message_of_a_queue_with_words(trigger: str, item: dict[str, Any]) -> None:
    """A queue's message with a person's words beside or inside it is not trusted."""
    assert_not_trusted(read(trigger, item, mode="trigger"))


@pytest.mark.parametrize("part", ["body", "query"])
def test_wait_that_a_form_resumed(part: str) -> None:
    """A form that was submitted to a Wait node's URL is not trusted."""
    trigger, item, mode = CLOCK
    form = request({}, "application/x-www-form-urlencoded" if part == "body" else None)
    form[part] = ENVELOPE

    assert_not_trusted(read(trigger, item, node("wait", form), node("code", ENVELOPE), mode=mode))


SOURCES = ["postgres", "googleSheets", "redis", "wait", "executeWorkflow", "slack", "@n8n/n8n-nodes-langchain.agent"]


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("source", SOURCES)
def test_rows_and_results_with_words(source: str, words: str) -> None:
    """A database row or an agent's result with a person's words beside Meta's envelope is not trusted."""
    trigger, item, mode = CLOCK

    assert_not_trusted(read(trigger, item, node(source, WORDS[words]), mode=mode))
    words_first = (node(source, {"text": "hello there"}), node("code", ENVELOPE))
    assert_not_trusted(read(trigger, item, *words_first, mode=mode))


@pytest.mark.parametrize("source", SOURCES)
def test_code_that_passes_a_row_on_as_its_own_answer(source: str) -> None:
    """Output of code that names Meta's API is no send if an earlier row already held it."""
    trigger, item, mode = CLOCK
    code = node("code", ANSWER, jsCode=f"fetch('{META}')")

    found = read(trigger, item, node(source, {"data": ANSWER}), node("set", {"order": 7}), code, mode=mode)

    assert_not_trusted(found)
    assert [send.message_id for send in read(trigger, item, code, node("set", ANSWER), mode=mode).sends] == ["wamid.A"]


def test_long_loops_of_code_are_read_in_time() -> None:
    """Each send is looked up in a set of all earlier ids; comparing it with each of them would take minutes."""
    steps = []
    for number in range(1_000):
        steps.append(node("set", {"ids": [f"wamid.S{number}-{place}" for place in range(50)]}))
        answer = {**ANSWER, "messages": [{"id": f"wamid.{number}"}]}
        steps.append(node("code", answer, jsCode=f"fetch('{META}')"))
    trigger, item, mode = CLOCK

    assert len(read(trigger, item, *steps, mode=mode).sends) == 1_000


CALLBACK = json.dumps({"statuses": [{**STATUS, "id": "X1"}]})


@pytest.mark.parametrize("data", [CALLBACK, json.dumps({"s": STATUS}).replace("wamid", "wam\\u0069d")])
def test_callback_data_of_a_genuine_status(data: str) -> None:
    """Callback data may hold a customer's words; a status that code parses from them is not trusted."""
    genuine = {**VALUE, "statuses": [{**STATUS, "id": "wamid.REAL", "biz_opaque_callback_data": data}]}

    found = read("whatsAppTrigger", {**genuine, "field": "messages"}, node("code", {"statuses": [STATUS]}))

    assert [event.message_id for event in found.events] == ["wamid.REAL"]


SENDERS = {
    "WhatsApp": ("whatsApp", {}),
    "HTTP": ("httpRequest", {"method": "POST", "url": META, "jsonBody": SEND}),
    "Graph": ("facebookGraphApi", {"edge": "2/messages"}),
    "community": ("n8n-nodes-x.whapi", {}),
}


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("how", ["disabled", "failed", "passed on"])
def test_sending_node_that_passes_its_input_on(sender: str, how: str) -> None:
    """A disabled node, or a failed one in a workflow that continues, outputs its input, which is no answer of Meta."""
    kind, parameters = SENDERS[sender]
    more: dict[str, Any] = {"disabled": True} if how == "disabled" else {}
    run = {"error": {"message": "boom"}} if how == "failed" else {}
    start = ("webhook", request({"data": ANSWER}), node("set", ANSWER))

    assert_not_trusted(read(*start, node(kind, ANSWER, run=run, **parameters, **more)))
    if how != "passed on":
        assert read(*start, node(kind, REFUSAL, run=run, **parameters, **more)).sends == ()


@pytest.mark.parametrize(
    "how", [{"disabled": True}, {"run": {"error": {"message": "boom"}}}], ids=["disabled", "failed"]
)
def test_fixed_request_that_did_not_happen(how: dict[str, Any]) -> None:
    """A request that was disabled or failed outputs its input, which is not trusted."""
    fetch = node("httpRequest", {"data": ENVELOPE}, url="https://relay.example.com/a", **how)

    assert_not_trusted(read("webhook", request({"text": "hi"}), node("code", {"data": ENVELOPE}), fetch))


@pytest.mark.parametrize(
    "made",
    [
        {"data": {"text": json.dumps(ANSWER)}},
        {"data": {"result": ANSWER}},
        {"data": {"error": "(#131026) x"}},
    ],
    ids=json.dumps,
)
def test_reply_to_send_and_wait(made: object) -> None:
    """A person's reply to *Send and wait* is not read as Meta's answer to a send."""
    found = read("webhook", request({"order": 7}), node("whatsApp", made, operation="sendAndWait"))

    assert found.sends == ()


TRANSLATE = {"method": "POST", "url": "https://translate.example.com/", "jsonBody": '={"to": "en", "q": "x"}'}
OWN_BOT = {"method": "POST", "url": "https://bot.example.com/", "jsonBody": '={"phone": "966500000066"}'}
TWILIO = "https://api.twilio.com/2010-04-01/Accounts/A"


@pytest.mark.parametrize(
    ("kind", "parameters", "made"),
    [
        ("httpRequest", {"url": f"{TWILIO}/Messages/SM1.json"}, {"body": json.dumps(ANSWER), "from": "x"}),
        ("httpRequest", {"method": "POST", "url": f"{TWILIO}/Messages"}, {"body": json.dumps(ANSWER), "sid": "SM1"}),
        ("httpRequest", {"url": f"={TWILIO}/{{{{ $json.media }}}}"}, ANSWER),
        ("httpRequest", {"url": "=https://l.facebook.com/l.php?u={{ $json.link }}"}, ANSWER),
        ("httpRequest", {"method": "POST", "url": "https://www.facebook.com/x"}, ANSWER),
        ("httpRequest", TRANSLATE, {"data": json.dumps(ANSWER)}),
        ("httpRequest", TRANSLATE, {"result": ANSWER}),
        ("httpRequest", OWN_BOT, {"response": json.dumps(ANSWER)}),
        ("n8n-nodes-waha.waha", {"operation": "getMessages"}, {"from": "966500000066", "body": json.dumps(ANSWER)}),
        ("n8n-nodes-evolution-api.evolutionApi", {}, {"data": {"response": json.dumps(ANSWER)}, "sender": "x"}),
    ],
    ids=lambda value: json.dumps(value)[:50],
)
def test_answers_that_may_hold_what_a_person_wrote(kind: str, parameters: dict[str, Any], made: object) -> None:
    """Stored messages, files, redirects, translations and chat bots return people's words, so none is a send."""
    found = read("webhook", request({"media": "x", "link": "https://evil.example"}), node(kind, made, **parameters))

    assert found.sends == ()


HOSTS = [
    *("https://graph.facebook.com@evil.example/", "https://graph.facebook.com.evil.example/", "HTTPS://EVIL.EXAMPLE/"),
    *("https://evil.example/graph.facebook.com", "https://evil.example\\@graph.facebook.com/"),
    *("https://graph.facebook.com\\@evil.example/", "https://graph.facebook.com\t@evil.example/"),
    *("https://graph.facebook.com:443@evil.example/", "https://evil.example#@graph.facebook.com/"),
    *(
        "https://evil.example?@graph.facebook.com/",
        "https://graph.facebo\u043ek.com/",
        "https://\uff47raph.facebook.com/",
    ),
    *(
        "//evil.example/graph.facebook.com",
        "https://a@b@graph.facebook.com",
        "https://graph.facebook.com%2eevil.example",
    ),
    *("https://graph.facebook.com。evil.example/", "https://graph.facebook.com\n.evil.example/", "https:evil.example"),
    *("https://evilfacebook.com/", "https://graph.facebook.com&@evil.example/", "https://u:p@evil.example/x"),
]


@pytest.mark.parametrize("url", HOSTS)
@pytest.mark.parametrize("made", [ANSWER, REFUSAL], ids=["accepted", "refused"])
def test_address_of_a_customer_that_looks_like_metas(url: str, made: object) -> None:
    """The host that a client would connect to decides; a look-alike URL is counted as not read."""
    ask = {"method": "POST", "url": "={{ $json.body.url }}", "jsonBody": SEND}

    for kind in ("httpRequest", "httpRequestTool"):
        assert_not_trusted(read("webhook", request({"url": url}), node(kind, made, **ask)))


@pytest.mark.parametrize("made", [ANSWER, REFUSAL], ids=["accepted", "refused"])
@pytest.mark.parametrize(
    "host", ["graph.facebook.com.evil.example", "graph.facebook.com@evil.example", "x:graph.facebook.com@evil.example"]
)
def test_written_address_that_looks_like_metas(host: str, made: object) -> None:
    """A look-alike host is not trusted either when it is written out in the workflow."""
    ask = node("httpRequest", made, method="POST", url=f"https://{host}/v24.0/2/messages", jsonBody=SEND)

    assert_not_trusted(read("webhook", request({"to": "966500000066"}), ask))


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"body": value, "statusCode": 400}])
@pytest.mark.parametrize("url", ["={{ $json.body.link }}", "https://api.example.com/"])
def test_answer_that_names_a_request_to_meta(url: str, wrap: Any) -> None:
    """An answer may hold an error as n8n keeps it, with a request to Meta in it; the node's own request counts."""
    asked = {"uri": META, "method": "POST", "body": {"messaging_product": "whatsapp", "to": "966500000066"}}
    error = {"message": "(#131049) x", "errorResponse": REFUSAL, "context": {"request": asked}}
    ask = node("httpRequest", wrap({"error": error}), url=url)

    assert read("webhook", request({"link": "https://evil.example/"}), ask).sends == ()


# --- Genuine data that the rules above must still accept.

NOTIFICATION = {
    **SNS,
    "Subject": None,
    "Timestamp": "2026-11-22T13:46:10.655Z",
    "SignatureVersion": "1",
    "Signature": "EXAMPLE/" * 40,
    "SigningCertURL": "https://sns.us-west-2.amazonaws.com/x.pem",
    "UnsubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe",
    "MessageAttributes": {"a": {"Type": "String", "Value": "b"}},
}
RECORD = {
    **SQS,
    "messageId": "059f36b4",
    "md5OfBody": "e4e68fb7",
    "attributes": {"SenderId": "AIDA", "SentTimestamp": "1545082649183"},
    "messageAttributes": {},
    "eventSourceARN": "arn:aws:sqs:x",
    "awsRegion": "us-east-2",
}
GATEWAY = {
    "version": "2.0",
    "headers": {"user-agent": "facebookexternalua"},
    "requestContext": {"identity": {"userAgent": "Amazon API Gateway Client"}},
    "body": TEXT,
    "isBase64Encoded": False,
}
PUBSUB = {"message": {**PUSHED, "attributes": {"source": "relay"}, "publishTime": "2026"}, "subscription": "projects/p"}
MIXED = {**VALUE, "messages": [{"from": "966500000066", "id": "wamid.IN", "text": {"body": "Hello my friend"}}]}


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "text/plain", None])
@pytest.mark.parametrize(
    "body",
    [
        *SHAPES.values(),
        TEXT,
        json.dumps(TEXT),
        NOTIFICATION,
        json.dumps(NOTIFICATION),
        [NOTIFICATION, NOTIFICATION],
        {"Records": [RECORD]},
        GATEWAY,
        PUBSUB,
        MIXED,
        {"payload": TEXT},
        {"payload_type": "whatsapp", "metaData": {**ENVELOPE, "gs_app_id": "a"}, "executed": False},
        request(ENVELOPE),
        request(TEXT),
        {"detail-type": "WhatsApp Webhook Received", "source": "meta", "detail": ENVELOPE},
        {"account": {"id": 1, "name": "My Shop"}, "payload": ENVELOPE},
        {"event": {"method": "POST", "headers": {"user-agent": "Mozilla like Gecko"}, "body": ENVELOPE}},
        {**STATUS, "biz_opaque_callback_data": "Black Friday campaign"},
        {**STATUS, "error_message": "Message was not delivered"},
    ],
    ids=lambda body: json.dumps(body)[:40],
)
def test_genuine_request(body: object, content_type: str | None) -> None:
    """Meta's webhooks are read from every gateway, queue and relay that passes them on."""
    assert [event.message_id for event in read("webhook", request(body, content_type)).events] == ["wamid.A"]


@pytest.mark.parametrize(
    ("trigger", "item"),
    [
        (
            "rabbitmqTrigger",
            {
                "content": TEXT,
                "fields": {"consumerTag": "amq.ctag-x", "routingKey": "wa.status"},
                "properties": {"contentType": "application/json", "headers": {"x-source": "bridge"}},
            },
        ),
        ("kafkaTrigger", {"message": TEXT, "topic": "wa", "headers": {"traceparent": "00-1"}, "partition": 0}),
        ("mqttTrigger", {"message": ENVELOPE, "topic": "wa/status"}),
        ("n8n-nodes-x.sqsTrigger", {"MessageId": "1", "Body": TEXT, "Attributes": {"SenderId": "AIDA"}}),
        ("n8n-nodes-x.googleCloudPubSubTrigger", {"data": ENVELOPE, "attributes": {}, "id": "1"}),
        ("n8n-nodes-x.azureServiceBusTrigger", {"body": ENVELOPE, "messageId": "1"}),
        ("awsSnsTrigger", NOTIFICATION),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_genuine_message_of_a_queue(trigger: str, item: dict[str, Any]) -> None:
    """Meta's webhooks are read from queues that add fields of their own."""
    assert [event.message_id for event in read(trigger, item, mode="trigger").events] == ["wamid.A"]


ROWS: dict[str, Any] = {
    "envelope": ENVELOPE,
    "request": request(ENVELOPE),
    "row": {"id": 7, "source": "meta", "payload": ENVELOPE, "received_at": "2026-11-22T10:00:00Z", "done": False},
    "stored": {"_id": "65f", "payload_type": "whatsapp_webhook", "metaData": ENVELOPE, "executed": True},
}


@pytest.mark.parametrize("row", ROWS)
def test_genuine_row_and_sub_workflow(row: str) -> None:
    """Stored and handed-on webhooks are read from rows, sub-workflows, resumed waits and code behind them."""
    trigger, item, mode = CLOCK

    found = [read("executeWorkflowTrigger", ROWS[row], mode="integrated")]
    found += [read(trigger, item, node(source, ROWS[row]), mode=mode) for source in SOURCES]
    found += [read(trigger, item, node(source, ROWS[row]), node("code", VALUE), mode=mode) for source in SOURCES]

    assert {tuple(event.message_id for event in one.events) for one in found} == {("wamid.A",)}


def test_answer_of_a_fixed_request_beside_words() -> None:
    """A relay that is written out in the workflow may say in words how many webhooks it returns."""
    trigger, item, mode = CLOCK
    poll = node("httpRequest", {"msg": "2 webhooks found", "data": [ENVELOPE]}, url="https://relay.example.com/latest")

    assert [event.message_id for event in read(trigger, item, poll, mode=mode).events] == ["wamid.A"]


def test_form_of_another_provider() -> None:
    """Twilio sends its status callbacks as forms: they are counted under its name."""
    callback = {"MessageSid": "SM1", "MessageStatus": "delivered", "To": "whatsapp:+966500000066"}

    found = read("webhook", request(callback, "application/x-www-form-urlencoded; charset=utf-8"))

    assert (found.outcome, found.provider) == (Outcome.NOT_READ, "Twilio")


def test_genuine_request_kept_as_a_file() -> None:
    """With *Raw body* the Webhook node keeps the request as a file, which a later node opens."""
    item = request({})
    item["headers"] |= {"user-agent": "facebookexternalua", "x-hub-signature-256": "sha256=" + "0" * 64}
    binary = {"data": {"mimeType": "application/json", "data": "filesystem-v2", "id": "x"}}

    found = read("webhook", item, node("extractFromFile", {"data": ENVELOPE}), binary=binary)

    assert [event.message_id for event in found.events] == ["wamid.A"]


@pytest.mark.parametrize(
    ("kind", "parameters", "made", "output"),
    [
        ("httpRequest", {"method": "POST", "url": META, "jsonBody": SEND}, {"data": json.dumps(ANSWER)}, "main"),
        ("httpRequest", {"method": "POST", "url": META, "jsonBody": SEND}, {"body": ANSWER, "headers": {}}, "main"),
        ("httpRequestTool", {"method": "POST", "url": META}, {"response": json.dumps(ANSWER)}, "ai_tool"),
        ("whatsAppTool", {}, {"response": [ANSWER]}, "ai_tool"),
        (
            "httpRequest",
            {"method": "POST", "url": "https://own.example.com", "jsonBody": SEND},
            {"data": ANSWER},
            "main",
        ),
        ("httpRequest", {"url": "https://waba-v2.360dialog.io/messages"}, ANSWER, "main"),
        (
            "httpRequest",
            {"method": "POST", "url": META, "options": {"response": {"response": {"outputPropertyName": "a"}}}},
            {"a": json.dumps(ANSWER)},
            "main",
        ),
        ("httpRequest", {"url": META, "dataPropertyName": "a"}, {"a": json.dumps(ANSWER)}, "main"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_genuine_send(kind: str, parameters: dict[str, Any], made: object, output: str) -> None:
    """Answers of Meta, a provider and the author's own server are sends, even after a person's message."""
    asked = request({"to": "966500000066", "text": "hello my friend, how are you? " * 5})
    sent = node(kind, made, output=output, **parameters)

    found = read("webhook", asked, sent, node("set", {**ANSWER, "logged": True}))

    assert [send.message_id for send in found.sends] == ["wamid.A"]


@pytest.mark.parametrize("name", ["to", "phone", "customer_phone"])
def test_genuine_send_of_code(name: str) -> None:
    """Code that names Meta's API sends, although a recipient is named beside it."""
    code = node("code", ANSWER, jsCode=f"fetch('{META}')")

    assert [send.message_id for send in read("webhook", request({name: "966500000066"}), code).sends] == ["wamid.A"]
    assert read("formTrigger", {name: "966500000066"}, code).sends == ()


@pytest.mark.parametrize(
    "failure",
    [
        {"error": REFUSAL},
        {"error": json.dumps(REFUSAL)},
        {"cause": {"error": REFUSAL}},
        {"cause": REFUSAL},
        {"cause": {"message": f"400 - {json.dumps(json.dumps(REFUSAL))}"}},
        {"response": {"body": REFUSAL, "statusCode": 400}},
        {"response": {"data": REFUSAL, "status": 400}},
    ],
    ids=lambda failure: json.dumps(failure)[:50],
)
def test_genuine_refusal_of_older_releases(failure: dict[str, Any]) -> None:
    """Meta's error is found wherever releases of n8n keep the response, in an item and in a failed run."""
    failure = {"message": "Request failed with status code 400", "name": "AxiosError", **failure}
    ask: dict[str, Any] = {"method": "POST", "url": META, "jsonBody": SEND}

    for kind in ("httpRequest", "whatsApp"):
        for step in (
            node(kind, {"error": failure}, **ask),
            node(kind, {}, run={"error": failure, "data": None}, **ask),
        ):
            (send,) = read("webhook", request({"to": "966500000066"}), step).sends
            assert (send.rejected, send.errors[0]["code"] if send.errors else None) == (True, 131049)
