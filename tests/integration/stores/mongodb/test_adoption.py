"""Collections that an earlier tool filled: adopted as statuses are merged, exactly as the pure law says."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from bson.int64 import Int64
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo import MongoClient
from pymongo.collection import Collection

from ticktrail.messages.document import from_document, to_document
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.merge import gather, merge_message
from ticktrail.messages.model import Message, StatusEvent
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.stores.results import WriteReport

ZONE = ZoneInfo("Asia/Riyadh")
AT = datetime(2026, 11, 22, 10, 0, 0, 123_000, tzinfo=UTC)
LONG_AGO = AT - timedelta(days=30)
NOON = 1_767_258_000
DAY = 86_400
WHO = "966500000001"

Document = dict[str, Any]

_numbers = itertools.count()


@pytest.fixture(scope="module")
def options() -> StoreOptions:
    """A database of this module's own."""
    return StoreOptions(timezone=ZONE, database=f"tt_{uuid.uuid4().hex}")


@pytest.fixture(scope="module")
def old(mongodb_server: str, options: StoreOptions) -> Iterator[Collection[Document]]:
    """The collection as the earlier tool sees it."""
    with MongoClient[Document](mongodb_server, tz_aware=True) as client:
        yield client[str(options.database)]["message_statuses"]
        client.drop_database(str(options.database))


@pytest.fixture(scope="module")
def store(mongodb_server: str, options: StoreOptions, old: Collection[Document]) -> Iterator[Store]:
    """Ticktrail on the same collection."""
    with open_store(mongodb_server, options) as store:
        yield store


@pytest.fixture
def name() -> str:
    """A message id that no other test has."""
    return f"wamid.{next(_numbers)}"


def event(name: str, status: str, timestamp: int | None = NOON, execution_id: str = "101", **more: Any) -> StatusEvent:
    """A status as a workflow called ``delivery`` reports it now."""
    facts = {"workflow_id": "delivery", "conversation_id": WHO, **more}
    return StatusEvent(message_id=name, status=status, timestamp=timestamp, execution_id=execution_id, **facts)


def old_document(name: str, history: list[Any], **more: Any) -> Document:
    """A document as the earlier tool left it."""
    return {
        "messageId": name,
        "conversation_id": WHO,
        "latestStatus": "read",
        "latestTimestamp": NOON + 60,
        "statusHistory": history,
        "workflowId": "delivery",
        "statusCount": len(history),
        "firstSeenAt": LONG_AGO,
        "lastUpdatedAt": LONG_AGO,
        "lastScannedAt": LONG_AGO,
        **more,
    }


def old_entry(status: str, timestamp: Any = NOON, execution_id: Any = "101", **more: Any) -> Document:
    """A history entry as the earlier tool left it."""
    formatted = "01/01/2026 12:00"
    return {
        "status": status,
        "timestamp": timestamp,
        "timestampFormatted": formatted,
        "executionId": execution_id,
        "waId": WHO,
        **more,
    }


SENT, DELIVERED, READ = old_entry("sent"), old_entry("delivered", NOON + 30), old_entry("read", NOON + 60)

SHAPES: dict[str, list[Any]] = {
    "waId in place of conversation_id": [SENT, DELIVERED, READ],
    "newest first": [READ, DELIVERED, SENT],
    "entries with the message id": [{**SENT, "messageId": "wamid"}, DELIVERED, {**READ, "messageId": "wamid"}],
    "every entry twice": [SENT, DELIVERED, READ, SENT, DELIVERED, READ],
    "copies that complete each other": [
        {**SENT, "pricing": None},
        {**SENT, "waId": None, "pricing": {"category": "utility"}},
        DELIVERED,
        {**READ, "conversation_id": WHO, "waId": ""},
    ],
    "times as doubles and longs": [
        old_entry("sent", float(NOON)),
        old_entry("delivered", Int64(NOON + 30)),
        old_entry("read", float(NOON + 60)),
    ],
    "mixed case": [old_entry("Sent"), old_entry("DELIVERED", NOON + 30), READ, old_entry("READ", NOON + 60)],
    "execution ids and recipients as numbers": [
        {**SENT, "executionId": 101, "waId": Int64(WHO)},
        {**DELIVERED, "executionId": Int64(101)},
        READ,
    ],
    "things that are no statuses": [None, SENT, "read", {}, {"status": None}, DELIVERED, [READ], READ, 7],
}


@pytest.mark.parametrize("history", SHAPES.values(), ids=SHAPES.keys())
def test_an_old_document_is_adopted_when_a_status_is_merged_into_it(
    store: Store, old: Collection[Document], name: str, history: list[Any]
) -> None:
    """Three statuses it had, one is new: four in the documented form, oldest first, none lost and none doubled."""
    old.insert_one(old_document(name, history))
    report = store.write([event(name, "played", NOON + 90, "102")], at=AT)
    assert (report.inserted, report.updated, report.unchanged) == (0, 1, 0)
    stored = store.documents([name])[name]
    assert [
        (entry["status"], entry["timestamp"], entry["timestampFormatted"], entry["executionId"])
        for entry in stored["statusHistory"]
    ] == [
        ("sent", NOON, "2026-01-01 12:00", "101"),
        ("delivered", NOON + 30, "2026-01-01 12:00", "101"),
        ("read", NOON + 60, "2026-01-01 12:01", "101"),
        ("played", NOON + 90, "2026-01-01 12:01", "102"),
    ]
    assert all(entry["conversation_id"] == WHO for entry in stored["statusHistory"])
    known = {"status", "timestamp", "timestampFormatted", "executionId", "conversation_id", "pricing"}
    assert set().union(*stored["statusHistory"]) <= known
    assert (stored["latestStatus"], stored["statusCount"], stored["sentTimestamp"]) == ("played", 4, NOON)
    assert (stored["firstSeenAt"], stored["lastUpdatedAt"], stored["lastScannedAt"]) == (LONG_AGO, AT, AT)


@pytest.mark.parametrize("history", SHAPES.values(), ids=SHAPES.keys())
def test_an_old_document_reads_as_the_messages_it_means(
    store: Store, old: Collection[Document], name: str, history: list[Any]
) -> None:
    """Before anything is merged into it, too."""
    old.insert_one(old_document(name, history))
    message = store.get([name])[name]
    assert [(entry.status, entry.timestamp) for entry in message.history] == [
        ("sent", NOON),
        ("delivered", NOON + 30),
        ("read", NOON + 60),
    ]
    assert {(entry.execution_id, entry.conversation_id) for entry in message.history} == {("101", WHO)}
    assert message.state.sent_timestamp == NOON


def test_adopting_is_no_news(store: Store, old: Collection[Document], name: str) -> None:
    """Doubles go, names change, order changes: still the message counts as unchanged and keeps its date."""
    old.insert_one(old_document(name, [READ, SENT, SENT]))
    report = store.write([event(name, "sent")], at=AT)
    assert (report.inserted, report.updated, report.unchanged) == (0, 0, 1)
    stored = store.documents([name])[name]
    assert [entry["status"] for entry in stored["statusHistory"]] == ["sent", "read"]
    assert "waId" not in stored["statusHistory"][0]
    assert (stored["lastUpdatedAt"], stored["lastScannedAt"]) == (LONG_AGO, AT)


def test_what_the_earlier_tool_or_a_person_added_stays(store: Store, old: Collection[Document], name: str) -> None:
    """Unknown fields of a document and of its entries are kept as they are; derived fields are computed again."""
    note = {"$who": "$$ROOT", "a.b": [1, {"c": None}]}
    history = [
        {**SENT, "note": note, "seen": None},
        {**READ, "errors": {"text": "odd"}, "pricing": "free"},
        {**SENT, "note": {"$who": "$$ROOT"}, "by": "hand"},
    ]
    more = {"tag": note, "label": "$label", "conflict": True, "failure": {"code": 1}, "playedTimestamp": 5}
    old.insert_one(old_document(name, history, **more))
    store.write([event(name, "delivered", NOON + 30)], at=AT)
    stored = store.documents([name])[name]
    assert (stored["tag"], stored["label"]) == (note, "$label")
    assert not {"conflict", "failure", "playedTimestamp"} & set(stored)
    sent, _, read = stored["statusHistory"]
    assert (sent["note"], sent["seen"], sent["by"]) == (note, None, "hand")
    assert (read["errors"], read["pricing"]) == ({"text": "odd"}, "free")


def test_which_of_two_unknown_values_stays_does_not_depend_on_order(store: Store, old: Collection[Document]) -> None:
    """Copies of one entry with different additions end alike whichever stood first."""
    ends = []
    for history in itertools.permutations([{**SENT, "note": 1}, {**SENT, "note": 2}, {**SENT, "by": "hand"}]):
        name = f"wamid.{next(_numbers)}"
        old.insert_one(old_document(name, list(history)))
        store.write([event(name, "sent")], at=AT)
        ends.append(store.documents([name])[name]["statusHistory"])
    assert ends == [ends[0]] * 6


def test_dates_that_an_old_document_lacks_or_has_as_text_are_made(
    store: Store, old: Collection[Document], name: str
) -> None:
    """Without a date of first sight this scan is the first; a text is no date."""
    document = old_document(name, [SENT], lastUpdatedAt="2026-01-01", lastScannedAt=None)
    del document["firstSeenAt"]
    old.insert_one(document)
    store.write([event(name, "sent")], at=AT)
    stored = store.documents([name])[name]
    assert [stored[field] for field in ("firstSeenAt", "lastUpdatedAt", "lastScannedAt")] == [AT, AT, AT]


def test_an_unreadable_value_does_not_stop_the_merge(store: Store, old: Collection[Document], name: str) -> None:
    """A time that is no number becomes no time; the entry stays."""
    old.insert_one(old_document(name, [old_entry("sent", float("nan")), old_entry("read", "yesterday")]))
    report = store.write([event(name, "delivered", NOON + 30), event("wamid.beside", "sent")], at=AT)
    assert (report.updated, report.refused) == (1, ())
    history = store.documents([name])[name]["statusHistory"]
    assert [(entry["status"], entry["timestamp"]) for entry in history] == [
        ("sent", None),
        ("read", None),
        ("delivered", NOON + 30),
    ]


def test_an_old_document_belongs_to_the_time_it_was_sent(store: Store, old: Collection[Document], name: str) -> None:
    """``since`` and ``until`` go by the sent status in its history, although it has no field for it yet."""
    # Nothing else in this collection is about 2020.
    sent = 1_577_870_000
    history = [
        old_entry("Delivered", sent + 5 * DAY),
        old_entry("SENT", float(sent)),
        # Clocks differ: what was read says less than what was sent.
        old_entry("read", sent - 3 * DAY),
        old_entry("sent", sent - DAY, timestampSource="implausible"),
        old_entry("sent", 7),
    ]
    old.insert_one(old_document(name, history, latestStatus="delivered", latestTimestamp=sent + 5 * DAY))
    spans = [(sent, sent + 1), (sent - 4 * DAY, sent), (sent + 1, sent + 6 * DAY), (sent - DAY, sent + DAY)]
    found = []
    for since, until in spans:
        chosen = MessageFilter(since_timestamp=since, until_timestamp=until)
        found.append([message.message_id for message in store.messages(chosen)])
        assert store.count(chosen) == len(found[-1])
    assert found == [[name], [], [], [name]]


# ── Any document, any events ────────────────────────────────────────────────────────────────────────────────────────

values = st.sampled_from
PEOPLE = (None, WHO, "966500000002")
TIMES = (None, 7, NOON, NOON + 1, float(NOON), Int64(NOON + 1), 1_230_767_999, 253_402_214_400, 253_402_214_401, -5)


def present(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Document]:
    """Any of the fields, each there or not."""
    return st.fixed_dictionaries({}, optional=fields)


old_entries = st.builds(
    lambda entry, more: {**entry, **more},
    st.fixed_dictionaries(
        {
            "status": values(("sent", "Delivered", "READ", "failed", "undelivered", "deleted", "played")),
            "timestamp": values(TIMES),
            "executionId": values(("101", "102", 101, Int64(102), None)),
        }
    ),
    present(
        {
            "waId": values((*PEOPLE, "", Int64(WHO))),
            "conversation_id": values((*PEOPLE, "")),
            "timestampFormatted": values((None, "old")),
            "timestampSource": values((None, "execution", "implausible")),
            "messageId": values(("wamid",)),
            "participant": values(PEOPLE),
            "workflowId": values(("alpha", "beta")),
            "errors": values((None, [], [{"code": 1}], [7, {"code": "2", "title": "t"}])),
            "pricing": values((None, {"category": "utility"}, {"billable": True, "category": "utility"})),
            "note": values(("$note", {"$a": 1, "b.c": [1]})),
        }
    ),
).filter(
    # An implausible time is one that was reported.
    lambda entry: entry["timestamp"] is not None or entry.get("timestampSource") != "implausible"
)

old_documents = st.builds(
    lambda history, doubles, junk, more: {**old_document("wamid", [*history, *history[:doubles], *junk]), **more},
    st.lists(old_entries, min_size=1, max_size=4),
    st.integers(0, 3),
    values(([], [None, 7, "sent", {"status": 1}, [{"status": "sent"}]])),
    present(
        {
            "conversation_id": values((*PEOPLE, "")),
            "workflowId": values((None, "", "alpha", "gamma")),
            "firstSeenAt": values((AT, AT + timedelta(days=1))),
            "lastScannedAt": values((AT, AT + timedelta(days=1))),
            "phoneNumberId": values(("1", "", 7)),
            "callbackData": values(("$$ROOT", "campaign")),
            "instance": values(("one", "two")),
            "failure": values(({"code": 9},)),
            "conflict": values((True,)),
            "pricing": values(({"category": "old"},)),
            "sentTimestamp": values((4,)),
            "template": values(({"name": "hello", "language": None},)),
            "label": values(("$label", {"a.b": 1})),
        }
    ),
)


@st.composite
def new_events(draw: st.DrawFn) -> StatusEvent:
    """A status of the message, often one that the old document has, not always with the same content."""
    timestamp, source = draw(
        values(
            (
                (NOON, None),
                (NOON + 1, None),
                (NOON, "execution"),
                (NOON + 1, "execution"),
                (7, "implausible"),
                (None, None),
                (None, "execution"),
            )
        )
    )
    return StatusEvent(
        message_id="wamid",
        status=draw(values(("sent", "delivered", "read", "failed", "undelivered", "played", "deleted", "brand_new"))),
        timestamp=timestamp,
        timestamp_source=source,
        execution_id=draw(values(("101", "102"))),
        workflow_id=draw(values(("", "alpha", "beta"))),
        conversation_id=draw(values(PEOPLE)),
        participant=draw(values((None, None, WHO, "966500000002"))),
        errors=draw(values((None, (), ({"code": 1, "details": "$d"},), ({"code": 1}, {"code": 2}), ({"code": "1"},)))),
        pricing=draw(values((None, {}, {"category": "utility"}, {"cost": {"a": [1, None]}}, {"$set": 1, "a.b": 2}))),
        phone_number_id=draw(values((None, "1", "2"))),
        display_phone_number=draw(values((None, "966500000099"))),
        recipient_user_id=draw(values((None, "SA.1"))),
        callback_data=draw(values((None, "$$ROOT", "$", "campaign"))),
    )


def comparable(document: Document) -> Document:
    """The document without what the law says nothing about."""
    kept = {name: value for name, value in document.items() if name not in {"_id", "label"}}
    kept["statusHistory"] = [
        {name: value for name, value in entry.items() if name != "note"} for entry in document["statusHistory"]
    ]
    return kept


writes = st.lists(st.tuples(st.lists(new_events(), min_size=1, max_size=4), st.integers(-5, 5)), min_size=1, max_size=3)
"""Documents of several scans, with the hour of each."""


def test_the_server_merges_as_the_law_says(store: Store, old: Collection[Document]) -> None:
    """Any old document, any events, in any portions: the server's document and counts are those of the pure merge."""

    @settings(max_examples=60)
    @given(st.none() | old_documents, writes)
    def law(start: Document | None, drawn: list[tuple[list[StatusEvent], int]]) -> None:
        name = f"wamid.{next(_numbers)}"
        message: Message | None = None
        if start is not None:
            old.insert_one({**start, "messageId": name})
            message = from_document({**start, "messageId": name})
        for told, hours in drawn:
            events = [msgspec.structs.replace(status, message_id=name) for status in told]
            at = AT + timedelta(hours=hours)
            merged = merge_message(message, name, gather(events, instance="one")[name], at=at)
            grew = message is not None and len(merged.history) > len(message.history)
            known = message is not None
            assert counts(store.write(events, at=at, instance="one")) == (not known, grew, known and not grew, 0)
            message = merged
            stored = store.documents([name])[name]
            assert comparable(stored) == to_document(merged, ZONE)
        assert stored.get("label") == (start or {}).get("label")

    law()


def counts(report: WriteReport) -> tuple[int, int, int, int]:
    """Inserted, updated, unchanged, refused."""
    return report.inserted, report.updated, report.unchanged, len(report.refused)
