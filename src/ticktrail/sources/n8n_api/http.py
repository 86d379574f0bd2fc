"""Send requests to n8n over HTTP, one at a time, with retries.

:mod:`ticktrail.sources.n8n_api.errors` says what a response means. No key, password or header of the user appears in a
message, a ``repr`` or a log line.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec
import stamina

from ticktrail import __version__
from ticktrail.errors import ConfigurationError
from ticktrail.settings.settings import N8nSettings
from ticktrail.sources import LARGEST_EXECUTION
from ticktrail.sources.n8n_api.errors import (
    ApiResponse,
    BadRequestError,
    FailureKind,
    NoAnswerError,
    broken_off,
    fault_in,
    fault_of,
    other_application,
    too_large,
    unrequested_encoding,
)

T = TypeVar("T")

_ENCODINGS = {"", "identity", "gzip"}
"""Encodings that are decoded. Two in a row (``gzip, gzip``) would decompress a kilobyte to a gigabyte."""

# Without a handler, logging would print every retry on stderr.
logging.getLogger("stamina").addHandler(logging.NullHandler())


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to wait for a connection, for the next bytes, and for a whole response."""

    connect: float = 10.0
    read: float = 60.0
    whole: float = 300.0


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of repeating a request. Times are in seconds.

    Attributes:
        attempts: maximum number, the first included.
        total: no new attempt starts after this time.
        wait_initial: before the second attempt; doubles each time up to ``wait_max``, plus up to ``wait_jitter``.
        retry_after_max: the longest ``Retry-After`` that is honoured.
        starting: how long another answer than n8n's is accepted (n8n takes up to a minute to start).
    """

    attempts: int = 8
    total: float = 180.0
    wait_initial: float = 0.5
    wait_max: float = 15.0
    wait_jitter: float = 1.0
    retry_after_max: float = 60.0
    starting: float = 60.0


class ApiRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A GET request.

    Attributes:
        path: below the API's prefix.
        optional: parameters that older releases refuse; left out after n8n refused them.
        gzip: request compression.
        overload_attempts: number of attempts where a smaller request may work, instead of the usual number.
        max_bytes: abort a response that is larger, uncompressed.
    """

    path: str
    parameters: Mapping[str, str] = {}
    optional: Mapping[str, str] = {}
    gzip: bool = True
    overload_attempts: int | None = None
    max_bytes: int = LARGEST_EXECUTION


class N8nHttp:
    """A connection to n8n's public API that is kept open between requests.

    Attributes:
        requests: how many were sent.
        date: the ``Date`` header of the last response, and when it arrived (Unix seconds of this machine's clock).
    """

    def __init__(
        self,
        settings: N8nSettings,
        *,
        transport: httpx2.BaseTransport | None = None,
        timeouts: Timeouts | None = None,
        retry_policy: RetryPolicy | None = None,
    ) -> None:
        self.settings = settings
        self._timeouts = timeouts or Timeouts()
        self._retry_policy = retry_policy or RetryPolicy()
        self._unknown_parameters: set[str] = set()
        self._client = _client(settings, self._timeouts, transport)
        self.requests = 0
        self.date: tuple[str | None, float] | None = None

    def __repr__(self) -> str:
        return f"N8nHttp({self.settings.base_url!r})"

    def knows(self, parameter: str) -> bool:
        """Return False after this n8n refused a query parameter."""
        return parameter not in self._unknown_parameters

    def ask(self, request: ApiRequest, read: Callable[[ApiResponse], T]) -> T:
        """Send a request until ``read`` accepts the response.

        ``read`` raises :class:`msgspec.ValidationError` for JSON of another shape than n8n's, and :class:`ValueError`
        for text that is not JSON.

        Raises:
            NoAnswerError: n8n did not answer, or not as n8n, in any attempt.
            MissingError: 404.
            BadRequestError: 400.
            SourceRefusedError: n8n, or a proxy in front of it, refused.
        """
        while True:
            try:
                return self._ask_with_retries(request, read)
            except BadRequestError as error:
                name = error.unknown_parameter
                if name is None or name not in request.optional or not self.knows(name):
                    raise
                self._unknown_parameters.add(name)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _ask_with_retries(self, request: ApiRequest, read: Callable[[ApiResponse], T]) -> T:
        retry_policy = self._retry_policy
        started = time.monotonic()
        attempts = 0

        def wait_before_next(error: Exception) -> bool | float:
            nonlocal attempts
            attempts += 1
            if not isinstance(error, NoAnswerError) or error.kind in {FailureKind.HOPELESS, FailureKind.TOO_LARGE}:
                return False
            if error.kind is FailureKind.STARTING:
                return time.monotonic() - started < retry_policy.starting
            fewer = request.overload_attempts if error.smaller_may_work else None
            if attempts >= (fewer or retry_policy.attempts):
                return False
            return True if error.retry_after is None else min(error.retry_after, retry_policy.retry_after_max)

        for attempt in stamina.retry_context(
            on=wait_before_next,
            attempts=None,
            timeout=retry_policy.total,
            wait_initial=retry_policy.wait_initial,
            wait_max=retry_policy.wait_max,
            wait_jitter=retry_policy.wait_jitter,
        ):
            with attempt:
                return self._read(self._ask_once(request), read)
        raise AssertionError("stamina ends with a result or an error")  # pragma: no cover

    def _read(self, response: ApiResponse, read: Callable[[ApiResponse], T]) -> T:
        try:
            return read(response)
        except msgspec.ValidationError:
            raise other_application(self.settings) from None
        except ValueError:
            # The position of the error does not help the user.
            raise broken_off(self.settings) from None

    def _ask_once(self, request: ApiRequest) -> ApiResponse:
        started = time.monotonic()
        known = {name: value for name, value in request.optional.items() if self.knows(name)}
        chunks: list[bytes] = []
        length = 0
        self.requests += 1
        try:
            with self._client.stream(
                "GET",
                f"{self.settings.base_url}{self.settings.prefix}{request.path}",
                params={**request.parameters, **known},
                headers={"accept-encoding": "gzip" if request.gzip else "identity"},
            ) as response:
                self.date = (response.headers.get("date"), time.time())
                if response.headers.get("content-encoding", "identity").lower() not in _ENCODINGS:
                    raise unrequested_encoding(self.settings)
                for chunk in response.iter_bytes():
                    chunks.append(chunk)
                    length += len(chunk)
                    if length > request.max_bytes:
                        raise too_large(self.settings, request.max_bytes)
                    if time.monotonic() - started > self._timeouts.whole:
                        raise httpx2.ReadTimeout("the whole response took too long")
        except httpx2.HTTPError as failure:
            raise fault_of(failure, self.settings) from failure
        answer = ApiResponse(
            status=response.status_code,
            headers=response.headers,
            body=b"".join(chunks),
            size=response.num_bytes_downloaded,
            seconds=time.monotonic() - started,
        )
        fault = fault_in(answer, self.settings)
        if fault is not None:
            raise fault
        return answer


def _client(settings: N8nSettings, timeouts: Timeouts, transport: httpx2.BaseTransport | None) -> httpx2.Client:
    headers = [(name, value.reveal()) for name, value in settings.headers]
    headers += [("user-agent", f"ticktrail/{__version__}"), ("accept", "application/json")]
    if settings.api_key is not None:
        headers.append(("x-n8n-api-key", settings.api_key.reveal()))
    try:
        return httpx2.Client(
            auth=(
                None
                if settings.basic_user is None
                else (settings.basic_user, settings.basic_pass.reveal() if settings.basic_pass else "")
            ),
            headers=headers,
            timeout=httpx2.Timeout(timeouts.read, connect=timeouts.connect),
            # n8n closes an idle connection after 5 s.
            limits=httpx2.Limits(max_connections=1, keepalive_expiry=4.0),
            verify=_trust(settings),
            # A proxy cannot reach this machine's own addresses.
            trust_env=urlsplit(settings.base_url).hostname not in {"localhost", "127.0.0.1", "::1"},
            follow_redirects=False,
            transport=transport,
        )
    except (ValueError, ImportError, httpx2.InvalidURL):
        # The cause is hidden: it may contain the proxy's password.
        raise ConfigurationError(
            "The proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used.",
            remedy="It should look like http://proxy.example.com:3128. Or add n8n's host to NO_PROXY.",
        ) from None


def _trust(settings: N8nSettings) -> ssl.SSLContext | bool:
    """Return the system's certificates together with those of N8N_CA_FILE."""
    if settings.ca_file is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"N8N_CA_FILE names {settings.ca_file}, which contains no readable certificate.",
            remedy="It should be a PEM file: lines between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----.",
        ) from error
    return context
