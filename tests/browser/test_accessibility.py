"""For everybody: accessibility rules, the keyboard alone, no script, Arabic."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .look import LAPTOP, PHONE, Look, matching, violations
from .test_walk import PAGES

pytestmark = pytest.mark.browser


def _places(page: Any, shop: str) -> list[str]:
    """Addresses that only links have: a message, a conversation, a group."""
    page.goto(f"{shop}/messages?status=failed")
    found = [page.locator(one).first.get_attribute("href") for one in ("td.when a", "td.who a")]
    page.goto(f"{shop}/compare?period=30d")
    return [*found, page.locator("tbody th a").first.get_attribute("href")]


def _assert_accessible(page: Any, place: str) -> None:
    """All rules hold in the light theme, and those about colours in the dark one."""
    assert violations(page) == [], place
    page.emulate_media(color_scheme="dark")
    assert violations(page, colours_only=True) == [], f"{place} in the dark"
    page.emulate_media(color_scheme="light")


def test_no_page_breaks_an_accessibility_rule(look: Look, shop: str) -> None:
    """axe-core finds nothing on any page, wall, panel, dialog or error, in either theme."""
    page = look.at(shop)
    more = ["/?wall", "/nothing", "/messages?error=x", "/alerts?show=acknowledged", *_places(page, shop)]
    for place in (*PAGES, *more):
        look.go(page, f"{shop}{place}")
        page.evaluate("() => document.querySelectorAll('details.alert').forEach(one => { one.open = true; })")
        _assert_accessible(page, place)
    look.go(page, f"{shop}/messages")
    page.locator("summary.chip").first.click()
    _assert_accessible(page, "picker")
    page.locator("tr.row td.when a").last.click()
    page.wait_for_selector("#panel[open]")
    _assert_accessible(page, "panel")
    look.go(page, f"{shop}/alerts")
    page.locator("details.alert > summary").first.click()
    page.get_by_role("link", name="Acknowledge", exact=True).first.click()
    page.wait_for_selector("#panel[open]")
    _assert_accessible(page, "dialog")
    _assert_accessible(look.at(f"{shop}/", size=PHONE, language="ar"), "phone")


def test_the_keyboard_reaches_everything(look: Look, shop: str) -> None:
    """Tab meets the skip link, the search, every page, every bar and every alert; each shows where the focus is."""
    page = look.at(f"{shop}/")
    met: list[str] = []
    for _ in range(140):
        page.keyboard.press("Tab")
        met.append(
            page.evaluate(
                "() => { const one = document.activeElement; return one.closest('svg.stack') ? 'bar' :"
                " one.matches('.alert > summary') ? 'alert' : one.name || one.getAttribute('href') || one.tagName; }"
            )
        )
        if met[-1] == "BODY":
            break
    assert met[0] == "#content"
    for wanted in ("/alerts", "/messages", "/compare", "/sends", "/health", "q", "bar", "alert", "language", "theme"):
        assert wanted in met, wanted
    outline = page.evaluate(
        "() => { const one = document.querySelector('.places a'); one.focus({focusVisible: true});"
        " return getComputedStyle(one).outlineStyle; }"
    )
    assert outline == "solid"


def test_the_pages_work_without_script(look: Look, shop: str) -> None:
    """Search, conditions, pages of a list, a message, acknowledging and preferences need no script."""
    page = look.at(f"{shop}/", scripts=False)
    assert page.locator(".kpi").count() == 6
    page.locator(".omnibox input").fill("order_ready")
    page.keyboard.press("Enter")
    page.wait_for_url("**exact-template=order_ready**")
    assert matching(page) > 50
    page.locator("a[rel=next]").click()
    page.wait_for_url("**at=50**")
    page.locator("tr.row td.when a").first.click()
    page.wait_for_url("**/message/*")
    assert page.locator(".timeline .event").count() >= 1
    look.go(page, f"{shop}/messages")
    page.locator("summary", has_text="More conditions").click()
    page.get_by_label("Country", exact=True).fill("SA")
    page.locator(".pop.wide").get_by_role("button", name="Apply").click()
    page.wait_for_url("**country=SA")
    look.go(page, f"{shop}/alerts")
    page.locator("details.alert > summary").first.click()
    before = page.locator(".alert-body").count()
    page.get_by_role("link", name="Acknowledge", exact=True).first.click()
    page.wait_for_url("**/alerts/acknowledge/*")
    page.get_by_role("button", name="Acknowledge").click()
    page.wait_for_url("**/alerts")
    assert page.locator(".alert-body").count() == before - 1
    look.go(page, f"{shop}/alerts?show=acknowledged")
    page.locator("details.alert > summary").first.click()
    page.get_by_role("button", name="Open again").click()
    page.get_by_label("Colours").select_option("dark")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector("html[data-theme=dark]")


def test_arabic_runs_from_right_to_left(look: Look, shop: str) -> None:
    """A browser that prefers Arabic gets every page in Arabic, mirrored, no wider than the screen."""
    for size in (LAPTOP, PHONE):
        page = look.at(shop, language="ar-SA", size=size)
        for place in PAGES:
            look.go(page, f"{shop}{place}")
            assert page.locator("html[lang=ar][dir=rtl]").count() == 1
            assert re.search(r"[\u0600-\u06ff]", page.text_content("h1")), place
            assert page.evaluate("() => document.documentElement.scrollWidth") <= size["width"], place
            name = re.sub(r"\W+", "-", place).strip("-") or "overview"
            look.picture(page, f"arabic-{name}-{size['width']}")
    page = look.at(f"{shop}/", language="ar-SA")
    rail = page.locator(".rail").bounding_box()
    assert rail["x"] > 600
