"""Checks of values in ``ticktrail.toml``. Every error names the file, the table and the key, and shows a good value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ticktrail.errors import ConfigurationError, SettingsError
from ticktrail.text.times import parse_duration

_LONGEST_SECONDS = 30 * 86_400


def check_keys(table: Mapping[str, Any], keys: Iterable[str], where: str, what: str = "key") -> None:
    """Refuse a key that a table does not have, with the most similar one that it has.

    Raises:
        SettingsError: the table has an unknown key.
    """
    keys = tuple(keys)
    for key in table:
        if key not in keys:
            similar = difflib.get_close_matches(key, keys, n=1)
            hint = f"Did you mean {similar[0]}? " if similar else ""
            raise SettingsError(
                f"{where} has an unknown {what} {key[:40]!a}.", remedy=f"{hint}Known: {', '.join(keys)}."
            )


def table_of(value: object, where: str, example: str) -> Mapping[str, Any]:
    """Return a table."""
    if not isinstance(value, Mapping):
        raise SettingsError(f"{where} is not a table.", remedy=f"Write it as {example}")
    return value


def text_of(value: object, where: str, example: str) -> str:
    """Return a text that is not blank, without the spaces around it."""
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{where} is not a text.", remedy=f"Use a text in quotes, such as {example}")
    return value.strip()


def seconds_of(value: object, where: str) -> int:
    """Return a duration from one minute to 30 days in seconds."""
    try:
        seconds = parse_duration(value) if isinstance(value, str) else 0
    except ConfigurationError:
        seconds = 0
    if not 60 <= seconds <= _LONGEST_SECONDS:
        raise SettingsError(
            f"{where} is not a duration between one minute and 30 days.", remedy='Use a text such as "90m" or "24h".'
        )
    return seconds


def share_of(value: object, where: str) -> float:
    """Return a share of messages, above 0 and at most 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise SettingsError(
            f"{where} is not a share of messages.", remedy="Use a number above 0 and at most 1; 0.1 is 10 %."
        )
    return float(value)
