"""A browser, and servers of pages over stores of several kinds."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support import invented_store, recordings
from tests.support.patience import PATIENCE_SECONDS, wait_until

from ticktrail.sources.files.export import Export
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.sync import ingest

from .look import Contexts, Look

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

HERE = Path(__file__).parent

OURS = ("TICKTRAIL_", "MONGODB_", "N8N_")
"""Prefixes of settings; those of this machine concern no test."""

Serve = Callable[..., str]
NewDatabase = Callable[[], dict[str, str]]


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


def address_of(server: subprocess.Popen[bytes], port: int, log: Path) -> str:
    """The address of a server, once it accepts connections."""

    def is_listening() -> bool:
        assert server.poll() is None, log.read_text(errors="replace")[-2_000:]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(is_listening, "the server to listen")
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def serve() -> Iterator[Serve]:
    """Starts a server of pages over a store; its address."""
    running: list[subprocess.Popen[bytes]] = []

    def start(store: Path, **settings: str) -> str:
        """Serve pages over a file, or, where settings name another store, with what they need beside that file."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        program = [sys.executable, str(HERE / "serve_pages.py"), str(store.parent), str(port)]
        settings = settings or {"TICKTRAIL_STORE": str(store)}
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
            "PYTHONPATH": os.pathsep.join(sys.path),
            # Where the pages keep their key and notes when the store is no file.
            "XDG_DATA_HOME": str(store.parent),
            **settings,
        }
        log = (store.parent / "server.log").open("wb")
        running.append(subprocess.Popen(program, env=environ, stdout=log, stderr=log))
        log.close()
        return address_of(running[-1], port, store.parent / "server.log")

    yield start
    for one in running:
        one.terminate()
    for one in running:
        one.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="session")
def mongodb(mongodb_server: str) -> Iterator[Callable[[], dict[str, str]]]:
    """Gives settings of a database of one's own, which is dropped in the end."""
    pymongo = pytest.importorskip("pymongo")
    names: list[str] = []

    def new() -> dict[str, str]:
        names.append(f"tt_{uuid.uuid4().hex}")
        return {"MONGODB_URI": mongodb_server, "MONGODB_DATABASE": names[-1]}

    yield new
    with pymongo.MongoClient(mongodb_server) as client:
        for name in names:
            client.drop_database(name)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> str:
    """The address of pages over what was recorded from a real n8n: 400 messages and their statuses."""
    folder = tmp_path_factory.mktemp("recorded")
    with open_store(str(folder / "ledger.sqlite"), StoreOptions(timezone=invented_store.ZONE)) as opened:
        _fill_with_recordings(folder, opened)
    return serve(folder / "ledger.sqlite")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, serve: Serve) -> str:
    """The address of pages over a made-up shop's 3,000 messages of the last 14 days, with trouble on the last."""
    store = tmp_path_factory.mktemp("shop") / "ledger.sqlite"
    invented_store.fill(store, 3_000, datetime.now(UTC), trouble=True)
    return serve(store)


@pytest.fixture(scope="session")
def recorded_in_mongodb(tmp_path_factory: pytest.TempPathFactory, serve: Serve, mongodb: NewDatabase) -> str:
    """As ``recorded``, in MongoDB."""
    folder, settings = tmp_path_factory.mktemp("recorded"), mongodb()
    with _open_in_mongodb(settings) as opened:
        _fill_with_recordings(folder, opened)
    return serve(folder / "none", **settings)


@pytest.fixture(scope="session")
def shop_in_mongodb(tmp_path_factory: pytest.TempPathFactory, serve: Serve, mongodb: NewDatabase) -> str:
    """As ``shop``, in MongoDB, with fewer messages: the server of the tests is slow."""
    settings = mongodb()
    with _open_in_mongodb(settings) as opened:
        invented_store.put(opened, 300, datetime.now(UTC), trouble=True)
    return serve(tmp_path_factory.mktemp("shop") / "none", **settings)


@pytest.fixture(params=["sqlite", "mongodb"])
def any_recorded(request: pytest.FixtureRequest) -> str:
    """``recorded``, over each kind of store."""
    name = "recorded" if request.param == "sqlite" else "recorded_in_mongodb"
    found: str = request.getfixturevalue(name)
    return found


@pytest.fixture(params=["sqlite", "mongodb"])
def any_shop(request: pytest.FixtureRequest) -> str:
    """``shop``, over each kind of store."""
    found: str = request.getfixturevalue("shop" if request.param == "sqlite" else "shop_in_mongodb")
    return found


def _open_in_mongodb(settings: dict[str, str]) -> Store:
    options = StoreOptions(timezone=invented_store.ZONE, database=settings["MONGODB_DATABASE"])
    return open_store(settings["MONGODB_URI"], options)


def _fill_with_recordings(folder: Path, opened: Store) -> None:
    exported = folder / "executions.jsonl"
    exported.write_bytes(b"\n".join(recordings.corpus()))
    with Export(str(exported)) as source:
        ingest.sync(source, opened)
    invented_store.note_syncs(opened, datetime.now(UTC))


@pytest.fixture(scope="session")
def contexts(browser: Any) -> Iterator[Contexts]:
    """The contexts that all tests share."""
    made = Contexts(browser)
    yield made
    made.close()


@pytest.fixture
def look(contexts: Contexts, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Look]:
    """Opens pages, and in the end complains of whatever went wrong in them."""
    given = getattr(request.node, "callspec", None)
    over_mongodb = given is not None and "mongodb" in given.params.values()
    looking = Look(contexts, Path(os.environ.get("TICKTRAIL_SCREENSHOTS") or tmp_path), over_mongodb=over_mongodb)
    yield looking
    looking.close()
    assert looking.complaints == []
