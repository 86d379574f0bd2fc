"""The incremental sync against an n8n that hides, withholds, prunes and restarts, and a real store.

The clock is the test's own. The requests that reached n8n show what a sync read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from tests.support import n8n_database
from tests.support.invented_messages import BEGIN, WORKFLOW, execution, life, status_object
from tests.support.n8n_server import QUICK, N8nRequest, N8nServer

from ticktrail.errors import SourceUnavailableError, StoreReplacedError, StoreUnavailableError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Extraction, Outcome
from ticktrail.sources.n8n_api.api import N8nApi
from ticktrail.sources.n8n_database.connection import open_database
from ticktrail.sources.n8n_database.executions import N8nDatabase
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.coverage import PendingKind
from ticktrail.stores.opening import open_store
from ticktrail.sync import execution_writer, incremental, lease
from ticktrail.sync.context import SyncContext
from ticktrail.sync.decisions import ScanDepth
from ticktrail.sync.incremental import sync_workflow
from ticktrail.sync.results import SyncReport, report_document

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class Desk:
    """One n8n, one store and a clock, for syncs that follow each other."""

    def __init__(self, n8n: N8nServer, store: Store) -> None:
        self.n8n = n8n
        self.store = store
        self.now = BEGIN + 2 * HOUR
        self._runs = 0

    def sync(self, *, after: timedelta = timedelta(0), full: bool = False, **caller: Any) -> SyncReport:
        """Let time pass, then sync."""
        self.now += after
        self._runs += 1
        self.n8n.requests.clear()
        asked = SyncContext(
            **{"instance_url": self.n8n.address, "holder": f"run-{self._runs}", "now": lambda: self.now, **caller}
        )
        with N8nApi(self.n8n.settings(), self.n8n.workflow_id, retry_policy=QUICK) as api:
            return sync_workflow(api, self.store, asked, full=full)

    def asked_for_data(self) -> list[N8nRequest]:
        """The requests of the last sync that returned data."""
        return [request for request in self.n8n.requests if request.is_list_with_data() or request.is_single()]

    def standings(self) -> dict[str, tuple[str, int]]:
        """Message id → latest status and number of statuses."""
        return {
            message.message_id: (message.state.latest_status, len(message.history))
            for message in self.store.messages(MessageFilter())
        }

    def pending(self) -> dict[int, PendingKind]:
        """The pending executions of the one coverage in the store."""
        (scope,) = self.store.sync_state.facts()
        return {number: record.kind for number, record in self.store.sync_state.load_coverage(scope).pending.items()}


@pytest.fixture(params=["sqlite", pytest.param("mongodb", marks=pytest.mark.thorough)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store that does not exist yet."""
    options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=f"tt_{tmp_path.name[-40:]}")
    url = str(tmp_path / "store.db") if request.param == "sqlite" else request.getfixturevalue("mongodb_server")
    with open_store(url, options) as opened:
        yield opened


@pytest.fixture
def desk(store: Store) -> Iterator[Desk]:
    """A desk with an n8n that has nothing yet."""
    with N8nServer() as n8n:
        yield Desk(n8n, store)


def times(count: int, begin: int = 1) -> list[dict[str, Any]]:
    """So many executions with one ``sent`` each, of messages named after their ids."""
    return [
        execution(number, [status_object(f"wamid.{number}", "sent", 1_795_000_000 + number)])
        for number in range(begin, begin + count)
    ]


# ── Cheap ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_new_costs_one_request(desk: Desk) -> None:
    """Once everything is read, a sync requests one page of the list and no data."""
    desk.n8n.add(*times(120))
    first = desk.sync()
    assert (first.read_counts.executions, first.written.inserted) == (120, 120)
    assert desk.sync().read_counts.executions == 0  # a full scan follows a first sync
    again = desk.sync(after=MINUTE)
    assert again.workflow_result is not None
    assert (again.workflow_result.depth, again.read_counts.executions, again.requests) == (ScanDepth.POLL, 0, 1)
    assert desk.asked_for_data() == []


def test_only_what_is_new_is_fetched(desk: Desk) -> None:
    """The data of five new executions comes in one request."""
    desk.n8n.add(*times(120))
    desk.sync()
    desk.n8n.add(*times(5, begin=121))
    report = desk.sync(after=MINUTE)
    assert (report.read_counts.executions, report.written.inserted) == (5, 5)
    assert [request.limit for request in desk.asked_for_data()] == [5]


def test_a_burst_larger_than_a_page_is_read_to_its_end(desk: Desk) -> None:
    """All executions since the last sync are read, over several pages."""
    desk.n8n.add(*times(10))
    desk.sync()
    desk.n8n.add(*times(611, begin=11))
    assert desk.sync(after=MINUTE).written.inserted == 611
    assert len(desk.standings()) == 621


def test_a_read_that_comes_210_executions_after_its_sent_keeps_the_history(desk: Desk) -> None:
    """Three statuses stay three; the older script, which read the newest 200 executions, lost one."""
    desk.n8n.add(*life(1, 7, ("sent", "delivered")), *times(210, begin=1_000))
    desk.sync()
    desk.n8n.add(execution(2_000, [status_object("wamid.7", "read", 1_795_009_999)]))
    desk.sync(after=MINUTE)
    assert desk.standings()["wamid.7"] == ("read", 3)


# ── Shown later, below what was read ────────────────────────────────────────────────────────────────────────────────


def test_an_execution_that_was_hidden_is_found_below_those_already_read(desk: Desk) -> None:
    """An execution that ran for minutes appears with a low id: the next window scan reads it."""
    desk.now = BEGIN + timedelta(seconds=400)
    desk.n8n.add(*times(300))
    desk.n8n.hidden.add(150)
    desk.sync()
    assert len(desk.standings()) == 299
    desk.n8n.hidden.clear()
    report = desk.sync(after=6 * MINUTE)
    assert report.workflow_result is not None
    assert (report.workflow_result.depth, report.written.inserted) == (ScanDepth.WINDOW, 1)


def test_an_execution_that_was_hidden_for_long_is_found_by_the_next_full_scan(desk: Desk) -> None:
    """One that appears below every window is found within the hour, before n8n prunes it."""
    desk.n8n.add(*times(700))
    desk.n8n.hidden.add(3)
    desk.sync()
    desk.n8n.hidden.clear()
    for _ in range(6):
        desk.sync(after=10 * MINUTE)
    assert "wamid.3" in desk.standings()


def test_unfinished_executions_are_read_at_once_and_again_at_the_end(desk: Desk) -> None:
    """The payload is in the stack at first; once final, the execution is processed and nothing is counted twice."""
    statuses = [status_object("wamid.1", "sent", 1_795_000_001)]
    desk.n8n.add(*times(5, begin=10), execution(5, statuses, status="waiting"))
    assert desk.sync().read_counts.unfinished == 1
    assert desk.standings()["wamid.1"] == ("sent", 1)
    assert desk.pending() == {5: PendingKind.UNFINISHED}
    assert desk.sync(after=MINUTE).read_counts.executions == 0
    desk.n8n.add(execution(5, [*statuses, status_object("wamid.1", "delivered", 1_795_000_009)]))
    desk.sync(after=MINUTE)
    assert (desk.standings()["wamid.1"], desk.pending()) == (("delivered", 2), {})


def test_the_status_failed_of_old_n8n_is_final(desk: Desk) -> None:
    """n8n up to 1.49 calls an error ``failed``: such an execution is processed like any other."""
    desk.n8n.add(execution(1, [status_object("wamid.1", "sent", 1_795_000_001)]) | {"status": "failed"})
    assert desk.sync().read_counts.events == 1
    assert desk.pending() == {}


def test_executions_that_n8n_marked_for_deletion_are_read_once(desk: Desk, tmp_path: Path) -> None:
    """n8n leaves executions that it does not save as running; read from its database, they do not stay pending."""
    texts = [json.dumps(execution(number, life(number, 1))).encode() for number in (1, 2)]
    with n8n_database.sqlite_database(tmp_path / "database.sqlite", texts) as n8n:
        n8n.execute("UPDATE execution_entity SET status = 'running', finished = 0, stoppedAt = NULL")
        n8n.execute("UPDATE execution_entity SET deletedAt = '2026-11-22 11:00:00.000' WHERE id = 1")
        n8n.commit()
        url = str(tmp_path / "database.sqlite")
        context = SyncContext(instance_url=url, holder="run", now=lambda: desk.now)
        with N8nDatabase(open_database(url, None), WORKFLOW) as source:
            first = sync_workflow(source, desk.store, context)
            n8n.execute("UPDATE execution_entity SET status = 'success', finished = 1 WHERE id = 2")
            n8n.commit()
            again = sync_workflow(source, desk.store, context)
    assert first.read_counts.events == 6
    assert first.workflow_result is not None
    assert first.workflow_result.pending == {"unfinished": 1}
    assert again.workflow_result is not None
    assert (again.read_counts.executions, again.workflow_result.pending) == (1, {})


def test_a_waiting_execution_that_no_list_shows_is_requested_by_id(desk: Desk) -> None:
    """Up to n8n 2.28 no list shows waiting executions: each is requested by its id until it is final."""
    statuses = [status_object("wamid.1", "sent", 1_795_000_001)]
    desk.n8n.add(*times(5, begin=10), execution(5, statuses, status="running"))
    desk.sync()
    desk.n8n.hidden.add(5)
    desk.n8n.add(execution(5, [*statuses, status_object("wamid.1", "read", 1_795_000_009)]))
    report = desk.sync(after=16 * MINUTE)
    assert [request.path.rsplit("/", 1)[-1] for request in desk.n8n.requests if request.is_single()] == ["5"]
    assert report.written.updated == 1
    assert desk.pending() == {}


def test_a_crashed_execution_that_becomes_a_success_is_read_again(desk: Desk) -> None:
    """A worker may turn crashed into success: read again for some hours, then processed."""
    desk.n8n.add(*times(5, begin=10), execution(5, [status_object("wamid.1", "sent", 1)], status="crashed"))
    desk.sync()
    assert desk.pending() == {5: PendingKind.CRASHED}
    desk.n8n.add(execution(5, [status_object("wamid.1", "sent", 1), status_object("wamid.1", "read", 1_795_000_000)]))
    desk.sync(after=HOUR)
    assert (desk.standings()["wamid.1"][0], desk.pending()) == ("read", {})
    desk.n8n.add(execution(6, [status_object("wamid.2", "sent", 1_795_000_000)], status="crashed"))
    desk.sync(after=HOUR)
    assert desk.pending() == {6: PendingKind.CRASHED}
    desk.sync(after=7 * HOUR)
    assert desk.pending() == {}


def test_a_crash_makes_the_next_scan_a_full_one(desk: Desk) -> None:
    """After a kill of n8n, executions that were running may appear anywhere below."""
    desk.n8n.add(*times(700))
    desk.n8n.hidden.add(3)
    desk.sync()
    desk.n8n.hidden.clear()
    desk.n8n.add(execution(701, status="crashed"))
    desk.sync(after=MINUTE)
    report = desk.sync(after=MINUTE)
    assert report.workflow_result is not None
    assert (report.workflow_result.depth, report.written.inserted) == (ScanDepth.FULL, 1)


# ── Withheld ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["2.41.1", "2.0.0", "1.109.0"])
def test_an_unreadable_execution_is_retried_and_the_others_are_stored(desk: Desk, version: str) -> None:
    """It is reported, stays pending, is not requested with every sync, and is read once n8n returns it."""
    desk.n8n.version = tuple(map(int, version.split(".")[:2]))
    desk.n8n.add(*times(60))
    desk.n8n.corrupt.add(30)
    report = desk.sync()
    assert (len(desk.standings()), sum(report.read_counts.withheld.values())) == (59, 1)
    assert desk.pending() == {30: PendingKind.WITHHELD}
    desk.sync(after=timedelta(seconds=20))
    assert desk.asked_for_data() == []
    desk.n8n.corrupt.clear()
    assert desk.sync(after=3 * MINUTE).written.inserted == 1
    assert desk.pending() == {}


def test_an_execution_that_stays_unreadable_is_requested_less_and_less(desk: Desk) -> None:
    """With a sync every 15 minutes it is requested four times in a day, and never processed."""
    desk.n8n.add(*times(3))
    desk.n8n.data_missing.add(2)
    desk.sync()
    asked = 0
    for _ in range(24 * 4):
        desk.sync(after=15 * MINUTE)
        asked += bool(desk.asked_for_data())
    assert asked == 4  # after 2 and 15 minutes, 1 and 6 hours, each as soon as a sync comes by
    assert desk.pending() == {2: PendingKind.WITHHELD}


def test_a_full_sync_requests_everything_pending_again(desk: Desk) -> None:
    """Withheld and hidden waiting executions are requested before they are due; a usual sync requests neither."""
    desk.n8n.add(*times(3), execution(4, [status_object("wamid.4", "sent", 1_795_000_004)], status="waiting"))
    desk.n8n.data_missing.add(2)
    for _ in range(3):
        desk.sync(after=HOUR)
    desk.n8n.data_missing.clear()
    desk.n8n.hidden.add(4)
    assert desk.sync(after=timedelta(seconds=20)).written.inserted == 0
    report = desk.sync(after=timedelta(seconds=20), full=True)
    assert (report.written.inserted, report.read_counts.executions) == (1, 2)
    assert desk.pending() == {4: PendingKind.UNFINISHED}


def test_an_execution_deleted_while_it_is_withheld_is_reported_as_lost(desk: Desk) -> None:
    """Once, by id, in the report and in the sync state."""
    desk.n8n.add(*times(3))
    desk.n8n.data_missing.add(2)
    desk.sync()
    desk.n8n.remove(2)
    report = desk.sync(after=HOUR)
    assert report.workflow_result is not None
    assert [one.execution_id for one in report.workflow_result.lost] == [2]
    assert desk.pending() == {}
    (facts,) = desk.store.sync_state.facts().values()
    assert [one.execution_id for one in facts.lost] == [2]
    again = desk.sync(after=HOUR)
    assert again.workflow_result is not None
    assert again.workflow_result.lost == ()


# ── Deleted, rebuilt, emptied ───────────────────────────────────────────────────────────────────────────────────────


def test_a_gap_that_pruning_left_is_reported_with_its_bounds(desk: Desk) -> None:
    """Executions that n8n deleted before they were read are reported once, with ids and times."""
    desk.n8n.add(*times(100))
    desk.sync()
    desk.n8n.remove(*range(1, 101))
    desk.n8n.add(*times(20, begin=180))
    report = desk.sync(after=HOUR)
    assert report.workflow_result is not None
    gap = report.workflow_result.gap
    assert gap is not None
    assert (gap.after_id, gap.before_id) == (100, 180)
    assert (gap.from_started_at, gap.to_started_at) == ("2026-11-22T10:01:40.000Z", "2026-11-22T10:03:00.000Z")
    again = desk.sync(after=HOUR)
    assert again.workflow_result is not None
    assert again.workflow_result.gap is None


def test_an_old_execution_that_pruning_spares_does_not_hide_a_gap(desk: Desk) -> None:
    """Waiting and annotated executions are never pruned, so one that is left proves nothing."""
    desk.n8n.add(*times(100))
    desk.sync()
    desk.n8n.remove(*range(2, 101))
    desk.n8n.add(*times(20, begin=180))
    report = desk.sync(after=MINUTE)
    assert report.workflow_result is not None
    assert report.workflow_result.gap is not None


def test_ordinary_pruning_and_a_deleted_execution_are_no_gap(desk: Desk) -> None:
    """Pruned executions that had been read, and single deletions, are no gap."""
    desk.n8n.add(*times(200))
    desk.sync()
    desk.n8n.remove(*range(1, 120), 200)
    desk.n8n.add(*times(20, begin=201))
    for after in (MINUTE, HOUR):
        report = desk.sync(after=after)
        assert report.workflow_result is not None
        assert report.workflow_result.gap is None
    (facts,) = desk.store.sync_state.facts().values()
    assert facts.pruned, "the oldest execution is another one than at the first full scan"


def test_a_rebuilt_n8n_is_read_from_the_beginning(desk: Desk) -> None:
    """When ids start again, the processed set is dropped and every execution is read."""
    desk.n8n.add(*times(300))
    desk.sync()
    desk.n8n.remove(*range(1, 301))
    later = BEGIN + timedelta(days=3)
    desk.n8n.add(
        *(
            execution(number, [status_object(f"wamid.new{number}", "sent", 1_795_300_000)], begin=later)
            for number in range(1, 41)
        )
    )
    desk.now = later + HOUR
    report = desk.sync()
    assert report.workflow_result is not None
    assert (report.workflow_result.rebuilt, report.written.inserted) == (True, 40)
    assert len(desk.standings()) == 340
    assert desk.sync(after=MINUTE).read_counts.executions == 0


def test_a_store_that_was_emptied_is_filled_again(desk: Desk, tmp_path: Path) -> None:
    """Everything that n8n still holds is read again when the documents are gone from the store."""
    desk.n8n.add(*times(30))
    desk.sync()
    _delete_all_messages(desk.store, tmp_path)
    assert desk.standings() == {}
    assert desk.sync(after=MINUTE).written.inserted == 30


def test_a_store_that_was_pruned_empty_is_filled_once(desk: Desk) -> None:
    """After everything was pruned, one sync reads n8n again and stores nothing; the next one reads nothing."""
    desk.n8n.add(*times(30))
    desk.sync()
    mark = int(desk.now.timestamp()) + 86_400
    desk.store.retention.keep_since(mark)
    assert sum(portion.messages for portion in desk.store.retention.prune(mark)) == 30
    assert desk.sync(after=MINUTE).written.left_out == 30
    assert desk.sync(after=MINUTE).read_counts.executions == 0
    assert desk.asked_for_data() == []
    assert desk.standings() == {}


def test_the_callback_is_called_before_executions_are_processed(desk: Desk) -> None:
    """The callback is called for each batch, and again for a batch on which it failed."""
    desk.n8n.add(*times(3))
    written: list[str] = []

    def fail(message_ids: Sequence[str]) -> None:
        written.extend(message_ids)
        raise StoreUnavailableError("away")

    with pytest.raises(StoreUnavailableError):
        desk.sync(after_write=fail)
    assert sorted(written) == sorted(desk.standings())
    again: list[str] = []
    desk.sync(after=MINUTE, after_write=again.extend)
    assert sorted(again) == sorted(written)
    assert len(written) == 3


def _delete_all_messages(store: Store, tmp_path: Path) -> None:
    if store.location.startswith("mongodb"):
        from pymongo import MongoClient  # noqa: PLC0415 - not for the embedded store

        with MongoClient(store.location) as client:
            client.get_default_database()["message_statuses"].delete_many({})
        return
    import sqlite3  # noqa: PLC0415 - not for MongoDB

    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("DELETE FROM event")
        connection.execute("DELETE FROM message")
    connection.close()


def test_a_store_file_that_is_deleted_under_a_watch_is_filled_again(desk: Desk, tmp_path: Path) -> None:
    """The sync during which it happens fails; the next one reads everything that n8n still holds into a new file."""
    if not desk.store.location.startswith(str(tmp_path)):
        pytest.skip("MongoDB's files are the server's own")
    desk.n8n.add(*times(40))
    desk.sync()
    for name in tmp_path.glob("store.db*"):
        name.unlink()
    desk.n8n.add(*times(5, begin=41))
    with pytest.raises(StoreReplacedError):
        desk.sync(after=MINUTE)
    assert not (tmp_path / "store.db").exists()
    report = desk.sync(after=MINUTE)
    assert (report.written.inserted, len(desk.standings())) == (45, 45)


def test_a_newer_extraction_reads_again_what_n8n_still_has(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Executions that an older version processed are read again."""
    desk.n8n.add(*times(30))
    desk.sync()
    monkeypatch.setattr(incremental, "EXTRACTION_VERSION", incremental.EXTRACTION_VERSION + 1)
    report = desk.sync(after=MINUTE)
    assert (report.read_counts.executions, report.written.unchanged) == (30, 30)


def test_executions_that_are_not_read_are_counted_by_reason_and_provider(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each once, named in the problems, kept in the sync state, and read again only by a newer extraction."""
    whole = execution_writer.extract

    def extract(raw: bytes) -> Extraction:
        found = whole(raw)
        if int(found.execution_id) % 3:
            return found
        provider = None if found.execution_id == "3" else "Evolution API"
        reason = "text" if provider is None else "provider"
        return msgspec.structs.replace(found, events=(), outcome=Outcome.NOT_READ, reason=reason, provider=provider)

    monkeypatch.setattr(execution_writer, "extract", extract)
    desk.n8n.add(*times(10))
    report = desk.sync()
    counts = report.read_counts
    assert (counts.executions, counts.with_statuses, counts.without) == (10, 7, 0)
    assert counts.not_read == {"Evolution API": 2, "status inside a text that is not opened": 1}
    assert "execution 9: not read (Evolution API)" in counts.problems
    assert report_document(report)["notRead"] == counts.not_read
    assert desk.pending() == {}
    desk.n8n.add(*times(2, begin=11))
    assert desk.sync(after=MINUTE).read_counts.executions == 2
    (facts,) = desk.store.sync_state.facts().values()
    kept = {(one.reason, one.provider): (one.count, one.last_execution_id, one.last_at) for one in facts.not_read}
    assert kept == {
        ("provider", "Evolution API"): (3, 12, desk.now),
        ("text", None): (1, 3, desk.now - MINUTE),
    }
    monkeypatch.setattr(execution_writer, "extract", whole)
    monkeypatch.setattr(incremental, "EXTRACTION_VERSION", incremental.EXTRACTION_VERSION + 1)
    assert desk.sync(after=MINUTE).written.inserted == 4


# ── Interrupted ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_interrupted_full_scan_continues_where_it_was(desk: Desk) -> None:
    """No execution's data is fetched twice, whatever number of runs it takes, and new ones do not stop it."""
    desk.n8n.add(*times(1_500))
    read = 0
    for round_number in range(60):
        pages = 0

        def should_stop() -> bool:
            nonlocal pages
            pages += 1
            return pages > 8

        report = desk.sync(should_stop=should_stop)
        assert report.workflow_result is not None
        read += report.read_counts.executions
        if not report.workflow_result.stopped:
            break
        desk.n8n.add(*times(2, begin=3_000 + 10 * round_number))
    assert len(desk.standings()) == read == 1_500 + 2 * round_number
    assert round_number >= 3
    # What the interrupted walks had passed is looked at once more, and nothing is fetched.
    report = desk.sync(after=MINUTE)
    assert report.workflow_result is not None
    assert (report.workflow_result.depth, report.workflow_result.complete, report.read_counts.executions) == (
        ScanDepth.FULL,
        True,
        0,
    )


def test_an_interrupted_backfill_skips_processed_pages(desk: Desk) -> None:
    """The list is not scanned again from its top either: a million executions are thousands of pages."""
    desk.n8n.add(*times(2_500))
    stop_at: list[int] = [1_800]
    desk.sync(should_stop=lambda: len(desk.standings()) >= stop_at[0])
    report = desk.sync()
    assert report.workflow_result is not None
    assert report.workflow_result.complete
    lists = [request for request in desk.n8n.requests if request.is_list_without_data()]
    assert len(lists) <= 6
    assert len(desk.standings()) == 2_500


def test_n8n_going_away_loses_nothing_and_makes_the_next_scan_full(desk: Desk) -> None:
    """Executions read before the error are kept, the error is raised, and the next run reads the rest."""
    desk.n8n.add(*times(300))
    desk.sync()
    desk.n8n.add(*times(300, begin=301))
    desk.n8n.answer(503, times=None, when=lambda request: request.is_list_with_data() and (request.below or 0) < 500)
    with pytest.raises(SourceUnavailableError):
        desk.sync(after=MINUTE)
    assert 300 < len(desk.standings()) < 600
    desk.n8n.heal()
    report = desk.sync(after=MINUTE)
    assert report.workflow_result is not None
    assert (report.workflow_result.depth, len(desk.standings())) == (ScanDepth.FULL, 600)


def test_executions_that_are_not_stored_are_not_processed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails in the middle of writing leaves its executions to be read again."""
    desk.n8n.add(*times(120))
    write: Callable[..., Any] = desk.store.write
    calls = 0

    def failing(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise SourceUnavailableError("the disk went away")
        return write(*arguments, **named)

    monkeypatch.setattr(desk.store, "write", failing)
    with pytest.raises(SourceUnavailableError):
        desk.sync()
    assert 0 < len(desk.standings()) < 120
    desk.sync()
    assert len(desk.standings()) == 120


# ── The lease ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_sync_of_the_same_workflow_does_nothing(desk: Desk) -> None:
    """While the first one runs, it reads nothing and names the holder; afterwards it runs."""
    desk.n8n.add(*times(3))
    inner: list[SyncReport] = []

    def progress(_: object) -> None:
        if not inner:
            inner.append(desk.sync(holder="second"))

    desk.sync(holder="first", progress=progress)
    assert inner[0].workflow_result is not None
    assert (inner[0].workflow_result.busy, inner[0].read_counts.executions) == ("first", 0)
    assert len(desk.standings()) == 3
    after = desk.sync(holder="third")
    assert after.workflow_result is not None
    assert after.workflow_result.busy is None


def test_a_dead_holder_does_not_keep_others_out(desk: Desk) -> None:
    """At once where its process is known to have ended, elsewhere after a minute and a half."""
    desk.n8n.add(*times(3))
    desk.sync()
    name = f"sync|{desk.n8n.address}|{desk.n8n.workflow_id}"
    for options, wait, busy in (
        ({}, MINUTE, "dead"),
        ({}, 2 * MINUTE, None),
        ({"is_gone": lambda holder: holder == "dead"}, MINUTE, None),
    ):
        desk.store.sync_state.take_lease(name, holder="dead", now=desk.now, until=desk.now + lease.LEASE)
        report = desk.sync(after=wait, **options)  # type: ignore[arg-type]
        assert report.workflow_result is not None
        assert report.workflow_result.busy == busy
        desk.store.sync_state.drop_lease(name, holder="dead")


def test_every_workflow_and_instance_has_its_own_coverage(desk: Desk) -> None:
    """Execution ids belong to an instance, and so does the processed set."""
    desk.n8n.add(*times(3))
    desk.sync()
    with N8nServer(times(5)) as other:
        elsewhere = Desk(other, desk.store)
        assert elsewhere.sync().read_counts.executions == 5
    desk.n8n.workflows.append({"id": "second", "name": "Second"})
    desk.n8n.add(execution(9, [status_object("wamid.9", "sent", 1_795_000_000)], workflow_id="second"))
    desk.n8n.workflow_id = "second"
    assert desk.sync().read_counts.executions == 1
    assert len(desk.store.sync_state.facts()) == 3


def test_a_list_without_statuses_is_understood(desk: Desk) -> None:
    """Up to n8n 1.110 rows have no status: an execution is processed once its data has a final one."""
    desk.n8n.version = (1, 109)
    desk.n8n.add(*times(20), execution(25, [status_object("wamid.25", "sent", 1_795_000_000)], status="waiting"))
    desk.sync()
    assert desk.pending() == {25: PendingKind.UNFINISHED}
    desk.n8n.add(execution(25, [status_object("wamid.25", "sent", 1_795_000_000)], status="error"))
    desk.sync(after=6 * MINUTE)
    assert desk.pending() == {}


def test_a_store_is_complete_up_to_the_beginning_of_the_scan(desk: Desk) -> None:
    """``checked_at`` is when the scan began, because later executions may have been missed."""
    desk.n8n.add(*times(3))
    report = desk.sync()
    assert report.workflow_result is not None
    assert report.workflow_result.checked_at == desk.now
    assert datetime.now(UTC) != desk.now
