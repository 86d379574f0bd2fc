"""Every test here runs once for each kind of store. Only this file knows which kinds there are."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store


@pytest.fixture(params=["sqlite", "mongodb"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place that does not exist yet."""
    if request.param == "sqlite":
        return str(tmp_path / "not made yet" / "ledger.db")
    url: str = request.getfixturevalue("mongodb_server")
    return url


@pytest.fixture
def store_options(store_url: str) -> Iterator[StoreOptions]:
    """Riyadh (UTC+3) and a database of this test's own, dropped afterwards."""
    database = f"tt_{uuid.uuid4().hex}"
    yield StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=database)
    if store_url.startswith("mongodb"):
        from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

        with MongoClient(store_url) as client:
            client.drop_database(database)


@pytest.fixture
def stored_bytes(store_url: str, store_options: StoreOptions) -> Callable[[], str]:
    """Read everything that a store keeps without the product's code: files as they are, documents as JSON."""

    def read() -> str:
        if not store_url.startswith("mongodb"):
            path = Path(store_url)
            return "".join(file.read_bytes().decode(errors="replace") for file in path.parent.glob(f"{path.name}*"))
        from bson import json_util  # noqa: PLC0415 - not for the embedded store
        from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

        with MongoClient(store_url) as client:
            database = client[str(store_options.database)]
            found = [list(database[name].find()) for name in database.list_collection_names()]
            return json_util.dumps(found, ensure_ascii=False)

    return read


@pytest.fixture
def nothing_was_created(store_url: str, store_options: StoreOptions) -> Callable[[], bool]:
    """Returns True while the store has not been created."""

    def look() -> bool:
        if not store_url.startswith("mongodb"):
            return not Path(store_url).parent.exists()
        from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

        with MongoClient(store_url) as client:
            return store_options.database not in client.list_database_names()

    return look


@pytest.fixture
def empty_the_place(store_url: str, store_options: StoreOptions) -> Callable[[], None]:
    """Deletes the file or drops the collection, as an operator does to start over."""

    def empty() -> None:
        if not store_url.startswith("mongodb"):
            for file in Path(store_url).parent.iterdir():
                file.unlink()
            return
        from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

        with MongoClient(store_url) as client:
            client[store_options.database or ""].drop_collection(store_options.status_collection)

    return empty


@pytest.fixture
def open_again(store_url: str, store_options: StoreOptions) -> Iterator[Callable[[], Store]]:
    """Opens the same place as often as it is called; all are closed at the end of the test."""
    opened: list[Store] = []

    def open_one() -> Store:
        store = open_store(store_url, store_options)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def other_store(store_url: str, store_options: StoreOptions, tmp_path: Path) -> Iterator[Store]:
    """A store of the same kind in another place that does not exist yet."""
    url = store_url if store_url.startswith("mongodb") else str(tmp_path / "elsewhere.db")
    options = msgspec.structs.replace(store_options, status_collection="other_statuses", sends_collection="other_sends")
    with open_store(url, options) as opened:
        yield opened


@pytest.fixture
def store(open_again: Callable[[], Store]) -> Store:
    """A store on a place that does not exist yet."""
    return open_again()
