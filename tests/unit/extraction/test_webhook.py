"""Status lists in a webhook body: found wherever Meta and others put them, never below a person's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ticktrail.extraction.webhook import read_body

# --- Where statuses stand in a body.


def found_ids(value: object) -> list[str]:
    """The ids of all statuses found in a body."""
    return [
        status["id"] for holder in read_body(value).holders for status in holder.statuses if isinstance(status, dict)
    ]


BARE = {"statuses": [{"id": "wamid.A"}]}


@pytest.mark.parametrize(
    "body",
    [
        BARE,
        [BARE],
        [None, [BARE], None],
        {"value": BARE},
        {"value": {"standby": BARE}},
        {"changes": [{"value": BARE}]},
        {"entry": [{"changes": [{"value": BARE}]}]},
        {"entry": {"changes": {"value": BARE}}},
        {"body": {"entry": [None, {"changes": [None, {"value": BARE}]}]}},
        {"body": {"body": {"data": [{"payload": BARE}]}}},
        {"statuses": {"id": "wamid.A"}},
        {"statuses": [{"id": "wamid.A"}], "messages": None},
        {"statuses": [{"id": "wamid.A"}], "messages": []},
    ],
    ids=json.dumps,
)
def test_placement(body: object) -> None:
    """Statuses are found by their name, however they are wrapped; no person wrote these."""
    assert found_ids(body) == ["wamid.A"]
    assert not read_body(body).person_wrote


@pytest.mark.parametrize(
    "body",
    [
        None,
        7,
        "statuses",
        json.dumps(BARE),
        {"data": json.dumps(BARE)},
        {"statuses": None},
        {"statuses": 7},
        {"statuses": json.dumps(BARE["statuses"])},
        {"messages": [BARE]},
        {"messages": [{"text": {"body": json.dumps(BARE)}}]},
        {"message": BARE},
        {"message_echoes": [BARE]},
        {"contacts": [BARE]},
        {"history": [BARE]},
        {"user_actions": [BARE]},
        {"headers": BARE, "query": BARE, "params": BARE},
        {"metadata": BARE, "conversation": BARE, "pricing": BARE, "errors": [BARE]},
        {"field": "calls", "value": BARE},
        {"field": "calls", **BARE},
    ],
    ids=repr,
)
def test_no_placement(body: object) -> None:
    """Below what people wrote, beside the body, in a text and among calls nothing is searched."""
    assert found_ids(body) == []


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"from": "966500000066"}]},
        {"entry": [{"changes": [{"value": {"messages": [{}]}}]}]},
        {"value": {"standby": {"messages": [{}]}}},
        [{"statuses": [{"id": "wamid.A"}], "messages": [{}]}],
        {"history": [{"threads": [{"messages": [{"text": {"body": "hello"}}]}]}]},
        {"message": {"text": "hello", "chat": {"id": 66}}},
        {"From": "whatsapp:+966500000066", "Body": "hello"},
        {"payload": {"from": "966500000066@c.us", "body": "hello"}},
        {"chatInput": "hello", "sessionId": "s1"},
    ],
    ids=json.dumps,
)
def test_a_person_wrote(body: object) -> None:
    """It is noticed that a person wrote to us, whatever service brought it."""
    assert read_body(body).person_wrote


def test_depth_is_bounded() -> None:
    """A body nested beyond what any provider does is searched to a bound, not for ever."""
    body: dict[str, Any] = BARE
    for _ in range(100):
        body = {"body": body}

    assert found_ids(body) == []


def test_surroundings_are_the_nearest() -> None:
    """Each list of statuses goes with the sending number and the contacts of its own value."""
    first = {"metadata": {"phone_number_id": "1"}, "contacts": [{"wa_id": "a"}], "statuses": []}
    second = {"metadata": {"phone_number_id": "2"}, "statuses": []}

    holders = read_body({"entry": [{"changes": [{"value": first}, {"value": second}]}]}).holders

    assert [holder.metadata for holder in holders] == [{"phone_number_id": "1"}, {"phone_number_id": "2"}]
    assert [holder.contacts for holder in holders] == [({"wa_id": "a"},), ()]
    assert all(holder.from_meta for holder in holders)
