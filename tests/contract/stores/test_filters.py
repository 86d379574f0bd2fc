"""Every filter, order and page of every store, against a plain reading of the same messages in Python.

The predicates here are written from product.md §1 and §6, not from a store's code.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest
from tests.support.records import AT, LATER, MINUTE, NOON, event

from ticktrail.messages.counts import message_time
from ticktrail.messages.filters import Cursor, MessageFilter, Order, SendCursor, SendFilter
from ticktrail.messages.model import Message, Send, SentBy, StatusEvent, Template
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.text.phone_numbers import Country, Person

PEOPLE = [
    *(f"96650000{number:04}" for number in (41, 42, 141, 10041)),
    "966500041500",
    "15550000041",
    "12045550041",
    "77010000041",
]
GROUP, BUSINESS_ID = "120363000000000041", "SA.9000041"
CODES: list[Any] = [131026, 131049, "131026", 470]
LABELS = ["spring", '{"campaign": "spring", "step": 2}', '{"camp\\u0061ign":"spr\\u0069ng"}', '{"campaign": 7}',
          '{"campaign": {"spring": 1}}', "[1]", "{spring", ' {"other": "spring"}', "50%_off", '{"campaign": "50%_off"}',
          '{"campaign": true}', "summer"]  # fmt: skip

CATEGORIES = ("marketing", "utility", "")

TOTAL = 240


def _messages() -> tuple[list[StatusEvent], list[StatusEvent], list[Send]]:
    """Statuses of 240 messages that came at two moments, and sends; many share a second, some have no time."""
    chance = random.Random(20261122)  # noqa: S311 - test data
    first, second, sends = [], [], []
    for number in range(TOTAL):
        message_id = f"wamid.{chance.choice('AaZz09_%')}{number:03}"
        recipient: str | None = chance.choice([*PEOPLE, GROUP, None])
        about: dict[str, Any] = {
            "message_id": message_id,
            "conversation_id": recipient,
            "recipient_user_id": BUSINESS_ID if recipient is None else None,
            "workflow_id": chance.choice(["delivery", "delivery", "other"]),
            "callback_data": chance.choice([None, *LABELS]),
            "phone_number_id": chance.choice([None, "200000000000001", "200000000000002"]),
            "display_phone_number": chance.choice([None, "15550000001", "+1 555-000-0002"]),
        }
        sent = NOON + MINUTE * chance.randrange(6)
        path = chance.choice(
            [["sent"], ["sent", "delivered"], ["sent", "delivered", "read"], ["failed"], ["sent", "failed"], ["played"],
             ["deleted"], ["failed", "delivered"], ["undelivered"]]
        )  # fmt: skip
        for place, status in enumerate(path):
            failed = status in {"failed", "undelivered"}
            told = event(
                status,
                None if chance.random() < 0.1 else sent + MINUTE * place * chance.randrange(3),
                execution_id=str(number),
                errors=({"code": chance.choice(CODES), "title": "why"},) if failed else None,
                pricing={"category": CATEGORIES[number % 3]} if status == "sent" and number % 4 else None,
                **about,
            )
            (second if chance.random() < 0.3 else first).append(told)
        if chance.random() < 0.6:
            sends.append(
                Send(
                    key=message_id,
                    message_id=message_id,
                    sent_by=SentBy(chance.choice(["orders", "care"]), "Send", str(number)),
                    status="accepted",
                    sent_at=AT,
                    template=chance.choice([None, Template("ready", "ar"), Template("ready", "en"), Template("late")]),
                )
            )
    return first, second, sends


@pytest.fixture(scope="module", params=["sqlite", "mongodb"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of each kind that holds the messages; tests only read it."""
    folder: Path = tmp_path_factory.mktemp("filters")
    url = str(folder / "ledger.db") if request.param == "sqlite" else request.getfixturevalue("mongodb_server")
    database = f"tt_{random.randrange(10**9)}"  # noqa: S311 - an unused name
    with open_store(url, StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=database)) as store:
        first, second, sends = _messages()
        store.write(first, at=AT, instance="riyadh")
        store.write(second, sends, at=LATER)
        yield store
        if request.param == "mongodb":
            from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

            with MongoClient(url) as client:
                client.drop_database(database)


@pytest.fixture(scope="module")
def everything(asked: Store) -> list[Message]:
    """All messages, out of the store by their ids."""
    first, second, _ = _messages()
    found = list(asked.get({told.message_id for told in (*first, *second)}).values())
    assert len(found) == TOTAL
    return found


# ── What a filter means, message by message ─────────────────────────────────────────────────────────────────────────

Predicate = Callable[[Message], bool]


def _time(message: Message) -> int | None:
    state = message.state
    times = (state.sent_timestamp, state.first_timestamp, state.latest_timestamp)
    return next((time for time in times if time is not None), None)


def _before(message: Message, bound: int) -> bool:
    time = _time(message)
    return time is not None and time < bound


def _is_of(message: Message, *ids: str) -> bool:
    return message.attributes.conversation_id in ids or message.attributes.recipient_user_id in ids


def _number(message: Message) -> str:
    """The recipient's phone number, empty for groups and others."""
    number = message.attributes.conversation_id or ""
    return number if len(number) <= 15 and set(number) <= set("0123456789") else ""


def _campaign(message: Message) -> object:
    label = message.attributes.callback_data or ""
    try:
        found = json.loads(label)
    except ValueError:
        return None
    value = found.get("campaign") if isinstance(found, dict) else None
    return json.dumps(value) if isinstance(value, (int, bool)) else value


def _code(message: Message) -> object:
    return message.state.failure.code if message.state.failure else None


CONDITIONS: dict[str, tuple[dict[str, Any], Predicate]] = {
    "one person": ({"conversation_id": PEOPLE[0]}, lambda one: _is_of(one, PEOPLE[0])),
    "a business-scoped id": ({"person": Person((BUSINESS_ID,))}, lambda one: _is_of(one, BUSINESS_ID)),
    "two spellings": ({"person": Person((PEOPLE[0], PEOPLE[1]))}, lambda one: _is_of(one, *PEOPLE[:2])),
    "last digits": ({"person": Person(("0041",), "0041")}, lambda one: str(_id(one)).endswith("0041")),
    "more digits": ({"person": Person((), "000041")}, lambda one: str(_id(one)).endswith("000041")),
    "a group": ({"person": Person((GROUP,))}, lambda one: _is_of(one, GROUP)),
    "one status": ({"statuses": ("sent",)}, lambda one: one.state.latest_status == "sent"),
    "some statuses": (
        {"statuses": ("failed", "read", "deleted")},
        lambda one: one.state.latest_status in {"failed", "read", "deleted"},
    ),
    "not these": ({"not_statuses": ("read", "sent")}, lambda one: one.state.latest_status not in {"read", "sent"}),
    "one error": ({"failure_codes": (131026,)}, lambda one: str(_code(one)) == "131026"),
    "two errors": ({"failure_codes": (131049, 470)}, lambda one: _code(one) in {131049, 470}),
    "since": ({"since_timestamp": NOON + 120}, lambda one: _time(one) is not None and not _before(one, NOON + 120)),
    "until": ({"until_timestamp": NOON + 120}, lambda one: _before(one, NOON + 120)),
    "updated": ({"updated_since": LATER}, lambda one: one.last_updated_at >= LATER),
    "workflow": ({"workflow_id": "other"}, lambda one: one.state.workflow_id == "other"),
    "sending workflow": (
        {"sending_workflow_id": "care"},
        lambda one: one.sent_by is not None and one.sent_by.workflow_id == "care",
    ),
    "number by id": (
        {"sending_numbers": ("200000000000001",)},
        lambda one: one.attributes.phone_number_id == "200000000000001",
    ),
    "number by digits or as shown": (
        {"sending_numbers": ("15550000001", "+1 555-000-0002")},
        lambda one: one.attributes.display_phone_number is not None,
    ),
    "template": ({"template": "ready"}, lambda one: one.template is not None and one.template.name == "ready"),
    "template in a language": (
        {"template": "ready", "template_language": "ar"},
        lambda one: one.template == Template("ready", "ar"),
    ),
    "campaign": ({"campaign": "spring"}, lambda one: one.attributes.callback_data == "spring"),
    "campaign of odd characters": ({"campaign": "50%_off"}, lambda one: one.attributes.callback_data == "50%_off"),
    "campaign under a key": (
        {"campaign": "spring", "campaign_key": "campaign"},
        lambda one: "spring" in (one.attributes.callback_data, _campaign(one)),
    ),
    "campaign that is a number": (
        {"campaign": "7", "campaign_key": "campaign"},
        lambda one: _campaign(one) == "7",
    ),
    "country": ({"country": Country(("966",))}, lambda one: _number(one).startswith("966")),
    "country less another": (
        {"country": Country(("1",), ("1204",))},
        lambda one: _number(one).startswith("1") and not _number(one).startswith("1204"),
    ),
    "instance": ({"instance": "riyadh"}, lambda one: one.attributes.instance == "riyadh"),
    "category": ({"category": "utility"}, lambda one: (one.state.pricing or {}).get("category") == "utility"),
}  # fmt: skip


def _id(message: Message) -> str | None:
    return message.attributes.conversation_id


def _sorted(messages: list[Message], order: Order) -> list[str]:
    """Message ids: by the time sent, ties by message id, unknown times last."""

    def key(message: Message) -> tuple[bool, float, str]:
        if order == "updated":
            return False, -message.last_updated_at.timestamp(), message.message_id
        time = message.state.latest_timestamp if order == "latest" else message_time(message.state)
        return time is None, (time or 0) * (1 if order == "oldest" else -1), message.message_id

    return [message.message_id for message in sorted(messages, key=key)]


def _answered(store: Store, question: MessageFilter) -> list[str]:
    return [message.message_id for message in store.messages(question)]


ORDERS: tuple[Order, ...] = get_args(Order)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CONDITIONS)
def test_each_condition_alone(asked: Store, everything: list[Message], name: str, order: Order) -> None:
    """A filter with one condition chooses just the messages of which it holds, in the order asked for."""
    condition, holds = CONDITIONS[name]
    question = MessageFilter(**condition, order=order)
    expected = _sorted([one for one in everything if holds(one)], order)
    assert 0 < len(expected) < TOTAL
    assert _answered(asked, question) == expected
    assert asked.count(question) == len(expected)
    assert _answered(asked, msgspec.structs.replace(question, limit=3)) == expected[:3]


def _combinations() -> list[tuple[str, ...]]:
    """Two or three conditions on different fields."""
    chance = random.Random(7)  # noqa: S311 - test data
    drawn = (tuple(chance.sample(sorted(CONDITIONS), chance.choice([2, 2, 3]))) for _ in range(60))
    return [names for names in drawn if len(_together(names)) == sum(len(CONDITIONS[name][0]) for name in names)][:24]


def _together(names: tuple[str, ...]) -> dict[str, Any]:
    return {field: value for name in names for field, value in CONDITIONS[name][0].items()}


@pytest.mark.parametrize("names", _combinations(), ids=" + ".join)
def test_conditions_combined(asked: Store, everything: list[Message], names: tuple[str, ...]) -> None:
    """Of several conditions all must hold, whatever the order and wherever a page ends."""
    together = _together(names)
    chosen = [one for one in everything if all(CONDITIONS[name][1](one) for name in names)]
    for order in ORDERS:
        question = MessageFilter(**together, order=order)
        assert _answered(asked, question) == _sorted(chosen, order)
        assert _pages(asked, msgspec.structs.replace(question, limit=3)) == _sorted(chosen, order)
    assert asked.count(MessageFilter(**together)) == len(chosen)


# ── Pages ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pages(store: Store, question: MessageFilter) -> list[str]:
    """All pages of an answer, one after the other; each place goes through its token."""
    met: list[str] = []
    while True:
        answer = store.messages(question)
        page = [message.message_id for message in answer]
        met += page
        if not page:
            return met
        assert len(met) <= TOTAL, "pages repeat"
        assert answer.cursor is not None
        question = msgspec.structs.replace(question, after=Cursor.read(answer.cursor.token))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 7, TOTAL])
def test_pages_are_the_answer_in_pieces(asked: Store, everything: list[Message], order: Order, size: int) -> None:
    """Page after page, many messages of one second and some of none among them: each once, in order."""
    assert _pages(asked, MessageFilter(order=order, limit=size)) == _sorted(everything, order)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "condition", ["some statuses", "last digits", "two errors", "until", "campaign under a key", "campaign", "updated"]
)
def test_pages_of_a_filter(asked: Store, everything: list[Message], order: Order, condition: str) -> None:
    """Pages under a filter are its answer in pieces, whichever index leads to it."""
    fields, holds = CONDITIONS[condition]
    expected = _sorted([one for one in everything if holds(one)], order)
    assert _pages(asked, MessageFilter(**fields, order=order, limit=4)) == expected


def test_a_place_leaves_the_count_alone(asked: Store) -> None:
    """``count`` says how many there are in all, on every page."""
    answer = asked.messages(MessageFilter(limit=5))
    list(answer)
    assert asked.count(MessageFilter(limit=5, after=answer.cursor)) == TOTAL


def test_before_the_first_message_there_is_no_place(asked: Store) -> None:
    """An answer that was not read, or is empty, has no place to go on from."""
    assert asked.messages(MessageFilter()).cursor is None
    empty = asked.messages(MessageFilter(statuses=("imaginary",)))
    assert list(empty) == []
    assert empty.cursor is None


def test_pages_are_stable_while_messages_come_in(store: Store) -> None:
    """Newer messages, and one that the place itself names being updated, neither repeat nor hide what stayed."""
    store.write([event("sent", NOON + number, message_id=f"m{number:02}") for number in range(20)], at=AT)
    answer = store.messages(MessageFilter(limit=5))
    assert [message.message_id for message in answer] == ["m19", "m18", "m17", "m16", "m15"]
    store.write(
        [
            event("sent", NOON + 900, message_id="new"),
            event("read", NOON + 901, message_id="m15"),
            event("read", NOON + 902, message_id="m10"),
        ],
        at=LATER,
    )
    rest = _answered(store, MessageFilter(after=answer.cursor))
    assert rest == [f"m{number:02}" for number in range(14, -1, -1)]


def test_a_place_is_the_one_a_message_had_when_it_was_chosen(store: Store) -> None:
    """A message that moves while the answer is read does not take the next page with it."""
    store.write([event("delivered", NOON + number, message_id=f"m{number}") for number in range(6)], at=AT)
    answer = store.messages(MessageFilter(order="oldest", limit=2))
    next(answer)
    store.write([event("sent", NOON + 900, message_id="m1")], at=LATER)
    list(answer)
    following = _answered(store, MessageFilter(order="oldest", limit=3, after=answer.cursor))
    assert following[0] == "m2"


# ── Sends ───────────────────────────────────────────────────────────────────────────────────────────────────────────


ERRORS: list[tuple[dict[str, Any], ...] | None] = [
    ({"code": 132001, "title": "no such template"},),
    ({"code": "131026"},),
    ({"title": "no code"}, {"code": 132001}),
    None,
]


def _sends() -> list[Send]:
    chance = random.Random(3)  # noqa: S311 - test data
    made = []
    for number in range(60):
        refused = chance.random() < 0.3
        made.append(
            Send(
                key=f"orders/{number}" if refused else f"wamid.{number:02}",
                message_id=None if refused else f"wamid.{number:02}",
                sent_by=SentBy(chance.choice(["orders", "care"]), "Send", str(number)),
                status="rejected" if refused else "accepted",
                sent_at=None if chance.random() < 0.1 else AT + timedelta(minutes=chance.randrange(5)),
                template=chance.choice([None, Template("ready", "ar"), Template("ready", "en")]),
                rejected=refused,
                errors=ERRORS[number % 4] if refused else None,
            )
        )
    return made


AFTERWARDS = int(AT.timestamp()) + 2 * MINUTE

SENDS: dict[str, tuple[SendFilter, Callable[[Send], bool]]] = {
    "all": (SendFilter(), lambda one: bool(one.key)),
    "refused": (SendFilter(refused=True), lambda one: one.rejected),
    "accepted": (SendFilter(refused=False), lambda one: not one.rejected),
    "unconfirmed": (SendFilter(unconfirmed=True), lambda one: not one.rejected and int(one.key[-1]) >= 7),
    "since": (
        SendFilter(since_timestamp=AFTERWARDS),
        lambda one: one.sent_at is not None and one.sent_at.timestamp() >= AFTERWARDS,
    ),
    "until": (
        SendFilter(until_timestamp=AFTERWARDS),
        lambda one: one.sent_at is not None and one.sent_at.timestamp() < AFTERWARDS,
    ),
    "workflow": (SendFilter(workflow_id="care"), lambda one: one.sent_by.workflow_id == "care"),
    "template": (SendFilter(template="ready"), lambda one: one.template is not None),
    "language": (
        SendFilter(template="ready", template_language="ar"),
        lambda one: one.template == Template("ready", "ar"),
    ),
    "code": (SendFilter(failure_codes=(132001,)), lambda one: one.errors in (ERRORS[0], ERRORS[2])),
    "codes": (SendFilter(failure_codes=(131026, 132001), refused=True), lambda one: bool(one.errors)),
    "both": (SendFilter(refused=True, unconfirmed=True), lambda one: not one.key),
    "unconfirmed of a template": (
        SendFilter(unconfirmed=True, template="ready", since_timestamp=1),
        lambda one: not one.rejected and int(one.key[-1]) >= 7 and one.template is not None and one.sent_at is not None,
    ),
}


def test_sends_by_every_filter(store: Store) -> None:
    """Each filter chooses the sends of which it holds, newest first, unknown times last, ties by key."""
    sends = _sends()
    # Statuses came for those whose number does not end in 7, 8 or 9, and for none of the others.
    confirmed = [one for one in sends if one.message_id and int(one.key[-1]) < 7]
    store.write([event("sent", message_id=str(one.message_id)) for one in confirmed], sends, at=AT)

    def key(one: Send) -> tuple[bool, float, str]:
        return one.sent_at is None, -(one.sent_at.timestamp() if one.sent_at else 0), one.key

    for name, (question, holds) in SENDS.items():
        expected = [one.key for one in sorted(filter(holds, sends), key=key)]
        assert [one.key for one in store.sends(question)] == expected, name
        for limit in (0, 3, 99):
            limited = msgspec.structs.replace(question, limit=limit)
            assert [one.key for one in store.sends(limited)] == expected[:limit], name


def test_pages_of_sends_follow_each_other(store: Store) -> None:
    """Going on behind the last of each page meets every send once, in order, unknown times and ties included."""
    sends = _sends()
    store.write([event("sent", message_id=str(sends[0].key))], sends, at=AT)
    for question, _ in SENDS.values():
        whole = [one.key for one in store.sends(question)]
        pages, place = list[str](), None
        while True:
            asked_for = msgspec.structs.replace(question, after=place, limit=7)
            page = list(store.sends(asked_for))
            if not page:
                break
            pages += [one.key for one in page]
            place = SendCursor.read(SendCursor.of(page[-1]).token)
        assert pages == whole


def test_an_unconfirmed_send_is_confirmed_by_its_first_status(store: Store) -> None:
    """Whatever the status says, Meta has spoken of the message."""
    send = next(one for one in _sends() if one.message_id)
    store.write([], [send], at=AT)
    assert [one.key for one in store.sends(SendFilter(unconfirmed=True))] == [send.key]
    store.write([event("failed", message_id=send.key)], at=LATER)
    assert list(store.sends(SendFilter(unconfirmed=True))) == []


# ── What hostile people ask for ─────────────────────────────────────────────────────────────────────────────────────

HOSTILE = [
    "%",
    "_",
    ".*",
    "$where",
    "\0",
    "a\0b",
    "half \ud83d",
    "'; --",
    "\\",
    "(?R)",
    "[",
    "{",
    "x" * 5000,
    "$gt",
    "",
]


@pytest.mark.parametrize("nasty", HOSTILE)
def test_what_is_asked_for_is_only_a_text(asked: Store, nasty: str) -> None:
    """Patterns, operators, NULs and half characters are looked for as they are, and so not found."""
    for question in (
        MessageFilter(conversation_id=nasty),
        MessageFilter(person=Person((nasty,))),
        MessageFilter(workflow_id=nasty),
        MessageFilter(sending_workflow_id=nasty),
        MessageFilter(sending_numbers=(nasty,)),
        MessageFilter(template=nasty),
        MessageFilter(template="ready", template_language=nasty),
        MessageFilter(campaign=nasty),
        MessageFilter(campaign=nasty, campaign_key=nasty),
        MessageFilter(campaign=nasty, campaign_key="campaign"),
        MessageFilter(instance=nasty),
        MessageFilter(statuses=(nasty,)),
    ):
        assert _answered(asked, question) == [], question
        assert asked.count(question) == 0
    assert list(asked.sends(SendFilter(workflow_id=nasty, template=nasty, template_language=nasty))) == []


def test_by_the_ending_of_the_id(asked: Store, everything: list[Message]) -> None:
    """Exactly the messages whose id ends in the text, case and wildcards included."""
    for ending in ("0", "00", "001", "Z001", "z001", "%07", "_07", ".", "wamid.a000"):
        expected = {one.message_id for one in everything if one.message_id.endswith(ending)}
        chosen = MessageFilter(message_id_ending=ending)
        assert {one.message_id for one in asked.messages(chosen)} == expected
        assert asked.count(chosen) == len(expected)
    for nasty in filter(None, HOSTILE):
        assert list(asked.messages(MessageFilter(message_id_ending=nasty))) == []


def test_numbers_beyond_every_calendar(asked: Store) -> None:
    """Codes, times and places that no store can hold choose nothing, or everything, and break nothing."""
    assert _answered(asked, MessageFilter(failure_codes=(2**70, -(2**70)))) == []
    assert list(asked.sends(SendFilter(since_timestamp=2**70))) == []
    assert list(asked.sends(SendFilter(failure_codes=(2**70, -(2**70))))) == []
    assert len(list(asked.sends(SendFilter(after=SendCursor(2**63 - 1, ""))))) > 0
    assert list(asked.sends(SendFilter(after=SendCursor(-(2**63) + 1, "")))) == []
    assert len(list(asked.sends(SendFilter(until_timestamp=2**62)))) > 0
    for order in ("newest", "updated"):
        place = Cursor(order, 2**63 - 1, "")
        assert len(_answered(asked, MessageFilter(order=order, after=place))) == TOTAL
