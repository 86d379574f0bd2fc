"""Stands before everything: looks where a request comes from, how large it is, and whose it is."""

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
from ticktrail.web.security import request_checks as bounds
from ticktrail.web.security.connections import OVER_LIMIT
from ticktrail.web.security.headers import under
from ticktrail.web.security.rate_limit import LoginAttempts
from ticktrail.web.security.sessions import Sessions

SESSION_COOKIE = "ticktrail_session"

PROBES = ("/healthz", "/readyz")
WITHOUT_LOGIN = (*PROBES, "/login", "/favicon.ico")
"""Paths that need no role. Every other path does, also scripts and styles of the pages."""

READ_ONLY = ("/api", "/metrics", *PROBES)

_FOR_PROGRAMS = ("/api", "/metrics")

# A cookie that is SameSite=Strict does not come with a click on a link elsewhere, but with what a page of ours asks.
_AGAIN = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0">'
    "<title>Ticktrail</title></head><body></body></html>"
)


class AuthMiddleware:
    """Lets a request in, or answers it.

    Args:
        attempts: shared with the login.
        clock: seconds that only go forward.
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
        """Pass a request on with its role, or answer that it is refused."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        try:
            refusal = self._look_at(scope)
            if refusal is None:
                await self.app(scope, bounds.bounded(receive) if scope["type"] == "http" else receive, send)
                return
        except ClientDisconnect:
            return
        except Problem as found:
            refusal = problem(found.status, str(found), remedy=found.remedy, name=found.name, headers=found.headers)
        if scope["type"] == "websocket":
            # Before it was accepted: the handshake is answered with 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            await refusal(scope, receive, send)

    def _look_at(self, scope: Scope) -> Response | None:
        connection = HTTPConnection(scope)
        headers = connection.headers
        if scope.get("state", {}).get(OVER_LIMIT) and scope["path"] not in PROBES:
            raise Problem(503, "Too many connections are open.", remedy="Try again later.", retry_seconds=RETRY_SECONDS)
        bounds.refuse_large(scope, headers)
        bounds.refuse_foreign_host(headers, is_open=self._access.is_open)
        bounds.refuse_foreign_origin(scope, headers)
        role = self._role(connection)
        scope.setdefault("state", {})[ROLE_KEY] = role
        if role is not None or scope["path"] in WITHOUT_LOGIN:
            return None
        return _turned_away(scope, headers)

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
        if scope["type"] != "http" or not under(scope["path"], READ_ONLY) or scope["method"] == "GET":
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
    """Where a request comes from, as far as the server tells."""
    return connection.client.host if connection.client else ""


def _turned_away(scope: Scope, headers: Headers) -> Response:
    """What somebody unknown gets: programs a 401, people the login."""
    navigating = scope.get("method") in {"GET", "HEAD"} and "text/html" in headers.get("accept", "")
    if not navigating or under(scope["path"], _FOR_PROGRAMS):
        return problem(
            401,
            "This token is not one of Ticktrail's." if "authorization" in headers else "This needs a token.",
            name="Authorization",
            remedy="Send Authorization: Bearer and TICKTRAIL_DASHBOARD_TOKEN, or the viewer's; or log in at /login.",
            headers={"WWW-Authenticate": 'Bearer realm="ticktrail"'},
        )
    if headers.get("sec-fetch-site") == "cross-site":
        return HTMLResponse(_AGAIN)
    query = scope.get("query_string", b"").decode("latin-1")
    wanted = scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
