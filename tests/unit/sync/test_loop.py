"""Keeping at it: the pace, outages without noise, a clean end; the prefetching thread; leases' holders."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from tests.support.faulty_server import Answer, FaultyServer
from tests.support.patience import PATIENCE_SECONDS, wait_until

from ticktrail.errors import ConfigurationError, SourceRefusedError, SourceUnavailableError, StoreReplacedError
from ticktrail.settings.secret import Secret
from ticktrail.sync.heartbeat import beat
from ticktrail.sync.lease_owner import is_gone, new_holder
from ticktrail.sync.loop import watch
from ticktrail.sync.prefetch import ahead


class Cycles:
    """A thing to do again and again: ``outcomes`` one after the other, then stop."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.stop = threading.Event()
        self.said: list[str] = []
        self.count = 0
        self._outcomes = list(outcomes)

    def __call__(self) -> None:
        """One cycle."""
        outcome = self._outcomes.pop(0)
        self.count += 1
        if not self._outcomes:
            self.stop.set()
        if outcome is not None:
            raise outcome

    def run(self, interval: float = 0.001) -> None:
        """Watch until the outcomes are used up."""
        watch(self, interval=interval, stop=self.stop, say=self.said.append, warn=self.said.append)


def test_an_outage_is_said_once_and_so_is_its_end() -> None:
    """However many cycles fail, and for whatever reasons: one message, one promise, one all-clear."""
    away, refused = SourceUnavailableError("n8n is away.", remedy="Wait."), SourceRefusedError("n8n refused the key.")
    cycles = Cycles(None, away, away, refused, away, None, None)
    cycles.run()
    assert cycles.count == 7
    assert cycles.said[:2] == ["n8n is away. Wait.", "Trying again until it works; everything read so far is stored."]
    assert [line for line in cycles.said[2:] if not line.startswith("It works again, after ")] == []
    assert len(cycles.said) == 3


def test_pauses_grow_while_something_is_away() -> None:
    """The second failure waits about twice as long as the first."""
    cycles = Cycles(*[SourceUnavailableError("away")] * 4, None)
    began = time.monotonic()
    cycles.run(interval=0.02)
    assert time.monotonic() - began >= 0.9 * 0.02 * (2 + 4 + 8 + 16)


def test_after_a_replaced_store_the_next_cycle_follows_at_once() -> None:
    """It opens the new file; if that fails too, pauses grow as ever."""
    cycles = Cycles(StoreReplacedError("The store file was deleted."), None)
    began = time.monotonic()
    cycles.run(interval=3_600)
    assert (cycles.count, time.monotonic() - began < PATIENCE_SECONDS) == (2, True)
    assert cycles.said[0] == "The store file was deleted."


def test_settings_that_are_wrong_end_a_watch() -> None:
    """A watch does not retry wrong settings, because waiting does not fix them."""
    cycles = Cycles(None, ConfigurationError("N8N_BASE_URL is not set."), None)
    with pytest.raises(ConfigurationError):
        cycles.run()
    assert cycles.count == 2


def test_a_watch_ends_at_once_when_asked_to_between_cycles() -> None:
    """An hour's pause does not keep a service from stopping."""
    cycles = Cycles(None, None)
    threading.Timer(0.1, cycles.stop.set).start()
    began = time.monotonic()
    cycles.run(interval=3_600)
    assert (cycles.count, time.monotonic() - began < PATIENCE_SECONDS) == (1, True)


# ── The prefetching thread ──────────────────────────────────────────────────────────────────────────────────────────


def test_one_item_is_made_while_the_last_one_is_worked_on() -> None:
    """Never more than one ahead, in order, and all of them."""
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(5):
            made.append(number)
            yield number

    received = []
    for number in ahead(items()):
        wait_until(lambda number=number: len(made) >= min(number + 2, 5))  # type: ignore[misc]
        time.sleep(0.01)  # in which another one could be made
        received.append((number, len(made)))
    assert received == [(0, 2), (1, 3), (2, 4), (3, 5), (4, 5)]


def test_an_error_comes_where_its_item_would_have_come() -> None:
    """After the items before it, as it was raised."""

    def items() -> Iterator[int]:
        yield 1
        raise SourceUnavailableError("away")

    coming = ahead(items())
    assert next(coming) == 1
    with pytest.raises(SourceUnavailableError, match="away"):
        next(coming)


def test_it_does_not_wait_for_an_item_that_is_no_longer_wanted() -> None:
    """A request that hangs does not keep a stopping process waiting."""
    hanging = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        hanging.wait(PATIENCE_SECONDS)
        yield 2

    stop = threading.Event()
    received = ahead(items(), should_stop=stop.is_set)
    assert next(received) == 1
    stop.set()
    assert next(received, None) is None
    hanging.set()


# ── Leases' holders ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_holder_is_gone_when_its_process_is() -> None:
    """Known on the same machine; a live process, another machine's and a strange name are never called gone."""
    ended = subprocess.run(
        [sys.executable, "-c", "from ticktrail.sync.lease_owner import new_holder; print(new_holder())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert is_gone(ended) is (sys.platform != "win32")
    assert [
        is_gone(name)
        for name in (new_holder(), ended.replace("/", "-elsewhere/", 1), "", "a/b", f"{os.getpid()}", "x/y/z/w")
    ] == [False] * 6
    assert new_holder() != new_holder()


# ── The heartbeat ───────────────────────────────────────────────────────────────────────────────────────────────────


class Monitor(FaultyServer):
    """Something that listens for heartbeats."""

    def respond(self, request: object) -> Answer:
        """Fine."""
        del request
        return 200, b"OK", {}


def test_a_heartbeat_is_one_request_and_its_errors_hide_the_secret() -> None:
    """A monitor that answers badly, or not at all, is named by what may be shown of its address."""
    with Monitor() as monitor:
        url = Secret(f"{monitor.address}/ping/secret-check", shown="http://127.0.0.1/…")
        assert beat(url) is None
        assert [request.path for request in monitor.requests] == ["/ping/secret-check"]
        monitor.answer(404)
        refused = beat(url)
    silent = beat(url)
    for problem in (refused, silent):
        assert problem is not None
        assert "http://127.0.0.1/…" in problem
        assert "secret-check" not in problem
    assert refused is not None
    assert "404" in refused
