"""Reading the database of a running n8n gives the same statuses as its API and does not disturb n8n."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from tests.support import n8n_database

from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.api import BRIEF, N8nApi
from ticktrail.sources.opening import open_workflow
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.coverage import PendingKind
from ticktrail.stores.opening import open_store
from ticktrail.sync.context import SyncContext
from ticktrail.sync.incremental import scope_of, sync_workflow

from . import database, situations, workflows
from .fake_meta import FakeMeta
from .installation import Installation
from .n8n_lab import N8n
from .situations import Situation
from .test_store import kept, reported

pytestmark = pytest.mark.e2e

READER = 20_002
"""A user id; no such user has to exist."""

_GRANTS = """
CREATE ROLE reader LOGIN;
GRANT SELECT ("id", "workflowId", "finished", "mode", "status", "retryOf", "startedAt", "stoppedAt", "waitTill",
              "deletedAt", "storedAt") ON execution_entity TO reader;
GRANT SELECT ("executionId", "data", "workflowData") ON execution_data TO reader;
GRANT SELECT ("id", "name", "active", "nodes", "settings") ON workflow_entity TO reader;
"""


class PostgresN8n(N8n):
    """An n8n that keeps its data in PostgreSQL; ``url`` is that of the superuser."""

    url: str

    def newest_execution_id(self, workflow_id: str) -> int:
        """The highest id given so far, 0 if none."""
        import psycopg  # noqa: PLC0415 - only where PostgreSQL is installed

        with psycopg.connect(self.url) as connection:
            question = 'SELECT max("id") FROM execution_entity WHERE "workflowId" = %s'
            (newest,) = connection.execute(question, (workflow_id,)).fetchone() or (None,)
        return int(newest or 0)


@pytest.fixture(scope="module")
def postgres_n8n(
    installation: Installation, fake_meta: FakeMeta, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresN8n]:
    """An n8n on Debian's PostgreSQL, with a role that may select the columns read and nothing else."""
    if n8n_database.programs() is None:
        pytest.skip("PostgreSQL is not installed (scripts/postgresql)")
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is installed

    # Not in pytest's folder, which PostgreSQL's user may not enter.
    with TemporaryDirectory(prefix="ticktrail-pg-") as folder, n8n_database.postgresql(Path(folder)) as url:
        host, _, port = url.rpartition("@")[2].partition("/")[0].partition(":")
        settings = {"DB_TYPE": "postgresdb", "DB_POSTGRESDB_HOST": host, "DB_POSTGRESDB_PORT": port}
        settings |= {"DB_POSTGRESDB_DATABASE": "postgres", "DB_POSTGRESDB_USER": n8n_database.USER}
        n8n = PostgresN8n(installation, tmp_path_factory.mktemp("n8n-pg"), meta=fake_meta, extra_env=settings)
        n8n.url = url
        n8n.start()
        try:
            with psycopg.connect(url) as connection:
                connection.execute(_GRANTS)
            yield n8n
        finally:
            n8n.stop()


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def both(request: pytest.FixtureRequest) -> tuple[N8n, str]:
    """A running n8n, and the URL by which its database is read."""
    if request.param == "SQLite":
        sqlite: N8n = request.getfixturevalue("n8n")
        return sqlite, str(sqlite.database)
    postgres: PostgresN8n = request.getfixturevalue("postgres_n8n")
    return postgres, postgres.url.replace(f"{n8n_database.USER}@", "reader@")


def sync_from_database(url: str, workflow_id: str, store: Store, folder: Path) -> dict[int, PendingKind]:
    """One sync with only N8N_DATABASE_URL set. Returns the pending executions."""
    settings = load_settings({}, {"N8N_DATABASE_URL": url, "WORKFLOW_ID_WHATSAPP": workflow_id}, folder)
    with open_workflow(settings, workflow_id, BRIEF) as source:
        sync_workflow(source, store, SyncContext(instance_url="database", holder="e2e"))
    coverage = store.sync_state.load_coverage(scope_of("database", workflow_id, store))
    return {number: record.kind for number, record in coverage.pending.items()}


@pytest.mark.parametrize("happens", [situations.succeeded, situations.triggered, situations.split, situations.errored])
def test_the_database_gives_the_same_messages_as_the_api(
    both: tuple[N8n, str], tmp_path: Path, happens: Callable[[N8n], Situation]
) -> None:
    """A sync from n8n's database stores the same documents as a sync through its API."""
    n8n, url = both
    situation = happens(n8n)
    options = StoreOptions(timezone=ZoneInfo("UTC"))
    settings = N8nSettings(base_url=n8n.base_url, editor_url=n8n.base_url, api_key=Secret(n8n.reader_key))
    with (
        open_store(str(tmp_path / "api.sqlite"), options) as through_api,
        open_store(str(tmp_path / "database.sqlite"), options) as from_database,
        N8nApi(settings, situation.workflow_id) as api,
    ):
        sync_workflow(api, through_api, SyncContext(instance_url=n8n.base_url, holder="e2e"))
        sync_from_database(url, situation.workflow_id, from_database, tmp_path)
        assert kept(from_database, situation) == reported(situation)
        (messages, others) = (store.get(situation.message_ids) for store in (through_api, from_database))
        assert {name: message.history for name, message in messages.items()} == {
            name: message.history for name, message in others.items()
        }


def test_running_executions_are_read_at_once_and_again_at_the_end(both: tuple[N8n, str], tmp_path: Path) -> None:
    """The database shows the statuses of an execution that the API still hides; it stays pending until it ends."""
    n8n, url = both
    late = situations.running(n8n, seconds=6)
    with open_store(str(tmp_path / "store.sqlite"), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
        pending = sync_from_database(url, late.workflow_id, store, tmp_path)
        assert pending[late.execution_id] is PendingKind.UNFINISHED
        assert kept(store, late) == reported(late)
        n8n.wait_for_status(late.execution_id)
        assert late.execution_id not in sync_from_database(url, late.workflow_id, store, tmp_path)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="becomes another user")
def test_n8n_starts_after_another_user_read_its_file(n8n: N8n, tmp_path: Path) -> None:
    """A reader who may write to n8n's folder reads while n8n runs and while it is down, and n8n starts again."""
    situation = situations.succeeded(n8n)
    folder = n8n.database.parent
    for place in (folder, *folder.parents[:-2]):
        place.chmod(place.stat().st_mode | 0o007)
    assert _count_as_reader(n8n, situation.workflow_id) > 0
    n8n.stop()
    assert _count_as_reader(n8n, situation.workflow_id) > 0
    assert {file.stat().st_uid for file in folder.glob("database.sqlite*")} == {os.geteuid()}
    n8n.start()
    assert situation.execution_id in n8n.listed_ids(situation.workflow_id)
    with database.opened(n8n.database) as connection:
        connection.execute("UPDATE execution_entity SET status = status WHERE id = ?", (situation.execution_id,))


def _count_as_reader(n8n: N8n, workflow_id: str) -> int:
    """The number of executions that a process of another user lists."""
    program = (
        "import os, sys; from ticktrail.sources.n8n_database.connection import open_database;"
        "from ticktrail.sources.n8n_database.executions import N8nDatabase; import sqlite3;"
        f"os.setgid({READER}); os.setuid({READER});"
        "print(len(N8nDatabase(open_database(sys.argv[1], None), sys.argv[2]).metadata().rows))"
    )
    command = [sys.executable, "-c", program, str(n8n.database), workflow_id]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_webhooks_are_answered_beside_a_sync(both: tuple[N8n, str], tmp_path: Path) -> None:
    """While another process reads the whole database again and again, every webhook becomes an execution."""
    n8n, url = both
    installed = n8n.installed(workflows.webhook())
    program = (
        "import sys; from ticktrail.sources.n8n_database.connection import open_database;"
        "from ticktrail.sources.n8n_database.executions import N8nDatabase\n"
        "while True: sum(len(page.executions) for page in N8nDatabase(open_database(sys.argv[1], None), sys.argv[2])"
        ".pages())"
    )
    with subprocess.Popen([sys.executable, "-c", program, url, installed.id]) as reader:
        try:
            found = [situations.succeeded(n8n) for _ in range(5)]
            assert reader.poll() is None
        finally:
            reader.kill()
    with open_store(str(tmp_path / "store.sqlite"), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
        sync_from_database(url, installed.id, store, tmp_path)
        for situation in found:
            assert kept(store, situation) == reported(situation)
