"""What a run came to: as lines for people and as documents for programs."""

from __future__ import annotations

from typing import Any, TextIO

from ticktrail.ingest import Preview, SyncReport, Tally
from ticktrail.render import can_show, to_json

REASONS = {
    "redacted": "redacted",
    "too_large": "too large",
    "no_data": "without data",
    "empty": "empty",
    "unreadable": "unreadable",
    "recovered_without_payload": "crashed, data lost",
    "trimmed": "trimmed",
    "binary": "body stored as a file",
}
"""Why n8n would not show an execution, in words."""


def tally_line(tally: Tally) -> str:
    """What was read, in one line: ``1,020 executions: 1,000 with statuses, 18 without, 2 n8n would not show (…)``."""
    line = f"{plural(tally.executions, 'execution')}: {tally.with_statuses:,} with statuses, {tally.without:,} without"
    hidden = sum(tally.not_shown.values())
    if hidden:
        reasons = ", ".join(f"{count:,} {REASONS.get(reason, reason)}" for reason, count in tally.not_shown.items())
        line += f", {hidden:,} n8n would not show ({reasons})"
    if tally.unfinished:
        line += f"; {tally.unfinished:,} of them not finished yet"
    return line


def plural(count: int, noun: str) -> str:
    """``1 message``, ``2,000 messages``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def sync_text(report: SyncReport) -> list[str]:
    """What a sync came to, for people."""
    written = report.written
    lines = [
        f"Read from {report.source}",
        f"  {tally_line(report.tally)}",
        f"Kept in {report.store}",
        f"  {plural(written.inserted, 'message')} inserted, {written.updated:,} updated, "
        f"{written.unchanged:,} unchanged" + (f"; {plural(written.sends, 'new send')}" if written.sends else ""),
    ]
    if written.refused:
        lines.append(f"  {plural(len(written.refused), 'message')} the store would not take")
    if report.tally.problem_count:
        lines.append(f"  {plural(report.tally.problem_count, 'thing')} left out (-v names each)")
    lines.append(f"Done in {report.seconds:.1f} s")
    return lines


def sync_document(report: SyncReport) -> dict[str, Any]:
    """What a sync came to, for programs."""
    tally, written = report.tally, report.written
    return {
        "source": report.source,
        "store": report.store,
        "executions": tally.executions,
        "withStatuses": tally.with_statuses,
        "withoutStatuses": tally.without,
        "notShown": dict(tally.not_shown),
        "unfinished": tally.unfinished,
        "events": tally.events,
        "inserted": written.inserted,
        "updated": written.updated,
        "unchanged": written.unchanged,
        "refused": [{"messageId": refusal.key, "reason": refusal.reason} for refusal in written.refused],
        "sends": written.sends,
        "pages": tally.pages,
        "bytes": tally.size,
        "problems": tally.problem_count,
        "seconds": round(report.seconds, 3),
    }


def preview_text(report: Preview, stream: TextIO) -> list[str]:
    """What a sync would change, for people, with one document before and after."""
    ascii_only = not can_show(stream, "✓é漢")
    lines = [
        f"Read from {report.source}",
        f"  {tally_line(report.tally)}",
        f"Would change in {report.store} (nothing was written)",
        f"  {report.inserted:,} messages inserted, {report.updated:,} updated, {report.unchanged:,} unchanged",
    ]
    if report.tally.sends:
        lines.append(f"  {plural(report.tally.sends, 'send')} met")
    if report.after is not None:
        before = "  (not stored yet)"
        if report.before is not None:
            shown = {name: value for name, value in report.before.items() if name != "_id"}
            before = to_json(shown, ascii_only=ascii_only, indent=2)
        lines += ["For example, before:", before, "after:", to_json(report.after, ascii_only=ascii_only, indent=2)]
    return lines


def preview_document(report: Preview) -> dict[str, Any]:
    """What a sync would change, for programs."""
    return {
        "source": report.source,
        "store": report.store,
        "executions": report.tally.executions,
        "inserted": report.inserted,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "before": report.before,
        "after": report.after,
    }
