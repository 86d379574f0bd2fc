"""Checks of the size and origin of a request, which need no token."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from ticktrail.web.problem_details import Problem
from ticktrail.web.roles import is_loopback

LONGEST_PATH = 2_048
LONGEST_QUERY = 8_192
LARGEST_HEAD = 32_768
LARGEST_BODY = 1_000_000
"""Forms are small, and nothing is uploaded."""

_BEHIND_A_PROXY = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def refuse_large(scope: Scope, headers: Headers) -> None:
    """Raise a problem for a path, query or head that is too long, or a body that is announced as too large."""
    if len(scope.get("raw_path") or scope["path"].encode("utf-8", "replace")) > LONGEST_PATH:
        raise Problem(414, f"The path is longer than {LONGEST_PATH:,} characters.")
    if len(scope.get("query_string", b"")) > LONGEST_QUERY:
        raise Problem(414, f"The query is longer than {LONGEST_QUERY:,} characters.")
    if sum(len(name) + len(value) for name, value in headers.raw) > LARGEST_HEAD:
        raise Problem(431, f"The headers are larger than {LARGEST_HEAD:,} bytes.")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > LARGEST_BODY:
        raise Problem(413, f"The body is larger than {LARGEST_BODY:,} bytes.")


def limited(receive: Receive) -> Receive:
    """Raise a problem from ``receive`` when a body without announced length becomes too large."""
    received = 0

    async def counting() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise Problem(413, f"The body is larger than {LARGEST_BODY:,} bytes.")
        return message

    return counting


def refuse_foreign_host(headers: Headers, *, is_open: bool) -> None:
    """Raise a problem when a request is for another host.

    Without a token, every request from this machine is allowed, so two ways in are closed: a web page whose name points
    to 127.0.0.1 (DNS rebinding) has its own name in ``Host``, and a proxy adds headers about its clients. With a token,
    another name is harmless, because the browser keeps cookies by name.
    """
    hosts = headers.getlist("host")
    name = _host_name(hosts[0]) if len(hosts) == 1 else None
    if name is None:
        raise Problem(400, "The request has no Host header, or several.", name="Host")
    if not is_open:
        return
    if not is_loopback(name):
        raise Problem(
            403,
            "Without a token, requests must be for this machine's own address.",
            name="Host",
            remedy="Open http://127.0.0.1 with the port, or set TICKTRAIL_DASHBOARD_TOKEN.",
        )
    if any(header in headers for header in _BEHIND_A_PROXY):
        raise Problem(
            403,
            "The request came through a proxy. Without a token, every client of the proxy would see everything.",
            name="TICKTRAIL_DASHBOARD_TOKEN",
            remedy="Set TICKTRAIL_DASHBOARD_TOKEN (create one with openssl rand -hex 24), then restart.",
        )


def refuse_foreign_origin(scope: Scope, headers: Headers) -> None:
    """Raise a problem when a page of another site sent the request (CSRF).

    Browsers send ``Origin`` with everything except plain GETs, and ``Sec-Fetch-Site`` with every request. Following a
    link from another site is allowed.
    """
    problem = Problem(403, "The request was sent by a page of another site.", name="Origin")
    origin = headers.get("origin")
    if origin is not None and not _same(origin, headers.get("host", "")):
        raise problem
    following = headers.get("sec-fetch-mode") == "navigate" and scope.get("method") in {"GET", "HEAD"}
    if headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not following:
        raise problem


def _same(origin: str, host: str) -> bool:
    """True when an origin is this host. Schemes are ignored, because a proxy may change https to http."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    default = {"http": ":80", "https": ":443"}.get(parts.scheme)
    if default is None:
        return False
    return parts.netloc.lower().removesuffix(default) == host.lower().removesuffix(default)


def _host_name(host: str) -> str | None:
    """The name in a ``Host`` header, without the port; None when the header is malformed."""
    if not host or len(host) > 260 or not host.isascii() or any(character in host for character in "/@\\ \t?#"):
        return None
    try:
        parsed = urlsplit(f"//{host}")
        _ = parsed.port
    except ValueError:
        return None
    return parsed.hostname
