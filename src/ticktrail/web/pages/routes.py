"""The addresses of the pages, in a server that is made elsewhere; errors become pages in the same frame."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ticktrail.errors import ConfigurationError, NotFoundError, SettingsError, TicktrailError
from ticktrail.queries.conversation import Texts
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import dialling_region, read_user_file
from ticktrail.web.cache import QueryCache, patience
from ticktrail.web.pages import (
    alerts,
    compare,
    conversation,
    frame,
    health,
    messages,
    overview,
    preferences,
    search,
    sends,
)
from ticktrail.web.pages.assets import packaged_assets
from ticktrail.web.pages.command_texts import TranslatedCatalogue, error_text
from ticktrail.web.pages.context import Access, Site, Visitor
from ticktrail.web.pages.downloads import add_downloads
from ticktrail.web.pages.live import Changes
from ticktrail.web.pages.rendering import View
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import speaking
from ticktrail.web.problem_details import of_bug
from ticktrail.web.security.headers import ASSETS, PROGRAM_PATHS, under
from ticktrail.web.security.url_tokens import UrlTokens, read_key
from ticktrail.web.store_pool import BusyError

Build = Callable[[Visitor, Request], Awaitable[View]]
Act = Callable[[Visitor, Request], Awaitable[Response]]

_PAGES: dict[str, Build] = {
    "/": overview.overview,
    "/alerts": alerts.alerts,
    "/alerts/acknowledge/{token}": alerts.acknowledge_form,
    "/messages": messages.messages,
    "/message/{token}": messages.message,
    "/conversation/{token}": conversation.conversation,
    "/compare": compare.compare,
    "/group/{by}/{token}": compare.group,
    "/sends": sends.sends,
    "/health": health.health,
    "/find/{token}": search.find,
}
_RETRY_SECONDS = "5"


def mount(
    app: FastAPI,
    settings: Settings,
    cache: QueryCache,
    access: Access | None = None,
    *,
    conversations: Texts | None = None,
) -> Site:
    """Add every page to a server. Without ``access`` every visitor sees everything: for the loopback only.

    Raises:
        ConfigurationError: ``ticktrail.toml`` cannot be used.
    """
    user_file = read_user_file(settings)
    site = Site(
        settings=settings,
        queries=cache,
        addresses=UrlTokens(read_key(settings)),
        catalogue=TranslatedCatalogue(user_file.failure_codes.singles, user_file.failure_codes.families),
        user_file=user_file,
        region=dialling_region(settings),
        access=access,
        conversations=conversations,
    )
    add_downloads(app, site)
    changes = Changes()
    acts: dict[str, Act] = {
        "/messages": messages.change_conditions,
        "/sends": sends.change_conditions,
        "/search": search.search,
        "/preferences": preferences.keep,
        "/alerts/acknowledge": alerts.acknowledge,
        "/alerts/take-back": alerts.take_back,
    }
    routes = [Route(path, _page(site, build), methods=["GET"]) for path, build in _PAGES.items()]
    routes += [Route(path, _act(site, act), methods=["POST"]) for path, act in acts.items()]

    async def live(request: Request) -> Response:
        return changes.stream(site.visitor(request), request)

    routes.append(Route("/live", live, methods=["GET"]))
    routes.append(Route(f"{ASSETS}/{{name}}", packaged_assets().serve, methods=["GET"]))
    app.router.routes.extend(routes)
    _answer_errors(app, site)
    return site


def _page(site: Site, build: Build) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        visitor = site.visitor(request)
        # Read before the page's queries: what is stored while they run is news to the page.
        state = await frame.state_of(visitor)
        with speaking(visitor.language):
            try:
                with patience() if "live" in request.query_params else nullcontext():
                    view = await build(visitor, request)
            except TicktrailError as error:
                view = error_view(visitor, error)
            return await frame.answer(visitor, request, view, state)

    return page


def _act(site: Site, act: Act) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        visitor = site.visitor(request)
        with speaking(visitor.language):
            try:
                return await act(visitor, request)
            except TicktrailError as error:
                return await frame.answer(visitor, request, error_view(visitor, error))

    return endpoint


def error_view(visitor: Visitor, error: TicktrailError) -> View:
    """An error as a page: what failed, and what to do.

    Errors of stores and settings name hosts and folders: only visitors who may see everything read them.
    """
    titles: tuple[tuple[type[TicktrailError], str, int], ...] = (
        (NotFoundError, _("Not found"), 404),
        (SettingsError, _("The settings cannot be used."), 503),
        (ConfigurationError, _("This could not be understood."), 400),
        (BusyError, _("Too many requests at the moment."), 503),
        (TicktrailError, _("The store did not answer."), 503),
    )
    title, status = next((title, status) for kind, title, status in titles if isinstance(error, kind))
    may_know = not visitor.masked or status in {400, 404} or isinstance(error, BusyError)
    lines = [error_text(visitor.text(text, 600)) for text in (str(error), error.remedy) if text]
    if not may_know:
        lines = [_("Only those who may see everything are told why. Ask whoever runs Ticktrail.")]
    return View(
        template="error.html",
        title=title,
        status=status,
        outage=status == 503 and not isinstance(error, (SettingsError, BusyError)),
        headers={"Retry-After": _RETRY_SECONDS} if status == 503 else {},
        context={"lines": lines, "again": status == 503},
    )


def _answer_errors(app: FastAPI, site: Site) -> None:
    """Answer people with pages, and programs as before."""
    of_http = app.exception_handlers.get(HTTPException)

    async def missing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - what it was registered for
        if under(request.url.path, PROGRAM_PATHS) or request.method not in {"GET", "HEAD"}:
            if of_http is None:
                return Response(status_code=error.status_code)
            answered = of_http(request, error)
            return answered if isinstance(answered, Response) else await answered
        visitor = site.visitor(request)
        with speaking(visitor.language):
            view = View(
                template="error.html",
                title=_("There is no such page.") if error.status_code == 404 else _("Not possible"),
                status=error.status_code,
                context={
                    "lines": [_("The address may have been cut off, or made by another installation.")],
                    "again": False,
                },
            )
            return await frame.answer(visitor, request, view)

    async def broken(request: Request, error: Exception) -> Response:
        if under(request.url.path, PROGRAM_PATHS):
            return await of_bug(request, error)
        visitor = site.visitor(request)
        with speaking(visitor.language):
            lines = [_("Nothing in the store was changed. Load the page again; the server's log has the cause.")]
            view = View(template="error.html", title=_("This page could not be made."), status=500,
                        context={"lines": lines, "again": True})  # fmt: skip
            return await frame.answer(visitor, request, view)

    app.add_exception_handler(HTTPException, missing)
    app.add_exception_handler(500, broken)
