"""The page behind the strip: how complete the ledger is, workflow by workflow, with the latest runs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from ticktrail.queries import hints as teaching
from ticktrail.queries.completeness import Completeness, WorkflowCompleteness, read_completeness
from ticktrail.stores.coverage import PendingExecution
from ticktrail.stores.sync_state import Run
from ticktrail.text.formatting import plural, short_duration
from ticktrail.web.pages import components as parts
from ticktrail.web.pages import layout as frame
from ticktrail.web.pages import strings as words
from ticktrail.web.pages import trust_words
from ticktrail.web.pages.completeness_summary import checked, gap_text, judge, reason_text
from ticktrail.web.pages.context import Visitor

_LISTED = 50


async def trust(visitor: Visitor) -> None:
    """Whether what the pages say can be trusted, and what is behind it."""
    site = visitor.site
    async with frame.page(visitor, "/trust", words.TRUST):
        parts.text(words.TRUST, tag="h1")
        container = parts.box("listing")

    async def ask() -> Completeness:
        return await site.ledger.recall(
            "trust", lambda store: read_completeness(store, site.settings, content=True), of_sync_state=True
        )

    await parts.fill(container, ask, lambda known: _show(visitor, known))


def _show(visitor: Visitor, known: Completeness) -> None:
    site = visitor.site
    zone, now = site.settings.timezone, site.now()
    judged = judge(known, now, zone, masked=visitor.masked)
    with parts.box(f"card verdict {judged.level}"):
        unknown = judged.checked_at is None and judged.level != "bad"
        answer = trust_words.UNKNOWN if unknown else trust_words.LEVELS[judged.level]
        parts.text(f"{answer} {words.capital(judged.headline)}.", "verdict-head", tag="p")
        for remark in judged.remarks:
            parts.text(f"{remark[0].upper()}{visitor.text(remark[1:], 400)}.", tag="p")
        if known.exists:
            told = [trust_words.HELD.format(messages=plural(known.messages or 0, "message"))]
            if known.workflows:
                told.insert(0, checked(known))
            parts.text(" · ".join(told), "muted", tag="p")
    for paragraph in teaching.never_passed(known.never or ()):
        parts.text(paragraph, "hint", tag="p")
    if not known.exists:
        parts.empty(words.EMPTY_LEDGER, words.EMPTY_LEDGER_HINT)
        return
    for one in known.workflows:
        _workflow(visitor, one, several=len(known.workflows) > 1)
    with parts.section(trust_words.LATEST_RUNS):
        if known.runs:
            _runs(visitor, known.runs)
        else:
            hint = trust_words.NO_RUNS_HINT if known.messages else words.EMPTY_LEDGER_HINT
            parts.empty(trust_words.NO_RUNS, hint)


def _workflow(visitor: Visitor, one: WorkflowCompleteness, *, several: bool) -> None:
    workflow_id, facts, opened = one.workflow_id, one.facts, one.unprocessed
    zone, now = visitor.site.settings.timezone, visitor.site.now()

    def moment(at: datetime | None) -> str:
        return trust_words.NEVER if at is None else words.clock(int(at.timestamp()), zone, now)

    title = trust_words.LOOKED_AT
    if several:
        title = trust_words.WORKFLOW.format(workflow=visitor.text(workflow_id, 60))
    with parts.section(title), parts.box("card"):
        with parts.box("facts", tag="dl"):
            for name, value in {
                trust_words.COMPLETE_FACT: moment(facts.checked_at),
                trust_words.WALKED: moment(facts.full_at),
                trust_words.NEWEST: _execution_fact(facts.newest_id, facts.newest_started_at, moment),
                trust_words.OLDEST: _execution_fact(facts.oldest_id, facts.oldest_started_at, moment),
            }.items():
                parts.text(name, tag="dt")
                parts.text(value, tag="dd")
        if facts.gaps:
            parts.text(trust_words.GAPS, tag="h3")
            with parts.box("plain-list", tag="ul"):
                for gap in reversed(facts.gaps[-_LISTED:]):
                    parts.text(gap_text(gap, zone, now) + ".", tag="li")
        if facts.lost:
            parts.text(trust_words.LOST, tag="h3")
            with parts.box("plain-list", tag="ul"):
                for lost in facts.lost[-10:]:
                    reason = visitor.text(reason_text(lost.reason or trust_words.NOT_KNOWN, masked=visitor.masked), 80)
                    parts.text(trust_words.LOST_ONE.format(execution=lost.execution_id, reason=reason), tag="li")
        if opened:
            parts.text(trust_words.OPEN, tag="h3")
            _open(visitor, workflow_id, opened, moment)


def _open(
    visitor: Visitor, workflow_id: str, opened: tuple[PendingExecution, ...], moment: Callable[[datetime | None], str]
) -> None:
    with parts.box("table-wrap"), parts.box("plain", tag="table"):
        _head(*trust_words.OPEN_HEADINGS)
        with parts.box(tag="tbody"):
            for one in sorted(opened, key=lambda one: -one.execution_id)[:_LISTED]:
                with parts.box(tag="tr"):
                    with parts.box(tag="td"):
                        address = visitor.execution(workflow_id, str(one.execution_id))
                        if address is None:
                            parts.text(one.execution_id)
                        else:
                            parts.away(str(one.execution_id), address)
                    why = reason_text(one.reason, masked=visitor.masked) if one.reason else ""
                    reason = f" ({visitor.text(why, 80)})" if why else ""
                    parts.text(trust_words.OPEN_KINDS[one.kind.value] + reason, tag="td")
                    parts.text(moment(one.first_met_at), tag="td")
                    parts.text(moment(one.look_again_at), tag="td")
    if len(opened) > _LISTED:
        parts.text(words.AND_MORE.format(count=len(opened) - _LISTED), "muted")


def _runs(visitor: Visitor, runs: tuple[Run, ...]) -> None:
    zone, now = visitor.site.settings.timezone, visitor.site.now()
    with parts.box("table-wrap card"), parts.box("plain", tag="table"):
        _head(*trust_words.RUN_HEADINGS, numbers={1, 2, 3})
        with parts.box(tag="tbody"):
            for run in runs[:_LISTED]:
                with parts.box(tag="tr"):
                    parts.text(words.clock(int(run.began_at.timestamp()), zone, now, seconds=True), tag="td")
                    parts.text(short_duration(run.seconds), "number", tag="td")
                    parts.text(_count(run.report.get("executions")), "number", tag="td")
                    parts.text(_count(run.report.get("newEvents")), "number", tag="td")
                    with parts.box(tag="td"):
                        if run.error is None:
                            parts.text(trust_words.CAME_THROUGH, "good-word")
                        else:
                            error = trust_words.ENDED_BADLY if visitor.masked else visitor.text(run.error, 200)
                            parts.text(error, "bad-word")


def _head(*names: str, numbers: Collection[int] = ()) -> None:
    with parts.box(tag="thead"), parts.box(tag="tr"):
        for place, name in enumerate(names):
            parts.text(name, "number" if place in numbers else "", tag="th", scope="col")


def _count(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "—"


def _execution_fact(number: int | None, started_at: str | None, moment: Callable[[datetime | None], str]) -> str:
    if number is None:
        return trust_words.NONE_YET
    try:
        started = None if started_at is None else datetime.fromisoformat(started_at)
    except ValueError:
        started = None
    if started is None or started.tzinfo is None:
        return str(number)
    return trust_words.STARTED.format(execution=number, moment=moment(started))
