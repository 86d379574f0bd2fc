"""Care of a ledger: forgetting a person, keeping for so long only, taking in what another ledger holds, copies.

``tests/contract/stores/test_retention.py`` holds every store to what the docstrings here say.
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
    """What a ledger holds of one person, or what was erased of them.

    Attributes:
        names: every id the person is known by here, the given one first: a number, a business-scoped user id.
        messages: theirs alone, and ``statuses`` in those.
        group_messages: to groups they are a member of, and ``group_statuses``, the entries there that name them.
        sends: attempts to send to them, refused ones included.
        records: runs of syncs, pending executions and alerts whose errors, reasons or notes name them.
        before: they were forgotten earlier.
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
        """Whether there is anything to erase."""
        return bool(self.messages or self.group_messages or self.sends or self.records)


class Pruned(msgspec.Struct, frozen=True):
    """Messages and sends that are older than what is kept: counted, or gone."""

    messages: int = 0
    sends: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(self.messages + other.messages, self.sends + other.sends)


class Retention(Protocol):
    """The care of one ledger. Every method raises as :class:`ticktrail.stores.Store` says.

    A place that does not exist holds nothing, and looking does not make it.
    """

    def erasure_filter(self, *, at: datetime) -> ErasureFilter:
        """What the ledger leaves out at this instant: for whoever asks whether a status is missing."""
        ...

    def inventory(self, who: str, *others: str) -> Inventory:
        """Count what there is of a person, who is known by these ids: numbers in any spelling, or other ids.

        Ids that the ledger knows to be the same person's (the number beside a business-scoped user id, the number
        as it was typed beside the one WhatsApp answered) are followed.
        """
        ...

    def forget(self, who: str, *others: str, at: datetime) -> Inventory:
        """Erase a person: messages to them, their entries in groups' messages, sends, and what names them elsewhere.

        First a tombstone is set for every id of theirs. From then on no write, sync, import or copy brings them
        back, not even that of a writer at work at this moment. Repeating it is safe, and mends what was interrupted.
        """
        ...

    def clear_traces(self) -> bool:
        """See to it that nothing of what was deleted can be read from the place itself; False when it is busy.

        For a file: free pages and the log. A server's files are the server's own affair: there it does nothing.
        """
        ...

    def kept_since(self, *, at: datetime) -> int | None:
        """Unix seconds: a status of an earlier time is not kept, nor missed. None when everything is kept."""
        ...

    def keep_since(self, timestamp: int | None) -> None:
        """Set the mark, before what is older is pruned; it moves later only. None takes it away."""
        ...

    def older(self, timestamp: int) -> Pruned:
        """How many messages and sends are older: by the message's time (``query.MESSAGE_TIME_FIELDS``), the send's."""
        ...

    def prune(self, timestamp: int) -> Iterator[Pruned]:
        """Remove what is older, in small batches that let others write between; yields what each removed.

        The sends of a removed message go with it. What has no plausible time stays.
        """
        ...

    def ttl_seconds(self) -> int | None:
        """After how many seconds the server itself deletes; None when it does not."""
        ...

    def set_ttl(self, seconds: int | None) -> None:
        """Have the server delete messages so long after they were first seen, sends so long after they were sent.

        Raises:
            ConfigurationError: the store is no server.
        """
        ...

    def tombstones(self) -> frozenset[str]:
        """All of them, for another ledger."""
        ...

    def add_tombstones(self, tombstones: frozenset[str], *, at: datetime) -> int:
        """Take over another ledger's, and erase whom they name here. Returns how many messages and sends that cost."""
        ...

    def import_messages(self, messages: Sequence[Message]) -> WriteReport:
        """Merge whole messages of another ledger, each atomically; safe to repeat, in any order.

        A message that is new is taken as it is, every date included. Into one that is there histories and facts
        merge as ever; ``firstSeenAt`` becomes the earlier, ``lastUpdatedAt`` and ``lastScannedAt`` the later of the
        two. Template and sender come from the sends, else whoever was first here stays.
        """
        ...

    def backup(self, target: Path) -> int:
        """Write a copy of the ledger as it is at one moment, whoever writes meanwhile. Returns its size in bytes.

        The copy is checked before it gets its name; a file of that name is never overwritten.

        Raises:
            ConfigurationError: there is such a file, or no such folder; or a server keeps the ledger: its own tool
                copies it, the remedy says how.
        """
        ...


def linked(names: Sequence[str], look: Callable[[Sequence[str]], set[str]]) -> tuple[str, ...]:
    """Every name of a person: ``look`` says which others the records of some names have; asked until no more come."""
    known = list(dict.fromkeys(filter(None, map(person_id, names))))
    new: Sequence[str] = known
    while new:
        new = sorted(look(new) - set(known))
        known += new
    return tuple(known)
