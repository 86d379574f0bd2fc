"""Response headers: content security policy, framing, sniffing, caching.

The pages load style and script from this server alone and have neither inline; nothing is loaded from, or sent to,
anywhere else. Answers to programs run no script at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

PLAIN_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For the API, whose documentation page has a style sheet and no script."""

PROGRAM_PATHS = ("/api", "/healthz", "/readyz", "/metrics")
"""Paths that programs read; people use the others."""

ASSETS = "/assets"

COMMON = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that, browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}


def headers_for(path: str) -> dict[str, str]:
    """The headers of answers to a path."""
    plain = under(path, PROGRAM_PATHS)
    found = {**COMMON, "Content-Security-Policy": PLAIN_POLICY if plain else PAGES_POLICY}
    if not under(path, (ASSETS,)):
        # Nothing stays in the browser, or in a cache on the way, for its next user.
        found["Cache-Control"] = "no-store"
    return found


def under(path: str, parents: Iterable[str]) -> bool:
    """True when a path is one of these, or below one."""
    return any(path == parent or path.startswith(f"{parent}/") for parent in parents)


class SecurityHeaders:
    """Puts these headers on every answer, in place of what stands there under their names."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in headers_for(scope["path"]).items():
                    headers[name] = value
                if "server" in headers:
                    del headers["server"]
            await send(message)

        await self.app(scope, receive, with_headers)
