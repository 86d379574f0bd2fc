"""The viewer role: no number, no text, no link into n8n, no path and no host in any answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import BaseRoute
from starlette.testclient import TestClient
from tests.integration.web.conftest import TOKEN, VIEWER_TOKEN, Open, bearer, settings_of

from ticktrail.messages.filters import Cursor, SendCursor
from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.stores.coverage import Change, Facts, PendingKind
from ticktrail.stores.coverage import PendingExecution as OpenExecution
from ticktrail.stores.opening import open_configured_store
from ticktrail.stores.sync_state import Run
from ticktrail.text.masking import mask_locations

TOKENS = {"TICKTRAIL_DASHBOARD_TOKEN": TOKEN, "TICKTRAIL_DASHBOARD_VIEWER_TOKEN": VIEWER_TOKEN}
N8N = "https://automation.shop.example"
WHO = "966500000041"


def _fill(folder: Path) -> None:
    """A store in which every field that can hold a number, host or path does."""
    now = datetime.now(UTC)
    at = int(now.timestamp()) - 600
    about: dict[str, Any] = {
        "message_id": f"wamid.{WHO}", "execution_id": "77", "workflow_id": "flow", "conversation_id": WHO,
        "callback_data": f"for +{WHO}", "phone_number_id": "106540000000001", "display_phone_number": WHO,
    }  # fmt: skip
    said = f"could not reach {WHO} by {N8N}/webhook"
    odd = {**about, "message_id": "wamid.odd", "conversation_id": "966500000042"}
    error = {"code": 131042, "title": "Business eligibility payment issue", "details": said}
    wrong = f"n8n at {N8N}:5678 refused; {folder}/ledger.db of 10.1.2.3:27017 stays"
    scope = f"{N8N}|flow|1|place"
    hidden = OpenExecution(
        execution_id=5,
        kind=PendingKind.WITHHELD,
        first_met_at=now,
        look_again_at=now,
        reason=f"n8n 502 by-nora at {N8N}",
    )
    with open_configured_store(settings_of(folder, TICKTRAIL_STORE=str(folder / "ledger.db"))) as store:
        events = [
            StatusEvent(status="sent", timestamp=at, **about),
            StatusEvent(status="failed", timestamp=at + 1, errors=(error,), **about),
            StatusEvent(status="seen by-nora", timestamp=at + 1, **odd),
        ]
        held = Send(key="wamid.held", message_id="wamid.held", status="kept by-nora", sent_at=now,
                    sent_by=SentBy("flow", "Send", "79"))  # fmt: skip
        send = Send(key=f"wamid.{WHO}", message_id=f"wamid.{WHO}", status="accepted", template=Template("ready", "ar"),
                    sent_by=SentBy("flow", f"Send to {WHO}", "76"), sent_at=now, conversation_id=WHO)  # fmt: skip
        refused = Send(key="refused:1", message_id=None, status="rejected", rejected=True, sent_at=now, input=WHO,
                       sent_by=SentBy("flow", "Send", "78"), errors=(error,))  # fmt: skip
        store.write(events, [send, refused, held], at=now)
        facts = Facts(checked_at=now - timedelta(hours=9), full_at=now - timedelta(hours=9))
        store.sync_state.save_coverage(scope, Change(facts=facts, pending=(hidden,)))
        report = {"executions": 3, "store": str(folder), "source": N8N, "notShown": {"redacted": 1, wrong: 2},
                  "refused": [{"messageId": f"wamid.{WHO}", "reason": wrong}]}  # fmt: skip
        store.sync_state.add_run(Run(run_id="r", scope=scope, began_at=now, seconds=1.0, error=wrong, report=report))


@pytest.fixture
def client(open_dashboard: Open, tmp_path: Path) -> TestClient:
    """A dashboard over this store, whose live updates end at once."""
    _fill(tmp_path)
    n8n = {"N8N_BASE_URL": N8N, "N8N_API_KEY": "key", "WORKFLOW_ID_WHATSAPP": "flow"}
    client = open_dashboard(TICKTRAIL_STORE=str(tmp_path / "ledger.db"), **n8n, **TOKENS)
    client.app.state.stopping = True
    return client


def _paths(routes: list[BaseRoute]) -> Iterator[str]:
    """Every GET path, with values for its parameters."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _paths(included.routes)
        path = getattr(route, "path", "")
        if "GET" in (getattr(route, "methods", None) or ()):
            yield path.replace("{message_id:path}", f"wamid.{WHO}").replace("{wa_id}", WHO).replace("{rest:path}", "x")


MORE = (
    *(f"/api/v1/stats?by={by}" for by in ("user", "number", "error", "campaign", "template", "sender", "workflow")),
    *(f"/api/v1/messages?wa_id={WHO}", "/api/v1/messages?since=never", "/api/v1/messages?after=AAAA", "/nothing"),
)


def _secrets(folder: Path) -> tuple[str, ...]:
    return (
        WHO,
        "50 000 0041",
        f"wamid.{WHO[:4]}",
        "automation.shop",
        "10.1.2.3",
        "27017",
        str(folder),
        "ledger.db",
        "/webhook",
        "y-nora",  # in words that Ticktrail does not know: a status, a send's answer, a reason
    )


def test_no_answer_to_a_viewer_has_personal_data_or_places(client: TestClient, tmp_path: Path) -> None:
    """Every path answers a viewer without numbers, ids, hosts and folders."""
    paths = [*_paths(client.app.routes), *MORE]
    assert len(paths) > 20
    for path in paths:
        answer = client.get(path, headers=bearer(VIEWER_TOKEN))
        assert answer.status_code in {200, 303, 400, 403, 404, 503}, path
        for secret in _secrets(tmp_path):
            assert secret not in answer.text, f"{secret} on {path}"


def test_the_full_role_sees_everything(client: TestClient, tmp_path: Path) -> None:
    """The same paths show these texts to the full role, so the test above would find them."""
    answers = "".join(client.get(path, headers=bearer(TOKEN)).text for path in (*_paths(client.app.routes), *MORE))
    for secret in _secrets(tmp_path):
        assert secret in answers or " " in secret, secret


def test_a_viewer_sees_the_counts_of_a_failed_sync(client: TestClient) -> None:
    """The error is general, and the report has numbers only."""
    (run,) = client.get("/api/v1/sync/runs", headers=bearer(VIEWER_TOKEN)).json()["runs"]
    assert run["error"] == "The sync failed."
    assert run["report"] == {"executions": 3, "notShown": {"redacted": 1, "other": 2}}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("messages", {"campaign": f"for +{WHO}"}),
        ("messages", {"campaign": "٩٦٦٥٠٠٠٠٠٠٤١"}),
        ("messages", {"campaign": "966-50-000-0041"}),
        ("messages", {"number": f"+{WHO}"}),
        ("messages", {"workflow": WHO}),
        ("messages", {"sent_by": f"x{WHO}"}),
        ("messages", {"instance": f"shop {WHO}"}),
        ("messages", {"template": f"ready/{WHO}"}),
        ("messages", {"template": f"wamid.{WHO}"}),
        ("sends", {"template": WHO}),
        ("sends", {"workflow": WHO}),
        ("stats", {"campaign": WHO}),
    ],
)
def test_a_viewer_cannot_guess_a_number_by_filters(client: TestClient, path: str, parameters: dict[str, str]) -> None:
    """A filter value that masking would change is refused, whether anything matches or not."""
    assert client.get(f"/api/v1/{path}", headers=bearer(TOKEN), params=parameters).status_code == 200
    answer = client.get(f"/api/v1/{path}", headers=bearer(VIEWER_TOKEN), params=parameters)
    assert answer.status_code == 403
    assert answer.json()["name"] in parameters
    assert WHO not in answer.text


@pytest.mark.parametrize("path", ["/messages", "/messages.csv", "/sends", "/sends.csv"])
def test_a_viewer_cannot_guess_a_number_by_filters_of_pages(client: TestClient, path: str) -> None:
    """Lists and downloads refuse such a value too, also sealed in an address, whether anything matches it or not."""
    for value in (WHO, f"order +{WHO}"):
        answer = client.get(path, headers=bearer(VIEWER_TOKEN), params={"template": value})
        assert answer.status_code == 400, path
        assert client.get(path, headers=bearer(TOKEN), params={"template": value}).status_code == 200
    assert client.get(path, headers=bearer(VIEWER_TOKEN), params={"template": "ready"}).status_code == 200


@pytest.mark.parametrize(
    "parameters",
    [
        {"number": "106540000000001"},
        {"since": "1795355171", "until": "1795355172000", "updated_within": "2d"},
        {"campaign": "spring-2026", "template": "order_ready/ar", "workflow": "bcHn4wXXcVuTsjYB", "status": "sent"},
    ],
)
def test_a_viewer_may_use_other_filters(client: TestClient, parameters: dict[str, str]) -> None:
    """Ids of the business's own numbers, times and plain names are allowed."""
    assert client.get("/api/v1/messages", headers=bearer(VIEWER_TOKEN), params=parameters).status_code == 200


def test_unknown_words_are_shown_as_other(client: TestClient) -> None:
    """A status or an answer to a send that Ticktrail does not know is shown to viewers as other."""
    messages = client.get("/api/v1/messages", headers=bearer(VIEWER_TOKEN)).json()["messages"]
    assert sorted(one["latestStatus"] for one in messages) == ["failed", "other"]
    assert {entry["status"] for one in messages for entry in one["statusHistory"]} == {"sent", "failed", "other"}
    sends = client.get("/api/v1/sends", headers=bearer(VIEWER_TOKEN)).json()["sends"]
    assert sorted(one["status"] for one in sends) == ["accepted", "other", "rejected"]


def test_errors_show_no_path_to_a_viewer(open_dashboard: Open, tmp_path: Path) -> None:
    """An unreadable store and unusable settings are described in general words."""
    (tmp_path / "ledger.db").write_bytes(b"something else entirely, and long enough for a header" * 100)
    toml = tmp_path / "ticktrail.toml"
    toml.write_text("")
    client = open_dashboard(TICKTRAIL_STORE=str(tmp_path / "ledger.db"), TICKTRAIL_CONFIG=str(toml), **TOKENS)
    for content in ("", "campaign_key = [\n"):
        toml.write_text(content)
        for path in ("/api/v1/messages", "/api/v1/alerts", "/api/v1/stats?by=user", "/readyz", "/metrics"):
            answer = client.get(path, headers=bearer(VIEWER_TOKEN))
            assert answer.status_code >= 400
            assert str(tmp_path) not in answer.text, path
            assert "ledger.db" not in answer.text, path


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("n8n at https://user:pass@n8n.example.com:5678/x refused", "n8n at … refused"),
        ("file /var/lib/ticktrail/ledger.db is locked", "file … is locked"),
        ("C:\\data\\ledger.db or \\\\server\\share", "… or …"),
        ("nothing answers at db:27017, 10.0.0.5 and [::1]:27017", "nothing answers at …, … and …"),
        ("14:03, 7/10 and 1,204 of name/lang since 2026-11-22T14:30", None),
        ("Codes are numbers, such as 131026; version 8.0.4.", None),
    ],
)
def test_only_places_are_removed(text: str, left: str | None) -> None:
    """Addresses, paths and hosts are removed; times, numbers and names stay."""
    assert mask_locations(text) == (text if left is None else left)
    assert mask_locations("it lies in my folder", "my folder") == "it lies in …"


@pytest.mark.parametrize(
    ("path", "place"), [("messages", Cursor("newest", 2**40, "")), ("sends", SendCursor(2**50, ""))]
)
def test_a_viewer_cannot_guess_an_id_by_cursors(client: TestClient, path: str, place: Cursor | SendCursor) -> None:
    """A cursor made by hand is refused, because results after it would reveal an id letter by letter."""
    asked = {"params": {"after": place.token}}
    assert client.get(f"/api/v1/{path}", headers=bearer(TOKEN), **asked).json()[path]  # type: ignore[arg-type]
    answer = client.get(f"/api/v1/{path}", headers=bearer(VIEWER_TOKEN), **asked)  # type: ignore[arg-type]
    assert answer.status_code == 400
    assert path not in answer.json()
