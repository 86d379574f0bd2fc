"""The first page: how messages fared in a period, what needs attention, and the same on a wall."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
from starlette.requests import Request

from ticktrail.messages import rates
from ticktrail.messages.counts import Group
from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.grouping import chosen as worst_first
from ticktrail.queries import lists as questions
from ticktrail.queries.periods import Period
from ticktrail.queries.statistics import rates_by_group
from ticktrail.stores import Store
from ticktrail.stores.coverage import Gap
from ticktrail.web.pages import alert_rows, alerts, figures, frame, links, message_rows, periods, wording
from ticktrail.web.pages.context import Site, Visitor
from ticktrail.web.pages.rendering import View
from ticktrail.web.pages.translation import gettext as _

_REASONS = 6
_TEMPLATES = 6
_ALERTS = 8
_WALL_ALERTS = 3
_WALL_ROWS = 8
_COMPARED = 200
_NIGHT = timedelta(hours=24)
"""Alerts that ended within this time are mentioned: what was wrong at night is seen in the morning."""


async def overview(visitor: Visitor, request: Request) -> View:
    """The page."""
    site, now = visitor.site, visitor.site.now()
    name, period = periods.chosen(site, request)
    summary, reasons, templates, found, resolved, gaps = await asyncio.gather(
        site.queries.recall(
            ("summary", period), lambda store: figures.read_summary(store, site, period, now), of_sync_state=True
        ),
        site.queries.recall(("reasons", period), lambda store: _reasons(store, period)),
        site.queries.recall(("lowest", period), lambda store: _lowest(store, site, period)),
        alert_rows.read_alerts(site),
        alert_rows.read_resolved(site),
        read_gaps(visitor),
    )
    by = Grouping.HOUR if summary.hours else Grouping.DAY
    steps = summary.hours or summary.days
    context: dict[str, Any] = {
        "summary": summary,
        "is_empty": summary.is_empty and await site.is_empty(),
        "period": periods.choices(site, name, period, lambda key: f"/?period={key}"),
        "period_name": period.name,
        "headline": _headline(visitor, summary),
        "kpis": figures.kpis(visitor, summary, period),
        "chart": figures.chart(visitor, steps, by, gaps) if steps else None,
        "by_hour": by is Grouping.HOUR,
        "lines": figures.table(visitor, steps, by, summary.statistics.never),
        "remarks": figures.remarks(visitor, summary, period),
        "reasons": _reason_bars(visitor, reasons, period),
        "templates": _template_rows(visitor, templates, period),
        "causes": await alerts.shown_causes(visitor, found.open if found else []),
        "acknowledged": len(found.acknowledged) if found else 0,
        "ended": sum(one.resolved_at >= now - _NIGHT for one in resolved if one.resolved_at),
        "most_alerts": _WALL_ALERTS if visitor.wall else _ALERTS,
        "calm": await alerts.calm(visitor, found),
    }
    if visitor.wall:
        latest = await site.queries.ask(lambda store: questions.list_messages(store, MessageFilter(), _WALL_ROWS))
        context["rows"] = [message_rows.row(visitor, one) for one in latest.messages]
        context["clock"] = f"{now.astimezone(site.zone):%H:%M}"
    template = "wall.html" if visitor.wall else "overview.html"
    return View(template=template, title=_("Overview"), place="/", context=context)


async def read_gaps(visitor: Visitor) -> list[Gap]:
    """The stretches of time of which executions are missing."""
    return list((await frame.completeness(visitor)).gaps)


def _reasons(store: Store, period: Period) -> tuple[Group, ...]:
    groups = worst_first(store.statistics(period.chosen, Grouping.ERROR, young_since=0), Grouping.ERROR, 50).shown
    return tuple(sorted(groups, key=lambda one: -one.counts.failed)[:_REASONS])


def _lowest(store: Store, site: Site, period: Period) -> list[tuple[Group, float | None]]:
    """The templates with the lowest delivery rate, of those with enough messages for one, and its change."""
    rated = rates_by_group(
        store, period.chosen, Grouping.TEMPLATE, user_file=site.user_file, now=site.now(), limit=_COMPARED
    )
    return [(group, change) for group, _rate, change in sorted(rated, key=lambda one: one[1])[:_TEMPLATES]]


def _headline(visitor: Visitor, summary: figures.Summary) -> dict[str, str] | None:
    """Yesterday in a sentence: sent, delivered, and the difference to the day before."""
    site = visitor.site
    by_label = {wording.day(str(day.key), site.now(), site.zone): day.counts for day in summary.days[-3:]}
    counts = by_label.get(_("Yesterday"))
    if counts is None or not counts.sent or visitor.wall:
        return None
    made = rates.compute_rates(counts, summary.statistics.never)
    days = [day.counts for day in summary.days]
    place = days.index(counts)
    # Only figures of equal age are compared: both days must be older than a day.
    before = rates.compute_rates(days[place - 1]).delivered.rate if place and not counts.provisional else None
    rate = made.delivered.rate
    change = wording.points(rate - before) if rate is not None and before is not None else ""
    return {
        "sent": wording.number(counts.sent),
        "rate": made.delivered.percent if made.delivered.missing is None else "",
        "failed": wording.number(counts.failed),
        "change": change,
        "worse": "1" if change.startswith(wording.MINUS) else "",
        "provisional": "1" if counts.provisional else "",
    }


def _reason_bars(visitor: Visitor, reasons: tuple[Group, ...], period: Period) -> list[dict[str, Any]]:
    most = max((one.counts.failed for one in reasons), default=0)
    found = []
    for group in reasons:
        entry = visitor.site.catalogue.lookup(None if group.key is None else str(group.key))
        choice = links.of_group(Grouping.ERROR, group, period, visitor.site.zone)
        found.append(
            {
                "code": "" if group.key is None else visitor.text(group.key, 40),
                "title": visitor.text(entry.title if entry.known else group.label or entry.title, 90),
                "count": wording.number(group.counts.failed),
                "href": None if choice is None else visitor.messages(choice),
                "share": round(group.counts.failed / most * 100, 1) if most else 0,
            }
        )
    return found


def _template_rows(visitor: Visitor, rows: list[tuple[Group, float | None]], period: Period) -> list[dict[str, Any]]:
    found = []
    for group, changed in rows:
        counts = group.counts
        choice = links.of_group(Grouping.TEMPLATE, group, period, visitor.site.zone)
        sent = None if choice is None else msgspec.structs.replace(choice, status=links.KINDS["sent"])
        change = wording.points(changed)
        found.append(
            {
                "name": visitor.text(str(group.key), 80),
                "href": group_address(visitor, Grouping.TEMPLATE, str(group.key), period.name),
                "sent": wording.number(counts.sent),
                "sent_href": None if sent is None else visitor.messages(sent),
                "rate": rates.compute_rates(counts).delivered.percent,
                "change": change,
                "worse": change.startswith(wording.MINUS),
            }
        )
    return found


def group_address(visitor: Visitor, by: Grouping, key: str, period: str) -> str | None:
    """The page of one group; None on a wall."""
    return None if visitor.wall else f"/group/{by.value}/{visitor.site.addresses.token(key)}?period={period}"
