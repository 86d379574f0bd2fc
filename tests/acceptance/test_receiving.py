"""``ticktrail receive`` and ``run`` from the command line: start, status, replay and errors."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.patience import PATIENCE_SECONDS
from tests.support.webhooks import APP_SECRET, envelope, message_value, signature, status, status_value

from ticktrail.stores.journal import DONE, WAITING, Journal, Webhook

from .conftest import Ticktrail
from .test_serving import ended, free_port, started, wait_for

SECRET = {"WHATSAPP_APP_SECRET": APP_SECRET}
PATH = "/webhook/0b1c/webhook"


def post(port: str, body: bytes) -> int:
    """Send a webhook as Meta does; returns the status of the answer."""
    headers = {"x-hub-signature-256": signature(body)}
    return httpx2.post(
        f"http://127.0.0.1:{port}{PATH}", content=body, headers=headers, timeout=PATIENCE_SECONDS
    ).status_code


def put_into_journal(home: Path, *, given_up: bool) -> None:
    """Put a webhook into the journal that n8n answered with 404."""
    now = time.time()
    with Journal(home / "journal.sqlite") as journal:
        webhook = Webhook(
            received_at=now - 60,
            number="200000000000001",
            path=f"{PATH}?key=hidden",
            content_type=None,
            signature=None,
            body=envelope(message_value("what a customer wrote")),
            storing=DONE,
            forwarding=WAITING,
        )
        journal.append([webhook])
        (found,) = journal.next_to_forward(now, [], 1)
        if given_up:
            journal.give_up(found.id, reason="n8n answered 404")
        else:
            journal.postpone(found.id, next_try_at=now + 60, reason="n8n answered 404")


def status_document(ticktrail: Ticktrail) -> dict[str, Any]:
    """The result of ``receive --status`` for programs."""
    done = ticktrail("receive", "--status", "--format", "json", TICKTRAIL_JOURNAL="journal.sqlite")
    return dict(json.loads(done.stdout))


def test_run_receives_without_n8n(home: Path, bare_environment: dict[str, str]) -> None:
    """With an app secret alone, one process receives, is ready without a sync, and shows what it stored."""
    port = free_port()
    environ = {**bare_environment, **SECRET, "TICKTRAIL_RECEIVE_PORT": port}
    arguments = ("run", "--store", "l.db", "--port", free_port(), "--every", "1")
    with started(home, environ, *arguments) as (process, client):
        assert wait_for(client, "/readyz", 200).json() == {"ready": True}
        assert post(port, envelope(status_value(status("wamid.RUN")))) == 200
        assert wait_for(client, "/api/v1/messages/wamid.RUN", 200).json()["latestStatus"] == "sent"
        ended(process)


@pytest.mark.thorough
def test_a_second_receiver_is_refused(ticktrail: Ticktrail, home: Path, bare_environment: dict[str, str]) -> None:
    """Two receivers on one journal would forward in a mixed order: the second says so and ends."""
    port = free_port()
    environ = {**bare_environment, **SECRET, "TICKTRAIL_RECEIVE_PORT": port, "TICKTRAIL_JOURNAL": "journal.sqlite"}
    arguments = ("run", "--store", "l.db", "--port", free_port())
    with started(home, environ, *arguments) as (process, client):
        wait_for(client, "/readyz", 200)
        done = ticktrail(
            "receive", "--store", "l.db", "--port", free_port(), **SECRET, TICKTRAIL_JOURNAL="journal.sqlite"
        )
        assert done.returncode == 2
        assert "Another receiver uses the journal" in done.stderr
        assert "TICKTRAIL_JOURNAL" in done.stderr
        ended(process)


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "says"),
    [
        ((), {}, 2, "WHATSAPP_APP_SECRET is not set"),
        ((), {"WHATSAPP_APP_SECRET": "no hex"}, 2, "WHATSAPP_APP_SECRET"),
        (("--host", "192.0.2.1"), SECRET, 2, "cannot listen on 192.0.2.1"),
        (("--status",), SECRET, 3, "There is no journal"),
    ],
    ids=["no secret", "malformed secret", "foreign address", "no journal"],
)
def test_settings_that_cannot_work_are_reported(
    ticktrail: Ticktrail, arguments: tuple[str, ...], environ: dict[str, str], code: int, says: str
) -> None:
    """The error names the setting, and there is no traceback."""
    done = ticktrail("receive", *arguments, **environ)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_reported(ticktrail: Ticktrail) -> None:
    """The error names the port and the option."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = ticktrail("receive", "--port", port, **SECRET)
    assert done.returncode == 2
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr


def test_the_status_lists_waiting_and_failed_webhooks(ticktrail: Ticktrail, home: Path) -> None:
    """Counts, reasons and failed webhooks, without a customer's text and without the address' query."""
    put_into_journal(home, given_up=False)
    waits = ticktrail("receive", "--status", TICKTRAIL_JOURNAL="journal.sqlite")
    assert "0 to store, 1 to forward, 0 failed" in waits.stdout
    assert "1: n8n answered 404" in waits.stdout
    (home / "journal.sqlite").unlink()
    put_into_journal(home, given_up=True)
    failed = ticktrail("receive", "--status", TICKTRAIL_JOURNAL="journal.sqlite")
    assert f"{PATH}, 1 attempt: n8n answered 404" in failed.stdout
    assert "ticktrail receive --replay" in failed.stdout
    document = json.loads(
        ticktrail("receive", "--status", "--format", "json", TICKTRAIL_JOURNAL="journal.sqlite").stdout
    )
    assert [(one["path"], one["reason"]) for one in document["failedWebhooks"]] == [(PATH, "n8n answered 404")]
    for done in (waits, failed):
        assert "customer" not in done.stdout
        assert "hidden" not in done.stdout


def test_a_replay_makes_failed_webhooks_wait_again(ticktrail: Ticktrail, home: Path) -> None:
    """After ``--replay`` the running or next receiver tries them, for another seven days."""
    put_into_journal(home, given_up=True)
    replayed = ticktrail("receive", "--replay", TICKTRAIL_JOURNAL="journal.sqlite")
    assert "1 webhook will be tried again" in replayed.stderr
    document = json.loads(
        ticktrail("receive", "--status", "--format", "json", TICKTRAIL_JOURNAL="journal.sqlite").stdout
    )
    assert (document["toForward"], document["failed"]) == (1, 0)
