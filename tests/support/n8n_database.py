"""n8n's own database as its releases lay it out, filled with recorded executions; and a PostgreSQL for tests."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.recordings import recording

_FIRST = ("id", "workflowId", "finished", "mode", "status", "retryOf", "retrySuccessId", "startedAt", "stoppedAt")
_OLDEST = (*_FIRST, "waitTill", "deletedAt")

SCHEMAS = {
    "1.27": _OLDEST,
    "1.68": (*_OLDEST, "createdAt"),
    "2.8": (*_OLDEST, "createdAt", "storedAt"),
    "2.20": (*_OLDEST, "createdAt", "storedAt", "tracingContext", "deduplicationKey"),
    "2.41": (
        *(*_OLDEST, "createdAt", "storedAt", "tracingContext", "deduplicationKey", "jsonSizeBytes"),
        *("workflowVersionId", "binaryDataSizeBytes", "usedPrivateCredentials"),
    ),
}
"""Columns of ``execution_entity`` by n8n release. See the migrations in n8n's ``@n8n/db``."""

COLUMNS = SCHEMAS["2.41"]

USER = "postgres"

EXECUTION = recording("execution_whatsapp_trigger_failed")
WORKFLOW: str = json.loads(EXECUTION)["workflowId"]
"""The execution in the file of the fixture ``n8n_file``, and its workflow."""


def flatten(value: Any) -> str:
    """Return a JSON value in the ``flatted`` form of n8n's database: texts are indexes, and equal texts are shared."""
    found: list[Any] = []
    texts: dict[str, str] = {}

    def place(one: Any) -> str:
        if isinstance(one, str) and one in texts:
            return texts[one]
        index = len(found)
        found.append(None)
        if isinstance(one, str):
            texts[one] = str(index)
        if isinstance(one, dict):
            found[index] = {name: place(inner) if _has_place(inner) else inner for name, inner in one.items()}
        elif isinstance(one, list):
            found[index] = [place(inner) if _has_place(inner) else inner for inner in one]
        else:
            found[index] = one
        return str(index)

    place(value)
    return json.dumps(found)


def _has_place(value: Any) -> bool:
    return isinstance(value, (dict, list, str))


def rows(executions: Sequence[bytes]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Row, data and workflow of executions as n8n's API gives them."""
    for text in executions:
        execution = json.loads(text)
        row = {name: execution.get(name) for name in COLUMNS} | {"id": int(execution["id"])}
        for name in ("startedAt", "stoppedAt", "waitTill"):
            row[name] = row[name].replace("T", " ").removesuffix("Z") if row[name] else None
        row |= {"createdAt": row["startedAt"], "storedAt": "db"}
        yield row, flatten(execution["data"]), json.dumps(execution.get("workflowData"))


def fill(connection: Any, executions: Sequence[bytes], *, columns: Sequence[str] = COLUMNS, mark: str = "?") -> None:
    """Create n8n's tables and insert the executions with their workflows."""
    cursor = connection.cursor()
    types = {"id": "integer primary key", "finished": "boolean"}
    times = "timestamp" if mark == "%s" else "text"
    types |= dict.fromkeys(("startedAt", "stoppedAt", "waitTill", "deletedAt", "createdAt"), times)
    definitions = ", ".join(f'"{name}" {types.get(name, "text")}' for name in columns)
    cursor.execute(f"CREATE TABLE execution_entity ({definitions})")
    cursor.execute('CREATE TABLE execution_data ("executionId" integer primary key, "workflowData" text, "data" text)')
    cursor.execute('CREATE TABLE workflow_entity ("id" text primary key, "name" text, "active" boolean, "nodes" text)')
    workflows: dict[str, str] = {}
    for row, data, workflow in rows(executions):
        _insert(cursor, row, data, workflow, columns=columns, mark=mark)
        workflows.setdefault(row["workflowId"], workflow)
    for name, text in workflows.items():
        nodes = json.dumps((json.loads(text) or {}).get("nodes"))
        cursor.execute(
            f"INSERT INTO workflow_entity VALUES ({mark}, {mark}, {mark}, {mark})",  # noqa: S608
            (name, name, True, nodes),
        )
    connection.commit()


def add(connection: Any, execution: bytes) -> None:
    """Insert one more execution in a transaction of its own."""
    mark = "?" if isinstance(connection, sqlite3.Connection) else "%s"
    for row, data, workflow in rows([execution]):
        _insert(connection.cursor(), row, data, workflow, columns=COLUMNS, mark=mark)
    connection.commit()


def _insert(cursor: Any, row: dict[str, Any], data: str, workflow: str, *, columns: Sequence[str], mark: str) -> None:
    quoted = ", ".join(f'"{name}"' for name in columns)
    values = [bool(row[name]) if name == "finished" else row[name] for name in columns]
    marks = ", ".join([mark] * len(columns))
    cursor.execute(f"INSERT INTO execution_entity ({quoted}) VALUES ({marks})", values)  # noqa: S608 - fixed names
    statement = f"INSERT INTO execution_data VALUES ({mark}, {mark}, {mark})"  # noqa: S608 - fixed names
    cursor.execute(statement, (row["id"], workflow, data))


@contextmanager
def sqlite_database(
    path: Path, executions: Sequence[bytes], *, columns: Sequence[str] = COLUMNS, wal: bool = True
) -> Iterator[sqlite3.Connection]:
    """n8n's SQLite file, open as a running n8n has it."""
    connection = sqlite3.connect(path)
    try:
        connection.execute(f"PRAGMA journal_mode = {'wal' if wal else 'delete'}")
        fill(connection, executions, columns=columns)
        yield connection
    finally:
        connection.close()


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Another connection to the file, in one transaction that is committed at the end."""
    connection = sqlite3.connect(path)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def programs() -> Path | None:
    """The folder with Debian's PostgreSQL programs; None when it is not installed."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return folders[-1].parent if folders else None


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of its own in this folder; yields the URL of its superuser."""
    binaries = programs()
    assert binaries is not None
    as_user: list[str] = []
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        shutil.chown(folder, USER, USER)
        as_user = ["runuser", "-u", USER, "--"]
    data = folder / "data"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = [*as_user, str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", USER, "--no-sync"]
    subprocess.run(start, check=True, capture_output=True, cwd=folder)
    control = [*as_user, str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
    subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True, cwd=folder)
    try:
        yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)
