"""How fast events are merged into SQLite, beside one find-then-update a status."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks import workload
from benchmarks.baseline import OneByOneSqlite
from benchmarks.measure import line, seconds
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store

_MESSAGES = 30_000
_BATCH = 1_000


def run() -> None:
    """Measure both orders of arrival, and a repetition without news."""
    for name, together in (("a message's events together", True), ("in order of arrival", False)):
        made = workload.events(_MESSAGES, together=together)
        with tempfile.TemporaryDirectory() as folder:
            plain = _baseline(made, str(Path(folder) / "baseline.sqlite"))
            with open_store(str(Path(folder) / "ours.sqlite"), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
                first = _timed(store, made)
                again = _timed(store, made)
        rate = len(made) / first
        line(f"SQLite, {name}", f"{plain / first:.1f} x the baseline  ({rate:,.0f} events/s)")
        line(f"SQLite, {name}, no news", f"{len(made) / again:,.0f} events/s")


def _timed(store: Store, made: list[StatusEvent]) -> float:
    """Seconds that writing takes, in batches."""
    batches = [made[start : start + _BATCH] for start in range(0, len(made), _BATCH)]
    return seconds(lambda: [store.write(batch, at=datetime.now(UTC)) for batch in batches])


def _baseline(made: list[StatusEvent], path: str) -> float:
    store = OneByOneSqlite(path)
    rows = [
        {
            "messageId": event.message_id,
            "status": event.status,
            "timestamp": event.timestamp,
            "executionId": event.execution_id,
            "conversation_id": event.conversation_id,
            "pricing": event.pricing,
        }
        for event in made
    ]
    taken = seconds(lambda: [store.write(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)])
    store.close()
    return taken
