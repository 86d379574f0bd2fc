"""Preview of a sync: what it would change in the store, without changing it."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ticktrail.messages.document import to_document
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.merge import Gathered, entry_key, merge_message
from ticktrail.messages.model import Message
from ticktrail.sources import Source
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.sync.ingest import batches, read
from ticktrail.sync.results import Progress, ReadCounts, no_progress

_CHANGES = ("unchanged", "inserted", "updated")
"""Kinds of change, the most instructive example last."""

_CHUNK = 1_000


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """Messages that a sync would insert, update or leave unchanged, with one document before and after.

    ``before`` is None when that message is new; ``after`` is None when no document would change.
    """

    source: str
    store: str
    read_counts: ReadCounts
    inserted: int
    updated: int
    unchanged: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def preview(
    source: Source,
    store: Store,
    *,
    instance: str | None = None,
    limit: int | None = None,
    progress: Progress = no_progress,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Preview:
    """Read a source into a temporary store, and compare that with ``store``, which stays as it is.

    Raises:
        StoreRefusedError: a sync would be refused too.
    """
    store.require_adoptable()
    read_counts, changes, at = ReadCounts(), Counter[str](), now()
    example: tuple[int, Message, Message | None] | None = None
    with tempfile.TemporaryDirectory(prefix="ticktrail-") as folder:
        options = StoreOptions(timezone=store.timezone)
        erasure_filter = store.retention.erasure_filter(at=at)
        with open_store(str(Path(folder) / "preview.sqlite"), options) as scratch:
            for batch in batches(read(source, read_counts, limit=limit, progress=progress)):
                events, sends = erasure_filter.accepted(*batch)
                scratch.write(events, sends, at=at, instance=instance)
            messages = iter(scratch.messages(MessageFilter()))
            while chunk := list(itertools.islice(messages, _CHUNK)):
                stored = store.get([message.message_id for message in chunk])
                for message in chunk:
                    known = stored.get(message.message_id)
                    after = merge_message(known, message.message_id, _gathered(message), at=at)
                    change = _change(known, after)
                    changes[change] += 1
                    rank = _CHANGES.index(change)
                    if example is None or rank > example[0]:
                        example = (rank, after, known)
    before = after_document = None
    if example is not None:
        after_document = to_document(example[1], store.timezone)
        if example[2] is not None:
            before = store.documents([example[1].message_id]).get(example[1].message_id)
            if before is not None and _same_except_scan(before, after_document):
                before = after_document = None
    return Preview(
        source=source.location,
        store=store.location,
        read_counts=read_counts,
        inserted=changes["inserted"],
        updated=changes["updated"],
        unchanged=changes["unchanged"],
        before=before,
        after=after_document,
    )


def _same_except_scan(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return True when a sync would change nothing in a document but the time of its last scan."""
    ignored = {"_id", "lastScannedAt"}
    return {name: value for name, value in before.items() if name not in ignored} == {
        name: value for name, value in after.items() if name not in ignored
    }


def _gathered(message: Message) -> Gathered:
    return Gathered({entry_key(entry): entry for entry in message.history}, message.attributes)


def _change(known: Message | None, after: Message) -> str:
    if known is None:
        return "inserted"
    return "updated" if len(after.history) > len(known.history) else "unchanged"
