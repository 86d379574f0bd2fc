"""What stands on every page: the name, the ways to the other pages, the search for a person, and the trust strip."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

from nicegui import ui
from nicegui.element import Element

from ticktrail.errors import TicktrailError
from ticktrail.queries.completeness import read_completeness
from ticktrail.text.phone_numbers import parse_person
from ticktrail.web.pages import components as parts
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.completeness_summary import judge
from ticktrail.web.pages.context import Visitor

STYLE = (resources.files("ticktrail.web.pages") / "style.css").read_text(encoding="utf-8")

PLACES = {
    "/": words.NEEDS,
    "/funnel": words.FUNNEL,
    "/compare": words.GROUPS,
    "/messages": words.MESSAGES,
    "/trust": words.TRUST_SHORT,
}

STRIP_SECONDS = 15.0
_STRIP_WAITS_SECONDS = 0.5
_LONGEST_TYPED = 60


@asynccontextmanager
async def page(visitor: Visitor, place: str, title: str) -> AsyncIterator[Element]:
    """A page's frame; what is made inside the block stands in its middle."""
    parts.meet(visitor)
    ui.dark_mode(visitor.dark)
    ui.page_title(f"{title} · {words.NAME}")
    ui.colors(primary="#0b7a66")
    if not visitor.wall:
        parts.text(words.SKIP, "skip", tag="a", href="#content")
    with parts.box("shell wall" if visitor.wall else "shell"):
        with parts.box("top", tag="header"):
            home = {"tag": "span"} if visitor.wall else {"tag": "a", "href": "/"}
            with parts.box("brand", **home):
                parts.text("✓✓", "brand-mark", aria_hidden="true")
                parts.text(words.NAME, "brand-name")
            if not visitor.wall:
                _ways(place)
                if visitor.is_full:
                    _search(visitor)
                _theme(visitor)
                if visitor.logged_in:
                    _way_out()
        await _strip(visitor)
        with parts.box("content", id="content") as content:
            yield content


def _ways(place: str) -> None:
    with parts.box("ways", tag="nav", aria_label=words.PAGES):
        for address, label in PLACES.items():
            attributes = {"aria_current": "page"} if address == place else {}
            parts.link(label, address, "way", **attributes)


def _search(visitor: Visitor) -> None:
    """A number is typed into the page and not into an address, so that none holds it."""

    def find() -> None:
        typed = (field.value or "").strip()[:_LONGEST_TYPED]
        try:
            parse_person(typed, visitor.site.region)
        except TicktrailError:
            typed = ""
        if not typed:
            ui.notify(words.FIND_TOO_LITTLE, type="warning")
            return
        ui.navigate.to(f"/find/{visitor.site.addresses.token(typed)}")

    with parts.box("search", role="search"):
        field = ui.input(placeholder=words.FIND_HINT).props("dense outlined clearable type=search").classes("find")
        field.props["aria-label"] = words.FIND
        field.props["autocomplete"] = "off"
        field.props["maxlength"] = str(_LONGEST_TYPED)
        field.on("keydown.enter", find)
        parts.button(words.FIND_IT, find, "primary")


def _theme(visitor: Visitor) -> None:
    shown = {
        None: ("◐", "dark", words.COLOURS["auto"]),
        True: ("●", "light", words.COLOURS["dark"]),
        False: ("○", "auto", words.COLOURS["light"]),
    }
    sign, following, label = shown[visitor.dark]

    def change() -> None:
        ui.run_javascript(
            f"document.cookie = 'ticktrail_theme={following}; path=/; max-age=31536000; samesite=lax';location.reload()"
        )

    parts.button(sign, change, "theme", aria_label=words.CHANGE_COLOURS.format(colours=label), title=label)


def _way_out() -> None:
    """A form and no link: following links ends nobody's session."""
    with parts.box("way-out", tag="form", method="post", action="/logout"):
        parts.text(words.LOG_OUT, "button", tag="button", type="submit")


async def _strip(visitor: Visitor) -> None:
    """How complete the ledger is, on every page, and again every few seconds."""
    site = visitor.site
    shown: list[Any] = [None]
    with parts.box("strip", tag="aside", aria_label=words.TRUST) as strip:
        pass

    async def look() -> None:
        try:
            known = await site.ledger.recall(
                "trust", lambda store: read_completeness(store, site.settings, content=True), of_sync_state=True
            )
            verdict = judge(known, site.now(), site.settings.timezone, masked=visitor.masked)
            told = (verdict.level, verdict.headline, verdict.remarks)
        except TicktrailError as error:
            told = ("bad", words.STORE_AWAY, () if visitor.masked else (str(error)[:200],))
        if told == shown[0]:
            return
        shown[0] = told
        strip.clear()
        level, headline, remarks = told
        with strip, parts.box(f"strip-in {level}", tag="span" if visitor.wall else "a",
                              **({} if visitor.wall else {"href": "/trust"})):  # fmt: skip
            parts.text("", "lamp", aria_hidden="true")
            parts.text(words.capital(headline), "strip-head")
            for remark in remarks[:3]:
                parts.text(words.capital(visitor.text(remark, 220)), "strip-remark")
            if len(remarks) > 3:
                parts.text(words.AND_MORE.format(count=len(remarks) - 3), "strip-remark")
            if not visitor.wall:
                parts.text(words.TRUST, "strip-way")

    await asyncio.wait({asyncio.create_task(look())}, timeout=_STRIP_WAITS_SECONDS)
    parts.every(STRIP_SECONDS, look, strip)
