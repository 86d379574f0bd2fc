"""The SQLite file's schema: its steps, and files that are not what this Ticktrail would have made."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ticktrail.errors import StoreRefusedError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.sqlite import database
from ticktrail.stores.sqlite import filters as sqlite_filter
from ticktrail.stores.sqlite import lookup as sqlite_query
from ticktrail.stores.sqlite import rows as sqlite_rows
from ticktrail.stores.sqlite import schema as sqlite_migrations
from ticktrail.stores.sqlite import writing as sqlite_fold
from ticktrail.stores.sqlite.connection import open_to_write
from ticktrail.stores.sqlite.migrations import MIGRATIONS, Migration
from ticktrail.stores.sqlite.schema import MIGRATION_TABLE, applied_number, migrate
from ticktrail.stores.sqlite.store import SqliteStore

OPTIONS = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))
SENT = StatusEvent(message_id="wamid.1", status="sent", timestamp=1_767_258_000, execution_id="1", workflow_id="w")
AT = datetime(2026, 1, 2, tzinfo=UTC)

NEXT = Migration(MIGRATIONS[-1].number + 1, "a later version's", ("CREATE TABLE later (id INTEGER PRIMARY KEY)",))


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """An empty database in memory."""
    with closing(open_to_write(None)) as connection:
        yield connection


def schema(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """Every table and index as SQLite keeps it."""
    return {tuple(row) for row in connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")}


def recorded_steps(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    """The migration steps recorded in the file."""
    return connection.execute(f"SELECT number, name FROM {MIGRATION_TABLE} ORDER BY number").fetchall()  # noqa: S608


def test_steps_are_numbered_from_one_without_gaps() -> None:
    """A number says which steps a file has, so none may be missing and none double."""
    assert [migration.number for migration in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    assert len({migration.name for migration in MIGRATIONS}) == len(MIGRATIONS)


@pytest.mark.parametrize("number", range(len(MIGRATIONS) + 1))
def test_a_file_of_any_version_ends_with_the_schema_of_a_fresh_one(connection: sqlite3.Connection, number: int) -> None:
    """Applying the first steps now and the rest later is applying all at once."""
    if number:
        migrate(connection, "a.db", MIGRATIONS[:number])
    assert applied_number(connection, "a.db") == number
    migrate(connection, "a.db")
    with closing(open_to_write(None)) as fresh:
        migrate(fresh, "b.db")
        assert schema(connection) == schema(fresh)
    assert recorded_steps(connection) == [(migration.number, migration.name) for migration in MIGRATIONS]


def test_migrating_again_changes_nothing_and_does_not_wait(tmp_path: Path) -> None:
    """A file that has every step is neither changed nor locked, so a writer does not block the migration."""
    path = tmp_path / "a.db"
    with closing(open_to_write(path)) as connection, closing(open_to_write(path)) as writer:
        migrate(connection, "a.db")
        before = connection.execute("PRAGMA schema_version").fetchone()
        connection.execute("PRAGMA busy_timeout = 0")
        writer.execute("BEGIN IMMEDIATE")
        migrate(connection, "a.db")
        assert connection.execute("PRAGMA schema_version").fetchone() == before


def test_a_step_that_fails_leaves_nothing_of_any(connection: sqlite3.Connection) -> None:
    """All steps a file lacks are one transaction."""
    broken = Migration(NEXT.number, "broken", (*NEXT.statements, "CREATE TABLE message (id)"))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(connection, "a.db", (*MIGRATIONS, broken))
    assert schema(connection) == set()
    assert not connection.in_transaction


def test_many_may_make_the_file_at_once(tmp_path: Path) -> None:
    """Processes that open a new file at the same moment all get the whole schema, and no error."""
    starting = threading.Barrier(8)
    faults: list[BaseException] = []

    def make(path: Path) -> None:
        starting.wait()
        try:
            with SqliteStore(str(path), OPTIONS) as store:
                store.prepare()
                assert store.exists()
        except BaseException as fault:  # noqa: BLE001 - shown by the assertion below
            faults.append(fault)

    for turn in range(12):
        threads = [threading.Thread(target=make, args=(tmp_path / f"{turn}.db",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []


def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Neither reading nor writing touches what a later version of Ticktrail has made."""
    path = tmp_path / "newer.db"
    with closing(open_to_write(path)) as connection:
        migrate(connection, str(path), (*MIGRATIONS, NEXT))
    before = path.read_bytes()
    with SqliteStore(str(path), OPTIONS) as store:
        for act in (store.exists, store.prepare, lambda: store.get(["wamid.1"]), lambda: store.write([SENT], at=AT)):
            with pytest.raises(StoreRefusedError, match="newer Ticktrail") as refusal:
                act()
            assert str(path) in str(refusal.value)
            assert "Upgrade" in refusal.value.remedy
    assert path.read_bytes() == before


def _older_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a file with one message that lacks the newest migration."""
    with SqliteStore(str(path), OPTIONS) as store:
        store.write([SENT], at=AT)
    later = (*MIGRATIONS, NEXT)
    monkeypatch.setattr(sqlite_migrations, "MIGRATIONS", later)
    for function in (sqlite_migrations.migrate, sqlite_migrations.refuse_newer, sqlite_migrations.is_older):
        monkeypatch.setattr(function, "__defaults__", (later,))


def test_an_older_file_is_migrated_when_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first read after an upgrade migrates the file and answers; the reader keeps no connection to write."""
    path = tmp_path / "older.db"
    _older_file(path, monkeypatch)
    with SqliteStore(str(path), OPTIONS) as store:
        assert store.exists()
        assert store.count(MessageFilter()) == 1
    with closing(sqlite3.connect(path)) as connection:
        assert applied_number(connection, "older.db") == NEXT.number
    with SqliteStore(str(path), OPTIONS) as store:
        assert store.write([SENT], at=AT).unchanged == 1


def test_an_older_file_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader without the right to write names the file and a command for its owner; the file stays as it is."""
    path = tmp_path / "older.db"
    _older_file(path, monkeypatch)
    before = path.read_bytes()

    def refuse(_: Path | None) -> sqlite3.Connection:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(database, "open_to_write", refuse)
    with SqliteStore(str(path), OPTIONS) as store:
        for _ in range(2):
            with pytest.raises(StoreRefusedError, match="older Ticktrail") as refusal:
                store.count(MessageFilter())
            assert "ticktrail status" in refusal.value.remedy
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A SQLite file with tables but without the table of migrations is not a store."""
    path = tmp_path / "n8n.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE message (id INTEGER PRIMARY KEY)")
        connection.commit()
    before = path.read_bytes()
    with SqliteStore(str(path), OPTIONS) as store:
        for act in (store.exists, lambda: store.get(["wamid.1"]), store.prepare, lambda: store.write([SENT], at=AT)):
            with pytest.raises(StoreRefusedError, match="another program"):
                act()
    assert path.read_bytes() == before


def test_an_empty_file_does_not_exist_as_a_store(tmp_path: Path) -> None:
    """An empty file, as a file picker or ``touch`` leaves it, reads as empty and becomes a store by writing."""
    path = tmp_path / "empty.db"
    path.touch()
    with SqliteStore(str(path), OPTIONS) as store:
        assert not store.exists()
        assert store.get(["wamid.1"]) == {}
        assert path.stat().st_size == 0
        store.write([SENT], at=AT)
        assert store.exists()


def test_no_statement_needs_more_than_sqlite_3_34() -> None:
    """Python on RHEL 9 has SQLite 3.34; what came later is in no SQL of ours."""
    modern = re.compile(
        r"STRICT\b|RETURNING\b|->|unixepoch|\bRIGHT JOIN|FULL JOIN|DROP COLUMN|IIF|IS DISTINCT|MATERIALIZED"
    )
    for module in (sqlite_migrations, sqlite_rows, sqlite_query, sqlite_filter, sqlite_fold):
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        statements = [
            text for text in re.findall(r'"""(.*?)"""|"([^"\n]*)"', source, re.DOTALL) for text in text
            if re.match(r"\s*(SELECT|INSERT|REPLACE|UPDATE|CREATE|DELETE|PRAGMA)\b", text)
        ]  # fmt: skip
        assert [text for text in statements if modern.search(text)] == []
