"""Records of the domain: statuses, sends, messages and executions. Frozen values without I/O.

Times: ``…_timestamp`` and ``timestamp`` are Unix seconds; ``…_at`` are instants as time-zone-aware
``datetime`` values. Ids are strings as n8n and Meta write them.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any

import msgspec

FINAL_STATUSES = frozenset({"success", "error", "crashed", "canceled", "failed"})
"""n8n's execution statuses after which an execution's content no longer changes (n8n's ``ExecutionStatus``).

``failed`` is what n8n up to 1.49 calls ``error``.
"""

RANK = {"sent": 1, "failed": 2, "undelivered": 2, "delivered": 3, "read": 4, "played": 5}
"""Progress of a message by status. A status that is not listed ranks 0: it is kept and decides last."""

FAILED = frozenset({"failed", "undelivered"})
"""Statuses that say the message did not arrive."""

ARRIVED = frozenset({"delivered", "read", "played"})
"""Statuses that prove the message arrived (``read`` may come without ``delivered``: Meta's status page)."""

MADE_UP = "execution"
"""``timestamp_source`` of a status whose webhook has no time: the start of the trigger is used."""

IMPLAUSIBLE = "implausible"
"""``timestamp_source`` of a reported time before 2009 or more than a day after its execution."""

RECEIVED = "webhook"
"""``execution_id`` of a status that the receiver got from Meta directly, without an execution of n8n."""

EARLIEST_PLAUSIBLE_TIMESTAMP = 1_230_768_000
"""2009-01-01, WhatsApp's first year: a status cannot be older."""


NEVER = datetime.fromtimestamp(0, UTC)
"""Used for an instant that an older tool's document does not have."""


class Outcome(enum.Enum):
    """Result of reading one execution.

    * ``FOUND``: it holds at least one status.
    * ``NONE``: n8n returned it whole, and it holds no status.
    * ``WITHHELD``: n8n did not return its data; it may hold statuses.
    * ``NOT_READ``: it holds what looks like a status, a send or another provider's webhook that Ticktrail does not
      believe or understand.

    ``WITHHELD`` and ``NOT_READ`` are never counted as ``NONE``.
    """

    FOUND = "found"
    NONE = "none"
    WITHHELD = "not_shown"
    NOT_READ = "not_read"


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One status of one message at one time, as one execution reported it.

    Attributes:
        message_id: the status object's ``id``, ``wamid.…``.
        status: lower case; Meta's ``sent``, ``delivered``, ``read``, ``played``, ``failed`` or anything else.
        timestamp: Unix seconds, or None when neither the webhook nor the execution has a time.
        timestamp_source: None for a plausible reported time, else :data:`MADE_UP` or :data:`IMPLAUSIBLE`.
        conversation_id: the recipient's WhatsApp user id, the group's id in a group.
        participant: the group member the status is about.
        errors: as reported, each with some of ``code``, ``title``, ``message``, ``details``, ``href``.
        pricing: as reported.
    """

    message_id: str
    status: str
    execution_id: str
    workflow_id: str = ""
    timestamp: int | None = None
    timestamp_source: str | None = None
    conversation_id: str | None = None
    participant: str | None = None
    errors: tuple[dict[str, Any], ...] | None = None
    pricing: dict[str, Any] | None = None
    phone_number_id: str | None = None
    display_phone_number: str | None = None
    recipient_user_id: str | None = None
    callback_data: str | None = None


class Template(msgspec.Struct, frozen=True):
    """The message template of a send."""

    name: str
    language: str | None = None


class SentBy(msgspec.Struct, frozen=True, rename="camel"):
    """The workflow, node and execution that sent a message."""

    workflow_id: str
    node: str
    execution_id: str


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to send, accepted by Meta (it has a ``message_id``) or refused (``rejected``, it has none).

    Attributes:
        key: the wamid; for a refused send its place in the execution. The same attempt has the same key.
        input: the recipient as the workflow wrote it; ``conversation_id`` is the id that Meta answered.
        status: ``accepted``, ``held_for_quality_assessment``, …; ``rejected`` for a refused one.
        sent_at: when the node started.
    """

    key: str
    message_id: str | None
    sent_by: SentBy
    status: str
    sent_at: datetime | None = None
    conversation_id: str | None = None
    input: str | None = None
    template: Template | None = None
    rejected: bool = False
    errors: tuple[dict[str, Any], ...] | None = None
    instance: str | None = None


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """The statuses and sends of one execution.

    Attributes:
        execution_id: n8n's id, as a string; empty when it could not be read.
        status: n8n's execution status; ``final`` tells whether it can still change.
        reason: set when the outcome is ``WITHHELD`` (a key of ``extraction.withheld.REASONS``) or ``NOT_READ`` (a key
            of ``extraction.withheld.NOT_READ_REASONS``), else None.
        provider: the name of the other provider whose webhook was not read, such as ``Evolution API``; else None.
        problems: malformed items that were left out, one sentence each, without personal data.
    """

    execution_id: str
    workflow_id: str
    status: str
    started_at: datetime | None
    outcome: Outcome
    reason: str | None = None
    provider: str | None = None
    events: tuple[StatusEvent, ...] = ()
    sends: tuple[Send, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def final(self) -> bool:
        """Return whether this execution can no longer change."""
        return self.status in FINAL_STATUSES


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One distinct status in a message's history: a :class:`StatusEvent` without the fields of the message."""

    status: str
    timestamp: int | None
    execution_id: str
    timestamp_source: str | None = None
    conversation_id: str | None = None
    participant: str | None = None
    workflow_id: str = ""
    errors: tuple[dict[str, Any], ...] | None = None
    pricing: dict[str, Any] | None = None


class Attributes(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of a message that its events report. Where two events disagree, the greater value stays."""

    conversation_id: str | None = None
    phone_number_id: str | None = None
    display_phone_number: str | None = None
    recipient_user_id: str | None = None
    callback_data: str | None = None
    instance: str | None = None


class Failure(msgspec.Struct, frozen=True):
    """Why a message failed: the first error of its last failed status that has one."""

    code: int | str | None = None
    title: str | None = None
    details: str | None = None


class MessageState(msgspec.Struct, frozen=True, kw_only=True):
    """The current status of a message and the times of its statuses, computed from its history.

    The milestones are the earliest plausible reported time of each status, Unix seconds.
    """

    latest_status: str
    latest_timestamp: int | None = None
    workflow_id: str = ""
    conflict: bool = False
    failure: Failure | None = None
    pricing: dict[str, Any] | None = None
    sent_timestamp: int | None = None
    delivered_timestamp: int | None = None
    read_timestamp: int | None = None
    played_timestamp: int | None = None
    failed_timestamp: int | None = None
    first_timestamp: int | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """All events of one message id, merged.

    Attributes:
        history: every distinct status, oldest first (timestamp, then rank, then key).
        first_seen_at: when Ticktrail first saw the message.
        last_updated_at: when ``history`` last grew.
        last_scanned_at: when a scan last found the message.
        template: as ``sent_by``, from the send record, when it is known.
    """

    message_id: str
    history: tuple[HistoryEntry, ...]
    attributes: Attributes
    state: MessageState
    first_seen_at: datetime
    last_updated_at: datetime
    last_scanned_at: datetime
    template: Template | None = None
    sent_by: SentBy | None = None
