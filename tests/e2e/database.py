"""n8n's SQLite database, opened beside a running n8n: to look up what its API hides, and to do damage.

n8n reads executions again each time, so what is changed here shows in the next answer of its API.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, in one transaction that is committed at the end; waits for n8n's own transactions."""
    connection = sqlite3.connect(path, timeout=20)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def newest_execution_id(connection: sqlite3.Connection, workflow_id: str) -> int:
    """The highest execution id of a workflow, deleted ones included; 0 if it has none."""
    question = "SELECT max(id) FROM execution_entity WHERE workflowId = ?"
    (newest,) = connection.execute(question, (workflow_id,)).fetchone()
    return int(newest or 0)


def last_id_given(connection: sqlite3.Connection) -> int:
    """The last execution id that n8n gave to any workflow, whether the execution is still there or not."""
    given = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'execution_entity'").fetchone()
    return int(given[0]) if given else 0


def corrupt_data(connection: sqlite3.Connection, execution_id: int) -> None:
    """Make the execution's data unreadable: JSON that breaks off."""
    _change_one(connection, "UPDATE execution_data SET data = '[{\"brok' WHERE executionId = ?", execution_id)


def lose_data(connection: sqlite3.Connection, execution_id: int) -> None:
    """Take the execution's data away and leave the execution."""
    _change_one(connection, "DELETE FROM execution_data WHERE executionId = ?", execution_id)


def mark_private(connection: sqlite3.Connection, execution_id: int) -> None:
    """Mark the execution as one that used a user's private credentials: n8n redacts it for all other users.

    The only redaction that n8n does unasked without a licence (2.11 and later).
    """
    question = "SELECT data FROM execution_data WHERE executionId = ?"
    (flatted,) = connection.execute(question, (execution_id,)).fetchone()
    # n8n's "flatted" JSON: a list in which a string inside an object is the index of the real value.
    values = json.loads(flatted)
    runtime_data = values[int(values[int(values[0]["executionData"])]["runtimeData"])]
    runtime_data["usesDynamicCredentials"] = True
    statement = "UPDATE execution_data SET data = ? WHERE executionId = ?"
    connection.execute(statement, (json.dumps(values, ensure_ascii=False), execution_id))


def _change_one(connection: sqlite3.Connection, statement: str, execution_id: int) -> None:
    changed = connection.execute(statement, (execution_id,)).rowcount
    assert changed == 1, f"execution {execution_id} has no data row"
