"""Behaviour specific to MongoDB: indexes, literal values, the writes themselves, races, queries typed into mongosh."""

from __future__ import annotations

import functools
import itertools
import random
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest
from pymongo import MongoClient
from pymongo.cursor import Cursor
from pymongo.database import Database
from pymongo.monitoring import CommandListener
from tests.support.patience import PATIENCE_SECONDS

from ticktrail.errors import StoreRefusedError, StoreUnavailableError
from ticktrail.messages.document import to_document
from ticktrail.messages.filters import UNREAD, MessageFilter, Order
from ticktrail.messages.merge import gather, merge_message
from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.mongodb import bulk, retrying
from ticktrail.stores.mongodb import connection as mongodb_connection
from ticktrail.stores.mongodb import writing as mongodb_write
from ticktrail.stores.mongodb.filters import parts_of
from ticktrail.stores.opening import open_store
from ticktrail.stores.results import WriteReport

ZONE = ZoneInfo("Asia/Riyadh")
AT = datetime(2026, 11, 22, 10, 0, 0, 123_000, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
NOON = 1_767_258_000
WHO = "966500000001"
WAMID = "wamid.HBgMOTY2NTAwMDAwMDAx"

Document = dict[str, Any]


@pytest.fixture
def options() -> StoreOptions:
    """A database of this test's own."""
    return StoreOptions(timezone=ZONE, database=f"tt_{uuid.uuid4().hex}")


@pytest.fixture
def opened(mongodb_server: str, options: StoreOptions) -> Iterator[Database[Document]]:
    """The database as other programs see it."""
    with MongoClient[Document](mongodb_server, tz_aware=True) as client:
        yield client[str(options.database)]
        client.drop_database(str(options.database))


@pytest.fixture
def store(mongodb_server: str, options: StoreOptions, opened: Database[Document]) -> Iterator[Store]:
    """Ticktrail on that database."""
    with open_store(mongodb_server, options) as store:
        yield store


def event(status: str, timestamp: int | None = NOON, execution_id: str = "101", **more: Any) -> StatusEvent:
    """A status of one message."""
    facts = {"message_id": WAMID, "workflow_id": "delivery", "conversation_id": WHO, **more}
    return StatusEvent(status=status, timestamp=timestamp, execution_id=execution_id, **facts)


def accepted(template: str | None, *, sent_at: datetime = AT, execution_id: str = "90", **more: Any) -> Send:
    """A send that Meta accepted."""
    facts: dict[str, Any] = {
        "key": WAMID,
        "message_id": WAMID,
        "sent_by": SentBy("orders", "Send template", execution_id),
        "status": "accepted",
        "sent_at": sent_at,
        "template": None if template is None else Template(template, "en_US"),
    }
    return Send(**{**facts, **more})


def counts(report: WriteReport) -> tuple[int, int, int, int]:
    """Inserted, updated, unchanged, refused."""
    return report.inserted, report.updated, report.unchanged, len(report.refused)


# ── Indexes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

STATUS_INDEXES = [
    ({"_id": 1}, False, False),
    ({"messageId": 1}, True, False),
    ({"conversation_id": 1}, False, False),
    ({"conversation_id": 1, "latestTimestamp": -1}, False, False),
    ({"conversation_id": 1, "sentTimestamp": -1, "messageId": 1}, False, False),
    ({"latestStatus": 1}, False, False),
    ({"latestStatus": 1, "sentTimestamp": -1, "messageId": 1}, False, False),
    ({"latestTimestamp": -1, "messageId": 1}, False, False),
    ({"sentTimestamp": -1, "messageId": 1}, False, False),
    ({"sentTimestamp": 1, "messageId": 1}, False, False),
    ({"sentTimestamp": 1, "firstTimestamp": -1, "messageId": 1}, False, False),
    ({"lastUpdatedAt": -1, "messageId": 1}, False, False),
    ({"failure.code": 1}, False, True),
    ({"recipientUserId": 1}, False, True),
    ({"callbackData": 1}, False, True),
]

SEND_INDEXES = [
    ({"_id": 1}, False, False),
    ({"messageId": 1}, False, False),
    ({"sentAt": -1, "_id": 1}, False, False),
    ({"rejected": 1}, False, True),
]


def indexes(opened: Database[Document], collection: str) -> list[tuple[Document, bool, bool]]:
    """Keys, unique, sparse of every index, keys in their order."""
    return [
        (dict(index["key"]), bool(index.get("unique")), bool(index.get("sparse")))
        for index in opened[collection].list_indexes()
    ]


def test_the_first_write_makes_exactly_these_indexes(store: Store, opened: Database[Document]) -> None:
    """Reading makes nothing, not even the collections."""
    assert not store.exists()
    assert (store.count(MessageFilter()), list(store.messages(MessageFilter())), list(store.sends())) == (0, [], [])
    assert opened.list_collection_names() == []
    store.write([event("sent")], at=AT)
    assert store.exists()
    # As text, which tells one order of keys from another; servers list indexes in an order of their own.
    assert sorted(map(str, indexes(opened, "message_statuses"))) == sorted(map(str, STATUS_INDEXES))
    assert sorted(map(str, indexes(opened, "message_sends"))) == sorted(map(str, SEND_INDEXES))


def test_the_unique_index_is_there_before_the_first_write(
    mongodb_server: str, options: StoreOptions, opened: Database[Document], commands: list[tuple[str, Document]]
) -> None:
    """And before the other indexes: a writer that comes while those are built relies on it."""
    with open_store(mongodb_server, options) as store:
        store.write([event("sent")], at=AT)
    names = [name for name, _ in commands if name in {"createIndexes", "insert", "update"}]
    assert names[0] == "createIndexes"
    assert "insert" in names
    first = next(command for name, command in commands if name == "createIndexes")
    assert [index["key"] for index in first["indexes"]] == [{"messageId": 1}]
    assert set(names[: len(names) - names[::-1].index("createIndexes")]) == {"createIndexes"}


def test_many_may_prepare_at_once(mongodb_server: str, options: StoreOptions, opened: Database[Document]) -> None:
    """Each ends with all indexes there."""
    failures: list[BaseException] = []

    def prepare() -> None:
        try:
            with open_store(mongodb_server, options) as store:
                store.prepare()
                store.prepare()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to say so
            failures.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(map(str, indexes(opened, "message_statuses"))) == sorted(map(str, STATUS_INDEXES))


def test_an_index_on_the_same_keys_serves_under_any_name(store: Store, opened: Database[Document]) -> None:
    """Another name, or fewer documents in one that only makes questions faster, is no harm."""
    statuses = opened["message_statuses"]
    # Typed into mongosh, a direction is a double.
    by_id = {"key": {"messageId": 1.0}, "unique": True, "name": "by_id"}
    opened.command("createIndexes", "message_statuses", indexes=[by_id])
    statuses.create_index({"conversation_id": 1}, sparse=True, name="by_person")
    store.write([event("sent")], at=AT)
    assert set(statuses.index_information()) >= {"by_id", "by_person", "latestStatus_1"}
    assert len(statuses.index_information()) == len(STATUS_INDEXES)


@pytest.mark.parametrize(
    ("keys", "how"),
    [
        ({"messageId": 1}, {}),
        ({"messageId": 1}, {"unique": True, "partialFilterExpression": {"latestStatus": "sent"}}),
        ({"conversation_id": 1}, {"unique": True}),
        ({"workflowId": 1, "latestStatus": 1}, {"unique": True}),
    ],
    ids=["not unique", "unique for some", "unique where it must not be", "unique on a user's keys"],
)
def test_an_index_that_stands_in_the_way_is_named(
    store: Store, opened: Database[Document], keys: Document, how: Document
) -> None:
    """Nothing is written; when it is dropped as the remedy says, it works."""
    statuses = opened["message_statuses"]
    statuses.create_index(keys, name="in_the_way", **how)
    with pytest.raises(StoreRefusedError, match="in_the_way") as caught:
        store.write([event("sent")], at=AT)
    assert 'db.getCollection("message_statuses").dropIndex("in_the_way")' in caught.value.remedy
    assert statuses.count_documents({}) == 0
    statuses.drop_index("in_the_way")
    assert store.write([event("sent")], at=AT).inserted == 1


def test_unique_indexes_that_keep_no_message_out_stay(store: Store, opened: Database[Document]) -> None:
    """A unique index that includes the message id stays, and so does one on another program's field."""
    statuses = opened["message_statuses"]
    statuses.create_index({"workflowId": 1, "messageId": 1}, unique=True)
    statuses.create_index({"orderNumber": 1}, unique=True, sparse=True)
    assert store.write([event("sent"), event("sent", message_id="wamid.2")], at=AT).inserted == 2


def test_two_indexes_on_the_same_keys_are_judged_together(store: Store, opened: Database[Document]) -> None:
    """Beside a unique one, another on the message id changes nothing."""
    statuses = opened["message_statuses"]
    statuses.create_index({"messageId": 1}, name="some", partialFilterExpression={"latestStatus": "sent"})
    statuses.create_index({"messageId": 1}, name="ids", unique=True)
    assert store.write([event("sent")], at=AT).inserted == 1


def test_an_index_that_has_our_name_is_named(store: Store, opened: Database[Document]) -> None:
    """Other keys under the name that MongoDB gives ours."""
    opened["message_statuses"].create_index({"other": 1}, name="latestStatus_1")
    with pytest.raises(StoreRefusedError, match="latestStatus_1") as caught:
        store.write([event("sent")], at=AT)
    assert 'dropIndex("latestStatus_1")' in caught.value.remedy


def test_documents_with_one_message_id_are_named(store: Store, opened: Database[Document]) -> None:
    """With how many there are, and how to join them; reading them still works."""
    entry = {"status": "sent", "timestamp": NOON, "executionId": "1"}
    for name, number in (("wamid.twice", 2), ("wamid.thrice", 3), ("wamid.once", 1)):
        for _ in range(number):
            opened["message_statuses"].insert_one({"messageId": name, "statusHistory": [entry]})
    with pytest.raises(StoreRefusedError) as caught:
        store.write([event("sent")], at=AT)
    assert "wamid.thrice (3 documents), wamid.twice (2 documents)" in str(caught.value)
    assert "wamid.once" not in str(caught.value)
    assert "renameCollection" in caught.value.remedy
    assert store.count(MessageFilter()) == 6
    assert opened["message_statuses"].count_documents({}) == 6


def stages_of(plan: Any) -> set[str]:
    """The names of all stages of a winning plan."""
    if isinstance(plan, list):
        return set().union(*map(stages_of, plan))
    if not isinstance(plan, Mapping):
        return set()
    own = {plan["stage"]} if isinstance(plan.get("stage"), str) else set()
    return own | set().union(*map(stages_of, plan.values()))


LISTS = {
    **{order: MessageFilter(order=order) for order in get_args(Order)},
    "of a status": MessageFilter(statuses=("failed",)),
    "unread": MessageFilter(statuses=UNREAD),
}


def plan_of(found: Cursor[Document]) -> set[str]:
    """The stages of the plan with which a server answers a query; none if it does not explain."""
    return stages_of(found.explain().get("queryPlanner", {}).get("winningPlan", {}))


@pytest.mark.parametrize("chosen", LISTS.values(), ids=LISTS.keys())
def test_lists_come_in_the_order_of_an_index(store: Store, opened: Database[Document], chosen: MessageFilter) -> None:
    """Without a sort in memory, of which Atlas M0 has 32 MB. Runs where the server says how it plans."""
    store.write([event("sent", message_id=f"wamid.{number}") for number in range(50)], at=AT)
    store.write([event("failed", message_id=f"wamid.{number}") for number in range(9)], at=AT)
    statuses = opened["message_statuses"]
    probe = statuses.find({"$and": [{"latestTimestamp": {"$gt": 0}}]}).sort([("latestTimestamp", -1), ("messageId", 1)])
    if "SORT" in plan_of(probe):
        pytest.skip("this server sorts in memory even where an index gives the order")
    for part, sorting in parts_of(chosen)[0][:1]:
        stages = plan_of(statuses.find(part).sort(sorting))
        if not stages:
            pytest.skip("this server does not explain")
        assert "IXSCAN" in stages
        assert not stages & {"SORT", "COLLSCAN"}


# ── Collections of others ───────────────────────────────────────────────────────────────────────────────────────────

FOREIGN: dict[str, list[Document]] = {
    "no message ids": [{"invoice": 7, "total": 3.5}],
    "one among statuses": [
        {"messageId": "wamid.a", "statusHistory": [{"status": "sent", "timestamp": NOON, "executionId": "1"}]},
        {"customer": "ana"},
    ],
    "conversations": [{"messageId": "wamid.a", "conversation_id": WHO, "inbound": "hello"}],
    "message ids that are numbers": [{"messageId": 7, "latestStatus": "sent"}],
}


@pytest.mark.parametrize("documents", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_collection_of_something_else_is_refused_before_the_first_write(
    store: Store, opened: Database[Document], documents: list[Document]
) -> None:
    """By looking, by writing and by the check alike, and not even an index is made."""
    opened["message_statuses"].insert_many(documents)
    words = "this collection holds documents that are not message statuses: choose another"
    for ask in (store.require_adoptable, lambda: store.write([event("sent")], at=AT), store.prepare):
        with pytest.raises(StoreRefusedError, match=words) as caught:
            ask()
        assert "MONGODB_STATUS_COLLECTION" in caught.value.remedy
    assert any(words in str(fault) for fault in store.check().faults)
    assert list(opened["message_statuses"].find({}, {"_id": False})) == [
        {name: value for name, value in document.items() if name != "_id"} for document in documents
    ]
    assert len(list(opened["message_statuses"].list_indexes())) == 1


def test_a_document_of_one_status_is_adopted(store: Store, opened: Database[Document]) -> None:
    """Another program stored the status itself, without a history: it is kept beside what is new."""
    opened["message_statuses"].insert_one(
        {"messageId": WAMID, "latestStatus": "delivered", "latestTimestamp": NOON, "conversation_id": WHO}
    )
    assert counts(store.write([event("read", NOON + 60)], at=AT)) == (0, 1, 0, 0)
    stored = store.documents([WAMID])[WAMID]
    assert [(entry["status"], entry["timestamp"]) for entry in stored["statusHistory"]] == [
        ("delivered", NOON),
        ("read", NOON + 60),
    ]


# ── What is written, and how ────────────────────────────────────────────────────────────────────────────────────────


class Recorder(CommandListener):
    """Keeps every command that a client sends."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, Document]] = []

    def started(self, event: Any) -> None:
        """Keep one."""
        self.commands.append((event.command_name, event.command))

    def succeeded(self, event: Any) -> None:
        """Not asked for."""

    def failed(self, event: Any) -> None:
        """Not asked for."""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Document]]:
    """The commands of every store that is opened from now on, by name, as they are sent."""
    recorder = Recorder()
    monkeypatch.setattr(
        mongodb_connection.pymongo, "MongoClient", functools.partial(MongoClient, event_listeners=[recorder])
    )
    return recorder.commands


OPERATORS = {"$set", "$unset", "$max", "$in", "$eq"}
"""All that a server must understand to be written to; see docs/mongodb.md."""


def operators(value: Any) -> set[str]:
    """Every name with a dollar in a statement."""
    if isinstance(value, list):
        return set().union(*map(operators, value))
    if not isinstance(value, Mapping):
        return set()
    return {name for name in value if name.startswith("$")} | set().union(*map(operators, value.values()))


def test_writes_are_inserts_and_guarded_updates_with_plain_operators(
    mongodb_server: str, options: StoreOptions, opened: Database[Document], commands: list[tuple[str, Document]]
) -> None:
    """New, grown, unchanged, lent to: no pipeline, no upsert; an update names the revision that was read."""
    with open_store(mongodb_server, options) as store:
        store.write([event("sent"), event("sent", message_id="wamid.other")], [accepted("hello")], at=AT)
        store.write([event("sent"), event("read", message_id="wamid.other")], [accepted("hello")], at=LATER)
        store.write([], [accepted("earlier", sent_at=AT - timedelta(hours=1))], at=LATER)
    names = {"find", "listIndexes", "createIndexes", "hello", "endSessions", "listCollections", "aggregate"}
    writes = [(name, command) for name, command in commands if name not in names]
    assert {name for name, _ in writes} == {"insert", "update"}
    statements = [one for name, command in writes if name == "update" for one in command["updates"]]
    touches = [one for one in statements if one.get("multi")]
    assert [list(one["u"]) for one in touches] == [["$max"]]
    guarded = [one for one in statements if not one.get("multi")]
    assert len(guarded) == 4
    for statement in guarded:
        assert {"_id", "revision"} <= set(statement["q"])
        assert statement["u"]["$set"]["revision"] == statement["q"]["revision"]["$eq"] + 1
    assert not any(one.get("upsert") or isinstance(one["u"], list) for one in statements)
    assert operators([dict(one) for one in statements]) <= OPERATORS


NASTY = ("$$ROOT", "$", "$messageId", "$$REMOVE", "a.b", "", "\x00", "{$ne: 1}")


@pytest.mark.parametrize("nasty", NASTY)
def test_values_from_outside_are_stored_as_they_are(store: Store, opened: Database[Document], nasty: str) -> None:
    """The same holds for a new message and for one the server merges: as label, in details, as template."""
    details = {"$literal": nasty, "a.b": [nasty, {"$add": [1, 2]}]}
    facts = {"callback_data": nasty, "recipient_user_id": nasty, "pricing": details, "errors": (details,)}
    store.write([event("failed", **facts), event("sent", message_id="wamid.known")], at=AT)  # type: ignore[arg-type]
    store.write([event("failed", message_id="wamid.known", **facts)], [accepted(nasty, input=nasty)], at=LATER)  # type: ignore[arg-type]
    store.write([], [accepted(nasty, input=nasty, execution_id=nasty)], at=LATER)
    for name in (WAMID, "wamid.known"):
        stored = opened["message_statuses"].find_one({"messageId": name})
        assert stored is not None
        entry = stored["statusHistory"][-1]
        assert (entry["pricing"], entry["errors"]) == (details, [details])
        assert (stored["callbackData"], stored["recipientUserId"], stored["pricing"]) == (nasty, nasty, details)
    lent = opened["message_statuses"].find_one({"messageId": WAMID}) or {}
    assert lent["template"] == {"name": nasty, "language": "en_US"}
    assert (opened["message_sends"].find_one({"_id": WAMID}) or {})["input"] == nasty


def test_of_made_up_times_the_least_stays(store: Store) -> None:
    """Three scans made up three times for one status: one entry, whichever came first, and no milestone."""
    times = (NOON, NOON - 60, NOON + 60)
    for number, order in enumerate(itertools.permutations(times)):
        name = f"wamid.{number}"
        for time in order:
            store.write([event("read", time, message_id=name, timestamp_source="execution")], at=AT)
        stored = store.documents([name])[name]
        assert [(entry["timestamp"], entry["timestampFormatted"]) for entry in stored["statusHistory"]] == [
            (NOON - 60, "2026-01-01 11:59")
        ]
        assert (stored["latestTimestamp"], "readTimestamp" in stored) == (NOON - 60, False)


def test_no_helper_is_left_in_a_document(store: Store, opened: Database[Document]) -> None:
    """After merges the document has the documented fields, and how often it was written."""
    events = [event("sent"), event("delivered", NOON + 30), event("read", NOON + 60, workflow_id="other")]
    for told in events:
        store.write([told], at=AT, instance="shop")
    stored = opened["message_statuses"].find_one({}, {"_id": False})
    assert stored is not None
    assert stored.pop("revision") == 3
    expected = to_document(merge_message(None, WAMID, gather(events, instance="shop")[WAMID], at=AT), ZONE)
    assert stored == expected
    assert [list(entry) for entry in stored["statusHistory"]] == [list(entry) for entry in expected["statusHistory"]]


def test_a_document_that_would_grow_too_large_costs_itself_only(store: Store) -> None:
    """16 MB is the most MongoDB keeps in one: the message stays as it was, the others of the batch are stored."""
    half = ({"code": 1, "message": "x" * 9_000_000},)
    assert counts(store.write([event("failed", errors=half)], at=AT)) == (1, 0, 0, 0)
    batch = [event("failed", NOON + 1, errors=half), event("sent", message_id="wamid.other")]
    report = store.write(batch, at=LATER)
    assert counts(report) == (1, 0, 0, 1)
    assert (report.refused[0].key, "16 MB" in report.refused[0].reason) == (WAMID, True)
    assert len(store.get([WAMID])[WAMID].history) == 1


# ── Counts and races ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> Callable[[Document | None], None]:
    """Makes the next look at stored messages find this document, or none, whatever is stored by then."""
    looks: list[Document | None] = []
    fresh: Callable[..., dict[str, Document]] = bulk._Swap._stored

    def look(self: Any, keys: Any) -> dict[str, Document]:
        found = fresh(self, keys)
        if looks:
            document = looks.pop()
            found.pop(WAMID, None)
            if document is not None:
                found[WAMID] = document
        return found

    monkeypatch.setattr(bulk._Swap, "_stored", look)
    return looks.append


def test_what_another_writer_did_since_the_look_is_never_undone(
    store: Store, opened: Database[Document], stale: Callable[[Document | None], None]
) -> None:
    """The message was not there, or stood otherwise, when it was read: same document, true counts."""
    stale(None)
    store.write([event("sent")], at=AT)
    stale(None)
    assert counts(store.write([event("sent", pricing={"category": "utility"})], at=LATER)) == (0, 0, 1, 0)
    before = opened["message_statuses"].find_one({"messageId": WAMID})
    store.write([event("read", NOON + 60)], at=LATER)
    stale(before)
    other = event("sent", message_id="wamid.other")
    assert counts(store.write([event("read", NOON + 60), other], at=LATER)) == (1, 0, 1, 0)
    stale(before)
    assert counts(store.write([event("delivered", NOON + 30), other], at=LATER)) == (0, 1, 1, 0)
    stored = store.documents([WAMID])[WAMID]
    assert [entry["status"] for entry in stored["statusHistory"]] == ["sent", "delivered", "read"]
    assert stored["pricing"] == {"category": "utility"}
    assert stored["lastScannedAt"] == LATER


def test_a_message_that_was_deleted_since_the_look_is_inserted(
    store: Store, opened: Database[Document], stale: Callable[[Document | None], None]
) -> None:
    """Also where another one with its id and revision took its place: nothing of that is lost either."""
    store.write([event("sent")], at=AT)
    before = opened["message_statuses"].find_one({"messageId": WAMID})
    opened["message_statuses"].delete_many({})
    stale(before)
    assert counts(store.write([event("read", NOON + 60)], at=AT)) == (1, 0, 0, 0)
    assert len(store.get([WAMID])[WAMID].history) == 1
    opened["message_statuses"].delete_many({})
    store.write([event("delivered", NOON + 30)], at=AT)
    stale(before)
    assert counts(store.write([event("read", NOON + 60)], at=AT)) == (0, 1, 0, 0)
    assert [entry.status for entry in store.get([WAMID])[WAMID].history] == ["delivered", "read"]


def test_a_scan_never_moves_back(store: Store, stale: Callable[[Document | None], None]) -> None:
    """A later scan met the message between our look and our write; its time stays."""
    store.write([event("sent")], at=AT)
    store.write([event("sent")], at=LATER)
    assert counts(store.write([event("read", NOON + 60)], at=AT)) == (0, 1, 0, 0)
    assert store.documents([WAMID])[WAMID]["lastScannedAt"] == LATER


@pytest.mark.thorough
def test_writers_that_always_come_first_are_reported(
    store: Store, opened: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many lost races the write stops with what is safe, instead of going on for ever."""
    store.write([event("sent")], at=AT)
    fresh: Callable[..., dict[str, Document]] = bulk._Swap._stored

    def look(self: Any, keys: Any) -> dict[str, Document]:
        found = fresh(self, keys)
        opened["message_statuses"].update_many({}, {"$inc": {"revision": 1}})
        return found

    monkeypatch.setattr(bulk._Swap, "_stored", look)
    monkeypatch.setattr(retrying.time, "sleep", lambda _: None)
    with pytest.raises(StoreUnavailableError, match="kept changing 1 document") as caught:
        store.write([event("read", NOON + 60)], at=LATER)
    assert "Nothing is lost" in caught.value.remedy


PROCESS = """
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
import msgspec
from ticktrail.messages.model import Send, StatusEvent
from ticktrail import StoreOptions, WriteReport, open_store

writes = msgspec.json.decode(sys.stdin.buffer.read(), type=list[tuple[list[StatusEvent], list[Send]]])
at = datetime(2026, 11, 22, 10, tzinfo=UTC)
total = WriteReport()
with open_store(sys.argv[1], StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=sys.argv[2])) as store:
    for events, sends in writes:
        total += store.write(events, sends, at=at)
print(total.inserted, total.updated, total.unchanged, len(total.refused), total.sends)
"""


def test_processes_that_write_the_same_at_once_end_in_the_law_and_count_each_change_once(
    mongodb_server: str, options: StoreOptions, store: Store
) -> None:
    """Each gets all statuses one by one, shuffled, at one instant; what is new is counted by exactly one of them."""
    names = [f"wamid.{number}" for number in range(5)]
    events = [
        event(status, NOON + minute, execution, message_id=name, pricing={"by": execution} if minute else None)
        for name in names
        for (minute, status), execution in itertools.product(enumerate(("sent", "delivered", "read")), ("1", "2"))
    ]
    copies = [
        accepted(template, sent_at=AT + timedelta(seconds=second), key=name, message_id=name)
        for name in names
        for second, template in enumerate(("original", "copied", None))
    ]
    running = []
    for seed in range(8):
        writes: list[tuple[list[StatusEvent], list[Send]]] = [
            *(([told], []) for told in events),
            *(([], [copy]) for copy in copies),
        ]
        random.Random(seed).shuffle(writes)  # noqa: S311 - the same shuffles every time
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS, mongodb_server, str(options.database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=False,
        )
        running.append((process, msgspec.json.encode(writes)))
    for process, writes_encoded in running:
        assert process.stdin is not None
        process.stdin.write(writes_encoded)
        process.stdin.close()
    totals = []
    for process, _ in running:
        assert process.stdout is not None
        totals.append([int(number) for number in process.stdout.read().split()])
        process.stdout.close()
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    inserted, updated, unchanged, refused, sends = map(sum, zip(*totals, strict=True))
    assert (inserted, updated, refused, sends) == (len(names), len(events) - len(names), 0, len(names))
    assert unchanged == 7 * len(events)
    fold = gather(events)
    stored = store.documents(names)
    for name in names:
        document = to_document(merge_message(None, name, fold[name], at=datetime(2026, 11, 22, 10, tzinfo=UTC)), ZONE)
        sent_by = {"workflowId": "orders", "node": "Send template", "executionId": "90"}
        assert stored[name] == {**document, "template": {"name": "original", "language": "en_US"}, "sentBy": sent_by}


def test_a_send_that_changes_while_it_is_lent_is_lent_again(
    mongodb_server: str, options: StoreOptions, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier copy comes and is lent between our look and our write: the message ends with its template."""
    store.write([event("sent")], at=AT)
    plain: Callable[..., Any] = mongodb_write.swap
    interrupted: list[str] = []

    def interrupting(collection: Any, keys: Any, *more: Any, **named: Any) -> Any:
        if keys and collection.name == "message_statuses" and not interrupted:
            interrupted.append("once")
            with open_store(mongodb_server, options) as other:
                other.write([], [accepted("original", sent_at=AT - timedelta(hours=1))], at=AT)
        return plain(collection, keys, *more, **named)

    monkeypatch.setattr(mongodb_write, "swap", interrupting)
    store.write([], [accepted("copied")], at=LATER)
    assert interrupted
    assert store.get([WAMID])[WAMID].template == Template("original", "en_US")


def test_a_template_that_the_original_had_not_is_taken_back(store: Store, opened: Database[Document]) -> None:
    """An earlier copy without a template decides; nothing of the later one stays in send or message."""
    store.write([event("sent")], [accepted("copied")], at=AT)
    store.write([], [accepted(None, sent_at=AT - timedelta(hours=1), execution_id="89")], at=LATER)
    for collection in ("message_statuses", "message_sends"):
        stored = opened[collection].find_one({})
        assert stored is not None
        assert "template" not in stored
        assert stored["sentBy"]["executionId"] == "89"


# ── Queries typed into mongosh ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def asked(store: Store, opened: Database[Document]) -> Callable[..., set[str]]:
    """The ids that a filter finds among six messages, three of them updated just now, the others two hours ago."""
    now = datetime.now(UTC)
    other = "966500000002"
    old = [
        event("sent", message_id="a"),
        event("delivered", NOON + 1, message_id="b"),
        event("read", NOON + 2, message_id="c", conversation_id=other),
    ]
    store.write(old, at=now - timedelta(hours=2))
    fresh = [
        event("failed", NOON + 3, message_id="d", errors=({"code": 131026},)),
        event("sent", NOON + 4, message_id="e", conversation_id=other),
        event("delivered", NOON + 5, message_id="a"),
        event("sent", message_id="b"),
    ]
    store.write([*fresh, *old], at=now)

    def ask(query: Document) -> set[str]:
        return {found["messageId"] for found in opened["message_statuses"].find(query)}

    return ask


def test_the_questions_of_every_day_are_plain_queries(
    asked: Callable[..., set[str]], opened: Database[Document]
) -> None:
    """By user, unread, by status, why it failed, updated in the last hour; counts per user and status."""
    assert asked({"conversation_id": WHO}) == {"a", "b", "d"}
    assert asked({"conversation_id": WHO, "latestStatus": {"$in": list(UNREAD)}}) == {"a", "b"}
    assert asked({"latestStatus": "sent"}) == {"e"}
    assert asked({"latestStatus": {"$ne": "read"}}) == {"a", "b", "d", "e"}
    assert asked({"failure.code": 131026}) == {"d"}
    assert asked({"lastUpdatedAt": {"$gte": datetime.now(UTC) - timedelta(hours=1)}}) == {"a", "b", "d", "e"}
    assert asked({"statusHistory": {"$elemMatch": {"status": "delivered", "executionId": "101"}}}) == {"a", "b"}
    counted = opened["message_statuses"].aggregate(
        [{"$group": {"_id": {"user": "$conversation_id", "status": "$latestStatus"}, "count": {"$sum": 1}}}]
    )
    assert {(one["_id"]["user"], one["_id"]["status"]): one["count"] for one in counted} == {
        (WHO, "delivered"): 2,
        (WHO, "failed"): 1,
        ("966500000002", "read"): 1,
        ("966500000002", "sent"): 1,
    }


def test_what_is_no_message_is_passed_over(store: Store, opened: Database[Document]) -> None:
    """Other documents in the collection are neither listed nor counted, and take no place under a limit."""
    store.write([event("sent")], at=AT)
    for stranger in (
        {"messageId": 7, "latestTimestamp": NOON + 9},
        {"messageId": "x", "statusHistory": [{"status": 1}]},
    ):
        opened["message_statuses"].insert_one({**stranger, "latestTimestamp": NOON + 9})
    assert [message.message_id for message in store.messages(MessageFilter(limit=1))] == [WAMID]
    assert store.count(MessageFilter()) == 1
    assert set(store.documents([WAMID, "x"])) == {WAMID}
    opened["message_sends"].insert_one({"note": "not a send"})
    assert list(store.sends()) == []


def test_pages_go_by_what_is_stored_in_an_older_document(store: Store, opened: Database[Document]) -> None:
    """Where an older tool took the newest status for the latest, the page begins where the document stands."""
    store.write([event("sent", NOON + place, message_id=f"m{place}") for place in (1, 3, 5)], at=AT)
    history = [
        {"status": "read", "timestamp": NOON, "executionId": "1", "waId": WHO},
        {"status": "delivered", "timestamp": NOON + 4, "executionId": "2", "waId": WHO},
    ]
    older = {"latestStatus": "delivered", "latestTimestamp": float(NOON + 4), "statusHistory": history}
    opened["message_statuses"].insert_one({"messageId": "older", "conversation_id": WHO, **older})
    opened["message_statuses"].insert_one({"messageId": "bare", "statusHistory": history[:1]})
    for order, expected in {
        "newest": ["m5", "older", "m3", "m1", "bare"],
        "oldest": ["m1", "m3", "older", "m5", "bare"],
        "updated": ["m1", "m3", "m5", "bare", "older"],
    }.items():
        met: list[str] = []
        question = MessageFilter(order=order, limit=1)  # type: ignore[arg-type]
        for _ in expected:
            answer = store.messages(question)
            met += [message.message_id for message in answer]
            question = msgspec.structs.replace(question, after=answer.cursor)
        assert met == expected
        assert list(store.messages(question)) == []


ODD_TIMES: list[Any] = ["1767258000", None, True, [NOON], {"a": 1}, float("nan"), float("inf"), -1e300]


@pytest.mark.parametrize("order", get_args(Order))
def test_pages_skip_nothing_where_an_older_time_is_no_number(
    store: Store, opened: Database[Document], order: Any
) -> None:
    """A text, NaN or infinity among the times: each message comes once, those of unknown time last."""
    store.write([event("sent", NOON + place, message_id=f"m{place}") for place in range(5)], at=AT)
    entry = {"status": "sent", "timestamp": NOON, "executionId": "1"}
    opened["message_statuses"].insert_many(
        {
            "messageId": f"odd{place}",
            "latestTimestamp": odd,
            "lastUpdatedAt": odd,
            "firstTimestamp": odd,
            "statusHistory": [entry],
        }
        for place, odd in enumerate(ODD_TIMES)
    )
    met: list[str] = []
    question = MessageFilter(order=order, limit=2)
    while page := store.messages(question):  # type: ignore[truthy-bool]
        ids = [message.message_id for message in page]
        if not ids:
            break
        met += ids
        question = msgspec.structs.replace(question, after=page.cursor)
    assert sorted(met[:5]) == [f"m{place}" for place in range(5)]
    assert met[5:] == [f"odd{place}" for place in range(len(ODD_TIMES))]
