"""Numbers, durations, sizes and dates in words, the same on every face."""

from __future__ import annotations

from datetime import datetime, tzinfo

from ticktrail.text.masking import mask_text
from ticktrail.text.sanitizing import one_line


def plural(count: int, noun: str, nouns: str = "") -> str:
    """A count with its noun: ``1 message``, ``2,000 messages``, ``3 statuses``."""
    return f"{count:,} {noun if count == 1 else nouns or noun + ('es' if noun.endswith('s') else 's')}"


def people_text(count: int | None, *, at_most: bool = False) -> str:
    """``to 31 people``; empty when nobody is known."""
    if not count:
        return ""
    return f"to {'at most ' if at_most and count > 1 else ''}{plural(count, 'person', 'people')}"


def outside(text: str, longest: int = 60) -> str:
    """A name from outside, fit for a sentence that may be sent anywhere."""
    return mask_text(one_line(text, longest))


def when(timestamp: int, now: datetime, zone: tzinfo) -> str:
    """A moment as one says it: ``14:32``, ``yesterday 14:32``, ``15 Nov 14:32``."""
    moment, today = datetime.fromtimestamp(timestamp, zone), now.astimezone(zone).date()
    days = (today - moment.date()).days
    if days == 0:
        return f"{moment:%H:%M}"
    return f"yesterday {moment:%H:%M}" if days == 1 else f"{moment.day} {moment:%b %H:%M}"


def span(seconds: float) -> str:
    """A length of time in one unit, rounded down: ``45 min``, ``26 h``, ``3 days``."""
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2_880 else f"{minutes // 1_440} days"


def spell_seconds(seconds: float) -> str:
    """A duration in the unit people would take: ``45 seconds``, ``20 minutes``, ``5 hours``, ``14 days``."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{int(seconds // size):,} {unit}s"
    count = max(1, int(seconds))
    return f"{count} second{'' if count == 1 else 's'}"


def short_time(text: str) -> str:
    """An instant as n8n writes it, to the minute."""
    return text[:16].replace("T", " ")


def size_text(size: int) -> str:
    """Bytes in the unit that suits them."""
    for unit in ("bytes", "kB", "MB"):
        if size < 1_000:
            return f"{size:,.0f} {unit}"
        size = round(size / 1_000)
    return f"{size:,} GB"
