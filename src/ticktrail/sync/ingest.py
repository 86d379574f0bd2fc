"""The flow: read executions from a source, extract, merge, write to a store. The one place that sees both ends.

What is read is written in batches, so memory stays flat however much the source holds. Nothing is settled before
it is stored: interrupted anywhere, running again ends in the same state, because merging is repeatable.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.document import to_document
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.merge import Gathered, entry_key, merge_message
from ticktrail.messages.model import Extraction, Message, Outcome, Send, StatusEvent
from ticktrail.sources import Page, Source, WithheldExecution
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.coverage import Gap, LostExecution
from ticktrail.stores.opening import open_store
from ticktrail.stores.results import WriteReport
from ticktrail.sync.decisions import ScanDepth
from ticktrail.sync.prefetch import ahead

BATCH_EVENTS = 1_000
"""Events per write: where both stores are near their best speed and a batch is still small in memory."""

_KEPT_PROBLEMS = 1_000
"""Problems beyond this many are counted, not kept."""


class ReadCounts(msgspec.Struct, kw_only=True):
    """What a run has met so far; grows while it runs.

    Attributes:
        executions: all that were read; each is in exactly one of ``with_statuses``, ``without`` and ``not_shown``.
        not_shown: how many, by reason.
        unfinished: those among them that n8n is not done with: what they hold now was read, more may come.
        events: statuses found, each counted once an execution.
        size: bytes that came from the source.
        problems: what was left out, one sentence each; ``problem_count`` counts on where the list stops.
    """

    executions: int = 0
    with_statuses: int = 0
    without: int = 0
    withheld: Counter[str] = msgspec.field(default_factory=Counter)
    unfinished: int = 0
    events: int = 0
    sends: int = 0
    pages: int = 0
    size: int = 0
    problems: list[str] = msgspec.field(default_factory=list)
    problem_count: int = 0

    def count(self, found: Extraction) -> None:
        """Add one execution."""
        self.executions += 1
        self.events += len(found.events)
        self.sends += len(found.sends)
        if not found.final:
            self.unfinished += 1
        if found.outcome is Outcome.FOUND:
            self.with_statuses += 1
        elif found.outcome in (Outcome.NONE, Outcome.NOT_READ):
            self.without += 1
        else:
            self.withheld[found.reason or "unreadable"] += 1
        for problem in found.problems:
            self.add_problem(f"execution {found.execution_id or '?'}: {problem}")

    def count_withheld(self, gone: Iterable[WithheldExecution]) -> None:
        """Add executions that the source knows of and could not hand out."""
        for one in gone:
            self.executions += 1
            self.withheld[one.reason] += 1

    def add_problem(self, problem: str) -> None:
        """Add one sentence on something that was left out."""
        self.problem_count += 1
        if len(self.problems) < _KEPT_PROBLEMS:
            self.problems.append(problem)


class WorkflowSyncResult(msgspec.Struct, frozen=True, kw_only=True):
    """How far a sync of one workflow of n8n got.

    Attributes:
        depth: how far the walk over the list meant to go; ``complete``: it met the oldest execution n8n has.
        rebuilt: n8n's ids had begun again, or the store had been emptied: everything was read anew.
        busy: who else is syncing this workflow; then nothing was done.
        stopped: it was asked to stop before it came through.
        listed: executions met in the list without data.
        settled: executions dealt with in this run; ``open``: not dealt with at its end, by kind.
        gap: a stretch that n8n deleted before it was read, and ``lost`` executions, both found in this run.
        checked_at: the store is complete up to then, but for what is open.
    """

    workflow_id: str
    depth: ScanDepth = ScanDepth.POLL
    complete: bool = False
    rebuilt: bool = False
    busy: str | None = None
    stopped: bool = False
    listed: int = 0
    processed: int = 0
    pending: dict[str, int] = {}
    gap: Gap | None = None
    lost: tuple[LostExecution, ...] = ()
    checked_at: datetime | None = None


class SyncReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync came to. ``workflow_result`` for n8n, None for an export; ``requests`` were sent to n8n."""

    source: str
    store: str
    read_counts: ReadCounts
    written: WriteReport
    seconds: float
    requests: int = 0
    workflow_result: WorkflowSyncResult | None = None


def report_document(report: SyncReport) -> dict[str, Any]:
    """What a sync came to, for programs."""
    read_counts, written, workflow_result = report.read_counts, report.written, report.workflow_result
    document: dict[str, Any] = {
        "source": report.source,
        "store": report.store,
        "executions": read_counts.executions,
        "withStatuses": read_counts.with_statuses,
        "withoutStatuses": read_counts.without,
        "notShown": dict(read_counts.withheld),
        "unfinished": read_counts.unfinished,
        "events": read_counts.events,
        "newEvents": written.events,
        "inserted": written.inserted,
        "updated": written.updated,
        "unchanged": written.unchanged,
        "refused": [{"messageId": refusal.key, "reason": refusal.reason} for refusal in written.refused],
        "sends": written.sends,
        "leftOut": written.left_out,
        "pages": read_counts.pages,
        "requests": report.requests,
        "bytes": read_counts.size,
        "problems": read_counts.problem_count,
        "seconds": round(report.seconds, 3),
    }
    if workflow_result is not None:
        document |= {
            "workflowId": workflow_result.workflow_id,
            "depth": workflow_result.depth.value,
            "complete": workflow_result.complete,
            "rebuilt": workflow_result.rebuilt,
            "busy": workflow_result.busy is not None,
            "stopped": workflow_result.stopped,
            "listed": workflow_result.listed,
            "settled": workflow_result.processed,
            "open": dict(workflow_result.pending),
            "gap": None if workflow_result.gap is None else _camel(msgspec.to_builtins(workflow_result.gap)),
            "lost": [_camel(msgspec.to_builtins(one)) for one in workflow_result.lost],
            "checkedAt": None if workflow_result.checked_at is None else workflow_result.checked_at.isoformat(),
        }
    return document


def _camel(record: dict[str, Any]) -> dict[str, Any]:
    """The keys of a record as documents write them."""
    named = {}
    for name, value in record.items():
        first, *rest = name.split("_")
        named[first + "".join(map(str.title, rest))] = value
    return named


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync would change, in messages, with one document before (None when it is new) and after.

    ``after`` is None when every document would stay as it is.
    """

    source: str
    store: str
    read_counts: ReadCounts
    inserted: int
    updated: int
    unchanged: int
    before: dict[str, Any] | None
    after: dict[str, Any] | None


Progress = Callable[[ReadCounts], None]

AfterWrite = Callable[[Sequence[str]], None]
"""Called with the ids of the messages that were just written."""


def silent(_: ReadCounts) -> None:
    """Progress nobody watches."""


def nothing_more(_: Sequence[str]) -> None:
    """Nothing else to do with what was written."""


def message_ids(events: Iterable[StatusEvent]) -> list[str]:
    """The messages that statuses are about, each once."""
    return list(dict.fromkeys(event.message_id for event in events))


def read(
    source: Source, read_counts: ReadCounts, *, limit: int | None = None, progress: Progress = silent
) -> Iterator[Extraction]:
    """Read a source's executions, counting as it goes.

    Args:
        limit: read only the newest so many.
    """
    for page in source.pages(limit=limit):
        yield from read_page(page, read_counts)
        progress(read_counts)


def read_page(page: Page, read_counts: ReadCounts) -> Iterator[Extraction]:
    """What the executions of a page hold, counting as it goes."""
    read_counts.pages += 1
    read_counts.size += page.size
    read_counts.count_withheld(page.withheld)
    for problem in page.problems:
        read_counts.add_problem(problem)
    for raw in page.executions:
        found = extract(raw)
        read_counts.count(found)
        yield found


def read_ahead(
    source: Source, read_counts: ReadCounts, withheld: dict[str, str], *, progress: Progress = silent
) -> Iterator[Extraction]:
    """As :func:`read`, the next page coming while one is worked on; ``not_shown`` collects why, by execution id."""
    for page in ahead(source.pages()):
        withheld.update((str(one.id), one.reason) for one in page.withheld)
        for found in read_page(page, read_counts):
            if found.outcome is Outcome.WITHHELD:
                withheld[found.execution_id] = found.reason or "unreadable"
            yield found
        progress(read_counts)


def batches(extractions: Iterator[Extraction]) -> Iterator[tuple[list[StatusEvent], list[Send]]]:
    """Group what executions hold into batches of about :data:`BATCH_EVENTS`; an execution is never split."""
    events: list[StatusEvent] = []
    sends: list[Send] = []
    for found in extractions:
        events.extend(found.events)
        sends.extend(found.sends)
        if len(events) + len(sends) >= BATCH_EVENTS:
            yield events, sends
            events, sends = [], []
    if events or sends:
        yield events, sends


def sync(
    source: Source,
    store: Store,
    *,
    instance: str | None = None,
    limit: int | None = None,
    progress: Progress = silent,
    after_write: AfterWrite = nothing_more,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> SyncReport:
    """Bring the store up to date with everything the source shows: one full pass.

    Args:
        instance: the label of this n8n, for people with several.
        limit: read only the newest so many executions.
        progress: called after every page.
        after_write: called after every batch.
        now: the clock; its time becomes ``lastScannedAt``.
    """
    began = time.monotonic()
    read_counts, written = ReadCounts(), WriteReport()
    for events, sends in batches(read(source, read_counts, limit=limit, progress=progress)):
        written += store.write(events, sends, at=now(), instance=instance)
        after_write(message_ids(events))
    for refusal in written.refused:
        read_counts.add_problem(f"message {refusal.key}: not stored: {refusal.reason}")
    return SyncReport(
        source=source.location,
        store=store.location,
        read_counts=read_counts,
        written=written,
        seconds=time.monotonic() - began,
    )


def preview(
    source: Source,
    store: Store,
    *,
    instance: str | None = None,
    limit: int | None = None,
    progress: Progress = silent,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Preview:
    """Say what :func:`sync` would change, and change nothing: what is read goes into a store of its own first."""
    read_counts, counts, at = ReadCounts(), Counter[str](), now()
    example: tuple[int, Message, Message | None] | None = None
    with tempfile.TemporaryDirectory(prefix="ticktrail-") as folder:
        options = StoreOptions(timezone=store.timezone)
        guard = store.retention.guard(at=at)
        with open_store(str(Path(folder) / "preview.sqlite"), options) as scratch:
            for batch in batches(read(source, read_counts, limit=limit, progress=progress)):
                events, sends = guard.accepted(*batch)
                scratch.write(events, sends, at=at, instance=instance)
            for chunk in _chunks(scratch.messages(MessageFilter())):
                stored = store.get([message.message_id for message in chunk])
                for message in chunk:
                    known = stored.get(message.message_id)
                    after = merge_message(known, message.message_id, _gathered(message), at=at)
                    kind = _kind(known, after)
                    counts[kind] += 1
                    worth = ("unchanged", "inserted", "updated").index(kind)
                    if example is None or worth > example[0]:
                        example = (worth, after, known)
    before = after_document = None
    if example is not None:
        after_document = to_document(example[1], store.timezone)
        if example[2] is not None:
            before = store.documents([example[1].message_id]).get(example[1].message_id)
            if before is not None and _same_but_scanned(before, after_document):
                before = after_document = None
    return Preview(
        source=source.location,
        store=store.location,
        read_counts=read_counts,
        inserted=counts["inserted"],
        updated=counts["updated"],
        unchanged=counts["unchanged"],
        before=before,
        after=after_document,
    )


def _same_but_scanned(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a sync would leave a document as it stands, but for when it was last scanned."""
    aside = {"_id", "lastScannedAt"}
    return {name: value for name, value in before.items() if name not in aside} == {
        name: value for name, value in after.items() if name not in aside
    }


def _gathered(message: Message) -> Gathered:
    return Gathered({entry_key(entry): entry for entry in message.history}, message.attributes)


def _kind(known: Message | None, after: Message) -> str:
    if known is None:
        return "inserted"
    return "updated" if len(after.history) > len(known.history) else "unchanged"


def _chunks(messages: Iterator[Message], size: int = 1_000) -> Iterator[list[Message]]:
    chunk: list[Message] = []
    for message in messages:
        chunk.append(message)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
