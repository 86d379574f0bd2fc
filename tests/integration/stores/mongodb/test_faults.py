"""Servers that cannot be reached, do not let us in, or go away: what people are told, and how soon."""

from __future__ import annotations

import socket
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from secantus import SecantusDBServer
from tests.support.patience import PATIENCE_SECONDS

from ticktrail.errors import StoreRefusedError, StoreUnavailableError, TicktrailError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store

pytestmark = pytest.mark.thorough

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
OPTIONS = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))
SOON = "serverSelectionTimeoutMS=400&connectTimeoutMS=400"
OWNER = "s3cret-of-the-owner"
READER = "s3cret-of-the-reader"
SENT = StatusEvent(message_id="wamid.1", status="sent", execution_id="1", timestamp=1_767_258_000)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of a server that wants a password; it knows an owner and a reader."""
    folder = str(tmp_path_factory.mktemp("guarded"))
    with (
        SecantusDBServer(port=0, storage_path=folder) as server,
        MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{server.port}") as client,
    ):
        client.admin.command("createUser", "owner", pwd=OWNER, roles=["root"])
        role = {"role": "read", "db": "n8n_whatsapp"}
        client["n8n_whatsapp"].command("createUser", "reader", pwd=READER, roles=[role])
    with SecantusDBServer(port=0, storage_path=folder, require_auth=True) as server:
        yield f"127.0.0.1:{server.port}"


def write(store: Store) -> object:
    """Write one status."""
    return store.write([SENT], at=AT)


def listed(store: Store) -> object:
    """Read all messages."""
    return list(store.messages(MessageFilter()))


def counted(store: Store) -> object:
    """Count all messages."""
    return store.count(MessageFilter())


def found(store: Store) -> object:
    """Read one message."""
    return store.get(["wamid.1"])


ASKED: list[Callable[[Store], object]] = [
    write,
    listed,
    counted,
    found,
    lambda store: list(store.sends()),
    lambda store: store.exists(),
    lambda store: store.prepare(),
]


def failure(url: str, kind: type[TicktrailError], ask: Callable[[Store], object] = write) -> TicktrailError:
    """The error a store at this URL raises; no printed form of it may hold a password."""
    with open_store(url, OPTIONS) as store, pytest.raises(kind) as caught:
        ask(store)
    printed = "".join(traceback.format_exception(caught.value)).replace(url, "")
    for text in (printed, repr(caught.value), repr(store), store.location, caught.value.remedy):
        assert "s3cret" not in text
    return caught.value


@pytest.mark.parametrize("ask", ASKED)
def test_a_server_that_does_not_listen_is_unavailable_soon(ask: Callable[[Store], object]) -> None:
    """Whatever is asked first; the message says where it looked."""
    with socket.socket() as taken:
        # Bound, not listening: no other process gets the port, and connections to it are refused.
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        start = time.monotonic()
        error = failure(f"mongodb://ana:s3cret@127.0.0.1:{port}/shop?{SOON}", StoreUnavailableError, ask)
    assert time.monotonic() - start < PATIENCE_SECONDS
    assert f"127.0.0.1:{port}/shop" in str(error)
    assert "container" in error.remedy


def test_a_host_without_a_name_server_entry_is_said_to_be_unknown() -> None:
    """The ending .invalid never resolves (RFC 2606)."""
    error = failure(f"mongodb://ana:s3cret@db.invalid/?{SOON}", StoreUnavailableError)
    assert "looked up" in str(error)


@pytest.mark.parametrize("ask", ASKED)
def test_no_password_where_one_is_wanted(guarded: str, ask: Callable[[Store], object]) -> None:
    """The remedy shows where to write it."""
    error = failure(f"mongodb://{guarded}/?{SOON}", StoreRefusedError, ask)
    assert f"mongodb://user:password@{guarded}/n8n_whatsapp" in error.remedy


@pytest.mark.parametrize("ask", ASKED)
def test_a_wrong_password_is_refused_without_being_repeated(guarded: str, ask: Callable[[Store], object]) -> None:
    """Nor is the right one."""
    error = failure(f"mongodb://owner:s3cret-but-wrong@{guarded}/admin?{SOON}", StoreRefusedError, ask)
    assert "user name and password" in str(error)


def test_a_user_who_may_only_read_reads_and_is_told_what_writing_takes(guarded: str) -> None:
    """Nothing that reads needs the right to write."""
    with open_store(f"mongodb://owner:{OWNER}@{guarded}/admin", OPTIONS) as store:
        write(store)
    reader = f"mongodb://reader:{READER}@{guarded}/n8n_whatsapp?{SOON}"
    with open_store(reader, OPTIONS) as store:
        assert store.exists()
        assert store.count(MessageFilter()) == len(list(store.messages(MessageFilter()))) == len(store.get(["wamid.1"]))
    error = failure(reader, StoreRefusedError)
    assert 'role: "readWrite", db: "n8n_whatsapp"' in error.remedy


def test_a_server_without_tls_is_told_from_a_silent_one(guarded: str) -> None:
    """The remedy names the option."""
    error = failure(f"mongodb://owner:{OWNER}@{guarded}/admin?tls=true&{SOON}", StoreUnavailableError)
    assert "tls" in error.remedy


def test_a_server_that_goes_away_in_the_middle_is_unavailable(tmp_path: Path) -> None:
    """Between two writes, and between two messages that are read; when it is back, the same store goes on."""
    many = [StatusEvent(message_id=f"wamid.{n}", status="sent", execution_id="1", timestamp=n) for n in range(300)]
    with SecantusDBServer(port=0, storage_path=str(tmp_path)) as server:
        port = server.port
        with open_store(f"mongodb://127.0.0.1:{port}/?{SOON}", OPTIONS) as store:
            assert store.write(many, at=AT).inserted == 300
            reading = store.messages(MessageFilter())
            next(reading)
            server.stop()
            with pytest.raises(StoreUnavailableError):
                list(reading)
            with pytest.raises(StoreUnavailableError):
                store.write(many, at=AT)
            with SecantusDBServer(port=port, storage_path=str(tmp_path)):
                assert store.write(many, at=AT).unchanged == 300
