"""The operators and methods of JavaScript that n8n's expressions commonly use, on JSON values.

Pure. See: https://tc39.es/ecma262/
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import quote

from ticktrail.extraction.javascript_values import (
    LONGEST_TEXT,
    MOST_VALUES,
    UNDEFINED,
    Dynamic,
    JavaScriptError,
    Unknown,
    limited,
    stringify,
    to_number,
    to_text,
    truth,
)


class Pattern:
    """A regular expression of a subset that Python reads the same way, with at most three repetitions."""

    def __init__(self, source: str, flags: str) -> None:
        """Translate it; raises Unknown when it is not of the subset."""
        if len(source) > 100 or not set(flags) <= set("giu") or not _SAFE_PATTERN.fullmatch(source):
            raise Unknown
        if len(re.findall(r"(?<!\\)[*+{]", source)) > 3:
            raise Unknown
        translated = re.sub(r"\\[dDwWs]", lambda escape: _CLASSES[escape[0]], source)
        try:
            self.compiled = re.compile(translated, re.IGNORECASE if "i" in flags else 0)
        except re.error:
            raise Unknown from None
        self.all = "g" in flags


pattern = lru_cache(maxsize=200)(Pattern)

_SAFE_PATTERN = re.compile(
    r"\^?(?:(?:\[\^?(?:\\[dws.+\-()/\]\[@:]|[\w .,:;@+()/*#-])+\]|\\[dDwWs.+\-()/\[\]@:*]|[\w @:,;/=&#<>!-])"
    r"(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})?|\|)*\$?"
)
_CLASSES = {"\\d": "[0-9]", "\\D": "[^0-9]", "\\w": "[A-Za-z0-9_]", "\\W": "[^A-Za-z0-9_]", "\\s": "\\s"}


def unary(operator: str, value: Any) -> Any:
    """Return the result of a unary operator."""
    if operator == "!":
        return not truth(value)
    if operator == "+":
        return to_number(value)
    if operator == "-":
        return -to_number(value)
    raise Unknown


def binary(operator: str, left: Any, right: Any) -> Any:
    """Return the result of a binary operator that evaluates both sides."""
    if operator == "+":
        if _is_number(left) and _is_number(right):
            return left + right
        text = to_text(left) + to_text(right)
        if len(text) > LONGEST_TEXT or not (isinstance(left, str) or isinstance(right, str)):
            raise Unknown
        return text
    if operator in ("===", "!=="):
        same = _same(left, right)
        return same if operator == "===" else not same
    if operator in ("==", "!="):
        nothing = (None, UNDEFINED)
        if left in nothing or right in nothing:
            same = left in nothing and right in nothing
        elif isinstance(left, str) != isinstance(right, str):
            same = to_number(left) == to_number(right)
        else:
            same = _same(left, right)
        return same if operator == "==" else not same
    if operator in ("-", "*"):
        numbers = to_number(left), to_number(right)
        return numbers[0] - numbers[1] if operator == "-" else numbers[0] * numbers[1]
    if operator in ("<", ">", "<=", ">=") and (
        (_is_number(left) and _is_number(right)) or (isinstance(left, str) and isinstance(right, str))
    ):
        return {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[operator]
    raise Unknown


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, (dict, list)) or isinstance(right, (dict, list)):
        raise Unknown  # JavaScript compares identity
    return (isinstance(left, bool) == isinstance(right, bool)) and bool(left == right)


def member(holder: Any, name: Any, *, optional: bool) -> Any:
    """Return ``holder[name]``: a value, or a method as a Python callable."""
    if holder is None or holder is UNDEFINED:
        if optional:
            return UNDEFINED
        raise JavaScriptError
    if isinstance(holder, Dynamic):
        return holder.find(to_text(name))
    if isinstance(holder, dict):
        key = name if isinstance(name, str) else to_text(name)
        if key in holder:
            return holder[key]
        return _OBJECT_METHODS[key](holder) if key in _OBJECT_METHODS else UNDEFINED
    if isinstance(holder, str) and (len(holder) > LONGEST_TEXT or max(holder, default="") > "\uffff"):
        raise Unknown  # JavaScript counts such characters twice
    if isinstance(holder, (str, list)) and (index := _index(name)) is not None:
        return holder[index] if index < len(holder) else UNDEFINED
    if not isinstance(name, str):
        raise Unknown
    if isinstance(holder, (str, list)) and name == "length":
        return len(holder)
    if isinstance(holder, str):
        return _method(_TEXT_METHODS, holder, name)
    if isinstance(holder, list):
        return _method(_LIST_METHODS, holder, name)
    if _is_number(holder) or isinstance(holder, bool):
        return _method(_NUMBER_METHODS, holder, name)
    raise Unknown


def _index(name: Any) -> int | None:
    if _is_number(name) and name >= 0 and float(name).is_integer():
        return int(name)
    return int(name) if isinstance(name, str) and re.fullmatch(r"0|[1-9]\d{0,8}", name, re.ASCII) else None


Methods = dict[str, Callable[..., Any]]


def _method(methods: Methods, holder: Any, name: str) -> Any:
    if name not in methods:
        raise Unknown
    return partial(methods[name], holder)


def call(function: Any, arguments: list[Any]) -> Any:
    """Return what a function returns; raises Unknown for what is no function, or not for these arguments."""
    if not callable(function):
        raise Unknown
    try:
        return function(*arguments)
    except (TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        raise Unknown from None


def _replace(text: str, pattern: Any, by: Any) -> str:
    return _substitute(text, pattern, by, every=False)


def _replace_all(text: str, pattern: Any, by: Any) -> str:
    return _substitute(text, pattern, by, every=True)


def _substitute(text: str, pattern: Any, by: Any, *, every: bool) -> str:
    if not isinstance(by, str) or "$" in by or len(text) > 10_000:
        raise Unknown
    if isinstance(pattern, str):
        return text.replace(pattern, by, -1 if every else 1)
    if not isinstance(pattern, Pattern) or (every and not pattern.all):
        raise Unknown
    return pattern.compiled.sub(lambda _: by, text, count=0 if pattern.all else 1)


def _slice(value: Any, start: Any = 0, end: Any = None) -> Any:
    return value[_whole(start) : None if end is None or end is UNDEFINED else _whole(end)]


def _substring(text: str, start: Any, end: Any = None) -> str:
    bounds = sorted((max(_whole(start), 0), len(text) if end is None else max(_whole(end), 0)))
    return text[bounds[0] : bounds[1]]


def _substr(text: str, start: Any, length: Any = None) -> str:
    begin = _whole(start) if _whole(start) >= 0 else max(len(text) + _whole(start), 0)
    return text[begin:] if length is None else text[begin : begin + max(_whole(length), 0)]


def _whole(value: Any) -> int:
    if not _is_number(value) or not float(value).is_integer():
        raise Unknown
    return int(value)


def _split(text: str, separator: Any) -> list[str]:
    if not isinstance(separator, str):
        raise Unknown
    return text.split(separator) if separator else list(text)


def _pad(text: str, length: Any, fill: Any = " ", *, start: bool) -> str:
    missing = _whole(length) - len(text)
    if missing > 1_000 or not isinstance(fill, str) or not fill:
        raise Unknown
    padding = (fill * max(missing, 0))[: max(missing, 0)]
    return padding + text if start else text + padding


def _at(value: Any, index: Any = 0) -> Any:
    number = _whole(index)
    return value[number] if -len(value) <= number < len(value) else UNDEFINED


def _join(values: list[Any], separator: Any = ",") -> str:
    if not isinstance(separator, str):
        raise Unknown
    if len(values) > MOST_VALUES:
        raise Unknown
    return limited(separator.join("" if item is None or item is UNDEFINED else to_text(item) for item in values))


def _concat(values: list[Any], *more: Any) -> list[Any]:
    joined = values + [item for one in more for item in (one if isinstance(one, list) else [one])]
    if len(joined) > MOST_VALUES:
        raise Unknown
    return joined


def _includes(values: list[Any], wanted: Any) -> bool:
    return any(_same(item, wanted) for item in values if not isinstance(item, (dict, list)))


def parse_json(text: Any) -> Any:
    """Return ``JSON.parse(text)``."""
    try:
        return json.loads(to_text(text))
    except (ValueError, RecursionError):
        raise JavaScriptError from None


def encode_uri_component(value: Any) -> str:
    """Return ``encodeURIComponent(value)``."""
    return quote(to_text(value), safe="!'()*-._~")


_TEXT_METHODS: Methods = {
    "toString": lambda text: text,
    "valueOf": lambda text: text,
    "trim": str.strip,
    "trimStart": str.lstrip,
    "trimEnd": str.rstrip,
    "toLowerCase": str.lower,
    "toUpperCase": str.upper,
    "replace": _replace,
    "replaceAll": _replace_all,
    "slice": _slice,
    "substring": _substring,
    "substr": _substr,
    "split": _split,
    "startsWith": lambda text, start: text.startswith(start),
    "endsWith": lambda text, end: text.endswith(end),
    "includes": lambda text, part: part in text,
    "indexOf": lambda text, part: text.find(part),
    "concat": lambda text, *more: limited(text + "".join(map(to_text, more))),
    "padStart": lambda text, length, fill=" ": _pad(text, length, fill, start=True),
    "padEnd": lambda text, length, fill=" ": _pad(text, length, fill, start=False),
    "at": _at,
    "charAt": lambda text, index=0: text[_whole(index) : _whole(index) + 1],
    "toNumber": to_number,
    "parseJson": parse_json,
}

_LIST_METHODS: Methods = {
    "join": _join,
    "slice": _slice,
    "at": _at,
    "first": lambda values: _at(values, 0),
    "last": lambda values: _at(values, -1),
    "includes": _includes,
    "concat": _concat,
    "toString": to_text,
    "toJsonString": stringify,
}

_NUMBER_METHODS: Methods = {
    "toString": to_text,
    "toNumber": lambda number: number,
}

_OBJECT_METHODS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "toJsonString": lambda holder: lambda: stringify(holder),
}

GLOBALS: Final[dict[str, Any]] = {
    "undefined": UNDEFINED,
    "String": to_text,
    "Number": to_number,
    "encodeURIComponent": encode_uri_component,
    "JSON": {"stringify": lambda value, *_: UNDEFINED if value is UNDEFINED else stringify(value), "parse": parse_json},
    "Object": {"keys": list, "values": lambda value: list(value.values())},
    "Array": {"isArray": lambda value: isinstance(value, list)},
}
"""JavaScript's own names."""
