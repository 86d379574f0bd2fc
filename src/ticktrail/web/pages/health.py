"""Data health: completeness over the last 24 hours, sync runs, withheld and unread executions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request

from ticktrail.extraction.withheld import not_read_text
from ticktrail.queries import hints
from ticktrail.queries.completeness import Completeness, WorkflowCompleteness
from ticktrail.stores.coverage import PendingExecution
from ticktrail.stores.sync_state import Run
from ticktrail.web.pages import frame, wording
from ticktrail.web.pages.command_texts import from_english
from ticktrail.web.pages.completeness_summary import checked, gap_text, reason_text, summarize
from ticktrail.web.pages.context import Visitor
from ticktrail.web.pages.rendering import View
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import mark, ngettext

_LISTED = 50
_LOST_LISTED = 10
_SLOTS = 48
_SLOT = timedelta(minutes=30)

_LEVELS = {
    "good": mark("Complete"),
    "warn": mark("Complete, with exceptions"),
    "bad": mark("Not current"),
}
_KINDS = {
    "unfinished": mark("not finished yet"),
    "not_shown": mark("withheld by n8n"),
    "crashed": mark("crashed, read again later"),
    "refused": mark("refused by the store"),
}


async def health(visitor: Visitor, _request: Request) -> View:
    """The page."""
    site = visitor.site
    completeness = await frame.completeness(visitor)
    now = site.now()
    shown = summarize(completeness, now, site.zone, masked=visitor.masked)
    unknown = shown.checked_at is None and shown.level != "bad"
    summary = []
    if completeness.exists:
        summary = [checked(completeness)] if completeness.workflows else []
        summary.append(_("{messages} in the store").format(
            messages=ngettext("{count} message", "{count} messages", completeness.messages or 0)))  # fmt: skip
    context = {
        "completeness": shown,
        "answer": _("Not known") if unknown else _(_LEVELS[shown.level]),
        "remarks": [wording.capital(visitor.text(remark, 400)) for remark in shown.remarks],
        "summary": " · ".join(summary),
        "hints": list(map(from_english, hints.never_passed(completeness.never or ()))),
        "exists": completeness.exists,
        "slots": _timeline(visitor, completeness) if completeness.workflows else [],
        "axis": [f"{now.astimezone(site.zone) - timedelta(hours=hours):%H:%M}" for hours in (24, 18, 12, 6)]
        + [_("now")],
        "workflows": [
            _workflow(visitor, workflow, several=len(completeness.workflows) > 1) for workflow in completeness.workflows
        ],
        "runs": [_run(visitor, run) for run in completeness.runs[:_LISTED]],
        "imported": bool(completeness.messages),
    }
    return View(template="health.html", title=_("Data health"), place="/health", context=context)


def _timeline(visitor: Visitor, completeness: Completeness) -> list[dict[str, Any]]:
    """The last 24 hours in half hours: complete, with a gap, or not read yet."""
    site = visitor.site
    now = site.now()
    gaps = [
        bounds for gap in completeness.gaps if (bounds := _bounds(gap.from_started_at, gap.to_started_at)) is not None
    ]
    read_until = completeness.checked_at
    failed = [run.began_at for run in completeness.runs if run.error is not None]
    found = []
    for place in range(_SLOTS):
        begin = now - _SLOT * (_SLOTS - place)
        end = begin + _SLOT
        level = "good"
        if read_until is None or begin >= read_until:
            level = "unread"
        if any(first < end and last >= begin for first, last in gaps):
            level = "gap"
        elif level == "good" and any(begin <= at < end for at in failed):
            level = "failed"
        words = {
            "good": _("complete"), "unread": _("not read yet"), "gap": _("data missing"),
            "failed": _("a sync failed, read since"),
        }  # fmt: skip
        span = f"{begin.astimezone(site.zone):%H:%M}\N{EN DASH}{end.astimezone(site.zone):%H:%M}"
        x = place * 100 / _SLOTS
        found.append({"x": round(100 - x - 100 / _SLOTS if visitor.language == "ar" else x, 3), "level": level,
                      "text": f"{span}: {words[level]}"})  # fmt: skip
    return found


def _bounds(begin: str | None, end: str | None) -> tuple[datetime, datetime] | None:
    try:
        first, last = datetime.fromisoformat(begin or ""), datetime.fromisoformat(end or "")
    except ValueError:
        return None
    return (first, last) if first.tzinfo is not None and last.tzinfo is not None else None


def _workflow(visitor: Visitor, one: WorkflowCompleteness, *, several: bool) -> dict[str, Any]:
    workflow_id, facts = one.workflow_id, one.facts
    site, now = visitor.site, visitor.site.now()
    waiting = sorted(one.unprocessed, key=lambda record: -record.execution_id)
    return {
        "title": _("Workflow {workflow}").format(workflow=visitor.text(workflow_id, 60)) if several
        else _("What was read"),
        "facts": [
            (_("Complete up to"), _moment(visitor, facts.checked_at)),
            (_("Whole list checked"), _moment(visitor, facts.full_at)),
            (_("Newest execution"), _execution(visitor, facts.newest_id, facts.newest_started_at)),
            (_("Oldest left in n8n"), _execution(visitor, facts.oldest_id, facts.oldest_started_at)),
        ],
        "gaps": [gap_text(gap, site.zone, now) for gap in reversed(facts.gaps[-_LISTED:])],
        "lost": [
            _("execution {execution}: {reason}").format(
                execution=lost.execution_id,
                reason=visitor.text(reason_text(lost.reason or _("not known"), masked=visitor.masked), 80),
            )
            for lost in facts.lost[-_LOST_LISTED:]
        ],
        "not_read": [
            {
                "count": wording.number(record.count),
                "reason": visitor.text(from_english(not_read_text(record.reason, record.provider)), 80),
                "execution": str(record.last_execution_id),
                "href": visitor.execution(workflow_id, str(record.last_execution_id)),
                "last": _moment(visitor, record.last_at),
            }
            for record in facts.not_read
        ],
        "open": [_open(visitor, workflow_id, record) for record in waiting[:_LISTED]],
        "more": max(0, len(waiting) - _LISTED),
    }  # fmt: skip


def _open(visitor: Visitor, workflow_id: str, one: PendingExecution) -> dict[str, Any]:
    why = reason_text(one.reason, masked=visitor.masked) if one.reason else ""
    return {
        "execution": str(one.execution_id),
        "href": visitor.execution(workflow_id, str(one.execution_id)),
        "kind": _(_KINDS[one.kind.value]),
        "why": visitor.text(why, 80) if why else "",
        "first": _moment(visitor, one.first_met_at),
        "again": _moment(visitor, one.look_again_at),
    }


def _run(visitor: Visitor, run: Run) -> dict[str, Any]:
    site = visitor.site
    counts = [run.report.get(name) for name in ("executions", "newEvents")]
    return {
        "began": wording.clock(int(run.began_at.timestamp()), site.zone, site.now(), seconds=True),
        "took": wording.duration(run.seconds),
        "executions": wording.number(counts[0]) if isinstance(counts[0], int) else "—",
        "statuses": wording.number(counts[1]) if isinstance(counts[1], int) else "—",
        "failed": run.error is not None,
        "ended": _("done") if run.error is None else _("failed") if visitor.masked else visitor.text(run.error, 200),
    }


def _moment(visitor: Visitor, at: datetime | None) -> str:
    site = visitor.site
    return _("never") if at is None else wording.clock(int(at.timestamp()), site.zone, site.now())


def _execution(visitor: Visitor, number: int | None, started_at: str | None) -> str:
    if number is None:
        return _("none yet")
    try:
        started = None if started_at is None else datetime.fromisoformat(started_at)
    except ValueError:
        started = None
    if started is None or started.tzinfo is None:
        return str(number)
    return _("{execution}, started {moment}").format(execution=number, moment=_moment(visitor, started))
