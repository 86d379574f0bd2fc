"""What became of what was sent in a period: sent → delivered → read, with the parts that add up, and day by day."""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from nicegui import ui
from nicegui.element import Element

from ticktrail.messages import rates as stats
from ticktrail.messages.counts import DAY_SECONDS, Counts, Group
from ticktrail.messages.filters import READ, Grouping
from ticktrail.messages.model import ARRIVED, FAILED
from ticktrail.queries.periods import Period, day_bounds, period_of
from ticktrail.queries.statistics import Statistics, compute_statistics
from ticktrail.text.formatting import plural, short_duration
from ticktrail.web.pages import components as parts
from ticktrail.web.pages import layout as frame
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.context import Visitor
from ticktrail.web.pages.url_filters import UrlFilter

NEWS_SECONDS = 10.0
_DAYS_SHOWN = 92

KINDS: dict[str, tuple[str, ...]] = {
    "sent": (*sorted(ARRIVED), *sorted(FAILED), "sent"),
    "delivered": tuple(sorted(ARRIVED)),
    "read": READ,
    "on_the_way": ("sent",),
    "failed": tuple(sorted(FAILED)),
}
"""The statuses that each number counts; see :func:`ticktrail.messages.counts.facts`."""


async def funnel(visitor: Visitor, name: str) -> None:
    """The page of a period."""
    async with frame.page(visitor, "/funnel", words.FUNNEL):
        with parts.box("title-row"):
            parts.text(words.FUNNEL, tag="h1")
            parts.choices(words.PERIOD, words.PERIODS, name, lambda key: f"/funnel?period={key}")
        container = parts.box("listing")
    await put(visitor, container, name, days=True)


async def put(visitor: Visitor, container: Element, name: str, *, days: bool) -> None:
    """The figures of a period, made anew in their place when something new is stored, or another day has begun."""
    site = visitor.site

    async def ask() -> tuple[Statistics, Period, bool]:
        now = site.now()
        period = period_of(name, now, site.settings.timezone)
        found = await site.ledger.recall(
            ("funnel", period),
            lambda store: compute_statistics(
                store, site.settings, period.chosen, Grouping.DAY, user_file=site.user_file, now=now, compare=True
            ),
        )
        if _counted(found):
            return found, period, False
        return found, period, await site.is_empty()

    def show(answer: tuple[Statistics, Period, bool]) -> None:
        found, period, is_empty = answer
        if not _counted(found):
            if days:
                parts.nothing_sent(is_empty=is_empty)
            else:
                # No period is chosen here, and what to do about an empty ledger stands in another part of the page.
                parts.empty(words.EMPTY_PERIOD)
            return
        _figures(visitor, found, period)
        if not visitor.wall:
            _explained()
        if days:
            _days(visitor, found)
        if days and _named_days(found) and not visitor.wall:
            with parts.box("below"):
                parts.box("spring")
                parts.downloads("funnel", urlencode({"period": period.name}), words.FIGURES_DOWNLOAD_HINT)

    await parts.fill_anew(container, NEWS_SECONDS, ask, show)


def _counted(found: Statistics) -> bool:
    return bool(found.totals.messages or found.totals.groups or found.totals.tests)


def _named_days(found: Statistics) -> tuple[Group, ...]:
    return () if found.groups is None else found.groups.shown


def _explained() -> None:
    """What the signs and words of the figures mean, for who sees them for the first time."""
    with parts.box("explained", tag="details"):
        parts.text(words.HOW_TO_READ, tag="summary")
        with parts.box("facts", tag="dl"):
            for name, told in (
                (words.SENT, words.COUNTED_HINT),
                (f"{words.READ} {words.AT_LEAST}", words.READ_HINT),
                (words.ON_THE_WAY, words.ON_THE_WAY_HINT),
                (words.capital(words.NOT_FINAL), words.NOT_FINAL_HINT),
                (words.POINTS.format(change="±").capitalize(), words.CHANGE_HINT),
            ):
                parts.text(name, tag="dt")
                parts.text(told, tag="dd")


def _figures(visitor: Visitor, found: Statistics, period: Period) -> None:
    counts, made = found.totals, stats.compute_rates(found.totals, found.never)
    since, until = _bounds(period)

    def to(kind: str) -> str | None:
        return visitor.messages(UrlFilter(status=KINDS[kind], since=since, until=until, people=True))

    with parts.box("tiles"):
        _tile(words.SENT, counts.sent, "", to("sent"), "sent")
        _tile(words.DELIVERED, counts.delivered, words.of_whole(made.delivered, "sent"), to("delivered"), "delivered",
              change=words.points(found.change), hint=made.delivered.missing)  # fmt: skip
        _tile(words.READ, counts.read, words.of_whole(made.read, "delivered", at_least=True), to("read"), "read",
              hint=made.read.missing or words.READ_HINT)  # fmt: skip
        _tile(words.ON_THE_WAY, counts.on_the_way, words.ONE_TICK, to("on_the_way"), "on_the_way",
              hint=words.ON_THE_WAY_HINT)  # fmt: skip
        _tile(
            words.FAILED_WORD,
            counts.failed,
            words.of_whole(made.failed, "sent"),
            to("failed"),
            "failed",
            hint=made.failed.missing,
        )
    if counts.sent:
        shares = {
            "read": counts.read,
            "delivered": counts.delivered - counts.read,
            "on_the_way": counts.on_the_way,
            "failed": counts.failed,
        }
        parts.bar([(kind, count, words.PARTS[kind].format(count=count)) for kind, count in shares.items()])
    _remarks(visitor, found, period)


def _remarks(visitor: Visitor, found: Statistics, period: Period) -> None:
    counts, made = found.totals, stats.compute_rates(found.totals, found.never)
    since, until = _bounds(period)
    with parts.box("remarks"):
        parts.text(
            words.SUM.format(
                sent=counts.sent, delivered=counts.delivered, on_the_way=counts.on_the_way, failed=counts.failed
            ),
            "remark",
        )
        if counts.not_final:
            young = str(max(int(since or 0), found.as_of - DAY_SECONDS))
            parts.link(
                words.YOUNG.format(messages=plural(counts.not_final, "message")),
                visitor.messages(UrlFilter(since=young, until=until, people=True)),
                "remark not-final", title=words.NOT_FINAL_HINT,
            )  # fmt: skip
        if made.percentiles:
            p50, p90 = (short_duration(made.percentiles[percent]) for percent in (50, 90))
            parts.text(
                words.HALF_WITHIN.format(half=p50, nine=p90, rest=made.not_delivered),
                "remark",
            )
        if counts.conflicts:
            parts.text(words.CONFLICTS.format(count=counts.conflicts), "remark")
        for name, count in (("other", counts.other), ("groups", counts.groups), ("tests", counts.tests)):
            if count:
                told = plural(count, *words.LEFT_OUT[name])
                parts.text(words.NOT_COUNTED.format(messages=told), "remark")


def _tile(
    label: str, count: int, rate: str, address: str | None, kind: str, *, change: str = "", hint: str | None = None
) -> None:
    with parts.box(f"tile {kind}", **({"title": hint} if hint else {})):
        parts.text(label, "tile-label")
        parts.link(words.number(count), address, "tile-number")
        with parts.box("tile-foot"):
            parts.text(rate, "tile-rate")
            if change:
                kind = {"+": "up", words.MINUS: "down"}.get(change[0], "")
                parts.text(words.POINTS.format(change=change), f"change {kind}", title=words.CHANGE_HINT)


def _days(visitor: Visitor, found: Statistics) -> None:
    days = _named_days(found)
    shown = days[-_DAYS_SHOWN:]
    if not shown:
        return
    with parts.section(words.BY_DAY_SENT):
        if len(shown) > 1:
            _chart(visitor, shown)
        with parts.box("table-wrap card"), parts.box("plain days", tag="table"):
            with parts.box(tag="thead"), parts.box(tag="tr"):
                for name in (words.DAY, words.SENT, words.DELIVERED, f"{words.READ} {words.AT_LEAST}", words.ON_THE_WAY,
                             words.FAILED_WORD):  # fmt: skip
                    parts.text(name, tag="th", scope="col")
            with parts.box(tag="tbody"):
                for day in reversed(shown):
                    if day.counts.messages:
                        _day(visitor, str(day.key), day.counts, found)
    if len(days) > _DAYS_SHOWN:
        parts.text(words.LATEST_DAYS.format(shown=_DAYS_SHOWN, days=len(days)), "muted", tag="p")


def _day(visitor: Visitor, name: str, counts: Counts, found: Statistics) -> None:
    site = visitor.site
    zone = site.settings.timezone
    since, until = (str(bound) for bound in day_bounds(name, zone))
    made = stats.compute_rates(counts, found.never)

    def cell(kind: str, count: int, rate: str = "") -> None:
        choice = UrlFilter(status=KINDS[kind], since=since, until=until, people=True)
        with parts.box(f"number {kind if count else ''}", tag="td"):
            parts.link(words.number(count), visitor.messages(choice) if count else None, "quiet")
            if rate:
                parts.text(rate, "muted rate")

    with parts.box(tag="tr"):
        with parts.box(tag="td"):
            parts.text(words.capital(words.day(name, site.now(), zone)))
            if counts.not_final:
                parts.text(words.NOT_FINAL, "badge", title=words.NOT_FINAL_HINT)
        cell("sent", counts.sent)
        cell("delivered", counts.delivered, made.delivered.percent)
        cell("read", counts.read, made.read.percent)
        cell("on_the_way", counts.on_the_way)
        cell("failed", counts.failed, made.failed.percent)


def _chart(visitor: Visitor, shown: tuple[msgspec.Struct, ...]) -> None:
    zone, now = visitor.site.settings.timezone, visitor.site.now()
    days = [words.capital(words.day(str(day.key), now, zone)) for day in shown]  # type: ignore[attr-defined]
    counts: list[Counts] = [day.counts for day in shown]  # type: ignore[attr-defined]
    series = (
        (words.READ, "#1d9bd1", [one.read for one in counts]),
        (words.DELIVERED_NOT_READ, "#0f9d83", [one.delivered - one.read for one in counts]),
        (words.ON_THE_WAY, "#b3a06a", [one.on_the_way for one in counts]),
        (words.FAILED_WORD, "#d2504b", [one.failed for one in counts]),
    )
    ui.echart(
        {
            "animation": False,
            "color": [colour for _, colour, _ in series],
            "grid": {"left": 8, "right": 8, "top": 34, "bottom": 4, "containLabel": True},
            "legend": {"top": 0, "left": 0, "icon": "roundRect", "itemWidth": 12, "textStyle": {"color": "#8a9592"}},
            "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, "confine": True},
            "xAxis": {"type": "category", "data": days, "axisTick": {"show": False},
                      "axisLabel": {"color": "#8a9592", "hideOverlap": True}},
            "yAxis": {"type": "value", "minInterval": 1, "axisLabel": {"color": "#8a9592"},
                      "splitLine": {"lineStyle": {"color": "rgba(128,140,136,0.18)"}}},
            "series": [
                {"name": name, "type": "bar", "stack": "sent", "data": data, "barMaxWidth": 44}
                for name, _, data in series
            ],
        },
        renderer="svg",
    ).classes("chart card")  # fmt: skip


def _bounds(period: Period) -> tuple[str, str]:
    return ("" if period.since is None else str(period.since)), ("" if period.until is None else str(period.until))
