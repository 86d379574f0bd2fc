"""Live updates: server-sent events that tell open pages that something they may show has changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import StreamingResponse

from ticktrail.web.pages import frame
from ticktrail.web.pages.context import Visitor

LOOK_SECONDS = 2.0
TICK_SECONDS = 60.0
"""Times such as "12 min ago" and a sync that is late change without news in the store."""

_LONGEST_SECONDS = 3_600.0
_PING = b": still here\n\n"


class Changes:
    """Watches the store once for all open pages."""

    def __init__(self) -> None:
        self._state = ""
        self._looked_at = float("-inf")
        self._looking: asyncio.Lock | None = None

    async def state(self, visitor: Visitor) -> str:
        """The state of the store, at most :data:`LOOK_SECONDS` old."""
        if self._looking is None:
            self._looking = asyncio.Lock()
        async with self._looking:
            if time.monotonic() - self._looked_at >= LOOK_SECONDS / 2:
                self._state = await frame.state_of(visitor)
                self._looked_at = time.monotonic()
        return self._state

    def stream(self, visitor: Visitor, request: Request) -> StreamingResponse:
        """Events for one browser: the state at once, and again whenever it changes."""
        events = self._events(visitor, request)
        return StreamingResponse(
            events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        )

    async def _events(self, visitor: Visitor, request: Request) -> AsyncIterator[bytes]:
        sent, app = "", request.app
        began = ticked = time.monotonic()
        yield b"retry: 3000\n\n"
        while time.monotonic() - began < _LONGEST_SECONDS and not getattr(app.state, "stopping", False):
            state = await self.state(visitor)
            if state != sent:
                sent = state
                yield f"event: changed\ndata: {state}\n\n".encode()
            elif time.monotonic() - ticked >= TICK_SECONDS:
                ticked = time.monotonic()
                yield b"event: changed\ndata: tick\n\n"
            else:
                yield _PING
            await asyncio.sleep(LOOK_SECONDS)
