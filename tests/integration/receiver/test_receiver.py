"""The receiver as Meta and n8n see it: over real sockets, with a fake n8n behind it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.faulty_server import Answer, FaultyServer, Request
from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.webhooks import APP_SECRET, METADATA, envelope, message_value, signature, status, status_value

from ticktrail.errors import StoreReplacedError, StoreUnavailableError
from ticktrail.receiver.forwarding import GIVE_UP_SECONDS
from ticktrail.receiver.service import Receiver
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.journal import DONE, WAITING, Journal, Webhook
from ticktrail.stores.opening import open_configured_store

PATH = "/webhook/0b1c/webhook"


class FakeN8n(FaultyServer):
    """Accepts webhooks as n8n does."""

    def respond(self, request: Request) -> Answer:  # noqa: ARG002 - every request is accepted
        """Answer as the WhatsApp Trigger of n8n 2.41 does."""
        return 200, b"firstEntryJson", {"content-type": "text/html; charset=utf-8"}

    def bodies(self) -> list[bytes]:
        """Every body that was posted, in order."""
        return [request.body for request in self.requests if request.body]


@pytest.fixture
def n8n() -> Iterator[FakeN8n]:
    """A fake n8n that listens."""
    with FakeN8n() as server:
        yield server


def settings_of(folder: Path, forward_url: str | None, **more: str) -> Settings:
    """Settings of a receiver whose files are in this folder."""
    environment = {
        "WHATSAPP_APP_SECRET": APP_SECRET,
        "TICKTRAIL_STORE": str(folder / "store.sqlite"),
        **({"TICKTRAIL_FORWARD_URL": forward_url} if forward_url else {}),
        **more,
    }
    return load_settings({}, environment, folder)


@contextmanager
def receiving(
    settings: Settings, open_store: Callable[[Settings], Store] = open_configured_store
) -> Iterator[httpx2.Client]:
    """A receiver that runs, and a client of it."""
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    receiver = Receiver(settings, listening, open_store=lambda: open_store(settings))
    with receiver, httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS) as client:
        yield client


def post(client: httpx2.Client, body: bytes, signed: str | None = None) -> int:
    """Send a webhook as Meta does; returns the status of the answer."""
    headers = {"content-type": "application/json", "x-hub-signature-256": signed or signature(body)}
    return client.post(PATH, content=body, headers=headers).status_code


def stored_statuses(settings: Settings, message_id: str) -> list[tuple[str, str]]:
    """Status and execution id of each history entry of a message."""
    with open_configured_store(settings) as store:
        found = store.get([message_id]) if store.exists() else {}
    return [(entry.status, entry.execution_id) for entry in found[message_id].history] if message_id in found else []


def test_statuses_are_stored_and_not_forwarded(tmp_path: Path, n8n: FakeN8n) -> None:
    """A webhook with statuses alone reaches the store and starts no execution in n8n."""
    settings = settings_of(tmp_path, n8n.address)
    with receiving(settings) as client:
        assert post(client, envelope(status_value(status("wamid.A")))) == 200
        wait_until(lambda: stored_statuses(settings, "wamid.A") == [("sent", "webhook")])
    assert n8n.bodies() == []


def test_messages_go_on_to_n8n_with_the_same_bytes_and_headers(tmp_path: Path, n8n: FakeN8n) -> None:
    """n8n gets path, body, content type and signature as Meta sent them, so its own signature check passes."""
    body = envelope(message_value("مرحبا \\u00e9"))
    with receiving(settings_of(tmp_path, n8n.address)) as client:
        assert post(client, body) == 200
        wait_until(lambda: len(n8n.bodies()) == 1)
    (request,) = n8n.requests
    assert (request.path, request.body) == (PATH, body)
    assert request.headers["x-hub-signature-256"] == signature(body)
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("forward", "count"), [("all", 2), ("messages", 1), ("none", 0)])
def test_the_setting_decides_what_goes_on(tmp_path: Path, n8n: FakeN8n, forward: str, count: int) -> None:
    """TICKTRAIL_FORWARD passes everything on, all but statuses, or nothing; statuses are stored in each case."""
    settings = settings_of(tmp_path, n8n.address, TICKTRAIL_FORWARD=forward)
    with receiving(settings) as client:
        assert post(client, envelope(message_value())) == 200
        assert post(client, envelope(status_value(status("wamid.A")))) == 200
        wait_until(lambda: stored_statuses(settings, "wamid.A") != [] and len(n8n.bodies()) == count)


def test_a_wrong_signature_is_refused_and_counted(tmp_path: Path, n8n: FakeN8n) -> None:
    """401, nothing stored or forwarded, and the count is in the metrics."""
    settings = settings_of(tmp_path, n8n.address)
    with receiving(settings) as client:
        assert post(client, envelope(status_value(status("wamid.A"))), signature(b"other")) == 401
        wait_until(lambda: "ticktrail_receiver_wrong_signature_total 1.0" in client.get("/metrics").text)
        assert "ticktrail_receiver_received_total 0.0" in client.get("/metrics").text


@pytest.mark.parametrize(
    ("code", "body", "content_type"),
    [
        (404, b'{"message": "not registered"}', "application/json"),
        (200, b"n8n is starting up. Please wait", "text/html"),
        (503, b"", "text/plain"),
    ],
    ids=["not registered", "starting up", "unavailable"],
)
def test_a_webhook_is_tried_again_in_order(
    tmp_path: Path, n8n: FakeN8n, code: int, body: bytes, content_type: str
) -> None:
    """While n8n does not take a number's webhook, later ones of that number wait; other numbers go on."""
    n8n.answer(code, body, {"content-type": content_type}, times=2, when=lambda request: b'"first' in request.body)
    first, second, other = (
        envelope(message_value("first")),
        envelope(message_value("second")),
        envelope(message_value("other", number="200000000000002")),
    )
    with receiving(settings_of(tmp_path, n8n.address)) as client:
        for webhook in (first, second, other):
            assert post(client, webhook) == 200
        wait_until(lambda: second in n8n.bodies())
    delivered = n8n.bodies()
    assert delivered.index(second) > max(place for place, sent in enumerate(delivered) if sent == first)
    assert delivered.count(first) == 3
    assert delivered.index(other) < delivered.index(second)


def test_n8n_that_starts_no_execution_is_counted(tmp_path: Path, n8n: FakeN8n) -> None:
    """The answer *Webhook call received* is final, and counted: the trigger's secret or filter is wrong."""
    n8n.answer(200, {"message": "Webhook call received"}, {"content-type": "application/json"})
    with receiving(settings_of(tmp_path, n8n.address)) as client:
        assert post(client, envelope(message_value())) == 200
        wait_until(lambda: "ticktrail_receiver_unheard_total 1.0" in client.get("/metrics").text)


def test_verification_is_answered_by_n8n_or_with_the_token(tmp_path: Path, n8n: FakeN8n) -> None:
    """Meta's subscription check passes through to n8n; with WHATSAPP_VERIFY_TOKEN the receiver answers itself.

    The receiver returns only the challenge of n8n's answer, so the check does not expose n8n's other paths.
    """
    n8n.answer(
        200, b"4711", {"content-type": "text/plain"}, times=None, when=lambda request: "hub.mode" in request.query
    )
    token = {"WHATSAPP_VERIFY_TOKEN": "a-verify-token"}
    parameters = {"hub.mode": "subscribe", "hub.challenge": "4711", "hub.verify_token": "a-verify-token"}
    with receiving(settings_of(tmp_path, n8n.address)) as client:
        assert client.get(PATH, params=parameters).text == "4711"
        refused = client.get("/metrics-of-n8n", params={**parameters, "hub.challenge": "4712"})
        assert (refused.status_code, "4711" in refused.text) == (403, False)
        assert client.get(PATH, params={"hub.mode": "subscribe"}).status_code == 403
    assert [request.query["hub.challenge"] for request in n8n.requests] == ["4711", "4712"]
    with receiving(settings_of(tmp_path, None, **token)) as client:
        assert client.get(PATH, params=parameters).text == "4711"
        assert client.get(PATH, params={**parameters, "hub.verify_token": "wrong"}).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/", 404), ("PUT", PATH, 404), ("GET", "/healthz", 200), ("GET", "/readyz", 200), ("POST", PATH, 401)],
)
def test_other_requests(tmp_path: Path, method: str, path: str, code: int) -> None:
    """Only webhooks, verification and probes are answered."""
    with receiving(settings_of(tmp_path, None)) as client:
        assert client.request(method, path).status_code == code


def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """More than 8 MB is 413, and is not kept in memory whole."""
    with receiving(settings_of(tmp_path, None)) as client:
        assert post(client, b" " * (8 * 1024 * 1024 + 1)) == 413


def test_a_journal_that_cannot_be_written_is_a_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meta is told to try again, and tries for days; nothing is acknowledged that is not on disk."""

    def full(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("The disk is full.")

    with receiving(settings_of(tmp_path, None)) as client:
        monkeypatch.setattr(Journal, "append", full)
        body = envelope(status_value(status("wamid.A")))
        answer = client.post(PATH, content=body, headers={"x-hub-signature-256": signature(body)})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        monkeypatch.undo()
        assert post(client, body) == 200


def test_a_receiver_whose_journal_was_deleted_stops(tmp_path: Path) -> None:
    """It acknowledges nothing more, says why, and ends, so that whatever keeps it running starts it on a new file."""
    settings, ended = settings_of(tmp_path, None), threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(settings, listening, open_store=lambda: open_configured_store(settings), ended=ended)
    with (
        receiver,
        httpx2.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=PATIENCE_SECONDS) as client,
    ):
        assert post(client, envelope(status_value(status("wamid.A")))) == 200
        settings.receiver.journal.unlink()
        assert post(client, envelope(status_value(status("wamid.B")))) == 503
        assert ended.wait(PATIENCE_SECONDS)
        with pytest.raises(StoreReplacedError):
            receiver.refuse_dead()
    with receiving(settings) as client:
        assert post(client, envelope(status_value(status("wamid.B")))) == 200


def test_nothing_acknowledged_is_lost_when_it_is_killed(tmp_path: Path, n8n: FakeN8n) -> None:
    """After kill -9 under load and a restart, every status that was answered with 200 is in the store."""
    settings = settings_of(tmp_path, n8n.address)
    acknowledged: list[str] = []
    environment = {
        **os.environ,
        "WHATSAPP_APP_SECRET": APP_SECRET,
        "TICKTRAIL_STORE": str(tmp_path / "store.sqlite"),
        "TICKTRAIL_FORWARD_URL": n8n.address,
    }
    for round_number in range(3):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "ticktrail", "receive", "--port", str(port)], cwd=tmp_path, env=environment
        )
        try:
            _load(f"http://127.0.0.1:{port}", f"wamid.{round_number}", acknowledged)
        finally:
            process.kill()
            process.wait()
    assert len(acknowledged) > 20
    with receiving(settings):
        wait_until(lambda: all(stored_statuses(settings, name) == [("sent", "webhook")] for name in acknowledged[-5:]))
        with open_configured_store(settings) as store:
            wait_until(lambda: store.get(acknowledged).keys() == set(acknowledged))


def _load(address: str, prefix: str, acknowledged: list[str]) -> None:
    """Send webhooks from four threads until 40 were acknowledged, then return while others are under way."""
    enough = threading.Event()

    def send(sender: int) -> None:
        with httpx2.Client(base_url=address, timeout=PATIENCE_SECONDS) as client:
            for number in range(1_000):
                name = f"{prefix}.{sender}.{number}"
                try:
                    if post(client, envelope(status_value(status(name)))) == 200:
                        acknowledged.append(name)
                except httpx2.HTTPError:
                    time.sleep(0.05)
                if enough.is_set():
                    return
                if sum(one.startswith(prefix) for one in acknowledged) >= 40:
                    enough.set()

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(PATIENCE_SECONDS)


def test_what_the_journal_holds_is_shown_and_replayed(tmp_path: Path, n8n: FakeN8n) -> None:
    """``receive --status`` counts and lists, and ``--replay`` makes failed webhooks wait again."""
    settings = settings_of(tmp_path, n8n.address)
    n8n.answer(404, b"", times=None)
    with receiving(settings) as client:
        assert post(client, envelope(message_value())) == 200
        wait_until(lambda: "n8n answered 404" in _status(tmp_path, n8n)["reasons"])
    shown = _status(tmp_path, n8n)
    assert (shown["toStore"], shown["toForward"], shown["failed"]) == (0, 1, 0)
    assert shown["counts"]["received"] == 1


def _status(folder: Path, n8n: FakeN8n) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "ticktrail", "receive", "--status", "--format", "json"],
        cwd=folder,
        env={**os.environ, "TICKTRAIL_STORE": str(folder / "store.sqlite"), "TICKTRAIL_FORWARD_URL": n8n.address},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_webhook_is_given_up_after_seven_days_and_can_be_replayed(tmp_path: Path, n8n: FakeN8n) -> None:
    """It is counted and listed, later webhooks of its number go on, and after a replay n8n gets it unchanged."""
    settings = settings_of(tmp_path, n8n.address)
    old, new = envelope(message_value("old")), envelope(message_value("new"))
    n8n.answer(404, b"", times=None, when=lambda request: request.body == old)
    with Journal(settings.receiver.journal) as journal:
        journal.append([message_webhook(old, received_at=time.time() - GIVE_UP_SECONDS - 1)])
    with receiving(settings) as client:
        wait_until(lambda: "ticktrail_receiver_failed 1.0" in client.get("/metrics").text)
        assert post(client, new) == 200
        wait_until(lambda: n8n.bodies() == [old, new])
        (failed,) = _status(tmp_path, n8n)["failedWebhooks"]
        assert (failed["path"], failed["reason"], failed["attempts"]) == (PATH, "n8n answered 404", 1)
        n8n.heal()
        with Journal(settings.receiver.journal) as journal:
            assert journal.replay(time.time()) == 1
        wait_until(lambda: n8n.bodies() == [old, new, old])
        wait_until(lambda: "ticktrail_receiver_failed 0.0" in client.get("/metrics").text)


def test_a_mixed_webhook_is_forwarded_unchanged(tmp_path: Path, n8n: FakeN8n) -> None:
    """Its statuses are stored, and n8n gets the same bytes, statuses included."""
    body = envelope(status_value(status("wamid.A")), message_value())
    settings = settings_of(tmp_path, n8n.address)
    with receiving(settings) as client:
        assert post(client, body) == 200
        wait_until(lambda: stored_statuses(settings, "wamid.A") == [("sent", "webhook")])
        wait_until(lambda: n8n.bodies() == [body])


def test_an_odd_header_or_path_does_not_affect_other_webhooks(tmp_path: Path, n8n: FakeN8n) -> None:
    """Headers with any bytes are forwarded; a path that cannot be requested is retried on its own."""
    settings = settings_of(tmp_path, n8n.address)
    good = envelope(message_value("good"))
    with Journal(settings.receiver.journal) as journal:
        odd_path = message_webhook(envelope(message_value("odd path")), path="/webhook/\x00")
        odd_header = message_webhook(envelope(message_value("odd header")), content_type="application/json; a=\xe9")
        journal.append([odd_path, odd_header])
    with receiving(settings) as client:
        assert post(client, good) == 200
        wait_until(lambda: n8n.bodies() == [odd_header.body, good])
        wait_until(lambda: _status(tmp_path, n8n)["reasons"] != {})
        assert _status(tmp_path, n8n)["toForward"] == 1


def test_no_text_stays_while_the_receiver_runs(tmp_path: Path, n8n: FakeN8n) -> None:
    """Seconds after n8n has a message, the journal's files hold nothing of it, even while the store is away."""

    def away(_: Settings) -> Store:
        raise StoreUnavailableError("The store is away.")

    def left() -> bool:
        # Not the other files: closing them would release the locks that this process holds on them.
        files = [tmp_path / f"ticktrail-journal.sqlite{suffix}" for suffix in ("", "-wal")]
        return any(b"what a customer wrote" in file.read_bytes() for file in files)

    with receiving(settings_of(tmp_path, n8n.address), away) as client:
        n8n.stop()
        assert post(client, envelope(message_value("what a customer wrote"))) == 200
        assert left()
        assert post(client, envelope(status_value(status("wamid.A")))) == 200
        n8n.start()
        wait_until(lambda: len(n8n.bodies()) == 1 and not left())


def message_webhook(
    body: bytes, *, received_at: float | None = None, path: str = PATH, content_type: str = "application/json"
) -> Webhook:
    """A webhook with a message, as it waits in the journal."""
    return Webhook(
        received_at=received_at or time.time(),
        number=METADATA["phone_number_id"],
        path=path,
        content_type=content_type,
        signature=signature(body),
        body=body,
        storing=DONE,
        forwarding=WAITING,
    )
