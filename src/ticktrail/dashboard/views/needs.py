"""What needs somebody, one row a cause; and below it how the last days went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from nicegui import ui
from nicegui.element import Element

from ticktrail.dashboard import words
from ticktrail.dashboard.needs import Need, needs_you
from ticktrail.dashboard.periods import USUAL, period_of
from ticktrail.dashboard.site import Visitor
from ticktrail.dashboard.views import frame, funnel, messages, parts
from ticktrail.errors import TicktrailError

LOOK_SECONDS = 15.0
_LISTED = 30
_WALL_CAUSES = 5
_WALL_ROWS = 8


async def overview(visitor: Visitor) -> None:
    """The first page."""
    async with frame.page(visitor, "/", words.NEEDS):
        if visitor.wall:
            figures, causes = _figures(visitor), _causes()
            with parts.section("Latest messages"):
                latest = parts.box("listing")
        else:
            causes, figures = _causes(), _figures(visitor)
    period = period_of(USUAL, visitor.site.now(), visitor.site.settings.timezone)
    await asyncio.gather(_put(visitor, causes), funnel.put(visitor, figures, period, days=False))
    if visitor.wall:
        await messages.latest(visitor, latest, _WALL_ROWS)


def _causes() -> Element:
    with parts.section(words.NEEDS):
        return parts.box("needs")


def _figures(visitor: Visitor) -> Element:
    def by_day() -> None:
        if not visitor.wall:
            parts.link("By day", f"/funnel?period={USUAL}", "muted")

    with parts.section("The last 7 days", extra=by_day):
        return parts.box("listing")


async def _put(visitor: Visitor, container: Element) -> None:
    site = visitor.site
    shown: list[object] = [None]

    async def ask() -> list[Need] | None:
        now = site.now()
        if (await site.ledger.state())[0] is None:
            return None
        found = await site.ledger.recall(
            "needs",
            lambda store: needs_you(store, site.settings, now=now, catalogue=site.catalogue),
            of_books=True,
        )
        notes = site.acknowledgements.notes()
        return [
            msgspec.structs.replace(need, acknowledged=need.key in notes, note=notes.get(need.key, ""))
            for need in found
        ]

    def show(found: list[Need] | None) -> None:
        shown[0] = found
        if found is None:
            parts.empty(words.EMPTY_LEDGER, words.EMPTY_LEDGER_HINT)
            return
        waiting = [need for need in found if not need.acknowledged]
        seen_to = [need for need in found if need.acknowledged]
        if not waiting:
            parts.empty(words.NOTHING_NEEDS_YOU, words.NOTHING_NEEDS_YOU_HINT, kind="good")
        listed = _WALL_CAUSES if visitor.wall else _LISTED
        for need in waiting[:listed]:
            _need(visitor, need, look)
        if len(waiting) > listed:
            parts.text(f"and {len(waiting) - listed} more", "muted")
        if seen_to and not visitor.wall:
            with parts.box("seen-to", tag="details"):
                parts.text(f"{words.ACKNOWLEDGED}: {len(seen_to)}", tag="summary")
                for need in seen_to[:_LISTED]:
                    _need(visitor, need, look)

    async def look() -> None:
        try:
            found = await ask()
        except TicktrailError:
            return
        if found == shown[0]:
            return
        container.clear()
        with container:
            show(found)

    await parts.fill(container, ask, show)
    parts.every(LOOK_SECONDS, look, container)


def _need(visitor: Visitor, need: Need, changed: Callable[[], Awaitable[None]]) -> None:
    site = visitor.site
    zone, now = site.settings.timezone, site.now()
    with parts.box(f"need {need.gravity} {'acknowledged' if need.acknowledged else ''}", tag="article"):
        with parts.box("need-main"):
            parts.text(visitor.text(need.sentence, 300), "need-sentence", tag="h3")
            with parts.box("need-facts"):
                if need.people is not None:
                    parts.text(words.plural(need.people, "person affected", "people affected"), "need-people")
                if need.since is not None:
                    parts.text(f"since {words.clock(need.since, zone, now)}")
                if need.trend is not None:
                    _trend(*need.trend)
            if not visitor.wall:
                parts.text(visitor.text(need.advice, 600), "need-advice", tag="p")
            if need.note:
                parts.text(f"“{visitor.text(need.note, 300)}”", "need-note", tag="p")
        if visitor.wall:
            return
        with parts.box("need-acts"):
            if need.filter is not None:
                parts.link(
                    f"Show {words.plural(need.count, 'message')}", visitor.messages(need.filter), "button primary"
                )
            if visitor.is_full:
                _acknowledge(visitor, need, changed)


def _trend(lately: int, before: int) -> None:
    direction = "more" if lately > before else "fewer" if lately < before else "as many"
    sign = {"more": "↑", "fewer": "↓", "as many": "→"}[direction]
    parts.text(f"{sign} {lately:,} in 24 h, {before:,} the day before", f"trend {direction.split(maxsplit=1)[0]}")


def _acknowledge(visitor: Visitor, need: Need, changed: Callable[[], Awaitable[None]]) -> None:
    kept = visitor.site.acknowledgements
    if need.acknowledged:

        async def back() -> None:
            kept.take_back(need.key)
            await changed()

        parts.button(words.TAKE_BACK, back)
        return
    with ui.dialog() as dialog, parts.box("card dialog"):
        parts.text(words.ACKNOWLEDGE, tag="h3")
        parts.text(visitor.text(need.sentence, 300), tag="p")
        note = ui.input(words.ACKNOWLEDGE_HINT).props("dense outlined autofocus maxlength=300")

        async def keep() -> None:
            dialog.close()
            kept.acknowledge(need.key, (note.value or "").strip(), visitor.site.now())
            await changed()

        note.on("keydown.enter", keep)
        with parts.box("field-end"):
            parts.button(words.ACKNOWLEDGE, keep, "primary")
            parts.button("Cancel", dialog.close)
    parts.button(words.ACKNOWLEDGE, dialog.open)
