"""What tests of every kind may ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.support import n8n_database

HERE = Path(__file__).parent


settings.register_profile(
    "any machine", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests as thorough: property tests, and tests of stores and pages that connect to MongoDB."""
    for item in items:
        parts = item.path.relative_to(HERE).parts
        over_the_wire = "mongodb" in item.name and parts[:2] in {("contract", "stores"), ("integration", "web")}
        if parts[0] == "property" or over_the_wire:
            item.add_marker(pytest.mark.thorough)


def pytest_xdist_auto_num_workers() -> int:
    """``-n auto`` is two workers for each processor, because tests wait a third of their time."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture
def n8n_file(tmp_path: Path) -> Iterator[Path]:
    """n8n's SQLite file with one execution, open as a running n8n has it."""
    path = tmp_path / "database.sqlite"
    with n8n_database.sqlite_database(path, [n8n_database.EXECUTION]):
        yield path


@pytest.fixture(scope="session")
def mongodb_server() -> Iterator[str]:
    """The URI of a MongoDB server for this run: ``MONGODB_TEST_URI`` when set, else a SecantusDB of our own.

    Tests choose a database name nobody else uses and drop it afterwards.
    """
    given = os.environ.get("MONGODB_TEST_URI")
    if given:
        yield given
        return
    from secantus import SecantusDBServer  # noqa: PLC0415 - a second to import, and most tests need no server

    with SecantusDBServer(port=0, storage_path=":memory:") as server:
        yield f"mongodb://127.0.0.1:{server.port}"
