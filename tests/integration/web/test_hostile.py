"""Hostile texts in payloads stay text in the API."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.integration.web.conftest import TOKEN, VIEWER_TOKEN, Open, bearer, settings_of

from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.stores.opening import open_configured_store
from ticktrail.web.api import pages as listing

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
SCRIPT = "<script>alert(document.cookie)</script>"
TEXTS = [
    SCRIPT,
    "</title><img src=x onerror=alert(1)>",
    "\u202egnp.exe\u202c \u0645\u0631\u062d\u0628\u0627 \U0001f600",
    "call me at +966 50 000 0054",
    "{{constructor.constructor('alert(1)')()}}",
    "=cmd|' /C calc'!A0",
    "wamid.SEJnTTk2NjUwMDAwMDA1NC0wMDAwMDM=",
    "'; DROP TABLE message; --",
    '{"$where": "sleep(1000)"}',
]
MEGABYTE = "x" * 1_000_000
TOKENS = {"TICKTRAIL_DASHBOARD_TOKEN": TOKEN, "TICKTRAIL_DASHBOARD_VIEWER_TOKEN": VIEWER_TOKEN}


def event(place: int, text: str, **more: Any) -> StatusEvent:
    """A failed message with a text in every field that can hold one."""
    return StatusEvent(
        **{
            "message_id": f"wamid.{place}{text[:100]}",
            "status": "failed",
            "timestamp": 1_795_355_171 + place,
            "execution_id": str(place),
            "conversation_id": "966500000054",
            "callback_data": text,
            "display_phone_number": text[:100],
            "recipient_user_id": text[:100],
            "errors": ({"code": 131026, "title": text, "message": text, "details": text},),
            **more,
        }
    )


@pytest.fixture
def hostile(open_dashboard: Open, tmp_path: Path) -> TestClient:
    """A dashboard with both tokens over messages with hostile texts."""
    environ = {"TICKTRAIL_STORE": str(tmp_path / "ledger.db")}
    with open_configured_store(settings_of(tmp_path, **environ)) as store:
        store.write([event(place, text) for place, text in enumerate(TEXTS)], at=NOW)
    return open_dashboard(**environ, **TOKENS)


def test_texts_are_returned_unchanged_as_json(hostile: TestClient) -> None:
    """Every text is unchanged, and the content type is JSON."""
    answer = hostile.get("/api/v1/messages", params={"limit": 100, "sort": "oldest"}, headers=bearer(TOKEN))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [document["failure"]["title"] for document in answer.json()["messages"]] == TEXTS
    for document in answer.json()["messages"]:
        one = hostile.get(f"/api/v1/messages/{document['messageId']}", headers=bearer(TOKEN))
        if "/" not in document["messageId"] and "?" not in document["messageId"]:
            assert one.json()["messageId"] == document["messageId"]


def test_numbers_in_texts_are_masked_for_viewers(hostile: TestClient) -> None:
    """A number or message id inside a text is masked for viewers."""
    for path in ("/messages?limit=100", "/stats?by=campaign", "/stats?by=error", "/stats?by=number", "/stats?by=user"):
        text = hostile.get(f"/api/v1{path}", headers=bearer(VIEWER_TOKEN)).text
        assert "966500000054" not in text.replace(" ", "").replace("+", "")
        assert "wamid." not in text


@pytest.mark.parametrize("text", TEXTS)
def test_a_filter_is_only_a_value(hostile: TestClient, text: str) -> None:
    """A hostile campaign name matches exactly its own message."""
    answer = hostile.get("/api/v1/messages", params={"campaign": text}, headers=bearer(TOKEN))
    assert answer.status_code == 200
    assert [document["callbackData"] for document in answer.json()["messages"]] == [text]


@pytest.mark.parametrize("text", TEXTS)
def test_a_refusal_is_never_html(hostile: TestClient, text: str) -> None:
    """A hostile path or parameter is answered in JSON."""
    for path, parameters in ((f"/api/v1/{text}", {}), ("/api/v1/messages", {text: text}), ("/login", {"next": text})):
        answer = hostile.get(path, params=parameters, headers=bearer(TOKEN))
        assert answer.status_code in {200, 400, 404}
        if answer.headers["content-type"].startswith("text/html"):
            assert "<script" not in answer.text
            assert "onerror=" not in answer.text.replace("&lt;img src=x onerror=", "")
        else:
            json.loads(answer.text)


def test_large_messages_end_a_page_early(open_dashboard: Open, tmp_path: Path) -> None:
    """A page ends at its maximum size; following next returns every message once."""
    environ = {"TICKTRAIL_STORE": str(tmp_path / "ledger.db")}
    with open_configured_store(settings_of(tmp_path, **environ)) as store:
        store.write([event(place, f"{place}{MEGABYTE}") for place in range(12)], at=NOW)
    client = open_dashboard(**environ)
    met: list[str] = []
    after: dict[str, str] = {}
    pages = 0
    while True:
        answer = client.get("/api/v1/messages", params={"limit": 1000, **after})
        assert len(answer.content) < listing.MAX_BYTES + 8_000_000
        pages += 1
        met += [document["messageId"] for document in answer.json()["messages"]]
        if answer.json()["next"] is None:
            break
        after = {"after": answer.json()["next"]}
    assert len(met) == len(set(met)) == 12
    assert pages > 1


def test_a_cursor_too_long_for_a_url_gets_a_name(open_dashboard: Open, tmp_path: Path) -> None:
    """A message id of 10,000 characters does not make the next page unreachable."""
    environ = {"TICKTRAIL_STORE": str(tmp_path / "ledger.db")}
    names = [f"wamid.{letter * 10_000}" for letter in "abc"]
    with open_configured_store(settings_of(tmp_path, **environ)) as store:
        store.write([event(place, "t", message_id=name) for place, name in enumerate(names)], at=NOW)
        stored = [message.message_id for message in store.messages(MessageFilter(order="oldest"))]
    client = open_dashboard(**environ)
    met: list[str] = []
    after: dict[str, str] = {}
    for _ in stored:
        page = client.get("/api/v1/messages", params={"limit": 1, "sort": "oldest", **after}).json()
        met += [document["messageId"] for document in page["messages"]]
        after = {"after": page["next"] or ""}
    assert met == stored


def test_the_documentation_page_loads_nothing(hostile: TestClient) -> None:
    """The page has no script and no address of another server, and names every path and parameter."""
    page = hostile.get("/api/v1/docs", headers=bearer(TOKEN)).text
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    for name in ("/api/v1/messages", "/api/v1/stats", "/api/v1/conversations/{wa_id}", "not_read", "sent_by", "sender"):
        assert f"<code>{name}" in page or name in page
