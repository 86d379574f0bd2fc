"""Figures in SQLite: what leads to them, and files from before there were columns for them."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.sqlite.connection import open_to_write
from ticktrail.stores.sqlite.filters import count_question
from ticktrail.stores.sqlite.schema import MIGRATIONS, migrate
from ticktrail.stores.sqlite.statistics import figures_question
from ticktrail.stores.sqlite.store import SqliteStore

NOON = 1_767_258_000
RIYADH = ZoneInfo("Asia/Riyadh")
BEFORE_FIGURES = next(migration.number for migration in MIGRATIONS if migration.name.startswith("figures")) - 1


def plan(chosen: MessageFilter, by: Grouping | None, *, details: bool) -> list[str]:
    """The query plan of SQLite for an empty store."""
    with closing(open_to_write(None)) as connection:
        migrate(connection, "a.db")
        question, parameters = figures_question(connection, chosen, by, young_since=NOON, details=details, zone=RIYADH)
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {question}", parameters)]


def test_totals_read_an_index_in_its_order_and_no_message() -> None:
    """The totals of everything are one pass over an index that covers them; nothing is sorted."""
    assert plan(MessageFilter(), None, details=True) == ["SCAN message USING COVERING INDEX message_facts"]


@pytest.mark.parametrize("by", [None, Grouping.DAY, Grouping.HOUR, Grouping.CATEGORY])
def test_a_span_of_time_reads_its_part_of_an_index(by: Grouping | None) -> None:
    """With --since only the messages since then are met, in an index that covers the question."""
    search, *sorting = plan(MessageFilter(since_timestamp=NOON), by, details=by is None)
    assert search == "SEARCH message USING COVERING INDEX message_time (message_time>?)"
    assert all("TEMP B-TREE" in step for step in sorting)


def test_a_tile_s_list_is_counted_in_an_index() -> None:
    """How many messages a tile's list has is read from what the tile was counted by; no message is met."""
    with closing(open_to_write(None)) as connection:
        migrate(connection, "a.db")
        for chosen, index in (
            (MessageFilter(people_only=True, statuses=("failed", "undelivered")), "message_facts"),
            (MessageFilter(people_only=True, statuses=("sent",), since_timestamp=NOON), "message_time"),
        ):
            question, parameters = count_question(connection, chosen)
            (step,) = (row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {question}", parameters))
            assert step.startswith(f"SEARCH message USING COVERING INDEX {index} (")


@pytest.mark.parametrize("by", [Grouping.TEMPLATE, Grouping.USER, Grouping.COUNTRY])
def test_where_every_message_counts_they_are_scanned(by: Grouping) -> None:
    """Looking nearly all messages up one by one through an index takes three times as long as a scan."""
    assert plan(MessageFilter(), by, details=True)[0] == "SCAN message"


@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("Asia/Riyadh", "2026-03-01T00:00:00+00:00"),
        ("Europe/Berlin", "2026-03-29T01:00:00+00:00"),
        ("Europe/Berlin", "2026-10-25T01:00:00+00:00"),
        ("America/Los_Angeles", "2026-11-01T09:00:00+00:00"),
        ("Asia/Kathmandu", "2026-01-01T18:15:00+00:00"),
        ("Australia/Lord_Howe", "2026-04-04T15:00:00+00:00"),
        ("Pacific/Apia", "2011-12-30T10:00:00+00:00"),
        ("Africa/Casablanca", "2026-02-15T02:00:00+00:00"),
    ],
)
def test_days_are_the_calendar_s_when_clocks_change(zone: str, around: str) -> None:
    """Around every change of clocks each message counts for the day its zone's calendar shows, as one group a day."""
    there = ZoneInfo(zone)
    middle = int(datetime.fromisoformat(around).timestamp())
    moments = [middle + hours * 1_800 + second for hours in range(-100, 100) for second in (-1, 0, 1)]
    moments += [middle - 900 * 86_400, -5, 2**33]
    with SqliteStore(":memory:", StoreOptions(timezone=there)) as store:
        events = [
            StatusEvent(message_id=f"m{place}", status="sent", timestamp=moment, execution_id="1",
                        conversation_id="966500000001", workflow_id="w")
            for place, moment in enumerate(moments)
        ]  # fmt: skip
        store.write(events, at=datetime(2026, 11, 22, tzinfo=UTC))
        known = [one.state.sent_timestamp for one in store.get([event.message_id for event in events]).values()]
        everything = list(store.statistics(MessageFilter(), Grouping.DAY, young_since=0))
        span = MessageFilter(since_timestamp=middle - 86_400, until_timestamp=middle + 86_400)
        inside = list(store.statistics(span, Grouping.DAY, young_since=0))
    for found, chosen in (
        (everything, known),
        (inside, [one for one in known if one is not None and abs(2 * (one - middle) + 1) <= 2 * 86_400]),
    ):
        days = Counter(datetime.fromtimestamp(one, there).date() for one in chosen if one is not None and one > 0)
        told = Counter[object]()
        for group in found:
            if isinstance(group.key, int) and group.key > 0:
                told[datetime.fromtimestamp(group.key * 900, there).date()] += group.counts.messages
        assert told == days
        assert len(found) <= len(days) + 3


def test_an_older_file_learns_what_its_messages_are_counted_by(tmp_path: Path) -> None:
    """A file from before these columns counts as one that was written with them."""
    path = tmp_path / "ledger.db"
    with closing(open_to_write(path)) as connection:
        migrate(connection, "ledger.db", MIGRATIONS[:BEFORE_FIGURES])
        rows = [
            # status, conflict, sent, delivered, read, conversation, number's id, pricing
            ("read", 0, NOON, NOON + 5, NOON + 65, "966500000001", "1065", '{"billable":true,"category":"utility"}'),
            ("delivered", 1, NOON, NOON + 90_000, None, "966500000002", "1065", "{}"),
            ("failed", 0, None, None, None, "966500000003", "1065", None),
            ("sent", 0, NOON, None, None, "120363000000000001", "1065", None),
            ("sent", 0, NOON, None, None, "966500000004", "123456123", None),
        ]
        connection.executemany(
            "INSERT INTO message (message_id, latest_status, conflict, sent_timestamp, delivered_timestamp,"
            " read_timestamp, conversation_id, phone_number_id, pricing, latest_timestamp, status_count, workflow_id,"
            " first_seen_at, last_updated_at, last_scanned_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 'w', 1, 1, 1)",
            [(f"m{place}", *row, NOON) for place, row in enumerate(rows)],
        )
    with SqliteStore(str(path), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
        store.prepare()
        (total,) = store.statistics(MessageFilter(), young_since=NOON, details=True)
        assert store.count(MessageFilter(since_timestamp=NOON)) == 5
    counts = total.counts
    assert (counts.messages, counts.delivered, counts.read, counts.failed) == (3, 2, 1, 1)
    assert (counts.conflicts, counts.groups, counts.tests, counts.provisional) == (1, 1, 1, 3)
    assert (counts.timed, counts.read_within_hour, counts.sent_reported) == (2, 1, 2)
    assert counts.prices == {("utility", True): 1, (None, None): 1}
    assert counts.delays == {5: 1, 90_000: 1}


def test_a_file_that_was_not_brought_up_to_date_says_so(tmp_path: Path) -> None:
    """Reading a file of an older schema raises an error with a remedy, without sqlite's own message."""
    path = tmp_path / "ledger.db"
    with closing(open_to_write(path)) as connection:
        migrate(connection, "ledger.db", MIGRATIONS[:BEFORE_FIGURES])
    with SqliteStore(str(path), StoreOptions(timezone=ZoneInfo("UTC"))) as store:
        with pytest.raises(Exception, match="written by an older Ticktrail") as refused:
            list(store.statistics(MessageFilter(), young_since=0))
        assert not isinstance(refused.value, sqlite3.Error)
