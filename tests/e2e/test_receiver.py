"""The direct receiver in front of a real n8n: the WhatsApp Trigger behind it, and restarts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.webhooks import envelope, message_value, signature, status_value

from ticktrail.health.checks import Severity
from ticktrail.health.receiver_check import check_receiver
from ticktrail.health.workflow_checks import whatsapp_triggers
from ticktrail.messages.filters import MessageFilter
from ticktrail.receiver import forwarding
from ticktrail.receiver.service import Receiver
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.sources.n8n_api.api import N8nApi
from ticktrail.stores import Store
from ticktrail.stores.journal import read_state
from ticktrail.stores.opening import open_configured_store

from . import webhook_bodies, workflows
from .n8n_lab import N8n
from .n8n_process import free_port

pytestmark = pytest.mark.e2e


@contextmanager
def receiving(settings: Settings, path: str) -> Iterator[Callable[[bytes], int]]:
    """A receiver that runs; yields what posts a signed body to it."""
    listening = socket.create_server((settings.receiver.host, settings.receiver.port))
    (secret,) = (one.reveal() for one in settings.receiver.app_secrets)

    def post(body: bytes) -> int:
        headers = {"content-type": "application/json", "x-hub-signature-256": signature(body, secret)}
        return httpx2.post(
            f"{address(settings)}/webhook/{path}", content=body, headers=headers, timeout=PATIENCE_SECONDS
        ).status_code

    with Receiver(settings, listening, open_store=lambda: open_configured_store(settings)):
        yield post


def address(settings: Settings) -> str:
    """The URL of the receiver."""
    return f"http://{settings.receiver.host}:{settings.receiver.port}"


def settings_in_front_of(n8n: N8n, folder: Path, **more: str) -> Settings:
    """The receiver's settings for this n8n."""
    environment = {
        "WHATSAPP_APP_SECRET": n8n.client_secret,
        "TICKTRAIL_FORWARD_URL": n8n.base_url,
        "TICKTRAIL_RECEIVE_PORT": str(free_port()),
        "TICKTRAIL_STORE": str(folder / "store.sqlite"),
        **more,
    }
    return load_settings({}, environment, folder)


def message_ids(store: Store) -> set[str]:
    """Ids of every stored message."""
    return {message.message_id for message in store.messages(MessageFilter())} if store.exists() else set()


def test_the_trigger_behind_the_receiver_gets_messages_and_no_statuses(n8n: N8n, tmp_path: Path) -> None:
    """n8n's own signature check passes for a forwarded message; a status starts no execution and is stored."""
    trigger = n8n.installed(workflows.whatsapp_trigger())
    before = n8n.newest_execution_id(trigger.id)
    settings = settings_in_front_of(n8n, tmp_path)
    status = webhook_bodies.status("sent")
    with receiving(settings, trigger.workflow.path) as post, open_configured_store(settings) as store:
        assert post(envelope(status_value(status))) == 200
        wait_until(lambda: status["id"] in message_ids(store), "the status to be stored")
        assert post(envelope(message_value("hello"))) == 200
        execution_id = n8n.execution_after(trigger.id, before)
        # A message that the receiver considers undelivered would start another execution.
        wait_until(lambda: waiting_webhooks(settings) == 0, "an empty journal")
    data = n8n.execution(execution_id)
    assert "hello" in str(data["data"])
    assert n8n.listed_ids(trigger.id)[0] == execution_id
    assert sum(number > before for number in n8n.listed_ids(trigger.id)) == 1


def test_metas_subscription_check_passes_through(n8n: N8n, tmp_path: Path) -> None:
    """n8n's trigger answers Meta through the receiver, and ``doctor`` finds its path and token in the workflow."""
    trigger = n8n.installed(workflows.whatsapp_trigger())
    environment = {"N8N_BASE_URL": n8n.base_url, "N8N_API_KEY": n8n.api_key, "WORKFLOW_ID_WHATSAPP": trigger.id}
    settings = settings_in_front_of(n8n, tmp_path, **environment)
    with N8nApi(settings.n8n, trigger.id) as api:
        (found,) = whatsapp_triggers(api.workflow(), trigger.id)
    assert found.path == f"/webhook/{trigger.workflow.path}"
    with receiving(settings, trigger.workflow.path):
        parameters = {"hub.mode": "subscribe", "hub.challenge": "4711", "hub.verify_token": found.node_id}
        assert (
            httpx2.get(f"{address(settings)}{found.path}", params=parameters, timeout=PATIENCE_SECONDS).text == "4711"
        )
        wrong = {**parameters, "hub.verify_token": trigger.id}
        assert httpx2.get(f"{address(settings)}{found.path}", params=wrong, timeout=PATIENCE_SECONDS).status_code == 403
        severities = {finding.name: finding.severity for finding in check_receiver(settings, datetime.now(UTC))}
    assert (severities["verification"], severities["forwarding"], severities["receiver"]) == (Severity.OK,) * 3


def test_nothing_is_lost_while_n8n_is_down(n8n: N8n, tmp_path: Path) -> None:
    """A message that came while n8n was down starts an execution when n8n is back."""
    trigger = n8n.installed(workflows.whatsapp_trigger())
    settings = settings_in_front_of(n8n, tmp_path)
    with receiving(settings, trigger.workflow.path) as post:
        n8n.stop()
        assert post(envelope(message_value("while n8n was down"))) == 200
        n8n.start()
        wait_until(
            lambda: "while n8n was down" in str(n8n.executions(include_data=True, workflowId=trigger.id)),
            "the message to start an execution",
        )


def test_an_upgrade_of_n8n_loses_nothing(n8n: N8n, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While n8n is down, migrates its database and starts, every status is stored and every message reaches n8n.

    n8n starts with an empty database, so that all its migrations run. Meanwhile it answers 200
    to webhooks sent to it directly, and drops them.
    """
    monkeypatch.setattr(forwarding, "_LONGEST_WAIT_SECONDS", 1.0)
    trigger = n8n.installed(workflows.whatsapp_trigger())
    settings = settings_in_front_of(n8n, tmp_path)
    statuses: list[str] = []
    messages: list[str] = []
    dropped: list[str] = []

    def send(number: int) -> None:
        status = webhook_bodies.status("sent")
        assert post(envelope(status_value(status))) == 200
        statuses.append(status["id"])
        if number % 4 == 0:
            text = f"message {number} of the upgrade"
            assert post(envelope(message_value(text, f"20000000000000{number % 4}"))) == 200
            messages.append(text)

    def send_to_n8n(number: int) -> None:
        if dropped:
            return
        body = envelope(message_value(f"sent to n8n itself, {number}"))
        headers = {"content-type": "application/json", "x-hub-signature-256": signature(body, n8n.client_secret)}
        with suppress(httpx2.HTTPError):
            path = f"/webhook/{trigger.workflow.path}"
            answer = httpx2.post(f"{n8n.base_url}{path}", content=body, headers=headers, timeout=PATIENCE_SECONDS)
            if answer.status_code == 200 and "starting up" in answer.text:
                dropped.append(answer.text)

    def taken() -> list[str]:
        found = [str(one) for one in n8n.executions(include_data=True, workflowId=trigger.id, limit=250)["data"]]
        return [text for text in messages for one in found if f"'{text}'" in one]

    with receiving(settings, trigger.workflow.path) as post:
        n8n.stop()
        with repeating(send, every=0.2), repeating(send_to_n8n, every=0.02):
            n8n.rebuild()
        wait_until(lambda: waiting_webhooks(settings) == 0, "an empty journal")
        wait_until(lambda: taken() == messages, "every message to be executed", every=1)
    assert dropped, "n8n did not migrate, so this test proved nothing"
    assert len(messages) > 10
    with open_configured_store(settings) as store:
        assert {name: len(found.history) for name, found in store.get(statuses).items()} == dict.fromkeys(statuses, 1)


def waiting_webhooks(settings: Settings) -> int | None:
    """Number of webhooks in the receiver's journal."""
    state = read_state(settings.receiver.journal)
    return None if state is None else state.to_store + state.to_forward


@contextmanager
def repeating(act: Callable[[int], None], *, every: float) -> Iterator[None]:
    """Call ``act`` with 0, 1, 2, … in a thread until the block ends; then raise the error of the thread."""
    stop = threading.Event()

    def repeat() -> None:
        number = 0
        while not stop.wait(every):
            act(number)
            number += 1

    with ThreadPoolExecutor(1) as pool:
        repeated = pool.submit(repeat)
        try:
            yield
        finally:
            stop.set()
        repeated.result()
