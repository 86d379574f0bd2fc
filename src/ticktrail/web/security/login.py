"""Log in with a token, and log out."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from ticktrail.web.pages.context import LANGUAGE_COOKIE
from ticktrail.web.pages.rendering import render
from ticktrail.web.pages.translation import choose, direction, gettext, mark, speaking
from ticktrail.web.problem_details import Problem
from ticktrail.web.roles import Access
from ticktrail.web.security.middleware import SESSION_COOKIE, client_address
from ticktrail.web.security.rate_limit import LoginAttempts
from ticktrail.web.security.sessions import SESSION_SECONDS, Sessions

_LARGEST_FORM = 8_192


def router(
    access: Access, sessions: Sessions, attempts: LoginAttempts, *, clock: Callable[[], float] = time.monotonic
) -> APIRouter:
    """``/login`` and ``/logout``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/login")
    async def ask(request: Request) -> Response:
        wanted = _local(request.query_params.get("next", ""))
        return RedirectResponse(wanted, 303) if access.is_open else _page(request, wanted)

    @routes.post("/login")
    async def log_in(request: Request) -> Response:
        form = await _form(request)
        wanted = _local(form.get("next", ""))
        if access.is_open:
            return RedirectResponse(wanted, 303)
        role = access.role_by_token(form.get("token", "").strip())
        if role is None:
            if wait := attempts.failed(client_address(request), clock()):
                return _page(request, wanted, mark("Too many wrong tokens. Wait {seconds} seconds."), 429, seconds=wait)
            return _page(request, wanted, mark("That is not the token."), 401)
        answer = RedirectResponse(wanted, 303)
        answer.set_cookie(
            SESSION_COOKIE,
            sessions.new(role),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=_is_https(request),
        )
        return answer

    @routes.post("/logout")
    async def log_out(request: Request) -> Response:
        sessions.end(request.cookies.get(SESSION_COOKIE, ""))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict", secure=_is_https(request))
        return answer

    return routes


def _page(request: Request, wanted: str, wrong: str = "", status: int = 200, *, seconds: int = 0) -> Response:
    language = choose(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language", ""))
    with speaking(language):
        text = gettext(wrong).format(seconds=seconds) if wrong else ""
        context = {"wanted": wanted, "wrong": text, "language": language, "direction": direction(language)}
        return render(request, "login.html", context, status=status)


def _local(path: str) -> str:
    """A path of this server; whatever else was asked for is the first page. No browser may read it as another host."""
    allowed = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if allowed and len(path) <= 2_048 and not path.startswith(("/login", "/logout")) else "/"


def _is_https(request: Request) -> bool:
    """Return whether the browser uses HTTPS. A forged header only makes the cookie stricter."""
    return request.url.scheme == "https" or "https" in request.headers.get("x-forwarded-proto", "").lower()


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form, each once."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM:
            raise Problem(413, "The form is too large.")
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        raise Problem(400, "The form has too many fields.") from None
    return {name: values[0] for name, values in fields.items()}
