"""The merge law, as laws: merging is commutative, associative and idempotent, and a history never shrinks.

The rules for the status of a message are stated here a second time, in other words than ``merge.py`` uses, so that
a slip in one is seen by the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import timedelta
from functools import reduce
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ticktrail.messages.merge import (
    Gathered,
    bson_order,
    entry_key,
    gather,
    merge_attributes,
    merge_entries,
    merge_gathered,
    merge_message,
    merge_sends,
    sort_history,
    state_of,
)
from ticktrail.messages.model import HistoryEntry, Message, Send, StatusEvent

from .strategies import AT, STATUSES, distinct, events, identity_of, kept, scans, sends

batches = scans(1, 1).map(lambda only: only[0])
pairs = scans(2, 2)
triples = scans(3, 3)


def exact(value: Any) -> bytes:
    """JSON of a record: unlike ``==`` it tells 1 from true and 1.0."""
    return msgspec.json.encode(value, order="sorted")


def gathered(told: Iterable[StatusEvent]) -> Gathered:
    """The gathered events of the one message."""
    return gather(told, instance="riyadh")["wamid.one"]


def settled(known: Gathered) -> bytes:
    """A gathering in a form to compare: what a message made of it would hold."""
    history = sort_history(known.entries)
    return exact((history, known.attributes, state_of(history)))


@given(pairs)
def test_merging_is_commutative(pair: list[list[StatusEvent]]) -> None:
    """One with the other is the other with the one."""
    one, other = pair
    assert settled(merge_gathered(gathered(one), gathered(other))) == settled(
        merge_gathered(gathered(other), gathered(one))
    )


@given(triples)
def test_merging_is_associative(triple: list[list[StatusEvent]]) -> None:
    """It does not matter which two are merged first."""
    a, b, c = map(gathered, triple)
    assert settled(merge_gathered(merge_gathered(a, b), c)) == settled(merge_gathered(a, merge_gathered(b, c)))


@given(pairs)
def test_merging_again_changes_nothing(pair: list[list[StatusEvent]]) -> None:
    """Merging the same events again changes nothing, however often."""
    one, other = pair
    both = merge_gathered(gathered(one), gathered(other))
    assert settled(merge_gathered(both, gathered(one))) == settled(both)
    assert settled(merge_gathered(gathered(other), both)) == settled(both)
    assert settled(gathered(one + one)) == settled(gathered(one))


@given(st.data(), batches)
def test_gathering_knows_no_order_and_no_portions(data: st.DataObject, told: list[StatusEvent]) -> None:
    """Any order of the events, in any portions, gathers to the same."""
    shuffled = data.draw(st.permutations(told))
    cut = data.draw(st.integers(1, len(told)))
    portions = [portion for portion in (shuffled[:cut], shuffled[cut:]) if portion]
    assert settled(reduce(merge_gathered, map(gathered, portions))) == settled(gathered(told))


@given(pairs)
def test_merging_leaves_what_it_was_given_alone(pair: list[list[StatusEvent]]) -> None:
    """Neither of the two gatherings is changed by merging them."""
    a, b = map(gathered, pair)
    before = settled(a), settled(b)
    merge_gathered(a, b)
    assert (settled(a), settled(b)) == before


@given(events(), events(), events())
def test_copies_of_an_entry_merge_lawfully(one: StatusEvent, two: StatusEvent, three: StatusEvent) -> None:
    """Copies that agree in status, time and execution complete each other in any order, and stay that entry."""
    same = {
        "status": one.status,
        "timestamp": one.timestamp,
        "timestamp_source": one.timestamp_source,
        "execution_id": one.execution_id,
        "participant": one.participant,
    }
    copies = [
        next(iter(gathered([msgspec.structs.replace(told, **same)]).entries.values())) for told in (one, two, three)
    ]
    a, b, c = copies
    assert exact(merge_entries(a, b)) == exact(merge_entries(b, a))
    assert exact(merge_entries(merge_entries(a, b), c)) == exact(merge_entries(a, merge_entries(b, c)))
    assert merge_entries(a, a) == a
    merged = merge_entries(a, b)
    assert entry_key(merged) == entry_key(a)
    for name in ("conversation_id", "errors", "pricing"):
        told = [getattr(copy, name) for copy in (a, b) if getattr(copy, name) is not None]
        assert (getattr(merged, name) in told) if told else getattr(merged, name) is None


@given(events(), events(), events())
def test_attributes_merge_lawfully(one: StatusEvent, two: StatusEvent, three: StatusEvent) -> None:
    """Facts of the message: any order, any grouping, any repetition."""
    a, b, c = (gathered([told]).attributes for told in (one, two, three))
    assert merge_attributes(a, b) == merge_attributes(b, a)
    assert merge_attributes(merge_attributes(a, b), c) == merge_attributes(a, merge_attributes(b, c))
    assert merge_attributes(a, a) == a
    assert merge_attributes(a, b).conversation_id == max(
        (told.conversation_id for told in (one, two) if told.conversation_id is not None), default=None
    )


@given(sends(), sends(), sends())
def test_sends_merge_lawfully(one: Send, two: Send, three: Send) -> None:
    """Copies of one send: any order, any grouping, any repetition, and its origin is one copy's as a whole."""
    assert exact(merge_sends(one, two)) == exact(merge_sends(two, one))
    assert exact(merge_sends(merge_sends(one, two), three)) == exact(merge_sends(one, merge_sends(two, three)))
    assert merge_sends(one, one) == one
    merged = merge_sends(one, two)
    origins = [(copy.sent_at, copy.sent_by, copy.template) for copy in (one, two)]
    assert (merged.sent_at, merged.sent_by, merged.template) in origins
    assert merged.status == max(one.status, two.status)


@given(scans())
def test_a_history_never_shrinks_and_holds_every_status_once(met: list[list[StatusEvent]]) -> None:
    """After each scan the history is all distinct statuses so far, and its dates say when it grew."""
    message: Message | None = None
    known: list[StatusEvent] = []
    grew = AT
    for number, told in enumerate(met):
        at = AT + timedelta(minutes=number)
        before = distinct(known)
        known += told
        grew = at if distinct(known) > before else grew
        message = merge_message(message, "wamid.one", gathered(told), at=at)
        assert len(message.history) == distinct(known)
        assert (message.first_seen_at, message.last_updated_at, message.last_scanned_at) == (AT, grew, at)
    assert message is not None
    assert settled(Gathered({entry_key(entry): entry for entry in message.history}, message.attributes)) == settled(
        gathered([told for scan in met for told in scan])
    )
    assert message.state == state_of(message.history)


@given(pairs, st.integers(-60, 60))
def test_a_scan_from_earlier_widens_the_span(pair: list[list[StatusEvent]], minutes: int) -> None:
    """First seen is the earliest scan, last scanned the latest, in whatever order the scans are merged."""
    one, other = pair
    elsewhen = AT + timedelta(minutes=minutes)
    message = merge_message(None, "wamid.one", gathered(one), at=AT)
    message = merge_message(message, "wamid.one", gathered(other), at=elsewhen)
    assert message.first_seen_at == min(AT, elsewhen)
    assert message.last_scanned_at == max(AT, elsewhen)


BEGINNING_OF_2009 = 1_230_768_000
"""WhatsApp's first year: what is older is no time of a status."""

FURTHER = {
    "sent": {"failed", "undelivered", "delivered", "read", "played"},
    "failed": {"delivered", "read", "played"},
    "undelivered": {"delivered", "read", "played"},
    "delivered": {"read", "played"},
    "read": {"played"},
    "played": set(),
}
"""Which statuses are further than one; every one of these is further than any other status."""


@settings(max_examples=300)
@given(batches)
def test_status_of_a_message(told: list[StatusEvent]) -> None:
    """No status of the history is further than the latest, none of it is later, and a conflict is one person's."""
    state = state_of(sort_history(gathered(told).entries))
    met = {event.status for event in told}
    assert state.latest_status in met
    assert not met & FURTHER.get(state.latest_status, set(FURTHER))
    history = gathered(told).entries.values()
    alike = {status for status in STATUSES if FURTHER.get(status) == FURTHER.get(state.latest_status)}
    times = {entry.timestamp for entry in history if entry.status in alike} - {None}
    assert state.latest_timestamp == max(times, default=None)  # type: ignore[type-var]
    assert (state.latest_status, state.latest_timestamp) in {(entry.status, entry.timestamp) for entry in history}
    failed = {event.participant for event in told if event.status in {"failed", "undelivered"}}
    arrived = {event.participant for event in told if event.status in {"delivered", "read", "played"}}
    assert state.conflict == bool(failed & arrived)


@settings(max_examples=300)
@given(batches)
def test_milestones(told: list[StatusEvent]) -> None:
    """A milestone is the earliest time that the webhook itself gave, if it is a time WhatsApp can have had."""
    told = kept(told)
    state = state_of(sort_history(gathered(told).entries))
    disputed = {identity_of(event) for event in told if event.timestamp_source == "implausible"}
    reported = [
        (event.status, event.timestamp)
        for event in told
        if event.timestamp_source is None
        and event.timestamp is not None
        and event.timestamp >= BEGINNING_OF_2009
        and identity_of(event) not in disputed
    ]
    for name, statuses in {
        "sent": {"sent"},
        "delivered": {"delivered"},
        "read": {"read"},
        "played": {"played"},
        "failed": {"failed", "undelivered"},
        "first": set(STATUSES),
    }.items():
        expected = min((timestamp for status, timestamp in reported if status in statuses), default=None)
        assert getattr(state, f"{name}_timestamp") == expected


@given(batches)
def test_failure_pricing_and_workflow(told: list[StatusEvent]) -> None:
    """Each is taken from the history as the product page says, and from nowhere else."""
    history = sort_history(gathered(told).entries)
    state = state_of(history)
    reasons = [entry.errors[0] for entry in history if entry.status in {"failed", "undelivered"} and entry.errors]
    prices = [entry.pricing for entry in history if entry.pricing is not None]
    assert state.pricing == (prices[-1] if prices else None)
    assert state.workflow_id == min((entry.workflow_id for entry in history if entry.workflow_id), default="")
    if reasons:
        assert state.failure is not None
        assert {"code": state.failure.code, "title": state.failure.title, "details": state.failure.details} == {
            "code": None, "title": None, "details": None, **reasons[-1]
        }  # fmt: skip
    else:
        assert state.failure is None


@given(batches)
def test_history_is_oldest_first(told: list[StatusEvent]) -> None:
    """By time, what has none first; of the same second by how far the status is; the same for any order of events."""
    history = sort_history(gathered(told).entries)
    for earlier, later in itertools.pairwise(history):
        if earlier.timestamp is None or later.timestamp is None:
            assert earlier.timestamp is None
        else:
            assert earlier.timestamp <= later.timestamp
        if earlier.timestamp == later.timestamp:
            assert later.status not in FURTHER or earlier.status not in FURTHER[later.status]
            assert later.status in FURTHER or earlier.status not in FURTHER
    assert exact(history) == exact(sort_history(gathered(told[::-1]).entries))


@settings(max_examples=50)
@given(st.lists(st.one_of(events(name="wamid.one"), events(name="wamid.two")), min_size=1, max_size=12))
def test_messages_do_not_mix(told: list[StatusEvent]) -> None:
    """Gathering two messages together is gathering each alone, in order of first appearance."""
    both = gather(told, instance="riyadh")
    assert list(both) == list(dict.fromkeys(event.message_id for event in told))
    for message_id, known in both.items():
        alone = gather([event for event in told if event.message_id == message_id], instance="riyadh")[message_id]
        assert settled(known) == settled(alone)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1}, {"a": True}), ({"a": [0]}, {"a": [False]}), ({"a": 1}, {"a": 1.0}), ({"a": None}, {"a": 0})],
)
def test_what_python_takes_for_equal_is_chosen_by_content_too(one: dict[str, Any], other: dict[str, Any]) -> None:
    """``1``, ``1.0`` and ``true`` are different reports: which one stays does not depend on which came first."""
    first, second = (
        HistoryEntry(status="sent", timestamp=7, execution_id="1", pricing=pricing) for pricing in (one, other)
    )
    assert repr(merge_entries(first, second)) == repr(merge_entries(second, first))


def test_ordering_deeply_nested_values_takes_no_time() -> None:
    """Each level is looked at once: sixty levels would else take 2^60 steps."""
    deep: dict[str, Any] = {"a": 1}
    for _ in range(60):
        deep = {"a": deep}
    assert bson_order(deep) == bson_order(deep)
