"""Puts the pages at their addresses, in a server that somebody else made."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from nicegui import Client, ui
from nicegui import app as nicegui_app
from nicegui.page import page as nicegui_page

from ticktrail.errors import NotFoundError, TicktrailError
from ticktrail.queries.conversation import Texts
from ticktrail.queries.periods import USUAL
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import dialling_region, read_user_file
from ticktrail.web.cache import QueryCache
from ticktrail.web.pages import compare, funnel, messages, person, sends
from ticktrail.web.pages import completeness as trust
from ticktrail.web.pages import components as parts
from ticktrail.web.pages import layout as frame
from ticktrail.web.pages import overview as needs
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.context import Access, Site, Visitor, refuse_search
from ticktrail.web.pages.downloads import add_downloads, given_in
from ticktrail.web.pages.url_filters import SendUrlFilter, UrlFilter, read_conditions
from ticktrail.web.security.url_tokens import UrlTokens, read_key

RESPONSE_SECONDS = 20.0
_MARK = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b7a66"/>'
    '<path d="M5 17l5 5L20 10M14 20l2.5 2L27 10" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)


def mount(
    app: FastAPI,
    settings: Settings,
    cache: QueryCache,
    access: Access | None = None,
    *,
    conversations: Texts | None = None,
) -> Site:
    """Add every page to a server. Without ``access`` everybody may see everything: for the loopback only.

    Raises:
        ConfigurationError: ``ticktrail.toml`` cannot be used.
    """
    site = Site(
        settings=settings,
        ledger=cache,
        addresses=UrlTokens(read_key(settings)),
        catalogue=read_user_file(settings).failure_codes,
        user_file=read_user_file(settings),
        region=dialling_region(settings),
        access=access,
        conversations=conversations,
    )
    add_downloads(app, site)
    style = _add_style(app)
    _add_pages(site, style)
    nicegui_app.on_page_exception(lambda: _alone(style, words.BROKEN, words.BROKEN_HINT))

    async def missing(request: Request, _: Exception) -> Response:
        # NiceGUI's own would write the whole address into the log.
        with Client(nicegui_page(""), request=request) as client:
            _alone(style, words.NOT_FOUND, words.NOT_FOUND_HINT)
        return client.build_response(request, 404)

    nicegui_app.add_exception_handler(404, missing)
    ui.run_with(
        app, title=words.NAME, favicon=_MARK, dark=None, language="en-US", tailwind=False,
        show_welcome_message=False, reconnect_timeout=10.0, message_history_length=200,
    )  # fmt: skip
    return site


def _add_pages(site: Site, style: str) -> None:
    def at(path: str, build: Callable[[Visitor, Request], Awaitable[None]]) -> None:
        async def page(request: Request) -> None:
            ui.add_head_html(f'<link rel="stylesheet" href="{style}">')
            visitor = site.visitor(request)
            try:
                await build(visitor, request)
            except TicktrailError as error:
                await _failed(visitor, error)

        ui.page(path, response_timeout=RESPONSE_SECONDS)(page)

    def asked(request: Request, name: str, usual: str = "") -> str:
        return request.query_params.get(name, usual)[:6_000]

    async def list_of(visitor: Visitor, request: Request) -> None:
        await messages.messages(visitor, read_conditions(UrlFilter, given_in(request), site.addresses))

    async def find(visitor: Visitor, request: Request) -> None:
        refuse_search(visitor)
        await person.find(visitor, request.path_params["token"])

    async def list_of_sends(visitor: Visitor, request: Request) -> None:
        await sends.sends(visitor, read_conditions(SendUrlFilter, given_in(request), site.addresses))

    at("/", lambda visitor, _: needs.overview(visitor))
    at("/funnel", lambda visitor, request: funnel.funnel(visitor, asked(request, "period", USUAL)))
    at(
        "/compare",
        lambda visitor, request: compare.compare(
            visitor, asked(request, "by", "template"), asked(request, "period", USUAL)
        ),
    )
    at("/messages", list_of)
    at("/sends", list_of_sends)
    at("/message/{token}", lambda visitor, request: messages.message(visitor, request.path_params["token"]))
    at("/find/{token}", find)
    at(
        "/person/{token}",
        lambda visitor, request: person.person(visitor, request.path_params["token"], asked(request, "before")),
    )
    at("/trust", lambda visitor, _: trust.trust(visitor))


async def _failed(visitor: Visitor, error: TicktrailError) -> None:
    # What stands already is half a page.
    ui.context.client.content.clear()
    async with frame.page(visitor, "", words.NAME):
        if isinstance(error, NotFoundError):
            parts.empty(visitor.text(error, 600), visitor.text(error.remedy, 600), kind="error")
        else:
            parts.failure(error)


def _alone(style: str, title: str, hint: str) -> None:
    """A page without the rest, for when there is nothing to show."""
    ui.add_head_html(f'<link rel="stylesheet" href="{style}">')
    with parts.box("shell"), parts.box("content", id="content"):
        parts.empty(title, hint, kind="error")
        parts.link(words.NAME, "/", "button")


def _add_style(app: FastAPI) -> str:
    """Put the style sheet at an address that changes with it; the address."""
    address = f"/assets/ticktrail-{hashlib.sha256(frame.STYLE.encode()).hexdigest()[:12]}.css"

    def style() -> Response:
        return Response(
            frame.STYLE, media_type="text/css", headers={"Cache-Control": "public, max-age=31536000, immutable"}
        )

    app.get(address, include_in_schema=False)(style)
    return address
