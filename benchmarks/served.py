"""A real ``ticktrail serve``, and those beside it in processes of their own: people who look, news that comes, a sync.

``python -m benchmarks.served look ADDRESS PATH …`` keeps a tab open at each path as a browser does (the page, then its
live updates, after each of which it asks for the page again); ``news STORE`` stores a few
new statuses four times a second; ``sync ADDRESS STORE`` syncs once and prints how long it took; ``both ADDRESS STORE``
serves and, for each line on stdin, syncs, in one process as ``ticktrail run`` does. All but ``sync`` go on until stdin
ends.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from tests.support.invented_messages import WORKFLOW

from benchmarks.measure import seconds
from benchmarks.syncing import open_api, sync
from ticktrail.messages.model import StatusEvent
from ticktrail.settings.loading import load_settings
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_configured_store, open_store
from ticktrail.web.roles import access_for
from ticktrail.web.server import Server, build_app, listen

_NEWS_SECONDS = 0.25
_NEWS = 10
_LONGEST_START_SECONDS = 30.0


class Serving(msgspec.Struct, frozen=True):
    """A server that answers: where, its process id, and how long it took from its start to its first answer."""

    address: str
    process_id: int
    took: float


@contextmanager
def serving(store: Path) -> Iterator[Serving]:
    """Run ``ticktrail serve`` with this store."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = store.with_suffix(".log")
    command = [sys.executable, "-m", "ticktrail", "serve", "--store", str(store), "--port", str(port)]
    with log.open("wb") as stream:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=store.parent, stdout=stream, stderr=stream)
    try:
        while True:
            with suppress(OSError):
                fetch(f"{address}/healthz")
                break
            if process.poll() is not None or time.perf_counter() - began > _LONGEST_START_SECONDS:
                raise RuntimeError(log.read_text(errors="replace")[-2_000:])
            time.sleep(0.01)
        yield Serving(address, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(15)


@contextmanager
def beside(*arguments: str) -> Iterator[None]:
    """Another process of this module, from when it says that it is at work until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.served", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if not process.stdout.readline():
                raise RuntimeError(f"{arguments[0]} did not begin")
            yield
        finally:
            process.stdin.close()


def sync_seconds(address: str, store: Path) -> float:
    """How long a sync in a process of its own takes, its start left aside."""
    command = [sys.executable, "-m", "benchmarks.served", "sync", address, str(store)]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


@contextmanager
def serving_and_syncing(address: str, store: Path) -> Iterator[tuple[Serving, Callable[[], float]]]:
    """A process that does both, as ``ticktrail run``: where it serves, and what has it sync and tells how long."""
    command = [sys.executable, "-m", "benchmarks.served", "both", address, str(store)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, heard = process.stdin, process.stdout

        def go() -> float:
            print(file=told, flush=True)
            return float(heard.readline())

        try:
            yield Serving(heard.readline().strip(), process.pid, time.perf_counter() - began), go
        finally:
            told.close()


def fetch(address: str) -> bytes:
    """Return the body at a URL."""
    with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - an address of this machine
        return bytes(answer.read())


def memory_megabytes(process_id: int) -> float | None:
    """The resident memory of a process; None where /proc does not tell it."""
    with suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process_id}/status").read_text(encoding="ascii"))
        return None if found is None else int(found[1]) / 1024
    return None


def processor_seconds(process_id: int) -> float | None:
    """Processor time of a process so far, in seconds; None where /proc does not have it."""
    with suppress(OSError):
        # The name, which may hold anything, ends at the last bracket; utime and stime are the 14th and 15th field.
        fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return None


def _news(store: str, ended: threading.Event) -> None:
    number = 0
    with open_store(store, StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))) as opened:
        while not ended.wait(_NEWS_SECONDS):
            now = datetime.now(UTC)
            events = [
                StatusEvent(
                    message_id=f"wamid.NEWS{now.timestamp():.0f}{number + place:06}",
                    status=("sent", "delivered", "read", "failed")[place % 4],
                    timestamp=int(now.timestamp()),
                    execution_id=str(number + place),
                    conversation_id=f"9665000{(number + place) % 100_000:05}",
                    workflow_id=WORKFLOW,
                )
                for place in range(_NEWS)
            ]
            opened.write(events, at=now)
            if not number:
                print("begun", flush=True)
            number += _NEWS


async def _look(address: str, path: str) -> None:
    """Keep a tab open: load the page, then load it again after each live update."""
    import httpx2  # noqa: PLC0415 - the other processes do without

    async with httpx2.AsyncClient(timeout=None) as client:
        await client.get(address + path)
        async with client.stream("GET", f"{address}/live") as events:
            print("begun", flush=True)
            async for told in events.aiter_lines():
                if told.startswith("event: changed"):
                    await client.get(f"{address}{path}{'&' if '?' in path else '?'}live={time.time():.3f}")


async def _look_at_all(address: str, paths: list[str]) -> None:
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    tabs = [asyncio.create_task(_look(address, path)) for path in paths]
    await asyncio.wait([ended, *tabs], return_when=asyncio.FIRST_COMPLETED)
    for tab in tabs:
        if tab.done():
            tab.result()
        tab.cancel()


def _serve_and_sync(address: str, store: str) -> None:
    settings = load_settings({"TICKTRAIL_STORE": store}, {"TICKTRAIL_TIMEZONE": "Asia/Riyadh"}, Path(store).parent)
    listening = listen("127.0.0.1", 0)
    app = build_app(settings, access=access_for(settings, "127.0.0.1"))
    with Server(app, listening), open_api(address) as api, open_configured_store(settings) as opened:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        for _ in sys.stdin:
            print(seconds(lambda: sync(api, opened)), flush=True)


def _main(what: str, *arguments: str) -> None:
    if what == "look":
        address, *paths = arguments
        asyncio.run(_look_at_all(address, paths))
    elif what == "both":
        _serve_and_sync(*arguments)
    elif what == "news":
        ended = threading.Event()
        thread = threading.Thread(target=_news, args=(arguments[0], ended))
        thread.start()
        sys.stdin.read()
        ended.set()
        thread.join()
    else:
        options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))
        with open_api(arguments[0]) as api, open_store(arguments[1], options) as store:
            print(seconds(lambda: sync(api, store)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
