"""``/healthz`` and ``/readyz``, for whatever keeps the process running. Anybody may ask, so they say little."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from ticktrail.errors import TicktrailError
from ticktrail.queries.freshness import is_late, read_freshness
from ticktrail.settings.settings import Settings
from ticktrail.web.keeping import CachedValue
from ticktrail.web.store_pool import BusyError, StorePool

_KEPT_SECONDS = 2.0
_WAIT_SECONDS = 3.0
"""Whoever asks gives up after five seconds or so, and should learn why before."""


def router(settings: Settings, ledgers: StorePool) -> APIRouter:
    """The two paths."""
    routes = APIRouter(include_in_schema=False)

    async def look() -> str | None:
        """Why the ledger is not ready; None when it is."""
        try:
            found = await ledgers.ask(lambda store: read_freshness(store, settings))
        except BusyError:
            return "too many questions are waiting"
        except TicktrailError:
            return "the store does not answer"
        if found.good_at is None:
            return "no sync has come through yet"
        if is_late(found, settings, datetime.now(UTC)):
            return f"the last good sync is older than {settings.dashboard.ready_seconds} s"
        return None

    kept = CachedValue(look, seconds=_KEPT_SECONDS)

    @routes.get("/healthz")
    @routes.head("/healthz")
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz")
    @routes.head("/readyz")
    async def readyz() -> Response:
        try:
            why = await asyncio.wait_for(kept.get(), _WAIT_SECONDS)
        except TimeoutError:
            why = "the store does not answer"
        if why is None:
            return JSONResponse({"ready": True})
        return JSONResponse({"ready": False, "reason": why}, 503)

    return routes
