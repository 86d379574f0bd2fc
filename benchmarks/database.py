"""Reading n8n's database: a backfill compared with one through the API, and what n8n's own writes cost beside it.

The database is laid out as n8n 2.41's is, in SQLite and, where it is installed, in PostgreSQL.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import n8n_database

from benchmarks.measure import line
from benchmarks.n8n_process import made
from benchmarks.syncing import BACKFILL, child, n8n

_ROUNDS = 3
_WRITES = 400
_PAUSE_SECONDS = 0.02


def run() -> None:
    """Measure both databases."""
    texts = [json.dumps(made(number)).encode() for number in range(1, BACKFILL + 1)]
    kinds = {"SQLite": _sqlite}
    if n8n_database.programs() is not None:
        kinds["PostgreSQL"] = _postgresql
    for name, opened in kinds.items():
        with opened(texts) as (url, connection), n8n(BACKFILL) as (address, _):
            pairs = [(child("backfill", address), child("database", url)) for _ in range(_ROUNDS)]
            pairs.sort(key=lambda pair: pair[0][0] / pair[1][0])
            ratios = [api[0] / database[0] for api, database in pairs]
            api, database = pairs[_ROUNDS // 2]
            line(
                f"backfill of {BACKFILL:,} from n8n's {name}",
                f"{ratios[_ROUNDS // 2]:.1f} x as fast as through its API ({database[0]:.1f} s and {api[0]:.1f} s; "
                f"{ratios[0]:.1f} to {ratios[-1]:.1f}); processor time {database[2]:.1f} s and {api[2]:.1f} s",
            )
            alone = _write_times(connection, BACKFILL)
            with _syncing(url):
                beside = _write_times(connection, BACKFILL + _WRITES)
            line(
                f"  n8n's writes to {name} beside a sync",
                f"p50 {_share(beside, 50):.1f} ms, p99 {_share(beside, 99):.1f} ms; "
                f"alone p50 {_share(alone, 50):.1f} ms, p99 {_share(alone, 99):.1f} ms",
            )


@contextmanager
def _sqlite(texts: list[bytes]) -> Iterator[tuple[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "database.sqlite"
        with n8n_database.sqlite_database(path, texts) as connection:
            yield str(path), connection


@contextmanager
def _postgresql(texts: list[bytes]) -> Iterator[tuple[str, Any]]:
    import psycopg  # noqa: PLC0415 - only where PostgreSQL is installed

    with (
        tempfile.TemporaryDirectory() as folder,
        n8n_database.postgresql(Path(folder)) as url,
        psycopg.connect(url) as connection,
    ):
        n8n_database.fill(connection, texts, mark="%s")
        yield url, connection


def _write_times(connection: Any, after: int) -> list[float]:
    """Milliseconds that each of many transactions takes which store one execution, as n8n does after a webhook."""
    taken = []
    for number in range(after + 1, after + 1 + _WRITES):
        time.sleep(_PAUSE_SECONDS)
        began = time.perf_counter()
        n8n_database.add(connection, json.dumps(made(number)).encode())
        taken.append((time.perf_counter() - began) * 1_000)
    return sorted(taken)


@contextmanager
def _syncing(url: str) -> Iterator[None]:
    """Another process that syncs all executions into a new store, again and again."""
    command = [sys.executable, "-m", "benchmarks.syncing", "database again and again", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
            assert process.poll() is None
        finally:
            process.kill()


def _share(times: list[float], percent: int) -> float:
    return times[min(len(times) * percent // 100, len(times) - 1)]
