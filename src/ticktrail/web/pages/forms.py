"""Fields of forms: read them, and show conditions in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request

from ticktrail.errors import TicktrailError
from ticktrail.queries.condition import Condition
from ticktrail.web.pages.command_texts import error_text
from ticktrail.web.pages.context import Visitor
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import mark
from ticktrail.web.pages.url_filters import field_name
from ticktrail.web.problem_details import Problem

LONGEST = 200
_LARGEST = 32_768


async def fields_of(request: Request) -> dict[str, str]:
    """The fields of a small form, each once.

    Raises:
        Problem: the form is too large.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LARGEST:
            raise Problem(413, "The form is too large.")
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=60)
    except ValueError:
        raise Problem(400, "The form has too many fields.") from None
    return {name: values[0] for name, values in fields.items()}


def shown_value(name: str, value: str, visitor: Visitor) -> str:
    """A condition as a field shows it: moments that links wrote as Unix seconds as people read them."""
    if name in {"since", "until"} and value.isascii() and value.isdigit() and len(value) == 10:
        moment = datetime.fromtimestamp(int(value), visitor.site.zone)
        if not moment.second:
            return f"{moment:%Y-%m-%dT%H:%M}"
    return visitor.text(value, LONGEST) if visitor.masked else value


def typed_value(name: str, before: str, typed: str, visitor: Visitor) -> str:
    """The condition a field means: as it was when its text was not changed, else what was typed."""
    return before if typed == shown_value(name, before, visitor) else typed.strip()[:LONGEST]


def labels(fields: Mapping[str, tuple[str, str]]) -> Callable[[Condition[Any]], str]:
    """Return the function that names a condition as its field on the page does."""
    named = {**{name: label for name, (label, _hint) in fields.items()}, "error": mark("Failure code")}
    return lambda condition: _(named[field_name(condition)]) if field_name(condition) in named else condition.address


def problem(visitor: Visitor, error: TicktrailError) -> dict[str, str]:
    """Return an error of a typed condition for the page of its list."""
    return {
        "title": error_text(visitor.text(error, 600)), "hint": error_text(visitor.text(error.remedy or "", 600)),
    }  # fmt: skip


def codes(text: str) -> tuple[str, ...]:
    """The failure codes in a field."""
    return tuple(text.replace(",", " ").split())[:20]


def query_given(query: str) -> dict[str, list[str]]:
    """The conditions of an address that a form carries along."""
    try:
        return parse_qs(query[:8_000], max_num_fields=100)
    except ValueError:
        return {}
