"""Parsing MongoDB URIs, showing them without secrets, and reading documents."""

from __future__ import annotations

import struct
import traceback
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import bson
import pytest

from ticktrail.errors import ConfigurationError
from ticktrail.stores import StoreOptions
from ticktrail.stores.mongodb.connection import address_of, client_of, codec_options
from ticktrail.stores.opening import open_store

RIYADH = ZoneInfo("Asia/Riyadh")
PASSWORD = "p%40ssw0rd"  # noqa: S105 - invented


@pytest.mark.parametrize(
    ("url", "named", "database"),
    [
        ("mongodb://host", None, "n8n_whatsapp"),
        ("mongodb://host/", None, "n8n_whatsapp"),
        ("mongodb://host/shop", None, "shop"),
        ("mongodb://host/shop", "other", "other"),
        ("mongodb://host/admin", None, "n8n_whatsapp"),
        ("mongodb://host/Admin?authSource=admin", None, "n8n_whatsapp"),
        ("mongodb://host/admin", "other", "other"),
        ("mongodb+srv://cluster.example.com/admin?retryWrites=true&w=majority", None, "n8n_whatsapp"),
    ],
)
def test_the_database_is_the_named_one_else_the_uris_else_ours(url: str, named: str | None, database: str) -> None:
    """A path of /admin says where the user is known, not where to write."""
    assert address_of(url, named).database == database


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("mongodb://host/shop", "admin"),
        ("mongodb://host/shop", "Local"),
        ("mongodb://host/shop", "config"),
        ("mongodb://host/local", None),
        ("mongodb://host/config", None),
    ],
)
def test_nothing_is_written_into_the_servers_own_databases(url: str, named: str | None) -> None:
    """They are refused before anything connects."""
    with pytest.raises(ConfigurationError, match="own database"):
        open_store(url, StoreOptions(timezone=RIYADH, database=named))


@pytest.mark.parametrize(
    ("url", "location"),
    [
        (f"mongodb://ana:{PASSWORD}@one.example.com:27018,two.example.com/shop?tls=true&authSource=admin",
         "mongodb://one.example.com:27018,two.example.com/shop"),
        (f"MongoDB+SRV://ana:{PASSWORD}@cluster.example.com/?appName=n8n", "mongodb+srv://cluster.example.com/n8n_whatsapp"),
        ("mongodb://[::1]:27017/shop", "mongodb://[::1]:27017/shop"),
    ],
)  # fmt: skip
def test_the_location_has_no_credentials_and_no_options(url: str, location: str) -> None:
    """User names are left out too: some are keys."""
    with open_store(url, StoreOptions(timezone=RIYADH)) as store:
        assert store.location == location
        assert "ana" not in repr(store)
        assert location in repr(store)


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://",
        "mongodb:///shop",
        "mongodb://ana:s3cr@t@host/shop",
        "mongodb://ana:s3cr/t@host/shop",
        "mongodb://ana:12/s3cret@host",
        "mongodb://ana:s3cret%zz@host",
        "mongodb://host:s3cret/shop",
        "mongodb://ana:s3cret@host/shop?authSource",
        "mongodb+srv://ana:s3cret@one,two/shop",
        "mongodb+srv://ana:s3cret@host:27017/shop",
        "mongodb://ana:s3cret@host/?w=0",
    ],
)
def test_a_malformed_uri_is_a_configuration_error_without_any_of_it(url: str) -> None:
    """Neither the message nor the remedy nor a traceback repeats a piece of the password."""
    with pytest.raises(ConfigurationError) as caught:
        open_store(url, StoreOptions(timezone=RIYADH))
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + caught.value.remedy
    assert "s3cr" not in told.replace(f'open_store("{url}"', "")
    assert caught.value.remedy


def test_the_driver_is_told_to_fail_soon_and_to_write_safely() -> None:
    """Five seconds to connect, a minute for an operation, a majority with its journals; compressed over a network."""
    address = address_of("mongodb://db.example.com/shop", None)
    client = client_of("mongodb://db.example.com/shop", address)
    options = client.options
    assert options.server_selection_timeout == 5
    assert options.pool_options.connect_timeout == 5
    assert options.pool_options.appname == "ticktrail"
    assert options.write_concern.document == {"w": "majority", "j": True, "wtimeout": 30_000}
    assert options.pool_options.socket_timeout == 60
    assert options.retry_writes is True
    assert address.settings["compressors"] == "zlib"
    client.close()


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:27017", "[::1]", "localhost,127.0.0.1", "%2Ftmp%2Fmongo.sock"]
)
def test_nothing_is_compressed_on_one_machine(host: str) -> None:
    """There it costs time and gains nothing."""
    assert "compressors" not in address_of(f"mongodb://{host}", None).settings


def test_what_the_uri_says_goes_before() -> None:
    """Whatever its spelling; an option of other drivers is passed over without a word."""
    url = (
        "mongodb://db.example.com/?serverselectiontimeoutms=900&CONNECTTIMEOUTMS=800&appName=mine&w=1&journal=false"
        "&retryWrites=false&compressors=&useNewUrlParser=true&j=1&socketTimeoutMS=5000"
    )
    client = client_of(url, address_of(url, None))
    options = client.options
    assert (options.server_selection_timeout, options.pool_options.connect_timeout) == (0.9, 0.8)
    assert options.pool_options.appname == "mine"
    assert options.write_concern.document == {"w": 1, "j": False, "wtimeout": 30_000}
    assert options.pool_options.socket_timeout == 5
    assert options.retry_writes is False
    client.close()


def test_dates_are_read_in_the_zone_and_damage_is_survived() -> None:
    """A date beyond the calendar and a text that is no UTF-8, which other drivers can write, raise nothing."""
    moment = datetime(2026, 11, 22, 10, tzinfo=UTC)
    encoded = bson.encode({"date": moment, "beyond": moment, "text": "damaged"})
    place = encoded.index(b"\x09beyond\0") + len(b"\x09beyond\0")
    encoded = encoded[:place] + struct.pack("<q", 10**15) + encoded[place + 8 :]
    read = bson.decode(encoded.replace(b"damaged", b"dam\xffged"), codec_options(RIYADH))
    assert (read["date"], read["date"].tzinfo) == (moment, RIYADH)
    assert read["beyond"].year == 9999
    assert read["text"].startswith("dam")
