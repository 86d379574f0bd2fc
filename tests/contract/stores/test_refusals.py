"""Values that a store cannot hold, or only just: each one affects its own message only.

Extraction cleans most of these; a store must survive them anyway.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.support.records import (
    AT,
    LATER,
    MINUTE,
    MUCH_LATER,
    NOON,
    WAMID,
    WHO,
    accepted,
    counts,
    document,
    event,
    one,
    rejected,
)

from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Template
from ticktrail.stores import Store


def nested(levels: int) -> dict[str, Any]:
    """An object in an object, so many levels deep."""
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"in": value}
    return value


POISON: dict[str, dict[str, Any]] = {
    "lone surrogate in a text": {"callback_data": "cut in an emoji \ud83d"},
    "lone surrogate in the status": {"status": "\udfff"},
    "lone surrogate in details": {"errors": ({"code": 1, "details": "\ud83d"},)},
    "lone surrogate in a name": {"pricing": {"\ud83d": 1}},
    "lone surrogate in the execution id": {"execution_id": "\ud83d"},
    "NUL in a text": {"callback_data": "a\0b", "conversation_id": "\0"},
    "NUL in details": {"errors": ({"code": "a\0b"},)},
    "NUL in a name": {"pricing": {"a\0b": 1}},
    "time beyond 64 bits": {"timestamp": 2**64},
    "time at the edge of 64 bits": {"timestamp": 2**63 - 1, "timestamp_source": "implausible"},
    "number beyond 64 bits": {"pricing": {"cost": 2**64}},
    "negative number beyond 64 bits": {"errors": ({"code": -(2**64)},)},
    "number of 64 bits without a sign": {"errors": ({"code": 2**63},)},
    "expression as label": {"callback_data": "$$ROOT"},
    "dollar as label": {"callback_data": "$", "conversation_id": "$latestStatus"},
    "expressions in details": {"pricing": {"value": {"$literal": 1}, "$where": {"$gt": 0}, "list": ["$$ROOT", "$a"]}},
    "dots and dollars in names": {"pricing": {"a.b": 1, "$set": {"": 2}, "": 3}},
    "empty details": {"pricing": {}, "errors": ()},
    "empty texts": {"callback_data": "", "conversation_id": "", "phone_number_id": ""},
    # The MongoDB stand-in visits every level twice as often as the one above it: 40 would take it years.
    "deep details": {"pricing": nested(12)},
    "very deep details": {"pricing": nested(400)},
    "bottomless details": {"errors": (nested(5_000),)},
    "huge details": {"errors": ({"code": 1, "details": "x" * 17_000_000},)},
    "details of no text": {"errors": ({"code": {"a": 1}, "title": ["b"], "details": 1.5},)},
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
@pytest.mark.parametrize("already_there", [False, True], ids=["new message", "stored message"])
def test_a_poisonous_value_costs_its_own_message_only(
    store: Store, poison: dict[str, Any], *, already_there: bool
) -> None:
    """Either the message is refused with a reason, or its history is exactly what was reported; others are stored."""
    if already_there:
        store.write([event("sent", message_id="bad")], at=AT)
    told = msgspec.structs.replace(event("failed", NOON + MINUTE, message_id="bad"), **poison)
    batch = [
        event("sent", message_id="good 1"),
        told,
        event("sent", message_id="good 2"),
        event("read", message_id="good 1"),
    ]
    report = store.write(batch, at=LATER)
    assert [message.message_id for message in store.messages(MessageFilter(statuses=("read",)))] == ["good 1"]
    assert document(store, "good 1")["statusCount"] == 2
    assert document(store, "good 2")["statusCount"] == 1
    if report.refused:
        ((key, reason),) = [(refusal.key, refusal.reason) for refusal in report.refused]
        assert key == "bad"
        assert reason
        assert counts(report) == (2, 0, 0, 1)
        assert (
            [entry.status for entry in store.get(["bad"])["bad"].history] if already_there else not store.get(["bad"])
        )
        assert store.count(MessageFilter()) == 2 + already_there
    else:
        assert counts(report) == ((2, 1, 0, 0) if already_there else (3, 0, 0, 0))
        entry = next(
            entry for entry in one(store, "bad").history if entry.execution_id != "101" or entry.status != "sent"
        )
        assert entry.status == told.status
        assert entry.timestamp == told.timestamp
        assert (entry.errors, entry.pricing) == (told.errors, told.pricing)
        assert counts(store.write(batch, at=MUCH_LATER)) == (0, 0, 3, 0)


@pytest.mark.parametrize("message_id", ["\ud83d", "wamid.\ud83d", "a\0b", "$$ROOT", "", "\0", "x" * 5_000])
def test_a_poisonous_message_id_costs_itself_only(store: Store, message_id: str) -> None:
    """A message whose very id cannot be stored is refused under that id; an odd one that can be is found by it."""
    report = store.write([event("sent"), event("sent", message_id=message_id)], at=AT)
    assert one(store).state.latest_status == "sent"
    if report.refused:
        assert [refusal.key for refusal in report.refused] == [message_id]
        assert store.get([message_id]) == {}
    else:
        assert one(store, message_id).message_id == message_id


@pytest.mark.parametrize(
    "poison",
    [
        {"input": "\ud83d"},
        {"errors": ({"code": 2**64},)},
        {"errors": (nested(5_000),)},
        {"template": Template("$$ROOT", "\0")},
        {"errors": ({"$where": {"a.b": 1}},)},
        {"conversation_id": "$"},
    ],
)
def test_a_poisonous_send_costs_itself_only(store: Store, poison: dict[str, Any]) -> None:
    """A send that cannot be stored is refused under its key; the other sends and all messages are stored."""
    bad = msgspec.structs.replace(rejected("bad"), **poison)
    report = store.write([event("sent")], [accepted(), bad, rejected("good")], at=AT)
    assert one(store).template == Template("order_ready", "en_US")
    kept = {send.key: send for send in store.sends()}
    assert {WAMID, "good"} <= set(kept)
    if report.refused:
        assert [refusal.key for refusal in report.refused] == ["bad"]
        assert (report.sends, set(kept)) == (2, {WAMID, "good"})
    else:
        assert report.sends == 3
        assert kept["bad"] == bad


def test_no_reason_repeats_a_recipient(store: Store) -> None:
    """A refusal's reason names no phone number."""
    report = store.write([event("sent", conversation_id=WHO, callback_data=f"{WHO}\ud83d")], at=AT)
    assert len(report.refused) == 1
    assert WHO not in report.refused[0].reason
