"""Filters of messages and of sends, and cursors into ordered results. Stores translate them into queries."""

from __future__ import annotations

import base64
import binascii
import enum
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

import msgspec

from ticktrail.errors import ConfigurationError
from ticktrail.messages.model import FAILED, Send
from ticktrail.text.phone_numbers import Country, Person

STATUSES = ("sent", "delivered", "read", "played", "failed", "undelivered", "deleted", "warning")
"""Statuses that a filter accepts: those Meta reports today, and those it reported in earlier years."""

UNREAD = ("sent", "delivered")
"""Statuses of ``--unread``."""

DELIVERED = ("delivered", "read", "played")
"""Statuses that ``--undelivered`` excludes. ``read`` and ``played`` prove delivery even without a ``delivered``."""

READ = ("read", "played")
"""Statuses that ``--not-read`` excludes."""

MESSAGE_TIME_FIELDS = ("sentTimestamp", "firstTimestamp", "latestTimestamp")
"""A message belongs to the time it was sent: the first of these fields that is set."""


Order = Literal["newest", "oldest", "latest", "updated"]
"""``newest`` and ``oldest`` sort by the time sent (:data:`MESSAGE_TIME_FIELDS`); ``latest`` by ``latestTimestamp`` and
``updated`` by ``lastUpdatedAt``, latest first."""


_GREATEST_INTEGER = 2**63 - 1
_EPOCH = datetime.fromtimestamp(0, UTC)

_NOT_A_CURSOR = "This is not a valid cursor."
_COPY_CURSOR = 'Copy the whole text that the previous page printed after "more: --after" ("next" in the API).'

_T = TypeVar("_T")


def _token(cursor: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).rstrip(b"=").decode()


def _read_token(token: str, kind: type[_T]) -> _T | None:
    try:
        encoded = token.strip().encode("ascii")
        decoded = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(decoded, type=kind)
    except (UnicodeError, binascii.Error, msgspec.DecodeError, ValueError):
        return None


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """A position in ordered messages, just after one message: where the next page begins.

    Attributes:
        key: the sort key of that message: Unix seconds (a fraction only where an earlier tool stored one), for
            ``updated`` milliseconds; None when unknown.
        message_id: breaks ties between equal keys.
    """

    order: Order
    key: int | float | None
    message_id: str

    @property
    def token(self) -> str:
        """The cursor as text without spaces, for :meth:`read`."""
        return _token(self)

    @classmethod
    def read(cls, token: str) -> Cursor:
        """Return the cursor in a text that :attr:`token` made.

        Raises:
            ConfigurationError: the text is not a cursor.
        """
        cursor = _read_token(token, cls)
        if cursor is None or abs(cursor.key or 0) > _GREATEST_INTEGER:
            raise ConfigurationError(_NOT_A_CURSOR, remedy=_COPY_CURSOR)
        return cursor


class SendCursor(msgspec.Struct, frozen=True, array_like=True):
    """A position in a list of sends, just after one of them: where the next page begins.

    Attributes:
        sent_at: when that send was made, in milliseconds since 1970; None when unknown.
        key: :attr:`Send.key`; breaks ties between equal times.
    """

    sent_at: int | None
    key: str

    @classmethod
    def of(cls, send: Send) -> SendCursor:
        """Return the position just after a send."""
        sent_at = None if send.sent_at is None else (send.sent_at - _EPOCH) // timedelta(milliseconds=1)
        return cls(sent_at, send.key)

    @property
    def token(self) -> str:
        """The cursor as text without spaces, for :meth:`read`."""
        return _token(self)

    @classmethod
    def read(cls, token: str) -> SendCursor:
        """Return the cursor in a text that :attr:`token` made.

        Raises:
            ConfigurationError: the text is not a cursor.
        """
        cursor = _read_token(token, cls)
        if cursor is None or abs(cursor.sent_at or 0) > _GREATEST_INTEGER:
            raise ConfigurationError(_NOT_A_CURSOR, remedy=_COPY_CURSOR)
        return cursor


class Grouping(enum.StrEnum):
    """Groupings of statistics.

    ``workflow`` received the statuses, ``sender`` sent the messages. ``error`` groups failed messages only. ``day`` and
    ``hour`` are those of the configured time zone.
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
    """Which messages, in which order. Every condition that is set must hold; an empty filter matches all messages.

    Attributes:
        message_id_ending: ``messageId`` ends in this text.
        conversation_id: exactly this recipient (a group's id for a group); also matches ``recipientUserId``.
        person: this recipient, as :func:`ticktrail.text.phone_numbers.parse_person` understood what was typed.
        statuses: the latest status is one of these; empty for any.
        not_statuses: the latest status is none of these.
        failure_codes: ``failure.code`` is one of these, whether it was reported as a number or as text.
        since_timestamp: Unix seconds, inclusive; compared with the message's time, see :data:`MESSAGE_TIME_FIELDS`.
        until_timestamp: Unix seconds, exclusive.
        updated_since: ``statusHistory`` grew at or after this instant.
        workflow_id: ``workflowId``, the workflow whose executions carried the statuses.
        sending_workflow_id: ``sentBy.workflowId``.
        sending_numbers: ``phoneNumberId`` or ``displayPhoneNumber`` is one of these; empty for any.
        template: ``template.name``.
        template_language: ``template.language``.
        campaign: what :func:`ticktrail.messages.campaign.campaign_of` finds in ``callbackData``.
        campaign_key: the key of the campaign in a ``callbackData`` that is a JSON object.
        country: country of the recipient's number.
        category: ``pricing.category``, as Meta writes it.
        instance: ``instance``.
        people_only: exclude messages to groups and Meta's test messages, as rates do
            (:mod:`ticktrail.messages.counts`).
        order: ties are broken by message id, ascending; messages without a time come last in every order.
        after: only messages after this position; its order must be ``order``.
        limit: maximum number of messages; None for all, 0 or less for none.
    """

    message_id_ending: str | None = None
    conversation_id: str | None = None
    person: Person | None = None
    statuses: tuple[str, ...] = ()
    not_statuses: tuple[str, ...] = ()
    failure_codes: tuple[int, ...] = ()
    since_timestamp: int | None = None
    until_timestamp: int | None = None
    updated_since: datetime | None = None
    workflow_id: str | None = None
    sending_workflow_id: str | None = None
    sending_numbers: tuple[str, ...] = ()
    template: str | None = None
    template_language: str | None = None
    campaign: str | None = None
    campaign_key: str | None = None
    country: Country | None = None
    category: str | None = None
    instance: str | None = None
    people_only: bool = False
    order: Order = "newest"
    after: Cursor | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.after is not None and self.after.order != self.order:
            raise ConfigurationError(
                f"The cursor continues the order {self.after.order}, not {self.order}.",
                remedy=f"Sort by {self.after.order}, or start again without a cursor.",
            )

    def with_statuses(self, statuses: Iterable[str]) -> MessageFilter:
        """Return this filter, narrowed to messages whose latest status is one of these.

        Raises:
            ConfigurationError: no status meets this and the filter's own conditions.
        """
        wanted = set(statuses) - set(self.not_statuses)
        if self.statuses:
            wanted &= set(self.statuses)
        if not wanted:
            raise ConfigurationError(
                "No message can match all conditions on its status.", remedy="Leave one of them out."
            )
        return msgspec.structs.replace(self, statuses=tuple(sorted(wanted)), not_statuses=())

    def without_statuses(self, statuses: Iterable[str]) -> MessageFilter:
        """Return this filter, narrowed to messages whose latest status is none of these.

        Raises:
            ConfigurationError: no status meets this and the filter's own conditions.
        """
        if self.statuses:
            return self.with_statuses(set(self.statuses) - set(statuses))
        return msgspec.structs.replace(self, not_statuses=tuple(sorted({*self.not_statuses, *statuses})))

    def retryable(self, codes: tuple[int, ...]) -> MessageFilter:
        """Return this filter, narrowed to messages that failed with one of these codes.

        Raises:
            ConfigurationError: no message can match this and the filter's own conditions.
        """
        if self.failure_codes:
            codes = tuple(code for code in codes if code in self.failure_codes)
        if not codes:
            raise ConfigurationError(
                "None of the error codes is temporary, so no message can match.", remedy="Leave one of the two out."
            )
        return msgspec.structs.replace(self.with_statuses(FAILED), failure_codes=codes)


class SendFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which sends, newest first: by ``sentAt``, unknown last, ties by key. Every condition that is set must hold.

    Attributes:
        refused: True for sends that Meta refused, False for sends that it accepted.
        unconfirmed: only sends that Meta accepted and for which no status has arrived.
        failure_codes: one of the ``errors`` has one of these codes, as a number or as text.
        since_timestamp: Unix seconds, inclusive; compared with ``sentAt``.
        until_timestamp: Unix seconds, exclusive.
        workflow_id: ``sentBy.workflowId``.
        template: ``template.name``.
        template_language: ``template.language``.
        after: only sends after this position.
        limit: maximum number of sends; None for all, 0 or less for none.
    """

    refused: bool | None = None
    unconfirmed: bool = False
    failure_codes: tuple[int, ...] = ()
    since_timestamp: int | None = None
    until_timestamp: int | None = None
    workflow_id: str | None = None
    template: str | None = None
    template_language: str | None = None
    after: SendCursor | None = None
    limit: int | None = None

    def with_outcome(self, *, refused: bool | None = None, unconfirmed: bool = False) -> SendFilter:
        """Return this filter, narrowed to sends that Meta refused, accepted, or accepted without a later status.

        Raises:
            ConfigurationError: no send can match this and the filter's own conditions.
        """
        wanted = self.refused if refused is None else refused
        if (self.refused is not None and wanted is not self.refused) or (wanted and (unconfirmed or self.unconfirmed)):
            raise ConfigurationError(
                "A send that Meta refused is not accepted and gets no status, so no send can match.",
                remedy="Ask for refused sends or for accepted ones.",
            )
        return msgspec.structs.replace(self, refused=wanted, unconfirmed=self.unconfirmed or unconfirmed)


EVERY_SEND = SendFilter()
