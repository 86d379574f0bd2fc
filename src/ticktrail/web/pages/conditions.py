"""Conditions of a list as they stand in a page's address, whatever the list is of. Pure.

A list's conditions are a frozen struct of texts, lists of texts and truth values; an empty one is no condition. Names
in addresses are those of the command line's options.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from ticktrail.errors import ConfigurationError, NotFoundError
from ticktrail.web.security.url_tokens import UrlTokens

T = TypeVar("T", bound=msgspec.Struct)

_NAMED = frozenset({"who", "after"})
"""Conditions that only links of ours have, never anybody's typing: tokens, as a person's own address has."""

_ALWAYS_SEALED = frozenset({"to"})
"""Whatever is typed there says who somebody is."""

_LONGEST_VALUE = 6_000
_MOST_VALUES = 50
_LAST_MOMENT = 253_402_300_799
"""The end of the year 9999: no calendar here goes further."""


def read_conditions(kind: type[T], given: Mapping[str, list[str]], addresses: UrlTokens) -> T:
    """The conditions an address's query means; what is unknown in it is left aside.

    Raises:
        NotFoundError: a sealed part was sealed by another installation, or what must be sealed is not.
    """
    found: dict[str, Any] = {}
    usual = kind()
    for name in kind.__struct_fields__:
        values = [value for value in given.get(_written(name), []) if value and len(value) <= _LONGEST_VALUE]
        if not values:
            continue
        default = getattr(usual, name)
        if isinstance(default, bool):
            found[name] = values[0] not in {"0", "false", "no"}
            continue
        texts = [_opened(value, addresses, named=name in _NAMED) for value in values]
        found[name] = tuple(texts[:_MOST_VALUES]) if isinstance(default, tuple) else texts[0]
    return kind(**found)


def query_of_conditions(chosen: msgspec.Struct, addresses: UrlTokens) -> str:
    """Conditions as an address's query, without the question mark."""
    parts: list[tuple[str, str]] = []
    for name in chosen.__struct_fields__:
        value = getattr(chosen, name)
        if isinstance(value, bool):
            parts += [(_written(name), "1")] if value else []
            continue
        for text in value if isinstance(value, tuple) else [value]:
            if text:
                parts.append((_written(name), _sealed(name, text, addresses)))
    return urlencode(parts, errors="replace")


def count_conditions(chosen: msgspec.Struct) -> int:
    """How many conditions are set, order and place left aside."""
    return sum(bool(getattr(chosen, name)) for name in chosen.__struct_fields__ if name not in {"sort", "after"})


def code_of(text: str) -> int:
    """A failure code as somebody typed it.

    Raises:
        ConfigurationError: it is none.
    """
    plain = text.strip().lstrip("#")
    if not (plain.isascii() and plain.isdigit() and len(plain) <= 18):
        raise ConfigurationError("That is no failure code.", remedy="Codes are numbers, such as 131026.")
    return int(plain)


def template_of(typed: str, exact: str, language: str) -> tuple[str | None, str | None]:
    """A template's name and language out of ``name/lang`` as typed, or each exactly as it is."""
    name, _, after = typed.partition("/")
    return exact or name.strip() or None, language or after.strip() or None


def typed_template(name: str | None, language: str | None) -> dict[str, Any]:
    """The way back from :func:`template_of`: as one types it where that means the same, else exactly."""
    typed = "/".join(filter(None, (name, language))) if name else ""
    if template_of(typed, "", "") == (name, language):
        return {"template": typed}
    return {"exact_template": name or "", "language": language or ""}


def typed_moment(timestamp: int | None) -> str:
    """Unix seconds as :func:`ticktrail.text.times.parse_moment` takes them; what came before 1970 as its beginning."""
    if timestamp is None:
        return ""
    seconds = max(0, min(timestamp, _LAST_MOMENT))
    if seconds == 0 or len(str(seconds)) in {9, 10}:
        return str(seconds)
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _written(name: str) -> str:
    return name.replace("_", "-")


def _sealed(name: str, text: str, addresses: UrlTokens) -> str:
    if name in _NAMED:
        return f"~{addresses.token(text)}"
    return addresses.sealed(text) if name in _ALWAYS_SEALED else addresses.value(text)


def _opened(value: str, addresses: UrlTokens, *, named: bool) -> str:
    text = addresses.text(value.removeprefix("~")) if named else addresses.opened(value)
    if text is None:
        raise NotFoundError(
            "A part of this address was made by another installation, or was cut off.",
            remedy="Copy the whole address again, or look for the person anew.",
        )
    return text
