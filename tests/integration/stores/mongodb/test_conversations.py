"""The collection in which a workflow keeps the conversation: joined for reading, annotated only forwards."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from tests.support.records import AT, LATER, MUCH_LATER, NOON, WAMID, WHO, event

from ticktrail.errors import ConfigurationError
from ticktrail.messages.conversation import join_turns, moment_of, turns_of
from ticktrail.messages.error_codes import packaged
from ticktrail.output.conversation import write_thread
from ticktrail.stores import StoreOptions
from ticktrail.stores.mongodb.conversations import ANNOTATED, Annotator, Conversations
from ticktrail.stores.mongodb.store import MongoStore

OTHER = "966500000002"
RIYADH = ZoneInfo("Asia/Riyadh")


@pytest.fixture
def options() -> StoreOptions:
    """A database of this test's own."""
    return StoreOptions(timezone=RIYADH, database=f"tt_{uuid.uuid4().hex}")


@pytest.fixture
def kept(mongodb_server: str, options: StoreOptions) -> Iterator[Collection[dict[str, Any]]]:
    """A workflow's collection: a question, our answer, and a message to another person."""
    with MongoClient[dict[str, Any]](mongodb_server, tz_aware=True) as client:
        collection = client[options.database or ""]["conversations"]
        collection.insert_many(
            [
                {"conversation_id": WHO, "message_id": "wamid.in", "inbound": "Is it ready?", "timestamp": NOON - 60},
                {"conversation_id": WHO, "message_id": WAMID, "outbound": "Yes.", "timestamp": str(NOON), "mine": 1},
                {"conversation_id": OTHER, "message_id": "wamid.other", "outbound": "Hello", "timestamp": NOON},
            ]
        )
        yield collection
        client.drop_database(options.database or "")


@pytest.fixture
def store(mongodb_server: str, options: StoreOptions, kept: Collection[dict[str, Any]]) -> Iterator[MongoStore]:
    """The store beside it."""
    del kept
    with MongoStore(mongodb_server, options) as opened:
        yield opened


@pytest.fixture
def conversations(mongodb_server: str, options: StoreOptions) -> Iterator[Conversations]:
    """The collection as Ticktrail opens it."""
    opened = Conversations(mongodb_server, options, "conversations")
    yield opened
    opened.close()


def annotated(kept: Collection[dict[str, Any]], message_id: str = WAMID) -> dict[str, Any]:
    """The conversation's document of a message, less its id."""
    found = kept.find_one({"message_id": message_id}, {"_id": False})
    assert found is not None
    return found


def test_the_state_is_written_beside_what_the_workflow_keeps(
    store: MongoStore, conversations: Conversations, kept: Collection[dict[str, Any]]
) -> None:
    """Six fields of the store's document come along, the rest stays as it is, and nothing is inserted."""
    store.write([event("sent"), event("read", NOON + 9), event("sent", message_id="not kept")], at=AT)
    conversations.require()
    Annotator(store, conversations)([WAMID, "not kept", "unknown"])
    ledgers = store.documents([WAMID])[WAMID]
    assert annotated(kept) == {
        "conversation_id": WHO,
        "message_id": WAMID,
        "outbound": "Yes.",
        "timestamp": str(NOON),
        "mine": 1,
        **{name: ledgers[name] for name in ANNOTATED},
    }
    assert annotated(kept)["latestStatus"] == "read"
    assert kept.count_documents({}) == 3
    assert [index["key"] for index in kept.list_indexes() if "message_id" in index["key"]] == [{"message_id": 1}]
    conversations.require()


def test_an_older_state_never_goes_over_a_newer_one(
    store: MongoStore, conversations: Conversations, kept: Collection[dict[str, Any]]
) -> None:
    """An annotator that was slow brings what the server refuses, by scan and within one scan by the count."""
    states = []
    for status, at in (("sent", AT), ("delivered", AT), ("read", LATER)):
        store.write([event(status)], at=at)
        states.append(store.documents([WAMID])[WAMID])
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2), (2, 0, 1)):
        kept.update_one({"message_id": WAMID}, {"$unset": dict.fromkeys(ANNOTATED, "")})
        for place in order:
            conversations.annotate([states[place]])
        assert annotated(kept)["latestStatus"] == "read"
        assert annotated(kept)["statusCount"] == 3
    assert conversations.annotate([states[0]]) == 0


def test_what_another_tool_annotated_is_brought_up_to_date(
    store: MongoStore, conversations: Conversations, kept: Collection[dict[str, Any]]
) -> None:
    """Fields of an older scan, or of another type, do not stand in the way, whatever their count."""
    store.write([event("read")], at=LATER)
    for before in ({"lastScannedAt": AT, "statusCount": 9}, {"lastScannedAt": "yesterday", "statusCount": "many"}):
        kept.update_one({"message_id": WAMID}, {"$set": before})
        Annotator(store, conversations)([WAMID])
        assert annotated(kept)["statusCount"] == 1
        assert annotated(kept)["lastScannedAt"] == LATER


def test_a_collection_that_is_not_there_is_not_made(mongodb_server: str, options: StoreOptions) -> None:
    """A mistyped name is an error."""
    wrong = Conversations(mongodb_server, options, "conversatoins")
    with pytest.raises(ConfigurationError, match="no collection conversatoins"):
        wrong.require()
    wrong.close()
    with MongoClient[dict[str, Any]](mongodb_server) as client:
        assert "conversatoins" not in client[options.database or ""].list_collection_names()


def test_forgetting_takes_back_what_was_annotated_and_nothing_else(
    store: MongoStore, conversations: Conversations, kept: Collection[dict[str, Any]]
) -> None:
    """The workflow's own fields and documents stay; so does a field of its own that is called like one of ours."""
    kept.insert_one({"conversation_id": WHO, "message_id": "wamid.own", "latestStatus": "the workflow's own"})
    store.write([event("read"), event("sent", message_id="wamid.other", conversation_id=OTHER)], at=AT)
    Annotator(store, conversations)([WAMID, "wamid.other"])
    gone = store.retention.forget(WHO, at=LATER)
    assert conversations.clear(gone.names, gone.message_ids) == (3, 1)
    assert set(annotated(kept)) == {"conversation_id", "message_id", "outbound", "timestamp", "mine"}
    assert annotated(kept, "wamid.own")["latestStatus"] == "the workflow's own"
    assert set(ANNOTATED) <= set(annotated(kept, "wamid.other"))


def test_a_thread_joins_both_in_order(store: MongoStore, conversations: Conversations) -> None:
    """The person's words, ours with their ticks, and what only the store knows, by time."""
    store.write([event("sent", NOON + 1), event("read", NOON + 9)], at=AT)
    store.write([event("sent", NOON - 600, message_id="wamid.template")], at=AT)
    turns = [turn for document in conversations.of([WHO]) for turn in turns_of(document)]
    thread = join_turns(turns, store.get([WAMID, "wamid.template"]))
    assert [(turn.timestamp, turn.outbound, turn.text) for turn in thread] == [
        (NOON - 600, True, None),
        (NOON - 60, False, "Is it ready?"),
        (NOON, True, "Yes."),
    ]
    assert [turn.message and turn.message.state.latest_status for turn in thread] == ["sent", None, "read"]


def test_hostile_texts_stay_on_their_lines(store: MongoStore, conversations: Conversations) -> None:
    """Text of a message cannot move the cursor, reverse the direction or add a line."""
    hostile = "\x1b[2J\x1b[31mpaid\r\n\u202egnp.exe\u2066 [bold]x[/bold] \x9b1A"
    kept = conversations._documents()
    kept.insert_one(
        {"conversation_id": WHO, "inbound": hostile, "media": {"type": "\x1b]0;x\x07image"}, "timestamp": NOON}
    )
    turns = [turn for document in conversations.of([WHO]) for turn in turns_of(document)]
    stream = io.StringIO()
    write_thread(join_turns(turns, {}), "table", RIYADH, stream, packaged())
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in "".join(lines))
    assert not {"\u202e", "\u2066"} & set(stream.getvalue())
    assert "[bold]x[/bold]" in stream.getvalue().replace("\n", " ")


def test_what_was_stored_before_is_annotated_too(
    store: MongoStore, conversations: Conversations, kept: Collection[dict[str, Any]]
) -> None:
    """Catching up goes over the whole store: more messages than one portion, documents that came late."""
    store.write([event("sent", message_id=f"wamid.{number}") for number in range(600)], at=AT)
    kept.insert_many([{"message_id": f"wamid.{number}", "outbound": "late"} for number in (0, 599)])
    Annotator(store, conversations).everything()
    assert kept.count_documents({"latestStatus": "sent"}) == 2


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (NOON, NOON),
        (float(NOON), NOON),
        (NOON * 1000, NOON),
        (str(NOON), NOON),
        (f"{NOON}000", NOON),
        ("2026-01-01T12:00:00+03:00", NOON),
        ("2026-01-01T09:00:00Z", NOON),
        (datetime(2026, 1, 1, 9, tzinfo=UTC), NOON),
        (datetime(2026, 1, 1, 12, tzinfo=RIYADH) + timedelta(seconds=1), NOON + 1),
        ("soon", None),
        (None, None),
        (True, None),
        (float("inf"), None),
        ({"$date": NOON}, None),
    ],
)
def test_times_are_read_as_workflows_write_them(kept: object, expected: int | None) -> None:
    """Seconds, milliseconds, texts, dates; anything else is no time, and no error."""
    assert moment_of(kept) == expected


def test_turns_are_read_as_workflows_write_them() -> None:
    """Texts, WhatsApp's own objects, a question with its answer in one document, media alone, nothing at all."""
    both = {"inbound": "Ready?", "outbound": {"text": {"body": "Yes"}}, "message_id": "m", "timestamp": NOON}
    assert [(turn.outbound, turn.text, turn.message_id) for turn in turns_of(both)] == [
        (False, "Ready?", None),
        (True, "Yes", "m"),
    ]
    (picture,) = turns_of({"inbound": {"image": {"caption": "x"}}, "media": [{"type": "image"}, "https://a/b"]})
    assert (picture.outbound, picture.media) == (False, "image, https://a/b")
    (nothing,) = turns_of({"message_id": 7, "timestamp": [], "media": {}})
    assert (nothing.timestamp, nothing.outbound, nothing.text, nothing.media) == (None, None, "", None)


def test_the_annotation_follows_a_scan_without_news(
    store: MongoStore, conversations: Conversations, kept: Collection[dict[str, Any]]
) -> None:
    """A later scan moves ``lastScannedAt`` on, as it does in the store."""
    annotate = Annotator(store, conversations)
    for at in (AT, MUCH_LATER):
        store.write([event("sent")], at=at)
        annotate([WAMID])
    assert annotated(kept)["lastScannedAt"] == MUCH_LATER
