"""Questions as values: what to look for, said without saying how a store finds it."""

from __future__ import annotations

import base64
import binascii
import enum
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

import msgspec

from ticktrail.errors import ConfigurationError
from ticktrail.messages.model import FAILED, Send
from ticktrail.text.phone_numbers import Country, Person

UNREAD = ("sent", "delivered")
"""On the way or arrived, and not read so far: what ``--unread`` means."""

DELIVERED = ("delivered", "read", "played")
"""Arrived: ``read`` and ``played`` prove it even where no ``delivered`` came. ``--undelivered`` leaves these out."""

READ = ("read", "played")
"""Seen by the recipient. ``--not-read`` leaves these out."""

MESSAGE_TIME_FIELDS = ("sentTimestamp", "firstTimestamp", "latestTimestamp")
"""The time a message belongs to: the first of these that is known (product rule: by the time it was sent)."""


Order = Literal["newest", "oldest", "updated"]
"""``newest`` and ``oldest`` go by ``latestTimestamp``, ``updated`` by ``lastUpdatedAt``, latest first."""


_GREATEST_INTEGER = 2**63 - 1
_EPOCH = datetime.fromtimestamp(0, UTC)

_NO_PLACE = "What --after names is no place Ticktrail has printed."
_COPY_ALL = "Copy all of what stands behind --after at the end of the page before."

_T = TypeVar("_T")


def _token(place: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def _read_token(token: str, kind: type[_T]) -> _T | None:
    try:
        encoded = token.strip().encode("ascii")
        decoded = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(decoded, type=kind)
    except (UnicodeError, binascii.Error, msgspec.DecodeError, ValueError):
        return None


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """A place in an ordered answer, just after one message: where the next page begins.

    Attributes:
        order: of the answer.
        key: what the message was sorted by: Unix seconds, for ``updated`` milliseconds; None for unknown.
        message_id: settles ties.
    """

    order: Order
    key: int | None
    message_id: str

    @property
    def token(self) -> str:
        """This place as a text without spaces, for :meth:`read`."""
        return _token(self)

    @classmethod
    def read(cls, token: str) -> Cursor:
        """The place a token means.

        Raises:
            ConfigurationError: it is not a token that :attr:`token` made.
        """
        place = _read_token(token, cls)
        if place is None or abs(place.key or 0) > _GREATEST_INTEGER:
            raise ConfigurationError(_NO_PLACE, remedy=_COPY_ALL)
        return place


class SendCursor(msgspec.Struct, frozen=True, array_like=True):
    """A place in a list of sends, just after one of them: where the next page begins.

    Attributes:
        sent_at: of that send, in milliseconds; None for unknown.
        key: settles ties.
    """

    sent_at: int | None
    key: str

    @classmethod
    def of(cls, send: Send) -> SendCursor:
        """The place just after a send."""
        sent_at = None if send.sent_at is None else (send.sent_at - _EPOCH) // timedelta(milliseconds=1)
        return cls(sent_at, send.key)

    @property
    def token(self) -> str:
        """This place as a text without spaces, for :meth:`read`."""
        return _token(self)

    @classmethod
    def read(cls, token: str) -> SendCursor:
        """The place a token means.

        Raises:
            ConfigurationError: it is not a token that :attr:`token` made.
        """
        place = _read_token(token, cls)
        if place is None or abs(place.sent_at or 0) > _GREATEST_INTEGER:
            raise ConfigurationError(_NO_PLACE, remedy=_COPY_ALL)
        return place


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
    """Which messages, in which order. Every condition that is set must hold; an empty filter chooses all.

    Attributes:
        conversation_id: exactly this recipient (a group's id for a group); also matches ``recipientUserId``.
        person: this recipient, as :func:`ticktrail.text.phone_numbers.person` understood what was typed.
        statuses: the latest status is one of these; empty for any.
        not_statuses: the latest status is none of these.
        failure_codes: ``failure.code`` is one of these, whether it was reported as a number or as text.
        since_timestamp: Unix seconds, inclusive; compared with the message's time, see :data:`MESSAGE_TIME_FIELDS`.
        until_timestamp: Unix seconds, exclusive.
        updated_since: the history grew at or after this instant.
        workflow_id: ``workflowId``: whose executions carried the statuses.
        sending_workflow_id: ``sentBy.workflowId``.
        sending_numbers: ``phoneNumberId`` or ``displayPhoneNumber`` is one of these; empty for any.
        template: ``template.name``.
        template_language: ``template.language``.
        campaign: ``callbackData`` is this, or see ``campaign_key``.
        campaign_key: ``callbackData`` may also be a JSON object whose value under this key is the campaign, see
            :func:`campaign_of`.
        country: of the recipient's number.
        instance: ``instance``.
        people_only: no messages to groups and no tests of Meta's, as in :mod:`ticktrail.messages.counts`: what the
            rates count.
        order: ties by message id, ascending; a message whose time is unknown comes last in every order.
        after: only what comes behind this place, whose order must be this one.
        limit: at most so many; None for all, 0 (or less) for none.
    """

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
    instance: str | None = None
    people_only: bool = False
    order: Order = "newest"
    after: Cursor | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.after is not None and self.after.order != self.order:
            raise ConfigurationError(
                f"The place that --after names is in the order {self.after.order}, not {self.order}.",
                remedy=f"Add --sort {self.after.order}, or begin again without --after.",
            )

    def retryable(self, codes: tuple[int, ...]) -> MessageFilter:
        """This filter, narrowed to what failed with one of these codes and did not arrive by another way."""
        if self.failure_codes:
            codes = tuple(code for code in codes if code in self.failure_codes)
        wanted = (set(self.statuses or FAILED) & FAILED) - set(self.not_statuses)
        if not wanted or not codes:
            raise ConfigurationError(
                "No message can meet --retryable and the other options at once.", remedy="Leave one of them out."
            )
        return msgspec.structs.replace(self, statuses=tuple(sorted(wanted)), not_statuses=(), failure_codes=codes)

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


class SendFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which sends, newest first: by ``sentAt``, unknown last, ties by key. Every condition that is set must hold.

    Attributes:
        refused: True for those Meta refused, False for those it accepted.
        unconfirmed: only those that Meta accepted and no status has ever confirmed.
        failure_codes: one of the ``errors`` has one of these codes, as a number or as text.
        since_timestamp: Unix seconds, inclusive; compared with ``sentAt``.
        until_timestamp: Unix seconds, exclusive.
        workflow_id: ``sentBy.workflowId``.
        template: ``template.name``.
        template_language: ``template.language``.
        after: only what comes behind this place.
        limit: at most so many; None for all, 0 (or less) for none.
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


EVERY_SEND = SendFilter()


def campaign_of(callback_data: str, key: str) -> str | None:
    """The campaign in a ``callbackData`` that is a JSON object: its text, whole number or truth value under the key.

    None when it is no such object or has nothing of the kind there.
    """
    try:
        value = msgspec.json.decode(callback_data, type=dict[str, object]).get(key)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int)) else None
