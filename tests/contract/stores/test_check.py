"""``check`` of every store tries the operations of a sync and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tests.support.records import AT, MINUTE, NOON, event, everything, rejected

from ticktrail.stores import Store


def test_a_missing_store_is_not_created(store: Store, nothing_was_created: Callable[[], bool]) -> None:
    """Before the first sync, a store that can be created has no fault, and check does not create it."""
    state = store.check()
    assert (state.exists, state.faults, state.missing_indexes) == (False, (), ())
    assert state.server
    assert not store.exists()
    assert nothing_was_created()


def test_a_checked_store_is_unchanged(store: Store, open_again: Callable[[], Store]) -> None:
    """Checked twice, through the connection that wrote it and another, a store holds the same messages."""
    store.write([event("sent"), event("read", NOON + MINUTE)], [rejected()], at=AT)
    before = everything(store)
    for checked in (store, open_again()):
        state = checked.check()
        assert (state.exists, state.faults, state.missing_indexes) == (True, (), ())
        assert everything(checked) == before
    assert everything(open_again()) == before


def test_a_store_writes_on_after_a_check(store: Store) -> None:
    """A check leaves nothing in the way of the next write."""
    store.write([event("sent")], at=AT)
    store.check()
    assert store.write([event("read", NOON + MINUTE)], at=AT).updated == 1


def test_the_clock_is_reported_with_the_local_time(store: Store) -> None:
    """A store with a clock of its own says what time it has, beside this machine's time at that moment."""
    clock = store.check().clock
    assert clock is None or abs(clock[0] - clock[1]) < timedelta(seconds=30)
