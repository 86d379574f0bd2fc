"""Every store's memory of alerts: an alert begins once, each channel is told once, and its end is an end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tests.support.records import AT, LATER, MUCH_LATER, OpenAgain, event

from ticktrail.messages.filters import MessageFilter
from ticktrail.stores import Store
from ticktrail.stores.alert_state import AlertRecord, Notice

KEY = "131026-a1b2c3"


def only(store: Store) -> AlertRecord:
    """The one alert that is remembered."""
    (found,) = store.alert_state.all()
    return found


def test_a_place_that_does_not_exist_remembers_nothing(store: Store, nothing_was_created: Callable[[], bool]) -> None:
    """Reading the memory creates nothing."""
    assert store.alert_state.all() == []
    assert nothing_was_created()


def test_an_alert_begins_once(store: Store, open_again: OpenAgain) -> None:
    """Seen again, it keeps its beginning and gets its newest title; another process sees the same."""
    store.alert_state.record_firing(KEY, "failing", "3 messages", at=AT)
    store.alert_state.record_firing(KEY, "failing", "4 messages", at=LATER)
    store.alert_state.record_firing(KEY, "failing", "4 messages", at=AT)
    expected = AlertRecord(key=KEY, kind="failing", title="4 messages", first_seen_at=AT, last_seen_at=LATER)
    assert only(store) == expected
    assert only(open_again()) == expected


def test_everything_is_remembered_by_key(store: Store) -> None:
    """Several alerts come in the order of their keys."""
    for key in ("silence", "131026-b", "131026-a"):
        store.alert_state.record_firing(key, "failing", key, at=AT)
    assert [one.key for one in store.alert_state.all()] == ["131026-a", "131026-b", "silence"]


def test_notices_and_resolutions_are_recorded_per_channel(store: Store) -> None:
    """Each channel by its own name, whatever characters it has; telling again moves the time."""
    memory = store.alert_state
    memory.record_firing(KEY, "failing", "t", at=AT)
    memory.record_notice(KEY, "team.chat $1", at=AT)
    memory.record_notice(KEY, "hook", at=AT)
    memory.record_notice(KEY, "hook", at=LATER)
    assert only(store).told == {"team.chat $1": Notice(told_at=AT), "hook": Notice(told_at=LATER)}
    memory.resolve(KEY, at=LATER)
    memory.record_notice(KEY, "hook", at=MUCH_LATER, over=True)
    memory.record_notice(KEY, "never told", at=MUCH_LATER, over=True)
    assert only(store).told == {
        "team.chat $1": Notice(told_at=AT),
        "hook": Notice(told_at=LATER, over_at=MUCH_LATER),
    }


def test_a_resolved_alert_that_fires_again_is_new(store: Store) -> None:
    """The new alert has no notices and is not acknowledged."""
    memory = store.alert_state
    memory.record_firing(KEY, "failing", "t", at=AT)
    memory.record_notice(KEY, "hook", at=AT)
    assert memory.acknowledge(KEY, at=AT, note="known")
    memory.resolve(KEY, at=LATER)
    memory.resolve(KEY, at=MUCH_LATER)
    assert only(store).resolved_at == LATER
    memory.record_firing(KEY, "failing", "again", at=MUCH_LATER)
    assert only(store) == AlertRecord(
        key=KEY, kind="failing", title="again", first_seen_at=MUCH_LATER, last_seen_at=MUCH_LATER
    )


def test_an_alert_is_acknowledged(store: Store) -> None:
    """Only a firing alert can be acknowledged; the name and the note stay with it, and with its end."""
    memory = store.alert_state
    assert not memory.acknowledge(KEY, at=AT)
    memory.record_firing(KEY, "failing", "t", at=AT)
    assert memory.acknowledge(KEY, at=AT, by="Sara", note="I am on it")
    known = only(store)
    assert (known.acknowledged_at, known.acknowledged_by, known.note) == (AT, "Sara", "I am on it")
    assert memory.acknowledge(KEY, at=LATER)
    known = only(store)
    assert (known.acknowledged_at, known.acknowledged_by, known.note) == (LATER, None, None)
    memory.resolve(KEY, at=LATER)
    assert not memory.acknowledge(KEY, at=MUCH_LATER)


def test_an_acknowledgement_is_taken_back(store: Store) -> None:
    """The note is removed too; alerts not acknowledged, resolved or unknown have nothing to take back."""
    memory = store.alert_state
    assert not memory.unacknowledge(KEY)
    memory.record_firing(KEY, "failing", "t", at=AT)
    assert not memory.unacknowledge(KEY)
    memory.acknowledge(KEY, at=AT, note="Sara is on it")
    assert memory.unacknowledge(KEY)
    assert only(store) == AlertRecord(key=KEY, kind="failing", title="t", first_seen_at=AT, last_seen_at=AT)
    memory.acknowledge(KEY, at=AT, note="Sara was on it")
    memory.resolve(KEY, at=LATER)
    assert not memory.unacknowledge(KEY)
    assert only(store).note == "Sara was on it"


def test_what_is_unknown_is_left_alone(store: Store) -> None:
    """Recording a notice or a resolution of an unknown alert creates no alert."""
    store.alert_state.record_firing("other", "failing", "t", at=AT)
    store.alert_state.record_notice(KEY, "hook", at=AT)
    store.alert_state.record_notice(KEY, "hook", at=AT, over=True)
    store.alert_state.resolve(KEY, at=AT)
    assert only(store) == AlertRecord(key="other", kind="failing", title="t", first_seen_at=AT, last_seen_at=AT)


def test_what_was_over_long_ago_is_forgotten(store: Store) -> None:
    """Firing alerts and those over since then stay, with who was told."""
    memory = store.alert_state
    for key, over_at in (("old", AT), ("new", LATER), ("firing", None)):
        memory.record_firing(key, "failing", "t", at=AT)
        memory.record_notice(key, "hook", at=AT)
        if over_at is not None:
            memory.resolve(key, at=over_at)
    memory.forget(resolved_before=LATER)
    assert {one.key: set(one.told) for one in memory.all()} == {"firing": {"hook"}, "new": {"hook"}}


def test_hostile_words_are_kept(store: Store) -> None:
    """A title and a note are kept as texts, whatever they hold."""
    for words in ("$$ROOT", "a.b", "'; DROP TABLE alert; --", "é\u202e", "x" * 5_000):
        store.alert_state.record_firing(KEY, "failing", words, at=AT)
        assert store.alert_state.acknowledge(KEY, at=AT, note=words)
        assert (only(store).title, only(store).note) == (words, words)


def test_times_are_kept_to_the_millisecond(store: Store) -> None:
    """Microseconds are cut off."""
    store.alert_state.record_firing(KEY, "failing", "t", at=AT + timedelta(microseconds=999))
    assert only(store).first_seen_at == AT


def test_alerts_do_not_count_as_messages(store: Store, open_again: OpenAgain) -> None:
    """The store lists only messages, and another connection sees the alert."""
    store.write([event("sent")], at=AT)
    store.alert_state.record_firing(KEY, "failing", "t", at=AT)
    assert len(list(store.messages(MessageFilter()))) == 1
    assert len(open_again().alert_state.all()) == 1
