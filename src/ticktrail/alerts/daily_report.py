"""The report of a day or a week in ten lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, Literal

import msgspec

from ticktrail.alerts.alert import DAY_SECONDS, HOUR_SECONDS, Alert
from ticktrail.alerts.documents import headline
from ticktrail.alerts.facts import delivered_within, timed, workflows
from ticktrail.alerts.failures import one_title
from ticktrail.alerts.notifications import unacknowledged
from ticktrail.alerts.self_answers import find_self_answers, without_self_answers
from ticktrail.alerts.service import find_alerts
from ticktrail.alerts.settings import AlertSettings
from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.error_codes import Catalogue
from ticktrail.messages.failure_causes import CauseCount
from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
from ticktrail.messages.rates import (
    Share,
    accepted_text,
    compute_rates,
    rate_details_document,
    rates_document,
)
from ticktrail.queries.completeness import WorkflowCompleteness
from ticktrail.queries.statistics import compute_statistics, is_covered, young_from
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.text.formatting import long_duration, people_text, plural, recent_time, safe_name, short_duration

PeriodName = Literal["day", "week"]

_TOP = 3


class ReportPeriod(msgspec.Struct, frozen=True):
    """Whole days of a zone: yesterday, or the seven days before today. Unix seconds, the end exclusive."""

    name: PeriodName
    since: int
    until: int
    zone: tzinfo

    @property
    def title(self) -> str:
        """``Yesterday, Sat 21 Nov 2026``; ``The week from 15 to 21 Nov 2026``."""
        first = datetime.fromtimestamp(self.since, self.zone)
        last = datetime.fromtimestamp(self.until - 1, self.zone)
        if self.name == "day":
            return f"Yesterday, {first:%a} {first.day} {first:%b %Y}"
        month = "" if first.month == last.month else f" {first:%b}"
        return f"The week from {first.day}{month} to {last.day} {last:%b %Y}"


def period_of(name: PeriodName, now: datetime, zone: tzinfo) -> ReportPeriod:
    """Return yesterday, or the seven days before today."""
    today = now.astimezone(zone).date()
    # On the wall clock: a day is not always 24 hours.
    first = today - timedelta(days=1 if name == "day" else 7)
    since, until = (int(datetime.combine(day, time(), zone).timestamp()) for day in (first, today))
    return ReportPeriod(name, since, until, zone)


def week_before(period: ReportPeriod) -> ReportPeriod:
    """Return the same days one week earlier."""
    since, until = (
        int((datetime.fromtimestamp(moment, period.zone) - timedelta(days=7)).timestamp())
        for moment in (period.since, period.until)
    )
    return ReportPeriod(period.name, since, until, period.zone)


class DailyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a period.

    Attributes:
        before: the counts of the same days one week earlier; None where the store does not cover them.
        sends_known: sends of the period were read.
        never: statuses that the trigger never passes.
        errors: failed messages by code.
        refused: sends that Meta refused, by cause; without ``self_answers``, which answered status updates.
        workflows: how complete the store is.
        alerts: open alerts that are not acknowledged; ``checked``: what was checked to find them.
    """

    period: ReportPeriod
    now: datetime
    counts: Counts
    before: Counts | None
    sends_known: bool = False
    never: frozenset[str] = frozenset()
    errors: Sequence[Group] = ()
    refused: Sequence[CauseCount] = ()
    self_answers: int = 0
    workflows: Sequence[WorkflowCompleteness] = ()
    alerts: Sequence[Alert] = ()
    checked: str = ""


def read_report(
    settings: Settings, own: AlertSettings, store: Store, period: ReportPeriod, now: datetime
) -> DailyReport:
    """Return the figures of a period, and the alerts that are open now."""
    chosen, earlier = (
        MessageFilter(since_timestamp=one.since, until_timestamp=one.until) for one in (period, week_before(period))
    )
    found = compute_statistics(store, settings, chosen, Grouping.ERROR, user_file=own.user_file, now=now)
    before: Counts | None = None
    if is_covered(store, week_before(period).since):
        (counted,) = store.statistics(earlier, young_since=young_from(now), details=True)
        before = counted.counts
    groups = found.groups
    errors = [] if groups is None else [*groups.shown, Group(key=None, counts=groups.nameless)]
    sends = list(store.send_causes(SendFilter(since_timestamp=period.since, until_timestamp=period.until)))
    answers = find_self_answers(store, sends, since=period.since, until=period.until)
    open_alerts = find_alerts(settings, own, store, now)
    return DailyReport(
        period=period,
        now=now,
        counts=found.totals,
        before=before,
        sends_known=bool(found.sends_known),
        never=found.never,
        errors=[group for group in errors if group.counts.failed],
        refused=without_self_answers(sends, answers),
        self_answers=sum(answer.count for answer in answers),
        workflows=workflows(store, settings),
        alerts=unacknowledged(open_alerts.alerts, store.alert_state.all()),
        checked=open_alerts.checked,
    )


def report_lines(found: DailyReport, catalogue: Catalogue) -> list[str]:
    """Return the report, one line each."""
    made = compute_rates(found.counts, found.never)
    counts = found.counts
    return [
        f"accepted: {'; '.join([accepted_text(counts, sends_known=found.sends_known), *_beside(counts)])}",
        _line("delivered", made.delivered, "sent", ""),
        _line("read", made.read, "delivered", "≥ "),
        f"a week before: {_compared(found)}",
        f"failed: {_failed(found, catalogue, made.failed)}",
        f"pending: {counts.pending:,}",
        f"time to deliver: {_times(made.percentiles, counts)}",
        f"refused by Meta before sending: {_refused(found, catalogue)}",
        f"completeness: {_completeness(found)}",
        f"now: {_alerts(found)}",
    ]


def daily_report_document(found: DailyReport, lines: Sequence[str]) -> dict[str, Any]:
    """Return the report for programs: every count, and the lines."""
    made = compute_rates(found.counts, found.never)
    period = found.period
    refused = [one for one in found.refused if one.failed]
    return {
        "period": period.name,
        "title": period.title,
        "since": _iso(period.since, period.zone),
        "until": _iso(period.until, period.zone),
        "totals": {**rates_document(made), **rate_details_document(made)},
        "weekBefore": None if found.before is None else rates_document(compute_rates(found.before)),
        "errors": [
            {"code": group.key, "title": group.label, "failed": group.counts.failed, "people": group.people}
            for group in _worst(found.errors)
        ],
        "refusedSends": sum(one.count for one in refused),
        "needsYou": [{"key": alert.key, "title": alert.title} for alert in found.alerts],
        "lines": list(lines),
    }


def _beside(counts: Counts) -> list[str]:
    """Return what is not in the rates, and what is provisional."""
    left_out = [
        f"{count:,} {words}" for count, words in ((counts.groups, "to groups"), (counts.tests, "tests")) if count
    ]
    notes = [f"not counted: {' and '.join(left_out)}"] if left_out else []
    return [*notes, f"{counts.provisional:,} younger than 24 h (provisional)"] if counts.provisional else notes


def _line(name: str, share: Share, of: str, sign: str) -> str:
    if share.missing is not None:
        return f"{name}: {share.percent} ({share.missing})"
    parts = f"{share.part:,} of {share.whole:,} {of}"
    return f"{name}: {sign}{share.percent} ({parts})" if share.percent else f"{name}: {sign}{parts}"


def _compared(found: DailyReport) -> str:
    """Compare what was delivered at the same age, then and now."""
    age = min(int(found.now.timestamp()) - found.period.until, DAY_SECONDS)
    if age < HOUR_SECONDS:
        return "too early to compare"
    if found.before is None:
        return "the store does not go back so far"
    shares = [Share(delivered_within(counts, age), timed(counts)) for counts in (found.counts, found.before)]
    if not all(share.percent for share in shares):
        sent, before = (share.whole for share in shares)
        return f"{before:,} sent, now {sent:,}; too few for a percentage"
    this, before_that = shares
    return (
        f"{before_that.percent} ({before_that.part:,} of {before_that.whole:,}) delivered within {long_duration(age)}, "
        f"now {this.percent} ({this.part:,} of {this.whole:,}), of messages with known times"
    )


def _failed(found: DailyReport, catalogue: Catalogue, share: Share) -> str:
    if share.missing is not None:
        return f"{share.percent} ({share.missing})"
    total = f"{share.part:,}" + (f" ({share.percent} of {share.whole:,})" if share.percent and share.part else "")
    reasons = []
    for group in _worst(found.errors)[:_TOP]:
        code = None if group.key is None else str(group.key)
        title = one_title(catalogue.lookup(code), [group.label], code)
        reasons.append(f"{group.counts.failed:,} {title}, {people_text(group.people)}".rstrip(", "))
    more = len(found.errors) - len(reasons)
    reasons += [f"{plural(more, 'other reason')}"] if more > 0 else []
    return "; ".join([total, *reasons])


def _worst(errors: Sequence[Group]) -> list[Group]:
    return sorted(errors, key=lambda group: (-group.counts.failed, str(group.key)))


def _times(percentiles: Any, counts: Counts) -> str:
    if not percentiles:
        return "too few messages"
    median, p90, p99 = (short_duration(percentiles[percent]) for percent in (50, 90, 99))
    return f"median {median}, p90 {p90}, p99 {p99}; {counts.pending + counts.failed:,} not delivered"


def _refused(found: DailyReport, catalogue: Catalogue) -> str:
    by_code: dict[str | None, list[CauseCount]] = {}
    for one in found.refused:
        if one.failed:
            by_code.setdefault(one.code, []).append(one)
    sums = sorted(((sum(one.count for one in alike), code, alike) for code, alike in by_code.items()),
                  key=lambda each: (-each[0], str(each[1])))  # fmt: skip
    aside = f" ({found.self_answers:,} answers to status updates not counted)" if found.self_answers else ""
    if not sums:
        return f"{'none' if found.refused else 'none known'}{aside}"
    parts = [
        f"{count:,} {one_title(catalogue.lookup(code), [one.title for one in alike], code)}"
        for count, code, alike in sums[:_TOP]
    ]
    return "; ".join([f"{sum(count for count, _, _ in sums):,}{aside}", *parts])


def _completeness(found: DailyReport) -> str:
    """Return how complete the store is, and what the figures may lack."""
    if not found.workflows:
        return "no sync with n8n has run"
    parts = []
    checked = [workflow.checked_at for workflow in found.workflows]
    oldest = min((moment for moment in checked if moment is not None), default=None)
    if oldest is None or None in checked:
        parts.append("a workflow has not been synced yet")
    else:
        parts.append(f"complete up to {recent_time(int(oldest.timestamp()), found.now, found.period.zone)}")
    withheld, refused = (
        sum(len(getattr(workflow, name)) for workflow in found.workflows) for name in ("withheld", "refused")
    )
    if withheld:
        parts.append(f"{plural(withheld, 'execution')} withheld by n8n")
    if refused:
        parts.append(f"data of {plural(refused, 'execution')} refused by the store")
    not_read = sum(each.count for workflow in found.workflows for each in workflow.not_read)
    if not_read:
        parts.append(f"{plural(not_read, 'execution')} not read")
    gaps = sum(
        gap.found_at.timestamp() >= found.period.since for workflow in found.workflows for gap in workflow.facts.gaps
    )
    if gaps:
        parts.append(f"{plural(gaps, 'gap')} found")
    return "; ".join(parts)


def _alerts(found: DailyReport) -> str:
    text = headline(len(found.alerts))
    if not found.alerts:
        return f"{text}. {found.checked}".strip()
    shown = "; ".join(safe_name(alert.title, 80) for alert in found.alerts[:_TOP])
    more = f" and {len(found.alerts) - _TOP:,} more" if len(found.alerts) > _TOP else ""
    return f"{text}: {shown}{more}"


def _iso(timestamp: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(timestamp, zone).isoformat(timespec="seconds")
