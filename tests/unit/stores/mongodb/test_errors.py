"""Translation of server and driver errors into errors with a remedy and without secrets."""

from __future__ import annotations

from typing import Any

import pytest
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
    WTimeoutError,
)

import ticktrail.errors
from ticktrail.errors import StoreRefusedError, StoreUnavailableError, TicktrailError
from ticktrail.stores.mongodb.connection import address_of
from ticktrail.stores.mongodb.errors import explained, lacking_operator, reason_of, translated

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
        (OperationFailure("you are over your space quota", 8000), ATLAS, StoreRefusedError, "free-shared-limitations"),
        (OperationFailure("operations per second exceeded", 8000), ATLAS, StoreUnavailableError, "run again"),
        (OperationFailure("user is not allowed to do action", 8000), ATLAS, StoreRefusedError, "atlas"),
        (OperationFailure("out of disk", 14031), FAR, StoreRefusedError, "room"),
        (WTimeoutError("waiting for replication timed out", 64), FAR, StoreUnavailableError, "rs.status()"),
        (OperationFailure("waiting for replication timed out", 64), FAR, StoreUnavailableError, "rs.status()"),
        (OperationFailure("operation exceeded time limit", 50), FAR, StoreUnavailableError, "socketTimeoutMS"),
        (OperationFailure("command find requires authentication", 13), FAR, StoreRefusedError,
         "mongodb://user:password@db.example.com/shop?authSource=admin"),
        (OperationFailure("not authorized on shop to execute command {x: '966500000001'}", 13), FAR, StoreRefusedError,
         'role: "readWrite", db: "shop"'),
        (OperationFailure("Unrecognized expression '$sortArray'", 168), FAR, StoreRefusedError, "6.0"),
        (OperationFailure("Operator '$not' is not currently implemented"), FAR, StoreRefusedError, "6.0"),
        (OperationFailure("something"), FAR, StoreRefusedError, "log"),
        (BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64, "errmsg": "waiting"}]}), FAR,
         StoreUnavailableError, "rs.status()"),
        (BulkWriteError({"writeErrors": [{"index": 0, "code": 13, "errmsg": "not authorized"}]}), FAR,
         StoreRefusedError, "readWrite"),
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
    """The type tells whether to wait, fix the settings or stop; the server's own text is not repeated."""
    meant = translated(error, address)
    assert type(meant) is kind
    assert remedy in meant.remedy
    for secret in SECRETS:
        assert secret not in f"{meant} {meant.remedy} {meant!r}"


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("Unrecognized expression '$sortArray'", "$sortArray"),
        ("Operator '$not' is not currently implemented", "$not"),
        ("Feature not supported: $convert, full error: {'ok': 0}", "$convert"),
        ("unknown operator", None),
        ("unknown value '$$ROOT' or 'a$cret'", None),
        ("$in needs an array", None),
    ],
)
def test_the_operator_that_a_server_lacks_is_named(text: str, operator: str | None) -> None:
    """Only when the server says that it does not know it; no other word of the text is repeated."""
    assert lacking_operator(text) == operator
    assert (operator or "refused (error 2)") in str(translated(OperationFailure(text, 2), FAR))
    assert "None" not in str(translated(OperationFailure("something"), FAR))


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


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("you are over your space quota, using 513 MB of 512 MB", "512 MB"),
        ("cannot create a new collection -- already using 500 collections of 500", "no more collections"),
        ("you have exceeded the connection limit", "M0: 500"),
        ("db name cannot be longer than 38 bytes", "38 bytes"),
        ("something else", "does not offer"),
    ],
)
def test_the_limit_of_an_atlas_tier_is_named(text: str, limit: str) -> None:
    """Error 8000 is whatever the proxy in front of the cluster refuses."""
    assert limit in str(translated(OperationFailure(text, 8000), ATLAS))
