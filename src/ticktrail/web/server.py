"""The dashboard as one ASGI app, and its server."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Self

import uvicorn
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ticktrail import __version__
from ticktrail.errors import ConfigurationError, FatalError, TicktrailError
from ticktrail.messages.counts import Counts
from ticktrail.queries.conversation import Texts
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import read_user_file
from ticktrail.stores import Store
from ticktrail.stores.opening import open_conversations
from ticktrail.web import metrics, probes
from ticktrail.web import problem_details as problems
from ticktrail.web.api import docs
from ticktrail.web.api import routes as api
from ticktrail.web.cache import QueryCache
from ticktrail.web.pages import routes as pages
from ticktrail.web.roles import Access
from ticktrail.web.security import login
from ticktrail.web.security.connections import LimitedProtocol
from ticktrail.web.security.headers import SecurityHeaders
from ticktrail.web.security.middleware import AuthMiddleware, ReadOnlyMiddleware
from ticktrail.web.security.rate_limit import LoginAttempts
from ticktrail.web.security.request_checks import LARGEST_HEAD
from ticktrail.web.security.sessions import LOGOUT_FILE, Sessions
from ticktrail.web.security.url_tokens import data_folder
from ticktrail.web.store_pool import StorePool, open_store_pool

METRICS_SECONDS = 15.0

_REMEDIES = {
    errno.EADDRINUSE: "Stop the program that uses the port, or choose another port, such as --port 8766.",
    errno.EACCES: "Ports below 1024 need administrator rights. Choose another port, such as --port 8765.",
}
_NO_ADDRESS = "Use an address of this machine: --host 127.0.0.1, or --host 0.0.0.0 for all of its addresses."

_STOP_SECONDS = 5
_WAKE_SECONDS = 1.0


def build_app(settings: Settings, *, access: Access) -> FastAPI:
    """Build the ASGI app.

    ``app.state.store_pool`` runs the queries of API and pages. It is closed when the app shuts down.
    """
    pool = open_store_pool(settings)
    cache = QueryCache(pool)
    conversations = open_conversations(settings)
    at_start: list[Callable[[], Awaitable[None]]] = []
    app = FastAPI(
        title="Ticktrail",
        version=__version__,
        # FastAPI's own documentation pages load scripts from other servers.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan(pool, conversations, at_start),
    )
    app.state.store_pool = pool
    app.state.cache = cache
    app.state.settings = settings
    app.state.access = access
    # Live updates, which have no end of their own, end when this is set.
    app.state.stopping = False
    # ``ticktrail run`` reads the settings again before each sync, and puts a changed key here.
    app.state.n8n_key = settings.n8n.api_key
    attempts = LoginAttempts()
    sessions = Sessions(access, data_folder(settings) / LOGOUT_FILE)
    problems.install(app)
    app.include_router(login.router(access, sessions, attempts))
    app.include_router(probes.router(settings, cache))
    paths = api.router(settings, access, pool, conversations)
    app.include_router(paths)
    app.include_router(docs.router(api.PREFIX, list(paths.routes)))
    at_start.append(_add_metrics(app, settings, cache))
    for path in ("/api", "/api/{rest:path}"):
        app.add_api_route(path, _no_such_path, include_in_schema=False)
    app.add_middleware(ReadOnlyMiddleware)
    app.add_middleware(AuthMiddleware, access=access, sessions=sessions, attempts=attempts)
    # Middleware added last runs first, so that refusals have the headers too.
    app.add_middleware(SecurityHeaders)
    pages.mount(app, settings, cache, access, conversations=conversations)
    return app


class Server:
    """Serves an app in a thread. The main thread, and signals, stay with the caller.

    Args:
        listening: from :func:`listen`.
        ended: set when the server ends, for any reason.
    """

    def __init__(self, app: FastAPI, listening: socket.socket, *, ended: threading.Event | None = None) -> None:
        proxies = app.state.settings.dashboard.trusted_proxies
        self._app = app
        self._listening = listening
        self._ended = ended
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                # Its warnings are about malformed requests, as many as a client likes to send.
                log_level="error",
                # The API's addresses can hold phone numbers, which no log may.
                access_log=False,
                server_header=False,
                # The faster parser has no limit for headers.
                http=LimitedProtocol,
                h11_max_incomplete_event_size=LARGEST_HEAD,
                timeout_graceful_shutdown=_STOP_SECONDS,
                timeout_keep_alive=30,
                # By default uvicorn believes X-Forwarded-For from this machine, and any user of it could forge one.
                proxy_headers=bool(proxies),
                forwarded_allow_ips=list(proxies),
                ws="none",
            )
        )
        self._thread = threading.Thread(target=self._run, name="dashboard")

    def _run(self) -> None:
        try:
            self._server.run([self._listening])
        finally:
            if self._ended is not None:
                self._ended.set()

    @property
    def is_up(self) -> bool:
        """True while the server runs."""
        return self._thread.is_alive()

    def __enter__(self) -> Self:
        """Start, and wait until requests are answered.

        Raises:
            FatalError: the server could not start; the log shows the reason.
        """
        self._thread.start()
        while not self._server.started:
            if not self.is_up:
                self._listening.close()
                raise FatalError("The dashboard could not start.", remedy="The lines above show the reason.")
            time.sleep(0.01)
        return self

    def refuse_dead(self) -> None:
        """Raise FatalError when the server ended without being asked to."""
        if not self.is_up:
            raise FatalError("The dashboard stopped unexpectedly.", remedy="The lines above show the reason.")

    def __exit__(self, *_: object) -> None:
        """Accept no more requests, finish those in progress, and end."""
        self._app.state.stopping = True
        self._server.should_exit = True
        self._thread.join(_STOP_SECONDS * 3)
        self._listening.close()


def serve(app: FastAPI, listening: socket.socket, *, stop: threading.Event) -> None:
    """Serve until ``stop`` is set.

    Raises:
        FatalError: the server could not start, or stopped unexpectedly.
    """
    with Server(app, listening, ended=stop) as server:
        # Not without a timeout: a signal that comes just before the thread sleeps does not wake it.
        while not stop.wait(_WAKE_SECONDS):
            pass
        server.refuse_dead()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; opened first, so that a port in use is reported before anything else starts.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    name = host.strip("[]")
    try:
        family = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((name, port), family=family, backlog=256)
    except (OSError, OverflowError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
        # Python's own text repeats the address.
        reason = str(error) if number is None else os.strerror(number)
        raise ConfigurationError(
            f"Cannot listen on {host} port {port}: {reason}.", remedy=_REMEDIES.get(number or 0, _NO_ADDRESS)
        ) from error


def _lifespan(
    pool: StorePool, conversations: Texts | None, at_start: Iterable[Callable[[], Awaitable[None]]]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Run tasks in the background when the app starts, and close the store when it ends."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.ensure_future(start()) for start in at_start]
        yield
        for task in tasks:
            task.cancel()
        pool.close()
        if conversations is not None:
            conversations.close()

    return lifespan


async def _no_such_path() -> Response:
    """Answer unknown paths of the API as problem+json; the pages, which have all other paths, answer HTML."""
    raise HTTPException(404)


def _add_metrics(app: FastAPI, settings: Settings, cache: QueryCache) -> Callable[[], Awaitable[None]]:
    """Add ``/metrics``. Returns the task that reads the values from which counters count."""
    counters = metrics.Metrics()
    user_file = read_user_file(settings)

    def query(store: Store) -> metrics.Reading:
        return metrics.read(store, settings, datetime.now(UTC))

    def query_numbers(store: Store) -> dict[str, Counts]:
        return metrics.read_numbers(store, user_file, datetime.now(UTC))

    async def read() -> metrics.Reading:
        return await cache.recall("metrics", query, of_sync_state=True, seconds=METRICS_SECONDS)

    async def read_numbers() -> dict[str, Counts]:
        # Apart from the rest, because it costs more.
        return await cache.recall("metrics by number", query_numbers, seconds=METRICS_SECONDS)

    @app.get("/metrics", include_in_schema=False)
    async def show() -> Response:
        reading, numbers = await asyncio.gather(read(), read_numbers())
        expiry = metrics.expiry_of_key(app.state.n8n_key)
        return Response(counters.text(reading, numbers, key_expiry=expiry), media_type=metrics.CONTENT_TYPE)

    async def begin() -> None:
        # When the store does not answer, the first scrape reports it.
        with suppress(TicktrailError):
            counters.begin(await read())

    return begin
