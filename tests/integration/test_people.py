"""Every face that takes a person understands every spelling of a number, and never takes an empty one for everybody."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient
from tests.support.n8n_server import N8nServer
from tests.support.recordings import corpus
from tests.support.spellings import spellings

from ticktrail.cli import legacy_script
from ticktrail.cli.app import run
from ticktrail.messages.model import Send, SentBy, StatusEvent
from ticktrail.settings.loading import load_settings
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.web.roles import access_for
from ticktrail.web.server import build_app

WHO, OTHER, NAMESAKE = "966500000041", "966500000077", "966500010041"
NOON = 1_767_258_000

Answer = Callable[[str], list[str]]


def _event(who: str, number: int) -> StatusEvent:
    return StatusEvent(
        message_id=f"wamid.{who}-{number}", status="sent", timestamp=NOON + number, execution_id=str(number),
        workflow_id="w", conversation_id=who, phone_number_id="200000000000001", display_phone_number="15550783881",
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of three people, two of whose numbers end alike."""
    made = tmp_path_factory.mktemp("people")
    events = [_event(who, number) for who in (WHO, OTHER, NAMESAKE) for number in (1, 2)]
    refused = Send(
        key="orders/1/Send/0", message_id=None, sent_by=SentBy("orders", "Send", "1"), status="rejected",
        input="+966 (0)50\u2011000\u20110041", rejected=True,
    )  # fmt: skip
    with open_store(str(made / "store.sqlite"), StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))) as store:
        store.write(events, [refused], at=datetime.now(UTC))
    statuses = [
        {"id": one.message_id, "status": "sent", "timestamp": str(one.timestamp), "recipient_id": one.conversation_id}
        for one in events
    ]
    item = {"messaging_product": "whatsapp", "metadata": {}, "statuses": statuses}
    body = {
        "body": {"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": item}]}]}
    }
    execution = {
        "id": "1", "workflowId": "w", "status": "success", "finished": True, "mode": "webhook",
        "startedAt": "2026-01-01T09:00:00.000Z", "stoppedAt": "2026-01-01T09:00:01.000Z",
        "data": {"resultData": {"runData": {"Webhook": [{"data": {"main": [[{"json": body}]]}}]}}},
    }  # fmt: skip
    (made / "executions.json").write_text(json.dumps([execution]))
    return made


@pytest.fixture
def face(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Answer:
    """A function that asks one face for a person, and returns the recipients in its answer."""
    monkeypatch.chdir(folder)
    for name in ("MONGODB_URI", "TICKTRAIL_STORE", "N8N_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def printed(*arguments: str) -> list[dict[str, Any]]:
        code = run(list(arguments))
        out, said = capsys.readouterr()
        if code:
            raise ValueError(f"exit {code}: {said}")
        return [json.loads(line) for line in out.splitlines()]

    def column(rows: list[dict[str, Any]]) -> list[str]:
        return sorted({row["conversation_id"] for row in rows})

    def erased(who: str) -> list[str]:
        code = run(["forget", who, "--dry-run", "--store", "store.sqlite"])
        out, said = capsys.readouterr()
        if code:
            raise ValueError(f"exit {code}: {said}")
        assert "1 send to them" in out
        return [out.split(" holds about ")[1].split(":")[0]]

    def conversation(who: str) -> list[str]:
        rows = printed("conversation", who, "--store", "store.sqlite")
        return sorted({row["messageId"].split("-")[0].removeprefix("wamid.") for row in rows})

    def api(path: str, **parameters: str) -> list[str]:
        settings = load_settings({"TICKTRAIL_STORE": "store.sqlite"}, {}, folder)
        app = build_app(settings, access=access_for(settings, "127.0.0.1"))
        with TestClient(app, base_url="http://127.0.0.1:8765") as client:
            answer = client.get(f"/api/v1/{path}", params=parameters)
        if answer.status_code != 200:
            raise ValueError(f"exit 2: {answer.text}")
        return column(answer.json()["messages"])

    faces: dict[str, Answer] = {
        "messages": lambda who: column(printed("messages", who, "--store", "store.sqlite")),
        "list": lambda who: column(printed("list", who, "--from", "executions.json", "--store", "store.sqlite")),
        "track": lambda who: column(
            printed("track", who, f"wamid.{WHO}-1", "--from", "executions.json", "--store", "store.sqlite")
        ),
        "conversation": conversation,
        "forget": erased,
        "api": lambda who: api("messages", wa_id=who),
    }
    return faces[request.param]


FACES = ["messages", "list", "track", "conversation", "forget", "api"]


@pytest.mark.parametrize("face", FACES, indirect=True)
def test_every_face_understands_every_spelling(face: Answer) -> None:
    """The same person is found in whichever way the number is typed."""
    assert {typed: face(typed) for typed in spellings(WHO)} == {typed: [WHO] for typed in spellings(WHO)}


@pytest.mark.parametrize("face", FACES, indirect=True)
@pytest.mark.parametrize("empty", ["", " ", "\u200b", "+"])
def test_an_empty_person_is_an_error_on_every_face(face: Answer, empty: str) -> None:
    """A script whose variable is empty must not ask about, or erase, everybody."""
    with pytest.raises(ValueError, match=r"(?s)exit 2.*(empty|at least 1 character)"):
        face(empty)


@pytest.mark.parametrize("face", ["conversation", "forget"], indirect=True)
def test_last_digits_mean_a_person_only_where_one_number_ends_in_them(face: Answer) -> None:
    """Commands about one person complete the number from the store, and ask for more digits where several fit."""
    assert face("0000041") == [WHO]
    with pytest.raises(ValueError, match=r"exit 2: 2 phone numbers end in 0041"):
        face("0041")


@pytest.mark.parametrize("face", ["messages", "list", "conversation", "forget"], indirect=True)
def test_a_number_as_dialled_at_home_is_understood(face: Answer) -> None:
    """The time zone says which country's numbers are dialled without a calling code."""
    assert face("050 000 0041") == face("٠٥٠٠٠٠٠٠٤١") == [WHO]


def test_the_legacy_script_understands_every_spelling(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Cron lines pass numbers as some other tool wrote them; an empty one is an error."""
    monkeypatch.chdir(tmp_path)
    with N8nServer(corpus()) as server:
        for name, value in (("N8N_BASE_URL", server.address), ("N8N_API_KEY", server.api_key)):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("WORKFLOW_ID_WHATSAPP", "bcHn4wXXcVuTsjYB")
        answers = []
        for typed in [WHO, f"{WHO[:3]}\u2011{WHO[3:]}", "٩٦٦٥٠٠٠٠٠٠٤١", f"whatsapp:+{WHO}"]:
            assert legacy_script.main([typed]) == 0
            answers.append([message["messageId"] for message in json.loads(capsys.readouterr().out)["messages"]])
        assert answers[0]
        assert all(answer == answers[0] for answer in answers)
        assert legacy_script.main([""]) == 2
