"""The queries of docs/how-to/query-and-export.md, typed into a MongoDB that holds the 400 recorded messages.

What they must find is counted from ``corpus_400_messages.expected.json``, which the program that fired the webhooks
wrote. Ticktrail has no part in it.
"""

from __future__ import annotations

import gzip
import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "query-and-export.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```javascript\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

RECORDINGS = ROOT / "tests" / "data" / "n8n-2.41.1"
EXPECTED: dict[str, dict[str, Any]] = json.loads((RECORDINGS / "corpus_400_messages.expected.json").read_text())

PERSON = "966500000037"
"""The person in the page's query."""

FRESH = {"966500000007", "966500000037", "966500000099"}
"""Whose messages were stored just now; those of all others two hours ago."""

AN_HOUR_AGO = "new Date(Date.now() - 3600 * 1000)"

Documents = list[dict[str, Any]]


@pytest.fixture(scope="module")
def opened(mongodb_server: str) -> Iterator[Database[dict[str, Any]]]:
    """A database of its own with the recorded messages, stored by Ticktrail."""
    name = f"tt_{uuid.uuid4().hex}"
    options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=name)
    now = datetime.now(UTC)
    with MongoClient[dict[str, Any]](mongodb_server, tz_aware=True) as client:
        with open_store(mongodb_server, options) as store:
            earlier, fresh = recorded_events()
            store.write(earlier, at=now - timedelta(hours=2))
            store.write(fresh, at=now)
        yield client[name]
        client.drop_database(name)


def recorded_events() -> tuple[list[StatusEvent], list[StatusEvent]]:
    """The statuses of the corpus: those about most people, and those about :data:`FRESH`."""
    lines = gzip.decompress((RECORDINGS / "corpus_400_messages.jsonl.gz").read_bytes()).splitlines()
    events = [event for line in lines for event in extract(line).events]
    fresh = [event for event in events if event.conversation_id in FRESH]
    return [event for event in events if event.conversation_id not in FRESH], fresh


def run(opened: Database[dict[str, Any]], block: str) -> Documents:
    """Type a block of the page: ``db.<collection>.find(…)`` or ``.aggregate(…)``, maybe with ``.sort(…)`` behind."""
    called = re.fullmatch(r"\s*db\.(\w+)\.(find|aggregate)\((.*?)\)(?:\.sort\((\{[^()]*\})\))?\s*", block, re.DOTALL)
    assert called is not None, f"not a query this test can type:\n{block}"
    collection, method, argument, order = called.groups()
    then = datetime.now(UTC) - timedelta(hours=1)
    asked = json.loads(
        argument.replace(AN_HOUR_AGO, '{"an hour ago": true}'),
        object_hook=lambda value: then if value == {"an hour ago": True} else value,
    )
    found = getattr(opened[collection], method)(asked)
    return list(found.sort(list(json.loads(order).items())) if order else found)


def block_with(*words: str) -> str:
    """The one block that has all these words."""
    (found,) = [block for block in BLOCKS if all(word in block for word in words)]
    return found  # type: ignore[no-any-return]


def ids(documents: Documents) -> set[str]:
    """The messages found."""
    return {document["messageId"] for document in documents}


def expected_ids(*, people: set[str] | None = None, statuses: set[str] | None = None) -> set[str]:
    """The messages that the program which fired the webhooks knows to be these."""
    return {
        message_id
        for message_id, message in EXPECTED.items()
        if (people is None or message["conversation_id"] in people)
        and (statuses is None or message["latestStatus"] in statuses)
    }


def is_newest_first(documents: Documents) -> bool:
    """True if no message comes before a newer one."""
    times = [document["latestTimestamp"] for document in documents]
    return times == sorted(times, reverse=True)


def test_the_page_has_these_queries() -> None:
    """There are six: by person, unread, by status, the last hour, counts by status, counts by person and status."""
    assert len(BLOCKS) == 6


def test_one_persons_messages(opened: Database[dict[str, Any]]) -> None:
    """The query for one person finds exactly that person's messages, the newest first."""
    found = run(opened, block_with(f'"{PERSON}"'))
    assert len(found) == len(ids(found)) > 1
    assert ids(found) == expected_ids(people={PERSON})
    assert is_newest_first(found)


def test_unread(opened: Database[dict[str, Any]]) -> None:
    """The query for what is not read finds what stands at sent or delivered, the newest first."""
    found = run(opened, block_with('"$in": ["sent", "delivered"]'))
    assert ids(found) == expected_ids(statuses={"sent", "delivered"}) != set()
    assert is_newest_first(found)


def test_by_status(opened: Database[dict[str, Any]]) -> None:
    """The query by status finds the failed ones, each with its reason, the newest first."""
    found = run(opened, block_with('"latestStatus": "failed"'))
    assert ids(found) == expected_ids(statuses={"failed"}) != set()
    assert all(document["failure"]["code"] for document in found)
    assert is_newest_first(found)


def test_the_last_hour(opened: Database[dict[str, Any]]) -> None:
    """The query for news finds what was stored now, and nothing of what was stored two hours ago."""
    found = run(opened, block_with(AN_HOUR_AGO))
    assert ids(found) == expected_ids(people=FRESH) != set()


def test_counts_by_status(opened: Database[dict[str, Any]]) -> None:
    """The counts of each status are those of the 400 messages, the greatest first."""
    found = run(opened, block_with('"_id": "$latestStatus"'))
    counted = Counter(message["latestStatus"] for message in EXPECTED.values())
    assert {document["_id"]: document["messages"] for document in found} == counted
    assert [document["messages"] for document in found] == sorted(counted.values(), reverse=True)


def test_counts_by_person_and_status(opened: Database[dict[str, Any]]) -> None:
    """The counts of each person and status are those of the 400 messages, in the order of people."""
    found = run(opened, block_with('"user": "$conversation_id"'))
    counted = Counter((message["conversation_id"], message["latestStatus"]) for message in EXPECTED.values())
    shown = [(document["_id"]["user"], document["_id"]["status"], document["messages"]) for document in found]
    assert {(person, status): messages for person, status, messages in shown} == counted
    assert shown == sorted(shown)
