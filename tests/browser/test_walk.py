"""What a person would do: look at every page, follow every number, look for somebody, leave a note."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from .look import PHONE, Look, count, matching

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/funnel?period=all",
    "/compare?by=template&period=all",
    "/compare?by=error&period=all",
    "/messages",
    "/sends",
    "/trust",
)


def _numbers_and_lists(page: Any, selector: str) -> list[tuple[str, int, str]]:
    """Each number that is a link: what it says, what it counts, and where it leads."""
    found = []
    for one in page.query_selector_all(selector):
        text = one.text_content()
        if re.fullmatch(r"[\d,]+", text.strip()):
            found.append((text, count(text), urljoin(page.url, one.get_attribute("href"))))
    return found


def test_every_tile_equals_the_list_it_opens(look: Look, any_recorded: str) -> None:
    """Each number of the funnel opens a list of exactly so many messages, and the parts add up."""
    page = look.at(f"{any_recorded}/funnel?period=all")
    look.picture(page, "funnel-recorded")
    tiles = _numbers_and_lists(page, "a.tile-number")
    assert len(tiles) == 5
    sent, delivered, _, on_the_way, failed = (number for _, number, _ in tiles)
    assert sent == delivered + on_the_way + failed == 400
    days = _numbers_and_lists(page, "table.days a")
    assert days
    # The server that stands for MongoDB in tests is slow.
    for _, number, address in tiles + (days[:4] if look.over_mongodb else days):
        look.go(page, address)
        assert matching(page) == number, address


def test_every_group_equals_the_list_it_opens(look: Look, any_shop: str) -> None:
    """Each number beside a template, an automation, a number, a campaign or a reason opens exactly those messages."""
    # The server that stands for MongoDB in tests is slow.
    for by in ("template", "error") if look.over_mongodb else ("template", "sender", "number", "campaign", "error"):
        page = look.at(f"{any_shop}/compare?by={by}&period=30d")
        page.wait_for_timeout(300)
        look.picture(page, f"compare-{by}")
        found = _numbers_and_lists(page, "td.number a")
        assert found, by
        assert page.get_by_text(re.compile(r"messages? without")).count() <= 1, by
        if by != "error":
            rows = [
                [int(one.text_content().replace(",", "")) for one in line.query_selector_all("td.number .quiet")]
                for line in page.query_selector_all("table.groups tbody tr")
            ]
            assert all(sent == delivered + waiting + failed for sent, delivered, _, waiting, failed in rows), by
        for _, number, address in found[: 2 if look.over_mongodb else 6]:
            look.go(page, address)
            assert matching(page) == number, address


def test_what_needs_somebody_opens_the_messages_behind_it(look: Look, any_shop: str) -> None:
    """Each cause says how many messages are behind it, and opens exactly those."""
    page = look.at(any_shop)
    look.picture(page, "overview")
    causes = [
        (count(one.text_content().removeprefix("Show ")), urljoin(page.url, one.get_attribute("href")))
        for one in page.query_selector_all(".need-acts a")
        if one.text_content().startswith("Show ") and "messages" in one.text_content()
    ]
    assert len(causes) >= 3
    for cause in page.query_selector_all(".needs > .need"):
        # A figure of people is told apart from one of messages, which is the list's.
        figure, noun = (cause.query_selector(f".need-{name}") for name in ("count", "noun"))
        if noun is not None and noun.text_content().startswith("message"):
            assert f"Show {figure.text_content()} message" in cause.text_content()
        assert "What to do:" in cause.text_content()
    for number, address in causes:
        look.go(page, address)
        assert matching(page) == number, address


def test_a_note_is_kept(look: Look, shop: str) -> None:
    """Somebody acknowledges a cause with a note: it steps aside, for everybody, until it is taken back."""
    page = look.at(shop)
    before = page.locator(".needs > .need").count()
    first = page.locator(".needs > .need").first
    sentence = first.locator(".need-sentence").text_content()
    first.get_by_role("button", name="Acknowledge").click()
    page.locator(".dialog input").fill("Nora looks at it <b>today</b>")
    page.locator(".dialog .primary").click()
    page.wait_for_function(f"() => document.querySelectorAll('.needs > .need').length === {before - 1}")
    page = look.at(shop)
    assert page.locator(".needs > .need").count() == before - 1
    page.locator(".seen-to summary").click()
    assert page.locator(".seen-to .need-sentence").text_content() == sentence
    assert page.locator(".need-note").text_content() == "“Nora looks at it <b>today</b>”"
    page.locator(".seen-to .button", has_text="Take back").click()
    page.wait_for_function(f"() => document.querySelectorAll('.needs > .need').length === {before}")


@pytest.mark.parametrize(
    "typed", ["966500000021", "+966 50 000 0021", "00966-50-0000021", "050 000 0021", "٠٥٠٠٠٠٠٠٢١"]
)
def test_a_person_is_found_however_the_number_is_typed(look: Look, shop: str, typed: str) -> None:
    """One box on every page leads to the thread, answered in a sentence; no address holds the number."""
    page = look.at(f"{shop}/trust")
    page.get_by_label("Find a person").fill(typed)
    page.keyboard.press("Enter")
    page.wait_for_url("**/person/*")
    look.settled(page)
    assert page.text_content("h1") == "+966 50 000 0021"
    assert re.match(r"(Sent|Delivered|Read|Failed|One tick for) ", page.text_content(".answer-text"))
    assert "0000021" not in page.url
    assert page.locator(".bubble").count() >= 1
    assert page.locator(".bubble .status .word").first.text_content() in {"sent", "delivered", "read", "failed"}
    link = page.locator(".bubble a.away").first.get_attribute("href")
    assert re.fullmatch(r"https://n8n\.example\.com/workflow/[A-Za-z0-9]+/executions/\d+", link)
    if typed == "966500000021":
        look.picture(page, "person")


def test_last_digits_give_a_choice_and_nobody_is_said(look: Look, any_shop: str) -> None:
    """Digits that several numbers end in list those; a number nobody wrote to says so; three digits are too few."""
    page = look.at(f"{any_shop}/")
    page.get_by_label("Find a person").fill("021")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=at least its last four digits")
    page.get_by_label("Find a person").fill("0021")
    page.keyboard.press("Enter")
    page.wait_for_url("**/person/*")
    page.get_by_label("Find a person").fill("+966 59 999 9999")
    page.keyboard.press("Enter")
    page.wait_for_url("**/find/*")
    page.wait_for_selector("text=No message to this number")
    assert page.locator(".bubble").count() == 0


def test_a_row_opens_its_timeline(look: Look, any_shop: str) -> None:
    """A click on a row shows the message's timeline, with reason and advice where it failed; another closes it."""
    page = look.at(f"{any_shop}/messages?status=failed")
    page.locator("tr.row").first.click(position={"x": 600, "y": 10})
    page.wait_for_selector(".timeline .event")
    assert page.locator(".why p").count() >= 3
    look.picture(page, "messages-timeline")
    page.locator("tr.row").first.click(position={"x": 600, "y": 10})
    page.wait_for_selector(".timeline", state="hidden")
    page.locator("tr.row td.when a").first.click()
    page.wait_for_url("**/message/*")
    look.settled(page)
    look.picture(page, "message")
    assert page.locator(".why").count() == 1


def test_a_row_opens_by_the_keyboard(look: Look, shop: str) -> None:
    """Each row has a button that a keyboard reaches; it says whether the timeline is open."""
    page = look.at(f"{shop}/messages?status=failed")
    opener = page.locator("tr.row .opener").nth(1)
    assert opener.get_attribute("aria-expanded") == "false"
    opener.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".timeline .event")
    page.wait_for_selector(".opener[aria-expanded=true]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".timeline", state="hidden")


@pytest.mark.parametrize("address", PAGES)
def test_a_page_has_one_title_and_says_it_in_the_tab(look: Look, shop: str, address: str) -> None:
    """Each page has one heading of the first level; the tab says the same, and whose page it is."""
    page = look.at(f"{shop}{address}")
    assert page.locator("h1").count() == 1
    assert page.title() == f"{page.text_content('h1')} · Ticktrail"


def test_signs_are_explained_where_they_stand(look: Look, shop: str) -> None:
    """Whoever sees ≥, a point or *not final* for the first time opens what they mean, below the figures."""
    page = look.at(f"{shop}/funnel")
    page.get_by_text("How to read these figures").click()
    told = page.text_content(".explained")
    for word in ("Read ≥", "On the way", "Not final", "points"):
        assert word in told
    assert page.locator(".explained dd").first.is_visible()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_wall_shows_all_of_it_without_a_hand(look: Look, shop: str, *, dark: bool) -> None:
    """On a screen of 1920 by 1080 nothing needs scrolling or a cursor, nothing is clicked, and letters are large."""
    page = look.at(f"{shop}/?wall", size={"width": 1920, "height": 1080}, dark=dark)
    page.wait_for_selector("tr.row")
    look.picture(page, f"wall-{'dark' if dark else 'light'}")
    assert page.locator("a, button, input, summary").count() == 0
    below = "() => [...document.querySelectorAll('.need, tr.row, .tile')].filter(one => %s).length"
    assert page.evaluate(below % "true") >= 5 + 3 + 8
    assert page.evaluate(below % "one.getBoundingClientRect().bottom > innerHeight") == 0
    size = "selector => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize)"
    assert page.evaluate(size, ".tile-number") >= 64
    assert page.evaluate(size, ".need-sentence") >= 24
    assert page.evaluate(size, ".need-says") >= 20


def test_conditions_narrow_the_list_and_make_an_address(look: Look, shop: str) -> None:
    """Conditions typed into the form make an address that another person can open to the same list."""
    page = look.at(f"{shop}/messages")
    everything = matching(page)
    page.locator("details.more summary").click()
    page.get_by_label("Template", exact=True).fill("order_ready")
    page.get_by_label("Sent since").fill("7d")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**template=order_ready**")
    look.settled(page)
    narrowed = matching(page)
    assert 0 < narrowed < everything
    other = look.at(page.url)
    assert matching(other) == narrowed
    look.go(page, f"{shop}/messages?since=whenever")
    assert "is no time Ticktrail knows" in page.text_content(".state.error")
    look.go(page, f"{shop}/messages?template=nothing")
    assert "No message matches" in page.text_content("#content")


def test_pages_of_a_list_hold_every_message_once(look: Look, recorded: str) -> None:
    """Following the next page to the end shows each of the 400 messages once."""
    page = look.at(f"{recorded}/messages")
    seen: list[str] = []
    while True:
        seen += [one.get_attribute("href") for one in page.query_selector_all("tr.row td.when a")]
        following = page.query_selector("a:has-text('Next page')")
        if following is None:
            break
        assert "wamid" not in following.get_attribute("href")
        look.go(page, urljoin(page.url, following.get_attribute("href")))
    assert len(seen) == len(set(seen)) == 400


def test_a_file_holds_what_the_list_shows(look: Look, shop: str, tmp_path: Path) -> None:
    """CSV and XLSX have as many messages as the list says; a viewer's have no whole number in them."""
    for role in ("full", "viewer"):
        page = look.at(f"{shop}/messages?status=failed", role=role)
        for ending in ("csv", "xlsx"):
            with page.expect_download() as started:
                page.locator(f"a[download='messages.{ending}']").click()
            started.value.save_as(tmp_path / f"{role}.{ending}")
        with (tmp_path / f"{role}.csv").open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == matching(page)
        whole = [row for row in rows if re.search(r"9665\d{8}", " ".join(map(str, row.values())))]
        assert bool(whole) == (role == "full")
        assert (tmp_path / f"{role}.xlsx").read_bytes()[:2] == b"PK"


@pytest.mark.parametrize("address", [*PAGES, "/?wall"])
def test_viewers_and_walls_see_no_number_and_no_way_into_n8n(look: Look, shop: str, address: str) -> None:
    """Neither what is shown nor what is sent to the browser holds a whole number, and nothing leads into n8n."""
    page = look.at(f"{shop}{address}", role="full" if "wall" in address else "viewer")
    sent = page.content()
    assert not re.search(r"9665\d{8}|\+966 5\d \d{3}", sent)
    assert "n8n.example.com" not in sent
    if "wall" in address:
        look.picture(page, "wall")
        assert page.locator("#content a, #content button, input").count() == 0
        assert page.locator("tr.row").count() > 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("address", PAGES)
def test_a_phone_shows_every_page_without_scrolling_sideways(
    look: Look, shop: str, address: str, *, dark: bool
) -> None:
    """On a phone, light and dark, no page and no table is wider than the screen, and a thumb meets what it means."""
    page = look.at(f"{shop}{address}", size=PHONE, dark=dark)
    name = re.sub(r"\W+", "-", urlsplit(address).path + urlsplit(address).query).strip("-") or "overview"
    look.picture(page, f"phone-{name}-{'dark' if dark else 'light'}")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    wide = "() => [...document.querySelectorAll('.table-wrap')].filter(one => one.scrollWidth > one.clientWidth).length"
    assert page.evaluate(wide) == 0
    low = "() => [...document.querySelectorAll('.way, .choice, .button')].filter(one => one.offsetHeight < 38).length"
    assert page.evaluate(low) == 0
    shade = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", shade)[:3])) < 80) == dark


def test_a_tablet_shows_what_to_do(look: Look, shop: str) -> None:
    """Between phone and laptop no page and no table of messages or sends is wider than the screen."""
    for address in ("/", "/messages", "/sends?refused=1"):
        page = look.at(f"{shop}{address}", size={"width": 820, "height": 1100})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 820, address
        for one in page.query_selector_all(".table-wrap"):
            assert one.evaluate("one => one.scrollWidth <= one.clientWidth"), address


def test_colours_are_remembered(look: Look, shop: str) -> None:
    """The button for colours goes from the system's to dark, and the next page is dark too."""
    page = look.at(f"{shop}/trust")
    page.locator(".theme").click()
    page.wait_for_selector("body.body--dark")
    look.go(page, f"{shop}/messages")
    page.wait_for_selector("body.body--dark")
    red, green, blue = map(
        int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
    )
    assert red + green + blue < 200
