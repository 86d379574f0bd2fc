"""Alerts: one for each cause, with how many messages it concerns, since when, and what to do.

Pure. Phone numbers in the texts are masked and names from outside fit on a line, so that alerts can be sent anywhere.
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
    """The kind of an alert; ``off`` in the settings may name one."""

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
"""Kinds that only an up-to-date store can judge: while syncs are late, such an alert is not resolved."""

Urgency = Literal["urgent", "warning"]
"""``warning`` may wait until quiet hours are over."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One cause that needs attention.

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
    """Return the key of a cause: its label, and six hexadecimal digits of the hash of its parts."""
    if not any(parts):
        return label
    identity = "\x1f".join("" if part is None else str(part) for part in parts)
    return f"{label}-{hashlib.sha256(identity.encode('utf-8', 'replace')).hexdigest()[:6]}"
