"""The JSON API over recorded executions: same filters and documents as the command line."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.integration.web.conftest import EXPECTED, TOKEN, VIEWER_TOKEN, Open, bearer, settings_of

from ticktrail.messages.document import to_document
from ticktrail.messages.model import StatusEvent
from ticktrail.output.documents import to_json
from ticktrail.stores.coverage import Change, Facts, Gap
from ticktrail.stores.opening import open_configured_store, open_store
from ticktrail.stores.sync_state import Run

API = "/api/v1"
NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
TOKENS = {"TICKTRAIL_DASHBOARD_TOKEN": TOKEN, "TICKTRAIL_DASHBOARD_VIEWER_TOKEN": VIEWER_TOKEN}


def ask(client: TestClient, path: str, **parameters: Any) -> Any:
    """The document of a successful answer."""
    answer = client.get(f"{API}{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def refused(client: TestClient, path: str, **parameters: Any) -> dict[str, Any]:
    """The problem of a refused request, which has a detail."""
    answer = client.get(f"{API}{path}", params=parameters)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == 400
    assert found["detail"].endswith(".")
    return found


def test_paging_returns_every_message_once(client: TestClient) -> None:
    """Following next returns all 400 messages once, newest first."""
    met: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = ask(client, "/messages", limit=90, **after)
        met += page["messages"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert Counter(document["messageId"] for document in met) == Counter(dict.fromkeys(EXPECTED, 1))
    times = [document.get("sentTimestamp", document["firstTimestamp"]) for document in met]
    assert times == sorted(times, reverse=True)


def test_messages_are_the_documents_of_the_reference(client: TestClient, recorded: Path) -> None:
    """A message is the document that the command line prints, with offsets in dates."""
    (found,) = ask(client, "/messages", limit=1)["messages"]
    expected = EXPECTED[found["messageId"]]
    assert found["latestStatus"] == expected["latestStatus"]
    assert [entry["status"] for entry in found["statusHistory"]] == [
        one["status"] for one in expected["events"] for _ in range(one["webhooks"])
    ]
    assert datetime.fromisoformat(found["firstSeenAt"]).utcoffset() is not None
    assert ask(client, f"/messages/{found['messageId']}") == found
    with open_configured_store(settings_of(recorded.parent, TICKTRAIL_STORE=str(recorded))) as store:
        message = store.get([found["messageId"]])[found["messageId"]]
        assert list(found) == list(to_document(message, store.timezone))


def test_one_message_is_printed_byte_for_byte(open_dashboard: Open, recorded: Path) -> None:
    """The answer equals the line of the JSON Lines output."""
    client = open_dashboard(TICKTRAIL_STORE=str(recorded))
    name = next(iter(EXPECTED))
    with open_configured_store(settings_of(recorded.parent, TICKTRAIL_STORE=str(recorded))) as store:
        line = to_json(to_document(store.get([name])[name], store.timezone))
    assert client.get(f"{API}/messages/{name}").text == line


@pytest.mark.parametrize(
    ("parameters", "statuses"),
    [
        ({"status": ["failed", "sent"]}, {"failed", "sent"}),
        ({"unread": "true"}, {"sent", "delivered"}),
        ({"undelivered": "true"}, {"sent", "failed"}),
        ({"not_read": "true"}, {"sent", "delivered", "failed"}),
        ({"error": "131026"}, {"failed"}),
    ],
)
def test_filters_select_the_same_messages_as_the_command_line(
    client: TestClient, parameters: dict[str, Any], statuses: set[str]
) -> None:
    """Each filter returns exactly the matching messages."""
    found = ask(client, "/messages", limit=1000, **parameters)["messages"]
    wanted = {name for name, message in EXPECTED.items() if message["latestStatus"] in statuses}
    assert {document["messageId"] for document in found} == wanted


def test_periods_use_the_time_sent(client: TestClient) -> None:
    """A period includes since and excludes until."""
    sent = {name: message["events"][0]["timestamp"] for name, message in EXPECTED.items()}
    since, until = 1_767_106_500, 1_767_107_000
    found = ask(client, "/messages", limit=1000, since=since, until=until)["messages"]
    wanted = {name for name, moment in sent.items() if since <= moment < until}
    assert {document["messageId"] for document in found} == wanted
    assert 0 < len(wanted) < 400


def test_a_conversation_has_one_persons_messages_in_order(client: TestClient) -> None:
    """Any spelling of the number returns the person's messages, oldest first."""
    wanted = [name for name, message in EXPECTED.items() if message["conversation_id"] == "966500000054"]
    for spelling in ("966500000054", "+966 50 000 0054", "00966500000054", "0500000054"):
        found = ask(client, f"/conversations/{spelling}")
        assert found["conversationIds"] == ["966500000054"]
        assert sorted(document["messageId"] for document in found["messages"]) == sorted(wanted)
        times = [document["latestTimestamp"] for document in found["messages"]]
        assert times == sorted(times)
        assert found["next"] is None


def test_a_conversation_is_paged(client: TestClient) -> None:
    """A page of a conversation has the cursor of the next."""
    first = ask(client, "/conversations/966500000054", limit=1)
    second = ask(client, "/conversations/966500000054", limit=1, after=first["next"])
    assert first["messages"] != second["messages"]


def test_statistics_match_the_recording(client: TestClient) -> None:
    """Totals and groups count the recorded messages; a filter narrows them."""
    standing = Counter(message["latestStatus"] for message in EXPECTED.values())
    totals = ask(client, "/stats")["totals"]
    assert totals["messages"] == 400
    assert totals["failed"] == standing["failed"]
    assert totals["onTheWay"] == standing["sent"]
    assert totals["delivered"] == standing["delivered"] + standing["read"]
    by_error = ask(client, "/stats", by="error")
    assert [(group["error"], group["failed"]) for group in by_error["groups"]] == [("131026", standing["failed"])]
    assert ask(client, "/stats", status="failed")["totals"]["messages"] == standing["failed"]


def test_groups_are_limited_to_the_worst(client: TestClient) -> None:
    """by=user has a group for each person; limit keeps those with the most undelivered messages."""
    failed = Counter(message["conversation_id"] for message in EXPECTED.values() if message["latestStatus"] == "failed")
    people = {message["conversation_id"] for message in EXPECTED.values()}
    found = ask(client, "/stats", by="user", limit=3)
    assert found["groupCount"] == len(people)
    assert [group["failed"] for group in found["groups"]] == [count for _, count in failed.most_common(3)]


@pytest.mark.parametrize(
    ("path", "parameters", "name"),
    [
        ("/messages", {"statuss": "read"}, "statuss"),
        ("/messages", {"limit": 1001}, "limit"),
        ("/messages", {"limit": 0}, "limit"),
        ("/messages", {"limit": "many"}, "limit"),
        ("/messages", {"sort": "random"}, "sort"),
        ("/messages", {"unread": "perhaps"}, "unread"),
        ("/messages", {"status": ""}, "status"),
        ("/messages", {"status": "x" * 41}, "status"),
        ("/messages", {"status": ["read"] * 21}, "status"),
        ("/messages", {"error": "x"}, "error"),
        ("/messages", {"error": 2**64}, "error"),
        ("/messages", {"campaign": "a\0b"}, "campaign"),
        ("/messages", {"template": "x" * 257}, "template"),
        ("/messages", {"after": "no place!"}, "after"),
        ("/messages", {"since": "x" * 300}, "since"),
        ("/stats", {"by": "colour"}, "by"),
        ("/stats", {"sort": "newest"}, "sort"),
        ("/sync/runs", {"limit": 501}, "limit"),
        ("/conversations/966500000054", {"status": "read"}, "status"),
    ],
)
def test_a_wrong_parameter_is_named(
    open_dashboard: Open, recorded: Path, path: str, parameters: dict[str, Any], name: str
) -> None:
    """A malformed, too long or unknown parameter is refused by name."""
    assert refused(open_dashboard(TICKTRAIL_STORE=str(recorded)), path, **parameters)["name"] == name


@pytest.mark.parametrize(
    ("path", "parameters", "said"),
    [
        ("/messages", {"since": "the other day"}, "not a time"),
        ("/messages", {"updated_within": "long"}, "not a duration"),
        ("/messages", {"country": "XX"}, "not a country code"),
        ("/messages", {"after": "AAAA"}, "after"),
        ("/messages", {"after": "p_AAAA"}, "not a valid cursor"),
        ("/messages", {"wa_id": "12"}, "too few"),
        ("/messages", {"status": "read", "not_read": "true"}, "No message can match"),
        ("/conversations/12", {}, "too few"),
    ],
)
def test_an_impossible_request_is_explained(
    open_dashboard: Open, recorded: Path, path: str, parameters: dict[str, Any], said: str
) -> None:
    """The problem has a detail and a remedy that use the API's parameter names."""
    found = refused(open_dashboard(TICKTRAIL_STORE=str(recorded)), path, **parameters)
    assert said in found["detail"]
    assert found["remedy"]
    assert "--" not in found["detail"] + found["remedy"]


def test_an_unknown_message_is_not_found(client: TestClient) -> None:
    """An unknown id is a 404 with a remedy that does not repeat the id."""
    answer = client.get(f"{API}/messages/wamid.966500000099")
    assert answer.status_code == 404
    assert answer.json()["remedy"]
    assert "966500000099" not in answer.text


def test_a_store_that_does_not_exist_is_empty(open_dashboard: Open, tmp_path: Path) -> None:
    """Before the first sync every list is empty, and requests create no store: only the key of sealed addresses."""
    client = open_dashboard()
    assert ask(client, "/messages") == {"messages": [], "next": None}
    assert ask(client, "/stats", by="day")["totals"]["messages"] == 0
    assert ask(client, "/conversations/966500000054") == {"conversationIds": [], "messages": [], "next": None}
    assert ask(client, "/sync/runs") == {"runs": []}
    assert ask(client, "/health")["ready"] is False
    assert client.get("/metrics").status_code == 200
    assert [file.name for file in tmp_path.iterdir()] == ["dashboard.key"]


def test_a_store_that_cannot_be_read_is_a_503(open_dashboard: Open, tmp_path: Path) -> None:
    """A file that is not a store is reported with its path and a remedy; viewers do not see the path."""
    (tmp_path / "ledger.db").write_bytes(b"something else entirely, and long enough for a header" * 100)
    client = open_dashboard(**TOKENS)
    full, viewer = (client.get(f"{API}/messages", headers=bearer(token)) for token in (TOKEN, VIEWER_TOKEN))
    assert (full.status_code, viewer.status_code) == (503, 503)
    assert str(tmp_path) in full.json()["detail"]
    assert str(tmp_path) not in viewer.text
    assert full.json()["remedy"]


@pytest.mark.parametrize("wrong", ["store", "file"])
def test_unusable_settings_are_a_503(open_dashboard: Open, tmp_path: Path, recorded: Path, wrong: str) -> None:
    """A folder as the store, or a malformed ticktrail.toml: 503, with the path for the full role."""
    (tmp_path / "ticktrail.toml").write_text("[numbers]\n", encoding="utf-8")
    client = open_dashboard(**TOKENS, TICKTRAIL_STORE=str(tmp_path if wrong == "store" else recorded))
    if wrong == "file":
        (tmp_path / "ticktrail.toml").write_text("[numbers\n", encoding="utf-8")
    full, viewer = (client.get(f"{API}/stats", headers=bearer(token)) for token in (TOKEN, VIEWER_TOKEN))
    assert (full.status_code, viewer.status_code) == (503, 503)
    assert str(tmp_path) in full.json()["detail"]
    assert full.json()["remedy"]
    assert str(tmp_path) not in viewer.text
    assert viewer.json()["detail"] == "The settings cannot be used."


def test_runs_and_health_describe_syncs(open_dashboard: Open, tmp_path: Path) -> None:
    """The latest syncs, newest first, and completeness by workflow; viewers see no path and no number."""
    gap = Gap(after_id=1, before_id=9, from_started_at=None, to_started_at=None, found_at=NOW)
    refused = {"refused": [{"messageId": "wamid.X", "reason": "too large"}], "store": str(tmp_path), "newEvents": 7}
    with open_configured_store(settings_of(tmp_path, TICKTRAIL_STORE=str(tmp_path / "ledger.db"))) as store:
        scope = f"https://n8n.example.com|flow-a|1|{store.sync_state.identity()}"
        store.sync_state.save_coverage(scope, Change(facts=Facts(checked_at=NOW, full_at=NOW, gaps=(gap,))))
        for number, error in enumerate((None, "refused for +966 50 000 0054")):
            began_at = NOW + timedelta(minutes=number)
            run = Run(run_id=f"r{number}", scope=scope, began_at=began_at, seconds=1.5, error=error, report=refused)
            store.sync_state.add_run(run)
    client = open_dashboard(**TOKENS)

    def told(path: str, token: str) -> Any:
        answer = client.get(f"{API}{path}", headers=bearer(token))
        assert answer.status_code == 200
        return answer.json()

    runs = told("/sync/runs", TOKEN)["runs"]
    assert [(run["runId"], run["error"]) for run in runs] == [("r1", "refused for +966 50 000 0054"), ("r0", None)]
    assert runs[0]["report"] == refused
    assert (runs[0]["n8n"], runs[0]["workflowId"], runs[0]["seconds"]) == ("https://n8n.example.com", "flow-a", 1.5)
    assert datetime.fromisoformat(runs[1]["beganAt"]) == NOW
    assert told("/sync/runs?limit=1", TOKEN)["runs"] == runs[:1]
    masked = told("/sync/runs", VIEWER_TOKEN)["runs"]
    assert masked[0]["report"]["newEvents"] == 7
    assert not any(secret in str(masked) for secret in ("000 0054", "wamid", str(tmp_path), "n8n.example.com"))
    health = told("/health", TOKEN)
    (workflow,) = health["workflows"]
    assert datetime.fromisoformat(workflow["checkedAt"]) == datetime.fromisoformat(health["goodAt"]) == NOW
    assert [(found["afterId"], found["beforeId"]) for found in workflow["gaps"]] == [(1, 9)]
    assert health["store"] == str(tmp_path / "ledger.db")
    assert "store" not in told("/health", VIEWER_TOKEN)


def test_an_unknown_path_is_not_found(client: TestClient) -> None:
    """An unknown path is a problem document, and other methods are refused."""
    assert client.get(f"{API}/nothing").json()["status"] == 404
    assert client.post(f"{API}/messages").json()["status"] == 405


# --- the viewer's role


def test_a_viewer_sees_no_number_and_no_id(guarded: TestClient) -> None:
    """Pages have masked numbers and ids, and an opaque cursor."""
    met = 0
    after: dict[str, str] = {}
    while True:
        answer = guarded.get(f"{API}/messages", params={"limit": 150, **after}, headers=bearer(VIEWER_TOKEN))
        assert answer.status_code == 200
        for message in EXPECTED.values():
            assert message["conversation_id"] not in answer.text
        assert "wamid." not in answer.text
        page = answer.json()
        met += len(page["messages"])
        if page["next"] is None:
            break
        assert page["next"].startswith("p_")
        assert len(page["next"]) < 30
        after = {"after": page["next"]}
    assert met == 400


@pytest.mark.parametrize("by", ["user", "number", "country", "error", "day"])
def test_a_viewers_statistics_name_nobody(guarded: TestClient, by: str) -> None:
    """Counts are the same, groups have masked numbers, and the store's path is left out."""
    answer = guarded.get(f"{API}/stats", params={"by": by, "limit": 1000}, headers=bearer(VIEWER_TOKEN))
    assert answer.json()["totals"]["messages"] == 400
    for message in EXPECTED.values():
        assert message["conversation_id"] not in answer.text
    assert "store" not in answer.json()


@pytest.mark.parametrize(
    "path",
    [
        "/messages?wa_id=966500000054",
        "/messages?wa_id=0054",
        "/stats?wa_id=0054",
        "/conversations/966500000054",
        "/messages/wamid.SEJnTTk2NjUwMDAwMDA1NC0wMDAwMDM=",
    ],
)
def test_a_viewer_cannot_search_for_a_person(guarded: TestClient, path: str) -> None:
    """Requests that would reveal whether a number is stored are refused."""
    answer = guarded.get(f"{API}{path}", headers=bearer(VIEWER_TOKEN))
    assert answer.status_code == 403
    assert answer.json()["remedy"]


def test_alerts_are_those_of_the_command_line(open_dashboard: Open, tmp_path: Path) -> None:
    """Viewers get no command and no note; without a store there are no alerts."""
    assert ask(open_dashboard(), "/alerts")["alerts"] == []
    now = int(datetime.now(UTC).timestamp())
    error = {"code": 131042, "title": "Business eligibility payment issue"}
    event = StatusEvent(
        message_id="wamid.1",
        status="failed",
        timestamp=now - 60,
        execution_id="1",
        conversation_id="966500000054",
        workflow_id="w",
        errors=(error,),
    )
    with open_store(str(tmp_path / "ledger.db")) as store:
        store.write([event], at=datetime.now(UTC))
    client = open_dashboard(**TOKENS)
    full, viewer = (client.get(f"{API}/alerts", headers=bearer(token)).json() for token in (TOKEN, VIEWER_TOKEN))
    assert full["needsYou"] == viewer["needsYou"] >= 1
    (payment,) = (one for one in full["alerts"] if "131042" in one["title"] + one["says"])
    assert payment["command"].startswith("ticktrail messages")
    assert all("command" not in one for one in viewer["alerts"])
    assert "store" not in viewer
