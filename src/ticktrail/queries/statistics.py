"""The figures of a ledger as one report: what ``ticktrail stats`` prints and the API answers."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

import msgspec

from ticktrail.messages import rates as stats
from ticktrail.messages.counts import DAY_SECONDS, Counts, Group
from ticktrail.messages.filters import READ, Grouping, MessageFilter
from ticktrail.messages.grouping import WITH_DETAILS, Chosen, chosen, folded
from ticktrail.messages.rates import never_passed
from ticktrail.queries import hints as teaching
from ticktrail.queries.completeness import unseen
from ticktrail.settings.naming import Naming
from ticktrail.stores import Store

_LATEST = {"sent": ("sent",), "delivered": ("delivered",), "read": READ, "failed": ("failed", "undelivered")}


def overview(
    ledger: Store, wanted: MessageFilter, by: Grouping | None, limit: int, *, naming: Naming, now: datetime
) -> Report:
    """The totals of the messages a filter chooses, and their groups, the worst first, at most ``limit`` of them."""
    young_since = young_from(now)
    (totals,) = ledger.statistics(wanted, young_since=young_since, details=True)
    groups = None
    if by is not None:
        counted = ledger.statistics(wanted, by, young_since=young_since, details=by in WITH_DETAILS)
        named = folded(counted, by, zone=ledger.timezone, campaign_key=naming.campaign_key, names=naming.numbers)
        groups = chosen(named, by, limit)
    return Report(
        location=ledger.location,
        zone=ledger.timezone,
        totals=totals.counts,
        since_timestamp=wanted.since_timestamp,
        until_timestamp=wanted.until_timestamp,
        never=statuses_never_passed(ledger, totals.counts, wanted),
        by=by,
        groups=groups,
        unseen=unseen(ledger, wanted, now),
    )


def young_from(now: datetime) -> int:
    """Unix seconds from which messages count as not final: 24 hours ago."""
    return int(now.timestamp()) - DAY_SECONDS


def statuses_never_passed(ledger: Store, counts: Counts, asked: MessageFilter) -> frozenset[str]:
    """What the trigger never passes: what did not come in these messages, nor ever."""
    absent = never_passed(counts)
    if absent and asked != MessageFilter():
        seen = {name for name in absent if next(ledger.messages(MessageFilter(statuses=_LATEST[name], limit=1)), None)}
        return never_passed(counts, seen)
    return absent


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, and the answer.

    Attributes:
        since_timestamp: Unix seconds, as asked; ``until_timestamp`` likewise.
        never: statuses that the trigger never passes.
        unseen: what the figures could not see, a sentence each.
    """

    location: str
    zone: tzinfo
    totals: Counts
    since_timestamp: int | None = None
    until_timestamp: int | None = None
    never: frozenset[str] = frozenset()
    by: Grouping | None = None
    groups: Chosen | None = None
    unseen: tuple[str, ...] = ()


def report_document(report: Report) -> dict[str, Any]:
    """For programs: totals and groups with every count."""
    totals = stats.figures(report.totals, report.never)
    made: dict[str, Any] = {
        "store": report.location,
        "timezone": str(report.zone),
        "since": _instant(report.since_timestamp, report.zone),
        "until": _instant(report.until_timestamp, report.zone),
        "neverPassed": sorted(report.never),
        "unseen": list(report.unseen),
        "totals": {**stats.document(totals), **stats.details_document(totals)},
    }
    if report.by is not None and report.groups is not None:
        made["by"] = report.by.value
        made["groupCount"] = report.groups.named
        made["groups"] = [group_document(group, report.by, report.never) for group in report.groups.shown]
        if report.groups.nameless != Counts():
            nameless = Group(key=None, counts=report.groups.nameless)
            made["groups"].append(group_document(nameless, report.by, report.never))
        if not report.groups.named:
            made["hint"] = " ".join(teaching.empty_grouping(report.by, messages=report.totals.messages))
    return made


def group_document(group: Group, by: Grouping, never: frozenset[str]) -> dict[str, Any]:
    """One group for programs; a null key stands for the messages that belong to none."""
    made = stats.figures(group.counts, never)
    document = {by.value: group.key, "label": group.label, **stats.document(made)}
    if by is Grouping.ERROR:
        document["people"] = group.people
    if by in WITH_DETAILS:
        document |= {f"p{percent}ToDeliver": made.percentiles.get(percent) for percent in stats.PERCENTILES}
    return document


def _instant(timestamp: int | None, zone: tzinfo) -> str | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, zone).isoformat()
