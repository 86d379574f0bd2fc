"""Inputs made after reports of people who run WhatsApp through n8n, each with its right answer.

Each folder of ``tests/data/cases`` says in ``why.md`` where the need comes from, and in ``expected.json`` what is
right, in words for people. The table below says it for each file: what the executions hold, in their order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.model import Extraction, Send
from ticktrail.sources.files.export import Export

CASES = Path(__file__).parents[2] / "data" / "cases"
ORDER_UPDATE, WINTER_OFFER = "order_update|en_US", "winter_offer|ar"
NUMBER = "966500000101"


def accepted(message_id: str, template: str | None = None, to: str = NUMBER) -> tuple[Any, ...]:
    """A send that Meta accepted."""
    return message_id, to, template, None


def refused(code: int, template: str | None = None, to: str | None = NUMBER) -> tuple[Any, ...]:
    """A send that Meta refused."""
    return None, to, template, code


def loop(last: str) -> list[Any]:
    """The campaign of case 05: three rows accepted, one refused; then a delivered status of each."""
    sends = [
        accepted("wamid.F050", ORDER_UPDATE),
        accepted("wamid.F051", ORDER_UPDATE, "966500000102"),
        accepted("wamid.F052", last, "966500000103"),
        refused(131030, ORDER_UPDATE, "966500000104"),
    ]
    return [sends, *({"wamid.F050 delivered"}, {"wamid.F051 delivered"}, {"wamid.F052 delivered"})]


BUILT = ["input", "input-keypairs-literal", "input-literal-name-from-item", "input-path", "input-stringify-whole"]

# A list is sends, a set is statuses, a text is the provider of an execution that was not read.
RIGHT: dict[str, list[Any]] = {
    "02-stored-payload-metaData/input-valuesfirst-gsid.json": [{"wamid.F02B failed"}],
    "03-polled-relay/input-list-with-inbound.json": [{"wamid.F03A delivered"}],
    **{
        f"04-body-built-in-code-node/{name}.json": [
            [accepted(f"wamid.F04{number:02}", ORDER_UPDATE)],
            [refused(132001, ORDER_UPDATE)],
        ]
        for name, number in zip(BUILT, (0, 9, 7, 4, 2), strict=True)
    },
    "04-body-built-in-code-node/input-refused-never-error.json": [[refused(132001, ORDER_UPDATE)]],
    "05-loop-campaign/input.json": loop(WINTER_OFFER),
    "05-loop-campaign/input-loop-node-ref.json": loop(WINTER_OFFER),
    "05-loop-campaign/input-old-style-node.json": loop(ORDER_UPDATE),
    "05-loop-campaign/input-plus-prefix.json": loop(ORDER_UPDATE),
    "07-large-campaign-in-one-execution/input.json": [
        [
            refused(131030, ORDER_UPDATE, str(966500000000 + row))
            if row % 10 == 0
            else accepted(f"wamid.BIG{row}", ORDER_UPDATE, str(966500000000 + row))
            for row in range(500)
        ]
    ],
    "09-export-shapes/db-rows.jsonl": [{"wamid.F09A delivered"}, {"wamid.F09B read"}],
    "09-export-shapes/rest-single-flatted.json": [{"wamid.F09A delivered"}],
    "10-other-providers/evolution-v2-messages.update.json": ["Evolution API"] * 3,
    "10-other-providers/gupshup-v2.json": ["Gupshup"] * 3,
    "10-other-providers/interakt.json": ["Interakt"],
    "10-other-providers/twilio.json": ["Twilio"] * 3,
    "10-other-providers/waha-message.ack.json": ["WAHA"] * 3,
    "10-other-providers/wati.json": ["Wati"] * 2,
    "11-bsuid/input.json": [{"wamid.F11A sent"}, {"wamid.F11A delivered"}],
    "14-message-queues/input-kafka.json": [{"wamid.F14 delivered"}],
    "14-message-queues/input-mqtt.json": [{"wamid.F14 delivered"}],
    "15-sub-workflows-and-split/input-forwarded-single-status.json": [{"wamid.F15 read"}],
    "15-sub-workflows-and-split/input-sub-gets-one-status-item.json": [{"wamid.F15 read"}],
    "16-sends-by-every-node/agent-tool-http-text.json": [[accepted("wamid.F16g")]],
    "16-sends-by-every-node/own-backend-flat.json": [[accepted("wamid.F16m")]],
    "21-first-tests-by-hand/input.json": [
        [accepted("wamid.F21A", ORDER_UPDATE)],
        [accepted("wamid.F21B", "hello_world|en_US")],
        [accepted("wamid.F21C")],
    ],
    **{f"24-whom-was-it-refused-for/0{number}.json": [[refused(131030)]] for number in range(5)},
}


def read(name: str) -> list[Extraction]:
    """Extract the executions of a case's file."""
    with Export(str(CASES / name)) as export:
        return [extract(raw) for page in export.pages() for raw in page.executions]


def said(send: Send) -> tuple[Any, ...]:
    """A send in the table's words."""
    template = f"{send.template.name}|{send.template.language}" if send.template else None
    return send.message_id, send.input, template, send.errors[0]["code"] if send.errors else None


@pytest.mark.parametrize("name", RIGHT)
def test_case(name: str) -> None:
    """Each execution of a case holds exactly what is right."""
    found = read(name)

    assert len(found) == len(RIGHT[name])
    for extraction, right in zip(found, RIGHT[name], strict=True):
        assert extraction.problems == ()
        assert {f"{event.message_id} {event.status}" for event in extraction.events} == (
            right if isinstance(right, set) else set()
        )
        assert [said(send) for send in extraction.sends] == (right if isinstance(right, list) else [])
        assert extraction.provider == (right if isinstance(right, str) else None)


def test_a_workflow_that_answers_its_own_statuses() -> None:
    """Case 08: the statuses are read from failed executions; the refusals have no recipient, unlike a customer's."""
    found = read("08-workflow-answers-its-own-statuses/input.json")

    assert [event.status for one in found for event in one.events] == ["sent", "delivered", "read"]
    assert [said(send) for one in found for send in one.sends] == [refused(100, to=None)] * 3


def test_recipient_known_by_a_user_id_only() -> None:
    """Case 11: a business-scoped user id that stands as the recipient is the recipient's user id, too."""
    for extraction in read("11-bsuid/input.json"):
        (event,) = extraction.events
        assert (event.conversation_id, event.recipient_user_id) == ("SA.1349120865530274", "SA.1349120865530274")


def test_raw_webhooks_are_no_executions() -> None:
    """Case 09: a file of webhooks instead of executions does not pass silently."""
    with Export(str(CASES / "09-export-shapes/raw-webhooks.json")) as export:
        pages = list(export.pages())

    assert [page.executions for page in pages] == [()]
    assert any(page.problems for page in pages)


def test_every_case_is_in_the_table() -> None:
    """Every file of the cases is in the table, except three; that of case 18 is about a MongoDB collection."""
    files = {
        str(path.relative_to(CASES).as_posix()) for path in CASES.glob("*/*.json*") if path.name != "expected.json"
    }

    assert files - RIGHT.keys() == {
        "08-workflow-answers-its-own-statuses/input.json",
        "09-export-shapes/raw-webhooks.json",
        "18-mongodb/input.json",
    }
