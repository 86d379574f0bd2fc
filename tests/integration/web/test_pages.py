"""Pages as they go over the wire: states, headers, sizes, and forms that keep numbers out of addresses."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.responses import Response
from starlette.testclient import TestClient
from tests.support import invented_store

from ticktrail.messages.model import StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.web import cache
from ticktrail.web.pages import frame
from ticktrail.web.roles import access_for
from ticktrail.web.server import build_app

from .conftest import HERE, settings_of

PEOPLE = {"Accept": "text/html", "Accept-Encoding": "gzip"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a store; nothing is there yet."""
    return tmp_path / "ledger.db"


@pytest.fixture
def pages(path: Path) -> Iterator[TestClient]:
    """The whole dashboard over that file, open to this machine."""
    settings = settings_of(path.parent, TICKTRAIL_STORE=str(path))
    app = build_app(settings, access=access_for(settings, "127.0.0.1"))
    with TestClient(app, base_url=HERE, headers=PEOPLE, follow_redirects=False) as client:
        yield client


def test_an_old_store_gets_no_all_clear(path: Path, pages: TestClient) -> None:
    """Without a sync, and with messages eleven months old, no page says in green that all is well."""
    now = datetime.now(UTC) - timedelta(days=330)
    with open_store(str(path), StoreOptions(timezone=invented_store.ZONE)) as store:
        for events, sends in invented_store.batches(200, int(now.timestamp()), days=14):
            store.write(events, sends, at=now)
    for place in ("/", "/alerts"):
        text = pages.get(place).text
        assert "state good" not in text
        assert "No open alerts, but the data is not current." in text


def test_a_good_day_says_what_was_looked_at(path: Path, pages: TestClient) -> None:
    """With a recent sync and no alert the page says so, and what was checked, in the words of ``ticktrail alerts``."""
    now = datetime.now(UTC)
    _fill_and_sync(path, now, sent=int(now.timestamp()) - 1_800)
    text = pages.get("/").text
    assert "state good" in text
    assert "Checked 40 messages with a status and 0 sends of the last 24 hours. 1 workflow synced up to" in text


def _fill_and_sync(path: Path, now: datetime, *, sent: int) -> None:
    """Store 40 messages that were sent and read at a time, and a sync of now."""
    with open_store(str(path), StoreOptions(timezone=invented_store.ZONE)) as store:
        for status in ("sent", "delivered", "read"):
            store.write([_event(number, status, sent) for number in range(40)], at=now)
        invented_store.note_syncs(store, now)


def _event(number: int, status: str, at: int) -> StatusEvent:
    return StatusEvent(
        message_id=f"wamid.{number}", status=status, timestamp=at, execution_id=str(number), workflow_id="w",
        conversation_id=invented_store.person(number),
    )  # fmt: skip


def test_what_is_stored_while_a_page_is_made_is_news_to_it(
    path: Path, pages: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page names the store's state and the time from before its queries: its live update fetches what came since."""
    monkeypatch.setattr(cache, "STATE_SECONDS", 0.0)
    invented_store.fill(path, 50, datetime.now(UTC))
    answer = frame.answer

    async def answer_late(*arguments: Any) -> Response:
        with open_store(str(path), StoreOptions(timezone=invented_store.ZONE)) as store:
            store.write([_event(9_000, "sent", int(time.time()))], at=datetime.now(UTC))
        return await answer(*arguments)

    with monkeypatch.context() as during:
        during.setattr(frame, "answer", answer_late)
        page = pages.get("/messages").text
    state, made_at = re.findall(r'data-(?:state|made-at)="([^"]+)"', page)
    later = pages.get("/messages", params={"live": made_at}).text
    assert f'data-state="{state}"' not in later
    assert "1 new" in later


@pytest.fixture
def one_hour(path: Path) -> None:
    """Alerts look at the last hour only."""
    (path.parent / "ticktrail.toml").write_text('[alerts]\nwindow = "1h"\n', encoding="utf-8")


@pytest.mark.usefixtures("one_hour")
def test_no_alert_and_nothing_sent_is_no_all_clear(path: Path, pages: TestClient) -> None:
    """With a recent sync and no message within the window of the rules, the page says that nothing was sent."""
    now = datetime.now(UTC)
    _fill_and_sync(path, now, sent=int(now.timestamp()) - 7_200)
    text = pages.get("/alerts").text
    assert "state good" not in text
    assert "No open alerts, but nothing was sent." in text
    assert "No message was sent in the last 60 minutes." in text
    assert "24 h" not in text.partition('id="alert-list"')[2].partition("</section>")[0]


def test_the_first_hour_of_a_day_is_drawn(path: Path, pages: TestClient) -> None:
    """One bar is a chart; its legend is not left alone."""
    now = datetime.now(UTC)
    with open_store(str(path), StoreOptions(timezone=invented_store.ZONE)) as store:
        store.write([_event(number, "sent", int(now.timestamp()) - 1) for number in range(40)], at=now)
    text = pages.get("/?period=today").text
    assert text.count('<rect class="slot"') == text.count('<ul class="legend"') == 1


def test_lists_are_addressed_by_dates(path: Path, pages: TestClient) -> None:
    """The list of a day names the day; the list of the last 24 hours, which begins at a second, stays sealed."""
    invented_store.fill(path, 500, datetime.now(UTC))
    text = pages.get("/?from=2026-01-01&to=2026-01-02").text
    assert "Nothing was sent in this period." in text
    today = f"{datetime.now(invented_store.ZONE):%Y-%m-%d}"
    assert f"&amp;until={today}&amp;people=1" in pages.get("/").text


def test_an_endless_recipient_gets_no_address(path: Path, pages: TestClient) -> None:
    """A recipient of thousands of characters is shown, cut, and not linked: the address would be as long."""
    now = datetime.now(UTC)
    with open_store(str(path), StoreOptions(timezone=invented_store.ZONE)) as store:
        event = msgspec.structs.replace(_event(1, "sent", int(now.timestamp())), conversation_id="x" * 3_000)
        store.write([event], at=now)
    text = pages.get("/messages").text
    assert "xxxxxxxx" in text
    assert "/conversation/" not in text


def test_a_store_that_vanished_is_no_first_run(path: Path, pages: TestClient) -> None:
    """When the file is deleted while the pages are served, they are red and 503, and so is the API."""
    invented_store.fill(path, 50, datetime.now(UTC))
    assert pages.get("/").status_code == 200
    for name in ("", "-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    page = pages.get("/messages")
    assert page.status_code == 503
    assert 'class="health bad"' in page.text
    assert "There is no message in this store yet." not in page.text
    assert pages.get("/api/v1/messages").status_code == 503


def test_every_page_is_strict_small_and_not_kept(path: Path, pages: TestClient) -> None:
    """Each page allows nothing inline, is compressed within its budget, and is kept by no cache; assets are."""
    invented_store.fill(path, 2_000, datetime.now(UTC), trouble=True)
    for place in ("/", "/alerts", "/messages", "/compare?period=30d", "/sends", "/health", "/?wall", "/nothing"):
        answer = pages.get(place)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-encoding"] == "gzip"
        assert len(gzip.compress(answer.content, 5)) < 12_000, place
        assert "<script>" not in answer.text
    address = answer.text.partition('rel="stylesheet" href="')[2].partition('"')[0]
    style = pages.get(address)
    assert "immutable" in style.headers["cache-control"]
    assert style.headers["content-encoding"] == "gzip"


def test_a_typed_number_stands_in_no_address(path: Path, pages: TestClient) -> None:
    """Search and conditions are posted and answered with a redirect to an address without the number."""
    invented_store.fill(path, 100, datetime.now(UTC))
    number = invented_store.person(1)
    for place, form in (("/search", {"q": number}), ("/messages", {"query": "", "to": number})):
        answer = pages.post(place, data=form, headers={"Origin": HERE})
        assert answer.status_code == 303
        assert number not in answer.headers["location"]
        assert pages.get(answer.headers["location"]).status_code == 200
    assert pages.post("/search", data={"q": number}, headers={"Origin": "http://evil.example"}).status_code == 403


def test_preferences_lead_back_to_this_server_only(pages: TestClient) -> None:
    """The choice of a language is kept in a cookie; an address elsewhere is not followed."""
    for here, lands in (("/messages?status=read", "/messages?status=read"), ("//evil.example", "/"), ("/\\evil", "/")):
        answer = pages.post("/preferences", data={"language": "ar", "here": here}, headers={"Origin": HERE})
        assert answer.headers["location"] == lands
    assert 'lang="ar" dir="rtl"' in pages.get("/").text
