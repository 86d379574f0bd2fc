"""Groups beside each other (templates, campaigns, countries, hours …), and one group by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from ticktrail.errors import ConfigurationError
from ticktrail.messages import rates
from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.grouping import chosen as worst_first
from ticktrail.messages.grouping import folded
from ticktrail.queries import hints, periods
from ticktrail.queries import lists as questions
from ticktrail.queries.statistics import (
    SPARKLINES,
    Sparkline,
    compute_statistics,
    latest_plausible,
    sparklines,
    young_from,
)
from ticktrail.stores import Store
from ticktrail.web.pages import charts, figures, links, message_rows, wording
from ticktrail.web.pages import periods as chosen_periods
from ticktrail.web.pages.command_texts import from_english
from ticktrail.web.pages.context import Site, Visitor
from ticktrail.web.pages.conversation import opened
from ticktrail.web.pages.grouping_names import GROUPINGS, NAMELESS, grouping_of
from ticktrail.web.pages.rendering import View
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import mark, ngettext
from ticktrail.web.pages.url_filters import UrlFilter, parse_filter

_LIMIT = 100
_HOURS = 72
_LATEST = 10


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A group beside others, and the change of its delivery rate in points."""

    group: Group
    change: float | None


Sort = Callable[[Row], Any]


def _rate(part: Callable[[rates.Rates], rates.Share]) -> Sort:
    def of(row: Row) -> float:
        rate = part(rates.compute_rates(row.group.counts)).rate
        return -1.0 if rate is None else rate

    return of


_SORTS: dict[str, tuple[str, Sort, bool]] = {
    "name": (mark("Name"), lambda row: str(row.group.key).lower(), False),
    "sent": (mark("Sent"), lambda row: row.group.counts.sent, True),
    "delivered": (mark("Delivered"), _rate(lambda made: made.delivered), False),
    "change": (mark("Change"), lambda row: 9.0 if row.change is None else row.change, False),
    "read": (mark("Read ≥"), _rate(lambda made: made.read), True),
    "pending": (mark("Pending"), lambda row: row.group.counts.pending, True),
    "failed": (mark("Failed"), lambda row: row.group.counts.failed, True),
}
"""Columns: label, what they sort by, and whether the greatest comes first."""


async def compare(visitor: Visitor, request: Request) -> View:
    """The groups of a period."""
    site, now, query = visitor.site, visitor.site.now(), request.query_params
    by_name = query.get("by", "template")
    by = grouping_of(by_name)
    name, period = chosen_periods.chosen(site, request)
    sort = query.get("sort", "")
    reverse = query.get("order") == "reverse"
    report = await site.queries.recall(
        ("groups", by, period),
        lambda store: compute_statistics(
            store,
            site.settings,
            period.chosen,
            by,
            user_file=site.user_file,
            now=now,
            limit=_HOURS if by is Grouping.HOUR else _LIMIT,
            compare=by is not Grouping.HOUR,
        ),
    )
    found = report.groups
    assert found is not None  # noqa: S101 - a grouping was asked for
    rows = [Row(group=one, change=report.changes.get(one.key)) for one in found.shown]
    if sort in _SORTS:
        _label, key, greatest_first = _SORTS[sort]
        rows.sort(key=key, reverse=greatest_first != reverse)
    sparks = {}
    if by not in {Grouping.ERROR, Grouping.HOUR} and rows:
        keys = tuple(group.key for group in found.shown[:SPARKLINES])
        sparks = await site.queries.recall(
            ("sparks", by, period, keys),
            lambda store: sparklines(store, period.chosen, by, keys, user_file=site.user_file, now=site.now()),
        )
    download = urlencode({"by": by.value, "period": period.name})
    context = {
        "by": by_name,
        "groupings": [
            {"label": _(label), "href": f"/compare?by={key}&period={name}", "current": key == by_name}
            for key, label in GROUPINGS.items()
        ],
        "period": chosen_periods.choices(site, name, period, lambda key: f"/compare?by={by_name}&period={key}"),
        "period_name": name,
        "columns": [
            column
            for column in _columns(by_name, name, sort, reverse=reverse)
            if not (by is Grouping.HOUR and column["key"] == "change")
        ],
        "by_hour": by is Grouping.HOUR,
        "heading": _(GROUPINGS[by_name]),
        "rows": [_row(visitor, by, row, period, report.never, sparks.get(row.group.key)) for row in rows],
        "is_error": by is Grouping.ERROR,
        "named": found.named,
        "nameless": _nameless(by_name, found.nameless),
        "hints": [] if rows else list(map(from_english, hints.empty_grouping(by, messages=found.nameless.accepted))),
        "is_empty": not rows and not found.nameless.accepted and await site.is_empty(),
        "downloads": {ending: f"/compare.{ending}?{download}" for ending in ("csv", "xlsx", "json")},
    }
    title = _("Compare by {grouping}").format(grouping=_(GROUPINGS[by_name]).lower())
    return View(template="compare.html", title=title, place="/compare", context=context)


def _columns(by: str, period: str, sort: str, *, reverse: bool) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "label": _(label),
            "href": f"/compare?by={by}&period={period}&sort={key}"
            + ("&order=reverse" if sort == key and not reverse else ""),
            "sorted": ("descending" if greatest_first != reverse else "ascending") if sort == key else "",
        }
        for key, (label, _key, greatest_first) in _SORTS.items()
    ]


def _nameless(by: str, counts: Counts) -> str:
    if not counts.messages:
        return ""
    messages = ngettext("{count} message", "{count} messages", counts.messages)
    return f"{messages}: {_(NAMELESS[by])}"


def _row(
    visitor: Visitor, by: Grouping, row: Row, period: periods.Period, never: frozenset[str],
    spark: Sparkline | None,
) -> dict[str, Any]:  # fmt: skip
    site, group = visitor.site, row.group
    choice = links.of_group(by, group, period, site.zone)
    entry = site.catalogue.lookup(str(group.key)) if by is Grouping.ERROR else None
    change = wording.points(row.change)
    reason = None if spark is None or spark.reason is None else site.catalogue.lookup(spark.reason)
    return {
        "line": figures.line_of(visitor, name_of(visitor, by, group), group.counts, choice, never),
        "href": None if visitor.wall or group.key is None
        else f"/group/{by.value}/{site.addresses.token(str(group.key))}?period={period.name}",
        "title": "" if entry is None else visitor.text(entry.title if entry.known else group.label or entry.title, 90),
        "advice": "" if entry is None else visitor.text(entry.advice, 500),
        "people": wording.number(group.people or 0),
        "change": change,
        "worse": change.startswith(wording.MINUS),
        "spark": charts.NO_SPARK if spark is None else charts.spark(spark.rates, mirrored=visitor.language == "ar"),
        "reason": "" if reason is None or spark is None
        else f"{reason.title if reason.known else _('Unknown code')} ({visitor.text(spark.reason, 20)})",
    }  # fmt: skip


def name_of(visitor: Visitor, by: Grouping, group: Group) -> str:
    """A group as people know it."""
    key = str(group.key)
    if by is Grouping.NUMBER and group.label:
        return visitor.who(group.label) if group.label.strip("+").isdigit() else visitor.text(group.label, 60)
    if by is Grouping.HOUR:
        return f"{wording.day(key[:10], visitor.site.now(), visitor.site.zone)} {key[11:16]}"
    return visitor.text(key, 60)


class _GroupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one group."""

    counts: Counts
    days: tuple[Group, ...]
    hours: tuple[Counts, ...]
    reasons: tuple[Group, ...]
    latest: questions.MessageList


async def group(visitor: Visitor, request: Request) -> View:
    """One group by itself: its days, its reasons, its hours of the day, its latest failures."""
    site, now = visitor.site, visitor.site.now()
    by_name = request.path_params["by"]
    by, key = grouping_of(by_name), opened(visitor, request.path_params["token"])
    name, period = chosen_periods.chosen(site, request)
    choice = links.of_group(by, Group(key=key, counts=Counts()), period, site.zone)
    if choice is None:
        raise ConfigurationError(_("Messages cannot be listed by that."), remedy=_("Choose another row."))
    chosen = parse_filter(choice, site.settings, now)
    found, gaps = await asyncio.gather(
        site.queries.recall(("group", by, key, period), lambda store: _one(store, site, chosen)),
        _gaps(visitor),
    )
    made = rates.compute_rates(found.counts)
    base = f"/group/{by_name}/{request.path_params['token']}"
    label = next((day.label for day in found.days if day.label), None)
    failures = msgspec.structs.replace(choice, status=links.KINDS["failed"])
    context = {
        "by": by_name,
        "grouping": _(GROUPINGS[by_name]),
        "name": name_of(visitor, by, Group(key=key, counts=Counts(), label=label)),
        "advice": visitor.text(site.catalogue.lookup(key).advice, 600) if by is Grouping.ERROR else "",
        "period": chosen_periods.choices(site, name, period, lambda one: f"{base}?period={one}"),
        "period_name": name,
        "kpis": figures.status_kpis(
            visitor, found.counts, [day.counts for day in found.days], frozenset(),
            lambda kind: visitor.messages(links.of_kind(kind, period, choice)),
        ),
        "percentiles": {one: wording.duration(seconds) for one, seconds in made.percentiles.items()},
        "chart": figures.chart(visitor, found.days, Grouping.DAY, gaps, choice) if len(found.days) > 1 else None,
        "hours": charts.stack([_hour(place, one) for place, one in enumerate(found.hours)],
                              mirrored=visitor.language == "ar") if found.counts.sent else None,
        "reasons": _reasons(visitor, found.reasons, choice),
        "rows": [message_rows.row(visitor, message) for message in found.latest.messages],
        "failures_href": visitor.messages(failures) if found.counts.failed else None,
        "list_href": visitor.messages(choice),
    }  # fmt: skip
    title = f"{context['grouping']}: {context['name']}"
    return View(template="group.html", title=title, place="/compare", context=context)


async def _gaps(visitor: Visitor) -> list[Any]:
    from ticktrail.web.pages.overview import read_gaps  # noqa: PLC0415 - the overview uses this module's addresses

    return await read_gaps(visitor)


def _one(store: Store, site: Site, chosen: MessageFilter) -> _GroupFigures:
    young_since = young_from(site.now())
    (totals,) = store.statistics(chosen, young_since=young_since, details=True)
    latest = latest_plausible(site.now())
    by_day = store.statistics(chosen, Grouping.DAY, young_since=young_since)
    days = folded(by_day, Grouping.DAY, zone=site.zone, latest=latest)
    hours = [Counts() for _hour in range(24)]
    by_hour = store.statistics(chosen, Grouping.HOUR, young_since=0)
    for one in folded(by_hour, Grouping.HOUR, zone=site.zone, latest=latest):
        if one.key is not None:
            hours[int(str(one.key)[11:13])] += one.counts
    reasons = worst_first(store.statistics(chosen, Grouping.ERROR, young_since=0), Grouping.ERROR, 8).shown
    failed = msgspec.structs.replace(chosen, statuses=tuple(sorted(links.KINDS["failed"])))
    return _GroupFigures(
        counts=totals.counts,
        days=tuple(day for day in days if day.key is not None),
        hours=tuple(hours),
        reasons=reasons,
        latest=questions.list_messages(store, failed, _LATEST),
    )


def _hour(hour: int, counts: Counts) -> charts.Column:
    text = _("{hour}: {sent} sent, {failed} failed").format(
        hour=f"{hour:02}:00", sent=wording.number(counts.sent), failed=wording.number(counts.failed)
    )
    return charts.Column(
        label=f"{hour:02}", counts=(counts.read, counts.delivered - counts.read, counts.pending, counts.failed),
        rate=rates.compute_rates(counts).delivered.rate, text=text,
    )  # fmt: skip


def _reasons(visitor: Visitor, reasons: tuple[Group, ...], choice: UrlFilter) -> list[dict[str, Any]]:
    most = max((reason.counts.failed for reason in reasons), default=0)
    found = []
    for reason in reasons:
        code = "" if reason.key is None else str(reason.key)
        entry = visitor.site.catalogue.lookup(code or None)
        narrowed = msgspec.structs.replace(choice, error=(code,), status=links.KINDS["failed"])
        found.append(
            {
                "code": visitor.text(code, 40),
                "title": visitor.text(entry.title if entry.known else reason.label or entry.title, 90),
                "count": wording.number(reason.counts.failed),
                "href": visitor.messages(narrowed) if code.isascii() and code.isdigit() else None,
                "share": round(reason.counts.failed / most * 100, 1) if most else 0,
            }
        )
    return found
