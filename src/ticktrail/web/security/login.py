"""The page that asks for a token, and the way out."""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ticktrail.web.pages import strings as words
from ticktrail.web.problem_details import Problem
from ticktrail.web.roles import Access
from ticktrail.web.security.middleware import SESSION_COOKIE, client_address
from ticktrail.web.security.rate_limit import LoginAttempts
from ticktrail.web.security.sessions import SESSION_SECONDS, Sessions

_LARGEST_FORM = 8_192

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ margin: 0; min-height: 100vh; display: grid; place-items: center;
    font: 16px/1.5 system-ui, sans-serif; background: light-dark(#f4f6f5, #131816);
    color: light-dark(#15211b, #e4ebe7); }}
  form {{ width: min(22rem, calc(100vw - 4rem)); padding: 2rem; border-radius: 12px;
    background: light-dark(#fff, #1c2420); box-shadow: 0 1px 3px #0003; }}
  h1 {{ margin: 0 0 1.25rem; font-size: 1.25rem; }}
  label {{ display: block; margin-bottom: .35rem; font-weight: 600; }}
  input {{ box-sizing: border-box; width: 100%; padding: .6rem .7rem; font: inherit; border-radius: 8px;
    border: 1px solid light-dark(#8a9790, #66756d); background: transparent; color: inherit; }}
  button {{ width: 100%; margin-top: 1rem; padding: .65rem; font: inherit; font-weight: 600; border: 0;
    border-radius: 8px; background: #0b6b4f; color: #fff; cursor: pointer; }}
  .wrong {{ color: light-dark(#a3231a, #ff9d94); margin: .75rem 0 0; }}
  .hint {{ margin: 1rem 0 0; font-size: .875rem; opacity: .8; }}
</style>
</head>
<body>
<form method="post" action="/login">
  <h1>{name}</h1>
  <label for="token">{token}</label>
  <input id="token" name="token" type="password" autocomplete="current-password" maxlength="512" required autofocus>
  <input type="hidden" name="next" value="{next}">
  {wrong}
  <button type="submit">{log_in}</button>
  <p class="hint">{hint}</p>
</form>
</body>
</html>
"""


def router(
    access: Access, sessions: Sessions, attempts: LoginAttempts, *, clock: Callable[[], float] = time.monotonic
) -> APIRouter:
    """``/login`` and ``/logout``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/login")
    async def ask(request: Request) -> Response:
        wanted = _local(request.query_params.get("next", ""))
        return RedirectResponse(wanted, 303) if access.is_open else _page(wanted)

    @routes.post("/login")
    async def log_in(request: Request) -> Response:
        form = await _form(request)
        wanted = _local(form.get("next", ""))
        if access.is_open:
            return RedirectResponse(wanted, 303)
        role = access.role_by_token(form.get("token", "").strip())
        if role is None:
            if wait := attempts.failed(client_address(request), clock()):
                return _page(wanted, words.TOO_MANY_TOKENS.format(seconds=wait), 429)
            return _page(wanted, words.WRONG_TOKEN, 401)
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


def _page(wanted: str, wrong: str = "", status: int = 200) -> Response:
    said = f'<p class="wrong" role="alert">{html.escape(wrong)}</p>' if wrong else ""
    texts = {
        "title": words.LOG_IN_TITLE,
        "name": words.NAME,
        "token": words.TOKEN,
        "log_in": words.LOG_IN,
        "hint": words.TOKEN_HINT,
    }
    return HTMLResponse(PAGE.format(next=html.escape(wanted), wrong=said, **texts), status)


def _local(path: str) -> str:
    """A path of this server; whatever else was asked for is the first page. No browser may read it as another host."""
    allowed = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if allowed and len(path) <= 2_048 and not path.startswith(("/login", "/logout")) else "/"


def _is_https(request: Request) -> bool:
    """Whether the browser speaks https. A forged header only makes the cookie stricter."""
    return request.url.scheme == "https" or "https" in request.headers.get("x-forwarded-proto", "").lower()


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form, each once."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST_FORM:
            raise Problem(413, words.FORM_TOO_LARGE)
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        raise Problem(400, words.FORM_TOO_MANY) from None
    return {name: values[0] for name, values in fields.items()}
