"""Retention of a store: erase a person, prune old messages, import messages of another store, back up.

``tests/contract/stores/test_retention.py`` tests every store against these docstrings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from ticktrail.messages.model import Message
from ticktrail.stores.erasure import ErasureFilter
from ticktrail.text.phone_numbers import person_id

if TYPE_CHECKING:
    from ticktrail.stores.results import WriteReport


class Inventory(msgspec.Struct, frozen=True, kw_only=True):
    """Data that a store holds of one person, or that was erased.

    Attributes:
        names: every id of the person in this store, the given one first: a number, a business-scoped user id.
        messages: messages to them alone.
        statuses: statuses of those messages.
        group_messages: messages to groups whose statuses name them.
        group_statuses: the statuses that name them.
        sends: attempts to send to them, refused ones included.
        records: runs of syncs, pending executions, alerts, and messages to others whose errors, reasons, notes or
            labels name them.
        before: they were erased earlier.
    """

    names: tuple[str, ...]
    messages: int = 0
    statuses: int = 0
    group_messages: int = 0
    group_statuses: int = 0
    sends: int = 0
    records: int = 0
    before: bool = False
    message_ids: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Return True when there is something to erase."""
        return bool(self.messages or self.group_messages or self.sends or self.records)


class Pruned(msgspec.Struct, frozen=True):
    """Numbers of messages and sends before the retention mark: counted, or removed."""

    messages: int = 0
    sends: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(self.messages + other.messages, self.sends + other.sends)


class Retention(Protocol):
    """Retention of one store. Every method raises as documented at :class:`ticktrail.stores.Store`.

    A store that does not exist holds nothing, and reading does not create it.
    """

    def erasure_filter(self, *, at: datetime) -> ErasureFilter:
        """Return the write filter of this moment: what it rejects is not missing from the store."""
        ...

    def inventory(self, who: str, *others: str) -> Inventory:
        """Count what the store holds of a person with these ids: numbers in any spelling, or other ids.

        Other ids of the same person are followed: the number beside a business-scoped user id, and the number as the
        workflow wrote it beside the one that WhatsApp returned.
        """
        ...

    def forget(self, who: str, *others: str, at: datetime) -> Inventory:
        """Erase a person: messages to them, their entries in messages to groups, sends, and texts that name them.

        A tombstone is set for each of their ids first. From then on no write, sync, import or copy brings them back,
        not even one that is running. Repeating it is safe, and completes an interrupted erasure.
        """
        ...

    def clear_traces(self) -> bool:
        """Remove deleted data from the free pages and the log of a file. Returns False when the file is in use.

        For a server it does nothing, because its files are its own.

        Raises:
            StoreUnavailableError: the disk has no room for rebuilding the file.
        """
        ...

    def kept_since(self, *, at: datetime) -> int | None:
        """Return the retention mark, Unix seconds: older statuses are not kept. None when everything is kept."""
        ...

    def keep_since(self, timestamp: int | None) -> None:
        """Set the retention mark, before pruning; it only moves later. None removes it."""
        ...

    def older(self, timestamp: int) -> Pruned:
        """Count older messages (by ``filters.MESSAGE_TIME_FIELDS``) and sends."""
        ...

    def prune(self, timestamp: int) -> Iterator[Pruned]:
        """Remove older messages and sends, in small batches between which others can write; yields what each removed.

        The sends of a removed message are removed with it. Messages without a plausible time stay.
        """
        ...

    def ttl_seconds(self) -> int | None:
        """Return after how many seconds the server deletes messages; None when it does not."""
        ...

    def set_ttl(self, seconds: int | None) -> None:
        """Let the server delete messages this long after they were first seen, and sends after they were sent.

        Raises:
            ConfigurationError: the store is not a server.
        """
        ...

    def tombstones(self) -> frozenset[str]:
        """Return all tombstones, for a copy."""
        ...

    def add_tombstones(self, tombstones: frozenset[str], *, at: datetime) -> int:
        """Add tombstones of another store, and erase their people. Returns how many messages and sends were erased."""
        ...

    def import_messages(self, messages: Sequence[Message]) -> WriteReport:
        """Merge messages of another store, each atomically; safe to repeat, in any order.

        A new message is stored as it is, every date included. In an existing one the histories and attributes are
        merged; ``firstSeenAt`` becomes the earlier, ``lastUpdatedAt`` and ``lastScannedAt`` the later of the two.
        Template and sender come from the sends; without one the existing values stay.
        """
        ...

    def backup(self, target: Path) -> int:
        """Write a copy of the store as it is at one moment, while others write. Returns its size in bytes.

        The copy is checked before it gets its name; an existing file is never overwritten.

        Raises:
            ConfigurationError: the file exists, its folder does not, or the store is a server: the remedy names the
                server's own tool.
        """
        ...


def linked(names: Sequence[str], look: Callable[[Sequence[str]], set[str]]) -> tuple[str, ...]:
    """Return every id of a person: ``look`` returns the ids beside given ones, and is called until no more come."""
    known = list(dict.fromkeys(filter(None, map(person_id, names))))
    new: Sequence[str] = known
    while new:
        new = sorted(look(new) - set(known))
        known += new
    return tuple(known)
