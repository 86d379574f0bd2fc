"""Statistics: totals, groups and comparisons, the same for the CLI, the API, the pages and the downloads."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

import msgspec

from ticktrail.messages import grouping, rates
from ticktrail.messages.campaign import campaign_of
from ticktrail.messages.counts import DAY_SECONDS, HOUR_SECONDS, Counts, Group, Key, message_time
from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
from ticktrail.messages.grouping import WITH_DETAILS, Chosen
from ticktrail.messages.model import EARLIEST_PLAUSIBLE_TIMESTAMP
from ticktrail.queries import hints
from ticktrail.queries.completeness import missing_data, read_completeness, statuses_never_passed
from ticktrail.queries.periods import Period
from ticktrail.queries.workflow_names import workflow_names
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import UserFile
from ticktrail.stores import Store

SPARKLINES = 30
"""Groups that a page shows a sparkline and a main reason for."""

_FEWEST_A_DAY = 5


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to one statistics query.

    Attributes:
        since_timestamp: Unix seconds, as asked; ``until_timestamp`` likewise.
        as_of: Unix seconds; messages younger than a day then are provisional.
        sends_known: sends of this period were read, so that those without a status are known; None where the filter
            has a condition that no send can be checked for.
        never: statuses that the trigger never passes.
        missing: what the statistics may lack, one sentence each.
        compared: the final part of the period and the equally long period before it; None where they cannot be
            compared, and where no comparison was asked for.
        changes: the delivery rate less that of the period before, by the keys of the groups; None for too few messages.
    """

    location: str
    zone: tzinfo
    totals: Counts
    since_timestamp: int | None = None
    until_timestamp: int | None = None
    as_of: int = 0
    sends_known: bool | None = None
    never: frozenset[str] = frozenset()
    by: Grouping | None = None
    groups: Chosen | None = None
    compared: tuple[Counts, Counts] | None = None
    changes: Mapping[Key, float | None] = {}
    missing: tuple[str, ...] = ()


class Sparkline(msgspec.Struct, frozen=True, kw_only=True):
    """A group's delivery rates by day, and the failure code of most of its failed messages."""

    rates: tuple[float | None, ...]
    reason: str | None
    reason_messages: int = 0


def compute_statistics(
    store: Store,
    settings: Settings,
    chosen: MessageFilter,
    by: Grouping | None = None,
    *,
    user_file: UserFile,
    now: datetime,
    limit: int = sys.maxsize,
    compare: bool = False,
) -> Statistics:
    """Return the totals of the messages a filter chooses, and their groups.

    Args:
        limit: maximum number of groups: those with most failures, of times the latest.
        compare: compare with the period before, of the same length and age, where the store covers it.
    """
    young_since = young_from(now)
    totals = _totals(store, chosen, young_since, details=True)
    sends, sends_known = matching_sends(chosen), None
    if sends is not None:
        (unconfirmed,) = store.unconfirmed(sends, overdue_before=overdue_before(now))
        totals += unconfirmed.counts
        sends_known = next(store.sends(msgspec.structs.replace(sends, refused=False, limit=1)), None) is not None
    groups = None
    if by is not None:
        groups = grouping.chosen(iterate_groups(store, chosen, by, user_file=user_file, now=now), by, limit)
    compared: tuple[Counts, Counts] | None = None
    changes: Mapping[Key, float | None] = {}
    if compare:
        compared, changes = _changes(store, chosen, by, totals, groups, user_file=user_file, now=now)
    return Statistics(
        location=store.location,
        zone=store.timezone,
        totals=totals,
        since_timestamp=chosen.since_timestamp,
        until_timestamp=chosen.until_timestamp,
        as_of=int(now.timestamp()),
        sends_known=sends_known,
        never=statuses_never_passed(store, totals, chosen),
        by=by,
        groups=groups,
        compared=compared,
        changes=changes,
        missing=missing_data(read_completeness(store, settings), chosen, now),
    )


def iterate_groups(
    store: Store, chosen: MessageFilter, by: Grouping, *, user_file: UserFile, now: datetime, change_only: bool = False
) -> Iterator[Group]:
    """Yield the groups of the messages a filter chooses under the names people know them by, as they are counted.

    Args:
        change_only: count what delivery rates need, and no more.
    """
    with_details = by in WITH_DETAILS and not change_only
    counted = store.statistics(chosen, by, young_since=young_from(now), details=with_details)
    sends = None if change_only or by is Grouping.ERROR else matching_sends(chosen)
    if sends is not None:
        counted = grouping.with_sends(counted, store.unconfirmed(sends, by, overdue_before=overdue_before(now)))
    names = workflow_names(store) if by in {Grouping.WORKFLOW, Grouping.SENDER} else user_file.numbers
    return grouping.folded(
        counted, by,
        zone=store.timezone, campaign_key=user_file.campaign_key, names=names, latest=latest_plausible(now),
    )  # fmt: skip


def sparklines(
    store: Store, chosen: MessageFilter, by: Grouping, keys: Collection[Key], *, user_file: UserFile, now: datetime
) -> dict[Key, Sparkline]:
    """Return the sparkline of each of these groups, with two queries however many groups there are."""

    def by_group(across: Grouping) -> dict[Key, list[Group]]:
        found: dict[Key, list[Group]] = {key: [] for key in keys}
        for group in store.statistics(chosen, by, young_since=0, across=across):
            key = group.key
            if by is Grouping.CAMPAIGN and user_file.campaign_key:
                key = campaign_of(None if key is None else str(key), user_file.campaign_key)
            if key in found:
                found[key].append(msgspec.structs.replace(group, key=group.across))
        return found

    days, reasons = by_group(Grouping.DAY), by_group(Grouping.ERROR)
    return {key: _sparkline(days[key], reasons[key], store, latest_plausible(now)) for key in days}


def young_from(now: datetime) -> int:
    """Return the Unix time from which messages count as provisional: 24 hours ago."""
    return int(now.timestamp()) - DAY_SECONDS


def latest_plausible(now: datetime) -> int:
    """Return the Unix time after which no message can have been sent: in a day, because clocks differ."""
    return int(now.timestamp()) + DAY_SECONDS


def overdue_before(now: datetime) -> int:
    """Return the Unix time before which a send should have a status: an hour ago."""
    return int(now.timestamp()) - HOUR_SECONDS


def is_covered(store: Store, since: int) -> bool:
    """Return True when a period from ``since`` on can be compared: the store has messages from before it."""
    plausible = MessageFilter(order="oldest", since_timestamp=EARLIEST_PLAUSIBLE_TIMESTAMP, limit=1)
    oldest = next(store.messages(plausible), None)
    began = None if oldest is None else message_time(oldest.state)
    return began is not None and began <= since


def matching_sends(chosen: MessageFilter) -> SendFilter | None:
    """Return the filter of the sends that a filter of messages chooses; None where sends lack what it asks for."""
    known = {
        "since_timestamp": chosen.since_timestamp,
        "until_timestamp": chosen.until_timestamp,
        "template": chosen.template,
        "template_language": chosen.template_language,
        "workflow_id": chosen.sending_workflow_id,
    }
    others = msgspec.structs.replace(
        chosen, **{"sending_workflow_id" if name == "workflow_id" else name: None for name in known},
        people_only=False, order="newest", after=None, limit=None,
    )  # fmt: skip
    return SendFilter(**known) if others == MessageFilter() else None  # type: ignore[arg-type]


def overdue_sends(chosen: MessageFilter, now: datetime) -> SendFilter | None:
    """Return the filter of accepted sends that should have a status and have none; None as :func:`matching_sends`."""
    sends = matching_sends(chosen)
    if sends is None:
        return None
    until = min(overdue_before(now), sends.until_timestamp or sys.maxsize)
    return msgspec.structs.replace(sends, unconfirmed=True, until_timestamp=until)


def statistics_document(found: Statistics) -> dict[str, Any]:
    """Return totals and groups with every count, for programs."""
    totals = rates.compute_rates(found.totals, found.never)
    made: dict[str, Any] = {
        "store": found.location,
        "timezone": str(found.zone),
        "since": _instant(found.since_timestamp, found.zone),
        "until": _instant(found.until_timestamp, found.zone),
        "neverPassed": sorted(found.never),
        "sendsKnown": found.sends_known,
        "unseen": list(found.missing),
        "totals": {**rates.rates_document(totals), **rates.rate_details_document(totals)},
    }
    if found.by is not None and found.groups is not None:
        made["by"] = found.by.value
        made["groupCount"] = found.groups.named
        made["groups"] = [group_document(group, found.by, found.never) for group in found.groups.shown]
        if found.groups.nameless != Counts():
            nameless = Group(key=None, counts=found.groups.nameless)
            made["groups"].append(group_document(nameless, found.by, found.never))
        if not found.groups.named:
            made["hint"] = " ".join(hints.empty_grouping(found.by, messages=found.totals.accepted))
    return made


def group_document(group: Group, by: Grouping, never: frozenset[str]) -> dict[str, Any]:
    """Return one group for programs; a null key stands for the messages that belong to none."""
    made = rates.compute_rates(group.counts, never)
    document = {by.value: group.key, "label": group.label, **rates.rates_document(made)}
    if by is Grouping.ERROR:
        document["people"] = group.people
    if by in WITH_DETAILS:
        document |= {f"p{percent}ToDeliver": made.percentiles.get(percent) for percent in rates.PERCENTILES}
    return document


def _sparkline(days: list[Group], reasons: list[Group], store: Store, latest: int) -> Sparkline:
    failed: dict[Key, int] = {}
    for group in reasons:
        failed[group.key] = failed.get(group.key, 0) + group.counts.failed
    reason, messages = max(failed.items(), key=lambda one: (one[1], str(one[0])), default=(None, 0))
    return Sparkline(
        rates=tuple(
            day.counts.delivered / day.counts.sent if day.counts.sent >= _FEWEST_A_DAY else None
            for day in grouping.folded(days, Grouping.DAY, zone=store.timezone, latest=latest)
            if day.key is not None
        ),
        reason=None if reason is None else str(reason),
        reason_messages=messages,
    )


def rates_by_group(
    store: Store, chosen: MessageFilter, by: Grouping, *, user_file: UserFile, now: datetime, limit: int
) -> list[tuple[Group, float, float | None]]:
    """Return groups with enough messages for a delivery rate, each with its rate and by how much that changed.

    It counts less than :func:`compute_statistics`: no delays, no totals with details, no sends.

    Args:
        limit: maximum number of groups: those with most failures.
    """
    never = statuses_never_passed(store, _totals(store, chosen, young_from(now)), chosen)
    counted = iterate_groups(store, chosen, by, user_file=user_file, now=now, change_only=True)
    groups = grouping.chosen(counted, by, limit).shown
    rated = [(group, rates.compute_rates(group.counts, never).delivered.rate) for group in groups]
    known = [(group, rate) for group, rate in rated if rate is not None]
    spans = _compared_spans(store, chosen, now) if known else None
    changes = {} if spans is None else _group_changes(store, spans, by, groups, user_file=user_file, now=now)
    return [(group, rate, changes.get(group.key)) for group, rate in known]


def _changes(
    store: Store,
    chosen: MessageFilter,
    by: Grouping | None,
    totals: Counts,
    groups: Chosen | None,
    *,
    user_file: UserFile,
    now: datetime,
) -> tuple[tuple[Counts, Counts] | None, dict[Key, float | None]]:
    """Return the counts to compare, and by how much the delivery rates of the groups changed."""
    spans = _compared_spans(store, chosen, now)
    if spans is None:
        return None, {}
    young_since = young_from(now)
    young, earlier = (_totals(store, span, young_since) for span in spans)
    compared = _final(totals, young), earlier
    if by is None or groups is None or by in grouping.TIMES:
        return compared, {}
    return compared, _group_changes(store, spans, by, groups.shown, user_file=user_file, now=now)


def _group_changes(
    store: Store,
    spans: tuple[MessageFilter, MessageFilter],
    by: Grouping,
    groups: Collection[Group],
    *,
    user_file: UserFile,
    now: datetime,
) -> dict[Key, float | None]:
    wanted = {group.key for group in groups}
    young, earlier = (
        {
            group.key: group.counts
            for group in iterate_groups(store, span, by, user_file=user_file, now=now, change_only=True)
            if group.key in wanted
        }
        for span in spans
    )
    return {
        group.key: _change(group.counts, young.get(group.key, Counts()), earlier.get(group.key, Counts()))
        for group in groups
    }


def _compared_spans(store: Store, chosen: MessageFilter, now: datetime) -> tuple[MessageFilter, MessageFilter] | None:
    """Return the provisional end of a period, and the period before its final part.

    None where nothing can be compared: no part is final, or the store begins within the period before.
    """
    halves = Period(name="", since=chosen.since_timestamp, until=chosen.until_timestamp).before(now)
    if halves is None:
        return None
    final, earlier = halves
    if earlier.since is None or not is_covered(store, earlier.since):
        return None
    return (
        msgspec.structs.replace(chosen, since_timestamp=final.until),
        msgspec.structs.replace(chosen, since_timestamp=earlier.since, until_timestamp=earlier.until),
    )


def _totals(store: Store, chosen: MessageFilter, young_since: int, *, details: bool = False) -> Counts:
    (totals,) = store.statistics(chosen, young_since=young_since, details=details)
    return totals.counts


def _change(whole: Counts, young: Counts, earlier: Counts) -> float | None:
    """Return by how much the delivery rate of the final part changed; None where either part has too few messages."""
    later, before = (rates.compute_rates(counts).delivered.rate for counts in (_final(whole, young), earlier))
    return None if later is None or before is None else later - before


def _final(whole: Counts, young: Counts) -> Counts:
    return Counts(
        delivered=whole.delivered - young.delivered,
        read=whole.read - young.read,
        pending=whole.pending - young.pending,
        failed=whole.failed - young.failed,
    )


def _instant(timestamp: int | None, zone: tzinfo) -> str | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, zone).isoformat()
