"""Language and colours, chosen at the foot of each page and kept in cookies."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ticktrail.web.pages.context import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Visitor
from ticktrail.web.pages.forms import fields_of
from ticktrail.web.pages.translation import LANGUAGES

_NAME_COOKIE = "ticktrail_name"
"""Holds the name that a visitor gave when acknowledging an alert."""

_YEAR_SECONDS = 31_536_000


async def keep(_visitor: Visitor, request: Request) -> Response:
    """Keep what the form says, and go back to the page it was on."""
    form = await fields_of(request)
    answer = RedirectResponse(_local(form.get("here", "/")), 303)
    for cookie, name, allowed in ((LANGUAGE_COOKIE, "language", LANGUAGES), (THEME_COOKIE, "theme", THEMES)):
        if form.get(name) in allowed:
            _keep(answer, cookie, form[name])
    return answer


def keep_name(answer: Response, name: str) -> None:
    """Keep the name of a visitor for the next alert."""
    _keep(answer, _NAME_COOKIE, quote(name.encode("utf-8", "replace")))


def kept_name(request: Request) -> str:
    """The name that :func:`keep_name` kept; empty for none."""
    return unquote(request.cookies.get(_NAME_COOKIE, ""))


def _keep(answer: Response, cookie: str, value: str) -> None:
    answer.set_cookie(cookie, value, max_age=_YEAR_SECONDS, httponly=True, samesite="lax")


def _local(address: str) -> str:
    """An address of this server, else the first page."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not address.startswith("/") or address.startswith("//") or "\\" in address:
        return "/"
    return address if address.isprintable() and len(address) <= 8_000 else "/"
