"""What servers and the driver raise, in words that help and give nothing away."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import UpdateOne
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)

import ticktrail.errors
from ticktrail.errors import StoreRefusedError, StoreUnavailableError, TicktrailError
from ticktrail.stores.mongodb.bulk import run
from ticktrail.stores.mongodb.connection import address_of
from ticktrail.stores.mongodb.errors import explained, reason_of, translated

NEAR = address_of("mongodb://ana:s3cret@localhost/shop", None)
FAR = address_of("mongodb://ana:s3cret@db.example.com/shop", None)
ATLAS = address_of("mongodb+srv://ana:s3cret@cluster.abcde.mongodb.net/shop", None)
SECRETS = ("s3cret", "966500000001")


@pytest.mark.parametrize(
    ("error", "address", "kind", "remedy"),
    [
        (ServerSelectionTimeoutError("localhost:27017: [Errno 111] Connection refused"), NEAR, StoreUnavailableError,
         "container"),
        (ServerSelectionTimeoutError("db.example.com:27017: timed out"), FAR, StoreUnavailableError, "firewall"),
        (ServerSelectionTimeoutError("No servers found yet"), ATLAS, StoreUnavailableError, "IP access list"),
        (ServerSelectionTimeoutError("x: [Errno -2] Name or service not known"), FAR, StoreUnavailableError, "name"),
        (ServerSelectionTimeoutError("mongo:27017: [Errno 11001] getaddrinfo failed"), NEAR, StoreUnavailableError,
         "directConnection=true"),
        (ServerSelectionTimeoutError("SSL handshake failed: certificate verify failed"), FAR, StoreUnavailableError,
         "tlsCAFile"),
        (ServerSelectionTimeoutError("SSL handshake failed: tlsv1 alert internal error"), ATLAS, StoreUnavailableError,
         "IP access list"),
        (ServerSelectionTimeoutError("No replica set members match"), FAR, StoreUnavailableError, "replicaSet="),
        (ConfigurationError("The DNS query name does not exist: x."), ATLAS, StoreUnavailableError, "name"),
        (ConfigurationError("The resolution lifetime expired after 5 seconds"), ATLAS, StoreUnavailableError, "name"),
        (ConfigurationError("Server reports wire version 6, but this needs at least 8"), FAR, StoreRefusedError, "6.0"),
        (ConfigurationError("Passwords are not supported by MONGODB-X509"), FAR, ticktrail.errors.ConfigurationError,
         "mongodb://"),
        (AutoReconnect("connection closed"), FAR, StoreUnavailableError, "run again"),
        (NetworkTimeout("timed out"), FAR, StoreUnavailableError, "run again"),
        (ExecutionTimeout("operation exceeded time limit", 50), FAR, StoreUnavailableError, "run again"),
        (OperationFailure("Authentication failed.", 18), FAR, StoreRefusedError, "authSource"),
        (OperationFailure("bad auth : authentication failed", 8000), ATLAS, StoreRefusedError, "authSource"),
        (OperationFailure("you are over your space quota", 8000), ATLAS, StoreRefusedError, "room"),
        (OperationFailure("command find requires authentication", 13), FAR, StoreRefusedError,
         "mongodb://user:password@db.example.com/shop?authSource=admin"),
        (OperationFailure("not authorized on shop to execute command {x: '966500000001'}", 13), FAR, StoreRefusedError,
         'role: "readWrite", db: "shop"'),
        (OperationFailure("Unrecognized expression '$sortArray'", 168), FAR, StoreRefusedError, "6.0"),
        (OperationFailure("unrecognized time zone identifier", 40485), FAR, StoreRefusedError, "TICKTRAIL_TIMEZONE"),
        (OperationFailure("Transaction numbers are only …", 20), FAR, StoreRefusedError, "retryWrites=false"),
        (OperationFailure("not primary", 10107), FAR, StoreUnavailableError, "run again"),
        (OperationFailure("something about 966500000001", 4242), FAR, StoreRefusedError, "log"),
        (InvalidOperation("something about 966500000001"), FAR, StoreRefusedError, ""),
    ],
)  # fmt: skip
def test_every_error_says_what_to_do_and_nothing_secret(
    error: PyMongoError, address: Any, kind: type[TicktrailError], remedy: str
) -> None:
    """Its kind says whether to wait, to mend the settings or to stop; the server's own text is not repeated."""
    meant = translated(error, address)
    assert type(meant) is kind
    assert remedy in meant.remedy
    for secret in SECRETS:
        assert secret not in f"{meant} {meant.remedy} {meant!r}"


def test_the_cause_is_left_out_of_tracebacks() -> None:
    """The driver's text may hold documents, and a traceback would print it."""
    with pytest.raises(StoreRefusedError) as caught, explained(FAR):
        raise OperationFailure("dup key: { conversation_id: '966500000001' }", 4242)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (UnicodeEncodeError("utf-8", "966500000001\ud83d", 12, 13, "surrogates not allowed"), "surrogate"),
        (OverflowError("MongoDB can only handle up to 8-byte ints"), "64 bits"),
        (RecursionError(), "nested"),
        (TypeError("966500000001"), "TypeError"),
    ],
)
def test_a_reason_repeats_nothing_of_the_value(error: BaseException, word: str) -> None:
    """It says what kind of value cannot be stored."""
    assert word in reason_of(error)
    assert "966500000001" not in reason_of(error)


class ScriptedCollection:
    """Answers each bulk with the next of a list: a result, or an error to raise."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[int] = []

    def bulk_write(self, operations: list[UpdateOne], *, ordered: bool) -> Any:
        """As :meth:`pymongo.collection.Collection.bulk_write`."""
        assert not ordered
        self.sent.append(len(operations))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer.get("writeErrors") or answer.get("writeConcernErrors"):
            raise BulkWriteError(answer)
        return type("Result", (), {"bulk_api_result": answer})()


def failed(*failures: tuple[int, int], **more: Any) -> dict[str, Any]:
    """A bulk's result in which operations (by place) failed with a code."""
    errors = [{"index": place, "code": code, "errmsg": "about 966500000001"} for place, code in failures]
    return {"writeErrors": errors, "writeConcernErrors": [], "upserted": [], "nModified": 0, **more}


OPERATIONS = {key: UpdateOne({"messageId": key}, {"$set": {"a": 1}}) for key in ("one", "two", "three")}


def test_an_upsert_that_lost_a_race_is_sent_again_and_alone() -> None:
    """The second time it finds what the other writer made."""
    collection = ScriptedCollection(
        failed((1, 11000), nModified=1, upserted=[{"index": 2, "_id": 1}]), failed(nModified=1)
    )
    outcome = run(collection, OPERATIONS, FAR)  # type: ignore[arg-type]
    assert (outcome.modified, outcome.inserted, outcome.refused) == (2, {"three"}, {})
    assert collection.sent == [3, 1]


def test_another_unique_index_refuses_the_message_in_the_end() -> None:
    """A duplicate that stays one is no race."""
    collection = ScriptedCollection(failed((0, 11000)), *[failed((0, 11000))] * 9)
    outcome = run(collection, OPERATIONS, FAR)  # type: ignore[arg-type]
    assert list(outcome.refused) == ["one"]
    assert len(collection.sent) == 5


def test_what_is_about_one_document_costs_that_document() -> None:
    """Too large, refused by a validation rule, or a code we do not know: the others are stored."""
    collection = ScriptedCollection(failed((0, 17419), (1, 121), nModified=1))
    assert set(run(collection, OPERATIONS, FAR).refused) == {"one", "two"}  # type: ignore[arg-type]
    collection = ScriptedCollection(failed((2, 4242), nModified=2))
    assert run(collection, OPERATIONS, FAR).refused == {"three": "MongoDB refused it (error 4242)"}  # type: ignore[arg-type]


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
        (failed((0, 10107)), StoreUnavailableError),
    ],
)
def test_what_is_no_documents_fault_is_raised(answer: dict[str, Any], kind: type[Exception]) -> None:
    """Else a server that cannot do it at all would seem to refuse a thousand messages."""
    with pytest.raises(kind):
        run(ScriptedCollection(answer), OPERATIONS, FAR)  # type: ignore[arg-type]


def test_a_request_that_is_refused_for_one_document_is_halved() -> None:
    """Until the document is found that the server cannot even read."""
    unreadable = OperationFailure("nested too deeply", 15)
    collection = ScriptedCollection(unreadable, failed(nModified=1), unreadable, unreadable, failed(nModified=1))
    outcome = run(collection, OPERATIONS, FAR)  # type: ignore[arg-type]
    assert (outcome.modified, list(outcome.refused), collection.sent) == (2, ["two"], [3, 1, 2, 1, 1])


def test_a_request_that_is_refused_for_its_sender_is_raised() -> None:
    """It is not tried message by message."""
    collection = ScriptedCollection(OperationFailure("not authorized", 13))
    with pytest.raises(OperationFailure):
        run(collection, OPERATIONS, FAR)  # type: ignore[arg-type]
    assert collection.sent == [3]
