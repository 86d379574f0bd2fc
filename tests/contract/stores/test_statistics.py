"""Statistics of every store, compared with a plain calculation over the events that were written."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from tests.support.lives import GROUPS, life, sends_of
from tests.support.records import AT, NOON, event

from ticktrail.messages.counts import Group
from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.model import Send, StatusEvent
from ticktrail.stores import Store
from ticktrail.text.phone_numbers import country_prefix

ZONE = ZoneInfo("Asia/Riyadh")
DAY = 86_400
YOUNG = NOON + 2 * DAY
ORDER = {"sent": 1, "failed": 2, "undelivered": 2, "delivered": 3, "read": 4, "played": 5}


class Expected:
    """One message as the oracle sees it: product.md's rules once more, over its events."""

    def __init__(self, life: list[StatusEvent], send: Send | None) -> None:
        first = life[0]
        ordered = sorted(
            life, key=lambda one: (one.timestamp is not None, one.timestamp or 0, ORDER.get(one.status, 0))
        )
        reached = {one.status for one in life}
        trusted = [one for one in life if one.timestamp is not None and one.timestamp_source is None]
        at: dict[str, int] = {}
        for one in trusted:
            name = "failed" if one.status == "undelivered" else one.status
            at[name] = min(at.get(name, one.timestamp or 0), one.timestamp or 0)
        greatest = max(ORDER.get(status, 0) for status in reached)
        last = [one for one in ordered if ORDER.get(one.status, 0) == greatest]
        any_time = [one.timestamp for one in trusted if one.timestamp is not None]
        self.time = at.get("sent", min(any_time, default=last[-1].timestamp))
        self.delivered, self.read = greatest >= 3, greatest >= 4
        self.failed, self.pending = greatest == 2, greatest == 1
        self.conflict = self.delivered and bool(reached & {"failed", "undelivered"})
        self.sent_reported = "sent" in at or greatest == 1
        self.delivered_reported = "delivered" in at or (greatest == 3)
        self.timed = self.delivered and "delivered" in at
        seen = min((at[name] for name in ("read", "played") if name in at), default=None)
        self.reading = None if seen is None or not self.timed else seen - at["delivered"]
        self.delay: int | None = None
        if self.timed and "sent" in at:
            took = max(0, at["delivered"] - at["sent"])
            self.delay = took if took <= DAY else took // 60 * 60
        prices = [one.pricing for one in ordered if one.pricing is not None]
        self.price = _price(prices[-1]) if prices else (None, None)
        errors = [one.errors[0] for one in ordered if one.status in {"failed", "undelivered"} and one.errors]
        code = errors[-1].get("code") if errors else None
        self.title = errors[-1].get("title") if errors else None
        self.is_test = first.phone_number_id == "123456123"
        self.is_group = not self.is_test and first.conversation_id in GROUPS
        person = first.conversation_id
        self.keys: dict[Grouping, object] = {
            Grouping.DAY: None if self.time is None else datetime.fromtimestamp(self.time, ZONE).date(),
            Grouping.HOUR: None if self.time is None else self.time // 3600,
            Grouping.USER: person or first.recipient_user_id,
            Grouping.ERROR: _code(code),
            Grouping.CATEGORY: self.price[0],
            Grouping.TEMPLATE: send.template.name if send and send.template else None,
            Grouping.CAMPAIGN: first.callback_data,
            Grouping.NUMBER: first.phone_number_id or first.display_phone_number,
            Grouping.COUNTRY: country_prefix(person),
            Grouping.WORKFLOW: first.workflow_id,
            Grouping.SENDER: send.sent_by.workflow_id if send else None,
        }

    @property
    def counted(self) -> bool:
        """True if it counts in the rates."""
        return not (self.is_group or self.is_test)


def _code(code: object) -> str | None:
    """A reported code as text: a word or a whole number; 131026.0 is one, true and 1.5 are not."""
    if isinstance(code, str):
        return None if code in {"", "{"} else code
    return str(int(code)) if isinstance(code, (int, float)) and code in {131026, 131047} else None


def _price(pricing: dict[str, Any]) -> tuple[str | None, bool | None]:
    named = pricing.get("category")
    by_kind = {"regular": True, "free_entry_point": False, "free_customer_service": False}.get(pricing.get("type", ""))
    said = pricing.get("billable")
    return (named if isinstance(named, str) else None, said if isinstance(said, bool) else by_kind)


def _summed(all_messages: Iterable[Expected]) -> dict[str, Any]:
    everyone = list(all_messages)
    messages = [one for one in everyone if one.counted]

    def how_many(holds: Callable[[Expected], object]) -> int:
        return sum(bool(holds(one)) for one in messages)

    return {
        "messages": len(messages),
        "delivered": how_many(lambda one: one.delivered),
        "read": how_many(lambda one: one.read),
        "failed": how_many(lambda one: one.failed),
        "unconfirmed": 0,
        "awaiting": 0,
        "pending": how_many(lambda one: one.pending),
        "other": how_many(lambda one: not (one.delivered or one.failed or one.pending)),
        "conflicts": how_many(lambda one: one.conflict),
        "sent_reported": how_many(lambda one: one.sent_reported),
        "delivered_reported": how_many(lambda one: one.delivered_reported),
        "timed": how_many(lambda one: one.timed),
        "read_within_hour": how_many(lambda one: one.reading is not None and one.reading <= 3_600),
        "read_within_day": how_many(lambda one: one.reading is not None and one.reading <= DAY),
        "provisional": how_many(lambda one: one.time is not None and one.time >= YOUNG),
        "groups": sum(one.is_group for one in everyone),
        "tests": sum(one.is_test for one in everyone),
        "prices": dict(Counter(one.price for one in messages if one.delivered)),
        "delays": dict(Counter(one.delay for one in messages if one.delay is not None)),
    }


@pytest.fixture
def filled(store: Store) -> tuple[Store, list[Expected]]:
    """A store with generated messages, and what the oracle knows of them. A new seed every run; it is printed."""
    seed = random.randrange(10**6)  # noqa: S311 - generates messages
    print("seed", seed)
    chance = random.Random(seed)  # noqa: S311 - generates messages
    lives = [life(chance, number) for number in range(220)]
    sends = sends_of(chance, lives)
    events = [one for life in lives for one in life]
    chance.shuffle(events)
    half = len(events) // 2
    store.write(events[:half], sends[::2], at=AT)
    store.write(events[half:], sends[1::2], at=AT)
    by_id = {send.message_id: send for send in sends}
    return store, [Expected(life, by_id.get(life[0].message_id)) for life in lives]


def _day(quarter: str | int | None) -> date | None:
    return None if quarter is None else datetime.fromtimestamp(int(quarter) * 900, ZONE).date()


def _hour(quarter: str | int | None) -> int | None:
    return None if quarter is None else int(quarter) // 4


TIMES: dict[Grouping, Callable[[str | int | None], Any]] = {Grouping.DAY: _day, Grouping.HOUR: _hour}


def _once(groups: list[Group], by: Grouping) -> list[Group]:
    """Each day or hour once: stores give it as one group or as its quarters of an hour."""
    found: dict[Any, Group] = {}
    for group in groups:
        key = TIMES[by](group.key) if by in TIMES else group.key
        counts = group.counts if key not in found else found[key].counts + group.counts
        found[key] = msgspec.structs.replace(group, key=key, counts=counts)
    return list(found.values())


def _asdict(group: Any) -> dict[str, Any]:
    return {name: getattr(group.counts, name) for name in group.counts.__struct_fields__}


def test_every_figure_is_what_a_plain_calculation_gives(filled: tuple[Store, list[Expected]]) -> None:
    """Totals, and each way of grouping, with the figures of the whole, of a span of time and of some statuses."""
    store, messages = filled
    (total,) = store.statistics(MessageFilter(), young_since=YOUNG, details=True)
    assert (total.key, _asdict(total)) == (None, _summed(messages))
    since, until = NOON - DAY, NOON + DAY
    (span,) = store.statistics(
        MessageFilter(since_timestamp=since, until_timestamp=until, limit=3), young_since=YOUNG, details=True
    )
    inside = [one for one in messages if one.time is not None and since <= one.time < until]
    assert _asdict(span) == _summed(inside)
    for by in Grouping:
        expected: dict[object, list[Expected]] = defaultdict(list)
        for one in messages:
            if one.counted and (by is not Grouping.ERROR or one.failed):
                expected[one.keys[by]].append(one)
        found = list(store.statistics(MessageFilter(), by, young_since=YOUNG, details=True))
        assert len({group.key for group in found}) == len(found), by
        found = _once(found, by)
        assert {g.key: _asdict(g) for g in found} == {
            key: {**_summed(ones), "prices": {}} for key, ones in expected.items()
        }, by
        if by is Grouping.ERROR:
            assert {g.key: g.people for g in found} == {
                key: len({one.keys[Grouping.USER] for one in ones} - {None}) for key, ones in expected.items()
            }
            assert {g.key: g.label for g in found} == {
                key: max((one.title for one in ones if one.title and isinstance(one.title, str)), default=None)
                for key, ones in expected.items()
            }
        bounded = list(
            store.statistics(MessageFilter(since_timestamp=since, until_timestamp=until), by, young_since=YOUNG)
        )
        in_span = Counter(one.keys[by] for one in inside if one.counted and (by is not Grouping.ERROR or one.failed))
        counted = {g.key: g.counts.messages for g in _once(bounded, by)}
        assert counted == in_span, by
        plain = list(store.statistics(MessageFilter(statuses=("read",)), by, young_since=YOUNG))
        assert all(not group.counts.prices and not group.counts.delays for group in plain)
        reads = Counter(one.keys[by] for one in messages if one.counted and one.read)
        if by is not Grouping.ERROR:
            assert sum(group.counts.read for group in plain) <= sum(reads.values())
            assert all(group.counts.messages == group.counts.read for group in plain)


def test_two_groupings_can_be_combined(filled: tuple[Store, list[Expected]]) -> None:
    """Each pair of keys is a group of its own with its messages' counts; errors leave only what failed."""
    store, messages = filled
    first = (Grouping.TEMPLATE, Grouping.NUMBER, Grouping.CAMPAIGN, Grouping.SENDER, Grouping.DAY)
    second = (Grouping.DAY, Grouping.ERROR, Grouping.WORKFLOW)
    for by, across, span in product(first, second, ((None, None), (NOON - DAY, NOON + DAY))):
        chosen = MessageFilter(since_timestamp=span[0], until_timestamp=span[1])
        inside = [one for one in messages if one.time is not None and NOON - DAY <= one.time < NOON + DAY]
        expected: dict[object, list[Expected]] = defaultdict(list)
        for one in messages if span[0] is None else inside:
            if one.counted and (across is not Grouping.ERROR or one.failed):
                expected[one.keys[by], one.keys[across]].append(one)
        found: dict[object, Any] = {}
        for group in store.statistics(chosen, by, young_since=YOUNG, across=across):
            keys = tuple(
                TIMES[one](key) if one in TIMES else key for one, key in ((by, group.key), (across, group.across))
            )
            found[keys] = found[keys] + group.counts if keys in found else group.counts
        for keys, ones in expected.items():  # type: ignore[assignment]
            summed = {**_summed(ones), "prices": {}, "delays": {}}
            assert {name: getattr(found[keys], name) for name in summed} == summed, (by, across, span, keys)
        assert found.keys() == expected.keys(), (by, across, span)


def test_a_filter_chooses_what_the_rates_count(filled: tuple[Store, list[Expected]]) -> None:
    """``people_only`` leaves out groups and Meta's tests: every count equals the messages that a list of it shows."""
    store, messages = filled
    counted = [one for one in messages if one.counted]
    assert 0 < len(counted) < len(messages)
    assert store.count(MessageFilter(people_only=True)) == len(counted)
    tiles = (("sent",), ("delivered", "read", "played"), ("read", "played"), ("failed", "undelivered"))
    for statuses in (*tiles, ("failed",), ("read",), ("sent", "deleted"), tuple(ORDER)):
        for since, until in ((None, None), (NOON, None), (None, NOON), (NOON - DAY, NOON + DAY)):
            chosen = MessageFilter(
                people_only=True, statuses=statuses, since_timestamp=since, until_timestamp=until, limit=7
            )
            assert store.count(chosen) == sum(1 for _ in store.messages(msgspec.structs.replace(chosen, limit=None))), (
                chosen
            )
    for status in ("sent", "delivered", "failed"):
        chosen = MessageFilter(people_only=True, statuses=(status,), since_timestamp=NOON)
        (total,) = store.statistics(msgspec.structs.replace(chosen, people_only=False), young_since=0)
        assert sum(1 for _ in store.messages(chosen)) == store.count(chosen) == total.counts.messages


def test_labels_say_keys_in_other_words(store: Store) -> None:
    """An error has its title, and a number how people write it."""
    error = ({"code": 131026, "title": "Message undeliverable"},)
    store.write([event("failed", errors=error, phone_number_id="1065", display_phone_number="15550000001")], at=AT)
    labels = {
        by: [(group.key, group.label) for group in store.statistics(MessageFilter(), by, young_since=0)]
        for by in (Grouping.ERROR, Grouping.NUMBER)
    }
    assert labels == {
        Grouping.ERROR: [("131026", "Message undeliverable")],
        Grouping.NUMBER: [("1065", "15550000001")],
    }


def test_bounds_of_time_belong_to_what_they_bound(store: Store) -> None:
    """Read after exactly an hour is within it, after exactly a day within that; a delay up to a day is exact."""
    store.write(
        [
            event(status, NOON + seconds, message_id=f"m{read} {delivered}")
            for delivered in (0, DAY, DAY + 61)
            for read in (3_600, 3_601, DAY, DAY + 1)
            for status, seconds in (("sent", 0), ("delivered", delivered), ("read", delivered + read))
        ],
        at=AT,
    )
    (total,) = store.statistics(MessageFilter(), young_since=NOON + 1, details=True)
    counts = total.counts
    assert (counts.timed, counts.read_within_hour, counts.read_within_day, counts.provisional) == (12, 3, 9, 0)
    assert counts.delays == {0: 4, DAY: 4, DAY + 60: 4}
    assert next(iter(store.statistics(MessageFilter(), young_since=NOON))).counts.provisional == 12


def test_a_place_that_does_not_exist_counts_nothing(store: Store, nothing_was_created: Callable[[], bool]) -> None:
    """Totals of nothing are one group of zeros, groups of nothing are none; and nothing is created."""
    (total,) = store.statistics(MessageFilter(), young_since=0, details=True)
    assert _asdict(total) == _summed([])
    assert list(store.statistics(MessageFilter(), Grouping.USER, young_since=0)) == []
    assert nothing_was_created()


def test_groups_can_be_left_half_read(filled: tuple[Store, list[Expected]]) -> None:
    """A caller may stop reading half-way: the store still writes, and closes."""
    store, _ = filled
    answer = store.statistics(MessageFilter(), Grouping.USER, young_since=0)
    next(iter(answer))
    assert store.write([event("sent", message_id="wamid.new")], at=AT).inserted == 1
    del answer


def test_what_is_learnt_late_is_counted(store: Store) -> None:
    """A message whose recipient, and with it its being a group's, becomes known later leaves the figures then."""
    store.write([event("sent", conversation_id=None)], at=AT)
    assert next(iter(store.statistics(MessageFilter(), young_since=0))).counts.messages == 1
    store.write([event("delivered", NOON + 7, conversation_id=GROUPS[0])], at=AT)
    counts = next(iter(store.statistics(MessageFilter(), young_since=0))).counts
    assert (counts.messages, counts.groups) == (0, 1)
