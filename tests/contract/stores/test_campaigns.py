"""Filters, statistics and failure causes agree on the campaign of a message, in every store."""

from __future__ import annotations

import json
from collections import Counter
from zoneinfo import ZoneInfo

import pytest
from tests.support.records import AT, event

from ticktrail.messages.campaign import campaign_of
from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.grouping import folded
from ticktrail.stores import Store

KEY = "campaign"
VALUES = [
    *("spring", "1.5", "7", "true", "null", "", "{", "50%_off"),
    *(1.5, 7, 7.0, True, False, None, {"campaign": "spring"}, ["spring"]),
]
LABELS = [
    *(json.dumps({KEY: value, "step": 1}) for value in VALUES),
    *(
        "spring",
        "1.5",
        "7",
        "true",
        "{broken",
        '["spring"]',
        '{"camp\\u0061ign":"spr\\u0069ng"}',
        '{"other": "spring"}',
    ),
]


@pytest.fixture
def campaigns(store: Store) -> Counter[str | None]:
    """Write a failed message for each label, and one without any; return the campaigns as the definition has them."""
    store.write(
        [
            event(
                "failed", message_id=f"wamid.{number}", conversation_id=f"9665000000{number:02d}", callback_data=label
            )
            for number, label in enumerate([*LABELS, None])
        ],
        at=AT,
    )
    return Counter(campaign_of(label, KEY) for label in [*LABELS, None])


def test_statistics_group_by_the_campaign(store: Store, campaigns: Counter[str | None]) -> None:
    """The groups are the campaigns, and messages without one are in the nameless group."""
    counted = store.statistics(MessageFilter(), Grouping.CAMPAIGN, young_since=0)
    groups = folded(counted, Grouping.CAMPAIGN, zone=ZoneInfo("Asia/Riyadh"), campaign_key=KEY)
    assert {group.key: group.counts.messages for group in groups} == campaigns


def test_a_filter_finds_what_statistics_count(store: Store, campaigns: Counter[str | None]) -> None:
    """Lists, counts, totals, people per error and causes under a filter are those of the group."""
    for campaign, count in campaigns.items():
        if campaign is None:
            continue
        chosen = MessageFilter(campaign=campaign, campaign_key=KEY)
        (totals,) = store.statistics(chosen, young_since=0)
        errors = list(store.statistics(chosen, Grouping.ERROR, young_since=0))
        assert {
            "listed": len(list(store.messages(chosen))),
            "counted": store.count(chosen),
            "totals": totals.counts.messages,
            "people": sum(group.people or 0 for group in errors),
            "causes": sum(cause.count for cause in store.causes(chosen)),
        } == dict.fromkeys(("listed", "counted", "totals", "people", "causes"), count), campaign
