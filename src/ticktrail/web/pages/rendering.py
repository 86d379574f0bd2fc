"""Templates to answers: the environment (autoescape on), the frame of a page, compression."""

from __future__ import annotations

import gzip
from functools import cache
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from ticktrail.web.pages import translation, wording
from ticktrail.web.pages.assets import packaged_assets

_LEAST_COMPRESSED = 600
"""Bytes below which compressing costs more than it saves."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One page, ready to be rendered.

    Attributes:
        place: path of the entry in the navigation that is current; empty for none.
        title: of the tab and of the first heading.
        outage: the store did not answer, whatever was read of it a moment ago.
    """

    template: str
    title: str
    place: str = ""
    status: int = 200
    outage: bool = False
    headers: dict[str, str] = {}
    context: dict[str, Any] = {}


@cache
def environment() -> Environment:
    """The templates, with texts translated when they are rendered."""
    made = Environment(
        loader=PackageLoader("ticktrail.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    made.install_gettext_callables(translation.gettext, _plain_ngettext, newstyle=False)  # type: ignore[attr-defined]
    made.globals.update(
        asset=packaged_assets().address,
        count_of=translation.ngettext,
        number=wording.number,
        capital=wording.capital,
        languages=translation.LANGUAGES,
    )
    return made


def render(request: Request, template: str, context: dict[str, Any], *, status: int = 200) -> Response:
    """A template as an answer, compressed where the browser takes it."""
    text = environment().get_template(template).render(context)
    # Half characters (lone surrogates) come out of stored texts.
    return compressed(request, text.encode("utf-8", "replace"), "text/html; charset=utf-8", status=status)


def compressed(request: Request, body: bytes, media_type: str, *, status: int = 200) -> Response:
    """An answer, compressed where the browser takes it and it is worth it."""
    headers = {"Vary": "Accept-Encoding, Cookie, Accept-Language"}
    if len(body) >= _LEAST_COMPRESSED and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status, headers, media_type)


def _plain_ngettext(one: str, many: str, count: int) -> str:
    return translation.ngettext(one, many, count)
