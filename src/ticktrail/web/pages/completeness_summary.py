"""Completeness of a store in one sentence, its severity, and the remarks behind it. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, tzinfo
from typing import Literal

import msgspec

from ticktrail.extraction.withheld import REASONS, not_read_text
from ticktrail.queries.completeness import Completeness
from ticktrail.stores.coverage import Gap, PendingExecution
from ticktrail.web.pages import wording as words
from ticktrail.web.pages.command_texts import from_english, listed
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import ngettext

GAP_COUNTS_SECONDS = 7 * 86_400
"""A gap is a remark for a week; the page about completeness keeps listing it."""

Level = Literal["good", "warn", "bad"]


class CompletenessSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Completeness as every page shows it.

    Attributes:
        level: green, amber or red.
        headline: ``complete up to 14:32``.
        remarks: what is missing, each a clause.
        checked_at: complete up to then; None where no sync of n8n succeeded.
    """

    level: Level
    headline: str
    remarks: tuple[str, ...] = ()
    checked_at: datetime | None = None


def summarize(completeness: Completeness, now: datetime, zone: tzinfo, *, masked: bool = False) -> CompletenessSummary:
    """Summarize how complete the store is.

    Args:
        masked: without the words of n8n and of the store, which may name hosts and folders.
    """
    if not completeness.exists:
        return CompletenessSummary(level="warn", headline=_("no data yet: no sync has run"))
    hidden = completeness.withheld
    recent = [gap for gap in completeness.gaps if (now - gap.found_at).total_seconds() < GAP_COUNTS_SECONDS]
    remarks = [*(_gap(gap, zone, now) for gap in recent[-2:])]
    if len(recent) > 2:
        remarks.append(ngettext("and {count} more gap", "and {count} more gaps", len(recent) - 2))
    if hidden:
        remarks.append(withheld_text(hidden, masked=masked))
    refused = len(completeness.refused)
    if refused:
        remarks.append(
            ngettext(
                "{count} execution with data that the store refused",
                "{count} executions with data that the store refused",
                refused,
            )
        )
    if completeness.not_read:
        reasons = Counter[str]()
        for one in completeness.not_read:
            reasons[from_english(not_read_text(one.reason, one.provider))] += one.count
        count = ngettext("{count} execution", "{count} executions", reasons.total())
        remarks.append(_("{executions} not read ({reasons})").format(executions=count, reasons=_counted(reasons)))
    if completeness.never:
        named = _(" or ").join(f"“{name}”" for name in sorted(completeness.never))
        remarks.append(_("no message ever came with {statuses}: the trigger may filter it").format(statuses=named))
    level: Level = "warn" if recent or hidden or refused or completeness.never else "good"
    failed = _failing(completeness, masked=masked)
    if failed:
        remarks.insert(0, failed)
    checked_at = completeness.checked_at
    if checked_at is None:
        return CompletenessSummary(
            level="bad" if failed else "warn",
            headline=(
                _("no sync with n8n has succeeded yet")
                if failed or any(workflow.scope for workflow in completeness.workflows)
                else _("imported from files: what else n8n had is not known") if completeness.messages
                else _("no data yet: no sync has run")
            ),
            remarks=tuple(remarks),
        )  # fmt: skip
    seconds = (now - checked_at).total_seconds()
    headline = _("complete up to {moment}").format(moment=words.clock(int(checked_at.timestamp()), zone, now))
    if completeness.is_late(now):
        remarks.insert(0, _("the last sync was {age} ago").format(age=words.age(seconds)))
        level = "bad"
    return CompletenessSummary(
        level="bad" if failed and level != "good" else "warn" if failed else level,
        headline=headline, remarks=tuple(remarks), checked_at=checked_at,
    )  # fmt: skip


def reason_text(reason: str, *, masked: bool) -> str:
    """Why something could not be read, in words; what n8n or the store said itself only where it may be seen."""
    return from_english(REASONS.get(reason, _("for another reason") if masked else reason))


def withheld_text(hidden: tuple[PendingExecution, ...], *, masked: bool = False) -> str:
    """``3 executions n8n would not show (2 redacted, 1 too large)``."""
    reasons = Counter(reason_text(one.reason or "unreadable", masked=masked) for one in hidden)
    listed = _counted(reasons)
    return _("{executions} withheld by n8n ({reasons})").format(
        executions=ngettext("{count} execution", "{count} executions", len(hidden)), reasons=listed
    )


def _counted(reasons: Counter[str]) -> str:
    return listed(f"{count:,} {reason[:40]}" for reason, count in reasons.most_common(4))


def checked(completeness: Completeness) -> str:
    """``checked 40,213 of 40,216 executions``."""
    waiting = len(completeness.unprocessed)
    executions = ngettext("{count} execution", "{count} executions", completeness.processed + waiting)
    return _("checked {processed} of {executions}").format(
        processed=f"{completeness.processed:,}", executions=executions
    )


def _failing(completeness: Completeness, *, masked: bool) -> str:
    """The error of the latest run; empty when it succeeded."""
    if not completeness.runs or completeness.runs[0].error is None:
        return ""
    first = "" if masked else "".join(completeness.runs[0].error.splitlines()[:1])[:200]
    return f"{_('the last sync failed')}: {first}" if first else _("the last sync failed")


def _gap(gap: Gap, zone: tzinfo, now: datetime) -> str:
    ends = [_instant(text) for text in (gap.from_started_at, gap.to_started_at)]
    if ends[0] is None or ends[1] is None:
        return _("nothing known between executions {first} and {last}: n8n deleted them before they were read").format(
            first=gap.after_id, last=gap.before_id
        )
    first, last = (words.clock(int(end.timestamp()), zone, now) for end in ends if end is not None)
    return _("nothing known from {first} to {last}: n8n deleted these executions before they were read").format(
        first=first, last=last
    )


def gap_text(gap: Gap, zone: tzinfo, now: datetime) -> str:
    """A gap in words, with a capital."""
    text = _gap(gap, zone, now)
    return text[0].upper() + text[1:]


def _instant(text: str | None) -> datetime | None:
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo is not None else None
