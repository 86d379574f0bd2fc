"""Compare-and-swap writes against a scripted server: races, refusals, passing failures."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import InsertOne
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure

from ticktrail.errors import StoreRefusedError, StoreUnavailableError
from ticktrail.stores.mongodb import retrying
from ticktrail.stores.mongodb.bulk import Decision, Insert, Outcome, Update, swap
from ticktrail.stores.mongodb.connection import address_of

FAR = address_of("mongodb://ana:s3cret@db.example.com/shop", None)
KEYS = ("one", "two", "three")


class ScriptedCollection:
    """Answers each bulk with the next of a list: a result, an error to raise, or None to carry everything out."""

    full_name = "shop.message_statuses"

    def __init__(self, *answers: dict[str, Any] | Exception | None, stored: dict[str, int] | None = None) -> None:
        self.answers = list(answers)
        self.stored = dict(stored or {})
        self.sent: list[int] = []
        self.on_primary: set[str] = set()

    def with_options(self, **_options: Any) -> ScriptedCollection:
        """As :meth:`pymongo.collection.Collection.with_options`."""
        return self

    def find(self, query: dict[str, Any], **_options: Any) -> list[dict[str, Any]]:
        """The stored documents among these ids."""
        return [{"_id": key, "revision": self.stored[key]} for key in query["_id"]["$in"] if self.stored.get(key)]

    def find_one(self, query: dict[str, Any], *_more: Any, **_options: Any) -> dict[str, Any] | None:
        """As :meth:`pymongo.collection.Collection.find_one`, of what the primary has."""
        return {} if query["_id"] in self.on_primary else None

    def bulk_write(self, operations: list[Any], *, ordered: bool) -> Any:
        """As :meth:`pymongo.collection.Collection.bulk_write`."""
        assert not ordered
        self.sent.append(len(operations))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            answer = {"nMatched": 0}
            for operation in operations:
                if isinstance(operation, InsertOne):
                    self.stored[operation._doc["_id"]] = 1
                else:
                    answer["nMatched"] += 1
                    self.stored[operation._filter["_id"]] += 1
        if answer.get("writeErrors") or answer.get("writeConcernErrors"):
            raise BulkWriteError(answer)
        return type("Result", (), {"bulk_api_result": answer})()


def failed(*failures: tuple[int, int], **more: Any) -> dict[str, Any]:
    """A bulk's result in which operations (by place) failed with a code."""
    errors = [{"index": place, "code": code, "errmsg": "about 966500000001"} for place, code in failures]
    return {"writeErrors": errors, "writeConcernErrors": [], "nMatched": 0, **more}


def insert_or_grow(key: str, stored: dict[str, Any] | None) -> Decision:
    """A new document is inserted; a stored one grows once."""
    if stored is None:
        return Insert({"_id": key})
    return Update(fields={"a": 1}, grew=True) if stored["revision"] == 1 else None


def run(collection: ScriptedCollection, keys: Any = KEYS, decide: Any = insert_or_grow) -> Outcome:
    """Write these keys."""
    return swap(collection, keys, decide, FAR)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are noted, not made."""
    made: list[float] = []
    monkeypatch.setattr(retrying.time, "sleep", made.append)
    return made


def test_new_documents_are_inserted_and_stored_ones_updated() -> None:
    """Inserts and growing updates go in one request; a document that is as it should be is not sent."""
    collection = ScriptedCollection(stored={"two": 1, "three": 7})
    outcome = run(collection)
    assert (outcome.inserted, outcome.grown, outcome.unchanged, outcome.refused) == ({"one"}, 1, {"three"}, {})
    assert (collection.sent, collection.stored) == ([2], {"one": 1, "two": 2, "three": 7})


def test_an_insert_that_lost_a_race_is_read_and_decided_again(pauses: list[float]) -> None:
    """Alone, after a pause; the second time it is an update of what the other writer inserted."""
    collection = ScriptedCollection(failed((1, 11000)))
    collection.stored["two"] = 0
    outcome = None

    def decide(key: str, stored: dict[str, Any] | None) -> Decision:
        collection.stored["two"] = 1
        return insert_or_grow(key, stored)

    outcome = run(collection, decide=decide)
    assert (outcome.inserted, outcome.grown, outcome.refused) == ({"one", "three"}, 1, {})
    assert (collection.sent, len(pauses)) == ([3, 1], 1)


def test_updates_of_which_one_was_not_carried_out_are_all_read_again() -> None:
    """The server only says how many: those that were carried out turn out to be unchanged."""
    collection = ScriptedCollection({"nMatched": 1}, stored={"one": 1, "two": 1})
    first = collection.find

    def find(query: dict[str, Any], **_options: Any) -> list[dict[str, Any]]:
        if collection.sent:
            collection.stored["one"] = 2
        return first(query)

    collection.find = find  # type: ignore[method-assign]
    outcome = run(collection, ("one", "two"))
    assert (outcome.grown, outcome.unchanged, collection.sent) == (2, {"one"}, [2, 1])


def test_another_unique_index_refuses_the_document_in_the_end() -> None:
    """A duplicate that never turns up is no race; nor is one that an update makes."""
    collection = ScriptedCollection(*[failed((0, 11000))] * 9)
    assert list(run(collection).refused) == ["one"]
    assert collection.sent == [3, 1, 1, 1, 1]
    collection = ScriptedCollection(failed((0, 11000)), stored={"one": 1})
    assert "unique index" in run(collection, ["one"]).refused["one"]


def test_a_duplicate_that_only_the_primary_has_is_waited_for() -> None:
    """Reads with concern majority see another writer's document late where the URI says w=1; no index is in the way."""
    collection = ScriptedCollection(*[failed((0, 11000))] * 9)
    collection.on_primary = {"one"}
    assert run(collection).refused == {}
    assert collection.sent == [3, *[1] * 9]


def test_what_is_about_one_document_costs_that_document() -> None:
    """Too large, refused by a validation rule, or a code we do not know: the others are stored."""
    outcome = run(ScriptedCollection(failed((0, 17419), (1, 121))))
    assert (set(outcome.refused), outcome.inserted) == ({"one", "two"}, {"three"})
    assert run(ScriptedCollection(failed((2, 4242)))).refused == {"three": "MongoDB refused it (error 4242)"}


def test_a_value_without_a_form_costs_its_document() -> None:
    """Nothing of it is sent; its reason repeats nothing of it."""

    def decide(key: str, _stored: Any) -> Decision:
        return Insert({"_id": key, "value": 2**64 if key == "two" else 1})

    collection = ScriptedCollection()
    outcome = run(collection, decide=decide)
    assert (list(outcome.refused), outcome.inserted, collection.sent) == (["two"], {"one", "three"}, [2])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (failed((0, 40324)), StoreRefusedError),
        (failed((1, 13)), StoreRefusedError),
        (failed((0, 4242), (1, 4242), (2, 4242)), StoreRefusedError),
        (
            failed(writeConcernErrors=[{"code": 64, "errmsg": "waiting for replication timed out"}]),
            StoreUnavailableError,
        ),
    ],
)
def test_what_is_no_documents_fault_is_raised(answer: dict[str, Any], kind: type[Exception]) -> None:
    """Else a server that cannot do it at all would seem to refuse a thousand messages."""
    with pytest.raises(kind):
        run(ScriptedCollection(answer))


def test_a_request_that_is_refused_for_one_document_is_halved() -> None:
    """Until the document is found that the server cannot even read."""
    unreadable = OperationFailure("nested too deeply", 15)
    collection = ScriptedCollection(unreadable, None, unreadable)
    outcome = run(collection)
    assert (len(outcome.inserted), len(outcome.refused), collection.sent) == (2, 1, [3, 2, 1])


def test_a_request_that_is_refused_for_all_documents_is_raised_soon() -> None:
    """A hundred messages take a few requests, not one each, and none is marked as refused."""
    collection = ScriptedCollection(*[OperationFailure("cannot do this", 2)] * 300)
    with pytest.raises(StoreRefusedError, match="error 2"):
        run(collection, [f"wamid.{number}" for number in range(100)])
    assert len(collection.sent) < 10


def test_a_request_that_is_refused_for_its_sender_is_raised() -> None:
    """It is not tried message by message."""
    collection = ScriptedCollection(OperationFailure("not authorized", 13))
    with pytest.raises(OperationFailure):
        run(collection)
    assert collection.sent == [3]


def test_an_election_in_the_middle_is_waited_for() -> None:
    """Lost connections, steps down and killed queries are tried again, and nothing is counted twice."""
    killed = OperationFailure("an index became multikey", 7777, {"codeName": "QueryKilledError"})
    collection = ScriptedCollection(AutoReconnect("closed"), killed, failed((0, 10107), (2, 189)))
    outcome = run(collection)
    assert (outcome.inserted, outcome.refused, collection.sent) == (set(KEYS), {}, [3, 3, 3, 2])


def test_an_election_that_does_not_end_is_reported(pauses: list[float]) -> None:
    """After a few attempts, with what the server said."""
    with pytest.raises(AutoReconnect):
        run(ScriptedCollection(*[AutoReconnect("closed")] * 9))
    with pytest.raises(StoreUnavailableError):
        run(ScriptedCollection(*[failed((0, 10107))] * 9), ["one"])
    assert 4 <= len(pauses) <= 8
