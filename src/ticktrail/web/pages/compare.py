"""Templates, automations, numbers, campaigns and reasons beside each other, those first that reach fewest."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from nicegui import background_tasks
from nicegui.element import Element

from ticktrail.errors import ConfigurationError, TicktrailError
from ticktrail.messages import rates as stats
from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.filters import Grouping
from ticktrail.messages.model import FAILED
from ticktrail.queries import hints as teaching
from ticktrail.queries.periods import Period, period_of
from ticktrail.queries.statistics import SPARKLINES, Sparkline, Statistics, compute_statistics, sparklines
from ticktrail.text.formatting import plural
from ticktrail.web.pages import components as parts
from ticktrail.web.pages import layout as frame
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.context import Visitor
from ticktrail.web.pages.funnel import KINDS
from ticktrail.web.pages.url_filters import UrlFilter

_LIMIT = 100

_LABELS = {
    "sent": words.SENT,
    "delivered": words.DELIVERED,
    "read": f"{words.READ} {words.AT_LEAST}",
    "on_the_way": words.ON_THE_WAY,
    "failed": words.FAILED_WORD,
}
"""What a phone shows beside a number: there is no room for headings."""


async def compare(visitor: Visitor, by: str, name: str) -> None:
    """The groups of a period."""
    site = visitor.site
    if by not in words.GROUPINGS:
        raise ConfigurationError(
            words.NO_GROUPING, remedy=words.GOOD_GROUPINGS.format(names=", ".join(words.GROUPINGS))
        )
    grouping, now = Grouping(by), site.now()
    period = period_of(name, now, site.settings.timezone)
    async with frame.page(visitor, "/compare", words.BY.format(grouping=words.GROUPINGS[by].lower())):
        with parts.box("title-row"):
            parts.text(words.BY.format(grouping=words.GROUPINGS[by].lower()), tag="h1")
            parts.choices(words.TOLD_APART, words.GROUPINGS, by, lambda key: f"/compare?by={key}&period={name}")
            parts.choices(words.PERIOD, words.PERIODS, name, lambda key: f"/compare?by={by}&period={key}")
        container = parts.box("listing")

    async def ask() -> tuple[Statistics, bool]:
        found = await site.ledger.recall(
            ("groups", grouping, period),
            lambda store: compute_statistics(
                store,
                site.settings,
                period.chosen,
                grouping,
                user_file=site.user_file,
                now=now,
                limit=_LIMIT,
                compare=True,
            ),
        )
        return found, not _has_groups(found) and await site.is_empty()

    def show(answer: tuple[Statistics, bool]) -> None:
        found, is_empty = answer
        if _has_groups(found):
            _show(visitor, grouping, period, found)
        else:
            parts.nothing_sent(is_empty=is_empty)

    await parts.fill(container, ask, show)


def _has_groups(found: Statistics) -> bool:
    return found.groups is not None and bool(found.groups.shown or found.groups.nameless.messages)


def _show(visitor: Visitor, by: Grouping, period: Period, report: Statistics) -> None:
    found = report.groups
    assert found is not None  # noqa: S101 - a grouping was asked for
    if not found.shown:
        first, *rest = teaching.empty_grouping(by, messages=found.nameless.messages)
        parts.empty(first)
        if rest:
            parts.text("\n".join(rest), "code-lines", tag="pre")
        return
    with (
        parts.box("table-wrap card"),
        parts.box(f"plain {'reasons' if by is Grouping.ERROR else 'groups'}", tag="table"),
    ):
        with parts.box(tag="thead"), parts.box(tag="tr"):
            for name in _headings(by):
                hint = {"title": words.CHANGE_HINT} if name == words.CHANGE else {}
                parts.text(name, tag="th", scope="col", **hint)
        with parts.box(tag="tbody"):
            sparks = [(group, _row(visitor, by, period, group, report)) for group in found.shown]
    if found.named > len(found.shown):
        parts.text(words.WORST_OF.format(shown=len(found.shown), named=found.named), "muted", tag="p")
    if not visitor.wall:
        with parts.box("below"):
            if found.nameless.messages:
                _nameless(by, found.nameless.messages)
            parts.box("spring")
            query = urlencode({"by": by.value, "period": period.name})
            parts.downloads("compare", query, words.FIGURES_DOWNLOAD_HINT)
    elif found.nameless.messages:
        _nameless(by, found.nameless.messages)
    if by is not Grouping.ERROR:
        background_tasks.create(_fill_sparks(visitor, by, period, sparks[:SPARKLINES]), name="sparks")


def _nameless(by: Grouping, count: int) -> None:
    messages = plural(count, "message")
    parts.text(words.NAMELESS.format(messages=messages, without=words.NO_GROUP[by.value]), "muted", tag="p")


def _headings(by: Grouping) -> tuple[str, ...]:
    if by is Grouping.ERROR:
        return (*words.REASON_HEADINGS, words.WHAT_TO_DO)
    return (words.GROUPINGS[by.value], words.SENT, words.DELIVERED, words.CHANGE, f"{words.READ} {words.AT_LEAST}",
            words.ON_THE_WAY, words.FAILED_WORD, *words.GROUP_HEADINGS)  # fmt: skip


def choice_of(by: Grouping, group: Group, period: Period) -> UrlFilter | None:
    """The messages of a group; None where no filter says them."""
    if group.key is None:
        return None
    key = str(group.key)
    span: dict[str, Any] = {
        "since": "" if period.since is None else str(period.since),
        "until": "" if period.until is None else str(period.until),
    }
    if by is Grouping.TEMPLATE:
        return None if "/" in key else UrlFilter(template=key, people=True, **span)
    if by is Grouping.SENDER:
        return UrlFilter(sent_by=key, people=True, **span)
    if by is Grouping.NUMBER:
        return UrlFilter(number=key, people=True, **span)
    if by is Grouping.CAMPAIGN:
        return UrlFilter(campaign=key, people=True, **span)
    if by is Grouping.ERROR and key.isascii() and key.isdigit():
        return UrlFilter(error=(key,), status=tuple(sorted(FAILED)), people=True, **span)
    return None


def _row(visitor: Visitor, by: Grouping, period: Period, group: Group, report: Statistics) -> Element:
    counts = group.counts
    made, choice = stats.compute_rates(counts, report.never), choice_of(by, group, period)

    def cell(kind: str, count: int, rate: str = "") -> None:
        narrowed = None if choice is None else msgspec.structs.replace(choice, status=KINDS[kind])
        with parts.box("number", tag="td", data_label=_LABELS[kind]):
            parts.link(words.number(count), visitor.messages(narrowed) if narrowed and count else None, "quiet")
            if rate:
                parts.text(rate, "muted rate")

    with parts.box(tag="tr") as line:
        if by is Grouping.ERROR:
            _reason_cells(visitor, group, counts, choice)
            return line
        with parts.box("name", tag="td"):
            parts.link(_name(visitor, by, group), visitor.messages(choice) if choice else None, "strong")
        cell("sent", counts.sent)
        cell("delivered", counts.delivered, made.delivered.percent)
        change = words.points(report.changes.get(group.key))
        kind = "up" if change[:1] == "+" else "down" if change[:1] == words.MINUS else ""
        hint = {} if change else {"title": words.NO_CHANGE}
        parts.text(change or "—", f"number change {kind}", tag="td", data_label=words.CHANGE, **hint)
        cell("read", counts.read, made.read.percent)
        cell("on_the_way", counts.on_the_way)
        cell("failed", counts.failed, made.failed.percent)
        parts.box("top-reason", tag="td", data_label=words.GROUP_HEADINGS[0])
        parts.box("spark-cell", tag="td")
    return line


def _reason_cells(visitor: Visitor, group: Group, counts: Counts, choice: UrlFilter | None) -> None:
    entry = visitor.site.catalogue.lookup(None if group.key is None else str(group.key))
    title = entry.title if entry.known else group.label or entry.title
    with parts.box("name", tag="td"):
        parts.text(visitor.text(str(group.key), 40), "code")
        parts.text(visitor.text(title, 90), "strong")
    people, messages = words.REASON_HEADINGS[1:]
    parts.text(words.number(group.people or 0), "number", tag="td", data_label=people)
    with parts.box("number", tag="td", data_label=messages):
        parts.link(words.number(counts.failed), visitor.messages(choice) if choice else None, "quiet")
    parts.text(visitor.text(entry.advice, 500), "advice", tag="td")


def _name(visitor: Visitor, by: Grouping, group: Group) -> str:
    if by is Grouping.NUMBER and group.label:
        return visitor.who(group.label) if group.label.strip("+").isdigit() else visitor.text(group.label, 60)
    return visitor.text(str(group.key), 60)


async def _fill_sparks(visitor: Visitor, by: Grouping, period: Period, rows: list[tuple[Group, Element]]) -> None:
    """The dear cells, once the rest stands."""
    site = visitor.site
    keys = tuple(group.key for group, _ in rows)
    try:
        found = await site.ledger.recall(
            ("sparks", by, period, keys),
            lambda store: sparklines(store, period.chosen, by, keys, user_file=site.user_file),
        )
    except TicktrailError:
        return
    for group, line in rows:
        if line.is_deleted or line.client.is_deleted:
            return
        _put_spark(visitor, line, found[group.key])


def _put_spark(visitor: Visitor, line: Element, found: Sparkline) -> None:
    *_, reason, spark = line.default_slot.children
    with reason:
        if found.reason is not None:
            entry = visitor.site.catalogue.lookup(found.reason)
            title = entry.title if entry.known else words.UNKNOWN_CODE
            parts.text(f"{title} ({visitor.text(found.reason, 20)})", title=plural(found.reason_messages, "message"))
    with spark:
        parts.spark(found.rates)
