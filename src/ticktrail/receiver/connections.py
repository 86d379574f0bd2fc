"""HTTP connections with the limits that uvicorn lacks: time and size of a request's head, and their number.

A connection above the number replaces the oldest one that is idle or still sends its request, so that silent or slow
clients never keep Meta out.
"""

from __future__ import annotations

import asyncio
import itertools

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_SECONDS = 10.0
"""Time for a whole head from its first byte; for the first one, from the connection."""

LARGEST_HEAD = 64 * 1024
"""Bytes. Meta sends about a thousand, and proxies add some."""

MAX_CONNECTIONS = 500


_NUMBERS = itertools.count()
"""Order of connections: many may be opened within one tick of the loop's clock."""


class LimitedProtocol(HttpToolsProtocol):
    """One HTTP connection. It is closed when a head is not complete in time, or too large."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Accept a connection, and close an older one above the limit."""
        super().connection_made(transport)
        self._number = next(_NUMBERS)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, transport.close)
        if len(self.connections) > MAX_CONNECTIONS:
            self._replace_another()

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_timer is None:
            self._head_bytes = 0
        elif self._head_bytes > LARGEST_HEAD:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to read a head."""
        super().on_message_begin()
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        """Let the application answer; it limits time and size of the body."""
        self._stop_head_timer()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._stop_head_timer()
        super().connection_lost(exc)

    @property
    def _is_receiving(self) -> bool:
        """True when the connection is idle, or a request is not complete."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete or cycle.more_body

    def _replace_another(self) -> None:
        others = [
            connection
            for connection in self.connections
            if isinstance(connection, LimitedProtocol) and connection is not self
        ]
        receiving = [other for other in others if other._is_receiving and not other.transport.is_closing()]  # noqa: SLF001 - of this class
        if receiving:
            min(receiving, key=lambda one: one._number).transport.abort()  # noqa: SLF001 - of this class

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
