"""Decode JSON that others wrote: Node cuts texts in the middle of a character, which strict decoders refuse."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec


def decode_json(raw: bytes | msgspec.Raw) -> Any:
    """Return a JSON value from its text, or None when it cannot be read."""
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        pass
    try:
        return load_leniently(bytes(raw))
    except (ValueError, RecursionError):
        return None


def load_leniently(raw: bytes) -> Any:
    """Return a JSON value whose texts may be broken and whose numbers may be out of range."""
    return json.loads(raw.decode("utf-8", "replace"), parse_int=_integer, parse_float=_number, parse_constant=_nothing)


def _integer(digits: str) -> int | None:
    return int(digits) if len(digits) < 400 else None


def _number(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _nothing(_: str) -> None:
    """Replace NaN and the infinities, which JSON does not have, by null."""
