"""Where messages are kept: choose one. The contract every store fulfils, and how to open one.

``tests/contract/stores/test_store.py`` holds every store to what the docstrings here say.
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
from ticktrail.stores.results import StoreState, WriteReport
from ticktrail.stores.retention import Retention
from ticktrail.stores.sync_state import SyncState


class Store(Protocol):
    """A place that keeps messages and sends.

    Any number of processes may read and write one place at once. Every method raises
    :class:`~ticktrail.errors.StoreUnavailableError` when the place cannot be reached and
    :class:`~ticktrail.errors.StoreRefusedError` when it answers and refuses.
    """

    location: str
    """Where this is, for people: a path or a URI without its password."""

    timezone: ZoneInfo
    """The zone of ``timestampFormatted`` in what is written."""

    @property
    def sync_state(self) -> SyncState:
        """What a sync notes of its own work in the same place."""
        ...

    @property
    def retention(self) -> Retention:
        """Forgetting people, keeping for so long only, taking in another ledger, copies."""
        ...

    def exists(self) -> bool:
        """Whether the place holds a ledger already. Never creates anything."""
        ...

    def prepare(self) -> None:
        """Create what is missing (file, tables, collections, indexes). Safe to repeat, and at once from many.

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

        When it returns, what it did not refuse is durable. ``at``, kept to the millisecond, becomes
        ``lastScannedAt`` of every message met and ``lastUpdatedAt`` of those whose history grew. A send lends its
        template and ``sentBy`` to its message, whichever of the two came first. Whatever cannot be stored is in
        ``refused`` and costs itself only.

        Left out are statuses and sends of people who were forgotten, and those that were reported for a time before
        the kept-since mark (``prune`` sets it), whether or not their message is stored: so a sync cannot bring back
        what was pruned while n8n still has it, and the outcome never depends on the order. A status without a
        plausible time is not too old. One from after the mark is kept even where its message was pruned.
        """
        ...

    def get(self, message_ids: Collection[str]) -> dict[str, Message]:
        """The stored messages among these ids, by id. A place that does not exist holds none."""
        ...

    def documents(self, message_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """As :meth:`get`, but each as the document it is stored as, an older tool's peculiarities included."""
        ...

    def messages(self, chosen: MessageFilter) -> MessagePage:
        """The messages a filter chooses, in its order, in flat memory.

        Ties are settled by message id, ascending; a message whose time is unknown comes last in every order; a
        ``limit`` of 0 means none. With ``after`` the answer goes on behind that place, found by an index: new messages
        that come in meanwhile neither repeat nor hide one that stayed where it was.
        """
        ...

    def count(self, chosen: MessageFilter) -> int:
        """How many messages a filter chooses, its ``limit`` and ``after`` left aside."""
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
        """Raw counts of the messages a filter chooses (its ``limit`` left aside), each group once, in any order.

        The database counts; a group is yielded as soon as it is complete, so that a million people take no memory.
        Without ``by`` there is exactly one group. See :class:`ticktrail.messages.counts.Group` for its key.

        Args:
            young_since: Unix seconds; messages of then and later are counted as not final.
            details: delays too, and in totals prices: for groupings of few groups, for each may have many delays.
            across: tells groups apart by a second grouping too (each template's days in one question); with errors
                only what failed is counted, and no people.
        """
        ...

    def sends(self, chosen: SendFilter = EVERY_SEND) -> Iterator[Send]:
        """The send records a filter chooses, newest first, unknown times last, ties by key, in flat memory."""
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
        """What the messages a filter chooses have in common, failed ones and others, each combination once.

        Messages to groups and Meta's tests are left out, and those whose status says nothing of delivery; so are the
        filter's ``limit`` and ``after``. The database counts.
        """
        ...

    def send_causes(self, chosen: SendFilter = EVERY_SEND) -> Iterator[CauseCount]:
        """As :meth:`causes`, of attempts to send, refused ones and others; ``unconfirmed`` is left aside too.

        So is ``after``.
        """
        ...

    @property
    def alert_state(self) -> AlertState:
        """What was alerted of, and who was told, in the same place."""
        ...

    def check(self) -> StoreState:
        """Try whether a sync could write, and look at versions and indexes. Leaves everything as it was.

        Only a place that cannot be reached, or not be understood, raises; what it refuses is in ``faults``.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections. The store is not used afterwards."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StoreOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What opening a store needs beside its URL. Names of databases and collections are MongoDB's only."""

    timezone: ZoneInfo
    database: str | None = None
    status_collection: str = "message_statuses"
    sends_collection: str = "message_sends"
