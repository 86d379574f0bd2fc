"""Servers that lack operators of aggregations: statistics are counted in Python, with the same figures."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure
from tests.support.lives import DAY, life, sends_of
from tests.support.records import AT, NOON

from ticktrail.errors import StoreRefusedError
from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
from ticktrail.messages.model import Send, SentBy, Template
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store

pytestmark = pytest.mark.thorough

UNSUPPORTED = frozenset(
    {"$convert", "$let", "$switch", "$regexMatch", "$expr", "$sortArray", "$lookup", "$floor", "$unwind"}
)
"""Operators that Amazon DocumentDB refused in its earlier versions, or that other servers lack."""

SPAN = MessageFilter(since_timestamp=NOON - DAY, until_timestamp=NOON + DAY)
FILTERS = (MessageFilter(), SPAN, MessageFilter(statuses=("read", "failed"), people_only=True))


@pytest.fixture(scope="module")
def store(mongodb_server: str) -> Iterator[Store]:
    """A store with two hundred random messages, and sends of half of them."""
    chance = random.Random(7)  # noqa: S311 - generates messages
    lives = [life(chance, number) for number in range(200)]
    refused = [
        Send(key=f"refused {number}", message_id=None, sent_by=SentBy(flow, "Send", "1"), status="rejected",
             rejected=True, sent_at=AT, input="966500000011", template=template, errors=errors)
        for number, (flow, template, errors) in enumerate(
            (flow, template, errors) for flow in ("orders", "") for template in (Template("ready", "en"), None)
            for errors in (({"code": 132001.0, "title": "No template"},), ({"code": True, "title": 7},), (), None)
        )
    ]  # fmt: skip
    options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=f"tt_{uuid.uuid4().hex}")
    with open_store(mongodb_server, options) as opened:
        opened.write([one for statuses in lives for one in statuses], [*sends_of(chance, lives), *refused], at=AT)
        yield opened
    with MongoClient(mongodb_server) as client:
        client.drop_database(str(options.database))


def operators(value: object) -> Iterator[str]:
    """Yield the names of all operators in a query or pipeline."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name.startswith("$"):
                yield name
            yield from operators(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from operators(inner)


def refuse(monkeypatch: pytest.MonkeyPatch, code: int | None, unsupported: frozenset[str] = UNSUPPORTED) -> list[str]:
    """Have the server refuse queries and pipelines with an unsupported operator; the list gets their names."""
    refused: list[str] = []

    def refusing(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(collection: Collection[Any], question: Any = None, *more: Any, **options: Any) -> Any:
            lacking = unsupported.intersection(operators(question))
            if lacking:
                refused.extend(lacking)
                raise OperationFailure(f"Unrecognized expression '{min(lacking)}'", code)
            return method(collection, question, *more, **options)

        return call

    monkeypatch.setattr(Collection, "find", refusing(Collection.find))
    monkeypatch.setattr(Collection, "aggregate", refusing(Collection.aggregate))
    return refused


def figures(store: Store) -> dict[str, Any]:
    """Every statistic of the store, by what was asked."""
    found: dict[str, Any] = {}
    for number, chosen in enumerate(FILTERS):
        for by in (None, *Grouping):
            for across in (None, Grouping.DAY, Grouping.ERROR) if by is not None else (None,):
                groups = store.statistics(chosen, by, young_since=NOON, details=across is None, across=across)
                found[f"{number} {by} {across}"] = list(groups)
        found[f"{number} causes"] = sorted(store.causes(chosen), key=repr)
        found[f"{number} count"] = store.count(chosen)
        found[f"{number} list"] = list(store.messages(chosen))
    found["send causes"] = sorted(store.send_causes(SendFilter()), key=repr)
    found["sends"] = list(store.sends(SendFilter(unconfirmed=True)))
    found["received"] = store.received_statuses()
    found["unconfirmed"] = list(store.unconfirmed(overdue_before=NOON))
    return found


@pytest.mark.parametrize("code", [168, 304, 115, 9999, None])
def test_statistics_are_the_same_on_a_server_that_lacks_operators(
    store: Store, code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists, filters and unconfirmed sends need none of these operators; statistics are counted in Python."""
    expected = figures(store) if code == 168 else None
    refused = refuse(monkeypatch, code)
    if expected is None:
        (total,) = store.statistics(MessageFilter(), young_since=NOON)
        assert total.counts.messages > 100
    else:
        assert figures(store) == expected
    assert refused
    assert "$expr" not in refused
    assert "$lookup" not in refused


def test_doctor_says_that_statistics_are_counted_in_python(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """This is a remark and not a fault, because syncs and statistics work."""
    assert (store.check().faults, store.check().remark) == ((), "")
    refuse(monkeypatch, 304)
    state = store.check()
    assert state.faults == ()
    assert "lacks $" in state.remark
    assert "Ticktrail counts its statistics" in state.remark


@pytest.mark.parametrize("code", [2, 115, None])
def test_doctor_names_the_operator_that_lists_need(
    store: Store, code: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the server cannot be used, and the error names the step and the operator."""
    refuse(monkeypatch, code, frozenset({"$nor"}))
    (fault,) = store.check().faults
    assert "cannot list messages" in str(fault)
    assert "does not understand $nor" in str(fault)


def test_another_refusal_is_raised(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading every message would not help a user without rights."""
    refuse(monkeypatch, 13)
    with pytest.raises(StoreRefusedError, match="not allowed"):
        list(store.statistics(MessageFilter(), young_since=NOON))
