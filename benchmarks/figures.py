"""How long the figures of a million messages take in SQLite, each beside a plain scan of every row in the same run.

The ledger (1,000,000 messages, 3,000,000 statuses, 80,000 people, a year) is made by one statement a table, for writing
it through the store would take minutes and is measured elsewhere. It is kept in the temporary folder for the next run.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.measure import line, seconds
from ticktrail.alert_settings import read_alert_settings
from ticktrail.alerting import find_alerts
from ticktrail.config import load_settings
from ticktrail.grouping import WITH_DETAILS
from ticktrail.ledger import open_ledger
from ticktrail.query import Grouping, MessageFilter
from ticktrail.stores import Store, StoreOptions, open_store
from ticktrail.stores.sqlite_migrations import MIGRATIONS
from ticktrail.stores.sqlite_stats import register_functions

_MESSAGES = 1_000_000
_FIRST = 1_735_700_000
_APART = 31
"""Seconds between two messages: a million fill a year."""

_MESSAGE_ROWS = f"""
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {_MESSAGES - 1}),
drawn AS (
    SELECT n, {_FIRST} + n * {_APART} AS sent, (n * 2654435761) % 1000 AS fate, (n * 40503) % 997 AS other FROM numbers
),
lived AS (
    SELECT *,
        CASE WHEN fate < 30 THEN 'failed' WHEN fate < 50 THEN 'sent' WHEN fate < 400 THEN 'delivered' ELSE 'read' END
            AS status,
        CASE WHEN fate >= 50 THEN sent + 2 + (other * other) / 1500 END AS delivered,
        CASE WHEN fate >= 400 THEN sent + 700 + (other * other) / 9 END AS read
    FROM drawn
)
INSERT INTO message (
    id, message_id, conversation_id, phone_number_id, display_phone_number, callback_data, latest_status,
    latest_timestamp, status_count, workflow_id, conflict, failure_code, failure_title, pricing, sent_timestamp,
    delivered_timestamp, read_timestamp, failed_timestamp, first_timestamp, template_name, sent_by_workflow_id,
    first_seen_at, last_updated_at, last_scanned_at, message_time, audience, facts, delay, pricing_category, billable
)
SELECT n + 1, printf('wamid.BENCH%012d', n),
    printf('%s%06d', CASE WHEN fate % 10 < 8 THEN '966500' ELSE '971500' END, (n * 7919) % 80000),
    '10650000000000' || (n % 3), '1555000000' || (n % 3), CASE WHEN n % 2 THEN 'campaign ' || (n / 20000) END, status,
    COALESCE(read, delivered, sent), 3, 'bcHn4wXXcVuTsjYB', 0,
    CASE WHEN status = 'failed' THEN 131026 + (n % 5) END, CASE WHEN status = 'failed' THEN 'Undeliverable' END,
    CASE WHEN n % 3 THEN '{{"billable":true,"category":"marketing","pricing_model":"PMP","type":"regular"}}'
    ELSE '{{"billable":true,"category":"utility","pricing_model":"PMP","type":"regular"}}' END,
    sent, delivered, read, CASE WHEN status = 'failed' THEN sent + 3 END, sent, 'template_' || (n % 20), 'sender',
    sent * 1000, sent * 1000, sent * 1000,
    sent, 0, counted_facts(status, 0, sent, delivered, read, NULL), counted_delay(status, sent, delivered),
    CASE WHEN n % 3 THEN 'marketing' ELSE 'utility' END, 1
FROM lived
"""  # noqa: S608 - constants

_EVENT_ROWS = """
INSERT INTO event (message, key, status, timestamp, execution_id, conversation_id, workflow_id)
SELECT id, word || char(31) || sent_timestamp || char(31) || id || char(31), word, sent_timestamp, id, conversation_id,
    workflow_id
FROM message, (SELECT 'delivered' AS word UNION SELECT 'read' UNION SELECT 'sent') ORDER BY id, word
"""


def run() -> None:
    """Measure the totals, the totals of a month, each grouping, the usual questions, and alerts."""
    path = _ledger()
    with open_store(str(path), StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))) as store:
        # Whatever a plain program would do to know the same: look at every message once.
        with contextlib.closing(sqlite3.connect(path)) as plain:
            look = "SELECT SUM(latest_status = 'failed') FROM message NOT INDEXED"
            scan = min(seconds(lambda: plain.execute(look).fetchone()) for _ in range(2))
        line("SQLite, plain scan of a million messages", f"{scan * 1000:,.0f} ms")
        month = MessageFilter(since_timestamp=_FIRST + 300 * 86_400, until_timestamp=_FIRST + 330 * 86_400)
        _measure(store, "totals", MessageFilter(), None, scan, "; wanted: about a second")
        _measure(store, "totals of a month", month, None, scan)
        for by in Grouping:
            _measure(store, f"by {by}", MessageFilter(), by, scan)
        _measure_questions(store)
    _measure_alerts(path, scan)


def _measure_questions(store: Store) -> None:
    """What answers from an index: the newest fifty of a million."""
    for name, chosen in {
        "one person's messages": MessageFilter(conversation_id="966500007919"),
        "unread": MessageFilter(statuses=("sent", "delivered"), limit=50),
        "failed with a code": MessageFilter(statuses=("failed",), failure_codes=(131026,), limit=50),
        "of one campaign": MessageFilter(campaign="campaign 7", limit=50),
    }.items():
        took = min(seconds(lambda asked=chosen: list(store.messages(asked))) for _ in range(3))  # type: ignore[misc]
        line(f"SQLite, messages: {name}", f"{took * 1000:.1f} ms")


def _measure_alerts(path: Path, scan: float) -> None:
    """Everything that ``ticktrail alerts`` looks at, in a ledger whose newest message is of this minute."""
    settings = load_settings({"TICKTRAIL_STORE": str(path)}, {}, path.parent)
    own = read_alert_settings(None, {})
    now = datetime.fromtimestamp(_FIRST + _MESSAGES * _APART, UTC)
    with open_ledger(settings) as store:
        took = min(seconds(lambda: find_alerts(settings, own, store, now)) for _ in range(2))
    line("SQLite, alerts", f"{took * 1000:,.0f} ms, {took / scan:.1f} x a plain scan")


def _measure(
    store: Store, name: str, chosen: MessageFilter, by: Grouping | None, scan: float, wanted: str = ""
) -> None:
    groups = 0
    details = by is None or by in WITH_DETAILS

    def ask() -> None:
        nonlocal groups
        young = _FIRST + _MESSAGES * _APART - 86_400
        groups = sum(1 for _ in store.figures(chosen, by, young_since=young, details=details))

    took = min(seconds(ask) for _ in range(2))
    line(f"SQLite, stats {name}", f"{took * 1000:,.0f} ms, {groups:,} groups, {took / scan:.1f} x a plain scan{wanted}")


def _ledger() -> Path:
    path = Path(tempfile.gettempdir()) / f"ticktrail_bench_figures_{MIGRATIONS[-1].number}.sqlite"
    if path.exists():
        return path
    unfinished = path.with_suffix(".making")
    unfinished.unlink(missing_ok=True)
    began = time.perf_counter()
    with open_store(str(unfinished), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
        store.prepare()
    connection = sqlite3.connect(unfinished, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -400000")
    register_functions(connection)
    indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOTNULL").fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    for statement in (_MESSAGE_ROWS, _EVENT_ROWS, *(sql for _, sql in indexes)):
        connection.execute(statement)
    connection.close()
    unfinished.rename(path)
    line("(made the ledger in)", f"{time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e6:,.0f} MB")
    return path
