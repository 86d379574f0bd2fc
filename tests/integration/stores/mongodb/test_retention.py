"""Erasure and retention in MongoDB: overlapping writes, documents of an earlier tool, and deletion by the server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from tests.support.records import AT, LATER, NOON, WAMID, WHO, accepted, event, everything, rejected

from ticktrail.errors import ConfigurationError
from ticktrail.messages.model import Send, StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.copying import copy
from ticktrail.stores.mongodb.store import MongoStore
from ticktrail.stores.opening import open_store
from ticktrail.stores.results import WriteReport
from ticktrail.stores.sqlite.store import SqliteStore

pytestmark = pytest.mark.thorough

OTHER = "966500000002"
DAY = 86_400
RIYADH = ZoneInfo("Asia/Riyadh")


@pytest.fixture
def options() -> StoreOptions:
    """A database of this test's own."""
    return StoreOptions(timezone=RIYADH, database=f"tt_{uuid.uuid4().hex}")


@pytest.fixture
def database(mongodb_server: str, options: StoreOptions) -> Iterator[Database[dict[str, Any]]]:
    """The database as MongoDB's own driver sees it; dropped afterwards."""
    with MongoClient[dict[str, Any]](mongodb_server, tz_aware=True) as client:
        yield client[options.database or ""]
        client.drop_database(options.database or "")


@pytest.fixture
def store(mongodb_server: str, options: StoreOptions, database: Database[dict[str, Any]]) -> Iterator[MongoStore]:
    """A store in that database."""
    del database
    with MongoStore(mongodb_server, options) as opened:
        yield opened


def test_a_write_that_overlaps_an_erasure_leaves_nothing(
    mongodb_server: str, options: StoreOptions, store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    """Looked before, erased meanwhile, written afterwards: the writer looks again and takes its own writing back."""
    store.write([event("sent")], [accepted()], at=AT)
    written = database.message_statuses.find_one({"messageId": WAMID})
    sent = database.message_sends.find_one({"_id": WAMID})
    assert written
    assert sent

    def late(_events: Sequence[StatusEvent], _sends: Sequence[Send]) -> WriteReport:
        with MongoStore(mongodb_server, options) as other:
            other.retention.forget(WHO, at=LATER)
        assert database.message_statuses.count_documents({}) == 0
        database.message_statuses.insert_one(written)
        database.message_sends.insert_one(sent)
        return WriteReport(inserted=1)

    store.retention.guarded([event("sent")], [accepted()], late, at=LATER)
    assert database.message_statuses.count_documents({}) == 0
    assert database.message_sends.count_documents({}) == 0


def test_what_a_killed_writer_left_is_gone_when_it_comes_again(
    store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    """A writer killed before its second look is run again by its sync: what is left out then is taken away too."""
    store.write([event("sent")], [accepted()], at=AT)
    written = database.message_statuses.find_one({"messageId": WAMID})
    sent = database.message_sends.find_one({"_id": WAMID})
    store.retention.forget(WHO, at=LATER)
    database.message_statuses.insert_one(written or {})
    database.message_sends.insert_one(sent or {})
    assert store.write([event("sent")], [accepted()], at=LATER).left_out == 2
    assert database.message_statuses.count_documents({}) == 0
    assert database.message_sends.count_documents({}) == 0


def test_a_person_in_what_an_earlier_tool_wrote_is_erased(
    store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    """Entries with ``waId``, ids kept as numbers: found and erased like everything else."""
    entry = {"status": "sent", "timestamp": NOON, "executionId": "1"}
    database.message_statuses.insert_many(
        [
            {"messageId": "a", "conversation_id": int(WHO), "statusHistory": [entry]},
            {"messageId": "b", "statusHistory": [{**entry, "waId": WHO}]},
            {"messageId": "c", "conversation_id": OTHER, "statusHistory": [{**entry, "waId": OTHER}]},
        ]
    )
    assert store.retention.forget(f"+{WHO}", at=AT).messages == 2
    assert [found["messageId"] for found in database.message_statuses.find()] == ["c"]


def test_a_number_of_any_length_is_looked_for(store: MongoStore) -> None:
    """Servers refuse long patterns; no phone number needs one."""
    for length in (15, 99, 5_000):
        assert store.retention.inventory("9" * length).messages == 0


def test_stores_in_one_database_have_separate_retention(
    mongodb_server: str, options: StoreOptions, store: MongoStore
) -> None:
    """Forgetting and pruning in one collection says nothing about another one."""
    beside = StoreOptions(
        timezone=RIYADH, database=options.database, status_collection="test_statuses", sends_collection="test_sends"
    )
    store.retention.forget(WHO, at=AT)
    store.retention.keep_since(NOON)
    with MongoStore(mongodb_server, beside) as other:
        assert other.write([event("sent", NOON - DAY)], at=AT).inserted == 1
        assert other.retention.kept_since(at=AT) is None


def ttl_of(database: Database[dict[str, Any]], collection: str) -> dict[str, int]:
    """The fields of a collection that have a time to live, with its seconds."""
    return {
        next(iter(index["key"])): index["expireAfterSeconds"]
        for index in database[collection].list_indexes()
        if "expireAfterSeconds" in index
    }


def test_the_server_is_told_to_delete_told_otherwise_and_told_to_stop(
    store: MongoStore, database: Database[dict[str, Any]]
) -> None:
    """One index on each collection is made, changed in place, and removed; repeating any of it does no harm."""
    for days in (180, 90, 90):
        store.retention.set_ttl(days * DAY)
        assert ttl_of(database, "message_statuses") == {"firstSeenAt": days * DAY}
        assert ttl_of(database, "message_sends") == {"sentAt": days * DAY}
        assert store.retention.ttl_seconds() == days * DAY
    for _ in range(2):
        store.retention.set_ttl(None)
        assert ttl_of(database, "message_statuses") == ttl_of(database, "message_sends") == {}
        assert store.retention.ttl_seconds() is None
    store.prepare()


def test_what_the_server_would_delete_is_not_taken_in(store: MongoStore) -> None:
    """With a time to live the mark moves on by itself; a later mark that was set holds as well."""
    now = datetime.fromtimestamp(NOON, UTC)
    store.retention.set_ttl(DAY)
    assert store.retention.kept_since(at=now) == NOON - DAY
    assert store.retention.kept_since(at=now + timedelta(seconds=60)) == NOON - DAY + 60
    report = store.write([event("sent", NOON - DAY - 1), event("read", NOON - DAY)], at=now)
    assert (report.inserted, report.left_out) == (1, 1)
    store.retention.keep_since(NOON - 5)
    assert store.retention.kept_since(at=now) == NOON - 5


def test_a_copy_to_mongodb_and_back_is_the_same(store: MongoStore, tmp_path: Path) -> None:
    """SQLite to MongoDB to SQLite: every document with every date, every send, tombstones and the mark."""
    told = [
        event("sent", instance_free, str(number), message_id=f"wamid.{number}", conversation_id=f"96650000{number:04}")
        for number, instance_free in enumerate(range(NOON, NOON + 700))
    ]
    told += [
        event("failed", NOON + 5, "9", message_id="wamid.3", errors=({"code": 131026, "title": "no", "details": "x"},)),
        event("read", NOON + 5, "9", message_id="wamid.3", pricing={"billable": True, "category": "utility"}),
        event("delivered", NOON, "7", message_id="g", conversation_id="group", participant=OTHER),
        event("deleted", None, "8", message_id="odd", callback_data="$$ROOT", recipient_user_id="SA.1"),
        event("sent", NOON, "8", message_id="made up", timestamp_source="execution", workflow_id="second"),
    ]
    with (
        open_store(str(tmp_path / "a.db"), StoreOptions(timezone=RIYADH)) as first,
        open_store(str(tmp_path / "b.db"), StoreOptions(timezone=RIYADH)) as last,
    ):
        first.write(told, [accepted("wamid.3"), rejected()], at=AT, instance="shop")
        first.write(told[:40], at=LATER)
        first.retention.forget("966500000042", at=LATER)
        first.retention.keep_since(NOON + 1)
        list(first.retention.prune(NOON + 1))
        for _ in range(2):
            copy(first, store, at=LATER)
            copy(store, last, at=LATER)
            assert everything(last) == everything(store) == everything(first)
            assert list(last.sends()) == list(store.sends()) == list(first.sends())
        assert last.retention.tombstones() == store.retention.tombstones() == first.retention.tombstones()
        assert last.retention.kept_since(at=AT) == store.retention.kept_since(at=AT) == NOON + 1
        assert len(everything(last)) > 690
        assert isinstance(first, SqliteStore)


def test_a_backup_is_mongodbs_own_affair(store: MongoStore, options: StoreOptions) -> None:
    """The line to type names the database and the file, and no password."""
    with pytest.raises(ConfigurationError) as refused:
        store.retention.backup(Path("copy.gz"))
    assert refused.value.remedy == (
        f'Type: mongodump --uri="$MONGODB_URI" --db={options.database} --gzip --archive=copy.gz'
    )
