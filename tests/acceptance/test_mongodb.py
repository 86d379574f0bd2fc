"""A sync into MongoDB from the command line: collections as people have them, and a network that falls silent."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.uri_parser import parse_uri
from tests.acceptance.conftest import Ticktrail
from tests.support.patience import PATIENCE_SECONDS
from tests.support.relay import Relay

pytestmark = pytest.mark.thorough

CASE = Path(__file__).parents[1] / "data" / "cases" / "18-mongodb" / "input.json"
"""Three executions: a message that was sent and then read, and another that was delivered."""

Document = dict[str, Any]


@pytest.fixture
def statuses(mongodb_server: str) -> Iterator[Collection[Document]]:
    """The collection of a database of the test's own."""
    name = f"tt_{uuid.uuid4().hex}"
    with MongoClient[Document](mongodb_server) as client:
        yield client[name]["message_statuses"]
        client.drop_database(name)


@pytest.fixture
def sync(ticktrail: Ticktrail, mongodb_server: str, statuses: Collection[Document]) -> Callable[..., Any]:
    """Runs a sync of the three executions into the collection."""

    def run(*options: str) -> Any:
        environ = {"MONGODB_URI": mongodb_server, "MONGODB_DATABASE": statuses.database.name}
        return ticktrail("sync", "--from", str(CASE), *options, **environ)

    return run


def standing(statuses: Collection[Document]) -> dict[str, tuple[str, int]]:
    """The latest status and the number of statuses of each message."""
    return {one["messageId"]: (one["latestStatus"], one["statusCount"]) for one in statuses.find()}


EXPECTED = {"wamid.F18A": ("read", 2), "wamid.F18B": ("delivered", 1)}


def test_a_new_collection_gets_one_document_for_each_message(sync: Any, statuses: Collection[Document]) -> None:
    """A second sync leaves the documents as they are."""
    for _ in range(2):
        assert sync().returncode == 0
        assert standing(statuses) == EXPECTED


def test_documents_of_an_older_tool_are_adopted(sync: Any, statuses: Collection[Document]) -> None:
    """``waId`` becomes ``conversation_id``, nothing is doubled, and what the tool added stays."""
    entry = {"status": "sent", "timestamp": 1_795_000_000, "executionId": "1800", "waId": "966500000101"}
    statuses.insert_one({
        "messageId": "wamid.F18A", "waId": "966500000101", "latestStatus": "sent", "statusCount": 1,
        "statusHistory": [{**entry, "messageId": "wamid.F18A"}], "note": "called back",
    })  # fmt: skip
    assert sync().returncode == 0
    assert standing(statuses) == EXPECTED
    adopted = statuses.find_one({"messageId": "wamid.F18A"}) or {}
    assert (adopted["conversation_id"], adopted["note"]) == ("966500000101", "called back")
    assert [one["conversation_id"] for one in adopted["statusHistory"]] == ["966500000101"] * 2


OBSTACLES: dict[str, tuple[Callable[[Collection[Document]], object], str, str]] = {
    "one document for each status": (
        lambda statuses: statuses.insert_many([
            {"messageId": "wamid.F18A", "status": status, "timestamp": 1_795_000_000} for status in ("sent", "read")
        ]),
        "wamid.F18A (2 documents)",
        "keeps every status",
    ),
    "documents of something else": (
        lambda statuses: statuses.insert_many([{"sku": 1, "price": 5}, {"sku": 2, "price": 7}]),
        "not message statuses: choose another",
        "Set MONGODB_STATUS_COLLECTION",
    ),
    "a unique index of the user's": (
        lambda statuses: statuses.create_index({"workflowId": 1}, unique=True, name="by_workflow"),
        "by_workflow",
        'dropIndex("by_workflow")',
    ),
}  # fmt: skip


@pytest.mark.parametrize("obstacle", OBSTACLES)
@pytest.mark.parametrize("options", [("--dry-run",), ()], ids=["dry run", "sync"])
def test_a_collection_that_would_be_damaged_stops_the_sync_before_it_writes(
    sync: Any, statuses: Collection[Document], obstacle: str, options: tuple[str, ...]
) -> None:
    """A sync and a dry run name the fault and a fix that loses nothing, and exit with code 1."""
    prepare, fault, fix = OBSTACLES[obstacle]
    prepare(statuses)
    before = (list(statuses.find()), statuses.index_information(), statuses.database.list_collection_names())
    done = sync(*options)
    assert done.returncode == 1
    assert fault in done.stderr
    assert fix in done.stderr
    assert (list(statuses.find()), statuses.index_information(), statuses.database.list_collection_names()) == before


def test_a_sync_ends_when_the_network_falls_silent_and_the_next_one_completes_it(
    ticktrail: Ticktrail, sync: Any, mongodb_server: str, statuses: Collection[Document]
) -> None:
    """A connection lost during a write gives exit code 1 and an error that names the server."""
    port = parse_uri(mongodb_server)["nodelist"][0][1]
    with Relay(port) as relay:
        relay.cut_before(b"latestTimestampFormatted")
        limits = "directConnection=true&socketTimeoutMS=3000&serverSelectionTimeoutMS=1000&connectTimeoutMS=1000"
        uri = mongodb_server.replace(f":{port}", f":{relay.port}", 1)
        began = time.monotonic()
        done = ticktrail(
            "sync", "--from", str(CASE),
            MONGODB_URI=f"{uri}{'&' if '?' in uri else '/?'}{limits}", MONGODB_DATABASE=statuses.database.name,
        )  # fmt: skip
    assert relay.is_cut
    assert time.monotonic() - began < PATIENCE_SECONDS
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"127.0.0.1:{relay.port}" in done.stderr
    assert sync().returncode == 0
    assert standing(statuses) == EXPECTED
