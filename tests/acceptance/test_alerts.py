"""``ticktrail alerts`` and ``ticktrail report`` as a user types them, on a store with many failures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.faulty_server import Answer, FaultyServer, Request

from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store

pytestmark = pytest.mark.thorough

if TYPE_CHECKING:
    from .conftest import Ticktrail

ZONE = ZoneInfo("Asia/Riyadh")
SECRET = "a secret of thirty-two characters"  # noqa: S105 - made up


class Receiver(FaultyServer):
    """Takes whatever is posted."""

    def respond(self, request: Request) -> Answer:  # noqa: ARG002 - all are taken
        """Well received."""
        return 204, b"", {}

    def bodies(self) -> list[dict[str, Any]]:
        """The received bodies, decoded."""
        return [json.loads(request.body) for request in self.requests]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes notifications."""
    with Receiver() as server:
        yield server


def message(number: int, sent: int, last: str, code: int = 131026) -> list[StatusEvent]:
    """A message that ended so."""
    about: dict[str, Any] = {
        "message_id": f"wamid.bad{number}",
        "conversation_id": f"9665000000{number % 60:02d}",
        "phone_number_id": "106540352242922",
        "display_phone_number": "15550000001",
    }
    events = [StatusEvent(status="sent", timestamp=sent, execution_id=f"{number}", **about)]
    if last != "sent":
        errors = {"errors": ({"code": code, "title": "as reported"},)} if last == "failed" else {}
        events.append(StatusEvent(status=last, timestamp=sent + 3, execution_id=f"{number}b", **about, **errors))  # type: ignore[arg-type]
    return events


@pytest.fixture
def bad_day(home: Path) -> str:
    """A store: yesterday 30 delivered and 10 failed; just now two sends refused for an expired token."""
    now = int(time.time())
    noon = int(datetime.now(ZONE).replace(hour=12, minute=0, second=0, microsecond=0).timestamp()) - 86_400
    events = []
    for number in range(40):
        events += message(number, noon + number, "failed" if number < 10 else "delivered")
    for number in range(50, 80):
        # At least a minute old, and of today or of yesterday's last hours, as the clock has it.
        events += message(number, now - 60 - number, "failed" if number < 56 else "read")
    refused = [
        Send(
            key=f"orders/{number}/Send/0",
            message_id=None,
            sent_by=SentBy("orders", "Send", str(number)),
            status="rejected",
            sent_at=datetime.now(UTC) - timedelta(minutes=5),
            input="+966 50 000 0012",
            template=Template("order_ready", "ar"),
            rejected=True,
            errors=({"code": 190, "title": "Access token has expired"},),
        )
        for number in range(2)
    ]
    with open_store(str(home / "ledger.sqlite"), StoreOptions(timezone=ZONE)) as store:
        store.write(events, refused, at=datetime.now(UTC))
    return "ledger.sqlite"


def channels(home: Path, receiver: FaultyServer) -> None:
    """A ticktrail.toml with one signed webhook."""
    (home / "ticktrail.toml").write_text(
        f'[[channels]]\nname = "n8n"\nwebhook = "{receiver.address}/hook?key=hidden"\nsecret_env = "HOOK_SECRET"\n',
        encoding="utf-8",
    )


def test_the_verdict_comes_first_and_each_cause_has_a_block(ticktrail: Ticktrail, bad_day: str) -> None:
    """An alert shows cause, count, start, advice and link, but no recipient's number; exit code 4."""
    done = ticktrail("alerts", "--store", bad_day)
    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.startswith("2 open alerts.\n")
    assert "\n\n✗ Access token has expired (190)\n" in done.stdout
    assert "2 sends to 1 person were refused" in done.stdout
    assert "Message undeliverable (131026), from +1 55 ••• ••01" in done.stdout
    assert (
        f"ticktrail messages --store {bad_day} --undelivered --error 131026 --number 106540352242922 --since"
        in done.stdout
    )
    assert "96650" not in done.stdout
    plain = ticktrail("alerts", "--store", bad_day, PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert "?" not in plain.stdout
    assert plain.stdout.isascii()


def test_the_command_behind_an_alert_lists_what_it_counted(ticktrail: Ticktrail, bad_day: str) -> None:
    """Typed as it is printed, it gives as many rows as the alert says."""
    for alert in json.loads(ticktrail("alerts", "--store", bad_day, "--format", "json").stdout)["alerts"]:
        words = alert["command"].split()[1:]
        listed = ticktrail(*words, "--store", bad_day, "--format", "jsonl")
        assert len(listed.stdout.splitlines()) == alert["messages"], alert["command"]


def test_no_open_alerts_says_what_was_checked(ticktrail: Ticktrail, bad_day: str, home: Path) -> None:
    """Switched off by code: exit code 0."""
    (home / "ticktrail.toml").write_text('[alerts]\noff = [190, "failing"]\n', encoding="utf-8")
    done = ticktrail("alerts", "--store", bad_day)
    assert (done.returncode, done.stderr) == (0, "")
    first, checked = done.stdout.splitlines()
    assert first == "No open alerts."
    assert checked.startswith("Checked ")
    assert checked.endswith("No sync with n8n has run.")


def test_what_you_know_of_counts_no_more(ticktrail: Ticktrail, bad_day: str) -> None:
    """It is shown last, with the note; once all are known, the exit code is 0; an unknown key is not found."""
    assert ticktrail("alerts", "--store", bad_day, "--ack", "190", "--note", "Sara is on it").returncode == 0
    done = ticktrail("alerts", "--store", bad_day)
    assert done.returncode == 4
    assert done.stdout.startswith("1 open alert, 1 acknowledged.")
    assert "Sara is on it" in done.stdout.split("131026")[-1]
    document = json.loads(ticktrail("alerts", "--store", bad_day, "--format", "json").stdout)
    assert (document["needsYou"], len(document["alerts"])) == (1, 2)
    other = next(alert["key"] for alert in document["alerts"] if "acknowledgedAt" not in alert)
    ticktrail("alerts", "--store", bad_day, "--ack", other)
    done = ticktrail("alerts", "--store", bad_day)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "No open alerts, 2 acknowledged.")
    assert ticktrail("alerts", "--store", bad_day, "--unack", other).returncode == 0
    assert ticktrail("alerts", "--store", bad_day).stdout.startswith("1 open alert, 1 acknowledged.")
    again = ticktrail("alerts", "--store", bad_day, "--unack", other)
    assert (again.returncode, "is acknowledged" in again.stderr) == (3, True)
    missing = ticktrail("alerts", "--store", bad_day, "--ack", "nonsense")
    assert missing.returncode == 3
    assert "ticktrail alerts" in missing.stderr


def test_channels_are_told_once(ticktrail: Ticktrail, bad_day: str, home: Path, receiver: Receiver) -> None:
    """Two alerts, two notices, however often it runs; a failing channel is tried again by the next run."""
    channels(home, receiver)
    receiver.answer(500, times=1)
    first = ticktrail("alerts", "--store", bad_day, "--notify", HOOK_SECRET=SECRET)
    assert first.returncode == 4
    assert "n8n (http://127.0.0.1/…) answered with 500. The next run retries." in first.stderr
    assert "hidden" not in first.stderr
    for _ in range(2):
        ticktrail("alerts", "--store", bad_day, "--notify", HOOK_SECRET=SECRET)
    taken = [(body["event"], body["alert"]["key"]) for body in receiver.bodies()[1:]]
    assert sorted(taken) == [("alert.firing", key) for key in sorted({key for _, key in taken})]
    assert len(taken) == 2
    assert not any(b"96650" in request.body for request in receiver.requests)


def test_two_processes_at_once_tell_once(ticktrail: Ticktrail, bad_day: str, home: Path, receiver: Receiver) -> None:
    """Four at the same time, and a channel that takes its time: each alert comes once."""
    channels(home, receiver)
    receiver.delay(0.5, times=None)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(ticktrail, "alerts", "--store", bad_day, "--notify", HOOK_SECRET=SECRET) for _ in range(4)]
    assert [run.result().returncode for run in runs] == [4] * 4
    keys = [body["alert"]["key"] for body in receiver.bodies()]
    assert len(keys) == len(set(keys)) == 2


def test_a_test_reaches_every_channel(ticktrail: Ticktrail, home: Path, receiver: Receiver) -> None:
    """Every channel is listed with its result; no store is needed; exit code 1 when a channel failed."""
    channels(home, receiver)
    done = ticktrail("alerts", "--test", HOOK_SECRET=SECRET)
    assert (done.returncode, done.stderr) == (0, "reached n8n\n")
    assert [body["event"] for body in receiver.bodies()] == ["test"]
    receiver.answer(404)
    done = ticktrail("alerts", "--test", HOOK_SECRET=SECRET)
    assert done.returncode == 1
    assert "not reached n8n: n8n (http://127.0.0.1/…) answered with 404." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["alerts", "--test", "--notify"], "exclude"),
        (["alerts", "--note", "x"], "--ack KEY"),
        (["alerts", "--notify"], "[[channels]]"),
        (["alerts", "--test"], "[[channels]]"),
        (["report", "--notify"], "[[channels]]"),
        (["sync", "--alerts"], "--watch"),
    ],
)
def test_what_cannot_be_done_is_said(ticktrail: Ticktrail, bad_day: str, arguments: list[str], named: str) -> None:
    """Exit code 2, and what to type or to write instead."""
    done = ticktrail(*arguments, "--store", bad_day)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr


def test_yesterday_in_ten_lines(ticktrail: Ticktrail, bad_day: str, home: Path, receiver: Receiver) -> None:
    """Sent, delivered, failed with reasons; the same as JSON; and to every channel."""
    channels(home, receiver)
    done = ticktrail("report", "--store", bad_day, "--period", "day", "--notify", HOOK_SECRET=SECRET)
    assert (done.returncode, done.stderr) == (0, "sent to n8n\n")
    title, *lines = done.stdout.splitlines()
    yesterday = datetime.now(ZONE).date() - timedelta(days=1)
    assert title == f"Yesterday, {yesterday:%a} {yesterday.day} {yesterday:%b %Y} (Asia/Riyadh)"
    assert sum(line.startswith("  ") and ": " in line for line in lines) >= 10
    (body,) = receiver.bodies()
    assert body["event"] == "report"
    assert len(body["text"].splitlines()) == 10
    report = json.loads(ticktrail("report", "--store", bad_day, "--format", "json", HOOK_SECRET=SECRET).stdout)
    totals = report["totals"]
    # Soon after midnight some of the newest messages are yesterday's too.
    assert totals["sent"] in range(40, 71)
    assert totals["delivered"] + totals["failed"] == totals["sent"]
    (error,) = report["errors"]
    assert (error["code"], error["failed"]) == ("131026", totals["failed"])


def test_a_week_has_seven_days(ticktrail: Ticktrail, bad_day: str) -> None:
    """Up to this midnight, from the one seven days before, in the configured zone."""
    report = json.loads(ticktrail("report", "--store", bad_day, "--period", "week", "--format", "json").stdout)
    since, until = (datetime.fromisoformat(report[name]) for name in ("since", "until"))
    assert until - since == timedelta(days=7)
    assert until == datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    assert report["title"].startswith("The week from ")


def test_no_store_no_alerts(ticktrail: Ticktrail) -> None:
    """A store that does not exist is not found, and is not created."""
    for command in ("alerts", "report"):
        done = ticktrail(command, "--store", "nowhere.sqlite")
        assert (done.returncode, done.stdout) == (3, "")
        assert not Path("nowhere.sqlite").exists()


def test_a_watch_with_alerts_needs_a_channel_before_the_first_sync(home: Path, ticktrail: Ticktrail) -> None:
    """Without a channel nothing is stored, and the file to complete is named."""
    n8n = {"N8N_BASE_URL": "http://127.0.0.1:9", "N8N_API_KEY": "k", "WORKFLOW_ID_WHATSAPP": "w"}
    done = ticktrail("sync", "--watch", "--alerts", "--store", "a.sqlite", **n8n)
    assert done.returncode == 2
    assert "No channel is configured in" in done.stderr
    assert not (home / "a.sqlite").exists()
