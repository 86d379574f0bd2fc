"""The figures of a ledger as one report: what ``ticktrail stats`` prints and the API answers."""

from __future__ import annotations

from datetime import datetime

from ticktrail.messages.counts import DAY_SECONDS, Counts
from ticktrail.messages.filters import READ, Grouping, MessageFilter
from ticktrail.messages.grouping import WITH_DETAILS, chosen, folded
from ticktrail.messages.rates import never_passed
from ticktrail.output.statistics import Report
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
