"""One thing that needs somebody: what it is, whom it concerns, since when, what to do. And the rules' thresholds.

Pure. Numbers in the texts are masked and names from outside are cut to a line, so that an alert can be sent anywhere.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Literal

import msgspec

from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.text.masking import mask_text
from ticktrail.text.sanitizing import one_line

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400


class Kind(enum.StrEnum):
    """What sort of thing it is; ``off`` in the settings may name one."""

    FAILING = "failing"
    STUCK = "stuck"
    DELIVERY = "delivery"
    SILENCE = "silence"
    SYNC = "sync"
    WITHHELD = "not_shown"
    GAP = "gap"
    KEY = "key"


ABOUT_MESSAGES = frozenset({Kind.FAILING, Kind.STUCK, Kind.DELIVERY, Kind.SILENCE})
"""What only a ledger that is up to date can tell: while no sync comes through, such an alert is not over."""

Urgency = Literal["urgent", "warning"]
"""``warning`` may wait until quiet hours are over."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One cause.

    Attributes:
        key: the same as long as the cause is the same; short enough to be typed.
        title: what it is, in a few words.
        says: how many, since when, compared with before: a sentence or two.
        remedy: what to do.
        messages: how many messages or sends it concerns; ``people`` how many recipients, exactly or (with
            ``people_at_most``) at most.
        before: how many messages it concerned in the span of the same length before; None where that says nothing.
        since_timestamp: of the first of them, Unix seconds.
        listing: the messages or sends behind it; of messages those that are counted, so none to groups and no tests.
    """

    key: str
    kind: Kind
    urgency: Urgency
    title: str
    says: str
    remedy: str
    messages: int | None = None
    people: int | None = None
    people_at_most: bool = False
    before: int | None = None
    since_timestamp: int | None = None
    listing: MessageFilter | SendFilter | None = None


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """When something is worth an alert. Durations in seconds, rates from 0 to 1.

    Attributes:
        window: failures so young are looked at.
        at_least: messages below which no rate means anything.
        rate: share of messages from which a code that counts by rate is worth an alert; ``rates`` by code.
        stuck_after: one tick for so long is long; ``stuck_rate``: a share of messages from which it is worth an alert.
        delivery_drop: so much less delivered than a week before, in parts of all.
        silence_after: no status for so long although messages were accepted.
        silence_factor: no status for so many times the longest pause of the last fourteen days.
        sync_after: no sync that came through for so long.
        off: kinds, codes and keys that are never worth an alert.
        quiet: minutes of the day in which warnings wait, from and to; None for never.
        remind_after: tell again of what still fires after so long; None for never.
    """

    window: int = DAY_SECONDS
    at_least: int = 20
    rate: float = 0.1
    rates: Mapping[str, float] = {}
    stuck_after: int = DAY_SECONDS
    stuck_rate: float = 0.1
    delivery_drop: float = 0.1
    silence_after: int = 2 * HOUR_SECONDS
    silence_factor: float = 1.5
    sync_after: int = 2 * HOUR_SECONDS
    off: frozenset[str] = frozenset()
    quiet: tuple[int, int] | None = None
    remind_after: int | None = None

    def is_quiet(self, moment: datetime) -> bool:
        """Whether warnings wait at this moment, told in the zone of the quiet hours."""
        if self.quiet is None:
            return False
        begin, end = self.quiet
        minute = moment.hour * 60 + moment.minute
        return begin <= minute < end if begin <= end else minute >= begin or minute < end


def key_of(label: str, *parts: object) -> str:
    """A key that is the same for the same cause: its label, and six hexadecimal digits of what else it is made of."""
    if not any(parts):
        return label
    told = "\x1f".join("" if part is None else str(part) for part in parts)
    return f"{label}-{hashlib.sha256(told.encode('utf-8', 'replace')).hexdigest()[:6]}"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """``1 message``, ``2,000 messages``."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


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
