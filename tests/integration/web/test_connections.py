"""Slow, silent and broken clients on a real socket: they hold nothing up, for a limited time, and fill no log."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.integration.web.conftest import TOKEN, settings_of
from tests.support.patience import PATIENCE_SECONDS

from ticktrail.web.roles import access_for
from ticktrail.web.security import connections
from ticktrail.web.server import Server, build_app, listen

HALF_HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "
HALF_LOGIN = (
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\ntoken="
)
HALF_BODY_OF_A_GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 500\r\n\r\nhalf"


@contextmanager
def serving(folder: Path, **environ: str) -> Iterator[tuple[int, httpx2.Client]]:
    """The port of a server that asks for a token, and a client."""
    settings = settings_of(folder, TICKTRAIL_STORE=str(folder / "a.db"), TICKTRAIL_DASHBOARD_TOKEN=TOKEN, **environ)
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    app = build_app(settings, access=access_for(settings, "127.0.0.1"))
    with (
        Server(app, listening),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        yield port, client


@pytest.fixture
def connect() -> Iterator[Callable[[int, bytes], socket.socket]]:
    """Opens connections that send something and then nothing."""
    with ExitStack() as stack:

        def open_one(port: int, data: bytes) -> socket.socket:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS))
            connection.sendall(data)
            return connection

        yield open_one


def is_closed(connection: socket.socket) -> bool:
    """True if the server has closed the connection."""
    connection.setblocking(False)  # noqa: FBT003 - the name of the method says it
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def trickle(connection: socket.socket, data: bytes) -> None:
    """Send byte by byte, slowly."""
    for character in data:
        connection.sendall(bytes([character]))
        time.sleep(0.02)


def flood(connection: socket.socket, data: bytes) -> None:
    """Send again and again, and read nothing."""
    for _ in range(100_000):
        connection.sendall(data)


def closed_after(connection: socket.socket) -> tuple[float, bytes]:
    """The seconds until the server closes a connection, and what it sent before."""
    began, received = time.monotonic(), b""
    try:
        while data := connection.recv(65_536):
            received += data
    except ConnectionResetError:
        pass
    return time.monotonic() - began, received


@pytest.mark.thorough
@pytest.mark.parametrize("data", [b"", HALF_HEAD, HALF_LOGIN], ids=["silent", "half a head", "half a login"])
def test_500_held_connections_keep_nobody_out(
    tmp_path: Path, connect: Callable[[int, bytes], socket.socket], data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests beside 500 connections that hold on are answered, and the held ones are bounded in number."""
    # So that no connection ends by its own limit while the requests wait.
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 10 * PATIENCE_SECONDS)
    with serving(tmp_path) as (port, client):
        held = [connect(port, data) for _ in range(500)]
        for path in ("/healthz", "/metrics"):
            headers = {"Authorization": f"Bearer {TOKEN}", "Connection": "close"}
            assert client.get(path, headers=headers).status_code == 200
        assert sum(not is_closed(connection) for connection in held) <= connections.MAX_PER_ADDRESS


@pytest.mark.parametrize(
    ("data", "answer"),
    [(b"", b""), (HALF_HEAD, b" 408 "), (HALF_LOGIN, b" 408 "), (HALF_BODY_OF_A_GET, b" 200 ")],
    ids=["silent", "half a head", "half a login", "half a body that is not read"],
)
def test_a_request_has_a_time_limit(
    tmp_path: Path,
    connect: Callable[[int, bytes], socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    answer: bytes,
) -> None:
    """A connection whose request is not complete in time is closed, with a 408 where something was received."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.3)
    with serving(tmp_path) as (port, _):
        took, received = closed_after(connect(port, data))
    assert took > 0.1
    assert answer in received[:20]
    assert (b"application/problem+json" in received) == (answer == b" 408 ")


def test_a_trickle_does_not_extend_the_limit(
    tmp_path: Path, connect: Callable[[int, bytes], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then buys no time, neither in the first request nor in the second of a connection."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.5)
    whole = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with serving(tmp_path) as (port, _):
        for before in (b"", whole):
            connection = connect(port, before)
            if before:
                assert b"200" in connection.recv(4_096)
            with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe
                trickle(connection, HALF_HEAD + b"x" * 2_000)


def test_a_client_that_reads_nothing_is_dropped(
    tmp_path: Path, connect: Callable[[int, bytes], socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection whose answers are not read does not stay open."""
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.3)
    request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n\r\n"
    with serving(tmp_path) as (port, _):
        connection = connect(port, b"")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            flood(connection, request % TOKEN.encode())


def test_broken_clients_leave_no_traceback(
    tmp_path: Path, connect: Callable[[int, bytes], socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    """Aborted bodies, garbage and malformed WebSocket handshakes write nothing into the log."""
    upgrade = (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: not a key\r\n\r\n\xff\xff\xff"
    )
    garbage = (b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", upgrade)
    with caplog.at_level(logging.WARNING), serving(tmp_path) as (port, client):
        for data in (HALF_LOGIN, HALF_HEAD, HALF_BODY_OF_A_GET, *garbage):
            for _ in range(3):
                connect(port, data).close()
        assert client.get("/healthz").status_code == 200
    assert caplog.records == []


def test_only_probes_are_answered_when_every_connection_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limits, with all other connections being answered, a request is a 503, a probe is not."""
    monkeypatch.setattr(connections, "MAX_PER_ADDRESS", 0)
    monkeypatch.setattr(connections.LimitedProtocol, "_is_receiving", False)
    with serving(tmp_path) as (port, client), httpx2.Client(trust_env=False, timeout=PATIENCE_SECONDS) as second:
        assert client.get("/healthz").status_code == 200
        refused = second.get(f"http://127.0.0.1:{port}/login")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.headers["content-type"] == "application/problem+json"
        assert second.get(f"http://127.0.0.1:{port}/healthz").status_code == 200


@pytest.mark.parametrize(("proxies", "last_code"), [("", 429), ("127.0.0.0/8", 401)])
def test_x_forwarded_for_is_believed_from_trusted_proxies_only(tmp_path: Path, proxies: str, last_code: int) -> None:
    """From any other address, this machine included, it does not evade the limit of wrong tokens."""
    with serving(tmp_path, TICKTRAIL_TRUSTED_PROXIES=proxies) as (_, client):
        codes = [
            client.get(
                "/metrics", headers={"Authorization": "Bearer wrong", "X-Forwarded-For": f"198.51.100.{number}"}
            ).status_code
            for number in range(12)
        ]
    assert codes == [401] * 10 + [last_code] * 2
