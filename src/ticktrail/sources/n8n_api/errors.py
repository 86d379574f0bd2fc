"""Translate responses of n8n, and their absence, into errors that say what happened and what to do.

The cases are those of n8n 1.0 to 2.41, read in its source and observed on running instances, and of proxies in front of
it. Of a body only n8n's ``message`` is repeated, without quotations and long numbers, which are execution data.
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
from ticktrail.sources.n8n_api.echoes import without_secrets
from ticktrail.text.formatting import size_text
from ticktrail.text.sanitizing import one_line

SCOPES = "execution:list, execution:read, workflow:list and workflow:read"
"""The scopes that an API key needs, of those that n8n offers."""


class FailureKind(enum.Enum):
    """Kinds of a missing response, by what to do next."""

    DOWN = "retry soon"
    STARTING = "not an answer of n8n: it may be starting; retry for about a minute"
    OVERLOADED = "retry, or request less"
    FAILED = "n8n failed on this request: retry, or request less"
    TOO_LARGE = "request less"
    HOPELESS = "a retry fails until a person fixes the cause"


class NoAnswerError(SourceUnavailableError):
    """n8n did not answer, or not as n8n.

    Attributes:
        kind: what to do.
        retry_after: seconds to wait, if the response says so.
        reason: the message in a few words, for "n8n did not return its data (…)".
    """

    def __init__(
        self, message: str, kind: FailureKind, *, remedy: str = "", retry_after: float | None = None, reason: str = ""
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.kind = kind
        self.retry_after = retry_after
        self.reason = reason or message

    @property
    def smaller_may_work(self) -> bool:
        """Return True when the same request for fewer executions may succeed."""
        return self.kind in {FailureKind.OVERLOADED, FailureKind.FAILED, FailureKind.TOO_LARGE}


class BadRequestError(SourceRefusedError):
    """n8n answered 400; up to 2.24 also for a page with one unreadable execution.

    Attributes:
        unknown_parameter: the query parameter that this release does not know (n8n names it up to 2.38).
    """

    def __init__(self, message: str, *, unknown_parameter: str | None) -> None:
        super().__init__(message)
        self.unknown_parameter = unknown_parameter


class UnauthorizedError(SourceRefusedError):
    """n8n answered 401: the key is missing, wrong or expired (since 2.39 also: the API is disabled)."""


class ForbiddenError(SourceRefusedError):
    """n8n answered 403: the key is valid but lacks a scope, or its owner a permission."""


class MissingError(SourceRefusedError):
    """n8n answered 404 as JSON: the API exists, the requested object does not."""


class ApiResponse(msgspec.Struct, frozen=True):
    """A response. ``size`` is in bytes as received, ``seconds`` from the request to the last byte."""

    status: int
    headers: httpx2.Headers
    body: bytes
    size: int
    seconds: float

    @property
    def is_json(self) -> bool:
        """Return True when the body begins as a JSON object (a proxy may have dropped the content type)."""
        return self.body[:64].lstrip()[:1] == b"{"


def fault_in(answer: ApiResponse, settings: N8nSettings) -> TicktrailError | None:
    """Return the error that a response means; None for a good one."""
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
            f"n8n's API at {settings.base_url}{settings.prefix} has no such path{said}.",
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
            FailureKind.FAILED if status == 500 else FailureKind.OVERLOADED,
            remedy="See n8n's log.",
            retry_after=_retry_after(answer),
            reason=f"n8n answered {status}{said}",
        )
    if status == 429 or status >= 500:
        return NoAnswerError(
            f"{settings.base_url} answered {status}{said}: n8n is not available. Nothing was lost.",
            FailureKind.DOWN,
            remedy="The next run continues.",
            retry_after=_retry_after(answer),
        )
    return SourceRefusedError(f"{settings.base_url} answered {status}{said}.")


def broken_off(settings: N8nSettings) -> NoAnswerError:
    """Return the error of a good response whose body is not complete JSON."""
    return NoAnswerError(
        f"The response of n8n at {settings.base_url} is truncated or damaged. Nothing was lost.",
        FailureKind.OVERLOADED,
        remedy="The next run continues.",
        reason="the response is damaged",
    )


def other_application(settings: N8nSettings) -> NoAnswerError:
    """Return the error of JSON that does not have n8n's shape."""
    return NoAnswerError(
        f"{settings.base_url}{settings.prefix} answers with JSON, but not as n8n does.",
        FailureKind.STARTING,
        remedy=_THREE_CAUSES,
    )


def fault_of(failure: Exception, settings: N8nSettings) -> NoAnswerError:
    """Return the error of a request without a response."""
    place = settings.base_url
    causes = list(_causes(failure))
    tls = [cause for cause in causes if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError)]
    if tls and isinstance(failure, httpx2.ConnectError):
        return _tls_failed(tls, settings)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        host = urlsplit(place).hostname
        return NoAnswerError(
            f"The host name {host} cannot be resolved. Nothing was lost.",
            FailureKind.DOWN,
            remedy="Is N8N_BASE_URL right? Between containers it is the name of n8n's service.",
        )
    if isinstance(failure, httpx2.ProxyError):
        return NoAnswerError(
            f"The proxy between here and {place} did not let the request through. Nothing was lost.",
            FailureKind.DOWN,
            remedy="HTTPS_PROXY and HTTP_PROXY name it. Add n8n's host to NO_PROXY to bypass it.",
        )
    if isinstance(failure, httpx2.ConnectError | httpx2.ConnectTimeout):
        refused = any(isinstance(cause, ConnectionRefusedError) for cause in causes)
        return NoAnswerError(
            f"Nothing answers at {place}{': the connection was refused' if refused else ''}. Nothing was lost.",
            FailureKind.DOWN,
            remedy=_where_is_it(place),
        )
    if isinstance(failure, httpx2.TimeoutException):
        return NoAnswerError(
            f"n8n at {place} did not answer in time. Nothing was lost.",
            FailureKind.OVERLOADED,
            remedy="The next run continues.",
            reason="it took too long",
        )
    if isinstance(failure, httpx2.TransportError):
        return NoAnswerError(
            f"The connection to n8n at {place} broke. Nothing was lost.",
            FailureKind.OVERLOADED,
            remedy="The next run continues.",
            reason="the connection broke",
        )
    return broken_off(settings)


def too_large(settings: N8nSettings, limit: int) -> NoAnswerError:
    """Return the error of a response that was aborted because it has more than ``limit`` bytes, uncompressed."""
    return NoAnswerError(
        f"n8n at {settings.base_url} answered with more than {size_text(limit)} of data. Nothing was lost.",
        FailureKind.TOO_LARGE,
        remedy="Check what stands between here and n8n: n8n's own answers are smaller.",
        reason=f"it is larger than {size_text(limit)}",
    )


def unrequested_encoding(settings: N8nSettings) -> NoAnswerError:
    """Return the error of a response that is compressed in a way that was not requested."""
    return NoAnswerError(
        f"{settings.base_url} compressed its answer in a way that was not requested. Nothing was lost.",
        FailureKind.HOPELESS,
        remedy="Let the proxy in front of n8n pass on n8n's answers as they are, or compress them with gzip only.",
    )


_THREE_CAUSES = (
    "Either N8N_BASE_URL or N8N_API_PREFIX is wrong, or n8n's public API is switched off (N8N_PUBLIC_API_DISABLED), "
    "or n8n is still starting: all three look the same from outside."
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
            f"n8n at {settings.base_url} is still starting. Nothing was lost.",
            FailureKind.STARTING,
            remedy="Wait a minute.",
        )
    page, remedy = "", _THREE_CAUSES
    if b"Cannot GET" in answer.body[:2000]:
        page, remedy = " (there is no API at that path)", _NO_API
    elif answer.status == 200 and b"n8n" in answer.body[:2000]:
        page, remedy = " (it shows n8n's own pages)", _EDITOR
    return NoAnswerError(
        f"{settings.base_url}{settings.prefix} answers {answer.status}, but not as n8n's API does{page}.",
        FailureKind.STARTING,
        remedy=remedy,
    )


def _redirected(answer: ApiResponse, settings: N8nSettings) -> TicktrailError:
    """Return the error of a redirect. It is not followed, because that would send the key to another host."""
    asked = settings.base_url + settings.prefix
    target = urlsplit(urljoin(f"{asked}/executions", answer.headers.get("location", "")))
    address = f"{target.scheme}://{target.netloc.rpartition('@')[2]}{target.path}"
    found = re.match(rf"(.*){re.escape(settings.prefix)}/(?:executions|workflows)\b", address)
    if found and found[1] != settings.base_url:
        return SourceRefusedError(
            f"n8n is not at {settings.base_url}, which redirects to {found[1]}.",
            remedy=f"Set N8N_BASE_URL={found[1]}",
        )
    return SourceRefusedError(
        f"{settings.base_url} redirects to {target.scheme}://{target.hostname}, which looks like a login page.",
        remedy=(
            f"Allow {settings.prefix} without that login, or set the headers it requires in N8N_HEADERS, "
            "or N8N_BASIC_USER and N8N_BASIC_PASS."
        ),
    )


def _unauthorized(answer: ApiResponse, settings: N8nSettings) -> TicktrailError:
    if answer.headers.get("www-authenticate", "").lower().startswith("basic"):
        given = settings.basic_user is not None
        return SourceRefusedError(
            f"The proxy in front of n8n at {settings.base_url} "
            + ("refused N8N_BASIC_USER and N8N_BASIC_PASS." if given else "asks for a user name and a password."),
            remedy="Set N8N_BASIC_USER and N8N_BASIC_PASS to its user name and password.",
        )
    create_one = f"Create a new one at {settings.editor_url or settings.base_url}/settings/api, then: ticktrail init"
    if settings.api_key is None:
        return UnauthorizedError("n8n asks for an API key, and N8N_API_KEY is not set.", remedy=create_one)
    return UnauthorizedError("n8n refused the key. Nothing was lost.", remedy=create_one)


def _forbidden(answer: ApiResponse, settings: N8nSettings) -> TicktrailError:
    if not answer.is_json:
        return SourceRefusedError(
            f"The proxy in front of n8n at {settings.base_url} refused the request (403).",
            remedy=f"Allow {settings.prefix} for this machine, or set the headers it requires in N8N_HEADERS.",
        )
    if "execution:reveal" in _message(answer):
        return ForbiddenError(
            "The key's owner has no permission to see the data of this execution (execution:reveal).",
            remedy="Give the owner a role in the project that may reveal execution data.",
        )
    return ForbiddenError(
        "n8n's key lacks a scope. Nothing was lost.",
        remedy=f"Create a key with {SCOPES} at {settings.editor_url or settings.base_url}/settings/api, "
        "then: ticktrail init",
    )


def _tls_failed(causes: list[ssl.SSLError], settings: N8nSettings) -> NoAnswerError:
    verification = next((cause for cause in causes if isinstance(cause, ssl.SSLCertVerificationError)), None)
    if verification is not None:
        return NoAnswerError(
            f"The certificate of {settings.base_url} is not trusted: {verification.verify_message}. Nothing was sent.",
            FailureKind.HOPELESS,
            remedy="If your company signs its own certificates, set N8N_CA_FILE to its PEM file.",
        )
    return NoAnswerError(
        f"{settings.base_url} does not speak TLS as expected.",
        FailureKind.HOPELESS,
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
    """Return the seconds to wait, from either form of the header (RFC 9110, 10.2.3)."""
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


_LONGEST_MESSAGE = 2_000


def _said(answer: ApiResponse, settings: N8nSettings) -> str:
    """Return n8n's message in brackets, without quotations and numbers: Node quotes the JSON it could not read."""
    message = without_secrets(one_line(_message(answer), _LONGEST_MESSAGE), settings)
    message = re.sub(r'".*"|"[^"]*$|\d{7,}', "…", message)
    return f" ({message[:120]})" if message else ""
