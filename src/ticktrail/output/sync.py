"""Write what syncs, previews and audits did: lines for people and documents for programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, TextIO

from ticktrail.output.documents import can_show, to_json
from ticktrail.queries.completeness import counted, counted_reasons, gap_text, reason_text
from ticktrail.stores.results import WriteReport
from ticktrail.sync.audit import AuditReport, MissingStatus, ReceivedReport
from ticktrail.sync.lease_owner import holder_text
from ticktrail.sync.preview import Preview
from ticktrail.sync.results import ReadCounts, SyncReport, WorkflowSyncResult
from ticktrail.text.formatting import date_time, plural, safe_name, short_duration, size_text


def counts_line(counts: ReadCounts) -> str:
    """Return what was read: ``1,020 executions: 1,000 with statuses, 18 without, 2 withheld by n8n (2 redacted)``."""
    line = (
        f"{plural(counts.executions, 'execution')}: {counts.with_statuses:,} with statuses, {counts.without:,} without"
    )
    if counts.withheld:
        line += f", {counts.withheld.total():,} withheld by n8n ({counted_reasons(counts.withheld)})"
    if counts.not_read:
        line += f", {counts.not_read.total():,} not read ({counted(counts.not_read)})"
    if counts.unfinished:
        line += f"; {counts.unfinished:,} of them not finished yet"
    return line


def sync_text(report: SyncReport) -> list[str]:
    """Return what a sync did, for people."""
    workflow_result = report.workflow_result
    if workflow_result is not None and workflow_result.busy is not None:
        return [f"Another sync of {_source(report)} is running ({holder_text(workflow_result.busy)}): skipped."]
    if report.read_counts.executions:
        lines = [
            f"Read from {_source(report)}",
            f"  {counts_line(report.read_counts)}",
            f"Stored in {report.store}",
            f"  {written_line(report.written)}",
        ]
    else:
        lines = [f"Nothing new in {_source(report)}"]
    if report.written.refused:
        lines.append(f"  {plural(len(report.written.refused), 'message')} refused by the store")
    if report.read_counts.problem_count:
        lines.append(f"  {plural(report.read_counts.problem_count, 'thing')} left out (-v names each)")
    if workflow_result is not None:
        lines += workflow_lines(workflow_result)
    work = f", {plural(report.requests, 'request')}, {size_text(report.read_counts.size)}" if report.requests else ""
    lines.append(f"Done in {short_duration(report.seconds)}{work}")
    return lines


def _source(report: SyncReport) -> str:
    """Return where a sync read from, with the workflow's name in n8n where it is known."""
    name = report.workflow_result.workflow_name if report.workflow_result is not None else None
    return f"{report.source} ({safe_name(name)})" if name else report.source


def total_line(reports: Sequence[SyncReport]) -> str:
    """Return the total of syncs of several workflows."""
    executions = sum(report.read_counts.executions for report in reports)
    statuses = sum(report.read_counts.with_statuses for report in reports)
    written = sum((report.written for report in reports), WriteReport())
    found = f"{plural(executions, 'execution')}, {statuses:,} with statuses" if executions else "nothing new"
    return f"Total of {len(reports)} workflows: {found}" + (f"; {written_line(written)}" if executions else "")


def news_line(report: SyncReport) -> str:
    """Return what a run of the sync loop did, in one line."""
    workflow_result = report.workflow_result
    if workflow_result is not None and workflow_result.busy is not None:
        return f"another sync is running ({holder_text(workflow_result.busy)}): skipped"
    parts = [counts_line(report.read_counts), written_line(report.written)] if report.read_counts.executions else []
    if workflow_result is not None:
        parts += [line.strip() for line in workflow_lines(workflow_result)]
        if workflow_result.complete:
            parts.append(f"scanned all {plural(workflow_result.listed, 'execution')} of n8n")
    line = "; ".join(parts) or "nothing new"
    name = workflow_result.workflow_name if workflow_result is not None else None
    return f"{safe_name(name)}: {line}" if name else line


def written_line(written: WriteReport) -> str:
    """Return what was stored: ``12 messages inserted, 5 updated, 83 unchanged; 31 new statuses``."""
    line = (
        f"{plural(written.inserted, 'message')} inserted, {written.updated:,} updated, {written.unchanged:,} unchanged"
    )
    new = [plural(written.events, "new status")] if written.events else []
    new += [plural(written.sends, "new send")] if written.sends else []
    if written.left_out:
        new.append(f"{written.left_out:,} left out (erased people, or older than the retention limit)")
    return "; ".join([line, ", ".join(new)]) if new else line


def workflow_lines(workflow_result: WorkflowSyncResult) -> list[str]:
    """Return what is unusual about a sync of one workflow; usually nothing."""
    lines = []
    if workflow_result.rebuilt:
        lines.append("  n8n's ids began again, or the store was emptied: everything was read again")
    if workflow_result.gap is not None:
        lines.append(f"  {gap_text(workflow_result.gap)}")
    if workflow_result.lost:
        what = "execution before it" if len(workflow_result.lost) == 1 else "executions before they"
        lines.append(f"  n8n deleted {len(workflow_result.lost):,} {what} could be read (-v names each)")
    waiting = {kind: count for kind, count in workflow_result.pending.items() if kind != "unfinished"}
    if waiting:
        lines.append(f"  {plural(sum(waiting.values()), 'execution')} pending ({pending_text(waiting)})")
    if workflow_result.stopped:
        lines.append("  Stopped before the end; the next run continues")
    return lines


def pending_text(counts: dict[str, int]) -> str:
    """Return the pending executions by kind: ``1 crashed, 2 withheld``."""
    words = {"not_shown": "withheld by n8n", "refused": "refused by the store"}
    return ", ".join(f"{count:,} {words.get(kind, kind)}" for kind, count in sorted(counts.items()))


def preview_text(report: Preview, stream: TextIO) -> list[str]:
    """Return what a sync would change, for people, with one document before and after."""
    ascii_only = not can_show(stream, "✓é漢")
    lines = [
        f"Read from {report.source}",
        f"  {counts_line(report.read_counts)}",
        f"Would change in {report.store} (nothing was written)",
        f"  {report.inserted:,} messages inserted, {report.updated:,} updated, {report.unchanged:,} unchanged",
    ]
    if report.read_counts.sends:
        lines.append(f"  {plural(report.read_counts.sends, 'send')} found")
    if report.after is not None:
        before = "  (not stored yet)"
        if report.before is not None:
            shown = {name: value for name, value in report.before.items() if name != "_id"}
            before = to_json(shown, ascii_only=ascii_only, indent=2)
        lines += ["For example, before:", before, "after:", to_json(report.after, ascii_only=ascii_only, indent=2)]
    return lines


def preview_document(report: Preview) -> dict[str, Any]:
    """Return what a sync would change, for programs."""
    return {
        "source": report.source,
        "store": report.store,
        "executions": report.read_counts.executions,
        "inserted": report.inserted,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "before": report.before,
        "after": report.after,
    }


def audit_text(report: AuditReport, zone: tzinfo, *, verbose: bool = False) -> list[str]:
    """Return what an audit found, for people: the result first."""
    lines = [_audit_result(report), f"Compared {report.store}", f"with {report.source}"]
    lines.append(f"  {counts_line(report.read_counts)}; {plural(report.statuses, 'status')} in them")
    if report.checked_at is not None:
        lines.append(f"  the last successful sync began {date_time(report.checked_at.astimezone(zone))}")
    if report.missing_count:
        undone = sum(not one.was_processed for one in report.missing)
        lines += ["", f"Missing: {plural(report.missing_count, 'status')}"]
        lines += _first([_missing_line(one, zone) for one in report.missing], report.missing_count, verbose=verbose)
        if report.repaired is not None:
            lines.append(f"  Stored now: {plural(report.repaired.events, 'status')}")
        elif undone == len(report.missing):
            lines.append("  No sync has read these executions yet. Type: ticktrail sync")
        else:
            lines.append("  They were stored before and are missing now. Type: ticktrail audit --repair")
    if report.unfinished:
        lines += [
            "",
            f"n8n has not finished {plural(len(report.unfinished), 'execution')} yet; the next sync reads more:",
        ]
        shown = [f"  execution {number}" for number in report.unfinished]
        lines += _first(shown, len(shown), verbose=verbose)
    if report.withheld:
        lines += ["", f"n8n withheld {plural(len(report.withheld), 'execution')}:"]
        shown = [f"  execution {number}: {reason_text(why)}" for number, why in report.withheld.items()]
        lines += _first(shown, len(shown), verbose=verbose)
    if report.read_counts.not_read:
        count = report.read_counts.not_read.total()
        lines += ["", f"{plural(count, 'execution')} not read ({counted(report.read_counts.not_read)})."]
        lines.append("  They hold what looks like a status or a send. What to change: ticktrail doctor")
    if report.gaps:
        lines += ["", "Gaps:", *(f"  {gap_text(gap)}" for gap in report.gaps)]
    if report.lost:
        lines += ["", "n8n deleted these before they could be read:"]
        shown = [f"  execution {one.execution_id}: {one.reason or 'unknown'}" for one in report.lost]
        lines += _first(shown, len(shown), verbose=verbose)
    return lines


def received_audit_text(report: ReceivedReport, zone: tzinfo) -> list[str]:
    """Return what an audit found about webhooks that came directly from Meta, for people."""
    stored, journal = report.only_received, report.journal
    lines = ["Received directly from Meta:", f"  {plural(stored.count, 'status')} that no execution of n8n holds"]
    if stored.count and stored.first_timestamp is not None and stored.last_timestamp is not None:
        lines[-1] += f", from {_time_text(stored.first_timestamp, zone)} to {_time_text(stored.last_timestamp, zone)}"
        if report.forward == "all":
            lines.append("  n8n got these webhooks too: it dropped them, did not save the executions, or deleted them.")
        else:
            lines.append(f"  Expected, because statuses are not forwarded (TICKTRAIL_FORWARD={report.forward}).")
    if journal is None:
        return lines
    waiting = f"  {journal.to_store:,} to store and {journal.to_forward:,} to forward in the journal"
    if journal.oldest_at is not None:
        waiting += f", the oldest received {_time_text(journal.oldest_at, zone)}"
        waiting += ": too long ago" if report.is_late else ""
    lines += [waiting, f"  {plural(journal.failed, 'webhook')} given up"]
    if not report.is_complete:
        lines += [f"  {number:,}: {reason}" for reason, number in journal.reasons]
        lines.append("  Details, and how to try again: ticktrail receive --status")
    return lines


def _time_text(timestamp: float, zone: tzinfo) -> str:
    return date_time(datetime.fromtimestamp(timestamp, zone))


def _audit_result(report: AuditReport) -> str:
    if report.missing_count and report.repaired is None:
        return f"Not complete: {plural(report.missing_count, 'status')} that n8n still has missing in the store."
    if report.missing_count:
        return f"Was not complete; {plural(report.missing_count, 'missing status')} stored now."
    if report.is_complete and report.unfinished:
        return (
            "Every status so far is in the store. "
            f"More may come from {plural(len(report.unfinished), 'execution')} that n8n has not finished."
        )
    if report.is_complete:
        return "Complete: every status that the source still has is in the store."
    return "Every status that can be read is in the store, but some executions could not be read."


def _missing_line(one: MissingStatus, zone: tzinfo) -> str:
    started = "" if one.started_at is None else f", started {one.started_at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    return f"  {one.status} of {one.message_id} (execution {one.execution_id}{started})"


def _first(lines: list[str], count: int, *, verbose: bool) -> list[str]:
    """Return the first ten lines, or all of them."""
    shown = lines if verbose else lines[:10]
    return shown if len(shown) == count else [*shown, f"  … and {count - len(shown):,} more (-v names them)"]
