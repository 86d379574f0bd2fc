"""Faults that ``Store.check`` finds in stores."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from secantus import SecantusDBServer

from ticktrail.errors import StoreRefusedError, StoreUnavailableError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.stores.results import StoreState

pytestmark = pytest.mark.thorough

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Riyadh")
SENT = StatusEvent(message_id="wamid.1", status="sent", execution_id="1", timestamp=1_767_258_000)
READER = "s3cret-of-the-reader"


def check(place: Path | str) -> StoreState:
    """Check a store with names of its own."""
    with open_store(str(place), StoreOptions(timezone=ZONE)) as store:
        return store.check()


def said(state: StoreState) -> str:
    """All faults and their remedies."""
    return " ".join(f"{fault} {fault.remedy}" for fault in state.faults)


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """A SQLite store with one message."""
    path = tmp_path / "ledger.sqlite"
    with open_store(str(path), StoreOptions(timezone=ZONE)) as store:
        store.write([SENT], at=AT)
    return path


def test_a_database_of_another_program_is_named_and_left_alone(tmp_path: Path) -> None:
    """A SQLite file of another program is a fault, and its bytes do not change."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()
    before = path.read_bytes()
    assert "another program" in said(check(path))
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["other.db"]


def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    """A file that is no SQLite database is a fault."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, and long enough for a header to be looked for in it. " * 20)
    assert "not a SQLite database" in said(check(path))


@pytest.mark.parametrize("content", ["a store", "nothing"])
def test_not_a_byte_of_a_file_changes(opened: Path, content: str) -> None:
    """A check undoes its trial write: the file, a store or an empty one, is the same afterwards."""
    if content == "nothing":
        opened.write_bytes(b"")
    before = opened.read_bytes()
    state = check(opened)
    assert (state.faults, state.exists) == ((), content == "a store")
    assert opened.read_bytes() == before
    assert [one.name for one in opened.parent.iterdir()] == [opened.name]


def test_damage_is_found(opened: Path) -> None:
    """A file with a page overwritten is a fault before a sync stumbles over it."""
    content = bytearray(opened.read_bytes())
    content[-4096:] = b"\xff" * 4096
    opened.write_bytes(content)
    assert "damaged" in said(check(opened))


def test_a_writer_at_work_is_no_fault(opened: Path) -> None:
    """While a sync writes, that is said instead of a fault."""
    connection = sqlite3.connect(opened, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    state = check(opened)
    connection.execute("ROLLBACK")
    connection.close()
    assert (state.faults, "Another program is writing" in state.remark) == ((), True)


def test_missing_sqlite_indexes_are_named(opened: Path) -> None:
    """A dropped index is named."""
    with sqlite3.connect(opened) as connection:
        connection.execute("DROP INDEX message_status")
    connection.close()
    assert check(opened).missing_indexes == ("message_status",)


def test_a_newer_store_is_a_fault(opened: Path) -> None:
    """A file that a newer Ticktrail wrote is a fault here, as it is in a sync."""
    with sqlite3.connect(opened) as connection:
        connection.execute("INSERT INTO ticktrail_migration VALUES (999, 'of the future', 0)")
    connection.close()
    assert "newer Ticktrail" in said(check(opened))


def test_a_store_in_memory_says_that_it_keeps_nothing() -> None:
    """``:memory:`` is told to be what it is."""
    assert "memory" in check(":memory:").remark


@pytest.fixture
def mongodb(mongodb_server: str) -> Iterator[tuple[Store, Any]]:
    """A store in MongoDB with one message, and its database."""
    name = f"tt_{uuid.uuid4().hex}"
    with (
        MongoClient[dict[str, Any]](mongodb_server) as client,
        open_store(mongodb_server, StoreOptions(timezone=ZONE, database=name)) as store,
    ):
        store.write([SENT], at=AT)
        yield store, client[name]
        client.drop_database(name)


def test_missing_mongodb_indexes_are_named(mongodb: tuple[Store, Any]) -> None:
    """Dropped indexes are named with their collection."""
    store, database = mongodb
    database.message_statuses.drop_index("latestStatus_1")
    assert store.check().missing_indexes == ("message_statuses.latestStatus_1",)


def test_an_index_in_the_way_is_a_fault(mongodb: tuple[Store, Any]) -> None:
    """An index that a sync would refuse is named with its fix."""
    store, database = mongodb
    database.message_statuses.drop_index("conversation_id_1")
    database.message_statuses.create_index({"conversation_id": 1}, unique=True, name="once")
    state = store.check()
    assert "once" in said(state)
    assert "dropIndex" in said(state)


def test_what_a_killed_check_left_goes_with_a_later_one(mongodb: tuple[Store, Any]) -> None:
    """The collection of a check that was killed an hour ago is dropped; one of a check at work is not."""
    store, database = mongodb
    old = f"ticktrail_doctor_{ObjectId.from_datetime(datetime.now(UTC) - timedelta(hours=2))}"
    young = f"ticktrail_doctor_{ObjectId()}"
    database.create_collection(old)
    database.create_collection(young)
    assert store.check().faults == ()
    assert [message.message_id for message in store.messages(MessageFilter())] == ["wamid.1"]
    assert database.list_collection_names(filter={"name": {"$regex": "doctor"}}) == [young]


@pytest.mark.parametrize(
    ("module", "name", "step"),
    [
        ("writing", "swap", "insert a message"),
        ("check", "count_groups", "compute statistics"),
        ("check", "count_unconfirmed", "count sends"),
        ("check", "operations", "keep the sync state"),
    ],
)
def test_what_a_server_lacks_is_named(
    mongodb: tuple[Store, Any], monkeypatch: pytest.MonkeyPatch, module: str, name: str, step: str
) -> None:
    """A compatible server that does not know a command is named by the step that needs it, and nothing stays."""
    store, database = mongodb

    def refuse(*_: object, **__: object) -> None:
        raise OperationFailure("Unrecognized pipeline stage name", 40324)

    monkeypatch.setattr(f"ticktrail.stores.mongodb.{module}.{name}", refuse)
    assert f"cannot {step}" in said(store.check())
    assert database.list_collection_names(filter={"name": {"$regex": "doctor"}}) == []


def test_a_validation_rule_of_messages_is_not_tried_on_sends(mongodb: tuple[Store, Any]) -> None:
    """A rule that every real message passes is no fault; one that refuses them is, with its cause."""
    store, database = mongodb
    for required, fault in ((["messageId", "latestStatus"], ""), (["approvedBy"], "validation rule")):
        # Not collMod, which a user with the role readWrite may not do.
        database.drop_collection("message_statuses")
        database.create_collection("message_statuses", validator={"$jsonSchema": {"required": required}})
        assert fault in said(store.check())
        assert bool(store.check().faults) == bool(fault)


def test_a_user_who_may_only_read_is_told_apart(tmp_path: Path) -> None:
    """A wrong password cannot get in; a reader gets in and is told the missing role. No password is repeated."""
    folder = str(tmp_path / "data")
    with (
        SecantusDBServer(port=0, storage_path=folder) as server,
        MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{server.port}") as client,
    ):
        role = {"role": "read", "db": "n8n_whatsapp"}
        client["n8n_whatsapp"].command("createUser", "reader", pwd=READER, roles=[role])
        with open_store(f"mongodb://127.0.0.1:{server.port}", StoreOptions(timezone=ZONE)) as store:
            store.write([SENT], at=AT)
    with SecantusDBServer(port=0, storage_path=folder, require_auth=True) as server:
        place = f"127.0.0.1:{server.port}/n8n_whatsapp?authSource=n8n_whatsapp"
        state = check(f"mongodb://reader:{READER}@{place}")
        assert "readWrite" in said(state)
        assert READER not in said(state)
        with pytest.raises(StoreRefusedError, match="does not accept"):
            check(f"mongodb://reader:wrong@{place}")
        with pytest.raises(StoreRefusedError, match="wants a user name"):
            check(f"mongodb://{place}")


def test_a_mongodb_that_is_away() -> None:
    """Where nothing listens, that is said at once."""
    with pytest.raises(StoreUnavailableError, match="refuses the connection"):
        check("mongodb://127.0.0.1:9/x?serverSelectionTimeoutMS=300")
