"""A store of a million messages: three million statuses, 80,000 people, a year. Kept in the temporary folder a day.

It is made by one statement a table, for writing it through the store would take minutes and is measured elsewhere.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.measure import line
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.stores.sqlite.migrations import COHORT_STATEMENTS, MIGRATIONS
from ticktrail.stores.sqlite.statistics import register_functions

_NAME = "ticktrail_bench_million_"

MESSAGES = 1_000_000
APART = 31
"""Seconds between two messages: a million fill a year."""

FIRST = int(time.time()) // 86_400 * 86_400 - MESSAGES * APART
"""The first message; the newest is of the last midnight (UTC), so that one file serves a day's runs."""

_MESSAGE_ROWS = f"""
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {MESSAGES - 1}),
drawn AS (
    SELECT n, {FIRST} + n * {APART} AS sent, (n * 2654435761) % 1000 AS fate, (n * 40503) % 997 AS other FROM numbers
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


def million_messages() -> Path:
    """Return the path of the store, which is created if it is missing."""
    path = Path(tempfile.gettempdir()) / f"{_NAME}{FIRST}_{MIGRATIONS[-1].number}.sqlite"
    if path.exists():
        return path
    for older in path.parent.glob(f"{_NAME}*"):
        older.unlink(missing_ok=True)
    unfinished = path.with_suffix(".making")
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
    for statement in (_MESSAGE_ROWS, *COHORT_STATEMENTS, _EVENT_ROWS, *(sql for _, sql in indexes)):
        connection.execute(statement)
    connection.close()
    unfinished.rename(path)
    line("(made the ledger in)", f"{time.perf_counter() - began:.0f} s, {path.stat().st_size / 1e6:,.0f} MB")
    return path
