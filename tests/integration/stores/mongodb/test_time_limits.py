"""Networks that fall silent, elections and slow servers: every request ends in time, and the next one completes it."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from secantus import SecantusDBServer
from tests.support.patience import PATIENCE_SECONDS
from tests.support.records import AT, NOON
from tests.support.relay import Relay

from ticktrail.errors import StoreRefusedError, StoreUnavailableError, TicktrailError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Send, SentBy, StatusEvent
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.coverage import Block, Change
from ticktrail.stores.mongodb import retrying
from ticktrail.stores.opening import open_store

pytestmark = pytest.mark.thorough

LIMITS = "directConnection=true&socketTimeoutMS=2000&serverSelectionTimeoutMS=1000"
LIMITS += "&connectTimeoutMS=1000&heartbeatFrequencyMS=500"
Document = dict[str, Any]


def events(status: str = "sent") -> list[StatusEvent]:
    """One status for each of 30 messages."""
    return [
        StatusEvent(message_id=f"wamid.{number}", status=status, timestamp=NOON + number, execution_id="1")
        for number in range(30)
    ]


SENDS = [
    Send(key=f"wamid.{number}", message_id=f"wamid.{number}", sent_by=SentBy("flow", "Send", "1"), status="accepted")
    for number in range(10)
]


@pytest.fixture(scope="module")
def server() -> Iterator[SecantusDBServer]:
    """A server of these tests' own, which fails on request."""
    with SecantusDBServer(port=0, storage_path=":memory:") as running:
        yield running


@pytest.fixture
def relay(server: SecantusDBServer) -> Iterator[Relay]:
    """The network between the store and the server."""
    with Relay(server.port) as opened:
        yield opened


@pytest.fixture
def options(server: SecantusDBServer) -> Iterator[StoreOptions]:
    """A database of the test's own."""
    database = f"tt_{uuid.uuid4().hex}"
    yield StoreOptions(timezone=ZoneInfo("UTC"), database=database)
    with MongoClient[Document]("127.0.0.1", server.port) as client:
        client.drop_database(database)


@pytest.fixture
def store(relay: Relay, options: StoreOptions) -> Iterator[Store]:
    """A store behind the relay, already prepared."""
    with open_store(f"mongodb://127.0.0.1:{relay.port}/?{LIMITS}", options) as opened:
        opened.prepare()
        yield opened


@pytest.fixture
def patient(server: SecantusDBServer, options: StoreOptions) -> Iterator[Store]:
    """A store with the usual limits and no relay in between."""
    often = "directConnection=true&heartbeatFrequencyMS=500&serverMonitoringMode=poll"
    with open_store(f"mongodb://127.0.0.1:{server.port}/?{often}", options) as opened:
        opened.prepare()
        yield opened


@pytest.fixture
def fail(server: SecantusDBServer) -> Iterator[Callable[..., None]]:
    """Have the server fail the next commands of Ticktrail with these names."""
    with MongoClient[Document]("127.0.0.1", server.port) as client:

        def configure(*commands: str, times: int = 1, **data: Any) -> None:
            client.admin.command(
                "configureFailPoint",
                "failCommand",
                mode={"times": times},
                data={"failCommands": list(commands), "appName": "ticktrail", **data},
            )

        yield configure
        client.admin.command("configureFailPoint", "failCommand", mode="off")


@contextlib.contextmanager
def soon() -> Iterator[None]:
    """Fail if the block hangs."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < PATIENCE_SECONDS


def failure(work: Callable[[], object]) -> TicktrailError:
    """The error that work ends in, in time."""
    with soon(), pytest.raises(StoreUnavailableError) as caught:
        work()
    return caught.value


@pytest.mark.parametrize("replies", [False, True], ids=["request lost", "answer lost"])
@pytest.mark.parametrize("command", [b"documents", b"updates"], ids=["insert", "update"])
def test_a_network_that_falls_silent_in_a_bulk_ends_it_and_the_next_run_completes_it(
    store: Store, server: SecantusDBServer, options: StoreOptions, relay: Relay, command: bytes, *, replies: bool
) -> None:
    """The server may have written everything or nothing; after the next run each status is stored once."""
    if command == b"updates":
        store.write(events("sent"), at=AT)
    wanted = [*events("sent"), *events("delivered")]
    relay.cut_before(command, replies=replies)
    error = failure(lambda: store.write(wanted, SENDS, at=AT))
    assert relay.is_cut
    assert "127.0.0.1" in str(error)
    assert "othing is lost" in error.remedy or "running" in error.remedy
    with open_store(f"mongodb://127.0.0.1:{server.port}", options) as again:
        again.write(wanted, SENDS, at=AT)
        assert [len(message.history) for message in again.messages(MessageFilter())] == [2] * 30
        assert again.write(wanted, SENDS, at=AT).unchanged == 30
        assert len(list(again.sends())) == 10


ASKED: dict[str, Callable[[Store], object]] = {
    "messages": lambda store: list(store.messages(MessageFilter())),
    "statistics": lambda store: list(store.statistics(MessageFilter(), young_since=0)),
    "check": lambda store: store.check(),
    "write": lambda store: store.write(events(), at=AT),
    "lease": lambda store: store.sync_state.take_lease("sync", holder="me", now=AT, until=AT),
    "forget": lambda store: store.retention.forget("966500000001", at=AT),
}


@pytest.mark.parametrize("name", ASKED)
def test_every_operation_ends_in_a_silent_network(store: Store, relay: Relay, name: str) -> None:
    """The operation ends in time with an error that names the server."""
    store.write(events(), at=AT)
    relay.cut()
    assert f"127.0.0.1:{relay.port}" in str(failure(lambda: ASKED[name](store)))


def test_a_slow_server_is_waited_for_up_to_the_limit(store: Store, fail: Callable[..., None]) -> None:
    """The error says how long it waited and that nothing is lost; a shorter delay is only a delay."""
    fail("find", blockConnection=True, blockTimeMS=200, times=2)
    store.write(events(), at=AT)
    fail("find", blockConnection=True, blockTimeMS=30_000, times=20)
    error = failure(lambda: list(store.messages(MessageFilter())))
    assert "othing is lost" in error.remedy


@pytest.mark.parametrize("code", [10107, 11600], ids=["not primary", "interrupted"])
def test_a_primary_that_steps_down_in_a_bulk_is_no_failure(
    patient: Store, fail: Callable[..., None], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is written by the next primary, and counted once."""
    monkeypatch.setattr(retrying.time, "sleep", lambda _seconds: None)
    patient.write(events("sent")[:15], at=AT)
    fail("insert", "update", errorCode=code, errorLabels=["RetryableWriteError"], times=3)
    report = patient.write(events("delivered"), at=AT)
    assert (report.inserted, report.updated, report.refused) == (15, 15, ())
    assert patient.count(MessageFilter(statuses=("delivered",))) == 30


def test_an_election_that_does_not_end_is_reported(
    patient: Store, fail: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error comes after some attempts; a later write stores the whole batch."""
    monkeypatch.setattr(retrying.time, "sleep", lambda _seconds: None)
    fail("insert", errorCode=10107, errorLabels=[], times=100)
    error = failure(lambda: patient.write(events(), at=AT))
    assert "changing its primary" in str(error)
    assert "othing is lost" in error.remedy
    fail("insert", errorCode=10107, times=0)
    assert patient.write(events(), at=AT).inserted == 30


def test_a_write_that_most_members_do_not_confirm_is_reported(patient: Store, fail: Callable[..., None]) -> None:
    """It is stored on one member; the error says so, and the next run writes nothing twice."""
    fail("insert", writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"}, times=10)
    error = failure(lambda: patient.write(events(), at=AT))
    assert "did not confirm in time" in str(error)
    assert "rs.status()" in error.remedy
    fail("insert", errorCode=1, times=0)
    report = patient.write(events(), at=AT)
    assert (report.inserted, report.updated, report.unchanged) == (0, 0, 30)


def test_a_deletion_in_an_election_is_repeated(
    patient: Store, fail: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver does not repeat a deletion of several documents."""
    monkeypatch.setattr(retrying.time, "sleep", lambda _seconds: None)
    patient.write(events(), at=AT)
    fail("delete", errorCode=10107, times=2)
    assert sum(part.messages for part in patient.retention.prune(NOON + 10)) == 10


PROCESSED = Change(processed={0: Block(0b101, "2026-01-01")}, resolved=(7,))


def test_the_sync_state_is_saved_in_spite_of_an_election(
    patient: Store, fail: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Setting bits may be repeated."""
    monkeypatch.setattr(retrying.time, "sleep", lambda _seconds: None)
    patient.sync_state.save_coverage("scope", PROCESSED)
    fail("update", "delete", errorCode=11602, times=3)
    patient.sync_state.save_coverage("scope", Change(processed={0: Block(0b010, "2026-01-02")}))
    assert patient.sync_state.load_coverage("scope").blocks[0].bits == 0b111


def test_a_sync_state_that_most_members_do_not_confirm_is_reported(patient: Store, fail: Callable[..., None]) -> None:
    """The run fails, because after an election these executions could be unprocessed again."""
    fail("update", writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"}, times=10)
    error = failure(lambda: patient.sync_state.save_coverage("scope", PROCESSED))
    assert "did not confirm in time" in str(error)


def test_a_user_who_loses_the_right_to_write_is_refused_at_once(patient: Store, fail: Callable[..., None]) -> None:
    """The write is not retried, because that would not help."""
    fail("insert", errorCode=13, times=10)
    with soon(), pytest.raises(StoreRefusedError, match="not allowed"):
        patient.write(events(), at=datetime.now(UTC))


@pytest.mark.parametrize("command", ["dropIndexes", "createIndexes"])
def test_a_retention_that_cannot_be_changed_stays_as_it_was(
    patient: Store, server: SecantusDBServer, options: StoreOptions, fail: Callable[..., None], command: str
) -> None:
    """The recorded limit and the indexes stay equal, so a sync accepts exactly what the server keeps."""
    patient.retention.set_ttl(7_000)
    fail(command, errorCode=13, times=1)
    with pytest.raises(StoreRefusedError, match="not allowed"):
        patient.retention.set_ttl(9_000)
    assert patient.retention.ttl_seconds() == 7_000
    with MongoClient[Document]("127.0.0.1", server.port) as client:
        for name in ("message_statuses", "message_sends"):
            index = client[str(options.database)][name].index_information()["ticktrail_ttl"]
            assert index["expireAfterSeconds"] == 7_000
    patient.retention.set_ttl(9_000)
    assert patient.retention.ttl_seconds() == 9_000
