"""Dashboards over stores of recorded executions. Only this file knows the kinds of stores."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.support.recordings import CORPUS, FOLDER

from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.sources.files.export import Export
from ticktrail.stores.opening import open_configured_store
from ticktrail.sync import ingest
from ticktrail.web.roles import access_for
from ticktrail.web.server import build_app

HERE = "http://127.0.0.1:8765"
TOKEN = "full-token-of-the-tests-0001"  # noqa: S105 - of the tests
VIEWER_TOKEN = "viewer-token-of-the-tests-02"  # noqa: S105 - of the tests

EXPECTED: dict[str, dict[str, Any]] = json.loads(
    (FOLDER / "corpus_400_messages.expected.json").read_text(encoding="utf-8")
)
"""Content of the recorded executions, determined when they were recorded."""

Open = Callable[..., TestClient]


def settings_of(folder: Path, **environ: str) -> Settings:
    """The settings of an environment."""
    return load_settings({}, environ, folder)


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store of the recorded executions, only for reading."""
    path = tmp_path_factory.mktemp("recorded") / "ledger.db"
    _fill(settings_of(path.parent, TICKTRAIL_STORE=str(path)))
    return path


@pytest.fixture(scope="session")
def recorded_in_mongodb(mongodb_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a MongoDB store with the same content."""
    from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

    database = f"tt_{uuid.uuid4().hex}"
    environ = {"MONGODB_URI": mongodb_server, "MONGODB_DATABASE": database}
    _fill(settings_of(tmp_path_factory.mktemp("mongodb"), **environ))
    yield environ
    with MongoClient(mongodb_server) as client:
        client.drop_database(database)


@pytest.fixture
def open_dashboard(tmp_path: Path) -> Iterator[Open]:
    """Opens dashboards without pages, each with its own environment, and returns a client."""
    with ExitStack() as stack:

        def open_one(host: str = "127.0.0.1", *, base_url: str = HERE, **environ: str) -> TestClient:
            if "MONGODB_URI" not in environ:
                environ.setdefault("TICKTRAIL_STORE", str(tmp_path / "ledger.db"))
            settings = settings_of(tmp_path, **environ)
            app = build_app(settings, access=access_for(settings, host))
            return stack.enter_context(TestClient(app, base_url=base_url, follow_redirects=False))

        yield open_one


@pytest.fixture(params=["sqlite", "mongodb"])
def client(request: pytest.FixtureRequest, open_dashboard: Open) -> TestClient:
    """A dashboard over the recorded executions, open to this machine."""
    return open_dashboard(**environment_of(request, request.param))


@pytest.fixture(params=["sqlite", "mongodb"])
def guarded(request: pytest.FixtureRequest, open_dashboard: Open) -> TestClient:
    """The same, with a token for each role, reached from another machine."""
    tokens = {"TICKTRAIL_DASHBOARD_TOKEN": TOKEN, "TICKTRAIL_DASHBOARD_VIEWER_TOKEN": VIEWER_TOKEN}
    environ = environment_of(request, request.param)
    return open_dashboard("0.0.0.0", base_url="http://ticktrail.example.com", **environ, **tokens)  # noqa: S104


def bearer(token: str) -> dict[str, str]:
    """The header of a program with this token."""
    return {"Authorization": f"Bearer {token}"}


def environment_of(request: pytest.FixtureRequest, kind: str) -> dict[str, str]:
    """The environment of the recorded executions in a kind of store."""
    if kind == "mongodb":
        found: dict[str, str] = request.getfixturevalue("recorded_in_mongodb")
        return found
    return {"TICKTRAIL_STORE": str(request.getfixturevalue("recorded"))}


def _fill(settings: Settings) -> None:
    with open_configured_store(settings) as store, Export(str(CORPUS)) as source:
        ingest.sync(source, store)
