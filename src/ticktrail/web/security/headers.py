"""What every answer tells the browser not to do: content security policy, framing, sniffing, caching.

The pages' policy is as strict as NiceGUI allows. Its page starts with inline scripts (an import map, the elements)
and Vue compiles templates in the browser, so ``'unsafe-inline'`` and ``'unsafe-eval'`` stand beside ``'self'``; what
keeps a stranger's text from becoming a script there is that texts are never put into pages as HTML. Nothing may be
loaded from, or sent to, anywhere but this server. Everything else of ours runs no script at all.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

PLAIN_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""For the API, the login and our own pages without scripts: a style in the page, nothing else."""

PLAIN_PATHS = ("/api", "/login", "/logout", "/healthz", "/readyz", "/metrics")

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
    """What an answer to this path says."""
    plain = under(path, PLAIN_PATHS)
    found = {**COMMON, "Content-Security-Policy": PLAIN_POLICY if plain else PAGES_POLICY}
    if not path.startswith("/_nicegui/"):
        # What is in it concerns nobody who uses this browser, or a cache on the way, afterwards.
        found["Cache-Control"] = "no-store"
    return found


def under(path: str, parents: Iterable[str]) -> bool:
    """Whether a path is one of these, or below one."""
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
