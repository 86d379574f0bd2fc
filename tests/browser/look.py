"""Open pages, read them, keep pictures, and note the errors that the browser reports.

A new context costs a second, so all tests share them: a context for each kind of visitor, without cookies in between.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.patience import PATIENCE_SECONDS

LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


def new_context(browser: Any, **options: Any) -> Any:
    """A context that waits for a page of a slow machine."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_SECONDS * 1_000)
    return context


class Contexts:
    """Contexts of a browser, one for each kind of visitor."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._made: dict[tuple[object, ...], Any] = {}

    def get(self, size: dict[str, int], *, dark: bool, language: str, scripts: bool, role: str | None) -> Any:
        """The context of a visitor."""
        key = (*size.values(), dark, language, scripts, role)
        if key not in self._made:
            self._made[key] = new_context(
                self._browser,
                viewport=size,
                color_scheme="dark" if dark else "light",
                locale=language,
                java_script_enabled=scripts,
                accept_downloads=True,
                # A panel that slides in is pale until it stands still, which axe-core takes for low contrast.
                reduced_motion="reduce",
            )
        return self._made[key]

    def close(self) -> None:
        """Close all contexts."""
        for context in self._made.values():
            context.close()


class Look:
    """Pages in a browser.

    Attributes:
        over_mongodb: whether these pages are over MongoDB.
        complaints: errors on a console, scripts that failed, dialogs that opened, requests to anywhere else.
    """

    def __init__(self, contexts: Contexts, pictures: Path, *, over_mongodb: bool = False) -> None:
        self._contexts = contexts
        self._pictures = pictures
        self.over_mongodb = over_mongodb
        self._pages: list[Any] = []
        self.complaints: list[str] = []

    def at(
        self,
        address: str,
        *,
        size: dict[str, int] = LAPTOP,
        dark: bool = False,
        role: str | None = None,
        language: str = "en-GB",
        scripts: bool = True,
    ) -> Any:
        """A page, when its content is there."""
        context = self._contexts.get(size, dark=dark, language=language, scripts=scripts, role=role)
        if role is not None:
            parts = urlsplit(address)
            context.add_cookies([{"name": "role", "value": role, "url": f"{parts.scheme}://{parts.netloc}"}])
        page = context.new_page()
        self._pages.append(page)
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", self._note_host)
        self.go(page, address)
        return page

    def go(self, page: Any, address: str) -> None:
        """Open another page in the same tab and wait for its content."""
        page.goto(address)
        self.settled(page)

    def settled(self, page: Any) -> None:
        """Waits for the content."""
        page.wait_for_selector("#content")

    def picture(self, page: Any, name: str) -> None:
        """Keeps a picture of a page."""
        page.screenshot(path=self._pictures / f"{name}{'-mongodb' if self.over_mongodb else ''}.png")

    def close(self) -> None:
        """Close every page and clear the visitors' cookies."""
        contexts = {page.context for page in self._pages}
        for page in self._pages:
            page.close()
        for context in contexts:
            context.clear_cookies()

    def _note_console(self, message: Any) -> None:
        # The status of a page itself is for the tests to judge.
        of_page = message.text.startswith("Failed to load resource") and "/assets/" not in message.location["url"]
        if message.type == "error" and not of_page:
            self.complaints.append(f"console: {message.text}")

    def _note_host(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname != "127.0.0.1":
            self.complaints.append(f"asked elsewhere: {parts.hostname}")


def count(text: str) -> int:
    """``1,204 messages`` as a number."""
    return int(text.split(maxsplit=1)[0].replace(",", ""))


def matching(page: Any) -> int:
    """The number of messages that a list says it has."""
    return count(page.text_content("#matching"))


def listed(page: Any, address: str) -> int:
    """The number of messages in a list that this page's visitor would see; the page stays where it is."""
    text = page.request.get(address).text()
    found = re.search(r'id="matching">([^<]+)<', text)
    assert found is not None, text[:500]
    return count(found[1])


COLOUR_RULES = ["color-contrast", "link-in-text-block"]
"""The rules of axe-core that depend on the theme."""


def violations(page: Any, *, colours_only: bool = False) -> list[str]:
    """The rules of axe-core that a page breaks, with the first elements that break them."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    options = {"runOnly": COLOUR_RULES} if colours_only else None
    found = axe.Axe().run(page, options=options).response["violations"]
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found]
