"""Clients that are silent, slow or too many do not keep the receiver from answering."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.support.patience import PATIENCE_SECONDS
from tests.support.webhooks import APP_SECRET, envelope, signature, status, status_value

from ticktrail.receiver import app, connections
from ticktrail.receiver.service import Receiver
from ticktrail.settings.loading import load_settings
from ticktrail.stores.opening import open_configured_store


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a receiver with short limits."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 20)
    monkeypatch.setattr(app, "BODY_SECONDS", 0.3)
    environment = {"WHATSAPP_APP_SECRET": APP_SECRET, "TICKTRAIL_STORE": str(tmp_path / "store.sqlite")}
    settings = load_settings({}, environment, tmp_path)
    listening = socket.create_server(("127.0.0.1", 0))
    with Receiver(settings, listening, open_store=lambda: open_configured_store(settings)):
        yield listening.getsockname()[1]


def connected(port: int, sent: bytes = b"") -> socket.socket:
    """A connection that has sent something."""
    line = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    line.sendall(sent)
    return line


def read_to_the_end(line: socket.socket) -> bytes:
    """Everything until the receiver closes the connection; fails when it does not."""
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := line.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def post(port: int) -> int:
    """Send a webhook as Meta does."""
    body = envelope(status_value(status("wamid.A")))
    headers = {"x-hub-signature-256": signature(body)}
    return httpx2.post(
        f"http://127.0.0.1:{port}/webhook/a", content=body, headers=headers, timeout=PATIENCE_SECONDS
    ).status_code


@pytest.mark.parametrize("sent", [b"", b"POST /webhook HTTP/1.1\r\nHost: a\r\n"], ids=["silent", "half a head"])
def test_a_head_that_does_not_come_ends_the_connection(port: int, sent: bytes) -> None:
    """A client that sends no whole head is disconnected, at its first request and at a later one."""
    with connected(port, sent) as line:
        assert read_to_the_end(line) == b""
    with connected(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nPOST /webhook HTTP/1.1\r\n") as line:
        assert b"200 OK" in read_to_the_end(line)


def test_a_body_that_does_not_come_is_a_408(port: int) -> None:
    """A body that stays incomplete is answered, and the connection closed."""
    with connected(port, b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{") as line:
        assert b" 408 " in read_to_the_end(line)


def test_an_endless_head_ends_the_connection(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver closes the connection although only a megabyte of headers came, and the head has not timed out."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 10 * PATIENCE_SECONDS)
    with connected(port, b"POST /webhook HTTP/1.1\r\n") as line:
        with contextlib.suppress(ConnectionError):
            for number in range(1_000):
                line.sendall(f"X-{number}: {'x' * 1_000}\r\n".encode())
        assert b"200" not in read_to_the_end(line)


def test_silent_clients_do_not_keep_others_out(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections above the limit replace the oldest silent or slow ones, so a webhook is always received."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 10 * PATIENCE_SECONDS)
    monkeypatch.setattr(app, "BODY_SECONDS", 10 * PATIENCE_SECONDS)
    slow = b"POST /webhook HTTP/1.1\r\nContent-Length: 10\r\n\r\n{"
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(connected(port, slow * (number % 2))) for number in range(60)]
        assert post(port) == 200
        for line in lines[:40]:
            assert read_to_the_end(line) == b""


def test_large_bodies_that_never_end_take_little_memory(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above a number of bytes that are being read, large requests get 503 with Retry-After; small ones are received."""
    monkeypatch.setattr(app, "BODY_SECONDS", 10 * PATIENCE_SECONDS)
    monkeypatch.setattr(app, "MOST_READING", 500_000)
    head = b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n"
    with connected(port, head + b" " * 900_000) as line:
        answer = read_to_the_end(line)
        assert b" 503 " in answer
        assert b"retry-after: 5" in answer.lower()
        assert post(port) == 200
