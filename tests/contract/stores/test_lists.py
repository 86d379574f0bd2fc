"""Filtered lists of every store: which messages, in which order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.support.records import (
    AT,
    LATER,
    NOON,
    OpenAgain,
    counts,
    event,
)

from ticktrail.messages.filters import MessageFilter
from ticktrail.stores import Store

ALI, SARA, GROUP = "966500000011", "966500000012", "120363000000000001"


@pytest.fixture
def asked(store: Store) -> Store:
    """A store with eight messages to ask about; the comments say when each was sent and its status."""
    first, second = AT, LATER
    store.write(
        [
            event("sent", NOON, message_id="m1", conversation_id=ALI),
            event("read", NOON + 500, message_id="m1", conversation_id=ALI),  # sent 0, read 500
            event("sent", NOON + 100, message_id="m2", conversation_id=ALI),  # sent 100
            event(
                "delivered", NOON + 300, message_id="m3", conversation_id=SARA, recipient_user_id="SA.1"
            ),  # delivered 300
            event("failed", NOON + 300, message_id="m4", conversation_id=SARA),  # failed 300
            event("sent", None, message_id="m5", conversation_id=ALI),  # no time at all
        ],
        at=first,
    )
    store.write(
        [
            event("deleted", NOON + 10, message_id="m6", conversation_id=GROUP),
            event("sent", NOON + 150, message_id="m6", conversation_id=GROUP),
            event(
                "played", NOON + 700, message_id="m6", conversation_id=GROUP, participant=SARA
            ),  # sent 150, played 700
            event("deleted", NOON + 50, message_id="m7", conversation_id=SARA, recipient_user_id="SA.1"),  # deleted 50
            event(
                "delivered", NOON + 400, message_id="m8", conversation_id=SARA, timestamp_source="execution"
            ),  # no first
        ],
        at=second,
    )
    return store


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, "m8 m3 m4 m6 m2 m7 m1 m5"),
        ({"conversation_id": ALI}, "m2 m1 m5"),
        ({"conversation_id": GROUP}, "m6"),
        ({"conversation_id": "SA.1"}, "m3 m7"),
        ({"conversation_id": "966500000099"}, ""),
        ({"conversation_id": SARA, "statuses": ("failed", "deleted")}, "m4 m7"),
        ({"statuses": ("sent",)}, "m2 m5"),
        ({"statuses": ("delivered", "sent")}, "m8 m3 m2 m5"),
        ({"statuses": ("sent", "delivered", "sent")}, "m8 m3 m2 m5"),
        ({"statuses": ("imaginary",)}, ""),
        ({"not_statuses": ("sent", "delivered")}, "m4 m6 m7 m1"),
        ({"statuses": ("sent", "read"), "not_statuses": ("read",)}, "m2 m5"),
        ({"since_timestamp": NOON + 100}, "m8 m3 m4 m6 m2"),
        ({"until_timestamp": NOON + 100}, "m7 m1"),
        ({"since_timestamp": NOON + 100, "until_timestamp": NOON + 300}, "m6 m2"),
        ({"since_timestamp": NOON + 100, "limit": 2}, "m8 m3"),
        ({"since_timestamp": NOON + 100, "statuses": ("failed", "played"), "limit": 5}, "m4 m6"),
        ({"since_timestamp": NOON + 100, "conversation_id": ALI}, "m2"),
        ({"updated_since": LATER}, "m8 m6 m7"),
        ({"updated_since": LATER + timedelta(milliseconds=1)}, ""),
        ({"updated_since": AT, "statuses": ("read", "played")}, "m6 m1"),
        ({"limit": 3}, "m8 m3 m4"),
        ({"limit": 0}, ""),
        ({"limit": 99}, "m8 m3 m4 m6 m2 m7 m1 m5"),
        ({"statuses": ("delivered", "sent"), "limit": 3}, "m8 m3 m2"),
        ({"conversation_id": ALI, "limit": 1}, "m2"),
        ({"conversation_id": "$where"}, ""),
        ({"conversation_id": "half a pair \ud83d"}, ""),
        ({"not_statuses": ("half a pair \ud83d", "sent")}, "m8 m3 m4 m6 m7 m1"),
        ({"since_timestamp": 2**70}, ""),
        ({"until_timestamp": 2**70}, "m8 m3 m4 m6 m2 m7 m1"),
    ],
)  # fmt: skip
def test_a_filter_chooses_by_all_its_conditions_newest_first(
    asked: Store, chosen: dict[str, Any], expected: str
) -> None:
    """Every set condition holds; order is the time sent, newest first and unknown last, then message id."""
    question = MessageFilter(**chosen)
    assert [message.message_id for message in asked.messages(question)] == expected.split()
    unlimited = msgspec.structs.replace(question, limit=None)
    assert asked.count(question) == len(list(asked.messages(unlimited)))


def test_messages_are_whole(asked: Store) -> None:
    """``messages`` yields the same messages as ``get`` returns."""
    found = {message.message_id: message for message in asked.messages(MessageFilter())}
    assert found == asked.get(list(found))


def test_messages_can_be_left_half_read(asked: Store) -> None:
    """A caller may stop reading half-way: the store still works, and closes."""
    answer = asked.messages(MessageFilter())
    assert next(answer).message_id == "m8"
    assert counts(asked.write([event("read", message_id="m2")], at=LATER)) == (0, 1, 0, 0)
    del answer
    assert asked.count(MessageFilter()) == 8


def test_reading_and_writing_may_alternate(store: Store, open_again: OpenAgain) -> None:
    """With writes during a long read, the reader gets every unchanged message, and none twice."""
    ids = [f"wamid.long{number:04}" for number in range(1_200)]
    store.write([event("sent", NOON + number, message_id=ids[number]) for number in range(1_200)], at=AT)
    changed = set(ids[100:1_200:400])
    met = []
    reader = open_again()
    for place, message in enumerate(reader.messages(MessageFilter())):
        met.append(message.message_id)
        if place == 300:
            reader.write([event("read", NOON + 9_000, message_id=message_id) for message_id in changed], at=LATER)
    assert len(met) == len(set(met))
    assert set(ids) - changed <= set(met)
