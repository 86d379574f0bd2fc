"""Probes ``/healthz`` and ``/readyz`` for the process manager. They need no token, so they say little."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from ticktrail.errors import StoreReplacedError, TicktrailError
from ticktrail.queries.completeness import read_completeness
from ticktrail.settings.settings import Settings
from ticktrail.web.cache import QueryCache
from ticktrail.web.store_pool import BusyError

_WAIT_SECONDS = 3.0
"""Probes usually time out after five seconds, and should learn the reason before."""


def router(settings: Settings, cache: QueryCache) -> APIRouter:
    """The two paths."""
    routes = APIRouter(include_in_schema=False)

    async def reason_not_ready() -> str | None:
        query = cache.recall("completeness", lambda store: read_completeness(store, settings), of_sync_state=True)
        try:
            found = await asyncio.wait_for(query, _WAIT_SECONDS)
        except BusyError:
            return "too many requests are waiting"
        except StoreReplacedError:
            return "the store file is missing"
        except (TicktrailError, TimeoutError):
            return "the store does not answer"
        if settings.receives_alone:
            return None
        if found.checked_at is None:
            return "no sync has succeeded yet"
        if found.is_late(datetime.now(UTC)):
            return "the last successful sync is too old"
        return None

    @routes.get("/healthz")
    @routes.head("/healthz")
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz")
    @routes.head("/readyz")
    async def readyz() -> Response:
        reason = await reason_not_ready()
        if reason is None:
            return JSONResponse({"ready": True})
        return JSONResponse({"ready": False, "reason": reason}, 503)

    return routes
