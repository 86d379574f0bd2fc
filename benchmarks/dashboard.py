"""The dashboard over a million messages: its start, its first load, its figures while news come, a sync beside it.

``ticktrail serve`` runs for real, in a process of its own. Figures stand beside a plain scan of every message, a sync
beside the same one without open pages, in pairs that alternate.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.invented_messages import WORKFLOW

from benchmarks.measure import line, ratio, seconds
from benchmarks.million import million_messages
from benchmarks.served import (
    Serving,
    beside,
    fetch,
    memory_megabytes,
    processor_seconds,
    serving,
    serving_and_syncing,
    sync_seconds,
)
from benchmarks.syncing import n8n
from ticktrail.messages.filters import Grouping
from ticktrail.messages.model import StatusEvent
from ticktrail.queries.completeness import read_completeness
from ticktrail.queries.periods import period_of
from ticktrail.queries.statistics import compute_statistics, sparklines
from ticktrail.settings.loading import load_settings
from ticktrail.settings.user_file import UserFile
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store

_ZONE = ZoneInfo("Asia/Riyadh")
_LATER = 8
_GROUPS = tuple(f"template_{number}" for number in range(20))
_PAUSE_SECONDS = 0.4
_PAIRS = 5
_EXECUTIONS = 5_000
_PAGES = ("/?period=7d", "/?period=30d", "/messages", "/compare?period=30d", "/health")
_LOADS = 500
_STATS = {"7 days": "?since=7d", "30 days": "?since=30d", "everything": ""}
_LOOK = "SELECT SUM(latest_status = 'failed') FROM message NOT INDEXED"
"""Whatever a plain program would do to know something of every message."""

_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")


def run() -> None:
    """Measure it all."""
    made = million_messages()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "ledger.sqlite"
        shutil.copyfile(made, store)
        _turn_wal(store)
        with serving(store) as server:
            line("ticktrail serve, until it answers", f"{server.took:.2f} s; wanted: under 1 s")
            _tell_memory("  its memory, nobody looking", server)
            _measure_first_load(server)
            _measure_pages(server)
            _measure_answers(server, store)
            _measure_live_updates(server, store)
            _tell_memory("  its memory after that", server)
            _measure_sync(server, store)
        _measure_questions(store)


def _measure_first_load(server: Serving) -> None:
    with _browser() as browser:
        if browser is None:
            line("first load", "not measured: there is no browser")
            return
        for name in ("first load of /, in a browser", "  again, in a new browser"):
            taken, size, requests = _load(browser, server.address)
            line(name, f"{taken:.2f} s, {size / 1e3:.1f} kB in {requests} requests; wanted: at most 40 kB in 6")


def _measure_pages(server: Serving) -> None:
    """Pages whose queries are cached: what making one costs, how large it is, and what many leave in memory."""
    for path in _PAGES:
        size = len(_compressed(server.address + path))
        before, began = processor_seconds(server.process_id), time.perf_counter()
        for _ in range(_LATER * 4):
            _compressed(server.address + path)
        taken = (time.perf_counter() - began) / (_LATER * 4)
        used = ((processor_seconds(server.process_id) or 0.0) - (before or 0.0)) / (_LATER * 4)
        text = f"{size / 1e3:.1f} kB, {used * 1000:.0f} ms of processor, {taken * 1000:.0f} ms"
        line(f"page {path}, again", f"{text}; wanted: at most 12 kB, 25 ms")
    before = memory_megabytes(server.process_id) or 0.0
    for _ in range(_LOADS // 2):
        for path in _PAGES[:2]:
            _compressed(server.address + path)
    grown = (memory_megabytes(server.process_id) or 0.0) - before
    line(f"memory after {_LOADS} more pages", f"{grown:+.1f} MB; wanted: no growth")


def _compressed(address: str) -> bytes:
    """A page as it goes over the wire."""
    request = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})  # noqa: S310 - of this machine
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return bytes(answer.read())


def _measure_answers(server: Serving, store: Path) -> None:
    """The API and the pages, while new statuses are stored four times a second."""
    with beside("news", str(store)), contextlib.closing(sqlite3.connect(store)) as plain:
        scan = min(seconds(lambda: plain.execute(_LOOK).fetchone()) for _ in range(3))
        line("while news come: a plain scan of a million", f"{scan * 1000:,.0f} ms")
        for name, query in _STATS.items():
            address = f"{server.address}/api/v1/stats{query}"
            _tell(f"/api/v1/stats, {name}", [seconds(lambda at=address: fetch(at)) for _ in _paced()])  # type: ignore[misc]
        for path in _PAGES:
            _tell(f"page {path}", [seconds(lambda at=server.address + path: fetch(at)) for _ in _paced()])  # type: ignore[misc]


def _measure_live_updates(server: Serving, store: Path) -> None:
    """From when a message is stored until an open overview shows it."""
    figure = "document.querySelector('.kpi-value').textContent"
    with _browser() as browser, open_store(str(store), StoreOptions(timezone=_ZONE)) as opened:
        for path in _PAGES[:2] if browser else ():
            page = browser.new_page()
            page.goto(server.address + path)
            taken = []
            for number in range(_LATER):
                shown = page.evaluate(figure)
                now = datetime.now(UTC)
                event = StatusEvent(
                    message_id=f"wamid.LIVE{now.timestamp()}", status="sent", timestamp=int(now.timestamp()),
                    execution_id=str(number), workflow_id=WORKFLOW,
                )  # fmt: skip
                opened.write([event], at=now)
                changed = partial(page.wait_for_function, f"() => {figure} !== {shown!r}", timeout=120_000)
                taken.append(seconds(changed))
            page.close()
            text = f"{statistics.median(taken):.1f} s (at most {max(taken):.1f})"
            line(f"a message stored, until an open {path} counts it", f"{text}; wanted: at most 5 s")


def _measure_questions(store: Path) -> None:
    """Measure the queries of the pages, without a cache."""
    now = datetime.now(UTC)
    settings = load_settings({"TICKTRAIL_STORE": str(store)}, {}, store.parent)
    asked: dict[str, Callable[[Store], object]] = {
        "completeness": lambda opened: read_completeness(opened, settings, content=True),
    }
    for name in ("7d", "30d", "90d", "all"):
        period = period_of(name, now, _ZONE)
        asked[f"funnel of {name}"] = lambda opened, span=period: compute_statistics(  # type: ignore[misc]
            opened, settings, span.chosen, Grouping.DAY, user_file=UserFile(), now=now, compare=True
        )
    month = period_of("30d", now, _ZONE)
    for by in (Grouping.TEMPLATE, Grouping.NUMBER, Grouping.CAMPAIGN, Grouping.ERROR):
        asked[f"groups by {by} of 30d"] = lambda opened, by=by: compute_statistics(  # type: ignore[misc]
            opened, settings, month.chosen, by, user_file=UserFile(), now=now, limit=100, compare=True
        )
    asked["sparklines of 20 templates of 30d"] = lambda opened: sparklines(
        opened, month.chosen, Grouping.TEMPLATE, _GROUPS, user_file=UserFile(), now=now
    )
    options = StoreOptions(timezone=_ZONE)
    with contextlib.closing(sqlite3.connect(store)) as plain, open_store(str(store), options) as opened:
        for name, question in asked.items():
            ours, scan, times = ratio(
                lambda ask=question: ask(opened),  # type: ignore[misc]
                lambda: plain.execute(_LOOK).fetchone(),
                rounds=3,
            )
            line(f"question: {name}", f"{ours * 1000:,.0f} ms, {1 / times:.2f} x a plain scan ({scan * 1000:,.0f} ms)")


def _measure_sync(server: Serving, store: Path) -> None:
    """A sync of new executions alone, and with two tabs open that follow live updates."""
    with n8n(_EXECUTIONS) as (address, add):
        sync_seconds(address, store)
        _tell_pairs("a sync of {:,} executions beside it", server, add, lambda: sync_seconds(address, store))
        with serving_and_syncing(address, store) as (both, go):
            _tell_pairs("the same in one process, as in run", both, add, go)


def _tell_pairs(name: str, server: Serving, add: Callable[[int], None], syncing: Callable[[], float]) -> None:
    pairs, used = [], 0.0
    for turn in range(_PAIRS):
        taken: dict[bool, float] = {}
        # The second of a pair runs on a larger store, so the order alternates.
        for looking in (False, True) if turn % 2 else (True, False):
            add(_EXECUTIONS)
            with beside("look", server.address, _PAGES[0], _PAGES[1]) if looking else contextlib.nullcontext():
                before = processor_seconds(server.process_id) or 0.0
                taken[looking] = syncing()
                used += ((processor_seconds(server.process_id) or 0.0) - before) * (1 if looking else 0)
        pairs.append((taken[True], taken[False]))
    ratios = sorted(looked / alone for looked, alone in pairs)
    looked, alone = (statistics.median(times) for times in zip(*pairs, strict=True))
    line(
        name.format(_EXECUTIONS),
        f"{statistics.median(ratios):.2f} x the same with nobody looking ({looked:.2f} s and {alone:.2f} s; "
        f"{ratios[0]:.2f} to {ratios[-1]:.2f}); wanted: at most 1.05 x",
    )
    share = used / sum(looked for looked, _ in pairs)
    line("  what that process uses meanwhile", f"{share:.0%} of one processor" if used else "not told by this system")


def _tell(name: str, taken: list[float]) -> None:
    first, *later = (one * 1000 for one in taken)
    text = f"first {first:,.0f} ms, then {statistics.median(later):,.0f} ms (at most {max(later):,.0f})"
    line(name, f"{text}; wanted: under 300 ms after the first")


def _paced() -> Iterator[int]:
    """Turns with news in between."""
    for turn in range(_LATER + 1):
        yield turn
        time.sleep(_PAUSE_SECONDS)


def _tell_memory(name: str, server: Serving) -> None:
    memory = memory_megabytes(server.process_id)
    line(name, "not told by this system" if memory is None else f"{memory:.0f} MB")


def _turn_wal(store: Path) -> None:
    """Switch the file to WAL mode, as a sync does when it opens a store."""
    with open_store(str(store), StoreOptions(timezone=_ZONE)) as opened:
        opened.prepare()


@contextlib.contextmanager
def _browser() -> Iterator[Any]:
    """A headless Chromium, None where there is none."""
    program = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not everybody has it
    except ModuleNotFoundError:
        program = None
    if program is None:
        yield None
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=_FLAGS)
        yield browser
        browser.close()


def _load(browser: Any, address: str) -> tuple[float, float, int]:
    """Seconds until the figures stand there in a browser that was never here, bytes over the wire, requests."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    sizes: list[float] = []
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    began = time.perf_counter()
    page.goto(f"{address}/")
    page.wait_for_selector(".kpi-value")
    taken = time.perf_counter() - began
    page.wait_for_load_state("load")
    page.wait_for_timeout(500)
    context.close()
    return taken, sum(sizes), len(sizes)
