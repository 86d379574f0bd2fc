"""``sync`` again and again, ``--watch`` as a service runs it, and ``audit``, against an n8n in this process."""

from __future__ import annotations

import base64
import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.faulty_server import Answer, FaultyServer
from tests.support.invented_messages import execution, life, status_object
from tests.support.n8n_server import N8nServer
from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.webhooks import APP_SECRET, envelope, status_value

from ticktrail.receiver.contents import read_contents
from ticktrail.stores import StoreOptions
from ticktrail.stores.journal import DONE, FAILED, WAITING, Journal, Webhook
from ticktrail.stores.opening import open_store

from .conftest import Ticktrail

WORKFLOW = "bcHn4wXXcVuTsjYB"
HEALTHY = {
    "id": WORKFLOW,
    "name": "WhatsApp statuses",
    "active": True,
    "nodes": [
        {
            "name": "WhatsApp Trigger",
            "type": "n8n-nodes-base.whatsAppTrigger",
            "typeVersion": 1,
            "parameters": {"updates": ["messages"], "options": {"messageStatusUpdates": ["all"]}},
        }
    ],
    "connections": {},
    "settings": {"saveDataSuccessExecution": "all"},
}


@pytest.fixture
def n8n() -> Iterator[N8nServer]:
    """An n8n with ten messages' lives."""
    executions = [one for number in range(10) for one in life(1 + 3 * number, number)]
    with N8nServer(executions, workflows=[HEALTHY]) as server:
        yield server


@pytest.fixture
def settings(n8n: N8nServer) -> dict[str, str]:
    """The environment that leads to this n8n and to a store."""
    return {
        "N8N_BASE_URL": n8n.address,
        "N8N_API_KEY": n8n.api_key,
        "WORKFLOW_ID_WHATSAPP": WORKFLOW,
        "TICKTRAIL_STORE": "ledger.sqlite",
    }


def report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The report of a run with ``--format json``."""
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return dict(json.loads(line))


# ── sync ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_sync_reads_only_what_is_new(ticktrail: Ticktrail, n8n: N8nServer, settings: dict[str, str]) -> None:
    """The first run reads all, the next ones only what came since; the report says what each of them cost."""
    first = report(ticktrail("sync", "--format", "json", **settings))
    assert (first["executions"], first["inserted"], first["newEvents"], first["depth"]) == (30, 10, 30, "full")
    n8n.add(execution(31, [status_object("wamid.0", "played", 1_795_009_000)]))
    n8n.requests.clear()
    second = report(ticktrail("sync", "--format", "json", **settings))
    assert (second["executions"], second["updated"], second["newEvents"]) == (1, 1, 1)
    assert second["requests"] == len(n8n.requests) == 2
    assert second["bytes"] > 0
    assert second["checkedAt"] > first["checkedAt"]
    full = report(ticktrail("sync", "--full", "--format", "json", **settings))
    assert (full["executions"], full["complete"], full["listed"]) == (0, True, 31)


def test_the_report_for_people(ticktrail: Ticktrail, n8n: N8nServer, settings: dict[str, str]) -> None:
    """The summary shows what was read and stored, what is pending, and the cost."""
    n8n.data_missing.add(5)
    done = ticktrail("sync", **settings)
    assert done.returncode == 0, done.stderr
    assert "30 executions: 29 with statuses, 0 without, 1 withheld by n8n (1 data missing)" in done.stdout
    assert "10 messages inserted" in done.stdout
    assert "; 29 new statuses" in done.stdout
    assert "1 execution pending (1 withheld by n8n)" in done.stdout
    assert "requests" in done.stdout.splitlines()[-1]


def test_a_gap_is_said(ticktrail: Ticktrail, n8n: N8nServer, settings: dict[str, str]) -> None:
    """Executions that n8n deleted before a sync read them are reported with their period."""
    ticktrail("sync", **settings)
    n8n.remove(*range(1, 31))
    n8n.add(execution(90, [status_object("wamid.90", "sent", 1_795_009_000)]))
    done = ticktrail("sync", **settings)
    assert "No data from 2026-11-22 10:00 to 2026-11-22 10:01 (UTC)" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "somewhere", "--full"], "--full and --watch are for n8n"),
        (["--from", "somewhere", "--watch"], "--full and --watch are for n8n"),
        (["--dry-run", "--watch", "5"], "exclude each other"),
        (["--watch", "0"], "1 to 86400"),
        (["--watch", "soon"], "--watch"),
    ],
)
def test_options_that_make_no_sense_are_refused(ticktrail: Ticktrail, arguments: list[str], said: str) -> None:
    """A usage error names the option, and nothing is started."""
    done = ticktrail("sync", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


class Monitor(FaultyServer):
    """Something that listens for heartbeats."""

    def respond(self, request: object) -> Answer:
        """Fine."""
        del request
        return 200, b"OK", {}


def test_a_heartbeat_follows_each_good_sync_and_no_other(
    ticktrail: Ticktrail, n8n: N8nServer, settings: dict[str, str]
) -> None:
    """The monitor hears of syncs that came through; its own trouble is said and harms nothing."""
    with Monitor() as monitor:
        settings["TICKTRAIL_HEARTBEAT_URL"] = f"{monitor.address}/ping/secret-check"
        assert ticktrail("sync", **settings).returncode == 0
        assert len(monitor.requests) == 1
        assert ticktrail("sync", **{**settings, "N8N_API_KEY": "a-wrong-key-a-wrong-key"}).returncode == 1
        assert len(monitor.requests) == 1
        monitor.answer(500)
        troubled = ticktrail("sync", **settings)
    assert troubled.returncode == 0
    assert "heartbeat" in troubled.stderr
    assert "secret-check" not in troubled.stderr + troubled.stdout


# ── sync --watch ────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def watching(
    home: Path, bare_environment: dict[str, str], settings: dict[str, str], *more: str
) -> Iterator[subprocess.Popen[str]]:
    """A watch that runs; killed at the end when it does not end by itself."""
    with (home / "said").open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "ticktrail", "sync", "--watch", "1", *more],
            cwd=home,
            env={**bare_environment, **settings, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def stored(home: Path) -> int:
    """The number of messages in the store."""
    if not (home / "ledger.sqlite").exists():
        return 0
    with closing(sqlite3.connect(home / "ledger.sqlite", timeout=PATIENCE_SECONDS)) as connection:
        try:
            return int(connection.execute("SELECT COUNT(*) FROM message").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="signals of services are POSIX's")
@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_watch_keeps_up_through_an_n8n_restart_and_ends_cleanly(
    n8n: N8nServer,
    home: Path,
    bare_environment: dict[str, str],
    settings: dict[str, str],
    signal_number: signal.Signals,
) -> None:
    """New statuses are stored as they come; an outage is said once, so is its end; a signal ends it with 0."""
    with watching(home, bare_environment, settings) as process:
        wait_until(lambda: stored(home) == 10, "the first sync")
        n8n.add(execution(31, [status_object("wamid.31", "sent", 1_795_009_000)]))
        wait_until(lambda: stored(home) == 11, "the second sync")
        n8n.stop()
        said = home / "said"
        wait_until(lambda: "Trying again until it works" in said.read_text(), "the outage")
        n8n.start()
        n8n.add(execution(32, [status_object("wamid.32", "sent", 1_795_009_000)]))
        wait_until(lambda: stored(home) == 12, "the sync after the outage")
        wait_until(lambda: "It works again, after" in said.read_text(), "the end of the outage")
        process.send_signal(signal_number)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    text = said.read_text()
    assert process.returncode == 0
    assert text.count("Trying again") == 1
    assert text.endswith("INFO    Stopped. Nothing was lost; the next run continues.\n")
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+ WARNING Trying again", text, re.MULTILINE)
    assert "Traceback" not in text
    assert "30 executions: 30 with statuses" in text
    assert n8n.api_key not in text + output


def test_a_second_watch_leaves_the_work_to_the_first(
    ticktrail: Ticktrail, n8n: N8nServer, home: Path, settings: dict[str, str]
) -> None:
    """While another process holds the lease, a sync says so, reads nothing, and exits with 0."""
    ticktrail("sync", **settings)
    with closing(sqlite3.connect(home / "ledger.sqlite")) as connection, connection:
        connection.execute(
            "INSERT INTO lease VALUES (?, 'elsewhere/pid/1/x', ?)",
            (f"sync|{n8n.address}|{WORKFLOW}", int((time.time() + 60) * 1000)),
        )
    n8n.add(execution(31, [status_object("wamid.31", "sent", 1_795_009_000)]))
    done = ticktrail("sync", **settings)
    assert (done.returncode, stored(home)) == (0, 10)
    assert "Another sync" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals of services are POSIX's")
def test_a_watch_says_what_silence_hides_once(
    n8n: N8nServer, home: Path, bare_environment: dict[str, str], settings: dict[str, str]
) -> None:
    """A workflow that is off, a trigger that filters, a key about to expire: with the cure, and not each second."""
    claims = base64.urlsafe_b64encode(json.dumps({"aud": "public-api", "exp": int(time.time()) + 86_400}).encode())
    n8n.api_key = settings["N8N_API_KEY"] = f"eyJhbGciOiJIUzI1NiJ9.{claims.decode().rstrip('=')}.c2lnbmF0dXJl"
    trigger = {
        **HEALTHY["nodes"][0],  # type: ignore[index]
        "parameters": {"updates": ["messages"], "options": {"messageStatusUpdates": ["read"]}},
    }
    n8n.workflows[0] = {**HEALTHY, "active": False, "nodes": [trigger]}  # type: ignore[dict-item]
    with watching(home, bare_environment, settings) as process:
        said = home / "said"
        wait_until(lambda: "expires in" in said.read_text(), "the key")
        wait_until(lambda: "not active" in said.read_text(), "the workflow")
        wait_until(lambda: "sent" in said.read_text(), "the filter")
        lines = len(said.read_text().splitlines())
        time.sleep(2.5)
        assert len(said.read_text().splitlines()) == lines
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


# ── audit ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_audit_says_that_everything_is_there(ticktrail: Ticktrail, settings: dict[str, str]) -> None:
    """The verdict comes first, and the exit code is 0; before any sync there is nothing to hold against n8n."""
    assert ticktrail("audit", **settings).returncode == 3
    ticktrail("sync", **settings)
    done = ticktrail("audit", **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Complete: every status")
    assert "30 executions" in done.stdout


@pytest.mark.parametrize("version", ["2.41.1", "2.20.0", "1.68.0"])
def test_audit_names_executions_that_n8n_has_not_finished(
    ticktrail: Ticktrail, settings: dict[str, str], version: str
) -> None:
    """Running executions, which the list hides, and queued ones are named; nothing is missing, so the exit code is 0.

    n8n 1.68 cannot be asked for running ones.
    """
    texts = [execution(number, [status_object(f"wamid.{number}", "sent", 1_795_000_000)]) for number in (1, 2, 3)]
    texts[1] |= {"status": "running", "finished": False}
    texts[2] |= {"status": "new", "finished": False, "startedAt": None}
    with N8nServer(texts, version=version) as n8n:
        n8n.hidden.add(2)
        here = {**settings, "N8N_BASE_URL": n8n.address}
        ticktrail("sync", **here)
        done = ticktrail("audit", **here)
        document = report(ticktrail("audit", "--format", "json", **here))
    expected = ["3"] if version == "1.68.0" else ["2", "3"]
    assert done.returncode == 0, done.stderr
    assert "More may come from" in done.stdout
    assert [line.strip() for line in done.stdout.splitlines() if line.startswith("  execution ")] == [
        f"execution {number}" for number in expected
    ]
    assert (document["complete"], document["unfinished"]) == (True, expected)


def test_audit_names_what_is_missing_and_repairs_it(
    ticktrail: Ticktrail, n8n: N8nServer, home: Path, settings: dict[str, str]
) -> None:
    """Statuses that n8n shows and the store lacks are counted and named, with whether a sync had read them."""
    ticktrail("sync", **settings)
    with closing(sqlite3.connect(home / "ledger.sqlite")) as connection, connection:
        connection.execute("DELETE FROM event WHERE message = 3 AND status = 'read'")
    n8n.add(execution(31, [status_object("wamid.31", "sent", 1_795_009_000)]))
    n8n.data_missing.add(7)
    found = ticktrail("audit", "--format", "json", **settings)
    assert found.returncode == 4
    told = json.loads(found.stdout)
    assert (told["complete"], told["missing"], told["statuses"]) == (False, 2, 30)
    missing = {one["executionId"]: (one["status"], one["dealtWith"]) for one in told["missingStatuses"]}
    assert missing["31"] == ("sent", False)
    assert ("read", True) in missing.values()
    assert told["notShown"] == {"7": "its data is missing"}
    text = ticktrail("audit", **settings)
    assert text.stdout.startswith("Not complete: 2 statuses")
    assert "ticktrail audit --repair" in text.stdout
    assert "execution 7: data missing" in text.stdout
    assert "2 missing statuses stored now" in ticktrail("audit", "--repair", **settings).stdout
    n8n.data_missing.clear()
    assert ticktrail("audit", **settings).returncode == 0


def test_audit_lists_gaps_and_lost_executions(ticktrail: Ticktrail, n8n: N8nServer, settings: dict[str, str]) -> None:
    """Executions pruned before they were read are reported as lost while their record is kept."""
    n8n.data_missing.add(5)
    ticktrail("sync", **settings)
    n8n.remove(*range(1, 31))
    n8n.add(execution(90, [status_object("wamid.90", "sent", 1_795_009_000)]))
    ticktrail("sync", "--full", **settings)
    done = ticktrail("audit", **settings)
    assert done.returncode == 4
    assert done.stdout.startswith("Every status that can be read is in the store, but")
    assert "No data from 2026-11-22 10:00" in done.stdout
    assert "execution 5: its data is missing" in done.stdout


def test_statuses_of_an_erased_person_are_not_missing(ticktrail: Ticktrail, settings: dict[str, str]) -> None:
    """A person who was forgotten is neither read again, nor reported as missing, nor brought back by a repair."""
    ticktrail("sync", **settings)
    assert ticktrail("forget", "966500000001", "--yes", **settings).returncode == 0
    # A store without messages looks like one that was emptied, so everything is read once more and left out.
    assert report(ticktrail("sync", "--format", "json", **settings))["leftOut"] == 30
    assert report(ticktrail("sync", "--full", "--format", "json", **settings))["executions"] == 0
    assert ticktrail("audit", "--repair", **settings).returncode == 0
    assert ticktrail("messages", **settings).stdout == ""


# ── audit of what was received directly ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def receiving(settings: dict[str, str], home: Path) -> dict[str, str]:
    """The settings with a receiver, which has stored two statuses that n8n has and three that n8n has not."""
    settings |= {"WHATSAPP_APP_SECRET": APP_SECRET, "TICKTRAIL_FORWARD_URL": settings["N8N_BASE_URL"]}
    with open_store(str(home / "ledger.sqlite"), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
        in_n8n = [status_object("wamid.31", name, 1_795_009_000) for name in ("sent", "delivered")]
        alone = [status_object("wamid.A", "sent", 1_795_009_000), status_object("wamid.B", "sent", 1_795_009_060)]
        alone.append(status_object("wamid.B", "read", 1_795_009_600))
        contents = read_contents(envelope(status_value(*in_n8n, *alone)), 1_795_009_700)
        store.write(contents.events, at=datetime.now(UTC))
    return settings


def put_into_journal(home: Path, *webhooks: tuple[float, int, int]) -> None:
    """Put webhooks into the receiver's journal: age in seconds, state of storing, state of forwarding."""
    with Journal(home / "ticktrail-journal.sqlite") as journal:
        journal.append(
            [
                Webhook(
                    received_at=time.time() - age,
                    number="1",
                    path="/webhook/a/webhook",
                    content_type=None,
                    signature=None,
                    body=b"{}",
                    storing=storing,
                    forwarding=forwarding,
                )
                for age, storing, forwarding in webhooks
            ]
        )
        for webhook in journal.next_to_forward(time.time(), [], 1):
            journal.postpone(webhook.id, next_try_at=time.time() + 60, reason="n8n answered 404")


def test_statuses_that_only_the_receiver_had_are_no_fault(
    ticktrail: Ticktrail, n8n: N8nServer, home: Path, receiving: dict[str, str]
) -> None:
    """Audit counts statuses without an execution in n8n, and waiting webhooks; nothing is reported as missing."""
    ticktrail("sync", **receiving)
    n8n.add(execution(31, [status_object("wamid.31", name, 1_795_009_000) for name in ("sent", "delivered")]))
    put_into_journal(home, (5, WAITING, DONE), (60, DONE, WAITING))
    done = ticktrail("audit", "--format", "json", **receiving)
    assert done.returncode == 0, done.stderr
    compared, received = map(json.loads, done.stdout.splitlines())
    assert (compared["complete"], compared["missing"], compared["receivedDirectly"]) == (True, 0, 2)
    assert (received["source"], received["complete"], received["onlyReceived"]) == ("receiver", True, 3)
    assert received["firstOnlyReceivedAt"] == "2026-11-18T13:36:40+00:00"
    assert (received["journal"]["toStore"], received["journal"]["toForward"], received["journal"]["failed"]) == (
        1,
        1,
        0,
    )
    ticktrail("sync", **receiving)
    text = ticktrail("audit", **receiving)
    assert text.returncode == 0
    assert "3 statuses that no execution of n8n holds, from 2026-11-18 16:36" in text.stdout
    assert "Expected, because statuses are not forwarded (TICKTRAIL_FORWARD=messages)" in text.stdout
    assert "1 to store and 1 to forward in the journal" in text.stdout
    dropped = ticktrail("audit", **receiving, TICKTRAIL_FORWARD="all")
    assert "n8n got these webhooks too" in dropped.stdout


@pytest.mark.parametrize(
    ("webhook", "said"),
    [((1_000.0, DONE, WAITING), "too long ago"), ((5.0, DONE, FAILED), "1 webhook given up")],
    ids=["waits too long", "given up"],
)
def test_webhooks_that_do_not_get_through_need_attention(
    ticktrail: Ticktrail, home: Path, receiving: dict[str, str], webhook: tuple[float, int, int], said: str
) -> None:
    """A webhook that failed or has waited for over 15 minutes gives exit code 4 and the command to type next."""
    ticktrail("sync", **receiving)
    put_into_journal(home, webhook)
    done = ticktrail("audit", **receiving)
    assert done.returncode == 4
    assert done.stdout.startswith("Complete: every status")
    assert said in done.stdout
    assert "ticktrail receive --status" in done.stdout


def test_a_receiver_without_n8n_is_audited_alone(ticktrail: Ticktrail, receiving: dict[str, str]) -> None:
    """Without settings for n8n, audit looks at what was received."""
    alone = {name: value for name, value in receiving.items() if not name.startswith(("N8N_", "WORKFLOW_"))}
    done = ticktrail("audit", "--format", "json", **alone)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["source"] for line in done.stdout.splitlines()] == ["receiver"]
