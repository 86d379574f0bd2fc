"""The checks of ``doctor`` for the direct receiver."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.faulty_server import Answer, FaultyServer, Request
from tests.support.webhooks import APP_SECRET

from ticktrail.health.checks import Finding, Severity
from ticktrail.health.receiver_check import check_receiver
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.stores.journal import DONE, WAITING, Journal, Webhook

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class FakeN8n(FaultyServer):
    """Answers n8n's health check."""

    def respond(self, request: Request) -> Answer:  # noqa: ARG002 - the same for every path
        """As a started n8n does."""
        return 200, {"status": "ok"}, {"content-type": "application/json"}


@pytest.fixture
def n8n() -> Iterator[FakeN8n]:
    """A fake n8n that listens."""
    with FakeN8n() as server:
        yield server


def settings_of(folder: Path, **environment: str) -> Settings:
    """Settings whose journal is in this folder."""
    return load_settings({}, {"TICKTRAIL_STORE": str(folder / "store.sqlite"), **environment}, folder)


def severities(findings: list[Finding]) -> dict[str, Severity]:
    """Severity of each finding by its name."""
    return {finding.name: finding.severity for finding in findings}


def waiting_since(settings: Settings, age: timedelta) -> None:
    """Put a webhook into the journal that waits to be forwarded."""
    with Journal(settings.receiver.journal) as journal:
        journal.append(
            [
                Webhook(
                    received_at=(NOW - age).timestamp(),
                    number="1",
                    path="/webhook/a/webhook",
                    content_type=None,
                    signature=None,
                    body=b"{}",
                    storing=DONE,
                    forwarding=WAITING,
                )
            ]
        )


def test_nothing_is_said_where_nothing_is_received(tmp_path: Path) -> None:
    """Without a secret and a journal there are no findings, and no journal is created."""
    settings = settings_of(tmp_path)
    assert check_receiver(settings, NOW) == []
    assert not settings.receiver.journal.exists()


def test_a_journal_without_a_secret_is_a_fault(tmp_path: Path) -> None:
    """The receiver was used, and could not start now."""
    settings = settings_of(tmp_path)
    waiting_since(settings, timedelta(0))
    (finding,) = check_receiver(settings, NOW)
    assert (finding.name, finding.severity) == ("receiver", Severity.FAULT)
    assert "WHATSAPP_APP_SECRET" in finding.says


def test_n8n_behind_the_receiver_is_asked(tmp_path: Path, n8n: FakeN8n) -> None:
    """An n8n that answers passes; another program, or no listener, is reported with the setting."""
    settings = settings_of(tmp_path, WHATSAPP_APP_SECRET=APP_SECRET, TICKTRAIL_FORWARD_URL=n8n.address)
    assert severities(check_receiver(settings, NOW)) == {"receiver": Severity.OK}
    n8n.answer(200, b"<html>", {"content-type": "text/html"})
    (finding,) = check_receiver(settings, NOW)
    assert (finding.severity, "TICKTRAIL_FORWARD_URL" in finding.remedy) == (Severity.WARNING, True)
    n8n.stop()
    (finding,) = check_receiver(settings, NOW)
    assert (finding.severity, "TICKTRAIL_FORWARD_URL" in finding.remedy) == (Severity.FAULT, True)


@pytest.mark.parametrize(
    ("age", "severity"), [(timedelta(minutes=1), Severity.OK), (timedelta(minutes=16), Severity.FAULT)]
)
def test_webhooks_that_wait_too_long_are_a_fault(
    tmp_path: Path, n8n: FakeN8n, age: timedelta, severity: Severity
) -> None:
    """From 15 minutes on, a waiting webhook is a fault."""
    settings = settings_of(tmp_path, WHATSAPP_APP_SECRET=APP_SECRET, TICKTRAIL_FORWARD_URL=n8n.address)
    waiting_since(settings, age)
    assert severities(check_receiver(settings, NOW))["journal"] is severity
