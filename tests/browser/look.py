"""Open pages, read them, keep pictures, and note the errors that the browser reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


class Look:
    """Pages in a browser.

    Attributes:
        over_mongodb: whether these pages are over MongoDB.
        complaints: errors on a console, scripts that failed, dialogs that opened, requests to anywhere else.
    """

    def __init__(self, browser: Any, pictures: Path, *, over_mongodb: bool = False) -> None:
        self._browser = browser
        self._pictures = pictures
        self.over_mongodb = over_mongodb
        self._contexts: dict[tuple[object, ...], Any] = {}
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
        asked = (("dark", dark), ("role", role), ("language", language), ("scripts", scripts))
        page = self._context(size, address, **dict(asked)).new_page()
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", self._note_host)
        self.go(page, address)
        return page

    def _context(self, size: dict[str, int], address: str, **asked: Any) -> Any:
        """Pages of the same visitor share a context, and so its cache."""
        parts = urlsplit(address)
        server = f"{parts.scheme}://{parts.netloc}"
        key = (*size.values(), *asked.items(), server)
        if key not in self._contexts:
            context = self._browser.new_context(
                viewport=size,
                color_scheme="dark" if asked["dark"] else "light",
                locale=asked["language"],
                java_script_enabled=asked["scripts"],
                accept_downloads=True,
            )
            if asked["role"] is not None:
                context.add_cookies([{"name": "role", "value": asked["role"], "url": server}])
            self._contexts[key] = context
        return self._contexts[key]

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
        """Closes every page."""
        for context in self._contexts.values():
            context.close()

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


def violations(page: Any) -> list[str]:
    """The rules of axe-core that a page breaks, with the first elements that break them."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes'][:3]]}" for one in found]
