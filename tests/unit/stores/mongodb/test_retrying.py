"""Passing failures are tried again, others are not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import pytest
from pymongo.errors import (
    AutoReconnect,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from ticktrail.stores.mongodb import retrying
from ticktrail.stores.mongodb.retrying import ATTEMPTS, keep_trying, stream

KILLED = OperationFailure("an index became multikey", 7777, {"codeName": "QueryKilledError"})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are not made."""
    monkeypatch.setattr(retrying.time, "sleep", lambda _: None)


class Answers:
    """Raises each error of a list, then returns the value."""

    def __init__(self, *errors: PyMongoError, value: Any = 7) -> None:
        self.errors = list(errors)
        self.value = value

    def __call__(self) -> Any:
        """Answer once."""
        if self.errors:
            raise self.errors.pop(0)
        return self.value


class Documents:
    """A cursor over some documents that may break before one of them."""

    def __init__(self, *documents: dict[str, Any] | PyMongoError) -> None:
        self.left: Iterator[dict[str, Any] | PyMongoError] = iter(documents)
        self.closed = False

    def __iter__(self) -> Documents:
        return self

    def __next__(self) -> dict[str, Any]:
        answer = next(self.left)
        if isinstance(answer, PyMongoError):
            raise answer
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


@pytest.mark.parametrize("error", [AutoReconnect("closed"), KILLED, OperationFailure("not primary", 10107)])
def test_a_passing_failure_is_tried_again(error: PyMongoError) -> None:
    """A lost connection, MongoDB 9's QueryKilledError, an election."""
    assert keep_trying(Answers(error, error)) == 7


def test_a_failure_that_does_not_pass_is_raised() -> None:
    """At once where it is no passing one, else after some attempts."""
    refused = Answers(OperationFailure("not authorized", 13))
    with pytest.raises(OperationFailure):
        keep_trying(refused)
    lost = Answers(*[AutoReconnect("closed")] * 9)
    with pytest.raises(AutoReconnect):
        keep_trying(lost)
    assert len(lost.errors) == 9 - ATTEMPTS


@pytest.mark.parametrize(
    "error",
    [
        NetworkTimeout("no answer within 60 s"),
        ExecutionTimeout("operation exceeded time limit", 50),
        WTimeoutError("waiting for replication timed out", 64),
        ServerSelectionTimeoutError("no server within 5 s"),
    ],
)
def test_a_time_limit_is_not_waited_for_twice(error: PyMongoError) -> None:
    """Each attempt would take as long again, a minute by default."""
    slow = Answers(error, error)
    with pytest.raises(type(error)):
        keep_trying(slow)
    assert len(slow.errors) == 1


def test_a_killed_query_is_sent_again_before_its_first_document() -> None:
    """Afterwards it is not: documents that were handed on would come twice."""
    cursors = [Documents(KILLED), Documents({"a": 1}, {"a": 2})]
    assert list(stream(lambda: cursors.pop(0))) == [{"a": 1}, {"a": 2}]  # type: ignore[arg-type, return-value]
    broken = Documents({"a": 1}, KILLED)
    reading = stream(lambda: broken)  # type: ignore[arg-type, return-value]
    assert next(reading) == {"a": 1}
    with pytest.raises(OperationFailure):
        next(reading)
    assert broken.closed


def test_a_reader_that_stops_early_closes_the_cursor() -> None:
    """So the server need not keep it."""
    documents = Documents({"a": 1}, {"a": 2})
    reading = stream(lambda: documents)  # type: ignore[arg-type, return-value]
    next(reading)
    reading.close()
    assert documents.closed
