"""Behaviour specific to the SQLite store: paths, journals, locks, full disks, and the indexes that queries use."""

from __future__ import annotations

import os
import re
import sqlite3
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ticktrail.errors import ConfigurationError, SettingsError, StoreRefusedError, StoreUnavailableError, TicktrailError
from ticktrail.messages.filters import Cursor, MessageFilter, SendCursor, SendFilter
from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.stores.sqlite import connection as sqlite_connection
from ticktrail.stores.sqlite import filters as sqlite_filter
from ticktrail.stores.sqlite import sends as sqlite_sends
from ticktrail.stores.sqlite import store as sqlite
from ticktrail.stores.sqlite.connection import make_durable, path_of
from ticktrail.stores.sqlite.rows import MAXIMUM_DEPTH
from ticktrail.stores.sqlite.store import SqliteStore
from ticktrail.text.phone_numbers import Person

OPTIONS = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"))
AT = datetime(2026, 1, 2, tzinfo=UTC)
NOON = 1_767_258_000


def sent(number: int = 1, **more: Any) -> StatusEvent:
    """A status of message ``wamid.<number>``."""
    return StatusEvent(
        message_id=f"wamid.{number}", status="sent", timestamp=NOON + number, execution_id="1", workflow_id="w", **more
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of a test lies."""
    return tmp_path / "ledger.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A store with one message in it."""
    with SqliteStore(str(path), OPTIONS) as store:
        store.write([sent()], at=AT)
        yield store


def writing(store: SqliteStore) -> sqlite3.Connection:
    """The store's own connection."""
    return store.database.writer()


# ── Paths ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("a.db", "{here}/a.db"),
        ("folder/a.db", "{here}/folder/a.db"),
        ("/srv/a.db", "/srv/a.db"),
        ("~/a.db", "{home}/a.db"),
        ("sqlite:///a.db", "{here}/a.db"),
        ("sqlite:///folder/a.db", "{here}/folder/a.db"),
        ("sqlite:////srv/a.db", "/srv/a.db"),
        ("SQLite:////srv/a.db", "/srv/a.db"),
        ("sqlite:///~/a.db", "{home}/a.db"),
        ("sqlite:////srv/100%25 sure?.db", "/srv/100%25 sure?.db"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="the paths are POSIX paths")
def test_a_url_names_a_file(url: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slashes are relative, four absolute, ``~`` is the home folder, and nothing is decoded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(path_of(url)) == expected.format(here=tmp_path, home="/home/somebody")


@pytest.mark.parametrize("url", [":memory:", "sqlite://", "sqlite:///:memory:", "SQLITE://"])
def test_memory(url: str) -> None:
    """A store in memory has its own content, gone with the object."""
    with open_store(url, OPTIONS) as store:
        assert not store.exists()
        assert store.get(["wamid.1"]) == {}
        store.write([sent()], at=AT)
        assert (store.exists(), store.count(MessageFilter()), store.location) == (True, 1, ":memory:")
        with open_store(url, OPTIONS) as other:
            assert not other.exists()


@pytest.mark.parametrize("url", ["", "sqlite:///", "sqlite://folder/a.db", "a\0.db", "~nobody_at_all/a.db"])
def test_a_url_that_names_no_file_is_a_configuration_error(url: str) -> None:
    """The message says what is wrong, the remedy what a good one looks like."""
    with pytest.raises(ConfigurationError) as refusal:
        SqliteStore(url, OPTIONS)
    assert refusal.value.remedy


@pytest.mark.parametrize(
    "name", ["with space.db", "100%.db", "%41.db", "what?mode=ro.db", "#1.db", "é 文.db", "'\".db"]
)
def test_odd_names_are_names(tmp_path: Path, name: str) -> None:
    """Characters that have a meaning in a URI are taken literally, for writing and for reading."""
    odd = tmp_path / f"folder of {name}" / name
    with SqliteStore(f"sqlite:///{odd}" if os.name != "nt" else str(odd), OPTIONS) as store:
        store.write([sent()], at=AT)
        assert store.location == str(odd)
    assert odd.is_file()
    with SqliteStore(str(odd), OPTIONS) as store:
        assert store.count(MessageFilter()) == 1


@pytest.mark.skipif(os.name == "nt", reason="POSIX rights")
def test_the_file_is_for_its_owner_only(store: SqliteStore, path: Path) -> None:
    """Only the owner can read the file and its log, because they hold recipients' numbers."""
    assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {
        "ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600
    }  # fmt: skip


def test_reading_leaves_nothing_beside_the_file(store: SqliteStore, path: Path) -> None:
    """After the last connection has closed, the store is a single file again, unchanged by readers."""
    store.close()
    before = path.read_bytes()
    with SqliteStore(str(path), OPTIONS) as reader:
        assert reader.exists()
        assert len(list(reader.messages(MessageFilter()))) == 1
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]
    assert path.read_bytes() == before


def test_a_reader_cannot_write(store: SqliteStore, path: Path) -> None:
    """The connection that questions use refuses to change anything."""
    with SqliteStore(str(path), OPTIONS) as reader:
        connection = reader.database.reader()
        assert connection is not None
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM message")


# ── Columns ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_field_has_a_column_for_questions(path: Path) -> None:
    """The columns that nothing reads back, and SQL of people and figures will, say what the document says."""
    facts: dict[str, Any] = {
        "message_id": "m",
        "workflow_id": "w",
        "conversation_id": "966500000001",
        "phone_number_id": "1065",
        "display_phone_number": "1555",
        "recipient_user_id": "SA.1",
        "callback_data": "campaign",
    }
    reached = {"sent": 10, "failed": 20, "delivered": 30, "read": 40, "played": 50}
    error = {"code": 131026, "title": "Undeliverable", "details": "why"}
    events = [
        StatusEvent(
            status=status,
            timestamp=NOON + second,
            execution_id=str(second),
            errors=(error,) if status == "failed" else None,
            pricing={"category": "utility"} if status == "sent" else None,
            **facts,
        )
        for status, second in reached.items()
    ]
    origin = Send(
        key="m", message_id="m", sent_by=SentBy("s", "node", "9"), status="accepted", template=Template("hello", "ar")
    )
    later = AT + timedelta(milliseconds=1_500)
    with SqliteStore(str(path), OPTIONS) as store:
        store.write(events[:1], [origin], at=AT, instance="riyadh")
        store.write(events[1:], at=later, instance="riyadh")
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        (row,) = connection.execute("SELECT * FROM message").fetchall()
        (cohort,) = connection.execute("SELECT * FROM cohort").fetchall()
    milliseconds = 1_767_312_000_000
    assert dict(row) == {
        **{name: value for name, value in facts.items() if name != "workflow_id"},
        "id": 1,
        "workflow_id": "w",
        "instance": "riyadh",
        "latest_status": "played",
        "latest_timestamp": NOON + 50,
        "status_count": 5,
        "conflict": 1,
        "failure_code": 131026,
        "failure_title": "Undeliverable",
        "failure_details": "why",
        "pricing": '{"category":"utility"}',
        **{f"{status}_timestamp": NOON + second for status, second in reached.items()},
        "first_timestamp": NOON + 10,
        "template_name": "hello",
        "template_language": "ar",
        "sent_by_workflow_id": "s",
        "sent_by_node": "node",
        "sent_by_execution_id": "9",
        "first_seen_at": milliseconds,
        "last_updated_at": milliseconds + 1_500,
        "last_scanned_at": milliseconds + 1_500,
        "message_time": NOON + 10,
        "audience": 0,
        "facts": 4 + 8 + 16 + 32 + 192,  # read, in conflict, sent and delivered reported, read within an hour
        "delay": 20,
        "pricing_category": None,
        "billable": None,
        "cohort": 1,
    }
    assert dict(cohort) == {
        "id": 1,
        "audience": 0,
        "country_prefix": "966",
        "template_name": "hello",
        "template_language": "ar",
        "sent_by_workflow_id": "s",
        "workflow_id": "w",
        "phone_number_id": facts["phone_number_id"],
        "display_phone_number": facts["display_phone_number"],
        "pricing_category": "utility",
        "billable": 2,
        "instance": "riyadh",
        "in_campaign": 1,
    }


# ── Durability and the log ──────────────────────────────────────────────────────────────────────────────────────────


def test_commits_are_synced(store: SqliteStore) -> None:
    """Write-ahead log with a full sync at each commit: what write() returned survives a power cut."""
    assert writing(store).execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writing(store).execute("PRAGMA synchronous").fetchone() == (2,)


def test_turning_the_log_on_is_tried_again(path: Path) -> None:
    """Of simultaneous first openings SQLite fails some at once, whatever the busy timeout says: they try again."""

    class Crowded(sqlite3.Connection):
        refusals = 3

        def execute(self, question: str, *parameters: Any) -> sqlite3.Cursor:
            if question == "PRAGMA journal_mode = WAL" and self.refusals:
                self.refusals -= 1
                locked = sqlite3.OperationalError("database is locked")
                locked.sqlite_errorcode = sqlite3.SQLITE_BUSY
                raise locked
            return super().execute(question, *parameters)

    with closing(sqlite3.connect(path, isolation_level=None, factory=Crowded)) as connection:
        make_durable(connection)
        assert connection.refusals == 0
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_log_that_grew_too_large_is_emptied(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the log is folded into the file; a reader in the way puts it off and fails nothing."""
    log = path.with_name("ledger.db-wal")
    writing(store).execute("PRAGMA wal_autocheckpoint = 0")
    monkeypatch.setattr(sqlite, "WAL_LIMIT_BYTES", 200_000)
    store._truncate_beyond = 200_000
    store.write([sent(number) for number in range(1_000)], at=AT)
    assert log.stat().st_size == 0
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM message").fetchone()
        store.write([sent(number) for number in range(1_000, 2_000)], at=AT)
        size = log.stat().st_size
        assert size > 200_000
        assert store._truncate_beyond == size + 200_000
    store.write([sent(number) for number in range(2_000, 4_000)], at=AT)
    assert log.stat().st_size == 0
    assert store._truncate_beyond == 200_000
    assert store.count(MessageFilter()) == 4_000


def test_answers_are_read_in_flat_memory(store: SqliteStore) -> None:
    """Reading 3,000 messages of 8 kB takes a fraction of the 24 MB they are."""
    for start in range(0, 3_000, 500):
        store.write([sent(number, errors=({"details": "x" * 8_000},)) for number in range(start, start + 500)], at=AT)
    tracemalloc.start()
    try:
        assert sum(1 for _ in store.messages(MessageFilter())) == 3_000
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()


# ── Faults ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def assert_fails(error: type[TicktrailError], act: Any, *words: str) -> None:
    """Assert that something raises just this error, whose message and remedy hold these words."""
    with pytest.raises(error) as caught:
        act()
    assert type(caught.value) is error
    for word in words:
        assert word in f"{caught.value} {caught.value.remedy}"
    assert caught.value.remedy


def test_a_lock_that_stays_is_unavailable(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another process keeps the file locked, a write raises StoreUnavailableError and reads still work."""
    monkeypatch.setattr(sqlite_connection, "BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with SqliteStore(str(path), OPTIONS) as late:
            assert_fails(StoreUnavailableError, lambda: late.write([sent()], at=AT), str(path), "locked", "run again")
            assert late.count(MessageFilter()) == 1
        other.execute("ROLLBACK")
    assert store.write([sent()], at=AT).unchanged == 1


def test_a_full_disk_is_unavailable_and_costs_nothing(store: SqliteStore, path: Path) -> None:
    """Stored messages stay, and once there is room again the same batch is stored."""
    connection = writing(store)
    batch = [sent(number) for number in range(2_000)]
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    assert_fails(StoreUnavailableError, lambda: store.write(batch, at=AT), str(path), "full", "Make room")
    assert store.count(MessageFilter()) == 1
    connection.execute("PRAGMA max_page_count = 1000000")
    assert store.write(batch, at=AT).inserted == 1_999


def test_a_read_only_file_is_refused(store: SqliteStore, path: Path) -> None:
    """The error says so, and its remedy names the missing permissions."""
    writing(store).execute("PRAGMA query_only = 1")
    assert_fails(StoreRefusedError, lambda: store.write([sent(2)], at=AT), str(path), "read-only", "write permission")
    assert store.count(MessageFilter()) == 1


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    """A text file is named as what it is not."""
    path.write_text("Dear Sir or Madam, " * 500)
    with SqliteStore(str(path), OPTIONS) as store:
        for act in (store.exists, lambda: store.get(["wamid.1"]), lambda: store.write([sent()], at=AT)):
            assert_fails(StoreRefusedError, act, str(path), "not a SQLite database")
    assert path.read_text().startswith("Dear Sir")


def test_a_damaged_file_is_refused(store: SqliteStore, path: Path) -> None:
    """A file with zeros in its middle says that it is damaged and how to go on."""
    store.write([sent(number) for number in range(500)], at=AT)
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with SqliteStore(str(path), OPTIONS) as reader:
        assert_fails(
            StoreRefusedError, lambda: list(reader.messages(MessageFilter())), str(path), "damaged", "sync --full"
        )


def test_a_folder_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    """A folder instead of a file is named, with a file in it as the remedy."""
    with SqliteStore(str(tmp_path), OPTIONS) as store:
        for act in (store.exists, lambda: store.count(MessageFilter()), lambda: store.write([sent()], at=AT)):
            assert_fails(SettingsError, act, str(tmp_path), "folder", "ticktrail.db")


def test_a_file_in_place_of_a_folder_is_a_configuration_error(path: Path) -> None:
    """A path that leads through a file cannot be made."""
    path.write_text("")
    with SqliteStore(str(path / "inner.db"), OPTIONS) as store:
        assert not store.exists()
        assert_fails(ConfigurationError, lambda: store.write([sent()], at=AT), str(path))


@pytest.mark.skipif(os.name == "nt" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root may do anything")
def test_a_folder_without_rights_is_refused(tmp_path: Path) -> None:
    """A place this user may not create says which right is missing."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with SqliteStore(str(locked / "ledger.db"), OPTIONS) as store:
        assert_fails(StoreRefusedError, lambda: store.write([sent()], at=AT), str(locked), "right to write")


def test_a_value_too_large_for_sqlite_costs_its_message(store: SqliteStore) -> None:
    """SQLite takes texts up to a limit (a thousand million bytes; lowered here)."""
    writing(store).setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000)
    report = store.write([sent(2), sent(3, callback_data="x" * 200_000), sent(4)], at=AT)
    assert (report.inserted, [(refusal.key, refusal.reason) for refusal in report.refused]) == (
        2, [("wamid.3", "it is too large for SQLite")]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        ({"callback_data": "\ud83d"}, "surrogate"),
        ({"pricing": {"a": {"b": "\ud83d"}}}, "surrogate"),
        ({"display_phone_number": None, "workflow_id": None}, "IntegrityError"),
        ({"conversation_id": ["a list"]}, "cannot hold"),
        ({"timestamp": 2**63}, "64 bits"),
        ({"errors": ({"code": object()},)}, "TypeError"),
    ],
)
def test_reasons_say_what_was_wrong(store: SqliteStore, poison: dict[str, Any], reason: str) -> None:
    """A refusal's reason names the kind of fault."""
    facts = {"message_id": "wamid.9", "status": "failed", "timestamp": NOON, "execution_id": "1", "workflow_id": "w"}
    report = store.write([sent(2), StatusEvent(**{**facts, **poison})], at=AT)
    assert (report.inserted, [refusal.key for refusal in report.refused]) == (1, ["wamid.9"])
    assert reason in report.refused[0].reason


def test_an_instant_without_a_zone_is_refused_at_once(store: SqliteStore) -> None:
    """A naive ``at`` is the caller's mistake, not a fault of every message."""
    with pytest.raises(TypeError):
        store.write([sent(2)], at=AT.replace(tzinfo=None))
    assert store.count(MessageFilter()) == 1


def test_copies_of_a_send_within_a_millisecond_end_alike(store: SqliteStore) -> None:
    """Copies are compared by whole milliseconds, as stored in the file, in one batch and in two."""
    copies = [
        Send(
            key=key,
            message_id=key,
            sent_by=SentBy("w", "node", execution_id),
            status="accepted",
            sent_at=AT.replace(microsecond=microsecond),
        )
        for key in ("together", "apart")
        for execution_id, microsecond in (("2", 100), ("1", 900))
    ]
    store.write([], copies[:2], at=AT)
    store.write([], copies[2:3], at=AT)
    store.write([], copies[3:], at=AT)
    assert {send.key: (send.sent_by.execution_id, send.sent_at) for send in store.sends()} == {
        "together": ("1", AT),
        "apart": ("1", AT),
    }


def test_a_failure_of_unheard_of_shape_is_stored(store: SqliteStore) -> None:
    """A code that is an object, a title that is a list: the message keeps its failure, nothing is refused."""
    error = {"code": {"sub": 1}, "title": ["a"], "details": True}
    failed = StatusEvent(message_id="f", status="failed", timestamp=NOON, execution_id="1", errors=(error,))
    assert store.write([failed], at=AT).inserted == 1
    assert store.documents(["f"])["f"]["failure"] == error


def test_details_nested_to_the_limit_are_read_back(store: SqliteStore) -> None:
    """Accepted details can be read at any call depth; deeper nesting is refused; many siblings are accepted."""

    def nested(levels: int) -> dict[str, Any]:
        return {"in": [nested(levels - 2)]} if levels > 2 else {}

    def from_deep_down(levels: int) -> set[str]:
        return from_deep_down(levels - 1) if levels else set(store.get(["wamid.2", "wamid.3"]))

    wide = {"many": [{} for _ in range(1_000)]}
    batch = [
        sent(2, pricing=wide),
        sent(3, pricing=nested(MAXIMUM_DEPTH - 3)),
        sent(4, pricing=nested(MAXIMUM_DEPTH + 3)),
    ]
    report = store.write(batch, at=AT)
    assert [(refusal.key, refusal.reason) for refusal in report.refused] == [
        ("wamid.4", "its details are nested too deeply")
    ]
    assert from_deep_down(600) == {"wamid.2", "wamid.3"}


# ── Questions ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("chosen", "indexes"),
    [
        ({}, {"message_time"}),
        ({"limit": 50}, {"message_time"}),
        ({"conversation_id": "a"}, {"message_conversation", "message_recipient"}),
        ({"conversation_id": "a", "statuses": ("sent",)}, {"message_conversation", "message_recipient"}),
        ({"conversation_id": "a", "since_timestamp": 1}, {"message_conversation", "message_recipient"}),
        ({"statuses": ("sent", "delivered"), "limit": 50}, {"message_status"}),
        ({"statuses": ("sent",), "since_timestamp": 1, "limit": 50}, {"message_status"}),
        ({"not_statuses": ("read",), "limit": 50}, {"message_time"}),
        ({"since_timestamp": 1}, {"message_time"}),
        ({"since_timestamp": 1, "limit": 50}, {"message_time"}),
        ({"since_timestamp": 1, "until_timestamp": 9, "statuses": ("sent",), "limit": 50}, {"message_status"}),
        ({"updated_since": AT}, {"message_updated"}),
        ({"updated_since": AT, "statuses": ("sent",), "limit": 50}, {"message_updated"}),
        ({"person": Person(("a", "b"))}, {"message_conversation", "message_recipient"}),
        ({"person": Person(("0041",), "0041")}, {"message_conversation", "message_recipient"}),
        ({"failure_codes": (131026, 131049), "limit": 50}, {"message_failure"}),
        ({"campaign": "spring", "limit": 50}, {"message_campaign"}),
        ({"campaign": "spring", "statuses": ("sent",), "since_timestamp": 1}, {"message_campaign"}),
        ({"template": "ready", "limit": 50}, {"message_time"}),
        ({"order": "oldest", "limit": 50}, {"message_time"}),
        ({"order": "oldest", "statuses": ("sent", "delivered"), "limit": 50}, {"message_status"}),
        ({"order": "updated", "limit": 50}, {"message_updated"}),
        ({"order": "latest", "limit": 50}, {"message_latest"}),
        ({"order": "latest", "statuses": ("sent",), "since_timestamp": 1, "limit": 50}, {"message_latest"}),
        ({"order": "latest", "conversation_id": "a"}, {"message_conversation", "message_recipient"}),
        ({"after": Cursor("latest", 9, "m"), "order": "latest", "limit": 50}, {"message_latest"}),
        ({"order": "updated", "statuses": ("sent",), "limit": 50}, {"message_updated"}),
        ({"after": Cursor("newest", 9, "m"), "limit": 50}, {"message_time"}),
        ({"after": Cursor("newest", None, "m"), "limit": 50}, {"message_time"}),
        ({"after": Cursor("oldest", 9, "m"), "order": "oldest", "limit": 50}, {"message_time"}),
        ({"after": Cursor("updated", 9, "m"), "order": "updated", "limit": 50}, {"message_updated"}),
        ({"after": Cursor("newest", 9, "m"), "statuses": ("sent", "read"), "limit": 50}, {"message_status"}),
        ({"after": Cursor("newest", 9, "m"), "failure_codes": (131026,), "limit": 50}, {"message_failure"}),
        ({"after": Cursor("newest", 9, "m"), "campaign": "spring", "limit": 50}, {"message_campaign"}),
        ({"after": Cursor("newest", 9, "m"), "conversation_id": "a"}, {"message_conversation", "message_recipient"}),
    ],
)
def test_a_question_is_led_by_the_index_that_finds_it_soonest(
    store: SqliteStore, chosen: dict[str, Any], indexes: set[str]
) -> None:
    """Each question walks the index named for it, and one with an index in order sorts no more than ties."""
    plan: list[str] = []

    class Explaining:
        def execute(self, question: str, parameters: Any) -> Iterator[Any]:
            plan.extend(row[3] for row in writing(store).execute(f"EXPLAIN QUERY PLAN {question}", parameters))
            return iter(())

    list(sqlite_filter.message_numbers(Explaining(), MessageFilter(**chosen)))  # type: ignore[arg-type]
    steps = [step for step in plan if step.startswith(("SEARCH", "SCAN"))]
    assert {index for step in steps for index in re.findall(r"INDEX (message_\w+)", step)} == indexes
    assert all("USING" in step for step in steps if step != "SCAN cohort")
    if (
        indexes & {"message_latest", "message_status", "message_failure", "message_sent"}
        or chosen.get("order") == "updated"
    ):
        assert "USE TEMP B-TREE FOR ORDER BY" not in plan
    if chosen.get("order") == "updated":
        assert not any("TEMP B-TREE" in step for step in plan)
    if chosen.get("after") and "conversation_id" not in chosen:
        # A page is found, not walked to.
        assert all(step.startswith("SEARCH") for step in steps)


@pytest.mark.parametrize(
    ("chosen", "index"),
    [
        (SendFilter(), "send_time"),
        (SendFilter(refused=True, limit=50), "send_refused"),
        (SendFilter(unconfirmed=True, limit=50), "send_time"),
        (SendFilter(since_timestamp=1, until_timestamp=9), "send_time"),
        (SendFilter(after=SendCursor(9, "a"), limit=50), "send_time"),
        (SendFilter(refused=True, after=SendCursor(9, "a"), limit=50), "send_refused"),
    ],
)
def test_sends_are_led_by_an_index_too(store: SqliteStore, chosen: SendFilter, index: str) -> None:
    """In order by the index, and whether a status came is one look into another."""
    plan: list[str] = []

    class Explaining:
        def execute(self, question: str, parameters: Any) -> Iterator[Any]:
            plan.extend(row[3] for row in writing(store).execute(f"EXPLAIN QUERY PLAN {question}", parameters))
            return iter(())

    list(sqlite_sends.send_numbers(Explaining(), chosen))  # type: ignore[arg-type]
    assert any(f"INDEX {index}" in step for step in plan)
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan
    if chosen.after is not None:
        # A page is found, not walked to.
        assert all(step.startswith("SEARCH") for step in plan if step.startswith(("SEARCH", "SCAN")))
    if chosen.unconfirmed:
        assert any("sqlite_autoindex_message_1" in step for step in plan)


def test_many_statuses_are_no_trouble(store: SqliteStore) -> None:
    """More statuses than SQLite joins in one statement are still one question."""
    many = tuple(f"status {number}" for number in range(1_000))
    assert list(store.messages(MessageFilter(statuses=many))) == []
    assert store.count(MessageFilter(statuses=(*many, "sent"))) == 1
