"""Sends in the API: those of ``ticktrail sends``, for both roles and both kinds of stores."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.integration.web.conftest import TOKEN, VIEWER_TOKEN, Open, bearer, settings_of
from tests.integration.web.test_api import ask, refused

from ticktrail.messages.document import send_to_document
from ticktrail.messages.model import Send, SentBy, Template
from ticktrail.output.documents import to_json
from ticktrail.sources.files.export import Export
from ticktrail.stores.opening import open_configured_store
from ticktrail.sync import ingest

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "mongodb"])
def environ(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a store with the demo's recordings, which contain sends."""
    found = {"TICKTRAIL_STORE": str(tmp_path / "recorded.db")}
    if request.param == "mongodb":
        found = {
            "MONGODB_URI": request.getfixturevalue("mongodb_server"),
            "MONGODB_DATABASE": f"tt_{uuid.uuid4().hex}",
        }
    recordings = str(resources.files("ticktrail.cli") / "recordings" / "executions.jsonl.gz")
    with open_configured_store(settings_of(tmp_path, **found)) as store, Export(recordings) as source:
        ingest.sync(source, store)
    yield found
    if request.param == "mongodb":
        from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

        with MongoClient(found["MONGODB_URI"]) as client:
            client.drop_database(found["MONGODB_DATABASE"])


def test_sends_are_the_documents_of_the_command_line(
    open_dashboard: Open, environ: dict[str, str], tmp_path: Path
) -> None:
    """All pages together are the lines of ``ticktrail sends --format jsonl``."""
    client = open_dashboard(**environ)
    met: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = ask(client, "/sends", limit=1, **after)
        met += page["sends"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    with open_configured_store(settings_of(tmp_path, **environ)) as store:
        expected = [to_json(send_to_document(send, store.timezone)) for send in store.sends()]
    assert len(expected) > 3
    assert [to_json(document) for document in met] == expected


def test_conditions_select_matching_sends(open_dashboard: Open, environ: dict[str, str]) -> None:
    """Each condition returns exactly the sends for which it holds."""
    client = open_dashboard(**environ)
    everything = ask(client, "/sends", limit=1000)["sends"]
    confirmed = {one["messageId"] for one in ask(client, "/messages", limit=1000)["messages"]}
    conditions: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]] = {
        "refused": ({"refused": "true"}, lambda one: one.get("rejected", False)),
        "unconfirmed": (
            {"unconfirmed": "true"}, lambda one: "messageId" in one and one["messageId"] not in confirmed,
        ),
        "code": ({"error": "132001"}, lambda one: 132001 in [error["code"] for error in one.get("errors", ())]),
        "codes": ({"error": ["132001", "190"], "refused": "true"}, lambda one: one.get("rejected", False)),
        "workflow": (
            {"workflow": everything[0]["sentBy"]["workflowId"]},
            lambda one: one["sentBy"]["workflowId"] == everything[0]["sentBy"]["workflowId"],
        ),
        "long ago": ({"until": "2021-01-01"}, lambda one: one["sentAt"] < "2021"),
    }  # fmt: skip
    chosen = 0
    for name, (parameters, holds) in conditions.items():
        expected = [one for one in everything if holds(one)]
        assert ask(client, "/sends", limit=1000, **parameters)["sends"] == expected, name
        chosen += bool(expected)
    assert chosen >= 4


def test_an_impossible_request_is_explained(client: TestClient) -> None:
    """Contradicting conditions, an invalid code and an invalid cursor are a 400."""
    assert "Meta refused" in refused(client, "/sends", refused="true", unconfirmed="true")["detail"]
    assert refused(client, "/sends", error="x")["name"] == "error"
    assert refused(client, "/sends", nothing="1")["name"] == "nothing"
    assert "not a valid cursor" in refused(client, "/sends", after="abc")["detail"]


def test_a_viewer_sees_no_number_and_no_id_in_sends(open_dashboard: Open, tmp_path: Path) -> None:
    """Recipients, ids, and numbers in Meta's texts are masked; the cursor is opaque."""
    environ = {"TICKTRAIL_STORE": str(tmp_path / "ledger.db"), "TICKTRAIL_DASHBOARD_TOKEN": TOKEN,
               "TICKTRAIL_DASHBOARD_VIEWER_TOKEN": VIEWER_TOKEN}  # fmt: skip
    sends = [
        Send(
            key=f"refused:w:{number}:to 966500000041", message_id=None, sent_by=SentBy("w", "to 966500000041", "7"),
            status="rejected", rejected=True, sent_at=NOW - timedelta(minutes=number), input="+966 50 000 0041",
            template=Template("order 966500000041"), errors=({"code": 131009, "title": "966500000041 is no user"},),
        )
        for number in range(3)
    ]  # fmt: skip
    with open_configured_store(settings_of(tmp_path, **environ)) as store:
        store.write([], sends, at=NOW)
    client = open_dashboard("0.0.0.0", base_url="http://ticktrail.example.com", **environ)  # noqa: S104
    answer = client.get("/api/v1/sends", params={"limit": 1}, headers=bearer(VIEWER_TOKEN))
    assert answer.status_code == 200
    assert not re.search(r"9665\d{8}|50 000", answer.text)
    place = answer.json()["next"]
    assert place.startswith("p_")
    following = client.get("/api/v1/sends", params={"after": place}, headers=bearer(VIEWER_TOKEN)).json()
    assert len(following["sends"]) == 2
    whole = client.get("/api/v1/sends", params={"limit": 1}, headers=bearer(TOKEN)).json()["sends"][0]
    assert whole["input"] == "+966 50 000 0041"
    assert whole["errors"] == [{"code": 131009, "title": "966500000041 is no user"}]
