"""Any order, any repetition, any split into batches: every store ends where the pure fold of ``merge.py`` ends."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticktrail.messages.document import to_document
from ticktrail.messages.merge import gather, merge_message, merge_sends
from ticktrail.messages.model import Message, Send, StatusEvent
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store

from .strategies import AT, distinct, scans, sends

ZONE = ZoneInfo("Asia/Riyadh")
DATES = ("firstSeenAt", "lastUpdatedAt", "lastScannedAt")

_numbers = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "mongodb"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One place for all examples of a test; every example has messages of its own."""
    database = f"tt_{uuid.uuid4().hex}"
    options = StoreOptions(timezone=ZONE, database=database)
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("laws")
        with open_store(str(folder / "ledger.db"), options) as store:
            yield store
        return
    url = request.getfixturevalue("mongodb_server")
    with open_store(url, options) as store:
        yield store
    from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

    with MongoClient(url) as client:
        client.drop_database(database)


@pytest.fixture(scope="module")
def examples(store: Store) -> int:
    """How many examples a store gets: an operation of the MongoDB stand-in takes milliseconds."""
    return 150 if "sqlite" in type(store).__module__ else 25


class Written(msgspec.Struct):
    """One write: what of which message, at which minute."""

    events: list[StatusEvent]
    minute: int


@st.composite
def writes(draw: st.DrawFn) -> list[Written]:
    """The scans of up to three messages, shuffled, repeated and split into new batches."""
    messages = draw(st.lists(scans(), min_size=1, max_size=3))
    events = [
        msgspec.structs.replace(told, message_id=f"wamid.{number}")
        for number, met in enumerate(messages)
        for told in itertools.chain.from_iterable(met)
    ]
    shuffled = draw(st.permutations(events + draw(st.lists(st.sampled_from(events), max_size=6))))
    cuts = sorted(draw(st.sets(st.integers(1, len(shuffled)), max_size=5)) | {0, len(shuffled)})
    return [Written(shuffled[start:end], draw(st.integers(0, 9))) for start, end in itertools.pairwise(cuts)]


def renamed(event: StatusEvent, example: int) -> StatusEvent:
    """The event as one of this example's messages."""
    return msgspec.structs.replace(event, message_id=f"{event.message_id}.{example}")


def timeless(message: Message) -> Message:
    """The message without the dates, which follow a rule of their own."""
    return msgspec.structs.replace(message, first_seen_at=AT, last_updated_at=AT, last_scanned_at=AT)


def at(minute: int) -> datetime:
    """The instant of a write."""
    return AT + timedelta(minutes=minute)


def expected_dates(written: list[Written], message_id: str) -> tuple[datetime, datetime, datetime]:
    """First and last scan, and the last write that brought a new status."""
    known: list[StatusEvent] = []
    grew = AT
    met = [write for write in written if any(event.message_id == message_id for event in write.events)]
    for write in met:
        before = distinct(known)
        known += [event for event in write.events if event.message_id == message_id]
        if distinct(known) > before:
            grew = at(write.minute)
    minutes = [write.minute for write in met]
    return at(min(minutes)), grew, at(max(minutes))


def test_any_order_repetition_and_split_ends_in_the_same_documents(store: Store, examples: int) -> None:
    """Any split stores the same as one fold of all events; the four counts and the dates follow each write."""

    @settings(max_examples=examples)
    @given(writes())
    def law(drawn: list[Written]) -> None:
        example = next(_numbers)
        written = [Written([renamed(event, example) for event in write.events], write.minute) for write in drawn]
        seen: dict[str, list[StatusEvent]] = {}
        for write in written:
            met = {event.message_id for event in write.events}
            new = met - set(seen)
            before = {message_id: distinct(seen.get(message_id, [])) for message_id in met}
            report = store.write(write.events, at=at(write.minute), instance="riyadh")
            for event in write.events:
                seen.setdefault(event.message_id, []).append(event)
            grown = {message_id for message_id in met if distinct(seen[message_id]) > before[message_id]}
            assert (report.inserted, report.updated, report.unchanged, report.refused) == (
                len(new),
                len(grown - new),
                len(met - grown),
                (),
            )
        backwards = [event for write in reversed(written) for event in reversed(write.events)]
        fold = {
            message_id: merge_message(None, message_id, news, at=AT)
            for message_id, news in gather(backwards, instance="riyadh").items()
        }
        stored = store.get(list(fold))
        assert {message_id: timeless(message) for message_id, message in stored.items()} == fold
        documents = store.documents(list(fold))
        assert {message_id: without_dates(document) for message_id, document in documents.items()} == {
            message_id: without_dates(to_document(message, ZONE)) for message_id, message in fold.items()
        }
        for message_id, message in stored.items():
            dates = (message.first_seen_at, message.last_updated_at, message.last_scanned_at)
            assert dates == expected_dates(written, message_id)

    law()


def without_dates(document: dict[str, Any]) -> dict[str, Any]:
    """The document without MongoDB's own id and the dates."""
    return {name: value for name, value in document.items() if name not in (*DATES, "_id")}


@st.composite
def copies(draw: st.DrawFn) -> list[tuple[list[Send], bool]]:
    """Copies of one send in batches, and which of the batches also brings the message's first statuses."""
    batches = draw(st.lists(st.lists(sends(), max_size=3), min_size=1, max_size=4))
    return [(batch, draw(st.booleans())) for batch in batches]


def test_any_order_of_copies_of_a_send_lends_the_same(store: Store, examples: int) -> None:
    """The stored send is the fold of its copies, and the message has its template and sender, whichever came first."""

    @settings(max_examples=examples)
    @given(copies())
    def law(drawn: list[tuple[list[Send], bool]]) -> None:
        message_id = f"wamid.send.{next(_numbers)}"
        told: list[Send] = []
        status = StatusEvent(message_id=message_id, status="sent", timestamp=1, execution_id="1", workflow_id="w")
        for sent, with_status in drawn:
            batch = [msgspec.structs.replace(send, key=message_id, message_id=message_id) for send in sent]
            report = store.write([status] if with_status else [], batch, at=AT)
            assert report.sends == (1 if batch and not told else 0)
            told += batch
        kept = [send for send in store.sends() if send.key == message_id]
        if not told:
            assert kept == []
            return
        merged = told[0]
        for send in told[1:]:
            merged = merge_sends(merged, send)
        assert kept == [merged]
        if any(with_status for _, with_status in drawn):
            message = store.get([message_id])[message_id]
            assert (message.template, message.sent_by) == (merged.template, merged.sent_by)

    law()
