"""Check the store: can it be read and written, what is missing, and how complete is what it holds?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from ticktrail.errors import TicktrailError
from ticktrail.health.checks import PRUNE_REMEDY, Finding, Severity, check_clock
from ticktrail.queries.completeness import (
    Completeness,
    WorkflowCompleteness,
    gap_text,
    read_completeness,
    unprocessed_sentences,
)
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.results import StoreState
from ticktrail.sync.lease import running_syncs
from ticktrail.text.formatting import long_duration, plural, size_text

_LITTLE_BYTES = 200_000_000
_LATELY = timedelta(days=7)
"""Gaps and lost executions that were found longer ago are left out."""


def check_store(
    settings: Settings, open_configured_store: Callable[[Settings], Store]
) -> tuple[list[Finding], Completeness | None]:
    """Return what was found about the store of the settings, and its completeness record where it can be read."""
    try:
        with open_configured_store(settings) as store:
            findings = _check(store.check(), store.location)
            known = read_completeness(store, settings) if store.exists() else None
            running = running_syncs(store.sync_state, datetime.now(UTC)) if known is not None else []
            findings += [_finding("running", Severity.OK, says) for says in running]
    except TicktrailError as error:
        return [_finding("store", Severity.FAULT, str(error), error.remedy)], None
    if known is not None:
        findings += check_completeness(known, datetime.now(UTC))
    return findings, known


def check_completeness(known: Completeness, now: datetime) -> Iterator[Finding]:
    """Yield what the store lacks, for each workflow; nothing where no sync with n8n has run."""
    for workflow in known.workflows:
        if workflow.scope is not None:
            yield from _workflow(workflow, now)


def _workflow(one: WorkflowCompleteness, now: datetime) -> Iterator[Finding]:
    def finding(severity: Severity, says: str, remedy: str = "") -> Finding:
        return Finding(name="completeness", severity=severity, says=says, remedy=remedy, workflow_id=one.workflow_id)

    sound = True
    if one.is_late(now):
        sound = False
        says = "No sync of this workflow has succeeded yet."
        if one.checked_at is not None:
            says = f"The last successful sync began {long_duration((now - one.checked_at).total_seconds())} ago."
        error = f" The last sync failed: {one.error}" if one.error else ""
        yield finding(Severity.WARNING, says + error, "Keep syncing: ticktrail sync --watch")
    gaps = [gap for gap in one.facts.gaps if now - gap.found_at <= _LATELY]
    for gap in gaps[-3:]:
        yield finding(Severity.WARNING, f"{gap_text(gap)}.", f"These statuses are lost. {PRUNE_REMEDY}")
    lost = [each for each in one.facts.lost if now - each.found_at <= _LATELY]
    if lost:
        says = f"n8n deleted {plural(len(lost), 'execution')} before the data could be read."
        yield finding(Severity.WARNING, says, PRUNE_REMEDY)
    for says in unprocessed_sentences(one.withheld, ()):
        yield finding(Severity.WARNING, says, "List them with their reasons: ticktrail audit --verbose")
    for says in unprocessed_sentences((), one.refused):
        yield finding(Severity.FAULT, says, "List them with their reasons: ticktrail sync --full -v")
    if sound and not (gaps or lost or one.withheld or one.refused):
        pending = f", {len(one.pending):,} pending" if one.pending else ""
        yield finding(Severity.OK, f"{plural(one.processed, 'execution')} processed{pending}, none withheld.")


def _check(state: StoreState, location: str) -> list[Finding]:
    findings = [_finding("store", Severity.FAULT, str(fault), fault.remedy) for fault in state.faults]
    if not findings:
        says = (
            f"{location} can be read and written ({state.server})."
            if state.exists
            else f"There is no store at {location} yet; the first sync creates it ({state.server})."
        )
        findings.append(_finding("store", Severity.OK, " ".join(filter(None, [says, state.remark]))))
    if state.missing_indexes:
        names = ", ".join(state.missing_indexes)
        says = (
            f"{plural(len(state.missing_indexes), 'index', 'indexes')} missing ({names}); the next sync creates them."
        )
        findings.append(_finding("indexes", Severity.OK, says))
    elif state.exists and not state.faults:
        findings.append(_finding("indexes", Severity.OK, "All indexes exist."))
    if state.free_bytes is not None and state.free_bytes < _LITTLE_BYTES:
        findings.append(
            _finding(
                "disk",
                Severity.WARNING,
                f"The disk of {location} has only {size_text(state.free_bytes)} left.",
                "Free some space: no status can be stored on a full disk.",
            )
        )
    if state.clock is not None:
        said, now = state.clock
        findings.append(check_clock(said, now, whose="the store's server", name="store clock"))
    return findings


def _finding(name: str, severity: Severity, says: str, remedy: str = "") -> Finding:
    return Finding(name=name, severity=severity, says=says, remedy=remedy)
