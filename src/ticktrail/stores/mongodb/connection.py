"""MongoDB URIs: the database, the settings of the driver, and the form without credentials for messages.

Nothing here connects. A URI holds a password, so no message repeats one, not even a malformed one.
"""

from __future__ import annotations

import re
import warnings
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pymongo
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from ticktrail.errors import ConfigurationError

DEFAULT_DATABASE = "n8n_whatsapp"

_SERVERS_OWN = frozenset({"admin", "local", "config"})
"""Databases of the server itself. Many URIs end in ``/admin``, which only says where the user is known."""

_SRV = "mongodb+srv://"
_WAIT_MILLISECONDS = 5000
_LOOPBACK = re.compile(r"localhost|127(?:\.\d+){3}|::1|/.*", re.IGNORECASE)

_OWN_SETTINGS: dict[str, Any] = {
    "appname": "ticktrail",
    "serverSelectionTimeoutMS": _WAIT_MILLISECONDS,
    "connectTimeoutMS": _WAIT_MILLISECONDS,
    # A write that returned must be there after a crash and after an election.
    "w": "majority",
    "journal": True,
    # Every wait ends. Not timeoutMS: for servers that are away it would replace serverSelectionTimeoutMS.
    "wtimeoutMS": 30_000,
    "socketTimeoutMS": 60_000,
}

READ_MILLISECONDS = 55_000
"""Time limit of the server for one query, a little shorter than the driver's."""

LONG_SECONDS = 3_600.0
"""Time limit for building indexes and for the first look at a collection, which may be large."""

URI_REMEDY = (
    "Write mongodb://user:password@host:27017/database or mongodb+srv://user:password@host/database; "
    "in a user name or password write @ : / ? # % as %40 %3A %2F %3F %23 %25."
)


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Address of a store in MongoDB.

    Attributes:
        location: the URI for people, without credentials and options.
        database: the database's name.
        hosts: names or addresses as the URI has them, without ports.
        settings: options of the driver beside those in the URI.
    """

    location: str
    database: str
    hosts: tuple[str, ...]
    settings: dict[str, Any]


def address_of(url: str, database: str | None) -> Address:
    """Parse a MongoDB URI.

    Args:
        url: ``mongodb://…`` or ``mongodb+srv://…``.
        database: goes before the URI's.

    Raises:
        ConfigurationError: it is malformed, or means a database of the server's own.
    """
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    parsed = _parsed(rest)
    named = parsed["database"]
    if "@" in (named or ""):
        raise ConfigurationError("A password in the MongoDB URI is not percent-encoded.", remedy=URI_REMEDY)
    if f"{scheme}://" == _SRV and (len(parsed["nodelist"]) > 1 or _has_port(rest)):
        raise ConfigurationError("A mongodb+srv:// URI has one host and no port.", remedy=URI_REMEDY)
    if database is None and named is not None and named.lower() != "admin":
        database = named
    if database is not None and database.lower() in _SERVERS_OWN:
        raise ConfigurationError(
            f"Ticktrail does not write into {database}: that is MongoDB's own database.",
            remedy=f"Set MONGODB_DATABASE to another name, such as {DEFAULT_DATABASE}.",
        )
    options = parsed["options"]
    if options.get("w") == 0:
        raise ConfigurationError(
            "The MongoDB URI says w=0: the server would not say whether it stored anything.",
            remedy="Take w=0 out of the URI.",
        )
    hosts = tuple(host for host, _ in parsed["nodelist"])
    settings = dict(_OWN_SETTINGS)
    if not all(map(_LOOPBACK.fullmatch, hosts)):
        # Field names repeat in every document, so a batch shrinks to a fraction. On one machine that gains nothing.
        settings["compressors"] = "zlib"
    database = database or DEFAULT_DATABASE
    return Address(
        location=f"{scheme}://{_authority(rest)}/{database}",
        database=database,
        hosts=hosts,
        settings={name: value for name, value in settings.items() if name not in options},
    )


def client_of(url: str, address: Address) -> pymongo.MongoClient[dict[str, Any]]:
    """Return a client, which connects at the first request.

    Raises:
        PyMongoError: the driver finds a contradiction in the URI, or (before 4.12) no name server for a
            mongodb+srv:// one.
    """
    # URIs are copied from other programs; an option that only those know is no harm.
    with warnings.catch_warnings(action="ignore"):
        return pymongo.MongoClient(url, connect=False, **address.settings)


def codec_options(zone: ZoneInfo) -> CodecOptions[dict[str, Any]]:
    """Return the options for reading documents: instants in this zone, damaged values replaced."""
    return CodecOptions(
        tz_aware=True,
        tzinfo=zone,
        datetime_conversion=DatetimeConversion.DATETIME_CLAMP,
        unicode_decode_error_handler="replace",
    )


def _parsed(rest: str) -> dict[str, Any]:
    """Return the parts of a URI, given without its scheme: parsing a mongodb+srv:// URI would ask name servers."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return dict(parse_uri(f"mongodb://{rest}", warn=True))
    except (PyMongoError, ValueError, TypeError):
        # The driver's message may repeat a part of the password.
        raise ConfigurationError("The MongoDB URI is malformed.", remedy=URI_REMEDY) from None


def _authority(rest: str) -> str:
    """Return ``host1:port,host2`` of a well-formed URI."""
    return re.split(r"[/?]", rest, maxsplit=1)[0].rpartition("@")[2]


def _has_port(rest: str) -> bool:
    return ":" in _authority(rest)
