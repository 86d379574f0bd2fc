"""Asking the store and writing files, as a user types it."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store

pytestmark = pytest.mark.thorough

if TYPE_CHECKING:
    from .conftest import Ticktrail

DATA = Path(__file__).parents[1] / "data" / "n8n-2.41.1"
EXPECTED: dict[str, dict[str, Any]] = json.loads((DATA / "corpus_400_messages.expected.json").read_text())


@pytest.fixture
def recorded(synced: Callable[[Path], Path], home: Path) -> str:
    """A store of the demonstration's recordings, which hold sends."""
    recordings = Path(str(resources.files("ticktrail.cli") / "recordings" / "executions.jsonl.gz"))
    shutil.copy(synced(recordings), home / "recorded.sqlite")
    return "recorded.sqlite"


def rows(text: str) -> list[dict[str, Any]]:
    """The documents in JSON Lines."""
    return [json.loads(line) for line in text.splitlines()]


def ids(text: str) -> list[str]:
    """Message ids of JSON Lines."""
    return [row["messageId"] for row in rows(text)]


# ── messages ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "typed", ["966500000041", "+966 50 000 0041", "00966500000041", "050 000 0041", "0041", "٠٠٤١"]
)
def test_a_person_however_the_number_is_written(ticktrail: Ticktrail, recorded_store: str, typed: str) -> None:
    """In full, as dialled in the time zone's country, or its last digits: the same person's messages."""
    done = ticktrail("messages", typed, "--store", recorded_store)
    assert done.returncode == 0, done.stderr
    assert set(ids(done.stdout)) == {
        message_id for message_id, one in EXPECTED.items() if one["conversation_id"].endswith("0041")
    }


def test_the_region_can_be_set(ticktrail: Ticktrail, recorded_store: str, home: Path) -> None:
    """A number as dialled at home is another one in another country."""
    (home / "ticktrail.toml").write_text('region = "EG"\n')
    assert ticktrail("messages", "+966500000041", "--store", recorded_store).stdout != ""
    assert ticktrail("messages", "050 000 0041", "--store", recorded_store, "--limit", "1").returncode == 0


def test_pages_follow_the_hint(ticktrail: Ticktrail, recorded_store: str) -> None:
    """Piped pages, each called with what the one before said, are the whole answer; the last says nothing."""
    whole = ids(ticktrail("messages", "--unread", "--store", recorded_store).stdout)
    options = ["messages", "--unread", "--store", recorded_store, "--limit", "60"]
    met: list[str] = []
    hint: list[str] = []
    for _ in range(9):
        done = ticktrail(*options, *hint)
        met += ids(done.stdout)
        found = re.fullmatch(r"more: (--after \S+)\n", done.stderr)
        if found is None:
            assert done.stderr == ""
            break
        hint = found[1].split()
    assert met == whole
    assert len(whole) > 120


def test_an_answer_that_just_fits_has_no_more(ticktrail: Ticktrail, recorded_store: str) -> None:
    """There is no hint at a page that would be empty."""
    count = len(ids(ticktrail("messages", "--status", "failed", "--store", recorded_store).stdout))
    done = ticktrail("messages", "--status", "failed", "--limit", str(count), "--store", recorded_store)
    assert len(ids(done.stdout)) == count
    assert done.stderr == ""


@pytest.mark.parametrize(("sort", "sign"), [("newest", -1), ("oldest", 1)])
def test_sorted(ticktrail: Ticktrail, recorded_store: str, sort: str, sign: int) -> None:
    """By the time sent, then by message id."""
    found = rows(ticktrail("messages", "--sort", sort, "--store", recorded_store).stdout)
    keys = [(sign * row.get("sentTimestamp", row["firstTimestamp"]), row["messageId"]) for row in found]
    assert keys == sorted(keys)
    assert len(keys) == 400


def test_by_error(ticktrail: Ticktrail, recorded_store: str) -> None:
    """Only messages that failed with the code."""
    found = rows(ticktrail("messages", "--error", "131026", "--store", recorded_store).stdout)
    assert found
    assert {row["failure"]["code"] for row in found} == {131026}
    everything = rows(ticktrail("messages", "--store", recorded_store).stdout)
    assert len(found) == sum((row.get("failure") or {}).get("code") == 131026 for row in everything)


def test_by_origin(ticktrail: Ticktrail, home: Path) -> None:
    """By workflow, sending workflow, sending number however it is written, template, country."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    senders = [SentBy("orders", "Send", "1"), SentBy("care", "Send", "2"), SentBy("care", "Send", "3")]
    templates = [Template("ready", "ar"), Template("ready", "en"), Template("late", "ar")]
    with open_store(str(home / "ledger.db"), StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))) as store:
        store.write(
            [
                StatusEvent(
                    message_id=f"wamid.{number}", status="sent", execution_id="1", workflow_id=f"w{number % 2}",
                    timestamp=1_767_258_000, conversation_id=["966500000041", "201000000041", "15550000041"][number],
                    phone_number_id="200000000000001", display_phone_number=f"1555000000{number}",
                ) for number in range(3)
            ],
            [
                Send(key=f"wamid.{number}", message_id=f"wamid.{number}", status="accepted", sent_by=senders[number],
                     template=templates[number]) for number in range(3)
            ],
            at=at,
        )  # fmt: skip
    for options, expected in {
        ("--template", "ready"): "01",
        ("--template", "ready/ar"): "0",
        ("--template", "ready/xx"): "",
        ("--sent-by", "care"): "12",
        ("--workflow", "w1"): "1",
        ("--number", "+1 555-000-0002"): "2",
        ("--number", "15550000001"): "1",
        ("--number", "200000000000001"): "012",
        ("--country", "sa"): "0",
        ("--country", "US"): "2",
        ("--template", "ready", "--country", "EG"): "1",
    }.items():
        done = ticktrail("messages", *options, "--store", "ledger.db")
        assert done.returncode == 0, done.stderr
        assert ids(done.stdout) == [f"wamid.{number}" for number in expected], options


def test_a_campaign_under_a_key(ticktrail: Ticktrail, home: Path) -> None:
    """A label that is JSON is understood once ``campaign_key`` says which key to look at."""

    def item(number: int, label: str) -> dict[str, Any]:
        status = {"id": f"wamid.{number}", "status": "sent", "timestamp": "1767258000", "recipient_id": "966500000041",
                  "biz_opaque_callback_data": label}  # fmt: skip
        value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": "1"}, "statuses": [status]}
        entry = {"id": "2", "changes": [{"field": "messages", "value": value}]}
        return {"json": {"body": {"object": "whatsapp_business_account", "entry": [entry]}}}

    labels = ["spring", '{"name": "spring", "n": 1}', '{"name": "summer"}', "{spring"]
    executions = (
        {
            "id": str(number), "workflowId": "w", "status": "success", "finished": True, "mode": "webhook",
            "startedAt": "2026-01-01T09:00:00.000Z", "stoppedAt": "2026-01-01T09:00:01.000Z",
            "data": {"resultData": {"runData": {"Webhook": [{"data": {"main": [[item(number, label)]]}}]}}},
            "workflowData": {"nodes": [{"name": "Webhook", "type": "n8n-nodes-base.webhook"}]},
        } for number, label in enumerate(labels)
    )  # fmt: skip
    (home / "in.jsonl").write_text("".join(json.dumps(one) + "\n" for one in executions))
    done = ticktrail("sync", "--from", "in.jsonl", "--store", "campaigns.sqlite")
    assert "4 messages inserted" in done.stdout, done
    question = ("messages", "--campaign", "spring", "--store", "campaigns.sqlite")
    assert set(ids(ticktrail(*question).stdout)) == {"wamid.0"}
    (home / "ticktrail.toml").write_text('campaign_key = "name"\n')
    assert set(ids(ticktrail(*question).stdout)) == {"wamid.0", "wamid.1"}
    shown = ticktrail(*question, "--format", "table").stdout
    assert shown.count("spring") == 2
    assert '{"name"' not in shown
    (home / "ticktrail.toml").write_text("campaign_key = \n")
    broken = ticktrail(*question)
    assert broken.returncode == 2
    assert "ticktrail.toml is not TOML" in broken.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["messages", "12"], "too few"),
        (["messages", "--country", "Saudi"], "ISO code"),
        (["messages", "--sort", "best"], "--sort"),
        (["messages", "--error", "many"], "--error"),
        (["messages", "--after", "nonsense"], "--after"),
        (["messages", "--after", "half \ud7ff"], "--after"),
        (["messages", "--sort", "oldest", "--after",
          base64.urlsafe_b64encode(b'["newest",1,"wamid.1"]').decode()], "Sort by newest"),
        (["export", "a.doc"], ".xlsx"),
        (["export", "not/a.csv"], "no folder"),
        (["sends", "--refused", "--unconfirmed"], "--unconfirmed"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line_with_a_remedy(
    ticktrail: Ticktrail, recorded_store: str, arguments: list[str], said: str
) -> None:
    """Exit 2, the thing named, nothing on stdout, no traceback."""
    done = ticktrail(*arguments, "--store", recorded_store)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) <= 6


# ── export ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_export_writes_what_messages_prints(ticktrail: Ticktrail, recorded_store: str, home: Path) -> None:
    """The same filter, the same messages, in each format."""
    question = ("--status", "failed", "--sort", "oldest", "--store", recorded_store)
    expected = ids(ticktrail("messages", *question).stdout)
    for name in ("a.csv", "a.jsonl", "a.jsonl.gz", "a.xlsx"):
        done = ticktrail("export", name, *question)
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert done.stderr == f"Wrote {len(expected)} messages to {name}\n"
    read = list(csv.DictReader(io.StringIO((home / "a.csv").read_text(encoding="utf-8-sig"))))
    assert [row["messageId"] for row in read] == expected
    assert ids((home / "a.jsonl").read_text()) == expected
    assert ids(gzip.decompress((home / "a.jsonl.gz").read_bytes()).decode()) == expected
    sheet = zipfile.ZipFile(home / "a.xlsx").read("xl/worksheets/sheet1.xml").decode()
    assert [found for found in re.findall(r"<t>(wamid[^<]*)</t>", sheet)] == expected  # noqa: C416
    again = ticktrail("export", "a.csv", *question)
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert ticktrail("export", "a.csv", "--force", "--format", "xlsx", *question).returncode == 0
    assert zipfile.is_zipfile(home / "a.csv")


def test_a_masked_export_holds_no_number(ticktrail: Ticktrail, recorded_store: str, home: Path) -> None:
    """Neither as digits nor within a message id; two exports name the same message alike."""
    numbers = {one["conversation_id"] for one in EXPECTED.values()}
    for name in ("a.jsonl", "b.jsonl"):
        assert ticktrail("export", name, "--mask", "--store", recorded_store).returncode == 0
    text = (home / "a.jsonl").read_text(encoding="utf-8")
    assert "wamid" not in text
    assert not [number for number in numbers if number in text]
    encoded = re.findall(r"[A-Za-z0-9+/]{16,}={0,2}", text)
    assert not [part for part in encoded if b"9665" in base64.b64decode(part + "=" * (-len(part) % 4))]
    assert len(set(ids(text))) == 400
    assert text == (home / "b.jsonl").read_text(encoding="utf-8")
    assert {row["conversation_id"] for row in rows(text)} >= {"+966 50 ••• ••41"}


def test_an_export_of_one_person(ticktrail: Ticktrail, recorded_store: str, home: Path) -> None:
    """``--to`` takes a number as ``messages`` does."""
    assert ticktrail("export", "a.jsonl", "--to", "+966 50 000 0041", "--store", recorded_store).returncode == 0
    assert {row["conversation_id"] for row in rows((home / "a.jsonl").read_text())} == {"966500000041"}


def test_an_export_of_no_store_makes_no_file(ticktrail: Ticktrail, home: Path) -> None:
    """Exit 3, and nothing is left."""
    assert ticktrail("export", "a.csv", "--store", "nowhere.sqlite").returncode == 3
    assert list(home.iterdir()) == []


# ── sends ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sends(ticktrail: Ticktrail, recorded: str) -> None:
    """All, refused with Meta's reason, unconfirmed: the two parts and what was confirmed make the whole."""
    everything = rows(ticktrail("sends", "--store", recorded).stdout)
    refused = rows(ticktrail("sends", "--refused", "--store", recorded).stdout)
    unconfirmed = rows(ticktrail("sends", "--unconfirmed", "--store", recorded).stdout)
    assert refused == [row for row in everything if row.get("rejected")] != []
    assert all(row["errors"][0]["code"] for row in refused)
    known = set(ids(ticktrail("messages", "--store", recorded).stdout))
    assert unconfirmed == [row for row in everything if row.get("messageId") and row["messageId"] not in known]
    times = [row["sentAt"] for row in everything]
    assert times == sorted(times, reverse=True)
    sender = refused[0]["sentBy"]["workflowId"]
    by_workflow = rows(ticktrail("sends", "--workflow", sender, "--store", recorded).stdout)
    assert by_workflow == [row for row in everything if row["sentBy"]["workflowId"] == sender]
    assert rows(ticktrail("sends", "--until", "2020-01-01", "--store", recorded).stdout) == []


def test_sends_for_people(ticktrail: Ticktrail, recorded: str) -> None:
    """The table says why Meta refused: code, the catalogue's title, Meta's details; CSV has a column for the code."""
    table = ticktrail("sends", "--refused", "--format", "table", "--store", recorded)
    flat = re.sub(r"\s+", " ", table.stdout)
    assert "132001 Template missing" in flat
    assert "Template name does not exist in the translation" not in flat
    assert "sends, in " in table.stderr
    read = list(csv.DictReader(io.StringIO(ticktrail("sends", "--format", "csv", "--store", recorded).stdout)))
    assert "132001" in {row["errorCode"] for row in read}
    one = ticktrail("sends", "--format", "table", "--limit", "1", "--store", recorded)
    token = one.stderr.split("--after ", 1)[1].strip()
    everything = [row["sentAt"] for row in read]
    rest = ticktrail("sends", "--format", "csv", "--after", token, "--store", recorded)
    assert [row["sentAt"] for row in csv.DictReader(io.StringIO(rest.stdout))] == everything[1:]
    coded = ticktrail("sends", "--format", "csv", "--error", "132001", "--store", recorded)
    assert {row["errorCode"] for row in csv.DictReader(io.StringIO(coded.stdout))} == {"132001"}
