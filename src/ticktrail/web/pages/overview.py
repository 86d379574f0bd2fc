"""What needs somebody, one row a cause; and below it how the last days went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.element import Element

from ticktrail.alerts.alert import AlertKind
from ticktrail.errors import TicktrailError
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.queries.periods import USUAL
from ticktrail.web.pages import components as parts
from ticktrail.web.pages import funnel, messages
from ticktrail.web.pages import layout as frame
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.alert_rows import LONGEST_NOTE, OF_READING, Need, known_of, needs_you, see_to
from ticktrail.web.pages.context import Visitor
from ticktrail.web.pages.url_filters import address_of, send_url_filter, url_filter

LOOK_SECONDS = 15.0
_LISTED = 30
_WALL_CAUSES = 4
_WALL_ROWS = 8


async def overview(visitor: Visitor) -> None:
    """The first page."""
    async with frame.page(visitor, "/", words.NEEDS):
        if visitor.wall:
            figures, causes = _figures(visitor), _causes()
            with parts.section(words.LATEST):
                latest = parts.box("listing")
        else:
            causes, figures = _causes(), _figures(visitor)
    await asyncio.gather(_put(visitor, causes), funnel.put(visitor, figures, USUAL, days=False))
    if visitor.wall:
        await messages.latest(visitor, latest, _WALL_ROWS)


def _causes() -> Element:
    with parts.section(words.NEEDS, level="h1"):
        return parts.box("needs")


def _figures(visitor: Visitor) -> Element:
    def by_day() -> None:
        if not visitor.wall:
            parts.link(words.BY_DAY, f"/funnel?period={USUAL}", "muted")

    with parts.section(words.LATELY, extra=by_day):
        return parts.box("listing")


async def _put(visitor: Visitor, container: Element) -> None:
    site = visitor.site

    async def ask() -> list[Need] | None:
        now = site.now()
        found = await site.ledger.recall(
            "needs", lambda store: needs_you(store, site.settings, now=now), of_sync_state=True
        )
        # Who sees to what is asked each time: it changes without news in the ledger.
        return None if found is None else known_of(found, await site.ledger.ask(lambda store: store.alert_state.all()))

    def show(found: list[Need] | None) -> None:
        if found is None:
            parts.empty(words.EMPTY_LEDGER, words.EMPTY_LEDGER_HINT)
            return
        waiting = [need for need in found if need.known is None]
        seen_to = [need for need in found if need.known is not None]
        if not waiting:
            parts.empty(words.NOTHING_NEEDS_YOU, words.NOTHING_NEEDS_YOU_HINT, kind="good")
        listed = _WALL_CAUSES if visitor.wall else _LISTED
        for need in waiting[:listed]:
            _need(visitor, need, changed)
        if len(waiting) > listed:
            parts.text(words.and_more(len(waiting) - listed), "muted")
        if seen_to and not visitor.wall:
            with parts.box("seen-to", tag="details"):
                parts.text(f"{words.ACKNOWLEDGED}: {len(seen_to)}", tag="summary")
                for need in seen_to[:_LISTED]:
                    _need(visitor, need, changed)

    async def changed() -> None:
        await look()

    look = await parts.fill_anew(container, LOOK_SECONDS, ask, show)


def _need(visitor: Visitor, need: Need, changed: Callable[[], Awaitable[None]]) -> None:
    alert = need.alert
    gravity = "bad" if alert.urgency == "urgent" else "warn"
    with parts.box(f"need {gravity} {'acknowledged' if need.known else ''}", tag="article"):
        _figure(need)
        with parts.box("need-main"):
            parts.text(visitor.text(alert.title, 300), "need-sentence", tag="h2")
            parts.text(visitor.text(alert.says, 600), "need-says", tag="p")
            if not visitor.wall:
                with parts.box("need-advice", tag="p"):
                    parts.text(f"{words.WHAT_TO_DO}: ", "strong")
                    parts.text(visitor.text(alert.remedy, 600))
            if need.known is not None and need.known.note and visitor.is_full:
                parts.text(f"“{visitor.text(need.known.note, 300)}”", "need-note", tag="p")
        if visitor.wall:
            return
        with parts.box("need-acts"):
            _behind(visitor, need)
            if visitor.is_full:
                _acknowledge(visitor, need, changed)


def _figure(need: Need) -> None:
    """Whom a cause concerns, as a figure to be read from afar; since when and out of how many its sentence says."""
    alert = need.alert
    # Messages are as many as the list behind them has: nobody should find another number there.
    messages = alert.messages if need.listed is None else need.listed
    with parts.box("need-figure"):
        count, nouns = (alert.people, words.PEOPLE) if alert.people else (messages, words.MESSAGES_NOUN)
        if count:
            if alert.people and alert.people_at_most and count > 1:
                parts.text(words.AT_MOST, "need-noun")
            parts.text(words.number(count), "need-count")
            parts.text(nouns[count != 1], "need-noun")
        else:
            parts.text("!", "need-count", aria_hidden="true")
        if alert.kind is AlertKind.FAILING and alert.messages is not None and alert.before is not None:
            name, said = words.trend(alert.messages, alert.before)
            parts.text(said, f"trend {name}")


def _behind(visitor: Visitor, need: Need) -> None:
    """The way to what is behind a cause."""
    listing = need.alert.listing
    if isinstance(listing, MessageFilter) and need.listed is not None:
        parts.link(words.show_messages(need.listed), visitor.messages(url_filter(listing)), "button primary")
    elif isinstance(listing, SendFilter):
        parts.link(words.SHOW_SENDS, address_of(send_url_filter(listing), visitor.site.addresses), "button primary")
    elif need.alert.kind in OF_READING:
        parts.link(words.SHOW_TRUST, "/trust", "button")


def _acknowledge(visitor: Visitor, need: Need, changed: Callable[[], Awaitable[None]]) -> None:
    site, key = visitor.site, need.alert.key
    if need.known is not None:

        async def back() -> None:
            await _tried(site.ledger.ask(lambda store: store.alert_state.take_back(key)))
            await changed()

        parts.button(words.TAKE_BACK, back)
        return
    with ui.dialog() as dialog, parts.box("card dialog"):
        parts.text(words.ACKNOWLEDGE, tag="h3")
        parts.text(visitor.text(need.alert.title, 300), tag="p")
        note = ui.input(words.ACKNOWLEDGE_HINT).props(f"dense outlined autofocus maxlength={LONGEST_NOTE}")

        async def keep() -> None:
            dialog.close()
            said, now = note.value or "", site.now()
            await _tried(site.ledger.ask(lambda store: see_to(store, site.settings, key, said, now=now)))
            await changed()

        note.on("keydown.enter", keep)
        with parts.box("field-end"):
            parts.button(words.ACKNOWLEDGE, keep, "primary")
            parts.button(words.CANCEL, dialog.close)
    parts.button(words.ACKNOWLEDGE, dialog.open)


async def _tried(act: Awaitable[object]) -> None:
    """Do what somebody pressed a button for; what stands in the way is said to them."""
    try:
        await act
    except TicktrailError as error:
        ui.notify(f"{error} {error.remedy or ''}".strip()[:600], type="negative", multi_line=True)
