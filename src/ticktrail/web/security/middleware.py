"""Middleware in front of all routes: checks origin and size of a request, and finds its role."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ticktrail.web.problem_details import RETRY_SECONDS, Problem, problem
from ticktrail.web.roles import ROLE_KEY, Access, Role
from ticktrail.web.security import request_checks
from ticktrail.web.security.connections import OVER_LIMIT
from ticktrail.web.security.headers import ASSETS, PROGRAM_PATHS, under
from ticktrail.web.security.rate_limit import LoginAttempts
from ticktrail.web.security.sessions import Sessions

SESSION_COOKIE = "ticktrail_session"

PROBES = ("/healthz", "/readyz")
WITHOUT_LOGIN = (*PROBES, "/login", "/favicon.ico")
"""Paths that need no role. Every other path does, also scripts and styles of the pages."""


# A SameSite=Strict cookie is not sent with a click on another site's link, but it is when our own page reloads.
_RELOAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0">'
    "<title>Ticktrail</title></head><body></body></html>"
)


class AuthMiddleware:
    """Passes on a request with its role, or refuses it.

    Args:
        attempts: shared with the login page.
        clock: seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        sessions: Sessions,
        attempts: LoginAttempts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self._access = access
        self._sessions = sessions
        self._attempts = attempts
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            refusal = self._check(scope)
            if refusal is None:
                await self.app(scope, request_checks.limited(receive), send)
                return
        except ClientDisconnect:
            return
        except Problem as error:
            refusal = problem(error.status, str(error), remedy=error.remedy, name=error.name, headers=error.headers)
        await refusal(scope, receive, send)

    def _check(self, scope: Scope) -> Response | None:
        connection = HTTPConnection(scope)
        headers = connection.headers
        if scope.get("state", {}).get(OVER_LIMIT) and scope["path"] not in PROBES:
            raise Problem(503, "Too many connections are open.", remedy="Try again later.", retry_seconds=RETRY_SECONDS)
        request_checks.refuse_large(scope, headers)
        request_checks.refuse_foreign_host(headers, is_open=self._access.is_open)
        request_checks.refuse_foreign_origin(scope, headers)
        role = self._role(connection)
        scope.setdefault("state", {})[ROLE_KEY] = role
        if role is not None or scope["path"] in WITHOUT_LOGIN or under(scope["path"], (ASSETS,)):
            return None
        return _without_role(scope, headers)

    def _role(self, connection: HTTPConnection) -> Role | None:
        if self._access.is_open:
            return Role.FULL
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self._role_by_token(token.strip(), client_address(connection))
        cookie = connection.cookies.get(SESSION_COOKIE)
        return None if cookie is None else self._sessions.role(cookie)

    def _role_by_token(self, token: str, address: str) -> Role | None:
        role = self._access.role_by_token(token)
        if role is None and (wait := self._attempts.failed(address, self._clock())):
            detail = f"Too many wrong tokens came from this address. Wait {wait} s."
            raise Problem(429, detail, name="Authorization", retry_seconds=wait)
        return role


class ReadOnlyMiddleware:
    """Answers HEAD like GET without the body, and 405 to every other method, on paths for programs."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on GET and HEAD, refuse the rest."""
        if scope["type"] != "http" or not under(scope["path"], PROGRAM_PATHS) or scope["method"] == "GET":
            await self.app(scope, receive, send)
            return
        if scope["method"] != "HEAD":
            refusal = problem(405, "This path is read-only.", headers={"Allow": "GET, HEAD"})
            await refusal(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app({**scope, "method": "GET"}, receive, without_body)


def client_address(connection: HTTPConnection) -> str:
    """The address of the client; with a trusted proxy, the one it forwarded."""
    return connection.client.host if connection.client else ""


def _without_role(scope: Scope, headers: Headers) -> Response:
    """Answer a request without a role: programs get 401, browsers the login page."""
    navigating = scope.get("method") in {"GET", "HEAD"} and "text/html" in headers.get("accept", "")
    if not navigating or under(scope["path"], PROGRAM_PATHS):
        return problem(
            401,
            "The token is wrong." if "authorization" in headers else "A token is needed.",
            name="Authorization",
            remedy="Send the header Authorization: Bearer TOKEN with the value of TICKTRAIL_DASHBOARD_TOKEN or "
            "TICKTRAIL_DASHBOARD_VIEWER_TOKEN, or log in at /login.",
            headers={"WWW-Authenticate": 'Bearer realm="ticktrail"'},
        )
    if headers.get("sec-fetch-site") == "cross-site":
        return HTMLResponse(_RELOAD)
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
