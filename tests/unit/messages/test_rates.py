"""Counts → rates, percentiles and words."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from ticktrail.messages.counts import Counts
from ticktrail.messages.rates import Share, billing, compute_rates, never_passed, percentile, rates_document

PRODUCT = Counts(
    messages=1_243, delivered=1_204, read=761, failed=24, pending=12, other=3, sent_reported=1_240,
    delivered_reported=1_100, timed=1_000, read_within_hour=400, read_within_day=600, delays={1: 900, 2: 90, 600: 10},
)  # fmt: skip


def test_the_parts_add_up() -> None:
    """Sent is delivered, on the way and failed; what says nothing of delivery is in no rate."""
    made = compute_rates(PRODUCT)
    assert PRODUCT.sent == 1_240
    assert (made.delivered.percent, made.read.percent, made.failed.percent) == ("97.1 %", "63.2 %", "1.9 %")
    assert (made.read_within_hour.rate, made.read_within_day.rate) == (0.4, 0.6)
    assert (made.percentiles, made.measured, made.not_delivered) == ({50: 1, 90: 1, 99: 2}, 1_000, 36)
    told = rates_document(made)
    assert told["delivered"] + told["onTheWay"] + told["failed"] == told["sent"]
    assert told["sent"] + told["other"] == told["messages"]


@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [
        (19, 19, ""),
        (0, 0, ""),
        (20, 20, "100.0 %"),
        (0, 20, "0.0 %"),
        (1, 10_000, "<0.1 %"),
        (9_999, 10_000, ">99.9 %"),
        (9_994, 10_000, "99.9 %"),
        (5, 10_000, "0.1 %"),
        (1, 3 * 7, "4.8 %"),
    ],
)
def test_a_percentage_is_neither_shown_too_early_nor_rounded_to_all_or_nothing(
    part: int, whole: int, percent: str
) -> None:
    """Under twenty there is none; one of ten thousand is not nothing, one missing is not all."""
    assert Share(part, whole).percent == percent


@pytest.mark.parametrize("seed", range(20))
def test_percentiles_are_exact(seed: int) -> None:
    """Out of a histogram comes what the nearest rank of the sorted values gives."""
    chance = random.Random(seed)  # noqa: S311 - test data
    values = sorted(chance.randrange(50) for _ in range(chance.randrange(1, 300)))
    for percent in (1, 50, 90, 99, 100):
        assert percentile(Counter(values), percent) == values[math.ceil(len(values) * percent / 100) - 1]


def test_what_the_trigger_never_passes_has_no_rate_but_a_reason() -> None:
    """A trigger set to “read” alone: no delivery rate, no read rate, no failure rate, no times; never 0 or 100 %."""
    only_read = Counts(messages=50, delivered=50, read=50)
    never = never_passed(only_read)
    assert never == {"sent", "delivered", "failed"}
    made = compute_rates(only_read, never)
    shares = (made.delivered, made.read, made.failed, made.read_within_hour)
    assert [(share.percent, share.rate) for share in shares] == [("—", None)] * 4
    assert made.delivered.missing == "no message ever came with “sent” or “delivered”"
    assert made.no_times == "no message ever came with “sent” or “delivered”"
    assert rates_document(made)["deliveryRate"] is None


def test_few_messages_prove_nothing_about_the_trigger() -> None:
    """Nineteen unread messages are nineteen unread messages."""
    few = Counts(messages=19, delivered=19, sent_reported=19, delivered_reported=19)
    assert never_passed(few) == frozenset()
    many = Counts(messages=20, delivered=20, sent_reported=20, delivered_reported=20)
    assert never_passed(many) == {"read", "failed"}
    assert never_passed(many, seen_elsewhere={"read", "failed"}) == frozenset()
    assert compute_rates(many).read.percent == "0.0 %"


def test_categories_are_billed_apart() -> None:
    """By category, the largest first, what has none last; charged, free and unknown in each."""
    prices = {("utility", True): 3, ("marketing", False): 2, ("marketing", True): 5, (None, None): 90}
    assert list(billing(prices).items()) == [
        ("marketing", {False: 2, True: 5}),
        ("utility", {True: 3}),
        (None, {None: 90}),
    ]


def test_counts_add_up_field_by_field() -> None:
    """Adding quarters of hours makes days: numbers, prices and delays."""
    one = Counts(messages=1, delivered=1, prices={("a", True): 1}, delays={3: 1})
    other = Counts(messages=2, failed=1, prices={("a", True): 1, ("b", None): 4}, delays={3: 2, 9: 1})
    assert one + other == Counts(
        messages=3, delivered=1, failed=1, prices={("a", True): 2, ("b", None): 4}, delays={3: 3, 9: 1}
    )
