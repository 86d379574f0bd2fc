"""Sync state of every store: coverage that only grows, leases with one holder, the last runs."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
from tests.support.patience import PATIENCE_SECONDS
from tests.support.records import AT, LATER, OpenAgain, event

from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.coverage import (
    BLOCK,
    Change,
    Coverage,
    Facts,
    Gap,
    InterruptedScan,
    LostExecution,
    PendingExecution,
    PendingKind,
    processed_blocks,
)
from ticktrail.stores.sync_state import KEPT_RUNS, LeaseRecord, Run

SCOPE = "https://n8n.example.com|wf|1|here"
START = "2026-11-22T10:00:00.000Z"
SECOND = timedelta(seconds=1)


def opened(execution_id: int, kind: PendingKind = PendingKind.WITHHELD, **more: object) -> PendingExecution:
    """An open record."""
    usual = PendingExecution(execution_id=execution_id, kind=kind, first_met_at=AT, look_again_at=LATER)
    return msgspec.structs.replace(usual, **more)


def processed_ids(coverage: Coverage) -> set[int]:
    """The ids whose bit is set."""
    return {
        number * BLOCK + bit
        for number, block in coverage.blocks.items()
        for bit in range(BLOCK)
        if block.bits >> bit & 1
    }


# ── Coverage ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_scope_not_met_before_is_empty_and_reading_creates_nothing(
    store: Store, nothing_was_created: Callable[[], bool]
) -> None:
    """Asking a place that does not exist finds an empty coverage, no runs, and makes nothing."""
    assert store.sync_state.load_coverage(SCOPE) == Coverage()
    assert store.sync_state.facts() == {}
    assert store.sync_state.runs() == []
    store.close()
    assert nothing_was_created()


def test_settled_ids_come_back_bit_for_bit(store: Store, open_again: OpenAgain) -> None:
    """Ids at the ends of words and blocks, and far beyond 32 bits, are settled for every later reader; others not."""
    ids = {0, 1, 63, 64, 127, 2_047, 2_048, 4_095, 1_000_000, 2**31 + 5, 2**40 + 63}
    store.sync_state.save_coverage(SCOPE, Change(processed=processed_blocks((number, START) for number in ids)))
    found = open_again().sync_state.load_coverage(SCOPE)
    assert processed_ids(found) == ids
    assert found.processed_count() == len(ids)


def test_bits_of_many_changes_add_up_whatever_their_order(store: Store) -> None:
    """No change takes back a bit of another; the latest start of a block is the latest of all, or none."""
    changes = [
        Change(processed=processed_blocks([(n, f"2026-11-22T10:{n % 60:02}:00.000Z")])) for n in range(0, 3_000, 7)
    ]
    random.Random(7).shuffle(changes)  # noqa: S311 - not a secret
    for change in [*changes, *changes[:50]]:
        store.sync_state.save_coverage(SCOPE, change)
    store.sync_state.save_coverage(SCOPE, Change(processed=processed_blocks([(10_000, None)])))
    found = store.sync_state.load_coverage(SCOPE)
    assert processed_ids(found) == {*range(0, 3_000, 7), 10_000}
    latest = {number: block.latest_started_at for number, block in found.blocks.items()}
    assert latest == {0: "2026-11-22T10:59:00.000Z", 1: "2026-11-22T10:59:00.000Z", 4: None}


def test_pending_records_are_replaced_and_removed_by_id(store: Store) -> None:
    """One record an execution, the last one wins; it is removed when resolved, and resolving others does nothing."""
    store.sync_state.save_coverage(
        SCOPE, Change(pending=(opened(1, reason="redacted"), opened(2, PendingKind.UNFINISHED)))
    )
    store.sync_state.save_coverage(SCOPE, Change(pending=(opened(1, attempts=2, started_at=START),), resolved=(2, 3)))
    assert store.sync_state.load_coverage(SCOPE).pending == {1: opened(1, attempts=2, started_at=START)}


def test_facts_come_back_whole(store: Store) -> None:
    """Every fact is kept as it was given; no facts in a change leave them as they are."""
    facts = Facts(
        newest_id=17,
        newest_started_at=START,
        checked_at=AT,
        full_at=AT,
        full_seconds=1.5,
        full_owed=False,
        window_at=LATER,
        interrupted_scan=InterruptedScan(top_id=17, below=9, began_at=AT),
        oldest_id=1,
        oldest_started_at=None,
        holds_statuses=True,
        gaps=(Gap(after_id=3, before_id=9, from_started_at=None, to_started_at=START, found_at=AT),),
        lost=(LostExecution(execution_id=4, reason="redacted", started_at=None, found_at=AT),),
    )
    store.sync_state.save_coverage(SCOPE, Change(facts=facts))
    store.sync_state.save_coverage(SCOPE, Change(processed=processed_blocks([(5, START)])))
    assert store.sync_state.load_coverage(SCOPE).facts == facts
    assert store.sync_state.facts() == {SCOPE: facts}


def test_scopes_do_not_touch_one_another(store: Store) -> None:
    """Saving, forgetting or dropping one scope does not change others; names may hold any text."""
    other = SCOPE + "#settled#0$.x"
    for scope in (SCOPE, other):
        store.sync_state.save_coverage(
            scope,
            Change(
                processed=processed_blocks([(1, START), (5_000, START)]), pending=(opened(2),), facts=Facts(newest_id=5)
            ),
        )
    store.sync_state.save_coverage(SCOPE, Change(forgotten_below=1))
    assert processed_ids(store.sync_state.load_coverage(SCOPE)) == {5_000}
    store.sync_state.drop_coverage(SCOPE)
    assert store.sync_state.load_coverage(SCOPE) == Coverage()
    kept = store.sync_state.load_coverage(other)
    assert (processed_ids(kept), set(kept.pending), kept.facts) == ({1, 5_000}, {2}, Facts(newest_id=5))


def test_the_store_keeps_what_the_coverage_itself_makes_of_changes(store: Store) -> None:
    """Loading gives the same as applying every change in memory."""
    chance, mirror = random.Random(1), Coverage()  # noqa: S311 - not a secret
    for _ in range(40):
        change = Change(
            processed=processed_blocks(
                (chance.randrange(9_000), chance.choice([None, START])) for _ in range(chance.randrange(9))
            ),
            pending=tuple(
                opened(n, attempts=chance.randrange(9)) for n in chance.sample(range(20), chance.randrange(4))
            ),
            resolved=tuple(chance.sample(range(20), chance.randrange(3))),
            facts=chance.choice([None, Facts(newest_id=chance.randrange(99))]),
            forgotten_below=chance.choice([None, None, None, chance.randrange(2)]),
        )
        mirror.apply(change)
        store.sync_state.save_coverage(SCOPE, change)
    assert store.sync_state.load_coverage(SCOPE) == mirror


_ADD_BITS = """
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
from ticktrail.stores.coverage import Change, processed_blocks
from ticktrail import StoreOptions, open_store
url, database, scope, first = sys.argv[1:]
with open_store(url, StoreOptions(timezone=ZoneInfo("UTC"), database=database)) as store:
    for number in range(int(first), 600, 4):
        store.sync_state.save_coverage(scope, Change(processed=processed_blocks([(number, None)])))
"""


def test_processes_that_change_one_block_lose_no_bit(store: Store, store_url: str, store_options: StoreOptions) -> None:
    """Four processes, each setting every fourth bit of a block, one by one and at once: all are set."""
    store.prepare()
    running = [
        subprocess.Popen([sys.executable, "-c", _ADD_BITS, store_url, str(store_options.database), SCOPE, str(first)])
        for first in range(4)
    ]
    assert [process.wait(timeout=PATIENCE_SECONDS) for process in running] == [0, 0, 0, 0]
    assert processed_ids(store.sync_state.load_coverage(SCOPE)) == set(range(600))


# ── Identity ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_place_that_was_emptied_has_another_identity(
    store: Store, open_again: OpenAgain, empty_the_place: Callable[[], None]
) -> None:
    """All connections see the same identity; a store recreated under the same name has another."""
    store.write([event("sent")], at=AT)
    first = store.sync_state.identity()
    assert first
    assert open_again().sync_state.identity() == first == store.sync_state.identity()
    store.close()
    empty_the_place()
    recreated = open_again()
    recreated.write([event("sent")], at=AT)
    assert recreated.sync_state.identity() not in {first, ""}


# ── Leases ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_holder_has_a_lease_until_it_runs_out_or_is_given_back(store: Store, open_again: OpenAgain) -> None:
    """Others get the holder's name; the holder can renew; after its end or release, the next one gets it."""
    ours, theirs = store.sync_state, open_again().sync_state
    assert ours.take_lease("sync", holder="a", now=AT, until=AT + 10 * SECOND) == "a"
    assert theirs.take_lease("sync", holder="b", now=AT + 9 * SECOND, until=AT + 60 * SECOND) == "a"
    assert ours.take_lease("sync", holder="a", now=AT + 9 * SECOND, until=AT + 20 * SECOND) == "a"
    assert theirs.take_lease("sync", holder="b", now=AT + 15 * SECOND, until=AT + 60 * SECOND) == "a"
    assert theirs.take_lease("other", holder="b", now=AT, until=AT + 60 * SECOND) == "b"
    assert theirs.take_lease("sync", holder="b", now=AT + 20 * SECOND, until=AT + 60 * SECOND) == "b"
    ours.drop_lease("sync", holder="a")
    assert ours.take_lease("sync", holder="a", now=AT + 30 * SECOND, until=AT + 99 * SECOND) == "b"
    theirs.drop_lease("sync", holder="b")
    assert ours.take_lease("sync", holder="a", now=AT + 30 * SECOND, until=AT + 99 * SECOND) == "a"


def test_a_lease_from_the_future_ends_after_its_length(store: Store, open_again: OpenAgain) -> None:
    """The clock of its holder was a year ahead: others wait for the length of a lease, and the holder may renew it."""
    ours, theirs = store.sync_state, open_again().sync_state
    year, length = timedelta(days=365), 90 * SECOND
    assert ours.take_lease("sync", holder="a", now=AT + year, until=AT + year + length) == "a"
    assert theirs.take_lease("sync", holder="b", now=AT, until=AT + length) == "a"
    assert [(one.holder, one.until) for one in theirs.leases()] == [("a", AT + length)]
    assert ours.take_lease("sync", holder="a", now=AT + year, until=AT + year + length) == "a"
    assert theirs.take_lease("sync", holder="b", now=AT + SECOND, until=AT + SECOND + length) == "a"
    assert theirs.take_lease("sync", holder="b", now=AT + SECOND + length, until=AT + 3 * length) == "b"


def test_leases_are_listed_with_their_holders(store: Store) -> None:
    """By name, those that ran out included; a place that does not exist has none."""
    assert store.sync_state.leases() == []
    for name in ("two", "one"):
        store.sync_state.take_lease(name, holder=f"holder of {name}", now=AT, until=AT + SECOND)
    assert store.sync_state.leases() == [
        LeaseRecord(name=name, holder=f"holder of {name}", until=AT + SECOND) for name in ("one", "two")
    ]


# ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def run(number: int, **more: object) -> Run:
    """A run, the later the higher its number."""
    usual = Run(
        run_id=f"run-{number:04}", scope=SCOPE, began_at=datetime(2026, 1, 1, tzinfo=UTC) + number * SECOND, seconds=0.5
    )
    return msgspec.structs.replace(usual, **more)


def test_runs_come_back_newest_first(store: Store) -> None:
    """With everything that was said of them, at most as many as asked for."""
    told = run(2, error="n8n did not answer", report={"events": 3, "notShown": {"redacted": 1}, "text": "é漢\u0000"})
    for one in (told, run(1), run(3)):
        store.sync_state.add_run(one)
    assert store.sync_state.runs() == [run(3), told, run(1)]
    assert store.sync_state.runs(2) == [run(3), told]
    assert store.sync_state.runs(0) == []


def test_only_the_newest_runs_are_kept(store: Store) -> None:
    """Beyond the number kept the oldest go, whatever order they came in."""
    for number in [*range(1, KEPT_RUNS + 3), 0]:
        store.sync_state.add_run(run(number))
    kept = store.sync_state.runs()
    assert [one.run_id for one in kept] == [f"run-{number:04}" for number in range(KEPT_RUNS + 2, 2, -1)]
