"""1,020 recorded executions come to exactly what the generator that fired their webhooks wrote down.

The expectation was written by that generator, not read back from n8n: per message its recipient, each status with
its time and how many webhooks carried it, where the message stands, and the length of its history.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.merge import gather, merge_message
from ticktrail.messages.model import Extraction, Message, Outcome

RECORDINGS = Path(__file__).parents[2] / "data" / "n8n-2.41.1"
FIRST_SCAN = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)


@cache
def lines() -> tuple[bytes, ...]:
    """The recorded executions, newest first, each as n8n wrote it."""
    return tuple(gzip.decompress((RECORDINGS / "corpus_400_messages.jsonl.gz").read_bytes()).splitlines())


@cache
def expected() -> dict[str, Any]:
    """Return the expected state of every message."""
    loaded: dict[str, Any] = json.loads((RECORDINGS / "corpus_400_messages.expected.json").read_text(encoding="utf-8"))
    return loaded


def merged(batches: Iterable[Iterable[bytes]]) -> dict[str, Message]:
    """Message id → the message after these batches of executions were read one after another."""
    messages: dict[str, Message] = {}
    for number, batch in enumerate(batches):
        at = FIRST_SCAN + timedelta(minutes=number)
        events = [event for raw in batch for event in extract(raw).events]
        for message_id, news in gather(events).items():
            messages[message_id] = merge_message(messages.get(message_id), message_id, news, at=at)
    return messages


def said(message: Message) -> dict[str, Any]:
    """Return the state of a message in the form of the expectation."""
    webhooks = Counter((entry.timestamp, entry.status) for entry in message.history)
    seen = dict.fromkeys((entry.timestamp, entry.status) for entry in message.history)
    return {
        "conversation_id": message.attributes.conversation_id,
        "events": [
            {"status": status, "timestamp": timestamp, "webhooks": webhooks[timestamp, status]}
            for timestamp, status in seen
        ],
        "latestStatus": message.state.latest_status,
        "statusCount": len(message.history),
    }


def _forwards(raws: list[bytes]) -> list[list[bytes]]:
    return [raws]


def _backwards(raws: list[bytes]) -> list[list[bytes]]:
    return [raws[::-1]]


def _twice(raws: list[bytes]) -> list[list[bytes]]:
    return [raws, raws]


def _one_by_one(raws: list[bytes]) -> list[list[bytes]]:
    return [[raw] for raw in raws]


def _shuffled(seed: int) -> Callable[[list[bytes]], list[list[bytes]]]:
    def order(raws: list[bytes]) -> list[list[bytes]]:
        # Shuffled, a third of it read again, and cut into batches of uneven length.
        chance = random.Random(seed)  # noqa: S311
        shuffled = raws + chance.sample(raws, len(raws) // 3)
        chance.shuffle(shuffled)
        cuts = sorted(chance.sample(range(len(shuffled)), 7))
        return [shuffled[start:end] for start, end in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]

    return order


@pytest.mark.parametrize(
    "order",
    [_forwards, _backwards, _twice, _one_by_one, _shuffled(1), _shuffled(2), _shuffled(3)],
    ids=["forwards", "backwards", "twice", "one by one", "shuffled 1", "shuffled 2", "shuffled 3"],
)
def test_corpus(order: Callable[[list[bytes]], list[list[bytes]]]) -> None:
    """In whatever order, however often and in whatever batches it is read, the corpus says what was fired."""
    messages = merged(order(list(lines())))

    assert {message_id: said(message) for message_id, message in messages.items()} == expected()


def test_corpus_is_what_it_says() -> None:
    """The corpus has the size its page says, repeated webhooks and statuses that arrived out of order among it."""
    events = [event for message in expected().values() for event in message["events"]]
    arrived = [(event.message_id, event.timestamp) for raw in reversed(lines()) for event in extract(raw).events]
    late = [
        message_id
        for message_id in expected()
        if (times := [time for other, time in arrived if other == message_id]) != sorted(times)  # type: ignore[type-var]
    ]

    assert len(lines()) == 1020
    assert len(expected()) == 400
    assert sum(event["webhooks"] for event in events) == sum(message["statusCount"] for message in expected().values())
    assert any(event["webhooks"] > 1 for event in events)
    assert late


def test_every_execution_of_the_corpus_was_read_whole() -> None:
    """Each of the executions holds a status, none has a problem, none is of another workflow or unfinished."""
    found: list[Extraction] = [extract(raw) for raw in lines()]

    assert {one.outcome for one in found} == {Outcome.FOUND}
    assert {one.problems for one in found} == {()}
    assert {one.workflow_id for one in found} == {"bcHn4wXXcVuTsjYB"}
    assert all(one.final for one in found)
    assert len({one.execution_id for one in found}) == 1020


def test_seen_and_scanned() -> None:
    """Read again an hour later, the corpus is no news: only the time of the last scan moves."""
    again = FIRST_SCAN + timedelta(hours=1)
    first = merged([lines()])
    events = [event for raw in lines() for event in extract(raw).events]

    for message_id, news in gather(events).items():
        known = first[message_id]
        after = merge_message(known, message_id, news, at=again)
        assert after.history == known.history
        assert (after.state, after.attributes) == (known.state, known.attributes)
        assert (after.first_seen_at, after.last_updated_at) == (FIRST_SCAN, FIRST_SCAN)
        assert after.last_scanned_at == again
