"""Reading executions from n8n's own database: SQLite files as n8n leaves them, and a real PostgreSQL."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.support import n8n_database
from tests.support.n8n_server import N8nServer
from tests.support.recordings import corpus, recording

from ticktrail.errors import SourceRefusedError, SourceUnavailableError
from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.model import Outcome
from ticktrail.sources.n8n_api.api import N8nApi
from ticktrail.sources.n8n_database.connection import SqliteDatabase, open_database
from ticktrail.sources.n8n_database.executions import N8nDatabase

EXECUTIONS = corpus()[:60]
WORKFLOW: str = json.loads(EXECUTIONS[0])["workflowId"]


OWNER, READER = 20_001, 20_002
"""User ids; no such users have to exist."""


def open_executions(url: str, workflow_id: str = WORKFLOW) -> N8nDatabase:
    """The executions of one workflow."""
    return N8nDatabase(open_database(url, None), workflow_id)


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL with n8n's tables, read by a role that may only select from them."""
    if n8n_database.programs() is None:
        pytest.skip("PostgreSQL is not installed (scripts/postgresql)")
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is installed

    # Not in pytest's folder, which PostgreSQL's user may not enter.
    with TemporaryDirectory(prefix="ticktrail-pg-") as folder, n8n_database.postgresql(Path(folder)) as url:
        with psycopg.connect(url) as connection:
            n8n_database.fill(connection, EXECUTIONS, mark="%s")
            connection.execute("CREATE ROLE reader LOGIN")
            connection.execute("GRANT SELECT ON execution_entity, execution_data, workflow_entity TO reader")
        yield url.replace("postgres@", "reader@")


@pytest.fixture(params=[*n8n_database.SCHEMAS, "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """n8n's database as its releases lay it out: SQLite in WAL mode since 2.0, and PostgreSQL."""
    if request.param == "postgresql":
        yield request.getfixturevalue("postgres_url")
        return
    path = tmp_path / "database.sqlite"
    columns = n8n_database.SCHEMAS[request.param]
    with n8n_database.sqlite_database(path, EXECUTIONS, columns=columns, wal=request.param.startswith("2.")):
        yield str(path)


def test_the_list_holds_every_execution_newest_first(url: str) -> None:
    """Pages of the list follow each other without overlap, with n8n's times as its API writes them."""
    expected = sorted((json.loads(text) for text in EXECUTIONS), key=lambda one: -int(one["id"]))
    with open_executions(url) as source:
        first = source.metadata(limit=25)
        second = source.metadata(first.rows[-1].id, limit=100)
    rows = [*first.rows, *second.rows]
    assert (first.more, second.more) == (True, False)
    assert [(row.id, row.status, row.started_at, row.stopped_at) for row in rows] == [
        (int(one["id"]), one["status"], one["startedAt"], one["stoppedAt"]) for one in expected
    ]


def test_executions_say_what_the_api_says(url: str) -> None:
    """Extraction finds the same events in a row of the database as in the API's answer."""
    with open_executions(url) as source:
        found = [raw for page in source.pages() for raw in page.executions]
    by_id = {json.loads(raw)["id"]: extract(raw) for raw in found}
    assert by_id.keys() == {json.loads(text)["id"] for text in EXECUTIONS}
    for text in EXECUTIONS:
        expected = extract(text)
        assert by_id[json.loads(text)["id"]].events == expected.events


def test_every_read_goes_through_few_ids(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No read of the list depends on the size of the table, however few of its executions are the workflow's."""
    monkeypatch.setattr("ticktrail.sources.n8n_database.executions._FEWEST_IDS", 2)
    monkeypatch.setattr("ticktrail.sources.n8n_database.executions._MOST_IDS", 2)
    database = open_database(url, None)
    bounds: list[Sequence[Any]] = []
    read = database.read

    def noted(statement: str, values: Sequence[Any] = ()) -> Any:
        if "ORDER BY" in statement:
            bounds.append(values)
        return read(statement, values)

    monkeypatch.setattr(database, "read", noted)
    with N8nDatabase(database, WORKFLOW) as source:
        listed = source.metadata()
    assert len(listed.rows) == len(EXECUTIONS)
    assert all(above - from_id <= 4 for from_id, above, _ in bounds)
    assert bounds[0][0] > min(int(json.loads(text)["id"]) for text in EXECUTIONS)


def test_ids_far_apart_are_listed(tmp_path: Path) -> None:
    """An execution that pruning left far below the others is in the list, without millions of reads."""
    path = tmp_path / "database.sqlite"
    with n8n_database.sqlite_database(path, EXECUTIONS[:2]) as n8n:
        n8n.execute("UPDATE execution_entity SET id = 2000000000 WHERE id = (SELECT max(id) FROM execution_entity)")
        n8n.commit()
        with open_executions(str(path)) as source:
            ids = [row.id for row in source.metadata().rows]
            assert (ids[0], len(ids)) == (2_000_000_000, 2)
            assert source.requests < 500


def test_an_unknown_workflow_is_refused(url: str) -> None:
    """An empty list of a workflow that n8n does not have is an error, not an empty answer."""
    with open_executions(url, "nothing") as source, pytest.raises(SourceRefusedError, match="no workflow nothing"):
        source.metadata()


def test_a_single_execution(url: str) -> None:
    """One execution by its id; None when n8n has deleted it."""
    number = int(json.loads(EXECUTIONS[0])["id"])
    with open_executions(url) as source:
        found = source.single(number)
        assert found is not None
        assert found.id == number
        assert source.single(10**9) is None


def test_soft_deleted_and_unfinished_executions_are_read(tmp_path: Path) -> None:
    """The database returns what the API hides: soft-deleted rows, and running ones with their payload."""
    path = tmp_path / "database.sqlite"
    first, second = (int(json.loads(text)["id"]) for text in EXECUTIONS[:2])
    with n8n_database.sqlite_database(path, EXECUTIONS[:2]) as n8n:
        n8n.execute("UPDATE execution_entity SET status = 'running', deletedAt = '2026-11-22 00:00:00.000'")
        n8n.execute("UPDATE execution_entity SET finished = 0, deletedAt = NULL WHERE id = ?", (second,))
        n8n.commit()
        with open_executions(str(path)) as source:
            listed = source.metadata()
            pages = list(source.fetch(listed, {first, second}))
    assert {row.id: row.final for row in listed.rows} == {first: True, second: False}
    assert sorted(number for page in pages for number in page.ids) == sorted((first, second))


def test_a_table_prefix(tmp_path: Path) -> None:
    """n8n's DB_TABLE_PREFIX is in front of all three tables."""
    path = tmp_path / "database.sqlite"
    with n8n_database.sqlite_database(path, EXECUTIONS[:3]) as n8n:
        for table in ("execution_entity", "execution_data", "workflow_entity"):
            n8n.execute(f"ALTER TABLE {table} RENAME TO n8n_{table}")
        with N8nDatabase(open_database(str(path), None), WORKFLOW, prefix="n8n_") as source:
            assert len(next(source.pages()).executions) == 3
            assert source.workflow()["id"] == WORKFLOW


def test_another_schema_of_postgresql(postgres_url: str) -> None:
    """n8n's DB_POSTGRESDB_SCHEMA is where the tables are looked for, not ``public``."""
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is installed

    with psycopg.connect(postgres_url.replace("reader@", "postgres@")) as connection:
        connection.execute("CREATE SCHEMA automation")
        for table in ("execution_entity", "execution_data", "workflow_entity"):
            connection.execute(f"CREATE TABLE automation.{table} AS TABLE public.{table}")
        connection.execute("DELETE FROM automation.execution_entity WHERE id > (SELECT min(id) FROM execution_entity)")
        connection.execute("GRANT USAGE ON SCHEMA automation TO reader")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA automation TO reader")
    with N8nDatabase(open_database(postgres_url, "automation"), WORKFLOW) as source:
        assert len(next(source.pages()).executions) == 1


def test_missing_data_is_withheld(tmp_path: Path) -> None:
    """An execution without a row of data is named with its reason, and costs the others nothing."""
    path = tmp_path / "database.sqlite"
    number = int(json.loads(EXECUTIONS[0])["id"])
    with n8n_database.sqlite_database(path, EXECUTIONS[:2]) as n8n:
        n8n.execute("DELETE FROM execution_data WHERE executionId = ?", (number,))
        n8n.commit()
        with open_executions(str(path)) as source:
            (page,) = source.pages()
    assert [(one.id, one.reason) for one in page.withheld] == [(number, "no_data")]
    assert len(page.executions) == 1


@pytest.mark.parametrize("name", ["Statuses", "Statuses \ud83d"], ids=["plain", "half a character"])
def test_data_in_files_is_read_from_its_bundle(tmp_path: Path, name: str) -> None:
    """In n8n's filesystem mode the data is in a file beside the database."""
    path = tmp_path / "database.sqlite"
    ((row, data, workflow),) = n8n_database.rows([recording("execution_whatsapp_trigger_failed")])
    text = recording("execution_whatsapp_trigger_failed")
    with n8n_database.sqlite_database(path, [text]) as n8n:
        n8n.execute("UPDATE execution_entity SET storedAt = 'fs'")
        n8n.execute("DELETE FROM execution_data")
        n8n.commit()
        folder = (
            tmp_path / "storage" / "workflows" / row["workflowId"] / "executions" / str(row["id"]) / "execution_data"
        )
        folder.mkdir(parents=True)
        (folder / "bundle.json").write_text(
            json.dumps({"data": data, "workflowData": {**json.loads(workflow), "name": name}})
        )
        with open_executions(str(path), row["workflowId"]) as source:
            ((raw,),) = [page.executions for page in source.pages()]
    assert extract(raw).events == extract(text).events != ()


def test_data_kept_elsewhere_is_read_from_the_api(tmp_path: Path) -> None:
    """Data in S3, or in files that this user may not read, comes from n8n's API where it is configured."""
    path = tmp_path / "database.sqlite"
    text = EXECUTIONS[0]
    with n8n_database.sqlite_database(path, [text]) as n8n, N8nServer([text]) as server:
        n8n.execute("UPDATE execution_entity SET storedAt = 's3'")
        n8n.execute("DELETE FROM execution_data")
        n8n.commit()
        api = N8nApi(server.settings(), WORKFLOW)
        with N8nDatabase(open_database(str(path), None), WORKFLOW, elsewhere=api) as source:
            (page,) = source.pages()
    assert (page.executions, page.withheld) == ((text,), ())


def test_damaged_data_affects_its_own_execution_only(tmp_path: Path) -> None:
    """Data that is no UTF-8 or no JSON makes its own execution unreadable, and is named with its id."""
    path = tmp_path / "database.sqlite"
    numbers = [int(json.loads(text)["id"]) for text in EXECUTIONS[:4]]
    with n8n_database.sqlite_database(path, EXECUTIONS[:4]) as n8n:
        for number, data in zip(numbers, (b"[\xff\xfe", b'[{"brok', b"nonsense"), strict=False):
            n8n.execute("UPDATE execution_data SET data = CAST(? AS TEXT) WHERE executionId = ?", (data, number))
        n8n.commit()
        with open_executions(str(path)) as source:
            found = [extract(raw) for page in source.pages() for raw in page.executions]
    unreadable = {int(one.execution_id) for one in found if one.outcome is Outcome.WITHHELD}
    assert unreadable == set(numbers[:3])
    assert len(found) == 4


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="becomes other users")
def test_another_user_leaves_nothing_beside_the_database(shared_folder: Path) -> None:
    """A reader who may write to n8n's folder creates no file there, whether n8n runs or not."""
    path = shared_folder / "database.sqlite"
    with n8n_database.sqlite_database(path, EXECUTIONS[:3]):
        for file in shared_folder.iterdir():
            os.chown(file, OWNER, OWNER)
        assert _as_reader(path) == 3
        assert {file.stat().st_uid for file in shared_folder.iterdir()} == {OWNER}
    assert [file.name for file in shared_folder.iterdir()] == ["database.sqlite"]
    assert _as_reader(path) == 3
    assert [file.name for file in shared_folder.iterdir()] == ["database.sqlite"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="becomes other users")
def test_files_made_while_n8n_stopped_are_removed(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """n8n that stops between the check and the read does not find files of another user when it starts again."""
    path = shared_folder / "database.sqlite"
    with n8n_database.sqlite_database(path, EXECUTIONS[:3]):
        pass
    os.chown(path, OWNER, OWNER)
    monkeypatch.setattr(SqliteDatabase, "_must_be_immutable", lambda _: False)
    _as_reader(path)
    assert [file.name for file in shared_folder.iterdir()] == ["database.sqlite"]


@pytest.fixture
def shared_folder(tmp_path: Path) -> Path:
    """A folder in which every user may create files."""
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o777)
    return tmp_path


def _as_reader(path: Path) -> int:
    """The number of executions that a process of another user lists; -1 when it cannot."""
    child = os.fork()
    if child == 0:
        result = 255
        try:
            os.setgid(READER)
            os.setuid(READER)
            result = len(open_executions(str(path)).metadata().rows)
        finally:
            os._exit(result)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return -1 if status == 255 else status


def test_nothing_is_left_beside_a_file_that_nothing_has_open(tmp_path: Path) -> None:
    """While n8n is down, reading creates no -wal and -shm file: n8n could not open its database again."""
    path = tmp_path / "database.sqlite"
    with n8n_database.sqlite_database(path, EXECUTIONS[:2]):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["database.sqlite"]
    with open_executions(str(path)) as source:
        assert len(source.metadata().rows) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["database.sqlite"]


def test_an_incomplete_copy_is_not_read(tmp_path: Path) -> None:
    """With a -wal file alone the newest executions would be missing: nothing is read until both files are there."""
    path = tmp_path / "database.sqlite"
    with n8n_database.sqlite_database(path, EXECUTIONS[:2]), open_executions(str(path)) as source:
        (tmp_path / "database.sqlite-shm").rename(tmp_path / "shm")
        with pytest.raises(SourceUnavailableError, match=r"only database\.sqlite-wal beside it"):
            source.metadata()
        (tmp_path / "shm").rename(tmp_path / "database.sqlite-shm")
        assert len(source.metadata().rows) == 2


def test_a_reader_holds_no_lock_between_reads(tmp_path: Path) -> None:
    """n8n writes between two reads of the same source, in both journal modes."""
    for wal in (True, False):
        path = tmp_path / f"{wal}.sqlite"
        with n8n_database.sqlite_database(path, EXECUTIONS[:5], wal=wal) as n8n, open_executions(str(path)) as source:
            source.metadata()
            n8n.execute("PRAGMA busy_timeout = 0")
            n8n.execute("DELETE FROM execution_entity WHERE id = (SELECT max(id) FROM execution_entity)")
            n8n.commit()
            assert len(source.metadata().rows) == 4


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "There is no n8n database"), (b"no database at all" * 100, "cannot be read as a SQLite database")],
)
def test_a_wrong_file_names_the_setting(tmp_path: Path, content: bytes | None, words: str) -> None:
    """A missing or foreign file is an error that names N8N_DATABASE_URL."""
    path = tmp_path / "database.sqlite"
    if content is not None:
        path.write_bytes(content)
    with open_executions(str(path)) as source, pytest.raises(SourceRefusedError, match=words) as caught:
        source.metadata()
    assert "N8N_DATABASE_URL" in caught.value.remedy


def test_another_database_is_refused(tmp_path: Path) -> None:
    """A SQLite file without n8n's tables is refused by name."""
    path = tmp_path / "other.sqlite"
    sqlite3.connect(path).execute("CREATE TABLE t (x)").connection.close()
    with open_executions(str(path)) as source, pytest.raises(SourceRefusedError, match="execution_entity"):
        source.metadata()


def test_postgresql_that_is_away_is_waited_for() -> None:
    """A refused connection is a retriable error without the password."""
    url = "postgresql://reader:secret@127.0.0.1:9/n8n"
    with open_executions(url) as source, pytest.raises(SourceUnavailableError) as caught:
        source.metadata()
    assert "secret" not in str(caught.value) + caught.value.remedy


def test_a_role_without_rights_is_told_what_to_grant(postgres_url: str) -> None:
    """Missing rights are named with the tables to grant."""
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is installed

    with psycopg.connect(postgres_url.replace("reader@", "postgres@")) as connection:
        connection.execute("CREATE ROLE stranger LOGIN")
    url = postgres_url.replace("reader@", "stranger@")
    with open_executions(url) as source, pytest.raises(SourceRefusedError) as caught:
        source.metadata()
    assert "SELECT" in caught.value.remedy or "N8N_DATABASE_URL" in caught.value.remedy


def test_no_transaction_stays_open_between_reads(postgres_url: str) -> None:
    """After a read the session is idle outside a transaction, so that it delays neither vacuum nor n8n's migrations."""
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is installed

    with (
        open_executions(postgres_url) as source,
        psycopg.connect(postgres_url.replace("reader@", "postgres@")) as other,
    ):
        source.metadata()
        question = "SELECT state, xact_start FROM pg_stat_activity WHERE application_name = 'ticktrail'"
        assert other.execute(question).fetchall() == [("idle", None)]


def test_the_reader_cannot_write(postgres_url: str) -> None:
    """Every session is read-only, whatever the role may do."""
    database: Any = open_database(postgres_url.replace("reader@", "postgres@"), None)
    with pytest.raises(SourceRefusedError, match="read-only"):
        database.read("DELETE FROM execution_entity RETURNING 1")
    database.close()
