"""Copy everything from one store to another, in flat memory. Repeating it changes nothing more.

Copies may be made in any number, order and direction: the merge law gives the same result. The sync state is not
copied: the next sync of the target reads again what n8n still holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TypeVar

import msgspec

from ticktrail.messages.filters import MessageFilter
from ticktrail.stores import Store
from ticktrail.stores.results import WriteReport

_AT_ONCE = 500

_T = TypeVar("_T")


class CopyReport(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a copy.

    Attributes:
        written: messages and sends that the target inserted, updated, left unchanged or refused.
        messages: messages read from the source.
        sends: sends read from the source.
        tombstones: tombstones that the target did not have.
        erased: messages and sends that those tombstones erased in the target.
        kept_since: the later retention mark of the two, Unix seconds; None when both keep everything.
    """

    written: WriteReport
    messages: int
    sends: int
    tombstones: int
    erased: int
    kept_since: int | None


def copy(
    source: Store, target: Store, *, at: datetime, progress: Callable[[int], None] = lambda _count: None
) -> CopyReport:
    """Copy messages with their whole history, sends, tombstones and the kept-since mark.

    Args:
        at: the time of the copy. Copied messages keep their dates.
        progress: called with the number of messages so far.
    """
    target.prepare()
    tombstones = source.retention.tombstones()
    fresh = len(tombstones - target.retention.tombstones())
    # First, so that nothing is written that would be erased.
    erased = target.retention.add_tombstones(tombstones, at=at)
    mark = source.retention.kept_since(at=at)
    if mark is not None:
        target.retention.keep_since(mark)
    written = WriteReport()
    messages = sends = 0
    for few in _portions(source.messages(MessageFilter())):
        written += target.retention.import_messages(few)
        messages += len(few)
        progress(messages)
    for attempts in _portions(source.sends()):
        written += target.write((), attempts, at=at)
        sends += len(attempts)
    return CopyReport(
        written=written,
        messages=messages,
        sends=sends,
        tombstones=fresh,
        erased=erased,
        kept_since=target.retention.kept_since(at=at),
    )


def _portions(records: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(records)
    while portion := list(itertools.islice(iterator, _AT_ONCE)):
        yield portion
