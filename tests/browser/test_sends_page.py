"""The page of sends, and the files of figures, as a person uses them."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from .look import PHONE, Look, count, matching
from .test_walk import key_figures

pytestmark = pytest.mark.browser


def test_refused_sends_say_why_and_what_to_do(look: Look, shop: str) -> None:
    """From the messages it is one click to the sends; of the refused ones each has its reason, advice and execution."""
    page = look.at(f"{shop}/messages")
    page.locator(".places").get_by_role("link", name="Sends").click()
    page.wait_for_url("**/sends")
    look.settled(page)
    everything = matching(page)
    look.picture(page, "sends")
    page.get_by_role("link", name="Refused", exact=True).click()
    page.wait_for_url("**/sends?refused=1")
    look.settled(page)
    look.picture(page, "sends-refused")
    assert matching(page) == page.locator("tr.send").count() == 12
    assert everything > 2_000
    first = page.locator("tr.send").first
    assert "132001" in first.locator(".reason-title").text_content()
    assert len(first.locator(".reason-advice").text_content()) > 20
    assert "order_ready_v2" in first.locator(".reason-details").text_content()
    link = first.locator("a.away").get_attribute("href")
    assert re.fullmatch(r"https://n8n\.example\.com/workflow/orders/executions/7000\d\d", link)
    page.locator("summary", has_text="More conditions").click()
    page.get_by_label("Failure code").fill("131009")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**error=131009**")
    look.settled(page)
    assert matching(page) == page.locator("tr.send").count() == 3


def test_silence_is_told_from_delivery(look: Look, any_shop: str) -> None:
    """Sends that no status confirmed are listed by themselves; beside the others stands where their message is."""
    page = look.at(f"{any_shop}/sends?unconfirmed=1")
    assert matching(page) == page.locator("tr.send").count() == 5
    assert page.locator("td.stands", has_text="held back").count() == 1
    assert page.locator("td.stands", has_text="no status yet").count() == 5
    look.go(page, f"{any_shop}/sends?accepted=1&template=order_ready")
    row = page.locator("tr.send").last
    assert re.search(r"Sent|Delivered|Read|Failed", row.locator(".status .word").text_content())
    row.locator("td.when a").click()
    page.wait_for_selector("#panel[open] .timeline")


def test_pages_of_sends_hold_every_send_once(look: Look, any_shop: str) -> None:
    """Following the next page meets each send once; no address holds a message id, a node or a number."""
    page = look.at(f"{any_shop}/sends?since=yesterday")
    expected, seen = matching(page), list[str]()
    while True:
        seen += [one.get_attribute("href") for one in page.query_selector_all("tr.send a.away")]
        following = page.query_selector("a[rel=next]")
        if following is None:
            break
        assert not re.search(r"wamid|refused|9665", following.get_attribute("href"))
        look.go(page, urljoin(page.url, following.get_attribute("href")))
    assert len(seen) == len(set(seen)) == expected > 20


@pytest.mark.parametrize("address", ["/sends", "/sends?refused=1", "/sends?wall"])
def test_viewers_and_walls_see_no_number_among_sends(look: Look, shop: str, address: str) -> None:
    """Nothing that is sent to the browser holds a whole number, and nothing leads into n8n."""
    page = look.at(f"{shop}{address}", role="full" if "wall" in address else "viewer")
    assert page.locator("tr.send").count() > 0
    assert not re.search(r"9665\d{8}|\+966 5\d \d{3}", page.content())
    assert "n8n.example.com" not in page.content()
    assert page.locator("a.away").count() == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_sends_fit_a_phone(look: Look, shop: str, *, dark: bool) -> None:
    """On a phone the page is no wider than the screen."""
    page = look.at(f"{shop}/sends?refused=1", size=PHONE, dark=dark)
    look.picture(page, f"phone-sends-{'dark' if dark else 'light'}")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


def test_questions_for_sends_without_sense_are_answered(look: Look, shop: str) -> None:
    """Conditions that exclude each other, and places that are none, are answered with what to do; so is no result."""
    for address, told in {
        "/sends?refused=1&unconfirmed=1": "unconfirmed",
        "/sends?error=x": "is not a failure code",
        "/sends?after=~abc": "another installation",
        "/sends?template=nothing": "No send matches",
    }.items():
        page = look.at(f"{shop}{address}")
        assert told in page.text_content("#content"), address


def _download(look: Look, page: Any, name: str, folder: Path) -> tuple[list[dict[str, str]], bytes]:
    for ending in ("csv", "xlsx"):
        with page.expect_download() as started:
            page.locator(f"a[href^='/{name}.{ending}']").click()
        started.value.save_as(folder / f"{name}.{ending}")
    with (folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream)), (folder / f"{name}.xlsx").read_bytes()


def test_files_of_figures_hold_what_the_page_shows(look: Look, shop: str, tmp_path: Path) -> None:
    """The rows of days add up to the key figures, each group's to its row, and a file of sends has them all."""
    page = look.at(f"{shop}/?period=30d")
    shown = key_figures(page)
    page.get_by_text("Show as a table").click()
    rows, sheet = _download(look, page, "days", tmp_path)
    names = {"sent": "sent", "delivered": "delivered", "read": "read", "pending": "onTheWay", "failed": "failed"}
    assert {kind: sum(int(row[name]) for row in rows) for kind, name in names.items()} == {
        kind: shown[kind][0] for kind in names
    }
    assert sheet[:2] == b"PK"
    page = look.at(f"{shop}/compare?by=template&period=30d")
    sent = {
        line.query_selector("th.name").text_content(): count(line.query_selector("td.sent").text_content())
        for line in page.query_selector_all("table.groups tbody tr")
    }
    rows, _ = _download(look, page, "compare", tmp_path)
    assert {row["template"]: int(row["sent"]) for row in rows if row["template"]} == sent
    rows, sheet = _download(look, look.at(f"{shop}/sends?refused=1"), "sends", tmp_path)
    assert len(rows) == 12
    assert {row["errorCode"] for row in rows} == {"132001", "131009"}
    assert sheet[:2] == b"PK"
