"""What n8n's answers and silences mean: each one an error that says what happened, what is safe, what to do.

The cases are those of n8n's releases 1.0 to 2.41, as read in its source and seen on running ones, and of proxies in
front of it. Nothing of a body is repeated but n8n's ``message``, without quotations and long numbers: those are
execution data.
"""

from __future__ import annotations

import enum
import json
import re
import socket
import ssl
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

import httpx2
import msgspec

from ticktrail.errors import SourceRefusedError, SourceUnavailableError, TicktrailError
from ticktrail.settings.settings import N8nSettings
from ticktrail.text.formatting import size_text

SCOPES = "execution:list, execution:read, workflow:list and workflow:read"
"""The scopes that reading needs, of those n8n offers when a key is made."""


class Kind(enum.Enum):
    """What to do about an answer that did not come."""

    DOWN = "ask again in a moment"
    STARTING = "not n8n speaking: it may be starting; ask again for about a minute"
    OVERLOADED = "ask again, or for less"
    FAILED = "n8n failed on this question: ask again, or for less"
    TOO_LARGE = "ask for less"
    HOPELESS = "asking again changes nothing until somebody mends it"


class NoAnswerError(SourceUnavailableError):
    """n8n did not answer, or not as n8n.

    Attributes:
        kind: what to do.
        retry_after: seconds that the answer asked to wait, if it did.
        reason: the message in a few words, for "n8n would not show it (…)".
    """

    def __init__(
        self, message: str, kind: Kind, *, remedy: str = "", retry_after: float | None = None, reason: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.kind = kind
        self.retry_after = retry_after
        self.reason = reason or message

    @property
    def smaller_may_work(self) -> bool:
        """Whether the same question about fewer executions has a chance."""
        return self.kind in {Kind.OVERLOADED, Kind.FAILED, Kind.TOO_LARGE}


class BadRequestError(SourceRefusedError):
    """n8n answered 400. Up to 2.24 that is also its answer to a page that holds one unreadable execution.

    Attributes:
        unknown_parameter: the query parameter that this release does not know (up to 2.38 it says so).
    """

    def __init__(self, message: str, *, unknown_parameter: str | None) -> None:
        super().__init__(message)
        self.unknown_parameter = unknown_parameter


class UnauthorizedError(SourceRefusedError):
    """n8n answered 401: it is there, and the key is missing, wrong or expired (or the API is switched off, 2.39 on)."""


class ForbiddenError(SourceRefusedError):
    """n8n answered 403: the key is good, and lacks a scope or its owner a right."""


class MissingError(SourceRefusedError):
    """n8n answered 404, as JSON: the API is there, the thing is not."""


class ApiResponse(msgspec.Struct, frozen=True):
    """What came back. ``size`` is in bytes on the wire, ``seconds`` from asking to the last byte."""

    status: int
    headers: httpx2.Headers
    body: bytes
    size: int
    seconds: float

    @property
    def is_json(self) -> bool:
        """Whether the body begins as a JSON object (a proxy may have lost the content type)."""
        return self.body[:64].lstrip()[:1] == b"{"


def fault_in(answer: ApiResponse, settings: N8nSettings) -> TicktrailError | None:
    """The error an answer amounts to; None for a good one."""
    status = answer.status
    if 300 <= status < 400:
        return _redirected(answer, settings)
    if status == 401:
        return _unauthorized(answer, settings)
    if status == 403:
        return _forbidden(answer, settings)
    if not answer.is_json and status in {200, 404}:
        return _not_n8n(answer, settings)
    if status == 200:
        return None
    said = _said(answer, settings)
    if status == 404:
        return MissingError(
            f"There is nothing at this place in n8n's API at {settings.base_url}{settings.prefix}{said}.",
            remedy="Is N8N_API_PREFIX right?",
        )
    if status == 400:
        unknown = re.search(r"[Uu]nknown query parameter '(\w+)'", _message(answer))
        return BadRequestError(
            f"n8n at {settings.base_url} answered 400{said}.", unknown_parameter=unknown[1] if unknown else None
        )
    if status in {408, 500, 504, 524}:
        return NoAnswerError(
            f"n8n at {settings.base_url} answered {status}{said}. Nothing was lost.",
            Kind.FAILED if status == 500 else Kind.OVERLOADED,
            remedy="Its log says more.",
            retry_after=_retry_after(answer),
            reason=f"n8n answered {status}{said}",
        )
    if status == 429 or status >= 500:
        return NoAnswerError(
            f"{settings.base_url} answered {status}{said}: n8n is not available. Nothing was lost.",
            Kind.DOWN,
            remedy="The next run continues.",
            retry_after=_retry_after(answer),
        )
    return SourceRefusedError(f"{settings.base_url} answered {status}{said}.")


def broken_off(settings: N8nSettings) -> NoAnswerError:
    """The error of a good answer whose body is not the whole JSON."""
    return NoAnswerError(
        f"The answer of n8n at {settings.base_url} broke off or is damaged. Nothing was lost.",
        Kind.OVERLOADED,
        remedy="The next run continues.",
        reason="the answer is damaged",
    )


def other_application(settings: N8nSettings) -> NoAnswerError:
    """The error of JSON that is not in n8n's shape."""
    return NoAnswerError(
        f"{settings.base_url}{settings.prefix} answers with JSON, but not as n8n does.",
        Kind.STARTING,
        remedy=_THREE_CAUSES,
    )


def fault_of(failure: Exception, settings: N8nSettings) -> NoAnswerError:
    """The error that a request which got no answer amounts to."""
    place = settings.base_url
    causes = list(_causes(failure))
    tls = [cause for cause in causes if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError)]
    if tls and isinstance(failure, httpx2.ConnectError):
        return _tls_failed(tls, settings)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        host = urlsplit(place).hostname
        return NoAnswerError(
            f"The name {host} is not known in this network. Nothing was lost.",
            Kind.DOWN,
            remedy="Is N8N_BASE_URL right? Between containers it is the name of n8n's service.",
        )
    if isinstance(failure, httpx2.ProxyError):
        return NoAnswerError(
            f"The proxy between here and {place} did not let the request through. Nothing was lost.",
            Kind.DOWN,
            remedy="HTTPS_PROXY and HTTP_PROXY name it; put n8n's host into NO_PROXY to go past it.",
        )
    if isinstance(failure, httpx2.ConnectError | httpx2.ConnectTimeout):
        refused = any(isinstance(cause, ConnectionRefusedError) for cause in causes)
        return NoAnswerError(
            f"Nothing answers at {place}{': the connection was refused' if refused else ''}. Nothing was lost.",
            Kind.DOWN,
            remedy=_where_is_it(place),
        )
    if isinstance(failure, httpx2.TimeoutException):
        return NoAnswerError(
            f"n8n at {place} did not answer in time. Nothing was lost.",
            Kind.OVERLOADED,
            remedy="The next run continues.",
            reason="it took too long",
        )
    if isinstance(failure, httpx2.TransportError):
        return NoAnswerError(
            f"The connection to n8n at {place} broke. Nothing was lost.",
            Kind.OVERLOADED,
            remedy="The next run continues.",
            reason="the connection broke",
        )
    return broken_off(settings)


def too_large(settings: N8nSettings, limit: int) -> NoAnswerError:
    """The error of an answer that was given up because it is larger than ``limit`` bytes, uncompressed."""
    return NoAnswerError(
        f"n8n at {settings.base_url} answered with more than {size_text(limit)} of data. Nothing was lost.",
        Kind.TOO_LARGE,
        remedy="Check what stands between here and n8n: n8n's own answers are smaller.",
        reason=f"it is larger than {size_text(limit)}",
    )


def unrequested_encoding(settings: N8nSettings) -> NoAnswerError:
    """The error of an answer that is compressed in a way that was not requested."""
    return NoAnswerError(
        f"{settings.base_url} compressed its answer in a way that was not requested. Nothing was lost.",
        Kind.HOPELESS,
        remedy="Let the proxy in front of n8n pass on n8n's answers as they are, or compress them with gzip only.",
    )


_THREE_CAUSES = (
    "Either N8N_BASE_URL or N8N_API_PREFIX is wrong, or n8n's public API is switched off (N8N_PUBLIC_API_DISABLED), "
    "or n8n is still starting: the three look the same from outside."
)
_NO_API = (
    "Either n8n is still starting (wait a minute), or its public API is switched off (N8N_PUBLIC_API_DISABLED), or "
    "N8N_API_PREFIX or the path in N8N_BASE_URL is wrong."
)
_EDITOR = (
    "Is N8N_API_PREFIX right (/api/v1, unless n8n has N8N_PUBLIC_API_ENDPOINT), and does the path in N8N_BASE_URL "
    "belong to the proxy in front of n8n? Otherwise n8n's public API is switched off (N8N_PUBLIC_API_DISABLED), or n8n "
    "is still starting."
)


def _not_n8n(answer: ApiResponse, settings: N8nSettings) -> NoAnswerError:
    if b"starting up" in answer.body[:200]:
        return NoAnswerError(
            f"n8n at {settings.base_url} is still starting. Nothing was lost.", Kind.STARTING, remedy="Wait a minute."
        )
    page, remedy = "", _THREE_CAUSES
    if b"Cannot GET" in answer.body[:2000]:
        page, remedy = " (there is no API at that path)", _NO_API
    elif answer.status == 200 and b"n8n" in answer.body[:2000]:
        page, remedy = " (it shows n8n's own pages)", _EDITOR
    return NoAnswerError(
        f"{settings.base_url}{settings.prefix} answers {answer.status}, but not as n8n's API does{page}.",
        Kind.STARTING,
        remedy=remedy,
    )


def _redirected(answer: ApiResponse, settings: N8nSettings) -> TicktrailError:
    """A redirect is not followed: it would take the key to another place."""
    asked = settings.base_url + settings.prefix
    target = urlsplit(urljoin(f"{asked}/executions", answer.headers.get("location", "")))
    address = f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}"
    found = re.match(rf"(.*){re.escape(settings.prefix)}/(?:executions|workflows)\b", address)
    if found and found[1] != settings.base_url:
        return SourceRefusedError(
            f"n8n is not at {settings.base_url}: from there it leads to {found[1]}.",
            remedy=f"Set N8N_BASE_URL={found[1]}",
        )
    return SourceRefusedError(
        f"{settings.base_url} leads to {target.scheme}://{target.hostname}, which looks like a login page.",
        remedy=(
            f"Let {settings.prefix} through without that login, or give what it asks for in N8N_HEADERS, "
            "or in N8N_BASIC_USER and N8N_BASIC_PASS."
        ),
    )


def _unauthorized(answer: ApiResponse, settings: N8nSettings) -> TicktrailError:
    if answer.headers.get("www-authenticate", "").lower().startswith("basic"):
        given = settings.basic_user is not None
        return SourceRefusedError(
            f"What stands in front of n8n at {settings.base_url} "
            + ("refused N8N_BASIC_USER and N8N_BASIC_PASS." if given else "asks for a user name and a password."),
            remedy="Set N8N_BASIC_USER and N8N_BASIC_PASS to what it asks for.",
        )
    make_one = f"Make a new one at {settings.editor_url or settings.base_url}/settings/api, then: ticktrail init"
    if settings.api_key is None:
        return UnauthorizedError("n8n asks for an API key, and N8N_API_KEY is not set.", remedy=make_one)
    return UnauthorizedError("n8n refused the key. Nothing was lost.", remedy=make_one)


def _forbidden(answer: ApiResponse, settings: N8nSettings) -> TicktrailError:
    if not answer.is_json:
        return SourceRefusedError(
            f"What stands in front of n8n at {settings.base_url} refused the request (403).",
            remedy=f"Let {settings.prefix} through for this machine, or give what it asks for in N8N_HEADERS.",
        )
    if "execution:reveal" in _message(answer):
        return ForbiddenError(
            "n8n keeps the data of this execution from the key's owner (execution:reveal).",
            remedy="Its owner needs a role in the project that may reveal execution data.",
        )
    return ForbiddenError(
        "n8n's key lacks a scope. Nothing was lost.",
        remedy=f"Make a key with {SCOPES} at {settings.editor_url or settings.base_url}/settings/api, "
        "then: ticktrail init",
    )


def _tls_failed(causes: list[ssl.SSLError], settings: N8nSettings) -> NoAnswerError:
    verification = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if verification is not None:
        return NoAnswerError(
            f"The certificate of {settings.base_url} is not trusted: {verification.verify_message}. Nothing was sent.",
            Kind.HOPELESS,
            remedy="If your company signs its own certificates, name its PEM file in N8N_CA_FILE.",
        )
    return NoAnswerError(
        f"{settings.base_url} does not speak TLS as expected.",
        Kind.HOPELESS,
        remedy="If n8n is reached without TLS, N8N_BASE_URL begins with http://.",
    )


def _where_is_it(place: str) -> str:
    if urlsplit(place).hostname in {"localhost", "127.0.0.1", "::1"}:
        return (
            "Is n8n running there? Inside a container, localhost is the container itself: "
            "use the name of n8n's service, or http://host.docker.internal:5678."
        )
    return "Is n8n running, and is the port in N8N_BASE_URL right?"


def _causes(failure: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    cause: BaseException | None = failure
    while cause is not None and cause not in found:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found


def _retry_after(answer: ApiResponse) -> float | None:
    """Seconds to wait, from either form of the header (RFC 9110, 10.2.3)."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _message(answer: ApiResponse) -> str:
    try:
        document = json.loads(answer.body[:65_536])
    except (ValueError, RecursionError):
        return ""
    message = document.get("message") if isinstance(document, dict) else None
    return message if isinstance(message, str) else ""


def _said(answer: ApiResponse, settings: N8nSettings) -> str:
    """n8n's own words in brackets. Node quotes the JSON it could not read: quotations and numbers are left out."""
    message = _message(answer)
    if settings.api_key is not None:
        message = message.replace(settings.api_key.reveal(), "…")
    message = re.sub(r'".*"|"[^"]*$|\d{7,}', "…", " ".join(message.split()))
    return f" ({message[:120]})" if message else ""
