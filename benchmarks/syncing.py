"""Cost of a sync: a poll without news, five new executions, and a backfill compared with a plain download.

n8n is an imitation in another process that takes as long as a real one was measured to take; and once one that answers
at once, which no n8n does: what Ticktrail itself takes shows best there.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from tests.support.invented_messages import WORKFLOW

from benchmarks.measure import line, ratio, seconds
from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.api import N8nApi
from ticktrail.sources.n8n_database.connection import open_database
from ticktrail.sources.n8n_database.executions import N8nDatabase
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.sync.context import SyncContext
from ticktrail.sync.incremental import sync_workflow
from ticktrail.sync.results import SyncReport

BACKFILL = 20_000
_NEWEST = 200
_ROUNDS = 5


def run() -> None:
    """Measure all three."""
    with n8n(BACKFILL) as (address, add), tempfile.TemporaryDirectory() as folder:
        _measure_polls(address, add, str(Path(folder) / "store.sqlite"))
    for name, paced in (("", True), (" at once", False)):
        with n8n(BACKFILL, paced=paced) as (address, _):
            pairs = [(child("backfill", address), child("download", address)) for _ in range(3)]
        ratios = sorted(ours[0] / plain[0] for ours, plain in pairs)
        ours, plain = pairs[1]
        line(
            f"backfill of {BACKFILL:,} executions{name}",
            f"{ratios[1]:.2f} x downloading the same pages ({ours[0]:.1f} s and {plain[0]:.1f} s; "
            f"{ratios[0]:.2f} to {ratios[2]:.2f})",
        )
    with n8n(BACKFILL // 10) as (address, _):
        small = child("backfill", address)
    line("its peak memory", f"{ours[1]:.0f} MB, {ours[1] / small[1]:.2f} x that of {BACKFILL // 10:,} executions")


def _measure_polls(address: str, add: Callable[[int], None], path: str) -> None:
    with open_store(path, StoreOptions(timezone=ZoneInfo("UTC"))) as store, open_api(address) as api:
        sync(api, store)
        sync(api, store)
        quiet = sync(api, store)
        plain_bytes = _read_newest(api)
        ours, plain, times = ratio(lambda: sync(api, store), lambda: _read_newest(api), rounds=_ROUNDS)
        line(
            "a poll without news",
            f"{times:.1f} x as fast as reading the newest {_NEWEST} with data "
            f"({ours * 1000:.0f} ms and {plain * 1000:.0f} ms)",
        )
        line(
            "  requests and bytes",
            f"{quiet.requests} of {quiet.read_counts.size:,} bytes; reading again: {plain_bytes:,} bytes",
        )
        taken, reports = [], []
        for _ in range(_ROUNDS):
            add(5)
            taken.append(seconds(lambda: reports.append(sync(api, store))))
        report = reports[-1]
        line(
            "a poll with 5 new executions",
            f"{plain / sorted(taken)[_ROUNDS // 2]:.1f} x as fast; "
            f"{report.requests} requests, {report.read_counts.size:,} bytes",
        )


def sync(api: N8nApi | N8nDatabase, store: Store) -> SyncReport:
    """One sync of everything that is new."""
    return sync_workflow(api, store, SyncContext(instance_url="https://n8n.example.com", holder="bench"))


def _read_newest(api: N8nApi) -> int:
    """Download and parse the newest executions with their data, as the older script did each time."""
    page = api.data(None, _NEWEST)
    for text in page.executions:
        json.loads(text)
    return page.size


def open_api(address: str) -> N8nApi:
    """The imitation's API."""
    return N8nApi(N8nSettings(base_url=address, editor_url=address, api_key=Secret("n8n-test-key")), WORKFLOW)


@contextmanager
def n8n(count: int, *, paced: bool = True) -> Iterator[tuple[str, Callable[[int], None]]]:
    """The imitation with so many executions: its address, and what adds more."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.n8n_process", str(count), *(["paced"] if paced else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        commands, answers = process.stdin, process.stdout
        address = answers.readline().strip()

        def add(more: int) -> None:
            print(more, file=commands, flush=True)
            answers.readline()

        try:
            yield address, add
        finally:
            commands.close()


def child(what: str, address: str) -> tuple[float, float, float]:
    """Seconds, peak memory (MB) and processor seconds of one run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.syncing", what, address], stdout=subprocess.PIPE, text=True, check=True
    )
    taken, peak, cpu = map(float, done.stdout.split())
    return taken, peak, cpu


def sync_into_new_store(api: N8nApi | N8nDatabase) -> float:
    """Sync everything into an empty SQLite store; return the seconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(str(Path(folder) / "store.sqlite"), StoreOptions(timezone=ZoneInfo("UTC"))) as store,
    ):
        taken = seconds(lambda: sync(api, store))
        assert sync(api, store).read_counts.executions < BACKFILL // 10
    return taken


def _main(what: str, address: str) -> None:
    opened: N8nApi | N8nDatabase = (
        N8nDatabase(open_database(address, None), WORKFLOW) if what.startswith("database") else open_api(address)
    )
    with opened as api:
        if what == "database again and again":
            print("started", flush=True)
            while True:
                sync_into_new_store(api)
        if what == "download":
            taken = seconds(lambda: sum(page.size for page in api.pages()))
        else:
            taken = sync_into_new_store(api)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(taken, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime)


if __name__ == "__main__":
    _main(*sys.argv[1:])
