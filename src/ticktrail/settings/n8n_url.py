"""Parse n8n addresses copied from a browser: the base URL, or the workflow id.

Pure. A :class:`ValueError` says in one clause what is wrong, without repeating a password.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from urllib.parse import unquote, urlsplit

import msgspec

DEFAULT_API_PREFIX = "/api/v1"
"""The path of n8n's public API, unless ``N8N_PUBLIC_API_ENDPOINT`` changes it."""

_PAGES = frozenset(
    [
        "workflow",
        "workflows",
        "executions",
        "home",
        "projects",
        "personal",
        "shared",
        "overview",
        "settings",
        "signin",
        "signup",
        "setup",
        "forgot-password",
        "credentials",
        "variables",
        "templates",
        "evaluation",
        "insights",
        "chat",
        "mfa",
        "oauth",
        "saml",
        "webhook",
        "webhook-test",
        "form",
        "form-test",
        "rest",
        "healthz",
    ]
)
"""First path segments of n8n's own pages. Segments before them are the prefix of a reverse proxy."""

_PLAIN_HTTP_ENDINGS = (".localhost", ".local", ".lan", ".internal", ".home.arpa")
_HOST = re.compile(r"[^\s/\\@:?#\[\]<>\"'`{}|^%,;]+")
_WORKFLOW_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")


class Address(msgspec.Struct, frozen=True):
    """An address of n8n: ``url`` without credentials and trailing slash, and the credentials that it held."""

    url: str
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Address(url={self.url!r})"


def parse_address(text: str, api_prefix: str = DEFAULT_API_PREFIX) -> Address:
    """Return the base URL of the n8n that this address leads to, with the path prefix of a reverse proxy.

    Pages of the editor (``/workflow/abc``, ``/home/workflows``, ``/executions`` …), the API (``/api/v1/…``), query and
    fragment are cut off. Without a scheme it is https, but http for this machine, for private addresses and for
    names without a dot (a container's).

    Raises:
        ValueError: the text is not an http or https address.
    """
    text = unquoted(text)
    if "://" not in text and re.match(r"https?:", text, re.IGNORECASE):
        raise ValueError("two slashes are missing after http: or https:")
    try:
        parts = urlsplit(text if "://" in text else f"{_likely_scheme(text)}://{text.removeprefix('//')}")
        port = parts.port
    except ValueError:
        raise ValueError("it is not a web address") from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"it starts with {parts.scheme}://, not with https:// or http://")
    if not _is_host(host):
        raise ValueError("there is no host name in it")
    shown = f"[{host}]" if ":" in host else host
    url = f"{parts.scheme}://{shown}{f':{port}' if port else ''}{_prefix(parts.path, api_prefix)}"
    return Address(url, *(unquote(part) if part else None for part in (parts.username, parts.password)))


def parse_workflow_ids(text: str) -> tuple[str, ...]:
    """Return workflow ids separated by commas, in order and each once; the URL of a workflow counts as its id.

    Raises:
        ValueError: there is no id, or one is malformed.
    """
    found = dict.fromkeys(
        _workflow_id(unquoted(part)) for part in re.split(r"[,;\s]+", unquoted(text)) if unquoted(part)
    )
    if not found:
        raise ValueError("there is no id in it")
    return tuple(found)


def is_local(url: str) -> bool:
    """Return whether an address is on this machine or in a private network, where transfer is fast."""
    host = urlsplit(url).hostname or ""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(_PLAIN_HTTP_ENDINGS)
    return ip.is_private or ip.is_loopback or ip.is_link_local


def unquoted(text: str) -> str:
    """Return the text without spaces and quotes around it (also typographic quotes and ``<…>``)."""
    return text.strip().strip("\"'`“”‘’«»<>").strip()  # noqa: RUF001 - the quotes that word processors put


def _workflow_id(text: str) -> str:
    found = re.search(r"/workflow/([^/?#\s]+)", text)
    candidate = found[1] if found else text
    if candidate == "new" or not _WORKFLOW_ID.fullmatch(candidate):
        raise ValueError("a workflow id is 16 letters and digits, or a number")
    return candidate


def _likely_scheme(text: str) -> str:
    authority = re.split(r"[/?#]", text.removeprefix("//"), maxsplit=1)[0].rpartition("@")[2]
    return "http" if not authority.endswith(":443") and is_local(f"http://{authority}") else "https"


def _is_host(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        labels = host.split(".")
        return all(0 < len(label) <= 63 for label in labels) and bool(_HOST.fullmatch(host)) and host[0] != "-"


def _prefix(path: str, api_prefix: str) -> str:
    """Return the path before n8n's own: ``/n8n`` of ``/n8n/workflow/abc`` and of ``/n8n/api/v1``."""
    path = re.split(rf"(?:/api/v\d+|{re.escape(api_prefix)})(?=/|$)", path, maxsplit=1)[0]
    kept = itertools.takewhile(lambda segment: segment not in _PAGES, (part for part in path.split("/") if part))
    return "".join(f"/{segment}" for segment in kept)
