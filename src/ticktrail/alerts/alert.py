"""One thing that needs somebody: what it is, whom it concerns, since when, what to do. And the rules' thresholds.

Pure. Numbers in the texts are masked and names from outside are cut to a line, so that an alert can be sent anywhere.
"""

from __future__ import annotations

import enum
import hashlib
from typing import Literal

import msgspec

from ticktrail.messages.filters import MessageFilter, SendFilter

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400


class AlertKind(enum.StrEnum):
    """What sort of thing it is; ``off`` in the settings may name one."""

    FAILING = "failing"
    UNCONFIRMED = "unconfirmed"
    SELF_ANSWERS = "self_answers"
    STUCK = "stuck"
    DELIVERY = "delivery"
    SILENCE = "silence"
    SYNC = "sync"
    WITHHELD = "not_shown"
    REFUSED = "refused"
    NOT_READ = "not_read"
    GAP = "gap"
    KEY = "key"
    RECEIVER = "receiver"


ABOUT_MESSAGES = frozenset(
    {AlertKind.FAILING, AlertKind.UNCONFIRMED, AlertKind.STUCK, AlertKind.DELIVERY, AlertKind.SILENCE}
)
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
    kind: AlertKind
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


def key_of(label: str, *parts: object) -> str:
    """A key that is the same for the same cause: its label, and six hexadecimal digits of what else it is made of."""
    if not any(parts):
        return label
    told = "\x1f".join("" if part is None else str(part) for part in parts)
    return f"{label}-{hashlib.sha256(told.encode('utf-8', 'replace')).hexdigest()[:6]}"
