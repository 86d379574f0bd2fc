"""JSON values as JavaScript's values: truth, texts, numbers and JSON.

Strings, numbers, booleans, null, arrays and objects are Python's. What differs from JavaScript in a way that matters
here, or is rarely used, is unknown rather than approximated.

Pure. See: https://tc39.es/ecma262/
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Final

LONGEST_TEXT: Final = 100_000
MOST_VALUES: Final = 5_000
"""Longer texts and larger values are unknown: they bound the work that one expression can cause."""


class Unknown(Exception):  # noqa: N818 - an answer, not an error
    """The value of an expression is unknown."""


class JavaScriptError(Exception):
    """JavaScript would throw a TypeError here."""


class Dynamic:
    """An object of n8n whose members are looked up when they are asked for."""

    def __init__(self, find: Callable[[str], Any]) -> None:
        """Take a function that returns a member by name, or raises Unknown."""
        self.find = find


class _Marker:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


UNDEFINED: Final = _Marker("undefined")
UNKNOWN: Final = _Marker("unknown")


def truth(value: Any) -> bool:
    """Return JavaScript's truth of a value."""
    if isinstance(value, (dict, list)):
        return True
    return False if value is UNDEFINED else bool(value)


def to_text(value: Any) -> str:
    """Return ``String(value)``."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, (int, float)):
        return _number_text(value)
    if isinstance(value, list):
        return ",".join("" if item is None or item is UNDEFINED else to_text(item) for item in value)
    raise Unknown


def _number_text(value: float) -> str:
    if not float(value).is_integer():
        if not math.isfinite(value) or not 1e-6 <= abs(value) < 1e15:
            raise Unknown
        return repr(value)
    if abs(value) >= 10**21:
        raise Unknown
    return str(int(value))


def to_number(value: Any) -> float:
    """Return ``Number(value)``, where it is a number."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})\s*", value, re.ASCII):
        number = float(value)
        return int(number) if number.is_integer() else number
    raise Unknown


def stringify(value: Any) -> str:
    """Return ``JSON.stringify(value)``."""
    try:
        text = json.dumps(_plain(value, [0]), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError, TypeError):
        raise Unknown from None
    if len(text) > LONGEST_TEXT:
        raise Unknown
    return text


def _plain(value: Any, count: list[int]) -> Any:
    """Return a value as JSON keeps it: without undefined members."""
    count[0] += 1
    if count[0] > MOST_VALUES:
        raise Unknown
    if isinstance(value, dict):
        return {key: _plain(item, count) for key, item in value.items() if item is not UNDEFINED}
    if isinstance(value, list):
        return [None if item is UNDEFINED else _plain(item, count) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise Unknown


def limited(text: str) -> str:
    """Return the text; raises Unknown when it is too long to go on with."""
    if len(text) > LONGEST_TEXT:
        raise Unknown
    return text
