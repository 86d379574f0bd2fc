"""The server on a real socket: starting, concurrent requests while a sync writes, stopping."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from tests.integration.web.conftest import Open, settings_of
from tests.support.patience import PATIENCE_SECONDS

from ticktrail.errors import ConfigurationError
from ticktrail.messages.model import StatusEvent
from ticktrail.stores.opening import open_configured_store
from ticktrail.web.roles import access_for
from ticktrail.web.server import Server, build_app, listen, serve

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


def statuses(batch: int) -> list[StatusEvent]:
    """100 new messages for each batch."""
    return [
        StatusEvent(
            message_id=f"wamid.{batch:04}{number:03}",
            status="sent",
            timestamp=1_795_355_171 + batch,
            execution_id=str(batch),
            conversation_id="966500000001",
        )
        for number in range(100)
    ]


def test_concurrent_requests_while_a_sync_writes(tmp_path: Path) -> None:
    """Concurrent readers get complete answers and no error while another connection writes."""
    settings = settings_of(tmp_path, TICKTRAIL_STORE=str(tmp_path / "ledger.db"))
    app = build_app(settings, access=access_for(settings, "127.0.0.1"))
    listening = listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    written = threading.Event()

    def write() -> None:
        with open_configured_store(settings) as store:
            for batch in range(20):
                store.write(statuses(batch), at=NOW)
        written.set()

    def read(_: int) -> set[int]:
        answers = set()
        with httpx2.Client(base_url=address, trust_env=False, timeout=PATIENCE_SECONDS) as client:
            while True:
                last = written.is_set()
                answer = client.get("/api/v1/stats")
                assert answer.status_code == 200
                answers.add(answer.json()["totals"]["messages"])
                assert len(client.get("/api/v1/messages", params={"limit": 50}).json()["messages"]) in {0, 50}
                if last:
                    return answers

    with Server(app, listening), ThreadPoolExecutor(5) as pool:
        writing = pool.submit(write)
        seen = list(pool.map(read, range(4)))
        writing.result()
    for answers in seen:
        assert 2_000 in answers
        assert all(count % 100 == 0 for count in answers)


def test_a_server_stops_when_it_is_told(tmp_path: Path) -> None:
    """When stop is set, it accepts no more requests and the port is free again."""
    settings = settings_of(tmp_path, TICKTRAIL_STORE=str(tmp_path / "ledger.db"))
    app = build_app(settings, access=access_for(settings, "127.0.0.1"))
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(app, listening), kwargs={"stop": stop})
    thread.start()
    answer = httpx2.get(f"http://127.0.0.1:{port}/healthz", trust_env=False, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 200
    stop.set()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_large_head_is_refused(tmp_path: Path) -> None:
    """Headers of 100 kB are a 4xx."""
    settings = settings_of(tmp_path, TICKTRAIL_STORE=str(tmp_path / "ledger.db"))
    app = build_app(settings, access=access_for(settings, "127.0.0.1"))
    listening = listen("127.0.0.1", 0)
    with Server(app, listening):
        answer = httpx2.get(
            f"http://127.0.0.1:{listening.getsockname()[1]}/healthz", headers={"X-A": "x" * 100_000}, trust_env=False
        )
    assert 400 <= answer.status_code < 500


def test_a_port_in_use_is_reported() -> None:
    """The error names the port and suggests another."""
    with (
        listen("127.0.0.1", 0) as taken,
        pytest.raises(ConfigurationError, match=str(taken.getsockname()[1])) as caught,
    ):
        listen("127.0.0.1", taken.getsockname()[1])
    assert "--port" in caught.value.remedy


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1", "x" * 300])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    """An address that this machine does not have is an error."""
    with pytest.raises(ConfigurationError):
        listen(host, 0)


def test_a_full_queue_is_a_503(open_dashboard: Open, recorded: Path) -> None:
    """When the query queue is full, the API answers 503 with Retry-After, and the server is not ready."""
    client = open_dashboard(TICKTRAIL_STORE=str(recorded))
    client.app.state.store_pool._max_waiting = 0
    answer, ready = client.get("/api/v1/health"), client.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Too many" in answer.json()["detail"]
    assert ready.json() == {"ready": False, "reason": "too many requests are waiting"}


def test_a_deleted_store_file_is_a_503(open_dashboard: Open, recorded: Path, tmp_path: Path) -> None:
    """A store file that vanishes while the server runs is an error of the API and the probe, not an empty store."""
    path = tmp_path / "copy.db"
    path.write_bytes(recorded.read_bytes())
    client = open_dashboard(TICKTRAIL_STORE=str(path))
    assert client.get("/api/v1/stats").json()["totals"]["messages"] > 0
    path.unlink()
    answer = client.get("/api/v1/stats")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "deleted" in answer.json()["detail"]
    assert client.get("/metrics").status_code == 503
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["reason"]) == (503, "the store file is missing")


def test_metrics_are_read_once_for_many(open_dashboard: Open, recorded: Path) -> None:
    """Twenty scrapes at once read the store once: its state, the counts, and the counts by number."""
    client = open_dashboard(TICKTRAIL_STORE=str(recorded))
    client.get("/healthz")
    asked: list[int] = []
    pool = client.app.state.store_pool
    ask = pool.ask
    pool.ask = lambda question: (asked.append(1), ask(question))[1]
    with ThreadPoolExecutor(20) as pool:
        texts = set(pool.map(lambda _: client.get("/metrics").text, range(20)))
    assert len(texts) == 1
    assert len(asked) <= 3
