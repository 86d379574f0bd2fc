"""Parse times and durations as users type them: ``2h``, ``yesterday``, ``2026-11-22``, Unix seconds.

Pure: the current time and the time zone are arguments.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from ticktrail.errors import ConfigurationError

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?:\d{1,9}\s*[smhdw]\s*)+")
_PART = re.compile(r"(\d+)\s*([smhdw])")

_MOMENT_EXAMPLES = (
    "Use one of: 2h, 3d, 30m, 1w, today, yesterday, now, 2026-11-22, 2026-11-22T14:30, 2026-11-22T14:30+03:00, "
    "1795355171."
)
_DURATION_EXAMPLES = "Use one of: 30s, 45m, 1h, 1h30m, 2d, 1w."


def parse_moment(text: str, now: datetime, zone: ZoneInfo) -> int:
    """Return the time that a text means, in Unix seconds.

    Accepts Unix seconds (9 or 10 digits, or ``0``) and milliseconds (13), ISO 8601 dates and date-times (in
    ``zone`` unless they name another; a date is its first second), a duration back from ``now`` (a time-zone-aware
    instant; a day is 24 hours), and ``now``, ``today`` and ``yesterday`` (their first second in ``zone``).

    Raises:
        ConfigurationError: the text is none of these.
    """
    plain = _plain(text)
    if plain == "now":
        return int(now.timestamp())
    if plain in {"today", "yesterday"}:
        day = now.astimezone(zone).date() - timedelta(days=plain == "yesterday")
        return int(datetime.combine(day, time(), zone).timestamp())
    if plain.isascii() and plain.isdigit() and len(plain) in {1, 9, 10, 13}:
        if len(plain) > 1:
            return int(plain[:10])
        if plain == "0":
            return 0
    if _DURATION.fullmatch(plain):
        return max(0, int(now.timestamp()) - _seconds(plain))
    try:
        moment = datetime.fromisoformat(plain.upper())
        return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()))
    except (ValueError, OverflowError):
        raise ConfigurationError(f"{_shown(text)} is not a time.", remedy=_MOMENT_EXAMPLES) from None


def parse_duration(text: str) -> int:
    """Return a duration such as ``90s``, ``45m``, ``1h``, ``2d``, ``1w`` or ``1h30m`` in seconds, at least one.

    Raises:
        ConfigurationError: the text is malformed, has no unit, or means zero.
    """
    plain = _plain(text)
    seconds = _seconds(plain) if _DURATION.fullmatch(plain) else 0
    if seconds < 1:
        raise ConfigurationError(f"{_shown(text)} is not a duration.", remedy=_DURATION_EXAMPLES)
    return seconds


def _seconds(plain: str) -> int:
    return sum(int(count) * _UNIT_SECONDS[unit] for count, unit in _PART.findall(plain))


def _plain(text: str) -> str:
    """Return the text trimmed, in lower case, and with ASCII digits for any script's."""
    return "".join(
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in text.strip().lower()
    )


def _shown(text: str) -> str:
    """Return the text for a message: short, and without what may be a phone number."""
    return repr(re.sub(r"\d{9,}", "…", text if len(text) <= 40 else text[:39] + "…"))
