"""The dashboard on a real socket: started, asked by many at once while a sync writes, stopped."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx2
import pytest
from tests.integration.web.conftest import Open, settings_of

from ticktrail.errors import ConfigurationError, StoreRefusedError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_configured_store
from ticktrail.stores.sqlite.store import SqliteStore
from ticktrail.web.roles import access_for
from ticktrail.web.server import Server, build_app, listen, serve
from ticktrail.web.store_pool import BusyError, StorePool

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)


def statuses(batch: int) -> list[StatusEvent]:
    """A hundred messages of their own for each batch."""
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


def test_many_ask_while_a_sync_writes(tmp_path: Path) -> None:
    """Readers at once on a real socket get whole answers, never an error, while another connection writes."""
    settings = settings_of(tmp_path, TICKTRAIL_STORE=str(tmp_path / "ledger.db"))
    app = build_app(settings, access=access_for(settings, "127.0.0.1"), pages=False)
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
        with httpx2.Client(base_url=address, trust_env=False) as client:
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
    """Once stop is set it takes no more requests, its threads end, and the port is free again."""
    settings = settings_of(tmp_path, TICKTRAIL_STORE=str(tmp_path / "ledger.db"))
    app = build_app(settings, access=access_for(settings, "127.0.0.1"), pages=False)
    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(app, listening), kwargs={"stop": stop})
    thread.start()
    assert httpx2.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert not [one for one in threading.enumerate() if one in app.state.ledgers._threads]
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_too_large_a_head_is_refused(tmp_path: Path) -> None:
    """Headers of a hundred kilobytes are a 4xx, before anything of ours looks at them."""
    settings = settings_of(tmp_path, TICKTRAIL_STORE=str(tmp_path / "ledger.db"))
    app = build_app(settings, access=access_for(settings, "127.0.0.1"), pages=False)
    listening = listen("127.0.0.1", 0)
    with Server(app, listening):
        answer = httpx2.get(
            f"http://127.0.0.1:{listening.getsockname()[1]}/healthz", headers={"X-A": "x" * 100_000}, trust_env=False
        )
    assert 400 <= answer.status_code < 500


def test_a_taken_port_is_named() -> None:
    """A port that something else listens on is said at once, with another to try."""
    with (
        listen("127.0.0.1", 0) as taken,
        pytest.raises(ConfigurationError, match=str(taken.getsockname()[1])) as caught,
    ):
        listen("127.0.0.1", taken.getsockname()[1])
    assert "--port" in caught.value.remedy


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1", "x" * 300])
def test_an_address_of_nobody_is_named(host: str) -> None:
    """An address that this machine does not have is said at once."""
    with pytest.raises(ConfigurationError):
        listen(host, 0)


# --- asking a store by itself


def test_each_thread_has_a_store_of_its_own(recorded: Path) -> None:
    """A store is opened, asked and closed in one thread; a thread keeps it from question to question."""
    settings = settings_of(recorded.parent, TICKTRAIL_STORE=str(recorded))
    opened: list[tuple[int, Store]] = []

    def open_one() -> Store:
        store = open_configured_store(settings)
        opened.append((threading.get_ident(), store))
        return store

    ledgers = StorePool(open_one, workers=2)
    futures = [ledgers.submit(lambda store: (threading.get_ident(), store.count(MessageFilter()))) for _ in range(40)]
    answers = [future.result() for future in futures]
    ledgers.close()
    assert {count for _, count in answers} == {400}
    assert len(opened) <= 2
    assert {thread for thread, _ in answers} == {thread for thread, _ in opened}


def test_a_crowd_is_told_to_come_back(open_dashboard: Open, recorded: Path) -> None:
    """When as many wait as may, the next is refused at once; in the dashboard with a 503 and Retry-After."""
    settings = settings_of(recorded.parent, TICKTRAIL_STORE=str(recorded))
    ledgers = StorePool(lambda: open_configured_store(settings), workers=1, most_waiting=2)
    go, begun = threading.Event(), threading.Event()
    held = ledgers.submit(lambda _: (begun.set(), go.wait(10)))
    begun.wait(10)
    waiting = [ledgers.submit(lambda store: store.location) for _ in range(2)]
    with pytest.raises(BusyError):
        ledgers.submit(lambda store: store.location)
    go.set()
    held.result(10)
    assert [future.result(10) for future in waiting] == [str(recorded)] * 2
    ledgers.close()
    client = open_dashboard(TICKTRAIL_STORE=str(recorded))
    client.app.state.ledgers._tasks.maxsize = -1  # type: ignore[attr-defined]
    client.app.state.ledgers._tasks.put_nowait = _full  # type: ignore[attr-defined]
    answer, ready = client.get("/api/v1/health"), client.get("/readyz")
    del client.app.state.ledgers._tasks.put_nowait  # type: ignore[attr-defined]
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "Too many" in answer.json()["detail"]
    assert ready.json() == {"ready": False, "reason": "too many questions are waiting"}


def _full(_: object) -> None:
    import queue  # noqa: PLC0415 - here only

    raise queue.Full


def test_a_store_that_cannot_even_be_closed_costs_one_question(recorded: Path) -> None:
    """Whoever asked is told, and the thread answers the next from a store that was opened anew."""
    opened: list[Store] = []

    class Stubborn(SqliteStore):
        def close(self) -> None:
            super().close()
            if len(opened) == 1:
                raise OSError("the disk is gone")

    def open_one() -> Store:
        opened.append(Stubborn(str(recorded), StoreOptions(timezone=ZoneInfo("UTC"))))
        return opened[-1]

    def fail(_: Store) -> None:
        raise StoreRefusedError("no", remedy="none")

    ledgers = StorePool(open_one, workers=1)
    with pytest.raises(StoreRefusedError):
        ledgers.submit(fail).result(10)
    assert ledgers.submit(lambda store: store.count(MessageFilter())).result(10) == 400
    assert len(opened) == 2
    ledgers.close()


def test_a_file_put_in_anothers_place_is_seen(tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store is opened anew after a while, and at once after it failed: a restored backup needs no restart."""
    path = tmp_path / "ledger.db"
    path.write_bytes(b"something else entirely, and long enough for a header" * 100)
    settings = settings_of(tmp_path, TICKTRAIL_STORE=str(path))
    ledgers = StorePool(lambda: open_configured_store(settings), workers=1)
    with pytest.raises(StoreRefusedError):
        ledgers.submit(lambda store: store.count(MessageFilter())).result(10)
    path.unlink()
    path.write_bytes(recorded.read_bytes())
    assert ledgers.submit(lambda store: store.count(MessageFilter())).result(10) == 400
    monkeypatch.setattr("ticktrail.web.store_pool.RENEW_SECONDS", 0.0)
    time.sleep(0.01)
    path.unlink()
    assert ledgers.submit(lambda store: store.count(MessageFilter())).result(10) == 0
    ledgers.close()


def test_an_answer_is_made_once_for_many(open_dashboard: Open, recorded: Path) -> None:
    """Twenty who ask for metrics at once cost the store one question: the numbers'; the rest was read at the start."""
    client = open_dashboard(TICKTRAIL_STORE=str(recorded))
    client.get("/healthz")
    asked: list[int] = []
    ledgers = client.app.state.ledgers  # type: ignore[attr-defined]
    submit = ledgers.submit
    ledgers.submit = lambda question: (asked.append(1), submit(question))[1]
    with ThreadPoolExecutor(20) as pool:
        texts = set(pool.map(lambda _: client.get("/metrics").text, range(20)))
    assert (len(texts), len(asked)) == (1, 1)
