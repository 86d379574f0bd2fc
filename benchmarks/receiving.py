"""How fast webhooks are received: ``ticktrail receive`` beside a handler that does nothing, on the same server."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.webhooks import APP_SECRET, envelope, signature, status, status_value

from benchmarks.measure import line

_WEBHOOKS = 20_000
_CONNECTIONS = (1, 16, 64)
_ROUNDS = 3
_EMPTY = """
import sys, uvicorn
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": b"OK\\n"})
uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False, lifespan="off")
"""


def run() -> None:
    """Measure both in turn, for each number of connections."""
    requests = [_request(number) for number in range(_WEBHOOKS)]
    for connections in _CONNECTIONS:
        some = requests[: _WEBHOOKS if connections > 1 else _WEBHOOKS // 8]
        pairs = [(_receive(some, connections), _answer(some, connections)) for _ in range(_ROUNDS)]
        pairs.sort(key=lambda pair: pair[0][0] / pair[1][0])
        (ours, p99), (empty, empty_p99) = pairs[_ROUNDS // 2]
        line(
            f"webhooks received over {connections} connections",
            f"{ours / empty:.2f} x a handler that does nothing "
            f"({ours:,.0f}/s, p99 {p99 * 1000:.1f} ms; {empty:,.0f}/s, p99 {empty_p99 * 1000:.1f} ms)",
        )


def _request(number: int) -> bytes:
    body = envelope(status_value(status(f"wamid.BENCH{number}")))
    head = (
        "POST /webhook/bench/webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"x-hub-signature-256: {signature(body)}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _receive(requests: list[bytes], connections: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "WHATSAPP_APP_SECRET": APP_SECRET,
            "TICKTRAIL_STORE": str(Path(folder) / "store.sqlite"),
        }
        command = [sys.executable, "-m", "ticktrail", "receive", "--port"]
        return _measure(command, requests, connections, folder, environment)


def _answer(requests: list[bytes], connections: int) -> tuple[float, float]:
    return _measure([sys.executable, "-c", _EMPTY], requests, connections, None, dict(os.environ))


def _measure(
    command: list[str], requests: list[bytes], connections: int, folder: str | None, environment: dict[str, str]
) -> tuple[float, float]:
    """Webhooks per second and the 99th percentile of the answers' times in seconds."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [*command, str(port)], cwd=folder, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        return asyncio.run(_load(port, requests, connections))
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start")


async def _load(port: int, requests: list[bytes], connections: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    waiting = iter(requests)
    times: list[float] = []
    clients = [
        (await loop.create_connection(lambda: _Client(waiting, times), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    began = time.perf_counter()
    for client in clients:
        client.send_next()
    await asyncio.gather(*(client.done for client in clients))
    seconds = time.perf_counter() - began
    if len(times) != len(requests):
        raise RuntimeError(f"only {len(times)} of {len(requests)} webhooks were answered with 200")
    times.sort()
    return len(requests) / seconds, times[len(times) * 99 // 100]


class _Client(asyncio.Protocol):
    """One connection that sends a request as soon as the last one is answered."""

    def __init__(self, waiting: object, times: list[float]) -> None:
        self._waiting = waiting
        self._times = times
        self._sent_at = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def send_next(self) -> None:
        request = next(self._waiting, None)  # type: ignore[call-overload]
        if request is None:
            self.done.set_result(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 200"):
            self._times.append(time.perf_counter() - self._sent_at)
        if data.endswith(b"OK\n"):
            self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        if not self.done.done():
            self.done.set_result(None)
