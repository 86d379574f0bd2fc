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
from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.stores import StoreOptions
from ticktrail.stores.sqlite.connection import open_to_write
from ticktrail.stores.sqlite.filters import count_question
from ticktrail.stores.sqlite.migrations import MIGRATIONS
from ticktrail.stores.sqlite.schema import migrate
from ticktrail.stores.sqlite.statistics import figures_question
from ticktrail.stores.sqlite.store import SqliteStore
from ticktrail.text.phone_numbers import Country

NOON = 1_767_258_000
RIYADH = ZoneInfo("Asia/Riyadh")
LANGUAGES = ("ar", None)
BEFORE_FIGURES = next(migration.number for migration in MIGRATIONS if migration.name.startswith("figures")) - 1


def store_with_a_year() -> sqlite3.Connection:
    """A store in memory, with a message of today and one of a year ago."""
    connection = open_to_write(None)
    migrate(connection, "a.db")
    connection.executemany(
        "INSERT INTO message (message_id, message_time, latest_status, status_count, workflow_id, conflict,"
        " first_seen_at, last_updated_at, last_scanned_at) VALUES (?, ?, 'sent', 1, 'w', 0, 0, 0, 0)",
        [("now", NOON), ("then", NOON - 365 * 86_400)],
    )
    return connection


def plan(chosen: MessageFilter, by: Grouping | None, *, details: bool) -> list[str]:
    """The query plan of SQLite."""
    with closing(store_with_a_year()) as connection:
        question, parameters = figures_question(connection, chosen, by, young_since=NOON, details=details, zone=RIYADH)
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {question}", parameters)]


@pytest.mark.parametrize("by", [None, Grouping.TEMPLATE, Grouping.NUMBER, Grouping.COUNTRY, Grouping.CATEGORY])
def test_figures_of_everything_read_one_index_in_its_order(by: Grouping | None) -> None:
    """No message is read, and only the few cohorts are sorted."""
    index, *others = [step for step in plan(MessageFilter(), by, details=True) if "cohort" in step]
    assert index == "SCAN message USING COVERING INDEX message_cohort"
    assert others == ["SEARCH cohort USING INTEGER PRIMARY KEY (rowid=?)"]


@pytest.mark.parametrize(
    ("by", "index"), [(Grouping.USER, "message_conversation"), (Grouping.CAMPAIGN, "message_campaign")]
)
def test_recipients_and_campaigns_are_grouped_in_the_order_of_an_index(by: Grouping, index: str) -> None:
    """The named ones are read from an index that covers the query."""
    assert any(f"USING COVERING INDEX {index} " in step for step in plan(MessageFilter(), by, details=False))


@pytest.mark.parametrize(
    "by", [None, *(by for by in Grouping if by not in {Grouping.ERROR, Grouping.USER, Grouping.CAMPAIGN})]
)
def test_a_short_span_of_time_reads_its_part_of_an_index(by: Grouping | None) -> None:
    """Of a short span only its messages are met, in an index that covers the query; a long one may read another."""
    steps = plan(MessageFilter(since_timestamp=NOON), by, details=True)
    assert "SEARCH message USING COVERING INDEX message_time (message_time>?)" in steps


def test_the_list_of_a_figure_is_counted_in_an_index() -> None:
    """The messages of a list are counted from what the figure was counted by; no message is read."""
    with closing(store_with_a_year()) as connection:
        for chosen, index in (
            (MessageFilter(people_only=True, statuses=("failed", "undelivered")), "message_cohort"),
            (MessageFilter(people_only=True, statuses=("sent",), since_timestamp=NOON), "message_time"),
            (MessageFilter(template="hello", country=Country(("966",))), "message_cohort"),
        ):
            question, parameters = count_question(connection, chosen)
            step, *_ = (row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {question}", parameters))
            assert step.startswith(f"SEARCH message USING COVERING INDEX {index} (")


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


def test_an_older_file_is_grouped_like_a_new_one(tmp_path: Path) -> None:
    """Migrating gives every message of a file from before cohorts the cohort that writing it today gives."""
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    sends = [
        Send(key=f"m{number}", message_id=f"m{number}", status="accepted",
             sent_by=SentBy(f"s{number % 2}", "node", "1"), template=Template(f"t{number % 3}", LANGUAGES[number % 2]))
        for number in range(0, 60, 2)
    ]  # fmt: skip
    with SqliteStore(str(new), StoreOptions(timezone=RIYADH)) as store:
        store.write(
            [
                StatusEvent(
                    message_id=f"m{number}", status=("sent", "delivered", "failed")[number % 3],
                    timestamp=NOON + number, execution_id="1", workflow_id=f"w{number % 2}",
                    phone_number_id=("1065", "123456123", None)[number % 3],
                    conversation_id=("966500000001", "12025550014", None, "SA.1", "120363000000000001")[number % 5],
                    recipient_user_id="SA.1", callback_data=("spring", "", None, "half")[number % 4],
                    pricing={"category": "utility", "billable": bool(number % 2)} if number % 7 else None,
                )
                for number in range(60)
            ],
            sends, at=datetime(2026, 11, 22, tzinfo=UTC), instance="riyadh",
        )  # fmt: skip
        expected = [
            list(store.statistics(MessageFilter(), by, young_since=0, details=True)) for by in (None, *Grouping)
        ]
    before = next(one.number for one in MIGRATIONS if one.name.startswith("cohorts")) - 1
    with closing(open_to_write(old)) as connection:
        migrate(connection, "old.db", MIGRATIONS[:before])
        columns = [row[1] for row in connection.execute("PRAGMA table_info(message)")]
        prices = ["NULLIF(cohort.pricing_category, '')", "NULLIF(cohort.billable, 2)"]
        copied = [f"message.{column}" for column in columns if column not in {"pricing_category", "billable"}]
        names = [column.removeprefix("message.") for column in copied]
        connection.execute("ATTACH ? AS new", (str(new),))
        connection.execute(
            f"INSERT INTO main.message ({', '.join(names)}, pricing_category, billable) "  # noqa: S608 - columns
            f"SELECT {', '.join([*copied, *prices])} FROM new.message JOIN new.cohort ON cohort.id = message.cohort"
        )
    with SqliteStore(str(old), StoreOptions(timezone=RIYADH)) as store:
        store.prepare()
        assert [
            list(store.statistics(MessageFilter(), by, young_since=0, details=True)) for by in (None, *Grouping)
        ] == expected
