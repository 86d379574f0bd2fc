"""Make reported values safe for stores and terminals.

Anyone can send a webhook. A store refuses NUL, lone surrogates (Node writes them where it cuts a text), large numbers
and odd keys; control characters could move the cursor of a terminal. Pure; accepts any JSON value without raising.
"""

from __future__ import annotations

import math
import re
from typing import Any

_LONGEST_KEY = 64
"""Longest key of a stored object. Keys are identifiers: dollar, dot and NUL have a meaning in stores."""

INT64 = 2**63
"""One more than the greatest integer that a store can hold."""


def clean_text(text: str) -> str:
    """Return the text without NUL, lone surrogates and the separator of keys, which a store cannot hold."""
    if text.isascii() and text.isprintable():
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd").replace("\x1f", "\ufffd")


_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]+")
"""Control characters, line separators, marks that change the writing direction, and lone surrogates."""


_RAW_IN_JSON = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def escape_json(text: str) -> str:
    """Return JSON with C1 controls and direction marks escaped, which JSON allows and a terminal obeys."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _RAW_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def without_controls(text: str) -> str:
    """Return the text with every control character and direction mark replaced; tabs and line breaks stay."""
    if text.isascii() and text.isprintable():
        return text
    return _CONTROLS.sub("\ufffd", text)


def one_line(text: str, longest: int = 300) -> str:
    """Return the text on one line, without characters that move the cursor or change the direction, and cut."""
    text = text[: 2 * longest]
    if not (text.isascii() and text.isprintable()):
        text = " ".join(_UNSEEN.sub(" ", text).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def clean_object(value: object) -> dict[str, Any] | None:
    """Return a reported object with only values that every store can hold, and its keys sorted."""
    cleaned = _clean(value, 4) if isinstance(value, dict) else None
    return cleaned if isinstance(cleaned, dict) and cleaned else None


def _clean(value: object, depth: int) -> object:
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else clean_text(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -INT64 <= value < INT64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if depth <= 0:
        return None
    if isinstance(value, dict):
        cleaned: dict[str, object] = {}
        for key in sorted(value):
            if key.isascii() and key.isidentifier() and len(key) <= _LONGEST_KEY:
                item = value[key]
                plain = item is True or item is False or (type(item) is str and item.isascii() and item.isprintable())
                cleaned[key] = item if plain else _clean(item, depth - 1)
        return cleaned
    if isinstance(value, list):
        return [_clean(item, depth - 1) for item in value[:100]]
    return None
