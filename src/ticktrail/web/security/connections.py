"""HTTP connections with the limits that uvicorn lacks: time to send a request, time to read an answer, and number.

A connection above the number limits is accepted. It replaces the oldest connection that is idle or still sends its
request, so that silent or slow clients never keep others out. Only when every other connection is being answered, the
new one gets 503 (:data:`OVER_LIMIT`), unless it asks for a probe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ticktrail.web.problem_details import MEDIA_TYPE, problem

REQUEST_SECONDS = 15.0
"""Time for a whole request, head and body, from its first byte; for the first, from the connection."""
STALLED_SECONDS = 60.0
"""Time for which a client may read nothing of an answer that is ready."""
MAX_CONNECTIONS = 400
MAX_PER_ADDRESS = 200
"""High enough for a proxy, which has one address for everybody."""

OVER_LIMIT = "ticktrail_over_limit"
"""Key in the scope's state of requests on a connection above the limits."""


class LimitedProtocol(H11Protocol):
    """One HTTP connection."""

    _request_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn
        """Accept a connection, and close an older one above the limits."""
        super().connection_made(transport)
        self._opened_at = self.loop.time()
        self._request_timer = self.loop.call_later(REQUEST_SECONDS, self._request_timed_out)
        others = [
            other
            for other in self.connections
            if isinstance(other, LimitedProtocol) and other is not self and not other.transport.is_closing()
        ]
        own_address = [other for other in others if self.client and other.client and other.client[0] == self.client[0]]
        if len(own_address) >= MAX_PER_ADDRESS:
            self._replace_one_of(own_address)
        elif len(others) >= MAX_CONNECTIONS:
            self._replace_one_of(others)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        if self._request_timer is None:
            self._request_timer = self.loop.call_later(REQUEST_SECONDS, self._request_timed_out)
        super().data_received(data)
        if not self._is_receiving:
            self._stop_request_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._stop_request_timer()
        self._stop_stall_timer()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self._stall_timer = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._stop_stall_timer()

    @property
    def _is_receiving(self) -> bool:
        """True when the connection is idle, or a request is not complete."""
        return self.conn.their_state in {h11.IDLE, h11.SEND_BODY}

    def _replace_one_of(self, others: Sequence[LimitedProtocol]) -> None:
        receiving = [other for other in others if other._is_receiving]  # noqa: SLF001 - of this class
        if receiving:
            min(receiving, key=lambda other: other._opened_at).transport.abort()  # noqa: SLF001 - of this class
        else:
            self.app_state = {**self.app_state, OVER_LIMIT: True}

    def _request_timed_out(self) -> None:
        began = self.conn.their_state is h11.SEND_BODY or self.conn.trailing_data[0]
        if began and self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE} and not self.transport.is_closing():
            answer = problem(408, f"The request was not complete after {REQUEST_SECONDS:.0f} seconds.")
            headers = [("content-type", MEDIA_TYPE), ("content-length", str(len(answer.body))), ("connection", "close")]
            events = (h11.Response(status_code=408, headers=headers), h11.Data(bytes(answer.body)), h11.EndOfMessage())
            self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.close()

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
