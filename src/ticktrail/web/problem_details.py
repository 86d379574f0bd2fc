"""Error answers as ``application/problem+json``.

See: https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ticktrail.errors import ConfigurationError, NotFoundError, SettingsError, StoreUnavailableError, TicktrailError
from ticktrail.text.masking import mask_locations, mask_text
from ticktrail.web.roles import Role, role_of
from ticktrail.web.store_pool import BusyError

MEDIA_TYPE = "application/problem+json"

RETRY_SECONDS = 5


class Problem(Exception):  # noqa: N818 - what RFC 9457 calls it
    """A request cannot be answered; becomes an answer with this status."""

    def __init__(
        self, status: int, detail: str, *, remedy: str = "", name: str | None = None, retry_seconds: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = None if retry_seconds is None else {"Retry-After": str(retry_seconds)}
        self.remedy = remedy
        self.name = name


def problem(
    status: int, detail: str, *, remedy: str = "", name: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """Build an error answer.

    Args:
        name: the parameter, header or setting that is wrong, if it is one.
    """
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "name": name,
        "remedy": remedy or None,
    }
    filled = {key: value for key, value in document.items() if value is not None}
    return Response(json.dumps(filled, ensure_ascii=True).encode(), status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every error of an app as problem+json."""
    app.add_exception_handler(Problem, _of_problem)
    app.add_exception_handler(TicktrailError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)


def of_error(error: TicktrailError, role: Role | None) -> Response:
    """Build the answer for one of Ticktrail's errors.

    Errors of the store and the settings name hosts and folders, so only the ``full`` role sees their text.
    """
    detail, remedy = str(error), error.remedy
    retry = {"Retry-After": str(RETRY_SECONDS)}
    if isinstance(error, BusyError):
        return problem(503, detail, remedy=remedy, headers=retry)
    if role is not Role.FULL:
        detail, remedy = (mask_locations(mask_text(text)) for text in (detail, remedy))
    if isinstance(error, ConfigurationError) and not isinstance(error, SettingsError):
        return problem(400, _as_parameters(detail), remedy=_as_parameters(remedy))
    if isinstance(error, NotFoundError):
        return problem(404, detail, remedy=remedy)
    headers = retry if isinstance(error, StoreUnavailableError) else None
    if role is Role.FULL:
        return problem(503, detail, remedy=remedy, headers=headers)
    general = "The settings cannot be used." if isinstance(error, SettingsError) else "The store did not answer."
    return problem(503, general, remedy="Ask the person who runs Ticktrail.", headers=headers)


def _as_parameters(text: str) -> str:
    """Name options as parameters: ``--not-read`` is ``not_read``."""
    return re.sub(r"--([a-z-]+)", lambda match: match[1].replace("-", "_"), text)


async def _of_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class
    return problem(error.status, str(error), remedy=error.remedy, name=error.name, headers=error.headers)


async def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, TicktrailError)  # noqa: S101 - registered for this class
    return of_error(error, role_of(request))


async def _of_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    first = error.errors()[0]
    name = next((str(part) for part in first["loc"][1:]), "request")[:60]
    if first["type"] == "extra_forbidden":
        return problem(
            400, f"{name!r} is not a parameter of this path.", name=name, remedy="See /api/v1/docs for its parameters."
        )
    return problem(400, f"{name}: {first['msg'][:300]}.", name=name, remedy="See /api/v1/docs for valid values.")


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    remedy = "See /api/v1/docs for the paths of the API." if request.url.path.startswith("/api/") else ""
    return problem(error.status_code, str(error.detail), remedy=remedy, headers=error.headers)


async def of_bug(_: Request, __: Exception) -> Response:
    """Build the answer for an unexpected error. Starlette raises it again, so that it is logged with its traceback."""
    return problem(500, "An error in Ticktrail.", remedy="The log of the server shows the details.")
