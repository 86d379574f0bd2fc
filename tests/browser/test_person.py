"""One person's page: long threads, and the texts that a workflow keeps."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from tests.support import invented_store

from ticktrail.messages.model import StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store

from .look import PHONE, Look

pytestmark = pytest.mark.browser

WHO = "966500000041"
MOST = 450


def _event(name: str, status: str, at: int, **more: Any) -> StatusEvent:
    return StatusEvent(message_id=f"wamid.{name}", status=status, timestamp=at, execution_id="7", workflow_id="w1",
                       conversation_id=WHO, **more)  # fmt: skip


def _messages(now: int) -> list[StatusEvent]:
    """One message an hour, each named in its campaign; all but the newest were read when the chat was opened."""
    told = []
    for number in range(MOST):
        about = {"callback_data": f"message {number}"}
        # Ids that sort against the order in which they were sent.
        name = f"{MOST - number:03}"
        told.append(_event(name, "sent", now - 3_600 * (MOST - number), **about))
        if number < MOST - 1:
            told.append(_event(name, "read", now - 1_800, **about))
    return told


def _at_its_end(page: Any) -> bool:
    """True when the thread shows its last line."""
    found: bool = page.evaluate(
        "() => { const box = document.querySelector('.thread').getBoundingClientRect();"
        " const last = document.querySelector('.turns').lastElementChild.getBoundingClientRect();"
        " return last.bottom <= box.bottom + 1 && last.top >= box.top - 1 && box.bottom <= innerHeight; }"
    )
    return found


def _find(look: Look, page: Any, number: str) -> None:
    page.locator(".omnibox input").fill(number)
    page.keyboard.press("Enter")
    page.wait_for_url("**/conversation/*")
    look.settled(page)


@pytest.mark.parametrize("size", [None, PHONE], ids=["laptop", "phone"])
def test_a_long_thread_begins_with_its_newest(
    look: Look, tmp_path: Path, serve: Callable[..., str], size: dict[str, int] | None
) -> None:
    """Of 450 messages the newest 200 come first, scrolled to the end; earlier ones are behind links; each once."""
    store, now = tmp_path / "ledger.sqlite", int(time.time())
    with open_store(str(store), StoreOptions(timezone=invented_store.ZONE)) as opened:
        opened.write(_messages(now), at=datetime.now(UTC))
    address = serve(store)
    page = look.at(address, **({} if size is None else {"size": size}))  # type: ignore[arg-type]
    _find(look, page, WHO)
    first = page.url
    assert _at_its_end(page)
    look.picture(page, f"thread-{'laptop' if size is None else 'phone'}")
    pages: list[list[int]] = []
    while True:
        campaigns = [one.text_content() for one in page.query_selector_all(".bubble-head .campaign")]
        pages.append([int(text.removeprefix("message ")) for text in campaigns])
        # The newest message, on whatever page.
        assert re.match(r"Sent .*, not delivered yet", page.text_content(".answer-text"))
        assert page.text_content(".person-count").strip() == "450 messages"
        earlier = page.query_selector(".earlier")
        if earlier is None:
            break
        assert not re.search(r"9665\d{8}|wamid", page.url)
        look.go(page, urljoin(page.url, earlier.get_attribute("href")))
        assert _at_its_end(page)
    assert [len(one) for one in pages] == [200, 200, 50]
    assert [number for one in reversed(pages) for number in one] == list(range(MOST))
    last = page.url
    look.picture(page, f"thread-earliest-{'laptop' if size is None else 'phone'}")
    shared = look.at(last)
    assert shared.locator(".bubble").count() == 50
    shared.locator(".newest").click()
    shared.wait_for_url(first)


def test_whoever_has_scrolled_up_stays_there(look: Look, tmp_path: Path, serve: Callable[..., str]) -> None:
    """A new message appears at the end without reloading, and does not scroll a reader who is further up."""
    store, now = tmp_path / "ledger.sqlite", int(time.time())
    with open_store(str(store), StoreOptions(timezone=invented_store.ZONE)) as opened:
        opened.write(_messages(now), at=datetime.now(UTC))
    address = serve(store)
    page, other = look.at(address), look.at(address)
    _find(look, page, WHO)
    _find(look, other, WHO)
    page.evaluate("() => { document.querySelector('.thread').scrollTop = -5000; }")
    before = page.evaluate("() => document.querySelector('.thread').scrollTop")
    with open_store(str(store), StoreOptions(timezone=invented_store.ZONE)) as opened:
        opened.write([_event("new", "sent", now, callback_data="message 450")], at=datetime.now(UTC))
    for one in (page, other):
        one.wait_for_selector("text=message 450", state="attached")
    assert before < -4_000
    assert abs(page.evaluate("() => document.querySelector('.thread').scrollTop") - before) < 200
    assert _at_its_end(other)
    assert other.text_content(".person-count").strip() == "451 messages"


HARM = "<script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'> {{ 7*7 }} \u202eturned\nsecond line"


@pytest.fixture(scope="module")
def kept(mongodb_server: str, serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Pages over a store in MongoDB with a conversation beside it: questions, answers, harm, an orphan, a picture."""
    from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

    database, now = f"tt_{uuid.uuid4().hex}", int(time.time())
    options = StoreOptions(timezone=invented_store.ZONE, database=database)
    with open_store(mongodb_server, options) as opened:
        opened.write(
            [_event("a", "sent", now - 7_200), _event("a", "read", now - 7_000), _event("b", "sent", now - 3_600),
             _event("b", "failed", now - 3_500, errors=({"code": 131026, "title": "Message undeliverable"},)),
             _event("c", "sent", now - 60)],
            at=datetime.now(UTC),
        )  # fmt: skip
    with MongoClient[dict[str, Any]](mongodb_server) as client:
        client[database]["chat"].insert_many([
            {"conversation_id": WHO, "message_id": "wamid.a", "inbound": "Where is my order?",
             "outbound": "طلبك جاهز للاستلام", "timestamp": now - 7_200},
            {"conversation_id": f"+{WHO}", "message_id": "wamid.in1", "inbound": HARM, "timestamp": now - 5_000},
            {"conversation_id": WHO, "message_id": "wamid.in2", "inbound": {"text": {"body": "A picture"}},
             "media": {"type": "image"}, "timestamp": f"{(now - 4_000) * 1000}"},
            {"conversation_id": WHO, "message_id": "wamid.b", "outbound": "It failed, this one", "timestamp": now},
            {"conversation_id": WHO, "message_id": "wamid.z", "outbound": "Sent, never reported", "timestamp": now - 9},
            {"conversation_id": "966500000042", "message_id": "wamid.y", "inbound": "another's", "timestamp": now},
        ])  # fmt: skip
        yield serve(
            tmp_path_factory.mktemp("chat") / "none",
            MONGODB_URI=mongodb_server,
            MONGODB_DATABASE=database,
            MONGODB_CONVERSATIONS_COLLECTION="chat",
        )
        client.drop_database(database)


def test_texts_stand_in_the_bubbles(look: Look, kept: str) -> None:
    """Sent and received messages show their text, escaped, with the ticks from the store."""
    page = look.at(kept)
    _find(look, page, WHO)
    look.picture(page, "thread-texts")
    bubbles = [
        (one.get_attribute("class").split()[1], one.query_selector(".bubble-text"), one.query_selector(".word"))
        for one in page.query_selector_all(".bubble")
    ]
    shown = [(kind, text and text.text_content(), word and word.text_content()) for kind, text, word in bubbles]
    harmless = HARM.replace("\u202e", " ").replace("  ", " ")
    assert shown == [
        ("theirs", "Where is my order?", None),
        ("ours", "طلبك جاهز للاستلام", "Read"),
        ("theirs", harmless, None),
        ("theirs", "A picture", None),
        ("ours", None, "Sent"),
        ("ours", "Sent, never reported", None),
        ("ours", "It failed, this one", "Failed"),
    ]
    assert "[image]" in page.text_content(".thread")
    assert page.evaluate("() => window.harmed") is None
    assert page.locator(".thread script, .thread img").count() == 0
    phone = look.at(page.url, size=PHONE, dark=True)
    look.picture(phone, "thread-texts-phone-dark")
    assert phone.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize(("role", "query"), [("viewer", ""), ("full", "?wall")])
def test_texts_are_for_those_who_may_see_everything(look: Look, kept: str, role: str, query: str) -> None:
    """A viewer and a wall get the ticks of the same thread, and no text, no number and no way into n8n is sent."""
    page = look.at(kept)
    _find(look, page, WHO)
    other = look.at(f"{page.url}{query}", role=role)
    assert other.locator(".bubble").count() == 3
    sent = other.content()
    for secret in ("order?", "picture", "failed, this one", "never reported", "طلبك", "harmed", WHO, "n8n.example.com"):
        assert secret not in sent, secret
