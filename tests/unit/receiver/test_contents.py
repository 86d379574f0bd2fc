"""Reading one webhook: its statuses, and whether n8n needs it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.webhooks import METADATA, envelope, message_value, status, status_value

from ticktrail.receiver.contents import read_contents

NOW = 1_795_355_200
ONE = json.loads(envelope(status_value(status("wamid.A"))))


def test_statuses_alone_need_no_n8n() -> None:
    """A webhook with statuses alone yields them all, under the execution id ``webhook``."""
    found = read_contents(envelope(status_value(status("wamid.A"), status("wamid.B", "delivered"))), NOW)
    assert found.statuses_alone
    assert found.number == METADATA["phone_number_id"]
    assert [(event.message_id, event.status, event.execution_id, event.workflow_id) for event in found.events] == [
        ("wamid.A", "sent", "webhook", ""),
        ("wamid.B", "delivered", "webhook", ""),
    ]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (envelope(message_value()), 0),
        (envelope(status_value(status("wamid.A")), message_value()), 1),
        (envelope({**status_value(status("wamid.A")), "messages": message_value()["messages"]}), 1),
        (envelope({**status_value(status("wamid.A")), "errors": [{"code": 130429}]}), 1),
        (envelope({**message_value(), "messages": [status_value(status("wamid.A"))]}), 0),
        (envelope({"event": "APPROVED"}, field="message_template_status_update"), 0),
        (envelope(status_value()), 0),
        (envelope(status_value(status("wamid.A"), {"id": "wamid.B", "type": "payment", "status": "captured"})), 1),
        (envelope(status_value(status("wamid.A"), {"id": "wamid.B"})), 1),
        (json.dumps({**ONE, "entry": [*ONE["entry"], {"id": "2", "changes": [{"field": "messages"}]}]}).encode(), 1),
        (json.dumps({**ONE, "entry": [*ONE["entry"], {"id": "2", "messaging": []}]}).encode(), 1),
        (b'{"object": "page", "entry": []}', 0),
        (b"not JSON", 0),
        (b"", 0),
        (b"[" * 100_000, 0),
    ],
    ids=[
        "message",
        "status and message in two changes",
        "status and message in one value",
        "status and error",
        "status below a message",
        "template",
        "empty list",
        "status and payment",
        "status and one without a name",
        "status and a change without a value",
        "status and an entry without changes",
        "other product",
        "no JSON",
        "empty",
        "deep",
    ],
)
def test_everything_else_goes_to_n8n(body: bytes, events: int) -> None:
    """A webhook that holds anything besides statuses is forwarded, and its statuses are read all the same."""
    found = read_contents(body, NOW)
    assert not found.statuses_alone
    assert len(found.events) == events


def test_half_a_character_costs_no_status() -> None:
    """Statuses beside a text that was cut in the middle of a character are read."""
    value = status_value({**status("wamid.A"), "biz_opaque_callback_data": "spring \ud83d"})
    found = read_contents(envelope(value), NOW)
    assert found.statuses_alone
    assert [(event.message_id, event.callback_data) for event in found.events] == [("wamid.A", "spring ?")]


def test_a_status_that_cannot_be_read_is_named() -> None:
    """The reason is given, so that the webhook stays in the journal."""
    found = read_contents(envelope(status_value(status("wamid.A"), {"id": "wamid.B", "timestamp": "1"})), NOW)
    assert found.problem == "a status without its name"
    assert read_contents(envelope(status_value(status("wamid.A"))), NOW).problem is None


def test_a_status_without_a_time_gets_the_time_of_reception() -> None:
    """The time of reception is used, marked as made up."""
    value = status_value({"id": "wamid.A", "status": "sent", "recipient_id": "966500000001"})
    (event,) = read_contents(envelope(value), NOW).events
    assert (event.timestamp, event.timestamp_source) == (NOW, "execution")


@given(st.text())
def test_what_a_user_writes_is_never_a_status(text: str) -> None:
    """No text of a message, whatever JSON it holds, yields a status."""
    forged = json.dumps(status_value(status("wamid.FORGED", "read")))
    assert read_contents(envelope(message_value(text)), NOW).events == ()
    assert read_contents(envelope(message_value(forged + text)), NOW).events == ()
