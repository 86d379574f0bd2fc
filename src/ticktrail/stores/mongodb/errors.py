"""Errors of MongoDB and its driver in words: what happened, and what to do.

The driver's own texts are not passed on: they repeat documents (with phone numbers), keys, even parts of a URI.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)
from pymongo.errors import (
    ConfigurationError as DriverConfigurationError,
)

from ticktrail.errors import ConfigurationError, StoreRefusedError, StoreUnavailableError, TicktrailError
from ticktrail.stores.mongodb.connection import URI_REMEDY, Address

DUPLICATE_KEY = 11000

_UNAUTHORIZED = 13
_AUTHENTICATION_FAILED = frozenset({11, 18, 334})
"""UserNotFound, AuthenticationFailed, MechanismUnavailable."""

_ATLAS = 8000
"""AtlasError: any error of the proxy in front of an Atlas cluster."""

_NOT_UNDERSTOOD = frozenset({9, 59, 115, 168, 238, 304, 305, 16436, 31325, 40324})
"""FailedToParse, CommandNotFound, CommandNotSupported, InvalidPipelineOperator, NotImplemented, unknown stages.

304 and 305 are Amazon DocumentDB's, for stages and operators.
"""

_UNKNOWN_TIME_ZONE = 40485
_NO_RETRYABLE_WRITES = 20
_OUT_OF_SPACE = 14031

_PASSING = frozenset({6, 7, 43, 50, 64, 89, 91, 100, 112, 117, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436})
"""Network errors, elections, shutdowns, time limits, lost cursors, writes not replicated in time: the next run goes on.

The manual's list of error codes; the driver retries most of them once by itself.
"""

_NOT_REPLICATED = frozenset({64, 100})
_TOO_SLOW = frozenset({50, 262})

_PASSING_NAMES = frozenset({"QueryKilledError", "QueryPlanKilled"})
"""MongoDB 9.0: an index became a multikey index while a query ran. Its manual gives no number."""

_ABOUT_VALUES = {
    2: "MongoDB cannot store a value in it",
    15: "its details are nested too deeply",
    17: "it would be too large for one MongoDB document (16 MB)",
    22: "MongoDB cannot store a value in it",
    52: "a field name in it begins with $",
    56: "a field name in it is empty",
    57: "a field name in it contains a dot",
    121: "the collection's own validation rule refuses it",
    10334: "it would be too large for one MongoDB document (16 MB)",
    17280: "a key in it is too long for an index",
    17419: "it would be too large for one MongoDB document (16 MB)",
    17420: "it would be too large for one MongoDB document (16 MB)",
}
"""Error codes that are about one document and its values, and what each means."""

_NOT_KNOWN = re.compile(r"unknown|unrecogni[sz]ed|not (\w+ )?(supported|implemented)|unsupported", re.IGNORECASE)
_OPERATOR = re.compile(r"(?<![$.\w])\$[a-z][A-Za-z]{1,23}\b")

_TOO_OLD = "Use MongoDB 6.0 or newer, another server that passes ticktrail doctor, or a SQLite file."


def about_values(code: int | None) -> str | None:
    """Return why a server refused a document; None when the error is not about the document."""
    return None if code is None else _ABOUT_VALUES.get(code)


def is_passing(code: int | None) -> bool:
    """Return whether an error passes by itself: an election, a lost connection, a time limit, a conflict of writers."""
    return code in _PASSING


def passes(error: PyMongoError) -> bool:
    """Return whether a retry soon may succeed. What took too long would take as long again."""
    if isinstance(error, OperationFailure):
        code, name = error.code, (error.details or {}).get("codeName")
        return code not in _TOO_SLOW | _NOT_REPLICATED and (is_passing(code) or name in _PASSING_NAMES)
    return isinstance(error, ConnectionFailure) and not isinstance(error, NetworkTimeout)


def is_about_content(code: int | None) -> bool:
    """Return whether a server refused a pipeline for what is in it, not for its user, a limit or a passing failure.

    Compatible servers have codes of their own for operators that they lack, or none.
    """
    return code in _NOT_UNDERSTOOD or not is_systemic(code)


def is_systemic(code: int | None) -> bool:
    """Return whether an error is known to be about the server, the user or the request, never about one document."""
    return code in {_UNAUTHORIZED, _ATLAS, _UNKNOWN_TIME_ZONE, _NO_RETRYABLE_WRITES, _OUT_OF_SPACE} or code in (
        _AUTHENTICATION_FAILED | _NOT_UNDERSTOOD | _PASSING
    )


def reason_of(error: BaseException) -> str:
    """Return why a value could not be encoded, without repeating the value."""
    if isinstance(error, UnicodeError):
        return "a text in it holds half a surrogate pair, which is no character"
    if isinstance(error, OverflowError):
        return "a number in it needs more than 64 bits"
    if isinstance(error, RecursionError):
        return "its details are nested too deeply"
    if isinstance(error, DocumentTooLarge):
        return "it would be too large for one MongoDB document (16 MB)"
    if "NULL" in str(error):
        return "a field name in it contains the character NUL"
    return f"MongoDB cannot store a value in it ({type(error).__name__})"


@contextlib.contextmanager
def explained(address: Address) -> Iterator[None]:
    """Turn what the driver raises in the block into Ticktrail's errors."""
    try:
        yield
    except PyMongoError as error:
        # The cause is left out: its text, which a traceback would print, may hold documents.
        raise translated(error, address) from None


def translated(error: PyMongoError, address: Address) -> TicktrailError:
    """Return Ticktrail's error for an error of the driver."""
    if isinstance(error, ServerSelectionTimeoutError):
        return _unreachable(str(error), address)
    if isinstance(error, (ExecutionTimeout, NetworkTimeout)):
        return _too_slow(address)
    if isinstance(error, WTimeoutError):
        return _not_replicated(address)
    if isinstance(error, BulkWriteError):
        details = error.details or {}
        first = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ()), {}][0]
        return refusal(first.get("code"), str(first.get("errmsg", "")), address)
    if isinstance(error, OperationFailure):
        return refusal(error.code, str(error), address)
    if isinstance(error, NotPrimaryError):
        return _passing(address)
    if isinstance(error, ConnectionFailure):
        return _connection_lost(str(error), address)
    if isinstance(error, DriverConfigurationError):
        return _misconfigured(str(error), address)
    return StoreRefusedError(f"MongoDB at {address.location} could not do it ({type(error).__name__}).")


def refusal(code: int | None, text: str, address: Address) -> TicktrailError:
    """Translate a server's answer. Only known words are looked for in its ``text``; none is repeated."""
    where = f"MongoDB at {address.location}"
    if code in _AUTHENTICATION_FAILED or (code == _ATLAS and "auth" in text):
        return StoreRefusedError(
            f"{where} does not accept the user name and password.",
            remedy="Check both in MONGODB_URI; a user made in another database needs ?authSource= with its name.",
        )
    if code == _UNAUTHORIZED and "requires authentication" in text:
        return StoreRefusedError(
            f"{where} wants a user name and password, and MONGODB_URI has none.",
            remedy=f"Write them into it: {address.location.replace('://', '://user:password@', 1)}?authSource=admin",
        )
    if code == _UNAUTHORIZED:
        return StoreRefusedError(
            f"The user is not allowed to do this in {address.database} ({where}).",
            remedy=f'Give the user the role readWrite: {{role: "readWrite", db: "{address.database}"}}.',
        )
    if code == _ATLAS:
        return _atlas_limit(text, where, address)
    if code == _OUT_OF_SPACE:
        return StoreRefusedError(f"{where} has no space left.", remedy="Make room on its disk or enlarge the cluster.")
    if code == _NO_RETRYABLE_WRITES:
        return StoreRefusedError(f"{where} has no retryable writes.", remedy="Add retryWrites=false to MONGODB_URI.")
    if code == _UNKNOWN_TIME_ZONE:
        return StoreRefusedError(
            f"{where} does not know the configured time zone.", remedy="Set TICKTRAIL_TIMEZONE to an IANA name."
        )
    operator = lacking_operator(text)
    if code in _NOT_UNDERSTOOD or operator is not None:
        return StoreRefusedError(
            f"{where} does not understand {operator or 'a command of Ticktrail'}.", remedy=_TOO_OLD
        )
    if code in _NOT_REPLICATED:
        return _not_replicated(address)
    if code in _TOO_SLOW:
        return _too_slow(address)
    if code in _PASSING:
        return _passing(address)
    number = "" if code is None else f" (error {code})"
    return StoreRefusedError(f"{where} refused{number}.", remedy="Its log says more about this error.")


def lacking_operator(text: str) -> str | None:
    """Return the operator that a server does not know by its own words; None when the text is about something else."""
    if _NOT_KNOWN.search(text) is None:
        return None
    operator = _OPERATOR.search(text)
    return None if operator is None else operator[0]


def _atlas_limit(text: str, where: str, address: Address) -> TicktrailError:
    """Name the limit of an Atlas tier.

    See: https://www.mongodb.com/docs/atlas/reference/free-shared-limitations/
    """
    limits = {
        "quota": "its storage is full (M0: 512 MB): prune messages or enlarge the cluster",
        "collection": "it allows no more collections or databases: remove some or enlarge the cluster",
        "connection": "it allows no more connections (M0: 500): close some or enlarge the cluster",
        "longer than": "the names of the database and its collections are too long (M0: 38 bytes for the database)",
        "too long": "the names of the database and its collections are too long (M0: 38 bytes for the database)",
        "nest": "documents may not be nested that deeply (M0: 50 levels)",
        "sort": "it sorts at most 32 MB: choose fewer messages with a filter",
        "not allowed": f"the user may not do this in {address.database}: give it the role readWrite",
    }
    lower = text.lower()
    if "rate" in lower or "operations per second" in lower:
        return StoreUnavailableError(
            f"{where}: the Atlas tier allows no more operations at the moment (M0: 100 a second).",
            remedy="Nothing is lost; run again.",
        )
    limit = next(
        (limit for word, limit in limits.items() if word in lower), "it does not offer a command of Ticktrail's"
    )
    return StoreRefusedError(
        f"{where}: the Atlas tier has a limit (error 8000): {limit}.",
        remedy="Limits of each tier: https://www.mongodb.com/docs/atlas/reference/free-shared-limitations/",
    )


def _not_replicated(address: Address) -> TicktrailError:
    return StoreUnavailableError(
        f"MongoDB at {address.location} did not confirm in time that most members of its replica set have a write.",
        remedy="Nothing is lost: what is not confirmed is written again by the next run. Check in mongosh that most "
        "members are up: rs.status()",
    )


def _too_slow(address: Address) -> TicktrailError:
    limit = address.settings.get("socketTimeoutMS")
    within = "in time" if limit is None else f"within {limit // 1000} s"
    return StoreUnavailableError(
        f"MongoDB at {address.location} did not answer {within}.",
        remedy="Nothing is lost; run again. socketTimeoutMS= in MONGODB_URI sets another limit, in milliseconds.",
    )


def _passing(address: Address) -> TicktrailError:
    return StoreUnavailableError(
        f"MongoDB at {address.location} is changing its primary or shutting down.",
        remedy="Nothing is lost; run again when its election is over.",
    )


def _unreachable(text: str, address: Address) -> TicktrailError:
    """Explain that no server was found in time; the text names each and its last error."""
    if re.search(r"name or service|getaddrinfo|nodename|name resolution|no address associated", text, re.IGNORECASE):
        return _unknown_host(address)
    if re.search(r"certificate|ssl|tls", text.partition("Topology Description")[0], re.IGNORECASE):
        return _insecure(text, address)
    if "No replica set members" in text or "ReplicaSetNoPrimary" in text:
        return StoreUnavailableError(
            f"The replica set at {address.location} has no member that can be reached and takes writes.",
            remedy="Wait for its election, check replicaSet= in MONGODB_URI, or reach one member with "
            "directConnection=true.",
        )
    happened = "refuses the connection" if "refused" in text else "does not answer"
    return StoreUnavailableError(f"MongoDB at {address.location} {happened}.", remedy=_reachability(address))


def _connection_lost(text: str, address: Address) -> TicktrailError:
    if re.search(r"certificate|ssl|tls", text, re.IGNORECASE):
        return _insecure(text, address)
    return StoreUnavailableError(
        f"The connection to MongoDB at {address.location} broke.", remedy="Nothing is lost; run again."
    )


def _misconfigured(text: str, address: Address) -> TicktrailError:
    """Explain the driver's ConfigurationError, which it raises while it connects."""
    if "wire version" in text:
        return StoreRefusedError(f"MongoDB at {address.location} is older than its driver supports.", remedy=_TOO_OLD)
    if re.search(r"DNS|SRV|resolution|nameserver", text):
        return _unknown_host(address)
    return ConfigurationError(
        f"The options in the MongoDB URI ({address.location}) contradict one another.", remedy=URI_REMEDY
    )


def _unknown_host(address: Address) -> TicktrailError:
    return StoreUnavailableError(
        f"A host name of MongoDB at {address.location} cannot be looked up (DNS).",
        remedy="Check the name in MONGODB_URI and this machine's network; when a replica set names its members by "
        "names that only its own network knows, add directConnection=true.",
    )


def _insecure(text: str, address: Address) -> TicktrailError:
    if _is_atlas(address) and "alert" in text:
        # Atlas breaks the handshake off instead of refusing the address.
        remedy = _reachability(address)
    elif "certificate" in text:
        remedy = "Name the authority that signed its certificate: add tlsCAFile=/path/to/ca.pem to MONGODB_URI."
    else:
        remedy = "Check whether the server wants tls=true or tls=false in MONGODB_URI."
    return StoreUnavailableError(f"No secure connection (TLS) to MongoDB at {address.location}.", remedy=remedy)


def _reachability(address: Address) -> str:
    if _is_atlas(address):
        return "Add this machine's address to the cluster's IP access list in Atlas."
    if any(host in {"localhost", "127.0.0.1", "::1"} for host in address.hosts):
        return (
            "Is it running? Inside a container localhost is the container itself: write the name of MongoDB's "
            "service, or host.docker.internal."
        )
    return "Is it running, does it listen on that address, and does a firewall let this machine through?"


def _is_atlas(address: Address) -> bool:
    return any(host.lower().endswith(".mongodb.net") for host in address.hosts)
