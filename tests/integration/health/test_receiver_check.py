"""The checks of ``doctor`` for the direct receiver."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.faulty_server import Answer
from tests.support.n8n_server import N8nRequest, N8nServer
from tests.support.recordings import recording
from tests.support.webhooks import APP_SECRET

from ticktrail.health.checks import Finding, Severity
from ticktrail.health.receiver_check import check_receiver
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.stores.journal import DONE, WAITING, Journal, Webhook
from ticktrail.stores.journal_claim import claimed

NOW = datetime.now(UTC)
WORKFLOW = json.loads(recording("workflow"))
PATH = "/webhook/11111111-1111-4111-8111-111111111111/webhook"


class FakeN8n(N8nServer):
    """Answers n8n's health check, and Meta's subscription check at the path of the recorded workflow."""

    def respond(self, request: N8nRequest) -> Answer:
        """As a started n8n does."""
        if request.path == "/healthz":
            return 200, {"status": "ok"}, {"content-type": "application/json"}
        if request.path == PATH and request.query.get("hub.verify_token") == "a1":
            return 200, request.query["hub.challenge"].encode(), {"content-type": "text/plain"}
        return super().respond(request)


@pytest.fixture
def n8n() -> Iterator[FakeN8n]:
    """A fake n8n that listens."""
    with FakeN8n(workflows=[WORKFLOW], workflow_id=WORKFLOW["id"]) as server:
        yield server


def settings_of(folder: Path, n8n: FakeN8n | None = None) -> Settings:
    """Settings whose journal is in this folder, with n8n and a secret where an n8n is given."""
    environment = {"TICKTRAIL_STORE": str(folder / "store.sqlite")}
    if n8n is not None:
        environment |= {
            "WHATSAPP_APP_SECRET": APP_SECRET,
            "TICKTRAIL_FORWARD_URL": n8n.address,
            "N8N_BASE_URL": n8n.address,
            "N8N_API_KEY": n8n.api_key,
            "WORKFLOW_ID_WHATSAPP": n8n.workflow_id,
        }
    return load_settings({}, environment, folder)


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    """Each finding by its name."""
    return {finding.name: finding for finding in findings}


def severities(settings: Settings) -> dict[str, Severity]:
    """Severity of each finding by its name."""
    return {finding.name: finding.severity for finding in check_receiver(settings, NOW)}


def webhook(age: timedelta) -> Webhook:
    """A webhook that waits to be forwarded."""
    return Webhook(
        received_at=(NOW - age).timestamp(),
        number="1",
        path=PATH,
        content_type=None,
        signature=None,
        body=b"{}",
        storing=DONE,
        forwarding=WAITING,
    )


@contextmanager
def running(settings: Settings) -> Iterator[Journal]:
    """The journal of a receiver that runs and has received a webhook, which n8n has."""
    with claimed(settings.receiver.journal), Journal(settings.receiver.journal) as journal:
        journal.append([webhook(timedelta(0))])
        journal.forwarded(journal.next_to_forward(time.time(), [], 1)[0].id)
        yield journal


def test_nothing_is_said_where_nothing_is_received(tmp_path: Path) -> None:
    """Without a secret and a journal there are no findings, and no journal is created."""
    settings = settings_of(tmp_path)
    assert check_receiver(settings, NOW) == []
    assert not settings.receiver.journal.exists()


def test_a_journal_without_a_secret_is_a_fault(tmp_path: Path) -> None:
    """The receiver was used, and could not start now."""
    settings = settings_of(tmp_path)
    with running(settings):
        (finding,) = check_receiver(settings, NOW)
    assert (finding.name, finding.severity) == ("receiver", Severity.FAULT)
    assert "WHATSAPP_APP_SECRET" in finding.says


def test_a_running_receiver_is_in_order(tmp_path: Path, n8n: FakeN8n) -> None:
    """Every check passes, and the path that the proxy has to route is named."""
    settings = settings_of(tmp_path, n8n)
    with running(settings):
        findings = check_receiver(settings, NOW)
    assert {finding.severity for finding in findings} == {Severity.OK}
    assert list(by_name(findings)) == ["receiver", "forwarding", "verification", "journal", "secret"]
    assert PATH in by_name(findings)["verification"].says
    assert "1 second ago" in by_name(findings)["secret"].says


def test_a_receiver_that_does_not_run_is_a_fault(tmp_path: Path, n8n: FakeN8n) -> None:
    """Before the first start, and after the end of a receiver, webhooks are not received."""
    settings = settings_of(tmp_path, n8n)
    assert severities(settings)["receiver"] is Severity.FAULT
    with running(settings):
        pass
    assert severities(settings)["receiver"] is Severity.FAULT


def test_n8n_behind_the_receiver_is_asked(tmp_path: Path, n8n: FakeN8n) -> None:
    """Another program at the address, or no listener, is reported with the setting."""
    settings = settings_of(tmp_path, n8n)
    with running(settings):
        n8n.answer(200, b"<html>", {"content-type": "text/html"})
        finding = by_name(check_receiver(settings, NOW))["forwarding"]
        assert (finding.severity, "TICKTRAIL_FORWARD_URL" in finding.remedy) == (Severity.WARNING, True)
        n8n.stop()
        finding = by_name(check_receiver(settings, NOW))["forwarding"]
        assert (finding.severity, "TICKTRAIL_FORWARD_URL" in finding.remedy) == (Severity.FAULT, True)


def test_a_trigger_that_fails_the_subscription_check_is_a_fault(tmp_path: Path, n8n: FakeN8n) -> None:
    """n8n accepts no webhook at a path that it does not know."""
    n8n.answer(404, {"code": 404}, times=None, when=lambda request: request.path == PATH)
    settings = settings_of(tmp_path, n8n)
    with running(settings):
        finding = by_name(check_receiver(settings, NOW))["verification"]
    assert (finding.severity, finding.workflow_id) == (Severity.FAULT, n8n.workflow_id)
    assert f"{PATH} (404)" in finding.says


@pytest.mark.parametrize(
    ("age", "severity", "says"),
    [
        (timedelta(minutes=3), Severity.OK, "1 webhook in the journal, the oldest waits for 3 minutes."),
        (timedelta(minutes=16), Severity.FAULT, "the oldest waits for 16 minutes: more than 15 minutes"),
    ],
)
def test_the_age_of_the_oldest_webhook_is_reported(
    tmp_path: Path, n8n: FakeN8n, age: timedelta, severity: Severity, says: str
) -> None:
    """From 15 minutes on, a waiting webhook is a fault."""
    settings = settings_of(tmp_path, n8n)
    with running(settings) as journal:
        journal.append([webhook(age)])
        finding = by_name(check_receiver(settings, NOW))["journal"]
    assert finding.severity is severity
    assert says in finding.says


def test_webhooks_that_were_given_up_are_a_fault(tmp_path: Path, n8n: FakeN8n) -> None:
    """The remedy says how to try them again."""
    settings = settings_of(tmp_path, n8n)
    with running(settings) as journal:
        journal.append([webhook(timedelta(days=8))])
        journal.give_up(journal.next_to_forward(time.time(), [], 1)[0].id, reason="n8n answered 404")
        finding = by_name(check_receiver(settings, NOW))["journal"]
    assert finding.severity is Severity.FAULT
    assert "ticktrail receive --replay" in finding.remedy


def test_wrong_signatures_are_a_warning_until_a_webhook_is_accepted(tmp_path: Path, n8n: FakeN8n) -> None:
    """The warning ends with the next webhook that has a valid signature."""
    settings = settings_of(tmp_path, n8n)
    with running(settings) as journal:
        journal.append([], wrong_signatures=3)
        finding = by_name(check_receiver(settings, NOW))["secret"]
        assert finding.severity is Severity.WARNING
        assert "3 requests had a wrong signature" in finding.says
        assert severities(settings)["secret"] is Severity.WARNING
        journal.append([webhook(timedelta(0))])
        assert severities(settings)["secret"] is Severity.OK
        later = by_name(check_receiver(settings, NOW + timedelta(days=2)))["secret"]
        assert later.severity is Severity.OK


def test_webhooks_that_start_no_execution_are_a_warning_for_a_day(tmp_path: Path, n8n: FakeN8n) -> None:
    """n8n's secret or filter is wrong; once that is fixed, the warning goes away by itself."""
    settings = settings_of(tmp_path, n8n)
    with running(settings) as journal:
        journal.append([webhook(timedelta(0))])
        journal.forwarded(journal.next_to_forward(time.time(), [], 1)[0].id, unheard=True)
        (finding,) = (one for one in check_receiver(settings, NOW) if one.severity is Severity.WARNING)
        assert "1 webhook without starting an execution" in finding.says
        later = check_receiver(settings, NOW + timedelta(days=2))
        assert all("without starting" not in one.says for one in later)
