"""How long the figures of a million messages take in SQLite, each beside a plain scan of every row in the same run."""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.measure import line, seconds
from benchmarks.million import APART, FIRST, MESSAGES, million_messages
from ticktrail.alerts.service import find_alerts
from ticktrail.alerts.settings import read_alert_settings
from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.grouping import WITH_DETAILS
from ticktrail.settings.loading import load_settings
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_configured_store, open_store


def run() -> None:
    """Measure the totals, the totals of a month, each grouping, the usual questions, and alerts."""
    path = million_messages()
    with open_store(str(path), StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))) as store:
        # Whatever a plain program would do to know the same: look at every message once.
        with contextlib.closing(sqlite3.connect(path)) as plain:
            look = "SELECT SUM(latest_status = 'failed') FROM message NOT INDEXED"
            scan = min(seconds(lambda: plain.execute(look).fetchone()) for _ in range(2))
        line("SQLite, plain scan of a million messages", f"{scan * 1000:,.0f} ms")
        month = MessageFilter(since_timestamp=FIRST + 300 * 86_400, until_timestamp=FIRST + 330 * 86_400)
        _measure(store, "totals", MessageFilter(), None, scan, "; wanted: about a second")
        _measure(store, "totals of a month", month, None, scan)
        for by in Grouping:
            _measure(store, f"by {by}", MessageFilter(), by, scan)
        _measure_questions(store)
    _measure_alerts(path, scan)


def _measure_questions(store: Store) -> None:
    """Measure queries that an index answers: the newest fifty of a million."""
    for name, chosen in {
        "one person's messages": MessageFilter(conversation_id="966500007919"),
        "unread": MessageFilter(statuses=("sent", "delivered"), limit=50),
        "failed with a code": MessageFilter(statuses=("failed",), failure_codes=(131026,), limit=50),
        "of one campaign": MessageFilter(campaign="campaign 7", limit=50),
    }.items():
        took = min(seconds(lambda asked=chosen: list(store.messages(asked))) for _ in range(3))  # type: ignore[misc]
        line(f"SQLite, messages: {name}", f"{took * 1000:.1f} ms")


def _measure_alerts(path: Path, scan: float) -> None:
    """Everything that ``ticktrail alerts`` looks at, in a store whose newest message is of this minute."""
    settings = load_settings({"TICKTRAIL_STORE": str(path)}, {}, path.parent)
    own = read_alert_settings(settings, {})
    now = datetime.fromtimestamp(FIRST + MESSAGES * APART, UTC)
    with open_configured_store(settings) as store:
        took = min(seconds(lambda: find_alerts(settings, own, store, now)) for _ in range(2))
    line("SQLite, alerts", f"{took * 1000:,.0f} ms, {took / scan:.1f} x a plain scan")


def _measure(
    store: Store, name: str, chosen: MessageFilter, by: Grouping | None, scan: float, wanted: str = ""
) -> None:
    groups = 0
    details = by is None or by in WITH_DETAILS

    def ask() -> None:
        nonlocal groups
        young = FIRST + MESSAGES * APART - 86_400
        groups = sum(1 for _ in store.statistics(chosen, by, young_since=young, details=details))

    took = min(seconds(ask) for _ in range(2))
    line(f"SQLite, stats {name}", f"{took * 1000:,.0f} ms, {groups:,} groups, {took / scan:.1f} x a plain scan{wanted}")
