"""How large a request may be, and where it must come from: checks that need no token to be known."""

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
"""NiceGUI's events are small; nothing is uploaded."""

_BEHIND_A_PROXY = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def refuse_large(scope: Scope, headers: Headers) -> None:
    """Raise a problem when the address or the headers are too long, or the body says it is."""
    if len(scope.get("raw_path") or scope["path"].encode("utf-8", "replace")) > LONGEST_PATH:
        raise Problem(414, f"The path is longer than {LONGEST_PATH:,} characters.")
    if len(scope.get("query_string", b"")) > LONGEST_QUERY:
        raise Problem(414, f"What stands behind the question mark is longer than {LONGEST_QUERY:,} characters.")
    if sum(len(name) + len(value) for name, value in headers.raw) > LARGEST_HEAD:
        raise Problem(431, f"The headers are larger than {LARGEST_HEAD:,} bytes.")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 12 or int(length) > LARGEST_BODY:
        raise Problem(413, f"The body is larger than {LARGEST_BODY:,} bytes.")


def bounded(receive: Receive) -> Receive:
    """As ``receive``, but raises a problem when a body goes on beyond the limit without having said so."""
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
    """Raise a problem when a request was meant for another name than ours.

    Without a token whoever reaches this machine's own address is let in, so two ways there are closed: a web page
    whose name was pointed at 127.0.0.1 (DNS rebinding) names itself in ``Host``, and a proxy in front names those
    it speaks for. With a token a foreign name gets nowhere: cookies belong to the name they were given under.
    """
    hosts = headers.getlist("host")
    name = _host_name(hosts[0]) if len(hosts) == 1 else None
    if name is None:
        raise Problem(400, "The request names no host, or several.", name="Host")
    if not is_open:
        return
    if not is_loopback(name):
        raise Problem(
            403,
            "Without a token only this machine is let in, under its own name.",
            name="Host",
            remedy="Open http://127.0.0.1 with the port, or set TICKTRAIL_DASHBOARD_TOKEN.",
        )
    if any(header in headers for header in _BEHIND_A_PROXY):
        raise Problem(
            403,
            "This came through a proxy, and without a token anybody behind it would see everything.",
            name="TICKTRAIL_DASHBOARD_TOKEN",
            remedy="Set TICKTRAIL_DASHBOARD_TOKEN (openssl rand -hex 24 makes one), then start again.",
        )


def refuse_foreign_origin(scope: Scope, headers: Headers) -> None:
    """Raise a problem when another site's page made the browser send this (CSRF, and WebSockets across sites).

    Browsers send ``Origin`` with every WebSocket and everything but plain GETs, and ``Sec-Fetch-Site`` with all.
    Following a link from elsewhere is allowed, doing or fetching something from there is not.
    """
    problem = Problem(403, "This was sent by a page of another site.", name="Origin")
    origin = headers.get("origin")
    if origin is not None and not _same(origin, headers.get("host", "")):
        raise problem
    following = headers.get("sec-fetch-mode") == "navigate" and scope.get("method") in {"GET", "HEAD"}
    if headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not following:
        raise problem


def _same(origin: str, host: str) -> bool:
    """Whether an origin is this host. Schemes are left aside: behind a proxy ours is not the browser's."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    default = {"http": ":80", "https": ":443"}.get(parts.scheme)
    if default is None:
        return False
    return parts.netloc.lower().removesuffix(default) == host.lower().removesuffix(default)


def _host_name(host: str) -> str | None:
    """The name in a ``Host`` header, without its port; None when it is none."""
    if not host or len(host) > 260 or not host.isascii() or any(character in host for character in "/@\\ \t?#"):
        return None
    try:
        parsed = urlsplit(f"//{host}")
        _ = parsed.port
    except ValueError:
        return None
    return parsed.hostname
