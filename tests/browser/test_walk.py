"""Use the pages as a person would: look at each, follow the numbers, search, acknowledge, filter, download."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from tests.support import invented_store

from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store

from .look import PHONE, Look, count, listed, matching, new_context

pytestmark = pytest.mark.browser

PAGES = (
    "/",
    "/?period=today",
    "/alerts",
    "/alerts?show=resolved",
    "/messages",
    "/compare?by=template&period=all",
    "/compare?by=error&period=all",
    "/compare?by=hour&period=7d",
    "/sends",
    "/health",
)


def _counted(page: Any, selector: str) -> list[tuple[int, str]]:
    """Each number that is a link: what it counts, and where it leads."""
    found = []
    for one in page.query_selector_all(selector):
        text = one.text_content().strip()
        if re.fullmatch(r"[\d,]+", text):
            found.append((count(text), urljoin(page.url, one.get_attribute("href"))))
    return found


def key_figures(page: Any) -> dict[str, tuple[int, str | None]]:
    """The key figures by kind: the count (which stands in the note where the figure is a rate), and the list."""
    found = {}
    for one in page.query_selector_all("#kpis .kpi"):
        kind = one.get_attribute("class").split()[-1]
        value, note = (one.query_selector(f".kpi-{name}").text_content().strip() for name in ("value", "note"))
        number = note if "%" in value else value
        link = one.query_selector("a.figure")
        first = re.search(r"[\d,]+", number)
        if first is None:
            continue
        found[kind] = (count(first[0]), None if link is None else urljoin(page.url, link.get_attribute("href")))
    return found


def test_every_key_figure_equals_the_list_it_opens(look: Look, any_recorded: str) -> None:
    """Each key figure and each day opens a list of exactly so many messages, and the parts add up."""
    page = look.at(f"{any_recorded}/?period=all")
    figures = key_figures(page)
    assert figures["sent"][0] == sum(figures[kind][0] for kind in ("delivered", "pending", "failed")) == 400
    days = _counted(page, "table.days a.figure")
    assert days
    # The server that stands for MongoDB in tests is slow.
    for number, address in [*figures.values(), *(days[:4] if look.over_mongodb else days)]:
        if address is not None:
            assert listed(page, address) == number, address


def test_bars_reasons_and_templates_open_their_lists(look: Look, any_shop: str) -> None:
    """Each bar of the chart, each reason and each template's count on the overview opens exactly its messages."""
    page = look.at(f"{any_shop}/?period=30d")
    look.picture(page, "overview-30d")
    bars = [
        (count(re.search(r": ([\d,]+) sent", one.get_attribute("aria-label"))[1]), one.get_attribute("href"))  # type: ignore[index]
        for one in page.query_selector_all("svg.stack a")
    ]
    found = [(number, urljoin(page.url, address)) for number, address in bars[-3:]]
    found += _counted(page, ".reasons a.figure")[:3] + _counted(page, ".lowest a.figure")[:3]
    assert len(found) >= 5
    for number, address in found[: 4 if look.over_mongodb else None]:
        assert listed(page, address) == number, address


def test_every_group_equals_the_list_it_opens(look: Look, any_shop: str) -> None:
    """Each number of each grouping opens exactly those messages; the parts of each row add up."""
    page = look.at(any_shop)
    groupings = ("template", "campaign", "sender", "number", "country", "category", "error", "hour")
    for by in ("template", "error") if look.over_mongodb else groupings:
        look.go(page, f"{any_shop}/compare?by={by}&period=30d")
        look.picture(page, f"compare-{by}")
        found = _counted(page, "td a.figure")
        assert found, by
        if by != "error":
            rows = [
                [
                    int(re.search(r"[\d,]+", one.text_content())[0].replace(",", ""))  # type: ignore[index]
                    for one in line.query_selector_all("td")[:6]
                    if one.get_attribute("data-label") in {"Sent", "Delivered", "Pending", "Failed"}
                ]
                for line in page.query_selector_all("table.groups tbody tr")
            ]
            assert all(sent == delivered + pending + failed for sent, delivered, pending, failed in rows), by
        for number, address in found[: 2 if look.over_mongodb else 6]:
            assert listed(page, address) == number, address


def test_a_row_of_a_comparison_is_a_page_of_its_own(look: Look, shop: str) -> None:
    """A template leads to its days, reasons, hours and latest failures, each number with its list."""
    page = look.at(shop)
    for by in ("template", "error", "country", "category"):
        look.go(page, f"{shop}/compare?by={by}&period=30d")
        page.locator("tbody tr th a").first.click()
        page.wait_for_url("**/group/**")
        look.picture(page, f"group-{by}")
        assert page.locator("svg.stack").count() == 2
        lists = [*key_figures(page).values(), *_counted(page, ".reasons a.figure")[:2]]
        assert len(lists) >= 5
        for number, address in lists[:6]:
            if address is not None:
                assert listed(page, address) == number, address


def test_a_comparison_is_sorted_by_its_headings(look: Look, shop: str) -> None:
    """A heading sorts by its column, a second click the other way round, and says so."""
    page = look.at(f"{shop}/compare?by=template&period=30d")
    page.get_by_role("link", name="Sent", exact=True).click()
    page.wait_for_url("**sort=sent**")
    sent = [count(one.text_content()) for one in page.query_selector_all("td.sent a")]
    assert sent == sorted(sent, reverse=True)
    assert page.locator("th[aria-sort=descending]").count() == 1
    page.get_by_role("link", name="Sent", exact=True).click()
    page.wait_for_url("**order=reverse**")
    assert [count(one.text_content()) for one in page.query_selector_all("td.sent a")] == sorted(sent)


@pytest.mark.parametrize("place", ["/", "/alerts"])
def test_alerts_open_the_messages_behind_them(look: Look, any_shop: str, place: str) -> None:
    """Each alert says how many messages are behind it and what to do, and opens exactly those messages."""
    page = look.at(f"{any_shop}{place}")
    look.picture(page, f"alerts-{'overview' if place == '/' else 'page'}")
    bodies = page.query_selector_all(".alert-body")
    assert len(bodies) >= 4
    assert all("What to do:" in one.text_content() for one in bodies)
    lists = [
        (count(one.text_content().removeprefix("Show ")), urljoin(page.url, one.get_attribute("href")))
        for one in page.query_selector_all(".alert-body a.primary")
        if re.fullmatch(r"Show [\d,]+ messages?", one.text_content())
    ]
    assert len(lists) >= 3
    assert count(page.text_content("#badge").replace("open", "")) == len(bodies)
    for number, address in lists:
        assert listed(page, address) == number, address


def test_an_acknowledged_alert_steps_aside_for_everybody(look: Look, shop: str) -> None:
    """An alert is acknowledged with a name and a note, shown under Acknowledged with both, and opened again."""
    page = look.at(f"{shop}/alerts")
    before = page.locator(".alert-body").count()
    first = page.locator("details.alert").first
    title = first.locator(".alert-title").text_content()
    first.locator("summary").first.click()
    first.get_by_role("link", name="Acknowledge", exact=True).first.click()
    page.wait_for_selector("dialog.small[open]")
    page.get_by_label("Note for your colleagues").fill("Calls them <b>today</b>")
    page.get_by_label("Your name").fill("Nora")
    page.locator("dialog form.stacked button").click()
    page.wait_for_function(f"() => document.querySelectorAll('.alert-body').length === {before - 1}")
    page = look.at(f"{shop}/alerts?show=acknowledged")
    assert page.locator(".alert-title").first.text_content() == title
    assert page.locator(".note").text_content() == "Calls them <b>today</b>"
    assert "Acknowledged by Nora" in page.locator(".alert-body").text_content()
    page.locator("details.alert > summary").first.click()
    page.get_by_role("button", name="Open again").click()
    page.wait_for_load_state()
    page = look.at(f"{shop}/alerts")
    assert page.locator(".alert-body").count() == before


@pytest.mark.parametrize(
    "typed", ["966500000021", "+966 50 000 0021", "00966-50-0000021", "050 000 0021", "٠٥٠٠٠٠٠٠٢١"]
)
def test_a_person_is_found_however_the_number_is_typed(look: Look, shop: str, typed: str) -> None:
    """The box on every page leads to the conversation; no address holds the number, and Back leads back."""
    page = look.at(f"{shop}/health")
    page.keyboard.press("/")
    page.keyboard.type(typed)
    page.keyboard.press("Enter")
    page.wait_for_url("**/conversation/*")
    assert page.text_content("h1") == "+966 50 000 0021"
    assert re.match(r"(Sent|Delivered|Read|Failed|One tick for) ", page.text_content(".answer-text"))
    assert "0000021" not in page.url
    assert page.locator(".bubble").count() >= 1
    link = page.locator(".bubble a.away").first.get_attribute("href")
    assert re.fullmatch(r"https://n8n\.example\.com/workflow/[A-Za-z0-9]+/executions/\d+", link)
    if typed == "966500000021":
        look.picture(page, "conversation")
    page.go_back()
    page.wait_for_url("**/health")


def test_the_first_screen_shows_every_part_of_the_overview(look: Look, shop: str) -> None:
    """On 1440 by 1125 pixels key figures, chart, reasons, alerts and templates are seen without scrolling."""
    page = look.at(f"{shop}/?period=30d", size={"width": 1440, "height": 1125})
    look.picture(page, "overview-1440")
    for part in ("#kpis", "#chart", "#reasons", "#open-alerts", "#lowest"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= 1125, part
    assert page.locator("details.alert").count() >= 5
    phone = look.at(f"{shop}/", size=PHONE)
    chrome = sum(phone.locator(part).bounding_box()["height"] for part in (".bar", ".rail"))
    assert chrome < 0.2 * PHONE["height"]


def test_a_first_visit_is_light(browser: Any, shop: str) -> None:
    """A first load is at most 40 kB in at most 6 requests, a later page at most 12 kB in one."""
    context = new_context(browser)
    page = context.new_page()
    requests: list[Any] = []

    def note(request: Any) -> None:
        requests.append(request)

    page.on("requestfinished", note)
    page.goto(f"{shop}/")
    page.wait_for_load_state("load")
    assert 3 <= len(requests) <= 6
    sizes = [one.sizes() for one in requests]
    assert sum(one["responseBodySize"] + one["responseHeadersSize"] for one in sizes) <= 40_000
    for place in PAGES:
        requests.clear()
        page.goto(f"{shop}{place}")
        (document,) = (one for one in requests if one.resource_type == "document")
        assert document.sizes()["responseBodySize"] <= 12_000, place
    context.close()


def test_control_and_k_lead_to_the_search(look: Look, shop: str) -> None:
    """The keys put the cursor into the box, from a field too."""
    page = look.at(f"{shop}/messages")
    page.keyboard.press("Control+k")
    assert page.evaluate("() => document.activeElement.name") == "q"


def test_own_numbers_are_whole_for_those_who_may_see_them(look: Look, shop: str) -> None:
    """An alert about one of the business's numbers names it; a viewer sees it masked."""
    whole, masked = "+1 555-000-0002", re.compile(r"\+?1 ?55[^0-9]")
    assert whole in look.at(f"{shop}/alerts").text_content("#alert-list")
    content = look.at(f"{shop}/alerts", role="viewer").text_content("#alert-list")
    assert whole not in content
    assert masked.search(content)


def test_an_alert_resolved_at_night_is_shown_in_the_morning(
    look: Look, tmp_path: Path, serve: Callable[..., str]
) -> None:
    """An alert that ended is counted on the overview, and listed with its times and who acknowledged it."""
    store, now = tmp_path / "ledger.sqlite", datetime.now(UTC)
    invented_store.fill(store, 100, now)
    with open_store(str(store), StoreOptions(timezone=invented_store.ZONE)) as opened:
        night = now - timedelta(hours=6)
        opened.alert_state.record_firing("190", "failing", "Access token has expired (190), template a", at=night)
        opened.alert_state.acknowledge("190", at=night, by="Nora", note="new token")
        opened.alert_state.resolve("190", at=night + timedelta(hours=1))
    page = look.at(serve(store))
    page.get_by_role("link", name="1 ended in the last 24 h").click()
    page.wait_for_url("**/alerts?show=resolved")
    row = page.text_content("table.resolved tbody tr")
    for part in ("Access token has expired (190)", "template a", "1 h", "Acknowledged by Nora", "new token"):
        assert part in row, part


def test_the_search_knows_templates_campaigns_and_codes(look: Look, shop: str) -> None:
    """Names and codes lead to their list; last digits to a choice, and what is nowhere is said."""
    page = look.at(f"{shop}/")

    def search(text: str) -> None:
        page.locator(".omnibox input").fill(text)
        page.keyboard.press("Enter")

    for typed, lands in {
        "order_ready": "**/messages?exact-template=order_ready**",
        "spring-2026": "**/messages?campaign=spring-2026",
        "131026": "**/messages?error=131026",
    }.items():
        search(typed)
        page.wait_for_url(lands)
        assert matching(page) > 0
    search("021")
    page.wait_for_url("**/find/*")
    assert "at least its last four digits" in page.text_content("#content")
    search("0021")
    page.wait_for_url("**/conversation/*")
    search("+966 59 999 9999")
    page.wait_for_url("**/find/*")
    assert "No message to this number" in page.text_content("#content")
    assert "999" not in page.url


def test_a_row_opens_its_message_beside_the_list(look: Look, any_shop: str) -> None:
    """A click on a row shows timeline, reason and advice in a panel; Escape closes it and the list is as it was."""
    page = look.at(f"{any_shop}/messages?status=failed")
    page.locator("tr.row").first.click(position={"x": 600, "y": 10})
    page.wait_for_selector("#panel[open] .timeline .event")
    assert page.locator("#panel .why p").count() >= 3
    look.picture(page, "panel")
    page.keyboard.press("Escape")
    page.wait_for_selector("#panel", state="hidden")
    page.locator("tr.row td.when a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel[open]")
    page.get_by_role("link", name="Open as a page").click()
    page.wait_for_url("**/message/*")
    assert page.locator(".why").count() == 1
    page.go_back()
    page.wait_for_url("**/messages?status=failed")


def test_a_page_has_one_title_and_says_it_in_the_tab(look: Look, shop: str) -> None:
    """Each page has one heading of the first level; the tab says the same, and the time zone is on it."""
    page = look.at(shop)
    for address in PAGES:
        look.go(page, f"{shop}{address}")
        assert page.locator("h1").count() == 1, address
        assert page.title() == f"{page.text_content('h1')} · Ticktrail"
        assert "Riyadh time, UTC+3" in page.text_content("footer"), address


def test_a_period_is_chosen_by_date(look: Look, shop: str) -> None:
    """Two dates make a period with an address of its own; one day, such as today, is shown by the hour."""
    page = look.at(f"{shop}/")
    page.locator(".period summary").click()
    page.get_by_label("From", exact=True).fill("2026-01-01")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**from=2026-01-01**")
    assert "1 Jan" in page.text_content(".period summary")
    assert key_figures(page)["sent"][0] > 2_000
    look.go(page, f"{shop}/?period=yesterday")
    assert "Messages by hour" in page.text_content("#content")
    look.go(page, f"{shop}/?period=today")
    # Just after midnight nothing was sent today.
    assert ("Messages by hour" in page.text_content("#content")) == (page.locator("#chart").count() > 0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_wall_shows_all_of_it_without_a_hand(look: Look, shop: str, *, dark: bool) -> None:
    """On a screen of 1920 by 1080 nothing needs scrolling or a cursor, nothing is clicked, and letters are large."""
    page = look.at(f"{shop}/?wall", size={"width": 1920, "height": 1080}, dark=dark)
    look.picture(page, f"wall-{'dark' if dark else 'light'}")
    assert page.locator("a, button, input, summary").count() == 0
    below = "() => [...document.querySelectorAll('.alert, tr.row, .kpi, .stack')].filter(one => %s).length"
    assert page.evaluate(below % "true") >= 6 + 3 + 8
    assert page.evaluate(below % "one.getBoundingClientRect().bottom > innerHeight") == 0
    cut = (
        "() => [...document.querySelectorAll('.wall .alert')].filter(one =>"
        " one.getBoundingClientRect().bottom > one.closest('.card').getBoundingClientRect().bottom).length"
    )
    assert page.evaluate(cut) == 0
    size = "selector => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize)"
    assert page.evaluate(size, ".kpi-value") >= 64
    assert page.evaluate(size, ".alert-title") >= 24
    assert re.fullmatch(r"\d\d:\d\d", page.text_content("#clock"))


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)], ids=str)
def test_a_smaller_wall_shows_chart_and_alerts_whole(look: Look, shop: str, size: tuple[int, int]) -> None:
    """On a laptop or an old screen the latest messages give way; chart and alerts are not cut."""
    page = look.at(f"{shop}/?wall", size={"width": size[0], "height": size[1]})
    cut = (
        "() => [...document.querySelectorAll('.wall .alert, .wall .stack')].filter(one => Math.min(innerHeight,"
        " one.closest('.card').getBoundingClientRect().bottom) < one.getBoundingClientRect().bottom).length"
    )
    assert page.locator(".wall .alert").count() == 3
    assert page.evaluate(cut) == 0


def test_conditions_narrow_the_list_and_make_an_address(look: Look, shop: str) -> None:
    """Typed conditions make an address that opens the same list elsewhere; a typed number is sealed in it."""
    page = look.at(f"{shop}/messages")
    everything = matching(page)
    page.locator("summary", has_text="More conditions").click()
    page.get_by_label("Template", exact=True).fill("order_ready")
    page.get_by_label("Sent since").fill("7d")
    page.locator(".pop.wide").get_by_role("button", name="Apply").click()
    page.wait_for_url("**template=order_ready**")
    narrowed = matching(page)
    assert 0 < narrowed < everything
    assert matching(look.at(page.url)) == narrowed
    page.locator(".chip.set a").first.click()
    page.wait_for_load_state()
    assert matching(page) > narrowed
    page.locator("summary", has_text="More conditions").click()
    page.get_by_label("To", exact=True).fill("+966 50 000 0021")
    page.locator(".pop.wide").get_by_role("button", name="Apply").click()
    page.wait_for_url("**to=**")
    assert "0021" not in page.url
    look.go(page, f"{shop}/messages?since=whenever")
    assert "is not a time" in page.text_content("#content")
    look.go(page, f"{shop}/messages?template=nothing")
    assert "No message matches" in page.text_content("#content")


def test_pickers_offer_what_the_store_holds(look: Look, shop: str) -> None:
    """A picker lists the values in the store with their counts; choosing one narrows the list to as many."""
    page = look.at(shop)
    for name in ("Template", "Campaign", "From number", "Country", "Category", "Reason"):
        look.go(page, f"{shop}/messages")
        page.locator("summary.chip", has_text=name).first.click()
        option = page.locator(".menu[open] .options a").first
        number = count(option.locator("small").text_content())
        option.click()
        page.wait_for_url("**/messages?**")
        assert matching(page) == number, name


def test_pages_of_a_list_hold_every_message_once(look: Look, recorded: str) -> None:
    """Next leads through each of the 400 messages once, says the position, and Previous leads back."""
    page = look.at(f"{recorded}/messages")
    seen: list[str] = []
    while True:
        seen += [one.get_attribute("href") for one in page.query_selector_all("tr.row td.when a")]
        following = page.query_selector("a[rel=next]")
        if following is None:
            break
        assert "wamid" not in following.get_attribute("href")
        look.go(page, urljoin(page.url, following.get_attribute("href")))
    assert len(seen) == len(set(seen)) == 400
    assert page.text_content(".pager .soft") == "351–400 of 400"  # noqa: RUF001
    page.locator("a[rel=prev]").click()
    page.wait_for_url("**at=300**")
    assert [one.get_attribute("href") for one in page.query_selector_all("tr.row td.when a")] == seen[300:350]


def test_a_file_holds_what_the_list_shows(look: Look, shop: str, tmp_path: Path) -> None:
    """CSV, XLSX and JSON have as many messages as the list says; a viewer's have no whole number in them."""
    for role in ("full", "viewer"):
        page = look.at(f"{shop}/messages?status=failed", role=role)
        for ending, label in (("csv", "CSV"), ("xlsx", "Excel")):
            with page.expect_download() as started:
                page.locator(".downloads").get_by_role("link", name=label).click()
            started.value.save_as(tmp_path / f"{role}.{ending}")
        with (tmp_path / f"{role}.csv").open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert len(rows) == matching(page)
        whole = [row for row in rows if re.search(r"9665\d{8}", " ".join(map(str, row.values())))]
        assert bool(whole) == (role == "full")
        assert (tmp_path / f"{role}.xlsx").read_bytes()[:2] == b"PK"
        address = urljoin(page.url, page.locator(".downloads a").last.get_attribute("href"))
        text = page.request.get(address, headers={"Cookie": f"role={role}"}).text()
        assert len(json.loads(text)) == len(rows)
        assert bool(re.search(r"9665\d{8}", text)) == (role == "full")


def test_viewers_and_walls_see_no_number_and_no_way_into_n8n(look: Look, shop: str) -> None:
    """Neither what is shown nor what is sent to the browser holds a whole number, and nothing leads into n8n."""
    viewer, full = look.at(shop, role="viewer"), look.at(shop, role="full")
    for address in (*PAGES, "/?wall"):
        page = full if "wall" in address else viewer
        look.go(page, f"{shop}{address}")
        content = page.content()
        assert not re.search(r"9665\d{8}|\+966 5\d \d{3}", content), address
        assert "n8n.example.com" not in content, address
    assert full.locator("tr.row").count() > 0


def test_a_phone_shows_every_page_without_scrolling_sideways(look: Look, shop: str) -> None:
    """On a phone, light and dark, no page and no table is wider than the screen, and a thumb meets what it means."""
    page = look.at(shop, size=PHONE)
    wide = "() => [...document.querySelectorAll('.table-wrap')].filter(one => one.scrollWidth > one.clientWidth).length"
    low = (
        "() => [...document.querySelectorAll('.places a, .segmented a, .button, .chip')]"
        ".filter(one => one.checkVisibility() && one.offsetHeight < 36).length"
    )
    for address in PAGES:
        look.go(page, f"{shop}{address}")
        name = re.sub(r"\W+", "-", urlsplit(address).path + urlsplit(address).query).strip("-") or "overview"
        assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"], address
        assert page.evaluate(wide) == 0, address
        assert page.evaluate(low) == 0, address
        for theme in ("dark", "light"):
            page.emulate_media(color_scheme=theme)
            look.picture(page, f"phone-{name}-{theme}")
            shade = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
            assert (max(map(int, re.findall(r"\d+", shade)[:3])) < 80) == (theme == "dark"), address


def test_a_tablet_shows_what_to_do(look: Look, shop: str) -> None:
    """Between phone and laptop no page and no table of messages or sends is wider than the screen."""
    page = look.at(shop, size={"width": 820, "height": 1100})
    for address in ("/", "/messages", "/sends?refused=1", "/compare?period=30d"):
        look.go(page, f"{shop}{address}")
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 820, address
        for one in page.query_selector_all(".table-wrap"):
            assert one.evaluate("one => one.scrollWidth <= one.clientWidth"), address


def test_colours_and_language_are_remembered(look: Look, shop: str) -> None:
    """Choices at the foot of a page apply at once, there and on the next page."""
    page = look.at(f"{shop}/health", role="full")
    page.get_by_label("Colours").select_option("dark")
    page.wait_for_selector("html[data-theme=dark]")
    page.get_by_label("Language").select_option("ar")
    page.wait_for_selector("html[dir=rtl]")
    look.go(page, f"{shop}/messages")
    assert page.locator("html[data-theme=dark][lang=ar]").count() == 1
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", shade)[:3])) < 200
    page.locator("select[name=language]").select_option("en")
    page.wait_for_selector("html[dir=ltr]")
    assert urlsplit(page.url).path == "/messages"
