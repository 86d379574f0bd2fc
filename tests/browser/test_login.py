"""Login and roles: the real server with tokens, listening beyond this machine, in a real browser."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support import invented_store
from tests.support.patience import PATIENCE_SECONDS

from .conftest import OURS, address_of
from .look import PHONE, Look, matching, new_context, violations

pytestmark = pytest.mark.browser

TOKEN = "full-token-of-the-tests-0001"  # noqa: S105 - of the tests
VIEWER_TOKEN = "viewer-token-of-the-tests-02"  # noqa: S105 - of the tests
WRONG = "wrong-token-of-the-tests-003"
NUMBER = re.compile(r"9665\d{8}|\+966 5\d \d{3}")


class Served:
    """A running server: where it is, and what it wrote."""

    def __init__(self, address: str, log: Path) -> None:
        self.address = address
        self.log = log


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Served]]:
    """Starts ``ticktrail serve --host 0.0.0.0`` with two tokens, over a small shop."""
    running: list[subprocess.Popen[bytes]] = []

    def start_one() -> Served:
        folder = tmp_path_factory.mktemp("guarded")
        invented_store.fill(folder / "ledger.sqlite", 300, datetime.now(UTC))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
            "PYTHONPATH": os.pathsep.join(sys.path),
            "TICKTRAIL_STORE": str(folder / "ledger.sqlite"),
            "TICKTRAIL_DASHBOARD_TOKEN": TOKEN,
            "TICKTRAIL_DASHBOARD_VIEWER_TOKEN": VIEWER_TOKEN,
            "N8N_BASE_URL": "https://n8n.example.com",
        }
        program = [sys.executable, "-m", "ticktrail", "serve", "--host", "0.0.0.0", "--port", str(port)]  # noqa: S104
        with (folder / "server.log").open("wb") as log:
            running.append(subprocess.Popen(program, env=environ, cwd=folder, stdout=log, stderr=log))
        return Served(address_of(running[-1], port, folder / "server.log"), folder / "server.log")

    yield start_one
    for one in running:
        one.terminate()
    for one in running:
        one.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def guarded(start: Callable[[], Served]) -> Served:
    """A server that lets in who has a token."""
    return start()


class Door:
    """A browser of one's own in front of the server, which notes every address it asks for."""

    def __init__(self, browser: Any) -> None:
        self.context = new_context(browser, viewport={"width": 1280, "height": 800}, accept_downloads=True)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))

    def log_in(self, address: str, token: str) -> None:
        """Ask for a page, and show a token where it is asked for."""
        self.page.goto(address)
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Log in").click()

    def settled(self) -> None:
        """Wait until nothing is being counted any more."""
        self.page.wait_for_selector("#content header, header.rail")


@pytest.fixture
def door(browser: Any) -> Iterator[Door]:
    """A browser that was never here."""
    opened = Door(browser)
    yield opened
    opened.context.close()


def test_a_wrong_token_is_said_and_the_right_one_leads_on(door: Door, look: Look, guarded: Served) -> None:
    """The page asked for comes after the login, with its conditions; a token is never in an address, nor in the log."""
    door.log_in(f"{guarded.address}/messages?status=failed", WRONG)
    assert door.page.text_content("[role=alert]") == "That is not the token."
    assert door.page.locator("header, .kpi, tr").count() == 0
    assert door.page.get_by_label("Token").input_value() == ""
    look.picture(door.page, "login-wrong")
    assert not door.context.cookies()
    door.page.get_by_label("Token").fill(TOKEN)
    door.page.keyboard.press("Enter")
    door.page.wait_for_url(f"{guarded.address}/messages?status=failed")
    door.settled()
    assert matching(door.page) == door.page.locator("tr.row").count() > 0
    assert NUMBER.search(door.page.content())
    for secret in (WRONG, TOKEN):
        assert not any(secret in address for address in door.asked)
        assert secret not in guarded.log.read_text()


def test_the_cookie_is_for_this_server_and_no_script(door: Door, guarded: Served) -> None:
    """It is HttpOnly and SameSite=Strict, holds neither token, and one with a changed letter is refused."""
    door.log_in(guarded.address, TOKEN)
    door.settled()
    (cookie,) = door.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie["secure"] is False  # over plain http a browser would not send it back
    assert 29 < (cookie["expires"] - time.time()) / 86_400 < 31
    assert TOKEN not in cookie["value"]
    assert door.page.evaluate("() => document.cookie") == ""
    value = cookie["value"]
    door.context.add_cookies([{**cookie, "value": value[:-1] + ("0" if value[-1] != "0" else "1")}])
    door.page.goto(f"{guarded.address}/health")
    assert urlsplit(door.page.url).path == "/login"


def test_nothing_comes_without_a_token(door: Door, guarded: Served) -> None:
    """Pages lead to the login, files and the live connection are refused, and the login names no page elsewhere."""
    for path in ("/", "/sends", "/messages.csv", "/nothing"):
        door.page.goto(f"{guarded.address}{path}")
        assert urlsplit(door.page.url).path == "/login"
    for path in ("/api/v1/messages", "/metrics", "/live"):
        assert door.context.request.get(f"{guarded.address}{path}").status == 401
    door.log_in(f"{guarded.address}/login?next=//example.com/", TOKEN)
    door.settled()
    assert urlsplit(door.page.url).netloc == urlsplit(guarded.address).netloc


def test_a_viewer_sees_figures_and_nobody(door: Door, look: Look, guarded: Served) -> None:
    """Masked numbers, no way into n8n, nothing to acknowledge, no search for a person, not even by address."""
    door.log_in(f"{guarded.address}/messages", VIEWER_TOKEN)
    door.settled()
    assert door.page.locator("tr.row").count() > 0
    look.picture(door.page, "viewer-messages")
    person = door.page.locator("td.who a").first.get_attribute("href")
    message = door.page.locator("td.when a").first.get_attribute("href")
    for place in (
        "/",
        "/messages?status=failed",
        "/sends",
        "/alerts",
        "/compare?by=number",
        "/health",
        person,
        message,
    ):
        door.page.goto(f"{guarded.address}{place}")
        door.settled()
        content = door.page.content()
        assert not NUMBER.search(content), place
        assert "n8n.example.com" not in content, place
        assert "wamid." not in content, place
        assert door.page.get_by_role("link", name="Acknowledge", exact=True).count() == 0
    door.page.goto(f"{guarded.address}/messages")
    door.settled()
    door.page.locator("tr.row").first.click(position={"x": 600, "y": 10})
    door.page.wait_for_selector("#panel[open] .timeline .event")
    assert not NUMBER.search(door.page.content())
    assert door.page.locator("a.away").count() == 0
    door.page.keyboard.press("Escape")
    door.page.locator("summary", has_text="More conditions").click()
    assert door.page.get_by_label("To", exact=True).count() == 0
    for place in ("/messages?to=966500000021", "/messages?to=0021", "/find/abc"):
        door.page.goto(f"{guarded.address}{place}")
        door.settled()
        assert "Viewers cannot look for a person" in door.page.text_content("#content"), place
        assert door.page.locator("tr.row").count() == 0


def test_who_logs_out_is_out(door: Door, look: Look, guarded: Served) -> None:
    """The button ends the session: the page is gone, also for the button that goes back."""
    door.log_in(f"{guarded.address}/health", TOKEN)
    door.settled()
    look.picture(door.page, "logged-in")
    door.page.set_viewport_size(PHONE)
    assert door.page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    look.picture(door.page, "phone-logged-in")
    door.page.get_by_role("button", name="Log out").click()
    door.page.wait_for_url("**/login")
    assert not door.context.cookies()
    door.page.go_back()
    door.page.wait_for_selector("#token")
    door.page.goto(f"{guarded.address}/health")
    assert urlsplit(door.page.url).path == "/login"


def test_guessing_is_stopped(door: Door, start: Callable[[], Served]) -> None:
    """After ten wrong tokens a further one is answered with how long to wait; the right one is always let in."""
    served = start()
    door.page.goto(f"{served.address}/login")
    for _ in range(10):
        door.page.get_by_label("Token").fill(WRONG)
        door.page.get_by_role("button", name="Log in").click()
        door.page.wait_for_selector("[role=alert]")
        assert door.page.text_content("[role=alert]") == "That is not the token."
    door.page.get_by_label("Token").fill(WRONG)
    with door.page.expect_response("**/login") as answered:
        door.page.get_by_role("button", name="Log in").click()
    assert answered.value.status == 429
    door.page.wait_for_selector("[role=alert]")
    assert re.fullmatch(r"Too many wrong tokens\. Wait \d+ seconds\.", door.page.text_content("[role=alert]"))
    assert not door.context.cookies()
    door.page.get_by_label("Token").fill(TOKEN)
    door.page.get_by_role("button", name="Log in").click()
    door.settled()


def test_login_and_api_documentation_break_no_accessibility_rule(browser: Any, guarded: Served) -> None:
    """axe-core finds nothing on the login, in English and Arabic, nor on the API's documentation, in either theme."""
    for language, place, headers in (
        ("en", "/login", {}),
        ("ar", "/login", {}),
        ("en", "/api/v1/docs", {"Authorization": f"Bearer {TOKEN}"}),
    ):
        context = new_context(browser, locale=language, extra_http_headers=headers)
        page = context.new_page()
        page.goto(f"{guarded.address}{place}")
        assert page.locator(f"html[lang={language}]").count() == 1
        assert violations(page) == []
        page.emulate_media(color_scheme="dark")
        assert violations(page, colours_only=True) == []
        context.close()
