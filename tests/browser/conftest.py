"""A browser, and servers of pages over ledgers of several kinds."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests import recordings

from ticktrail import ingest
from ticktrail.sources.export import Export
from ticktrail.stores import StoreOptions, open_store

from . import invented_ledger
from .look import Look

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests out of a run with others: the browser's driver keeps an event loop going in their thread."""
    ours = [item for item in items if HERE in item.path.parents]
    if len(ours) < len(items):
        for item in ours:
            item.add_marker(pytest.mark.skip(reason="looking needs a run of its own: pytest -m browser tests/browser"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real browser; without one these tests are left out, and say why."""
    program = shutil.which(os.environ.get("CHROMIUM", "chromium"))
    if program is None:
        pytest.skip("there is no chromium here: scripts/browser installs it")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Starts a server of pages over a store, a file or a URL, with more in its environment; its address."""
    running: list[subprocess.Popen[bytes]] = []

    def start(store: Path | str, **more: str) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        folder = store.parent if isinstance(store, Path) else tmp_path_factory.mktemp("server")
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "XDG_DATA_HOME": str(folder), **more}
        log = (folder / "server.log").open("wb")
        running.append(
            subprocess.Popen([sys.executable, str(HERE / "serve_pages.py"), str(store), str(port)], env=environ,
                             cwd=folder, stdout=log, stderr=log)
        )  # fmt: skip
        log.close()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and running[-1].poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}"
            time.sleep(0.05)
        raise AssertionError((folder / "server.log").read_text(errors="replace")[-2_000:])

    yield start
    for one in running:
        one.terminate()
    for one in running:
        one.wait(15)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """The address of pages over what was recorded from a real n8n: 400 messages and their statuses."""
    folder = tmp_path_factory.mktemp("recorded")
    exported = folder / "executions.jsonl"
    exported.write_bytes(b"\n".join(recordings.corpus()))
    store = folder / "ledger.sqlite"
    with Export(str(exported)) as source, open_store(str(store), StoreOptions(timezone=invented_ledger.ZONE)) as ledger:
        ingest.sync(source, ledger)
        invented_ledger.note_syncs(ledger, datetime.now(UTC))
    return serve(store)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], str]) -> str:
    """The address of pages over a made-up shop's 3,000 messages of the last 14 days."""
    store = tmp_path_factory.mktemp("shop") / "ledger.sqlite"
    invented_ledger.fill(store, 3_000, datetime.now(UTC))
    return serve(store)


@pytest.fixture
def look(browser: Any, tmp_path: Path) -> Iterator[Look]:
    """Opens pages, and in the end complains of whatever went wrong in them."""
    looking = Look(browser, Path(os.environ.get("TICKTRAIL_SCREENSHOTS") or tmp_path))
    yield looking
    looking.close()
    assert looking.complaints == []
