"""Causes of failures in every store, compared with a plain calculation over the events that were written."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.records import AT, NOON, event

from ticktrail.messages.failure_causes import CauseCount
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.stores import Store

HOUR = 3_600
HOSTILE = ("$$ROOT", "{x", "'; DROP TABLE send; --", "é\u202e", "n" * 200)


def _world(chance: random.Random) -> tuple[list[StatusEvent], list[Send]]:
    """Messages of every kind, about half with a known send, and refused sends with errors of every shape."""
    events, sends = [], []
    for number in range(150):
        who = chance.choice(("966500000011", "966500000012", "966500000013", None, "120363000000000001"))
        about: dict[str, Any] = {
            "message_id": f"wamid.cause{number}",
            "conversation_id": who,
            "phone_number_id": chance.choice(("1065", "1066", "123456123", None)),
            "display_phone_number": chance.choice(("15550000001", None)),
            "recipient_user_id": chance.choice(("SA.1a2b3c", None)),
        }
        sent = NOON + chance.randrange(-48 * HOUR, 1)
        events.append(event("sent", sent, execution_id=str(number), **about))
        last = chance.choice(("failed", "failed", "undelivered", "delivered", "read", "none", "none"))
        if last != "none":
            code = chance.choice((131026, 131026.0, "131026", 131047, "{x", 1.5, False, None))
            errors = ({"code": code, "title": chance.choice(("A", "B", "", 7))},)
            more = {"errors": errors} if last in {"failed", "undelivered"} and chance.random() < 0.9 else {}
            events.append(event(last, sent + 5, execution_id=f"{number}b", **more, **about))
        if chance.random() < 0.5:
            sends.append(_send(chance, number, message_id=f"wamid.cause{number}"))
    events.append(event("deleted", NOON, message_id="wamid.deleted", conversation_id="966500000011"))
    return events, [*sends, *(_send(chance, number) for number in range(200, 280))]


def _send(chance: random.Random, number: int, message_id: str | None = None) -> Send:
    errors: Any = chance.choice(
        (
            ({"code": 132001, "title": "Template name does not exist"},),
            ({"code": "132001", "title": "Another title"}, {"code": 190}),
            ({"title": "no code"},),
            ({"code": True},),
            ({"code": 132001.0, "title": 7},),
            ({"code": 1.5},),
            (),
            None,
        )
    )
    refused = message_id is None
    return Send(
        key=message_id or f"orders/{number}/Send/0",
        message_id=message_id,
        sent_by=SentBy(chance.choice(("orders", "offers", "")), "Send", str(number)),
        status="rejected" if refused else "accepted",
        sent_at=datetime.fromtimestamp(NOON - chance.randrange(48 * HOUR), UTC) if chance.random() < 0.95 else None,
        input=chance.choice(("966500000011", "+966 50 000 0012", None)),
        template=chance.choice((Template("ready", "en"), Template("ready", "ar"), None)),
        rejected=refused,
        errors=errors if refused else None,
    )


def _code(code: object) -> str | None:
    if isinstance(code, float):
        return str(int(code)) if code.is_integer() else None
    return None if code is None or isinstance(code, bool) or str(code)[0] in "{[" else str(code)


def _title(send: Send) -> str | None:
    title = send.errors[0].get("title") if send.errors else None
    return title if isinstance(title, str) else None


Key = tuple[bool, str | None, str | None, str | None, str | None]


def _expected_messages(events: list[StatusEvent], sends: list[Send], since: int) -> dict[Key, tuple[Any, ...]]:
    """The same once more: by message, then by what they share."""
    by_message: dict[str, list[StatusEvent]] = defaultdict(list)
    for one in events:
        by_message[one.message_id].append(one)
    sender = {send.message_id: send for send in sends if send.message_id}
    groups: dict[Key, list[tuple[StatusEvent, str | None]]] = defaultdict(list)
    for name, life in by_message.items():
        first, last = life[0], life[-1]
        group_or_test = first.phone_number_id == "123456123" or len(first.conversation_id or "") > 15
        if first.status == "deleted" or group_or_test or (first.timestamp or 0) < since:
            continue
        failed = last.status in {"failed", "undelivered"}
        error = last.errors[0] if failed and last.errors else {}
        send = sender.get(name)
        key = (
            failed,
            _code(error.get("code")),
            send.template.name if send and send.template else None,
            (send.sent_by.workflow_id or None) if send else None,
            first.phone_number_id or first.display_phone_number,
        )
        groups[key].append((first, error.get("title")))
    return {
        key: (
            len(alike),
            len({one.conversation_id or one.recipient_user_id for one, _ in alike} - {None}) if key[0] else 0,
            min(one.timestamp for one, _ in alike),  # type: ignore[type-var]
            max(one.timestamp for one, _ in alike),  # type: ignore[type-var]
            max((title for _, title in alike if title and isinstance(title, str)), default=None),
        )
        for key, alike in groups.items()
    }


def _expected_sends(sends: list[Send], since: int) -> dict[Key, tuple[Any, ...]]:
    groups: dict[Key, list[Send]] = defaultdict(list)
    for send in sends:
        if send.sent_at is None or send.sent_at.timestamp() < since:
            continue
        code = _code(send.errors[0].get("code")) if send.errors else None
        template = send.template.name if send.template else None
        groups[send.rejected, code, template, send.sent_by.workflow_id or None, None].append(send)
    return {
        key: (
            len(alike),
            len({send.input for send in alike} - {None}) if key[0] else 0,
            min(int(send.sent_at.timestamp()) for send in alike if send.sent_at),
            max(int(send.sent_at.timestamp()) for send in alike if send.sent_at),
            max(filter(None, map(_title, alike)), default=None),
        )
        for key, alike in groups.items()
    }


def _found(causes: list[CauseCount]) -> dict[Key, tuple[Any, ...]]:
    keys = [(one.failed, one.code, one.template, one.workflow_id, one.number) for one in causes]
    assert len(keys) == len(set(keys))
    return {
        key: (one.count, one.people, one.first_timestamp, one.last_timestamp, one.title)
        for key, one in zip(keys, causes, strict=True)
    }


@pytest.mark.parametrize("seed", range(3))
def test_causes_are_counted_as_a_plain_calculation_counts_them(store: Store, seed: int) -> None:
    """Count, people, first and last time and title of each combination, of all and of those since a moment."""
    events, sends = _world(random.Random(seed))  # noqa: S311 - the same world each time
    store.write(events, sends, at=AT)
    for since in (0, NOON - 24 * HOUR):
        chosen = MessageFilter(since_timestamp=since, limit=1)
        assert _found(list(store.causes(chosen))) == _expected_messages(events, sends, since)
        asked = SendFilter(since_timestamp=since, limit=1, unconfirmed=True)
        assert _found(list(store.send_causes(asked))) == _expected_sends(sends, since)


def test_hostile_names_are_names(store: Store) -> None:
    """A template, a workflow, a code and a title may be called anything a store may keep."""
    for number, words in enumerate(HOSTILE):
        refused = Send(
            key=f"hostile{number}",
            message_id=None,
            sent_by=SentBy(words, "Send", "1"),
            status="rejected",
            sent_at=AT + timedelta(seconds=number),
            template=Template(words, None),
            rejected=True,
            errors=({"code": words, "title": words},),
        )
        store.write([], [refused], at=AT)
    found = {one.template: one for one in store.send_causes()}
    assert found.keys() == set(HOSTILE)
    for words, one in found.items():  # type: ignore[assignment]
        assert (one.workflow_id, one.title, one.count) == (words, words, 1)
        assert one.code == (None if words[0] == "{" else words[:64])


def test_the_sending_number_is_formatted_for_display(store: Store) -> None:
    """The group has the id as key and the number as label."""
    store.write([event("sent", phone_number_id="1065", display_phone_number="15550000001")], at=AT)
    (found,) = store.causes(MessageFilter())
    assert (found.number, found.number_label, found.failed, found.count) == ("1065", "15550000001", False, 1)


def test_a_place_that_does_not_exist_has_no_causes(store: Store, nothing_was_created: Callable[[], bool]) -> None:
    """Nothing is found, and nothing made."""
    assert list(store.causes(MessageFilter())) == []
    assert list(store.send_causes()) == []
    assert nothing_was_created()
