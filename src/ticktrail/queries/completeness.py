"""Completeness: how much of n8n's data the store holds, and what is missing.

One record answers this for ``sync``, ``audit``, ``status``, ``doctor``, alerts, the API, the pages and the metrics.
Every unprocessed execution is in exactly one part: pending, withheld by n8n, or refused by the store. A processed
execution may be one that was not read, because Ticktrail does not believe or understand it.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any

import msgspec

from ticktrail.extraction.withheld import REASONS, not_read_text
from ticktrail.messages.counts import Counts
from ticktrail.messages.filters import READ, MessageFilter
from ticktrail.messages.rates import never_passed
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import late_sync_seconds
from ticktrail.stores import Store
from ticktrail.stores.coverage import Facts, Gap, LostExecution, NotRead, PendingExecution, PendingKind
from ticktrail.stores.sync_state import Run
from ticktrail.text.formatting import long_duration, n8n_time, plural

SHORTEST_LATE = timedelta(minutes=15)
"""No sync is late sooner, however often syncs usually run."""

LATE_BY_DEFAULT = timedelta(hours=2)
"""Applies until the usual time between syncs is known."""

_SAME_TIME = timedelta(days=1)
_RUNS = 100
_LATEST = {"sent": ("sent",), "delivered": ("delivered",), "read": READ, "failed": ("failed", "undelivered")}
"""Latest statuses that prove that the trigger passes a status."""


class WorkflowCompleteness(msgspec.Struct, frozen=True, kw_only=True):
    """Completeness of one workflow of one n8n.

    Attributes:
        scope: of its coverage; None for a workflow that was never read.
        unprocessed: executions that are listed and not processed: pending, withheld by n8n, or refused by the store.
        processed: number of executions whose events are stored.
        lowest_processed: the lowest processed id that is remembered.
        error: why the last sync failed; None when it succeeded.
        late_after: a sync that is older is late, see :func:`late_after`.
    """

    instance_url: str
    workflow_id: str
    scope: str | None = None
    facts: Facts = Facts()
    unprocessed: tuple[PendingExecution, ...] = ()
    processed: int = 0
    lowest_processed: int | None = None
    error: str | None = None
    late_after: timedelta = LATE_BY_DEFAULT

    @property
    def checked_at(self) -> datetime | None:
        """When the last successful sync began; the store is complete up to then, except for unprocessed executions."""
        return self.facts.checked_at

    @property
    def pending(self) -> tuple[PendingExecution, ...]:
        """Executions that can still change: unfinished, or crashed recently."""
        return tuple(
            record for record in self.unprocessed if record.kind in {PendingKind.UNFINISHED, PendingKind.CRASHED}
        )

    @property
    def withheld(self) -> tuple[PendingExecution, ...]:
        """Executions whose data n8n does not return."""
        return tuple(record for record in self.unprocessed if record.kind is PendingKind.WITHHELD)

    @property
    def not_read(self) -> tuple[NotRead, ...]:
        """Executions that Ticktrail does not believe or understand, counted by reason and provider."""
        return self.facts.not_read

    @property
    def refused(self) -> tuple[PendingExecution, ...]:
        """Executions with data that the store refused."""
        return tuple(record for record in self.unprocessed if record.kind is PendingKind.REFUSED)

    def is_late(self, now: datetime) -> bool:
        """Return True when the last successful sync is too old, or none succeeded yet."""
        return self.checked_at is None or now - self.checked_at > self.late_after


class Completeness(msgspec.Struct, frozen=True, kw_only=True):
    """Completeness of every synced workflow.

    Attributes:
        exists: False before the first sync or import.
        configured: the workflows are those of the settings; else those that were synced lately.
        runs: the latest runs, newest first.
        messages: number of stored messages; ``never``: statuses that the trigger seems never to pass. Both are None
            unless they were asked for.
    """

    exists: bool
    location: str
    workflows: tuple[WorkflowCompleteness, ...] = ()
    configured: bool = False
    runs: tuple[Run, ...] = ()
    messages: int | None = None
    never: frozenset[str] | None = None

    @property
    def checked_at(self) -> datetime | None:
        """When the last successful sync began: of the settings' workflows the oldest, of others the newest."""
        moments = [workflow.checked_at for workflow in self.workflows]
        known = [moment for moment in moments if moment is not None]
        if not known or (self.configured and len(known) < len(moments)):
            return None
        return min(known) if self.configured else max(known)

    def is_late(self, now: datetime) -> bool:
        """Return True when a sync of any workflow is late, or no sync succeeded yet."""
        return self.checked_at is None or any(workflow.is_late(now) for workflow in self.workflows)

    @property
    def late_after(self) -> timedelta:
        """The shortest age at which a sync of one of the workflows is late."""
        return min((workflow.late_after for workflow in self.workflows), default=LATE_BY_DEFAULT)

    @property
    def unprocessed(self) -> tuple[PendingExecution, ...]:
        """Executions that are not processed, of all workflows."""
        return tuple(record for workflow in self.workflows for record in workflow.unprocessed)

    @property
    def withheld(self) -> tuple[PendingExecution, ...]:
        """Executions whose data n8n does not return, of all workflows."""
        return tuple(record for workflow in self.workflows for record in workflow.withheld)

    @property
    def refused(self) -> tuple[PendingExecution, ...]:
        """Executions with data that the store refused, of all workflows."""
        return tuple(record for workflow in self.workflows for record in workflow.refused)

    @property
    def not_read(self) -> tuple[NotRead, ...]:
        """Executions that Ticktrail does not believe or understand, of all workflows."""
        return tuple(one for workflow in self.workflows for one in workflow.not_read)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The newest gaps of all workflows."""
        return tuple(gap for workflow in self.workflows for gap in workflow.facts.gaps)

    @property
    def lost(self) -> tuple[LostExecution, ...]:
        """The newest executions that n8n deleted before they were read, of all workflows."""
        return tuple(record for workflow in self.workflows for record in workflow.facts.lost)

    @property
    def processed(self) -> int:
        """Number of executions whose events are stored, of all workflows."""
        return sum(workflow.processed for workflow in self.workflows)


def read_completeness(store: Store, settings: Settings, *, content: bool = False) -> Completeness:
    """Return the completeness record of a store.

    Args:
        content: count the stored messages too, and look for statuses that the trigger never passes.
    """
    if not store.exists():
        return Completeness(exists=False, location=store.location)
    identity = store.sync_state.identity()
    runs = tuple(store.sync_state.runs(_RUNS))
    found, configured = _followed(store.sync_state.facts(), settings, identity)
    return Completeness(
        exists=True,
        location=store.location,
        workflows=tuple(_with_coverage(one, store, settings, runs) for one in found),
        configured=configured,
        runs=runs,
        messages=store.count(MessageFilter()) if content else None,
        never=never_passed_at_all(store) if content else None,
    )


def late_after(facts: Facts, settings: Settings) -> timedelta:
    """Return the age at which the last successful sync of a workflow is late.

    This is the only threshold for a late sync: twice the usual time between syncs (the median of the last five), and
    at least 15 minutes; two hours until that time is known. ``TICKTRAIL_READY_SECONDS``, or else ``sync_after`` in
    ``ticktrail.toml``, replaces it.
    """
    configured = settings.dashboard.ready_seconds or late_sync_seconds(settings)
    if configured is not None:
        return timedelta(seconds=configured)
    if not facts.intervals:
        return LATE_BY_DEFAULT
    return max(SHORTEST_LATE, 2 * timedelta(seconds=statistics.median(facts.intervals)))


def missing_data(known: Completeness, chosen: MessageFilter, now: datetime) -> tuple[str, ...]:
    """Return a sentence for each reason why statistics may lack messages; none where nothing was synced from n8n."""
    if not any(workflow.checked_at for workflow in known.workflows):
        return ()
    told = []
    if known.is_late(now):
        told.append(_late_text(known.checked_at, now))
    told += unprocessed_sentences(known.withheld, known.refused)
    told += not_read_sentences(known.not_read)
    told += [f"{gap_text(gap)}." for gap in known.gaps if _touches(gap, chosen)]
    return tuple(told)


def statuses_never_passed(store: Store, counts: Counts, chosen: MessageFilter) -> frozenset[str]:
    """Return the statuses that the trigger never passes: not for the messages a filter chooses, nor for any other."""
    absent = never_passed(counts)
    if not absent or chosen == MessageFilter():
        return absent
    seen = {name for name in absent if next(store.messages(MessageFilter(statuses=_LATEST[name], limit=1)), None)}
    return never_passed(counts, seen)


def never_passed_at_all(store: Store) -> frozenset[str]:
    """Return the statuses that the trigger never passes; counts all messages only where a status may be missing."""
    for statuses in _LATEST.values():
        if next(store.messages(MessageFilter(statuses=statuses, people_only=True, limit=1)), None) is None:
            (totals,) = store.statistics(MessageFilter(), young_since=0)
            return never_passed(totals.counts)
    return frozenset()


def workflow_sentences(one: WorkflowCompleteness) -> list[str]:
    """Return a sentence for each part of one workflow's data that the store lacks."""
    told = [f"{plural(len(one.pending), 'execution')} pending."] if one.pending else []
    told += unprocessed_sentences(one.withheld, one.refused)
    told += not_read_sentences(one.not_read)
    told += [f"{gap_text(gap)}." for gap in one.facts.gaps]
    if one.facts.lost:
        told.append(f"n8n deleted {plural(len(one.facts.lost), 'execution')} before the data could be read.")
    if one.error:
        told.append(f"The last sync failed: {one.error}")
    return told


def unprocessed_sentences(withheld: Iterable[PendingExecution], refused: Iterable[PendingExecution]) -> list[str]:
    """Return a sentence on executions that n8n withheld, and one on those that the store refused."""
    told = []
    reasons = Counter(record.reason or "unreadable" for record in withheld)
    if reasons:
        told.append(f"n8n withheld {plural(reasons.total(), 'execution')} ({counted_reasons(reasons)}).")
    count = sum(1 for _ in refused)
    if count:
        told.append(f"The store refused data of {plural(count, 'execution')}.")
    return told


def not_read_sentences(not_read: Iterable[NotRead]) -> list[str]:
    """Return a sentence on executions that were not read."""
    labels = Counter[str]()
    for one in not_read:
        labels[not_read_text(one.reason, one.provider)] += one.count
    return [f"{plural(labels.total(), 'execution')} not read ({counted(labels)})."] if labels else []


def reason_text(reason: str | None) -> str:
    """Return why n8n withheld an execution, in words."""
    return REASONS.get(reason or "unreadable", reason or "unreadable")


def counted_reasons(reasons: Counter[str]) -> str:
    """Return why n8n withheld executions, in words with their counts."""
    words: Counter[str] = Counter()
    for reason, count in reasons.items():
        words[reason_text(reason)] += count
    return counted(words)


def counted(reasons: Counter[str]) -> str:
    """Return reasons with their counts: ``2 redacted, 1 too large``."""
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())


def gap_text(gap: Gap) -> str:
    """Return a gap in words, with times as n8n wrote them (UTC)."""
    if gap.from_started_at and gap.to_started_at:
        between = f"from {n8n_time(gap.from_started_at)} to {n8n_time(gap.to_started_at)} (UTC)"
    else:
        between = f"between executions {gap.after_id} and {gap.before_id}"
    return f"No data {between}: n8n deleted these executions before they were read"


def workflow_document(one: WorkflowCompleteness, zone: tzinfo) -> dict[str, Any]:
    """Return the completeness of one workflow for programs."""
    return {
        "workflowId": one.workflow_id,
        "checkedAt": one.checked_at and one.checked_at.astimezone(zone),
        "fullAt": one.facts.full_at and one.facts.full_at.astimezone(zone),
        "notShown": len(one.withheld),
        "pending": len(one.pending),
        "refused": len(one.refused),
        "notRead": [
            {
                "reason": each.reason,
                "provider": each.provider,
                "count": each.count,
                "lastExecutionId": each.last_execution_id,
                "lastAt": each.last_at.astimezone(zone),
            }
            for each in one.not_read
        ],
        "gaps": [
            {
                "afterId": gap.after_id,
                "beforeId": gap.before_id,
                "fromStartedAt": gap.from_started_at,
                "toStartedAt": gap.to_started_at,
                "foundAt": gap.found_at.astimezone(zone),
            }
            for gap in one.facts.gaps
        ],
        "lostCount": len(one.facts.lost),
    }


def _followed(facts: Mapping[str, Facts], settings: Settings, identity: str) -> tuple[list[WorkflowCompleteness], bool]:
    """Return the workflows that count, and whether these are the settings' workflows.

    A scope is an n8n, a workflow, a version of the extraction and a store. Of several versions the one that was synced
    last counts. Without settings, workflows that stopped syncing a day before the newest are left out.
    """
    newest: dict[tuple[str, str], WorkflowCompleteness] = {}
    for scope, known in facts.items():
        parts = scope.rsplit("|", 3)
        if len(parts) != 4 or parts[3] != identity:
            continue
        one = WorkflowCompleteness(instance_url=parts[0], workflow_id=parts[1], scope=scope, facts=known)
        key = parts[0], parts[1]
        if key not in newest or _age_order(one) > _age_order(newest[key]):
            newest[key] = one
    if settings.n8n.instance_url and settings.workflow_ids:
        wanted = [(settings.n8n.instance_url, name) for name in settings.workflow_ids]
        return [newest.get(key, WorkflowCompleteness(instance_url=key[0], workflow_id=key[1])) for key in wanted], True
    latest = max(map(_age_order, newest.values()), default=0.0)
    current = (one for _, one in sorted(newest.items()) if latest - _age_order(one) < _SAME_TIME.total_seconds())
    return list(current), False


def _with_coverage(
    one: WorkflowCompleteness, store: Store, settings: Settings, runs: tuple[Run, ...]
) -> WorkflowCompleteness:
    if one.scope is None:
        return msgspec.structs.replace(one, late_after=late_after(one.facts, settings))
    coverage = store.sync_state.load_coverage(one.scope)
    run = next((run for run in runs if run.scope == one.scope), None)
    ended = 0.0 if run is None else run.began_at.timestamp() + run.seconds
    failed = run is not None and run.error is not None and ended >= _age_order(one)
    return msgspec.structs.replace(
        one,
        unprocessed=tuple(coverage.pending.values()),
        processed=coverage.processed_count(),
        lowest_processed=coverage.lowest_processed(),
        error=run.error if run is not None and failed else None,
        late_after=late_after(one.facts, settings),
    )


def _late_text(checked_at: datetime | None, now: datetime) -> str:
    if checked_at is None:
        return "A workflow has not been synced yet."
    return f"The last successful sync began {long_duration((now - checked_at).total_seconds())} ago."


def _touches(gap: Gap, chosen: MessageFilter) -> bool:
    try:
        begin = datetime.fromisoformat(gap.from_started_at or "").timestamp()
        end = datetime.fromisoformat(gap.to_started_at or "").timestamp()
    except ValueError:
        return True
    after = chosen.since_timestamp is None or end >= chosen.since_timestamp
    before = chosen.until_timestamp is None or begin < chosen.until_timestamp
    return after and before


def _age_order(one: WorkflowCompleteness) -> float:
    return one.checked_at.timestamp() if one.checked_at else 0.0
