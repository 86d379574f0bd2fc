"""Reading one execution: the recordings of a real n8n, and every situation in ``tests/data/situations``.

A situation's file says in ``situation`` what happened, and in ``expected`` what must be read out of it. It holds a
whole ``execution``, or only a webhook ``body`` that :func:`wrapped` puts into the recorded executions of the nodes
named in ``through``. Expected values are written by hand; an event leaves out what it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ticktrail.extraction import execution_reader as n8n
from ticktrail.extraction.decoding import decode_execution
from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.model import Extraction, Outcome, StatusEvent

DATA = Path(__file__).parents[2] / "data"
RECORDINGS = DATA / "n8n-2.41.1"
SITUATIONS = {path.stem: path for path in sorted((DATA / "situations").glob("*.json"))}

# The situations' executions are all this one, of this workflow, and started then.
EXECUTION_ID, WORKFLOW_ID = "5001", "SituationsWorkflow"
STARTED_AT, TRIGGER_STARTED = "2026-11-22T13:46:10.696Z", 1795355170710

WRAPPINGS = {
    "whatsapp_trigger": "execution_whatsapp_trigger_multi_status",
    "webhook": "execution_webhook_node_three_changes",
}

FORGED = {
    "object": "whatsapp_business_account",
    "entry": [
        {
            "changes": [
                {
                    "field": "messages",
                    "value": {
                        "messaging_product": "whatsapp",
                        "metadata": {"phone_number_id": "200000000000001"},
                        "statuses": [
                            {
                                "id": "wamid.FORGED",
                                "status": "read",
                                "timestamp": "1767100009",
                                "recipient_id": "966500000066",
                            }
                        ],
                    },
                }
            ]
        }
    ],
}


def situation(name: str) -> dict[str, Any]:
    """The situation of this name."""
    loaded: dict[str, Any] = json.loads(SITUATIONS[name].read_text(encoding="utf-8"))
    return loaded


def recording(name: str) -> dict[str, Any]:
    """The recorded execution of this name."""
    loaded: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def wrapped(body: Any, through: str) -> dict[str, Any]:
    """The recorded execution of such a node, its trigger's request replaced by ``body`` and the node behind it too."""
    execution = recording(WRAPPINGS[through])
    execution |= {"id": EXECUTION_ID, "workflowId": WORKFLOW_ID, "startedAt": STARTED_AT}
    first, behind = execution["data"]["resultData"]["runData"].values()
    if through == "webhook":
        received = [{**first[0]["data"]["main"][0][0]["json"], "body": body}]
        passed_on = received
    else:
        # The WhatsApp Trigger makes an item of every change: its value, with the field's name beside it.
        changes = [change for entry in body["entry"] for change in entry["changes"]]
        received = [{**change["value"], "field": change["field"]} for change in changes]
        passed_on = [{**json_, "seen": True} for json_ in received]
    first[0]["startTime"] = behind[0]["startTime"] = TRIGGER_STARTED
    for run, items in ((first[0], received), (behind[0], passed_on)):
        run["data"]["main"] = [[{"json": json_, "pairedItem": {"item": n}} for n, json_ in enumerate(items)]]
    return execution


def executions_of(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The executions of a situation, each with the node that its request came through."""
    loaded = situation(name)
    if "execution" in loaded:
        yield "as_is", loaded["execution"]
    for through in loaded.get("through", ()):
        yield through, wrapped(loaded["body"], through)


def read(execution: object) -> Extraction:
    """Extract an execution written as JSON."""
    return extract(json.dumps(execution).encode())


def by_the_general_path(execution: object) -> Extraction:
    """The same without the fast path."""
    raw = json.dumps(execution).encode()
    decoded, problems = decode_execution(raw)
    assert decoded is not None
    return n8n.extract_general(decoded, raw, problems)


def facts(event: StatusEvent) -> dict[str, Any]:
    """Return the facts of an event, without the place where it was found."""
    known = msgspec.json.decode(msgspec.json.encode(event))
    return {name: value for name, value in known.items() if name not in {"execution_id", "workflow_id"}}


EVERY_EXECUTION = [
    pytest.param(execution, situation(name)["expected"], id=f"{name}-{through}")
    for name in SITUATIONS
    for through, execution in executions_of(name)
]


@pytest.mark.parametrize(("execution", "expected"), EVERY_EXECUTION)
def test_situation(execution: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each situation comes to exactly the events, outcome, reason and number of problems that its file says."""
    found = read(execution)

    assert by_the_general_path(execution) == found
    assert [facts(event) for event in found.events] == expected["events"]
    assert {(event.execution_id, event.workflow_id) for event in found.events} <= {(EXECUTION_ID, WORKFLOW_ID)}
    assert found.outcome.value == expected.get("outcome", found.outcome.value)
    assert (found.reason is not None) == (found.outcome in {Outcome.WITHHELD, Outcome.NOT_READ})
    assert found.reason == expected.get("reason", found.reason)
    assert len(found.problems) >= expected["problems"] if "problems" in expected else found.problems == ()


@pytest.mark.parametrize("name", SITUATIONS)
def test_situations_are_written_down(name: str) -> None:
    """Every situation says what it is, what it holds, and what is expected; its numbers are invented."""
    loaded = situation(name)

    assert loaded["situation"].endswith(".")
    assert ("execution" in loaded) != ("body" in loaded)
    assert ("through" in loaded) == ("body" in loaded)
    assert "events" in loaded["expected"]
    for number in re.findall(r"(?<!\d)(?:966\d{9}|1555\d{7})(?!\d)", json.dumps(loaded)):
        assert re.fullmatch(r"9665000000\d\d|1555000\d{4}", number)


FROM = {"phone_number_id": "106540352242922", "display_phone_number": "15550783881"}


def recorded(message_id: str, status: str, timestamp: int, recipient: str = "966500000001", **more: Any) -> dict:  # type: ignore[type-arg]
    """An event as the recordings' webhooks reported it."""
    event = {"message_id": message_id, "status": status, "timestamp": timestamp, "conversation_id": recipient}
    return {**event, **FROM, **more}


CHANGES = [
    recorded("wamid.fix.chg1", "sent", 1767106893),
    recorded(
        "wamid.fix.chg2",
        "read",
        1767106894,
        phone_number_id="206540352242922",
        display_phone_number="15550783882",
    ),
    recorded(
        "wamid.fix.chg3",
        "delivered",
        1767106895,
        phone_number_id="306540352242922",
        display_phone_number="15550783883",
    ),
]

RECORDED_EVENTS = {
    "whatsapp_trigger_multi_status": [
        recorded("wamid.fix.multi1", "sent", 1767106880),
        recorded("wamid.fix.multi2", "delivered", 1767106881, "966500000002"),
        recorded("wamid.fix.multi1", "delivered", 1767106880),
    ],
    "whatsapp_trigger_failed": [
        recorded(
            "wamid.fix.failed",
            "failed",
            1767106890,
            callback_data="campaign-7",
            errors=[
                {
                    "code": 131047,
                    "title": "Re-engagement message",
                    "message": "Re-engagement message",
                    "details": (
                        "Message failed to send because more than 24 hours have passed since the customer last "
                        "replied to this number."
                    ),
                    "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
                }
            ],
        )
    ],
    "whatsapp_trigger_priced": [
        recorded(
            "wamid.fix.priced",
            "sent",
            1767106891,
            callback_data="campaign-7",
            pricing={"billable": True, "pricing_model": "PMP", "category": "marketing", "type": "regular"},
        )
    ],
    "whatsapp_trigger_inbound_message": [],
    "whatsapp_trigger_three_changes": CHANGES,
    "webhook_node_three_changes": CHANGES,
    "error_after_trigger": [recorded("wamid.fix.err", "delivered", 1767106896)],
    "retry_of_error": [recorded("wamid.fix.err", "delivered", 1767106896)],
    "waiting": [recorded("wamid.fix.wait", "delivered", 1767106897)],
    "late_finished": [recorded("wamid.fix.slow", "delivered", 1767106898)],
    "split_items": [
        recorded("wamid.fix.s1", "delivered", 1767106899),
        recorded("wamid.fix.s2", "read", 1767106899),
    ],
    "crashed_recovered": [recorded("wamid.fix.crash", "delivered", 1767106900)],
}


@pytest.mark.parametrize("name", RECORDED_EVENTS)
def test_recording(name: str) -> None:
    """Each recorded execution holds exactly the statuses that its webhook brought, each once, under its own ids."""
    execution = recording(f"execution_{name}")
    found = read(execution)

    assert by_the_general_path(execution) == found
    assert [facts(event) for event in found.events] == RECORDED_EVENTS[name]
    for event in found.events:
        assert (event.execution_id, event.workflow_id) == (execution["id"], execution["workflowId"])
    assert found.outcome is (Outcome.FOUND if RECORDED_EVENTS[name] else Outcome.NONE)
    assert (found.execution_id, found.status) == (execution["id"], execution["status"])
    assert found.started_at is not None
    assert found.started_at.isoformat(timespec="milliseconds") == execution["startedAt"].replace("Z", "+00:00")
    assert found.problems == ()


def test_recording_redacted() -> None:
    """A redacted execution is not shown, which is not the same as holding no status."""
    found = read(recording("execution_redacted"))

    assert (found.outcome, found.reason, found.events) == (Outcome.WITHHELD, "redacted", ())


@pytest.mark.parametrize(("page", "reason"), [("oversized_data_withheld", "too_large"), ("metadata_only", "no_data")])
def test_recorded_page(page: str, reason: str) -> None:
    """An execution that a page lists without its data is not shown, and the reason tells why."""
    rows = json.loads((RECORDINGS / f"page_{page}.json").read_text(encoding="utf-8"))["data"]

    assert rows
    for row in rows:
        found = read(row)
        assert (found.execution_id, found.outcome, found.reason) == (row["id"], Outcome.WITHHELD, reason)


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("execution_send_*.json")))
def test_recorded_send_holds_no_status(name: str) -> None:
    """An execution that sent holds a send and no status: Meta's answer to a send is none."""
    found = read(recording(name))

    assert (found.outcome, found.events) == (Outcome.NONE, ())
    assert len(found.sends) == 1


@pytest.mark.parametrize("name", ["whatsapp_trigger_multi_status", "webhook_node_three_changes", "split_items"])
def test_layout_of_the_json_does_not_matter(name: str) -> None:
    """Exported by people's tools, indented, in other key order or with plain characters, it reads the same."""
    execution = recording(f"execution_{name}")
    expected = read(execution).events

    assert extract(json.dumps(execution, indent=4).encode()).events == expected
    assert extract(json.dumps(execution, sort_keys=True, ensure_ascii=False).encode()).events == expected
    assert extract(json.dumps(execution, separators=(" , ", " : ")).encode()).events == expected


# --- What a user wrote is never searched.

ATTACKS = [name for name in SITUATIONS if name.startswith("user_text_") and not situation(name)["expected"]["events"]]


def with_later_node(execution: dict[str, Any], node: str, made: dict[str, Any]) -> dict[str, Any]:
    """The execution with a node behind the trigger that put out ``made``."""
    execution = json.loads(json.dumps(execution))
    runs = execution["data"]["resultData"]["runData"]
    runs[node] = [
        {
            "startTime": TRIGGER_STARTED + 1,
            "executionIndex": len(runs),
            "source": [{"previousNode": next(iter(runs)), "previousNodeOutput": 0, "previousNodeRun": 0}],
            "executionStatus": "success",
            "data": {"main": [[{"json": made, "pairedItem": {"item": 0}}]]},
        }
    ]
    if execution["workflowData"] is not None:
        execution["workflowData"]["nodes"].append({"name": node, "type": "n8n-nodes-base.code", "parameters": {}})
    return execution


@pytest.mark.parametrize("name", ATTACKS)
def test_no_forging_by_a_text_that_a_later_node_made(name: str) -> None:
    """A text that a Set node made of a user's words is not opened."""
    execution = situation(name)["execution"]

    found = read(with_later_node(execution, "Set", {"text": json.dumps(FORGED), "statuses": json.dumps(FORGED)}))

    assert found.events == ()


@pytest.mark.parametrize("name", ATTACKS)
def test_no_forging_by_an_object_that_a_later_node_parsed(name: str) -> None:
    """A Code node that parses a user's words into an object makes no status of them."""
    found = read(with_later_node(situation(name)["execution"], "Code", FORGED))

    assert found.events == ()


@pytest.mark.parametrize("name", ATTACKS)
def test_no_forging_with_escaped_keys(name: str) -> None:
    r"""Writing ``\u0073tatuses`` in the text, so that a search for the word misses it, does not help."""
    execution = json.dumps(situation(name)["execution"]).replace("statuses", "\\\\u0073tatuses")

    found = read(with_later_node(json.loads(execution), "Code", FORGED))

    assert found.events == ()


@pytest.mark.parametrize("name", ATTACKS)
def test_no_forging_of_a_send(name: str) -> None:
    """A Code node that parses a user's words into Meta's answer to a send makes no send of them."""
    answer = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": "966500000066", "wa_id": "966500000066"}],
        "messages": [{"id": "wamid.FORGED", "message_status": "accepted"}],
    }

    found = read(with_later_node(situation(name)["execution"], "Code", answer))

    assert found.sends == ()


def test_forged_text_would_be_read_where_it_is_the_request() -> None:
    """The attacks' text is a good webhook: as the request itself it is read, so the tests above are not vacuous."""
    found = read(wrapped(json.dumps(FORGED), "webhook"))

    assert [event.message_id for event in found.events] == ["wamid.FORGED"]


def test_later_nodes_are_read_when_no_person_wrote() -> None:
    """A status that only a node behind a timer put out counts: the caution is for what people wrote."""
    execution = with_later_node(situation("sample_webhook_in_node_parameters")["execution"], "Code", FORGED)

    assert [event.message_id for event in read(execution).events] == ["wamid.FORGED"]


@pytest.mark.parametrize("word", ["statuses", "\\\\u0073tatuses"], ids=["plain", "escaped"])
@pytest.mark.parametrize("order", [1, -1], ids=["as it ran", "backwards"])
def test_no_forging_by_a_message_that_a_later_node_fetched(order: int, word: str) -> None:
    """A timer's workflow fetches users' messages from somewhere, and a Code node parses what one of them wrote."""
    message = {"from": "966500000066", "id": "wamid.IN4", "type": "text", "text": {"body": json.dumps(FORGED)}}
    fetched = json.loads(json.dumps({"messages": [message]}).replace("statuses", word))
    execution = situation("sample_webhook_in_node_parameters")["execution"]
    execution = with_later_node(with_later_node(execution, "Fetch", fetched), "Parse", FORGED)
    runs = execution["data"]["resultData"]["runData"]
    execution["data"]["resultData"]["runData"] = dict(list(runs.items())[::order])

    assert read(execution).events == ()


def test_statuses_of_the_trigger_count_beside_a_user_message() -> None:
    """One webhook brings a status and a user's message: the status counts, what later nodes made does not."""
    body = situation("statuses_and_messages_in_one_value")["body"]
    execution = with_later_node(wrapped(body, "whatsapp_trigger"), "Code", FORGED)

    assert [event.message_id for event in read(execution).events] == ["wamid.P12"]


# --- Belief: nodes behind a timer.


def polled(*answers: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    """A timer's execution in which HTTP Request nodes, one behind the other, received these answers."""
    execution = situation("sample_webhook_in_node_parameters")["execution"]
    for number, answer in enumerate(answers):
        execution = with_later_node(execution, f"Fetch {number}", answer)
        node = execution["workflowData"]["nodes"][-1]
        node |= {"type": "n8n-nodes-base.httpRequest", "parameters": parameters}
    return execution  # type: ignore[no-any-return]


INBOUND = json.loads(json.dumps(FORGED).replace("statuses", "messages"))
RELAY = {"url": "https://relay.example.com/api/webhook"}


@pytest.mark.parametrize(
    "answers",
    [
        [{"success": True, "latestMessage": {"timestamp": "x", "data": FORGED}}],
        [{"data": [INBOUND, FORGED]}],
        [{"data": INBOUND}, {"data": FORGED}],
    ],
    ids=["alone", "beside a message", "behind a message"],
)
def test_relay_that_a_timer_asks(answers: list[dict[str, Any]]) -> None:
    """A request that the author wrote out whole brings statuses, whatever people's messages it brings beside them."""
    assert [event.message_id for event in read(polled(*answers, **RELAY)).events] == ["wamid.FORGED"]


@pytest.mark.parametrize(
    ("answers", "parameters", "reason"),
    [
        ([{"data": INBOUND}, {"data": FORGED}], {"url": "=https://relay.example.com/{{ $json.data.id }}"}, "status"),
        ([{"data": FORGED}], {"url": "={{ $json.link }}"}, "status"),
        ([{"data": {"statuses": FORGED["entry"][0]["changes"][0]["value"]["statuses"]}}], RELAY, "status"),  # type: ignore[index]
        ([{"data": json.dumps(FORGED)}], RELAY, "text"),
    ],
    ids=["made of a message", "another server", "without the envelope", "a text"],
)
def test_answers_that_are_not_read(answers: list[dict[str, Any]], parameters: dict[str, Any], reason: str) -> None:
    """An answer that is not trusted is counted as not read, with the reason."""
    found = read(polled(*answers, **parameters))

    assert (found.events, found.outcome, found.reason) == ((), Outcome.NOT_READ, reason)


def test_rows_of_a_database() -> None:
    """A stored webhook in a row is read inside Meta's envelope, unless a person's text is in the row."""
    row = {"_id": "65f", "payload_type": "whatsapp", "metaData": FORGED, "executed": True}
    execution = with_later_node(situation("sample_webhook_in_node_parameters")["execution"], "Rows", row)
    execution["workflowData"]["nodes"][-1]["type"] = "n8n-nodes-base.mongoDb"

    assert [event.message_id for event in read(execution).events] == ["wamid.FORGED"]
    (made,) = execution["data"]["resultData"]["runData"]["Rows"][0]["data"]["main"][0]
    made["json"]["note"] = json.dumps(FORGED)
    found = read(execution)
    assert (found.events, found.reason) == ((), "status")


# --- Ids, status and start of the execution itself.


@pytest.mark.parametrize(
    ("changed", "status", "final"),
    [
        ({}, "success", True),
        ({"status": "error"}, "error", True),
        ({"status": "crashed"}, "crashed", True),
        ({"status": "canceled"}, "canceled", True),
        ({"status": "waiting"}, "waiting", False),
        ({"status": "running"}, "running", False),
        ({"status": "new"}, "new", False),
        ({"status": None, "finished": True}, "success", True),
        ({"status": None, "finished": False, "waitTill": None}, "error", True),
        ({"status": None, "finished": False, "waitTill": "2026-11-22T15:46:11.665Z"}, "unknown", False),
        ({"status": None, "finished": False, "stoppedAt": None}, "unknown", False),
        ({"status": 7, "finished": None, "stoppedAt": None}, "unknown", False),
    ],
)
def test_status_of_the_execution(changed: dict[str, Any], status: str, final: bool) -> None:  # noqa: FBT001
    """n8n's status is taken as it is; old lists have none, there it follows from the other fields."""
    found = read(recording("execution_whatsapp_trigger_multi_status") | changed)

    assert (found.status, found.final) == (status, final)


@pytest.mark.parametrize(
    ("changed", "execution_id", "workflow_id"),
    [
        ({"id": 1023}, "1023", "bcHn4wXXcVuTsjYB"),
        ({"id": None}, "", "bcHn4wXXcVuTsjYB"),
        ({"id": ["1023"]}, "", "bcHn4wXXcVuTsjYB"),
        ({"workflowId": None}, "1023", "bcHn4wXXcVuTsjYB"),
        ({"workflowId": 7}, "1023", "7"),
        ({"workflowId": None, "workflowData": None}, "1023", ""),
        ({"id": "10\x0023", "workflowId": "bc\x1fHn"}, "10\ufffd23", "bc\ufffdHn"),
    ],
)
def test_ids_of_the_execution(changed: dict[str, Any], execution_id: str, workflow_id: str) -> None:
    """Ids are texts that every store takes; a missing workflow id is found in the snapshot."""
    found = read(recording("execution_whatsapp_trigger_multi_status") | changed)

    assert (found.execution_id, found.workflow_id) == (execution_id, workflow_id)
    assert {(event.execution_id, event.workflow_id) for event in found.events} == {(execution_id, workflow_id)}


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ("2026-11-22T13:46:10.696Z", "2026-11-22T13:46:10.696000+00:00"),
        ("2026-11-22T16:46:10+03:00", "2026-11-22T16:46:10+03:00"),
        ("2026-11-22 13:46:10.696", "2026-11-22T13:46:10.696000+00:00"),
        ("yesterday", None),
        (1795355170, None),
        (None, None),
    ],
)
def test_start_of_the_execution(started: object, expected: str | None) -> None:
    """The start is an instant with a zone, or unknown."""
    found = read(recording("execution_whatsapp_trigger_multi_status") | {"startedAt": started})

    assert (found.started_at and found.started_at.isoformat()) == expected
    assert len(found.events) == 3


# --- Damage.


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path to every value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from places(item, (*path, key))


def replaced(value: Any, path: tuple[str | int, ...], by: object) -> Any:
    """A copy with the value at ``path`` replaced."""
    changed = json.loads(json.dumps(value))
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = by
    return changed


@pytest.mark.parametrize("wrong", [None, True, 7, -1.5, "x", "\ud83d\x00", [], {}, [[]], {"x": {}}], ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        "execution_whatsapp_trigger_failed",
        "execution_webhook_node_three_changes",
        "execution_crashed_recovered",
        "execution_send_template_rejected_132001",
        "execution_send_http_request_rejected_190",
        "execution_send_template_continue_on_fail_rejected_132001",
    ],
)
def test_wrong_types_at_every_place_raise_nothing(name: str, wrong: object) -> None:
    """Any value at any place of a recorded execution is read without an error."""
    execution = recording(name)

    for path in places(execution):
        found = read(replaced(execution, path, wrong))
        assert isinstance(found, Extraction), path


@pytest.mark.parametrize("wrong", [None, True, 7, 10**30, -1.5, "", "x", [], {}, [[]], {"x": {}}], ids=repr)
@pytest.mark.parametrize(
    "name",
    [
        "wrong_types_in_every_field",
        "everything_null",
        "group_three_participants_one_wamid",
        "contacts_with_username_and_parent_bsuid",
        "failed_with_full_error",
        "recipient_inside_message",
        "payment_is_no_delivery",
        "standby_receipt",
        "callback_data_as_object",
    ],
)
def test_wrong_types_at_every_place_of_a_body_raise_nothing(name: str, wrong: object) -> None:
    """Any value at any place of a webhook body is read without an error."""
    body = situation(name)["body"]

    for path in places(body):
        found = read(wrapped(replaced(body, path, wrong), "webhook"))
        assert found.execution_id == EXECUTION_ID, path


def nested(depth: int) -> str:
    """JSON text of lists in lists, so many deep."""
    return "[" * depth + "]" * depth


DEPTHS = [*range(1, 60, 7), *range(900, 1010), 5_000, 100_000]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("execution_whatsapp_trigger_multi_status", ("customData",)),
        (
            "execution_whatsapp_trigger_multi_status",
            ("data", "resultData", "runData", "WhatsApp Trigger", 0, "data", "main", 0, 0, "json", "metadata", "more"),
        ),
        (
            "execution_whatsapp_trigger_failed",
            (
                *("data", "resultData", "runData", "WhatsApp Trigger", 0, "data", "main", 0, 0, "json"),
                *("statuses", 0, "biz_opaque_callback_data"),
            ),
        ),
        ("execution_send_template_accepted", ("workflowData", "nodes", 1, "parameters", "components")),
        (
            "execution_send_template_continue_on_fail_rejected_132001",
            ("workflowData", "nodes", 1, "parameters", "components"),
        ),
        (
            "execution_send_http_request_rejected_132001",
            ("data", "resultData", "runData", "HTTP Request", 0, "error", "context", "request", "body"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value[-1]),
)
def test_nesting_of_any_depth_raises_nothing(name: str, place: tuple[str | int, ...]) -> None:
    """Anybody can post a body nested deeper than a decoder follows: it costs that execution at most, no error."""
    text = json.dumps(replaced(recording(name), place, "DEEP"))

    for depth in DEPTHS:
        found = extract(text.replace('"DEEP"', nested(depth)).encode())
        assert found.execution_id == recording(name)["id"], depth
        if "whatsapp_trigger" in name:
            assert found.events or found.outcome is Outcome.WITHHELD, depth


@pytest.mark.parametrize(
    "beside",
    [
        b'"\\ud83d"',
        b'"\\udc00\\ud83d"',
        b'"\\u0000"',
        b'"\xff\xfe"',
        b'"\xed\xa0\xbd"',
        b"1e999",
        b"-0.0",
        b"9" * 30,
        b"9" * 5_000,
        b"[" + b"9" * 5_000 + b', "\\ud83d"]',
    ],
    ids=lambda value: repr(value[:24]),
)
@pytest.mark.parametrize("nodes", [("WhatsApp Trigger",), ("Enrich",), ("WhatsApp Trigger", "Enrich")], ids="+".join)
def test_odd_value_beside_a_status_costs_only_itself(beside: bytes, nodes: tuple[str, ...]) -> None:
    """A text or number that a decoder refuses, beside a status in one node or in all, takes no status along."""
    execution = recording("execution_whatsapp_trigger_multi_status")
    for node in nodes:
        execution["data"]["resultData"]["runData"][node][0]["data"]["main"][0][0]["json"]["odd"] = "ODD"

    found = extract(json.dumps(execution).encode().replace(b'"ODD"', beside))

    assert [facts(event) for event in found.events] == RECORDED_EVENTS["whatsapp_trigger_multi_status"]


@pytest.mark.parametrize(
    ("raw", "execution_id", "workflow_id"),
    [
        (b"", "", ""),
        (b"\x00\xff", "", ""),
        (b"null", "", ""),
        (b"[]", "", ""),
        (b'"1023"', "", ""),
        (b'{"id":"1023","workflowId":"wf","data":{', "1023", "wf"),
        (b'{"id":1023,"workflowId":"wf","data":{', "1023", "wf"),
        (b'{"id":"1023"}{"id":"1024"}', "1023", ""),
        (b'[{"id":"1023"}]', "1023", ""),
    ],
)
def test_unreadable_text_is_not_shown(raw: bytes, execution_id: str, workflow_id: str) -> None:
    """A text that is no execution is withheld, never taken for empty; its id is found in the text where it has one."""
    found = extract(raw)

    assert (found.outcome, found.reason) == (Outcome.WITHHELD, "unreadable")
    assert (found.execution_id, found.workflow_id) == (execution_id, workflow_id)
    assert found.problems


def test_problems_name_no_person() -> None:
    """Problems of damaged items contain no phone number, no name and no text."""
    execution = situation("damaged_item_beside_a_good_one")["execution"]
    execution["data"]["resultData"]["runData"]["Webhook"][0]["data"]["main"][0][0] = "966500000001 Sara"
    body = situation("damaged_statuses_beside_good_ones")["body"]

    said = [*read(execution).problems, *read(wrapped(body, "webhook")).problems]

    assert said
    assert all("9665" not in problem and "Sara" not in problem for problem in said)
