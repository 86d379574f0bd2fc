"""One format for each kind of value: counts, shares, durations, sizes, dates. Every face uses these functions."""

from __future__ import annotations

from datetime import datetime, tzinfo

from ticktrail.text.masking import mask_text
from ticktrail.text.sanitizing import one_line


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return a count with its noun: ``1 message``, ``2,000 messages``, ``3 statuses``."""
    return f"{count:,} {noun if count == 1 else nouns or noun + ('es' if noun.endswith('s') else 's')}"


def people_text(count: int | None, *, at_most: bool = False) -> str:
    """Return ``to 31 people``; empty when their number is zero or unknown."""
    if not count:
        return ""
    return f"to {'at most ' if at_most and count > 1 else ''}{plural(count, 'person', 'people')}"


def safe_name(text: str, longest: int = 60) -> str:
    """Return a name that someone else chose, on one line and masked, for a sentence that is sent to other services."""
    return mask_text(one_line(text, longest))


def percent(share: float) -> str:
    """Return a share as a percentage with one decimal: ``97.1 %``."""
    return f"{share * 100:.1f} %"


def date_time(moment: datetime) -> str:
    """Return an instant to the minute, in its own time zone: ``2026-11-22 14:03``."""
    return f"{moment:%Y-%m-%d %H:%M}"


def recent_time(timestamp: int, now: datetime, zone: tzinfo) -> str:
    """Return a time of the last days in short: ``14:32``, ``yesterday 14:32``, ``15 Nov 14:32``."""
    moment, today = datetime.fromtimestamp(timestamp, zone), now.astimezone(zone).date()
    days = (today - moment.date()).days
    if days == 0:
        return f"{moment:%H:%M}"
    return f"yesterday {moment:%H:%M}" if days == 1 else f"{moment.day} {moment:%b %H:%M}"


def short_duration(seconds: float, *, round_up: bool = False) -> str:
    """Return a duration for tables and numbers: ``0.4 s``, ``12 min``, ``3 h 5 min``, ``24 h``, ``2 d 4 h``.

    The second unit is left out from ten of the first on. Rounded down unless ``round_up``; fractions of seconds are
    shown below ten.
    """
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{int(seconds)} s"
    if seconds < 3_600:
        size, unit, smaller, small_unit = 60, "min", 1, "s"
    elif seconds < 48 * 3_600:
        size, unit, smaller, small_unit = 3_600, "h", 60, "min"
    else:
        size, unit, smaller, small_unit = 86_400, "d", 3_600, "h"
    if round_up:
        step = smaller if seconds < 10 * size else size
        return short_duration(-(-seconds // step) * step)
    count, rest = int(seconds // size), int(seconds % size // smaller)
    return f"{count:,} {unit} {rest} {small_unit}" if rest and count < 10 else f"{count:,} {unit}"


def long_duration(seconds: float) -> str:
    """Return a duration for sentences, in the largest unit that fits twice: ``45 seconds``, ``24 hours``, ``14 days``.

    Rounded down, and at least one second.
    """
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return plural(int(seconds // size), unit)
    return plural(max(1, int(seconds)), "second")


def n8n_time(text: str) -> str:
    """Return an instant as n8n writes it (``2026-11-22T14:03:05.000Z``) to the minute."""
    return text[:16].replace("T", " ")


def size_text(size: int) -> str:
    """Return a number of bytes in the unit that suits it: ``12 kB``."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1_000:
            return f"{size:,.0f} {unit}"
        size = round(size / 1_000)
    return f"{size:,} GB"
