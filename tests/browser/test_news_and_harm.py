"""Stores that are empty, broken, hostile, large, or written to while a page is open."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support import invented_store

from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store

from .look import Look, listed, matching
from .test_walk import PAGES, key_figures

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>window.harmed = 1</script>",
    "<img src=x onerror='window.harmed = 1'>",
    "</script><script>window.harmed = 1</script>",
    "`${window.harmed = 1}`",
    "{{ constructor.constructor('window.harmed = 1')() }}",
    "javascript:window.harmed=1",
    "\u202egnp.exe \u2066 مرحبا بك 👩‍👩‍👧‍👦 \u0000 \ud83d",
    "[x](javascript:window.harmed=1) **bold**",
    "'; DROP TABLE message; --",
    "A" * 1_000_000,
)


def _event(number: int, status: str, at: int, **more: object) -> StatusEvent:
    about = {"message_id": f"wamid.test{number}", "conversation_id": invented_store.person(number), **more}
    return StatusEvent(status=status, timestamp=at, execution_id=str(number), workflow_id="w", **about)  # type: ignore[arg-type]


def test_an_empty_place_says_so(look: Look, empty: str) -> None:
    """Without a store every page says so or what to do; none fails or reports that all is well."""
    page = look.at(empty)
    for address in (*PAGES, "/?wall", "/compare?by=campaign"):
        look.go(page, f"{empty}{address}")
        assert page.locator(".state, .completeness").count() >= 1, address
        assert "no sync has run" in page.text_content("#health").lower(), address
        assert "longer period" not in page.text_content("#content"), address
        assert page.locator(".state.good").count() == 0, address


def test_a_store_without_messages_is_not_mistaken_for_a_short_period(
    look: Look, tmp_path: Path, serve: Callable[..., str]
) -> None:
    """Pages of an empty store say so; they suggest no longer period and do not call it complete."""
    store = tmp_path / "ledger.sqlite"
    with open_store(str(store), StoreOptions(timezone=invented_store.ZONE)) as opened:
        opened.prepare()
    address = serve(store)
    page = look.at(address)
    for place in ("/", "/compare", "/health", "/messages"):
        look.go(page, f"{address}{place}")
        content = page.text_content("#content")
        assert "longer period" not in content, place
        assert "no message in this store" in content or "Not known" in content, place


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., str]) -> str:
    """Pages over a place where nothing is."""
    return serve(tmp_path_factory.mktemp("empty") / "ledger.sqlite")


def test_bad_addresses_are_answered(look: Look, empty: str) -> None:
    """An invalid period, person, filter or page is answered with what to do."""
    page = look.at(empty)
    for address, told in {
        "/?period=whenever": "Good ones",
        "/compare?by=colour": "Good ones",
        "/conversation/abc": "cut off",
        "/group/template/abc": "cut off",
        "/group/colour/abc": "Good ones",
        "/alerts?show=old": "Good ones",
        "/message/%00": "cut off",
        "/messages?error=x": "is not a failure code",
        "/messages?after=~abc": "another installation",
        "/messages?sort=sideways": "newest",
    }.items():
        look.go(page, f"{empty}{address}")
        assert told in page.text_content("#content"), address
        assert page.locator("header").count() == 1


def test_a_page_that_is_not_there_is_said(browser: Any, empty: str) -> None:
    """An address that is none gets a page in the same clothes, with status 404 and a way back."""
    page = browser.new_page()
    answer = page.goto(f"{empty}/nothing/966500000041")
    assert answer.status == 404
    assert "There is no such page" in page.text_content("#content")
    assert page.locator("header.rail").count() == 1
    page.locator("#content a").click()
    page.wait_for_url(f"{empty}/")
    page.close()


def test_a_hostile_payload_does_no_harm(look: Look, tmp_path: Path, serve: Callable[..., str]) -> None:
    """Markup, scripts, templates, a megabyte, half characters and turned text are shown as text, and cut."""
    now = int(time.time())
    events, sends = [], []
    for number, text in enumerate(HOSTILE):
        error = {"code": 131026 if number % 2 else text[:200], "title": text, "details": text}
        about = {
            "conversation_id": text[:3_000] if number % 3 == 0 else invented_store.person(number),
            "callback_data": text, "phone_number_id": text[:200], "display_phone_number": text[:200],
            "participant": text[:300], "recipient_user_id": text[:300],
        }  # fmt: skip
        events.append(_event(number, "sent", now - 100, **about))
        events.append(_event(number, "failed", now - 90, errors=(error,), **about))
        events.append(_event(number + 100, text[:500].lower(), now - 50, **about))
        sends.append(
            Send(key=f"wamid.test{number}", message_id=f"wamid.test{number}", status="accepted",
                 sent_by=SentBy(text[:200], text, text[:100]), template=Template(text, text[:50]))
        )  # fmt: skip
        sends.append(Send(key=f"refused{number}", message_id=None, status="rejected", rejected=True,
                          sent_at=datetime.now(UTC), sent_by=SentBy("w", "n", "1"), errors=(error,)))  # fmt: skip
    store = tmp_path / "ledger.sqlite"
    with open_store(str(store), StoreOptions(timezone=invented_store.ZONE)) as opened:
        opened.write(events, sends, at=datetime.now(UTC))
    address = serve(store)
    more = ("/compare?by=campaign", "/compare?by=sender", "/compare?by=number", "/?wall")
    page = look.at(address)
    for place in (*PAGES, *more):
        look.go(page, f"{address}{place}")
        assert page.evaluate("() => window.harmed") is None, place
        assert len(page.content()) < 1_500_000, place
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 1280, place
        assert page.locator("#content script, #content img, #content iframe").count() == 0
        for link in page.query_selector_all("#content a"):
            assert re.match(r"/|https://n8n\.example\.com/|#", link.get_attribute("href")), place
    page = look.at(f"{address}/messages")
    look.picture(page, "hostile")
    assert "<script>window.harmed = 1</script>" in page.text_content("#content")
    for place in [one.get_attribute("href") for one in page.query_selector_all("tr.row a")]:
        look.go(page, f"{address}{place}")
        assert page.evaluate("() => window.harmed") is None
        assert not re.search(r"9665\d{8}", page.url)
    look.go(page, f"{address}/messages")
    for number in range(3):
        page.locator("tr.row").nth(number).click(position={"x": 5, "y": 5})
        page.wait_for_selector("#panel[open] .timeline .event")
        page.keyboard.press("Escape")
    assert page.evaluate("() => window.harmed") is None


def test_news_appear_and_rows_stay(look: Look, tmp_path: Path, serve: Callable[..., str]) -> None:
    """In open tabs a pill counts what is new while rows stay, and conversations and figures are renewed."""
    store = tmp_path / "ledger.sqlite"
    invented_store.fill(store, 200, datetime.now(UTC))
    address = serve(store)
    page, figures = look.at(f"{address}/messages"), look.at(f"{address}/")
    thread = look.at(f"{address}/messages")
    thread.locator("td.who a").first.click()
    thread.wait_for_url("**/conversation/*")
    bubbles = thread.locator(".bubble").count()
    who = "".join(re.findall(r"\d", thread.text_content("h1")))
    rows, before = page.locator("table.messages").text_content(), matching(page)
    sent = figures.locator(".kpi-value").first.text_content()
    assert page.locator(".pill").count() == 0
    now = int(time.time())
    with open_store(str(store), StoreOptions(timezone=invented_store.ZONE)) as opened:
        opened.write(
            [_event(9_000 + number, "sent", now, conversation_id=who) for number in range(12)], at=datetime.now(UTC)
        )
    page.wait_for_selector(".pill")
    thread.wait_for_function(f"() => document.querySelectorAll('.bubble').length === {bubbles + 12}")
    figures.wait_for_function(f"() => document.querySelector('.kpi-value').textContent !== {sent!r}")
    assert page.text_content(".pill") == "12 new"
    assert page.locator("table.messages").text_content() == rows
    page.locator(".pill").click()
    page.wait_for_selector(".pill", state="detached")
    assert matching(page) == before + 12


def test_an_update_leaves_alone_what_is_in_use(look: Look, tmp_path: Path, serve: Callable[..., str]) -> None:
    """An opened alert, a note that is being typed and the focus stay while the page is renewed."""
    store = tmp_path / "ledger.sqlite"
    invented_store.fill(store, 300, datetime.now(UTC), trouble=True)
    address = serve(store)
    page = look.at(address)
    sent = page.locator(".kpi-value").first.text_content()
    first = page.locator("details.alert").first
    first.locator("summary").first.click()
    first.get_by_role("link", name="Acknowledge", exact=True).first.click()
    note = page.locator("dialog[open] input[name=note]")
    note.fill("half a no")
    now = int(time.time())
    with open_store(str(store), StoreOptions(timezone=invented_store.ZONE)) as opened:
        opened.write([_event(9_500 + number, "read", now) for number in range(9)], at=datetime.now(UTC))
    page.wait_for_function(f"() => document.querySelector('.kpi-value').textContent !== {sent!r}")
    assert note.input_value() == "half a no"
    assert page.evaluate("() => document.activeElement.name") == "note"
    assert page.locator("details.alert[open]").count() == 1
    page.keyboard.press("Escape")
    assert page.evaluate("() => document.activeElement.dataset.panel") == "small"


def test_a_store_that_fails_is_said_and_comes_back(look: Look, tmp_path: Path, serve: Callable[..., str]) -> None:
    """When the store cannot be read the page says so with the remedy, and works again when it can be."""
    store = tmp_path / "ledger.sqlite"
    store.write_bytes(b"this is no database, and was never one" * 100)
    address = serve(store)
    page = look.at(f"{address}/messages")
    assert "is not a SQLite database" in page.text_content(".state.error")
    assert page.locator("header.rail").count() == 1
    look.picture(page, "error")
    store.unlink()
    invented_store.fill(store, 50, datetime.now(UTC))
    page.get_by_role("link", name="Try again").click()
    page.wait_for_selector("tr.row")
    # A store that was there and is gone is no first run.
    for name in ("", "-wal", "-shm"):
        store.with_name(store.name + name).unlink(missing_ok=True)
    answer = page.goto(f"{address}/")
    assert answer.status == 503
    assert page.locator("#health.bad").count() == 1


def test_a_hundred_thousand_messages(look: Look, tmp_path: Path, serve: Callable[..., str]) -> None:
    """With 100,000 messages every page comes, tiles still equal lists, and lists have pages."""
    store = tmp_path / "ledger.sqlite"
    invented_store.fill(store, 100_000, datetime.now(UTC), days=30)
    address = serve(store)
    page = look.at(address)
    for place in (*PAGES, "/messages?status=failed&since=7d"):
        look.go(page, f"{address}{place}")
    page = look.at(f"{address}/?period=30d")
    look.picture(page, "overview-100000")
    for number, place in key_figures(page).values():  # type: ignore[assignment]
        if place is not None:
            assert listed(page, place) == number
    page = look.at(f"{address}/messages")
    assert matching(page) >= 99_000
    for _ in range(3):
        page.locator("a[rel=next]").click()
        page.wait_for_url("**after=**")
    assert page.locator("tr.row").count() == 50
