"""An HTTP server in this process, with real sockets and with faults on request.

Subclasses say what the right answer is; a test says which requests get another one, or none.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """One request that came in; header names are in lower case, ``body`` is as it was sent."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""


_PIECES = 20

Answer = tuple[int, bytes | dict[str, Any], dict[str, str]]
"""Status, body, headers."""

Act = Callable[["_Handler"], None]


def always(_: Request) -> bool:
    """Whatever is asked."""
    return True


@dataclass
class _Fault:
    act: Act
    when: Callable[[Any], bool]
    times: int | None


class FaultyServer:
    """Answers GET and POST requests with :meth:`respond`, unless a fault is due.

    Faults are due in the order they were asked for, each for its number of matching requests (None: for good).

    Attributes:
        requests: everything that was asked, in order.
        connections: how many there have been.
        clock_skew: seconds that its ``Date`` header is ahead.
    """

    def __init__(self, *, path_prefix: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.path_prefix = path_prefix
        self.requests: list[Any] = []
        self.connections = 0
        self.clock_skew = 0.0
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()
        self._tls = tls
        self._http: _HttpServer | None = None
        self._port = 0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; after :meth:`stop`, at the same address again."""
        self._http = _HttpServer(("127.0.0.1", self._port), _Handler)
        self._http.owner = self
        self._port = self._http.server_address[1]
        if self._tls is not None:
            self._http.socket = self._tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Close every connection and listen no more: connecting is refused from now on."""
        if self._http is None or self._thread is None:
            return
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self._http = None

    @property
    def address(self) -> str:
        """Where it listens, path prefix included. Known once it has started."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._port}{self.path_prefix}"

    def respond(self, request: Any) -> Answer:
        """The right answer."""
        raise NotImplementedError

    def seen(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> Request:
        """The record of a request."""
        return Request(path, query, headers)

    def answer(
        self,
        status: int,
        body: bytes | dict[str, Any] = b"",
        headers: Mapping[str, str] | None = None,
        *,
        times: int | None = 1,
        when: Callable[[Any], bool] = always,
    ) -> None:
        """Answer like this instead."""
        self._add_fault(lambda handler: handler.send(status, body, headers), times, when)

    def break_off(self, *, times: int | None = 1, when: Callable[[Any], bool] = always) -> None:
        """Send half of the right answer, then close the connection."""
        self._add_fault(lambda handler: handler.send(*self.respond(handler.asked), half=True), times, when)

    def hang_up(self, *, times: int | None = 1, when: Callable[[Any], bool] = always) -> None:
        """Close the connection without a word."""
        self._add_fault(lambda handler: handler.close(), times, when)

    def delay(self, seconds: float, *, times: int | None = 1, when: Callable[[Any], bool] = always) -> None:
        """Take so long for the right answer."""
        self.before_answer(lambda: time.sleep(seconds), times=times, when=when)

    def trickle(self, seconds: float, *, times: int | None = 1, when: Callable[[Any], bool] = always) -> None:
        """Send the right answer in small pieces, over so long in all."""
        self._add_fault(lambda handler: handler.send(*self.respond(handler.asked), over_seconds=seconds), times, when)

    def before_answer(
        self, act: Callable[[], None], *, times: int | None = 1, when: Callable[[Any], bool] = always
    ) -> None:
        """Let something happen just before the right answer is made."""

        def act_first(handler: _Handler) -> None:
            act()
            handler.send(*self.respond(handler.asked))

        self._add_fault(act_first, times, when)

    def heal(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._faults.clear()

    def due(self, request: Request) -> Act | None:
        """Note the request; the fault that is due for it."""
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if fault.times != 0 and fault.when(request):
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault.act
        return None

    def _add_fault(self, act: Act, times: int | None, when: Callable[[Any], bool]) -> None:
        with self._lock:
            self._faults.append(_Fault(act, when, times))


class _HttpServer(ThreadingHTTPServer):
    """Threads that end with the server: connections that clients keep open are closed for them."""

    daemon_threads = False
    owner: FaultyServer

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        self.owner.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is a test's business, not a server's fault."""

    def server_close(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    # Else every answer after the first waits 40 ms for the client's acknowledgement of its headers.
    disable_nagle_algorithm = True
    server: _HttpServer
    asked: Request

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.asked = self.server.owner.seen(parts.path, query, headers)
        length = int(headers.get("content-length", "0"))
        if length:
            self.asked = replace(self.asked, body=self.rfile.read(length))
        act = self.server.owner.due(self.asked)
        if act is not None:
            act(self)
        else:
            self.send(*self.server.owner.respond(self.asked))

    do_POST = do_GET  # noqa: N815 - the base class's name

    def send(
        self,
        status: int,
        body: bytes | dict[str, Any] = b"",
        headers: Mapping[str, str] | None = None,
        *,
        half: bool = False,
        over_seconds: float = 0.0,
    ) -> None:
        """Write an answer, compressed when asked for, from 1 KB on (as n8n's); with ``half`` only its first half."""
        content = json.dumps(body, separators=(",", ":")).encode() if isinstance(body, dict) else body
        kind = "application/json; charset=utf-8" if content[:1] == b"{" else "text/html; charset=utf-8"
        sent = {"Content-Type": kind} | dict(headers or {})
        if "gzip" in self.asked.headers.get("accept-encoding", "") and len(content) >= 1024:
            content = gzip.compress(content, compresslevel=1)
            sent["Content-Encoding"] = "gzip"
        self.send_response(status)
        for name, value in {**sent, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        content = content[: len(content) // 2] if half else content
        pieces = _PIECES if over_seconds else 1
        for position in range(pieces):
            self.wfile.write(content[position * len(content) // pieces : (position + 1) * len(content) // pieces])
            time.sleep(over_seconds / pieces)
        if half:
            self.close()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The value of the ``Date`` header."""
        return super().date_time_string((timestamp or time.time()) + self.server.owner.clock_skew)

    def close(self) -> None:
        """End the connection."""
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Tests do not want a log."""
