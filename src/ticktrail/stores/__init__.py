"""Stores of messages and sends, and the contract that each of them fulfils.

``tests/contract/stores/test_store.py`` tests every store against these docstrings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.messages.counts import Group
from ticktrail.messages.failure_causes import CauseCount
from ticktrail.messages.filters import EVERY_SEND, Grouping, MessageFilter, SendFilter
from ticktrail.messages.model import Message, Send, StatusEvent
from ticktrail.stores.alert_state import AlertState
from ticktrail.stores.pages import MessagePage
from ticktrail.stores.results import ReceivedStatuses, StoreState, WriteReport
from ticktrail.stores.retention import Retention
from ticktrail.stores.sync_state import SyncState


class Store(Protocol):
    """A store of messages and sends.

    Any number of processes may read and write it at once. Every method raises
    :class:`~ticktrail.errors.StoreUnavailableError` when the store cannot be reached and
    :class:`~ticktrail.errors.StoreRefusedError` when it refuses.
    """

    location: str
    """Path or URI for people, without a password."""

    timezone: ZoneInfo
    """Time zone of ``timestampFormatted`` in documents."""

    @property
    def sync_state(self) -> SyncState:
        """Sync state: processed executions, leases, runs."""
        ...

    @property
    def retention(self) -> Retention:
        """Retention: erasing people, pruning, importing, backups."""
        ...

    def exists(self) -> bool:
        """Return True when the store exists already. Never creates anything."""
        ...

    def require_adoptable(self) -> None:
        """Refuse what a first write would refuse: documents that are not message statuses, duplicates, wrong indexes.

        Only reads.

        Raises:
            StoreRefusedError: with a remedy that loses nothing.
        """
        ...

    def prepare(self) -> None:
        """Create what is missing (file, tables, collections, indexes). Safe to repeat, and from many processes at once.

        Called by the first :meth:`write`; reading never calls it.
        """
        ...

    def write(
        self,
        events: Sequence[StatusEvent],
        sends: Sequence[Send] = (),
        *,
        at: datetime,
        instance: str | None = None,
    ) -> WriteReport:
        """Merge events and sends into what is stored, atomically per message, safely repeatable.

        When it returns, everything that it did not refuse is durable. ``at``, kept to the millisecond, becomes
        ``lastScannedAt`` of every message in the batch and ``lastUpdatedAt`` of those whose history grew. A message
        gets ``template`` and ``sentBy`` from its send, whichever of the two came first. What cannot be stored is in
        ``refused``; the rest of the batch is stored.

        Statuses and sends of erased people are left out, and so are those from before the retention mark (set by
        ``prune``), whether or not their message is stored: a sync cannot bring back what was pruned, and the result
        does not depend on the order. A status without a plausible time is kept, and so is one from after the mark
        whose message was pruned.
        """
        ...

    def get(self, message_ids: Collection[str]) -> dict[str, Message]:
        """Return the stored messages among these ids, by id; none when the store does not exist."""
        ...

    def documents(self, message_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """As :meth:`get`, but each as its stored document, with the fields of an older tool."""
        ...

    def messages(self, chosen: MessageFilter) -> MessagePage:
        """Return the messages that a filter chooses, in its order, in flat memory.

        Ties are ordered by message id, ascending; messages without a time come last in every order; a ``limit`` of 0
        means none. With ``after`` the result continues behind that cursor, which an index finds: messages written
        meanwhile neither repeat nor hide one that did not move.
        """
        ...

    def count(self, chosen: MessageFilter) -> int:
        """Count the messages that a filter chooses, without its ``limit`` and ``after``."""
        ...

    def statistics(
        self,
        chosen: MessageFilter,
        by: Grouping | None = None,
        *,
        young_since: int,
        details: bool = False,
        across: Grouping | None = None,
    ) -> Iterator[Group]:
        """Yield raw counts of a filter's messages (without its ``limit``), each group once, in any order.

        The database counts. A group is yielded as soon as it is complete, so a million groups take no memory. Without
        ``by`` there is exactly one group. See :class:`ticktrail.messages.counts.Group` for its key.

        Args:
            young_since: Unix seconds; messages from then on are counted as provisional.
            details: count delays too, and prices in totals; for groupings with few groups.
            across: group by this too (the days of each template in one query); with errors only failed messages are
                counted, and no people.
        """
        ...

    def sends(self, chosen: SendFilter = EVERY_SEND) -> Iterator[Send]:
        """Yield a filter's send records: newest first, unknown times last, ties by key, in flat memory."""
        ...

    def unconfirmed(
        self,
        chosen: SendFilter = EVERY_SEND,
        by: Grouping | None = None,
        *,
        overdue_before: int,
        across: Grouping | None = None,
    ) -> Iterator[Group]:
        """Count the sends that WhatsApp accepted and no status confirmed, each message id once.

        Only ``unconfirmed``, ``awaiting`` and ``groups`` of the counts are set. Groups have the keys that
        :meth:`statistics` gives, so that both can be added; a send has no campaign, category, number or receiving
        workflow, and belongs to none of these groups. Without ``by`` there is exactly one group.

        Args:
            overdue_before: Unix seconds; sends of then and later may still get their first status.
        """
        ...

    def causes(self, chosen: MessageFilter) -> Iterator[CauseCount]:
        """Count messages by failure code, template, workflow and number, failed ones and others.

        Messages to groups, Meta's test messages and statuses that say nothing about delivery are left out, and so are
        the filter's ``limit`` and ``after``. The database counts.
        """
        ...

    def send_causes(self, chosen: SendFilter = EVERY_SEND) -> Iterator[CauseCount]:
        """As :meth:`causes`, for sends, refused ones and others; the filter's ``unconfirmed`` is ignored too."""
        ...

    def received_statuses(self) -> ReceivedStatuses:
        """Count the statuses that came directly from Meta and that no synced execution of n8n holds."""
        ...

    @property
    def alert_state(self) -> AlertState:
        """Alert state: which alerts fired, and which channels were notified."""
        ...

    def check(self) -> StoreState:
        """Check whether a sync could write, and the versions and indexes. Changes nothing.

        Raises only when the store cannot be reached or understood; what it refuses is in ``faults``.
        """
        ...

    def close(self) -> None:
        """Close files and connections. The store must not be used afterwards."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a store beside its URL. Names of databases and collections are for MongoDB only."""

    timezone: ZoneInfo
    database: str | None = None
    status_collection: str = "message_statuses"
    sends_collection: str = "message_sends"
