"""Extraction raises nothing and stays correct, whatever n8n, a provider, a user or an attacker puts into an execution.

The executions are arbitrary JSON, arbitrary bytes, and above all the recordings of a real n8n with values in them
replaced, deleted, doubled and added at random.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ticktrail.extraction import execution_reader as n8n
from ticktrail.extraction.decoding import decode_execution
from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.model import Extraction, Outcome

DATA = Path(__file__).parents[1] / "data"
JSON_VALUE = Any
Cursor = tuple[str | int, ...]


def loaded(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


RECORDINGS = {path.stem: loaded(path) for path in sorted((DATA / "n8n-2.41.1").glob("execution_*.json"))}
SITUATIONS = {
    path.stem: situation["execution"]
    for path in sorted((DATA / "situations").glob("*.json"))
    if "execution" in (situation := loaded(path))
}
EXECUTIONS = st.sampled_from([*RECORDINGS.values(), *SITUATIONS.values()])

# The words that steer the reading: arbitrary ones would never be met.
KEYS = [
    *("id", "status", "timestamp", "type", "statuses", "messages", "message", "entry", "changes"),
    *("value", "standby", "field", "metadata", "contacts", "wa_id", "user_id", "recipient_id"),
    *("group_id", "recipient_user_id", "recipient_participant_id", "errors", "error", "code"),
    *("reason", "error_data", "details", "title", "href", "pricing", "conversation", "payment"),
    *("biz_opaque_callback_data", "body", "headers", "messaging_product", "phone_number_id", "from"),
    *("sender", "text", "history", "data", "resultData", "runData", "pinData", "executionData"),
    *("nodeExecutionStack", "waitingExecution", "redactionInfo", "isRedacted", "main", "ai_tool"),
    *("json", "binary", "redaction", "pairedItem", "item", "source", "previousNode"),
    *("previousNodeOutput", "previousNodeRun", "startTime", "executionIndex", "node", "name", "mode"),
    *("retryOf", "startedAt", "createdAt", "workflowId", "workflowData", "nodes", "parameters"),
    *("template", "jsonBody", "resource", "errorResponse", "description", "context", "request"),
    *("itemIndex", "dataTooLargeToDisplay", "finished", "mimeType"),
]
TEXT_IN_TEXT = json.dumps({"statuses": [{"id": "wamid.T", "status": "sent", "timestamp": "1767000000"}]})
WORDS = [
    *(
        "wamid.X",
        "wacid.X",
        "sent",
        "READ",
        "failed",
        "whatsapp",
        "calls",
        "call",
        "payment",
        "set-callback",
        "messages",
    ),
    *("1767000000", "1767000000123", "2025-12-29T09:20:00Z", "NaN", "1e400", "-5", "0001-01-01T00:00:00+23:59"),
    *("webhook", "trigger", "manual", "evaluation", "integrated", "retry", "success", "crashed", "966500000001"),
    *("\ud83d", "a\x00b", "\x1f", "={{ $json.body.to }}", "={{ $('Webhook').item.json.body }}", "(#132001) gone"),
    *(TEXT_IN_TEXT, json.dumps(TEXT_IN_TEXT), "eyJzdGF0dXNlcyI6W119"),
]
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**63, 2**64, 10**30, -(10**30), 1767000000, 1767000000123, -99999999999]),
    st.floats(),
    st.sampled_from(WORDS),
    ANY_TEXT,
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | ANY_TEXT, inner, max_size=5),
    max_leaves=12,
)


def copied(value: JSON_VALUE) -> JSON_VALUE:
    """A copy that shares nothing with the value."""
    return json.loads(json.dumps(value))


def places(value: JSON_VALUE, path: Cursor = ()) -> Iterator[Cursor]:
    """The path to every value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(value: JSON_VALUE, path: Cursor) -> JSON_VALUE:
    """Return the value at this path."""
    for key in path:
        value = value[key]
    return value


def damage(draw: st.DrawFn, value: JSON_VALUE, path: Cursor) -> None:
    """Replace, delete or double the value at this path, or add something beside it."""
    parent, key = at(value, path[:-1]), path[-1]
    kind = draw(st.sampled_from(["replace", "delete", "double", "add"]))
    if kind == "replace":
        parent[key] = draw(VALUES)
    elif kind == "delete":
        del parent[key]
    elif isinstance(parent, list):
        parent.insert(key, copied(parent[key]) if kind == "double" else draw(VALUES))  # type: ignore[arg-type, index]
    else:
        parent[draw(st.sampled_from(KEYS))] = copied(parent[key]) if kind == "double" else draw(VALUES)


def encoded(draw: st.DrawFn, value: JSON_VALUE) -> bytes:
    """JSON text as Node writes it, with half characters escaped, or as a careless tool does, with them as they are."""
    if draw(st.booleans()):
        return json.dumps(value).encode()
    return json.dumps(value, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")


@st.composite
def damaged_executions(draw: st.DrawFn) -> bytes:
    """A real execution in which up to five things are not as they were."""
    execution = copied(draw(EXECUTIONS))
    for _ in range(draw(st.integers(1, 5))):
        paths = list(places(execution))
        data = [path for path in paths if path[0] == "data"]
        if paths:
            damage(draw, execution, draw(st.sampled_from(data if data and draw(st.integers(0, 4)) else paths)))  # type: ignore[arg-type]
    return encoded(draw, execution)


@st.composite
def arbitrary_json(draw: st.DrawFn) -> bytes:
    """Any JSON value, or a real execution in which one part is any JSON value."""
    value = draw(VALUES)
    execution = copied(draw(EXECUTIONS))
    where = draw(st.sampled_from(["alone", "data", "run data", "item"]))
    if where == "alone":
        return encoded(draw, value)
    if where == "data":
        return encoded(draw, execution | {"data": value})
    run_data = value if where == "run data" else {"Webhook": [{"source": [], "data": {"main": [[{"json": value}]]}}]}
    return encoded(draw, execution | {"data": {"resultData": {"runData": run_data}}})


def texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    for item in value.items() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from texts(item)


def integers(value: object) -> Iterator[int]:
    """Every integer in a JSON value."""
    if isinstance(value, int):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from integers(item)


def assert_sound(found: Extraction) -> None:
    """Assert that the extraction fits every store, and that its outcome agrees with its events."""
    for event in found.events:
        assert event.message_id
        assert event.status
        assert event.timestamp is None or type(event.timestamp) is int
        assert (event.execution_id, event.workflow_id) == (found.execution_id, found.workflow_id)
    for send in found.sends:
        assert send.key
        assert send.rejected == (send.message_id is None)
    for text in texts(msgspec.to_builtins(found)):
        assert "\x00" not in text
        text.encode("utf-8")
    assert all(-(2**63) <= number < 2**63 for number in integers(msgspec.to_builtins(found)))
    assert msgspec.json.encode(found)
    assert (found.outcome is Outcome.FOUND) == bool(found.events)
    assert (found.outcome in {Outcome.WITHHELD, Outcome.NOT_READ}) == (found.reason is not None)


@settings(max_examples=400)
@given(damaged_executions())
def test_damaged_executions(raw: bytes) -> None:
    """A damaged execution raises nothing, and what is still read from it is sound, and the same when read again."""
    found = extract(raw)

    assert_sound(found)
    assert extract(raw) == found


@settings(max_examples=300)
@given(arbitrary_json())
def test_arbitrary_json(raw: bytes) -> None:
    """Any JSON value, anywhere in an execution, raises nothing."""
    found = extract(raw)

    assert_sound(found)
    assert extract(raw) == found


@settings(max_examples=200)
@given(st.binary(max_size=64))
@example(b"\xef\xbb\xbf{}")
@example(b'{"id": ' + b"9" * 5_000 + b"}")
@example(b'{"id":"1","data":' + b"[" * 100_000)
@example(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
def test_arbitrary_bytes(raw: bytes) -> None:
    """Any bytes at all raise nothing and are never taken for an execution without statuses."""
    found = extract(raw)

    assert_sound(found)
    assert found.outcome is Outcome.WITHHELD


@settings(max_examples=200)
@given(st.data())
def test_cut_and_flipped_bytes(data: st.DataObject) -> None:
    """A real execution cut short or with a byte changed raises nothing."""
    raw = json.dumps(data.draw(EXECUTIONS)).encode()
    place = data.draw(st.integers(0, len(raw) - 1))
    byte = data.draw(st.integers(0, 255))

    for broken in (raw[:place], raw[:place] + bytes([byte]) + raw[place + 1 :]):
        assert_sound(extract(broken))


# --- Damage costs itself only.

WATCHED = {"id": "wamid.WATCHED", "status": "read", "timestamp": "1767100077", "recipient_id": "966500000077"}
VALUE = {
    "messaging_product": "whatsapp",
    "metadata": {"display_phone_number": "15550000077", "phone_number_id": "200000000000077"},
    "statuses": [{"id": "wamid.BESIDE", "status": "sent", "timestamp": "1767100070"}, WATCHED],
}
WATCHED_FACTS = {
    "message_id": "wamid.WATCHED",
    "status": "read",
    "timestamp": 1767100077,
    "conversation_id": "966500000077",
    "phone_number_id": "200000000000077",
    "display_phone_number": "15550000077",
}
WATCHED_ITEMS: list[tuple[dict[str, Any], Cursor]] = [
    ({**VALUE, "field": "messages"}, ("statuses", 1)),
    (
        {
            "headers": {"host": "n8n.example.com"},
            "query": {},
            "body": {
                "object": "whatsapp_business_account",
                "entry": [{"id": "1", "changes": [{"field": "messages", "value": VALUE}, {"field": "messages"}]}],
            },
        },
        ("body", "entry", 0, "changes", 0, "value", "statuses", 1),
    ),
]

# Keys outside a status that affect how it is read. Headers and query identify a form.
DECIDING = {
    *{"id", "workflowId", "mode", "startedAt", "createdAt", "pinData", "source", "metadata", "contacts", "field"},
    *{"headers", "query"},
}


@st.composite
def executions_damaged_around(draw: st.DrawFn) -> bytes:
    """A real execution with one status more, and up to five things damaged that neither hold it nor decide on it."""
    where = draw(st.sampled_from(["run data", "execution stack"]))
    json_, inside = copied(draw(st.sampled_from(WATCHED_ITEMS)))
    if where == "run data":
        execution = copied(draw(st.sampled_from([RECORDINGS[name] for name in WITH_A_TRIGGER])))
        node = next(iter(execution["data"]["resultData"]["runData"]))
        outputs: Cursor = ("data", "resultData", "runData", node, 0, "data", "main")
    else:
        execution = copied(RECORDINGS["execution_crashed_recovered"])
        outputs = ("data", "executionData", "nodeExecutionStack", 0, "data", "main")
    items = at(execution, (*outputs, 0))
    place = draw(st.integers(0, len(items)))
    items.insert(place, {"json": json_, "pairedItem": {"item": 0}})
    items.append({"json": {"one": "more"}})

    kept = (*outputs, 0, place, "json", *inside)
    beside = [(*kept[:depth], key) for depth in range(len(kept)) for key in _keys(at(execution, kept[:depth]))]
    targets = [path for path in beside if path != kept[: len(path)] and path[-1] not in DECIDING]
    # Lists are damaged from behind, so that the paths to what stands before stay what they were.
    chosen = draw(st.lists(st.sampled_from(targets), min_size=1, max_size=5, unique=True))
    for path in sorted(chosen, key=lambda path: (len(path), str(path[:-1]), _index(path[-1])), reverse=True):
        _damage_apart(draw, execution, path)
    return json.dumps(execution).encode()


def _keys(value: JSON_VALUE) -> list[str | int]:
    return list(value) if isinstance(value, dict) else list(range(len(value)))


def _index(key: str | int) -> int:
    return key if isinstance(key, int) else -1


def _damage_apart(draw: st.DrawFn, execution: JSON_VALUE, path: Cursor) -> None:
    """Damage the value at this path, or something inside it, and nothing beside it."""
    parent, key = at(execution, path[:-1]), path[-1]
    deeper = list(places(parent[key]))
    kind = draw(st.sampled_from(["replace", "delete", "inside"]))
    if kind == "inside" and deeper:
        damage(draw, parent[key], draw(st.sampled_from(deeper)))
    elif kind == "delete":
        del parent[key]
    else:
        parent[key] = draw(VALUES)


WITH_A_TRIGGER = [
    "execution_whatsapp_trigger_multi_status",
    "execution_whatsapp_trigger_three_changes",
    "execution_whatsapp_trigger_inbound_message",
    "execution_webhook_node_three_changes",
    "execution_error_after_trigger",
    "execution_waiting",
    "execution_send_template_accepted",
    "execution_send_http_request_rejected_132001",
]


@settings(max_examples=500)
@given(executions_damaged_around())
def test_damage_costs_itself_only(raw: bytes) -> None:
    """Whatever is damaged elsewhere, a status that is itself whole is read once, unchanged."""
    found = extract(raw)

    watched = [event for event in found.events if event.message_id == "wamid.WATCHED"]
    assert [
        {
            name: value
            for name, value in msgspec.to_builtins(event).items()
            if name not in {"execution_id", "workflow_id"}
        }
        for event in watched
    ] == [WATCHED_FACTS]


# --- The fast path and the general path.


def assert_paths_agree(raw: bytes) -> bool:
    """Compare the fast path with the general path; return whether the fast path was taken."""
    execution, problems = decode_execution(raw)
    fast = None if execution is None or problems else n8n.extract_fast(execution)
    if execution is None or fast is None:
        return False
    assert fast == n8n.extract_general(execution, raw, problems)
    return True


PLAIN = [
    "execution_whatsapp_trigger_multi_status",
    "execution_whatsapp_trigger_three_changes",
    "execution_whatsapp_trigger_failed",
    "execution_whatsapp_trigger_priced",
    "execution_webhook_node_three_changes",
]


@pytest.mark.parametrize("name", [*RECORDINGS, *SITUATIONS])
def test_fast_path_agrees(name: str) -> None:
    """Of every recording and situation both paths read the same, or the fast path reads nothing."""
    taken = assert_paths_agree(json.dumps((RECORDINGS | SITUATIONS)[name]).encode())

    assert taken or name not in PLAIN


@pytest.mark.parametrize("name", PLAIN)
def test_fast_path_agrees_after_every_single_change(name: str) -> None:
    """Whatever one value in a plain execution becomes, both paths still read the same, or the fast path nothing."""
    wrong = [
        None,
        True,
        7,
        "",
        "x",
        "READ",
        "sent ",
        "calls",
        "1767000000",
        "9999999999",
        "1000000000",
        [],
        {},
        [{}],
        {"x": 1},
    ]
    taken = 0

    for execution in (RECORDINGS[name], trigger_alone(RECORDINGS[name])):
        for path in places({name: value for name, value in execution.items() if name != "workflowData"}):
            for value in wrong:
                changed = copied(execution)
                at(changed, path[:-1])[path[-1]] = value
                taken += assert_paths_agree(json.dumps(changed).encode())
            shorter = copied(execution)
            del at(shorter, path[:-1])[path[-1]]
            taken += assert_paths_agree(json.dumps(shorter).encode())

    assert taken


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"pricing": {"category": "utility"}},
        {"errors": [{"code": 131026}]},
        {"biz_opaque_callback_data": "campaign-7"},
        {"recipient_user_id": "SA.9001"},
        {"recipient_id": "966500000002"},
        {"status": "DELIVERED"},
    ],
    ids=str,
)
@pytest.mark.parametrize("apart", [True, False], ids=["in an item of its own", "in the same list"])
def test_fast_path_agrees_on_doubles(more: dict[str, Any], *, apart: bool) -> None:
    """A status that comes twice, the second time with more or other facts, is the same event by either path."""
    execution = trigger_alone(RECORDINGS["execution_whatsapp_trigger_multi_status"])
    (items,) = execution["data"]["resultData"]["runData"]["WhatsApp Trigger"][0]["data"]["main"]
    statuses = items[0]["json"]["statuses"]
    double = {**statuses[1], **more}
    if apart:
        items.append(copied(items[0]))
        items[1]["json"]["statuses"] = [double]
    else:
        statuses.append(double)

    assert_paths_agree(json.dumps(execution).encode())


@pytest.mark.parametrize(
    "around",
    [
        {"contacts": [{"wa_id": "966500000001", "user_id": "SA.9001"}]},
        {"metadata": {"phone_number_id": "1", "display_phone_number": "15550000001"}},
        {"statuses": [WATCHED]},
        {"messaging_product": "whatsapp", "field": "messages"},
    ],
    ids=str,
)
def test_fast_path_agrees_on_data_around_a_body(around: dict[str, Any]) -> None:
    """Values beside a request's body surround its statuses by either path."""
    execution = trigger_alone(RECORDINGS["execution_webhook_node_three_changes"])
    execution["data"]["resultData"]["runData"]["Webhook"][0]["data"]["main"][0][0]["json"] |= around

    assert_paths_agree(json.dumps(execution).encode())


ANOTHER = {"json": {**VALUE, "statuses": [{**WATCHED, "id": "wamid.ANOTHER"}]}}
REFUSED = {"errorResponse": {"body": {"error": {"code": 131030, "message": "(#131030) not in allowed list"}}}}


@pytest.mark.parametrize(
    ("place", "added"),
    [
        (
            "data executionData nodeExecutionStack",
            [{"node": {"name": "Y"}, "data": {"main": [[ANOTHER]]}, "source": None}],
        ),
        ("data executionData waitingExecution", {"Merge": {"0": {"main": [[ANOTHER]]}}}),
        ("data resultData runData Second", [{"source": [], "data": {"main": [[ANOTHER]]}}]),
        ("data resultData runData Later", [{"source": [{"previousNode": "X"}], "data": {"main": [[], [ANOTHER]]}}]),
        ("data resultData runData Tool", [{"source": [{"previousNode": "X"}], "data": {"ai_tool": [[ANOTHER]]}}]),
        ("data resultData runData Sender", [{"source": [{"previousNode": "X"}], "error": REFUSED}]),
        ("data resultData pinData", {"Webhook": [], "WhatsApp Trigger": []}),
        ("mode", "manual"),
        ("mode", "evaluation"),
        ("mode", "integrated"),
        ("startedAt", None),
        ("startedAt", "2020-01-01T00:00:00Z"),
        ("workflowId", None),
        ("id", "10\x0023"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@pytest.mark.parametrize("name", PLAIN)
def test_fast_path_leaves_what_it_does_not_see(name: str, place: str, added: JSON_VALUE) -> None:
    """A status outside the trigger's output, and a change of its meaning, is not missed."""
    execution = copied(RECORDINGS[name])
    *path, last = place.split()
    at(execution, tuple(path))[last] = added
    execution["workflowData"]["nodes"].append({"name": "Sender", "type": "n8n-nodes-base.whatsApp", "parameters": {}})
    raw = json.dumps(execution).encode()

    assert_paths_agree(raw)
    found = extract(raw)

    if ANOTHER["json"]["statuses"][0]["id"] in json.dumps(added):  # type: ignore[index]
        assert "wamid.ANOTHER" in {event.message_id for event in found.events}
    if place.endswith("Sender"):
        assert [send.rejected for send in found.sends] == [True]
        assert found.events


def trigger_alone(execution: JSON_VALUE) -> JSON_VALUE:
    """The execution without the nodes behind its trigger, whose copies would give a change of the trigger's away."""
    alone = copied(execution)
    runs = alone["data"]["resultData"]["runData"]
    for name in list(runs)[1:]:
        del runs[name]
    return alone


@st.composite
def executions_hardly_changed(draw: st.DrawFn) -> bytes:
    """A plain execution with a key or two added, doubled or changed inside what its nodes put out."""
    execution = copied(RECORDINGS[draw(st.sampled_from(PLAIN))])
    if draw(st.booleans()):
        execution = trigger_alone(execution)
    for _ in range(draw(st.integers(1, 2))):
        paths = [path for path in places(execution) if path[:3] == ("data", "resultData", "runData") and len(path) > 5]
        if paths:
            damage(draw, execution, draw(st.sampled_from(paths)))
    return json.dumps(execution).encode()


@settings(max_examples=400)
@given(executions_hardly_changed())
def test_fast_path_agrees_on_hardly_changed_executions(raw: bytes) -> None:
    """If the fast path is taken, it reads the same as the general path."""
    assert_paths_agree(raw)
