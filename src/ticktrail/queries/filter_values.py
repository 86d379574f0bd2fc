"""Values of filter conditions, parsed from text and written back."""

from __future__ import annotations

from datetime import UTC, datetime

from ticktrail.errors import ConfigurationError
from ticktrail.messages.filters import STATUSES
from ticktrail.text.phone_numbers import person_id

LARGEST_CODE = 10**18 - 1
"""Greatest failure code that is accepted; Meta's codes have at most seven digits."""

LARGEST_LIMIT = 1_000_000_000
"""Greatest accepted number of results; stores take signed 64-bit integers."""

_LAST_MOMENT = 253_402_300_799
"""The end of the year 9999, where Python's calendar ends."""


def parse_code(text: str) -> int:
    """Return the failure code in a text such as ``131026`` or ``#131026``.

    Raises:
        ConfigurationError: the text is not a whole number from 0 to :data:`LARGEST_CODE`.
    """
    digits = text.strip().lstrip("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise ConfigurationError(
            f"{text[:20]!r} is not a failure code.", remedy="Codes are whole numbers, such as 131026."
        )
    return int(digits)


def parse_status(text: str) -> str:
    """Return a message status in lower case.

    Raises:
        ConfigurationError: Meta reports no such status.
    """
    status = text.strip().lower()
    if status not in STATUSES:
        raise ConfigurationError(f"{text[:20]!r} is not a message status.", remedy=f"Use {', '.join(STATUSES)}.")
    return status


def parse_limit(text: str) -> int:
    """Return a number of results.

    Raises:
        ConfigurationError: the text is not a whole number from 1 to :data:`LARGEST_LIMIT`.
    """
    digits = text.strip()
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else 0
    if not 1 <= number <= LARGEST_LIMIT:
        raise ConfigurationError(
            f"{text[:20]!r} is not a number of results.", remedy=f"Use a whole number from 1 to {LARGEST_LIMIT:,}."
        )
    return number


def parse_template(text: str) -> tuple[str | None, str | None]:
    """Split ``name/language``; template names contain no slash (Meta's template rules)."""
    name, _, language = text.partition("/")
    return name.strip() or None, language.strip() or None


def number_spellings(text: str) -> tuple[str, ...]:
    """Return a sending number, or its id, as typed and as Meta writes it."""
    return tuple(dict.fromkeys((text.strip(), person_id(text) or text)))


def write_moment(timestamp: int | None) -> str:
    """Write Unix seconds so that :func:`parse_moment` reads them back; times before 1970 become 1970."""
    if timestamp is None:
        return ""
    seconds = max(0, min(timestamp, _LAST_MOMENT))
    if seconds == 0 or len(str(seconds)) in {9, 10}:
        return str(seconds)
    return datetime.fromtimestamp(seconds, UTC).isoformat()
