"""Questions as values: what to look for, said without saying how a store finds it."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from ticktrail.errors import ConfigurationError

UNREAD = ("sent", "delivered")
"""On the way or arrived, and not read so far: what ``--unread`` means."""

DELIVERED = ("delivered", "read", "played")
"""Arrived: ``read`` and ``played`` prove it even where no ``delivered`` came. ``--undelivered`` leaves these out."""

READ = ("read", "played")
"""Seen by the recipient. ``--not-read`` leaves these out."""

MESSAGE_TIME_FIELDS = ("sentTimestamp", "firstTimestamp", "latestTimestamp")
"""The time a message belongs to: the first of these that is known (product rule: by the time it was sent)."""


class Grouping(enum.StrEnum):
    """What figures are told apart by. ``workflow`` is the one that received the statuses, ``sender`` the one that sent.

    ``error`` groups failed messages only; ``day`` and ``hour`` are the configured zone's.
    """

    DAY = "day"
    HOUR = "hour"
    USER = "user"
    ERROR = "error"
    CATEGORY = "category"
    TEMPLATE = "template"
    CAMPAIGN = "campaign"
    NUMBER = "number"
    COUNTRY = "country"
    WORKFLOW = "workflow"
    SENDER = "sender"


class MessageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages. Every condition that is set must hold; an empty filter chooses all.

    Attributes:
        conversation_id: exactly this recipient (a group's id for a group); also matches ``recipientUserId``.
        statuses: the latest status is one of these; empty for any.
        not_statuses: the latest status is none of these.
        since_timestamp: Unix seconds, inclusive; compared with the message's time, see :data:`MESSAGE_TIME_FIELDS`.
        until_timestamp: Unix seconds, exclusive.
        updated_since: the history grew at or after this instant.
        limit: at most so many; None for all.
    """

    conversation_id: str | None = None
    statuses: tuple[str, ...] = ()
    not_statuses: tuple[str, ...] = ()
    since_timestamp: int | None = None
    until_timestamp: int | None = None
    updated_since: datetime | None = None
    limit: int | None = None

    def narrowed(
        self, *, statuses: tuple[str, ...] = (), unread: bool = False, undelivered: bool = False, not_read: bool = False
    ) -> MessageFilter:
        """This filter, narrowed by status: what is named and what the three short forms mean must hold together."""
        wanted = {status.strip().lower() for status in statuses} or None
        if unread:
            wanted = set(UNREAD) if wanted is None else wanted & set(UNREAD)
        unwanted = {*(DELIVERED if undelivered else ()), *(READ if not_read else ())}
        if wanted is not None:
            wanted -= unwanted
            if not wanted:
                raise ConfigurationError(
                    "No message can meet all of --status, --unread, --undelivered and --not-read at once.",
                    remedy="Leave one of them out.",
                )
        return msgspec.structs.replace(
            self,
            statuses=tuple(sorted(wanted or ())),
            not_statuses=tuple(sorted(unwanted)) if wanted is None else (),
        )


def recipient(text: str) -> str:
    """A recipient as people write it, as Meta does: ``+966 50 000 0001`` and ``00966…`` without what is not a digit.

    Ids that are no phone numbers (groups, business-scoped user ids) stay as they are.
    """
    stripped = text.strip()
    digits = "".join(character for character in stripped if character not in " +-().\u00a0\u200e\u202a\u202c")
    if not digits.isdigit():
        return stripped
    return digits.removeprefix("00")
