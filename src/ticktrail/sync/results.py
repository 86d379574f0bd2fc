"""Results of a sync: what was read, what was written, and how far the scan of the execution list got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from ticktrail.extraction.withheld import not_read_text
from ticktrail.messages.model import Extraction, Outcome
from ticktrail.sources import WithheldExecution
from ticktrail.stores.coverage import Gap, LostExecution
from ticktrail.stores.results import WriteReport
from ticktrail.sync.decisions import ScanDepth

_KEPT_PROBLEMS = 1_000
"""Maximum number of problems that are kept as sentences; more are only counted."""


class ReadCounts(msgspec.Struct, kw_only=True):
    """Counts of what a run has read so far.

    Attributes:
        executions: all that were read; each is in exactly one of ``with_statuses``, ``without``, ``withheld`` and
            ``not_read``.
        withheld: executions whose data n8n did not return, by reason.
        not_read: executions that Ticktrail does not believe or understand, by :func:`not_read_label`.
        unfinished: those among them that n8n has not finished: their content so far was read.
        events: status events, each counted once an execution.
        size: bytes received from the source.
        problems: one sentence for each thing that was left out; ``problem_count`` counts all of them.
    """

    executions: int = 0
    with_statuses: int = 0
    without: int = 0
    withheld: Counter[str] = msgspec.field(default_factory=Counter)
    not_read: Counter[str] = msgspec.field(default_factory=Counter)
    unfinished: int = 0
    events: int = 0
    sends: int = 0
    pages: int = 0
    size: int = 0
    problems: list[str] = msgspec.field(default_factory=list)
    problem_count: int = 0

    def count(self, extraction: Extraction) -> None:
        """Add one execution."""
        self.executions += 1
        self.events += len(extraction.events)
        self.sends += len(extraction.sends)
        self.unfinished += not extraction.final
        name = f"execution {extraction.execution_id or '?'}"
        match extraction.outcome:
            case Outcome.FOUND:
                self.with_statuses += 1
            case Outcome.NONE:
                self.without += 1
            case Outcome.NOT_READ:
                label = not_read_label(extraction)
                self.not_read[label] += 1
                self.add_problem(f"{name}: not read ({label})")
            case Outcome.WITHHELD:
                self.withheld[extraction.reason or "unreadable"] += 1
        for problem in extraction.problems:
            self.add_problem(f"{name}: {problem}")

    def count_withheld(self, executions: Iterable[WithheldExecution]) -> None:
        """Add executions that the source listed without returning their data."""
        for execution in executions:
            self.executions += 1
            self.withheld[execution.reason] += 1

    def add_problem(self, problem: str) -> None:
        """Add a sentence about something that was left out."""
        self.problem_count += 1
        if len(self.problems) < _KEPT_PROBLEMS:
            self.problems.append(problem)


def not_read_label(extraction: Extraction) -> str:
    """Return why an execution was not read, in words: the name of the other provider where it is known."""
    return not_read_text(extraction.reason, extraction.provider)


class WorkflowSyncResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of syncing one workflow of n8n.

    Attributes:
        workflow_name: the workflow's name in n8n, where it is known.
        depth: how far the scan of the execution list meant to go.
        complete: the scan reached the oldest execution that n8n has.
        rebuilt: n8n's ids had begun again, or the store had been emptied: everything was read again.
        busy: the lease holder that is syncing this workflow; then this run did nothing.
        stopped: the run was asked to stop before it was finished.
        listed: executions met in the execution list.
        processed: executions processed in this run.
        pending: executions that are pending at the end, by kind.
        gap: a range of executions that n8n deleted before they were read, found in this run.
        lost: executions that n8n deleted while they were pending, found in this run.
        checked_at: the store is complete up to this time, except for pending executions.
    """

    workflow_id: str
    workflow_name: str | None = None
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
    """Report of a sync. ``workflow_result`` is None for an import; ``requests`` counts those sent to n8n."""

    source: str
    store: str
    read_counts: ReadCounts
    written: WriteReport
    seconds: float
    requests: int = 0
    workflow_result: WorkflowSyncResult | None = None


def report_document(report: SyncReport) -> dict[str, Any]:
    """Return a report as ``sync --format json`` prints it."""
    counts, written, result = report.read_counts, report.written, report.workflow_result
    document: dict[str, Any] = {
        "source": report.source,
        "store": report.store,
        "executions": counts.executions,
        "withStatuses": counts.with_statuses,
        "withoutStatuses": counts.without,
        "notShown": dict(counts.withheld),
        "notRead": dict(counts.not_read),
        "unfinished": counts.unfinished,
        "events": counts.events,
        "newEvents": written.events,
        "inserted": written.inserted,
        "updated": written.updated,
        "unchanged": written.unchanged,
        "refused": [{"messageId": refusal.key, "reason": refusal.reason} for refusal in written.refused],
        "sends": written.sends,
        "leftOut": written.left_out,
        "pages": counts.pages,
        "requests": report.requests,
        "bytes": counts.size,
        "problems": counts.problem_count,
        "seconds": round(report.seconds, 3),
    }
    if result is not None:
        document |= {
            "workflowId": result.workflow_id,
            "workflowName": result.workflow_name,
            "depth": result.depth.value,
            "complete": result.complete,
            "rebuilt": result.rebuilt,
            "busy": result.busy is not None,
            "stopped": result.stopped,
            "listed": result.listed,
            "settled": result.processed,
            "open": dict(result.pending),
            "gap": None if result.gap is None else _camel(msgspec.to_builtins(result.gap)),
            "lost": [_camel(msgspec.to_builtins(one)) for one in result.lost],
            "checkedAt": None if result.checked_at is None else result.checked_at.isoformat(),
        }
    return document


def _camel(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the keys that documents use."""
    named = {}
    for name, value in record.items():
        first, *rest = name.split("_")
        named[first + "".join(map(str.title, rest))] = value
    return named


Progress = Callable[[ReadCounts], None]

AfterWrite = Callable[[Sequence[str]], None]
"""Called with the ids of the messages that were just written."""


def no_progress(_: ReadCounts) -> None:
    """Do nothing with the progress of a run."""


def no_action(_: Sequence[str]) -> None:
    """Do nothing after a write."""
