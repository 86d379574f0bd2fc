"""``ticktrail sync --watch --alerts``: alerts reach the channels while the watch runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.support.faulty_server import Answer, FaultyServer, Request
from tests.support.n8n_server import N8nServer
from tests.support.patience import PATIENCE_SECONDS, wait_until

from ticktrail.messages.model import Send, SentBy
from ticktrail.stores import StoreOptions
from ticktrail.stores.coverage import Change, Facts
from ticktrail.stores.opening import open_store
from ticktrail.sync.incremental import scope_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no signal to end a watch with")


class Receiver(FaultyServer):
    """Takes whatever is posted."""

    def respond(self, request: Request) -> Answer:  # noqa: ARG002 - all are taken
        """Well received."""
        return 204, b"", {}

    def wait_for(self, count: int) -> list[str]:
        """The keys of so many alerts, once they are there."""
        wait_until(lambda: len(self.requests) >= count, "notifications")
        return [json.loads(request.body)["alert"]["key"] for request in self.requests]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes notifications."""
    with Receiver() as server:
        yield server


def watch(home: Path, environ: dict[str, str], n8n: N8nServer, receiver: Receiver, count: int) -> tuple[list[str], str]:
    """The alerts that a watch told, and what it said; it is ended as soon as so many have come."""
    (home / "ticktrail.toml").write_text(f'[[channels]]\nwebhook = "{receiver.address}/hook"\n', encoding="utf-8")
    more = {"N8N_BASE_URL": n8n.address, "N8N_API_KEY": n8n.api_key, "WORKFLOW_ID_WHATSAPP": "wf"}
    with subprocess.Popen(
        [sys.executable, "-m", "ticktrail", "sync", "--watch", "1", "--alerts", "--store", "ledger.sqlite"],
        cwd=home,
        env={**environ, **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        keys = receiver.wait_for(count)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    return keys, said


def test_the_watch_tells_what_needs_somebody(home: Path, bare_environment: dict[str, str], receiver: Receiver) -> None:
    """After the first good cycle; once, though the watch goes on."""
    refused = Send(
        key="orders/1/Send/0",
        message_id=None,
        sent_by=SentBy("orders", "Send", "1"),
        status="rejected",
        sent_at=datetime.now(UTC),
        rejected=True,
        errors=({"code": 190, "title": "Access token has expired"},),
    )
    with open_store(str(home / "ledger.sqlite"), StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))) as store:
        store.write([], [refused], at=datetime.now(UTC))
    with N8nServer([], workflow_id="wf") as n8n:
        keys, said = watch(home, bare_environment, n8n, receiver, 1)
    assert keys == ["190"]
    assert "1 notice sent (http-127.0.0.1)" in said


def test_the_watch_tells_that_nothing_can_be_read(
    home: Path, bare_environment: dict[str, str], receiver: Receiver
) -> None:
    """An n8n that fails for hours is worth an alert, although no cycle comes through."""
    with N8nServer([], workflow_id="wf") as n8n:
        with open_store(str(home / "ledger.sqlite"), StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))) as store:
            store.prepare()
            facts = Facts(checked_at=datetime.now(UTC) - timedelta(hours=3))
            store.sync_state.save_coverage(scope_of(n8n.address, "wf", store), Change(facts=facts))
        n8n.answer(401, {"message": "unauthorized"}, times=None)
        (key,), said = watch(home, bare_environment, n8n, receiver, 1)
    assert key.startswith("sync-")
    assert "Trying again until it works" in said
