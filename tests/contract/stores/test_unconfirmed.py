"""Sends that WhatsApp accepted and no status confirmed: on every store the parts add up to what was accepted."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.records import AT

from ticktrail.alerts.alert import Alert, AlertKind
from ticktrail.alerts.facts import read_facts
from ticktrail.alerts.rules import evaluate_rules
from ticktrail.extraction.execution_reader import extract
from ticktrail.messages.counts import Counts
from ticktrail.messages.error_codes import packaged
from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.queries.statistics import Statistics, compute_statistics, statistics_document
from ticktrail.settings.alert_rules import Rules
from ticktrail.settings.loading import load_settings
from ticktrail.settings.user_file import UserFile
from ticktrail.stores import Store

CASES = Path(__file__).parents[2] / "data" / "cases"
NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
HOUR, DAY = 3_600, 86_400
SETTINGS = load_settings({}, {}, Path("/nonexistent"))
PEOPLE = ("966500000011", "966500000012", "447797000013", "SA.1a2b3c4d5e6f7a8b9c", None)
GROUP = "120363000000000001"


def send(number: int, ago: int, **more: Any) -> Send:
    """A send that WhatsApp accepted so many seconds ago."""
    usual: dict[str, Any] = {
        "conversation_id": "966500000011",
        "template": Template("order_ready", "ar"),
        "sent_by": SentBy("orders", "Send", str(number)),
        "sent_at": NOW - timedelta(seconds=ago),
        "key": f"wamid.u{number}",
    }
    return Send(message_id=f"wamid.u{number}", status="accepted", **{**usual, **more})


def status(number: int, ago: int, **more: Any) -> StatusEvent:
    """The first status of a send."""
    usual: dict[str, Any] = {"status": "sent", "conversation_id": "966500000011", "phone_number_id": "1065"}
    return StatusEvent(
        message_id=f"wamid.u{number}", timestamp=SECONDS - ago, execution_id=str(number), workflow_id="wf",
        **{**usual, **more},
    )  # fmt: skip


def statistics(store: Store, chosen: MessageFilter | None = None, by: Grouping | None = None) -> Statistics:
    """The statistics of a filter."""
    return compute_statistics(store, SETTINGS, chosen or MessageFilter(), by, user_file=UserFile(), now=NOW)


def alerts(store: Store) -> list[Alert]:
    """The alerts about unconfirmed sends."""
    found = evaluate_rules(read_facts(store, SETTINGS, Rules(), {}, now=NOW), Rules(), packaged())
    return [alert for alert in found if alert.kind is AlertKind.UNCONFIRMED]


@pytest.mark.parametrize("seed", range(4))
def test_the_parts_add_up_to_what_was_accepted(store: Store, seed: int) -> None:
    """In total and in every grouping, each message id once, whatever has a status and whatever has none."""
    chance = random.Random(seed)  # noqa: S311 - reproducible
    sends, events, accepted = [], [], set()
    overdue = 0
    for number in range(120):
        recipient, ago = chance.choice((*PEOPLE, GROUP)), chance.choice((60, HOUR - 1, HOUR + 1, DAY, 9 * DAY))
        has_send, has_status = chance.random() < 0.8, chance.random() < 0.6
        template = chance.choice((None, Template("a"), Template("b", "ar")))
        if has_send:
            one = send(number, ago, conversation_id=recipient, template=template)
            # Another workflow passed the same answer on.
            copies = [one, send(number, ago - 5, key=f"copy{number}", sent_by=SentBy("relay", "Pass", "1"))]
            sends += copies if chance.random() < 0.2 else [one]
        if has_status:
            events.append(status(number, ago, conversation_id=recipient, status=chance.choice(("sent", "read"))))
        if (has_send or has_status) and recipient != GROUP:
            accepted.add(number)
            overdue += not has_status and ago > HOUR
    refused = send(999, DAY, key="refused", rejected=True)
    store.write(events, [*sends, refused], at=AT)
    totals = statistics(store).totals
    assert totals.accepted == totals.messages + totals.unconfirmed + totals.awaiting == len(accepted)
    assert totals.unconfirmed == overdue
    for by in set(Grouping) - {Grouping.ERROR}:
        groups = statistics(store, by=by).groups
        assert groups is not None
        summed = sum((group.counts for group in groups.shown), groups.nameless)
        assert (summed.accepted, summed.unconfirmed, summed.awaiting) == (
            totals.accepted, totals.unconfirmed, totals.awaiting,
        ), by  # fmt: skip


def test_a_period_and_a_template_choose_sends_as_they_choose_messages(store: Store) -> None:
    """By the time sent; a condition that no send can be checked for counts none, and says so with null."""
    sends = [send(number, DAY, template=Template("a")) for number in range(3)]
    store.write([], [*sends, send(9, 3 * DAY), send(10, 60)], at=AT)
    lately = MessageFilter(since_timestamp=SECONDS - 2 * DAY)
    assert (statistics(store, lately).totals.unconfirmed, statistics(store, lately).totals.awaiting) == (3, 1)
    assert statistics(store, MessageFilter(template="a")).totals.unconfirmed == 3
    assert statistics(store, MessageFilter(sending_workflow_id="other")).totals.accepted == 0
    read_only = statistics(store, MessageFilter(statuses=("read",)))
    assert (read_only.totals.accepted, read_only.sends_known) == (0, None)
    by_template = statistics(store, lately, Grouping.TEMPLATE).groups
    assert by_template is not None
    assert {group.key: group.counts.unconfirmed for group in by_template.shown} == {"a": 3, "order_ready": 0}


def test_a_store_that_read_no_sends_does_not_call_everything_confirmed(store: Store) -> None:
    """Without send records nothing is known of what got no status."""
    store.write([status(1, DAY)], at=AT)
    assert statistics(store).sends_known is False
    store.write([], [send(1, DAY)], at=AT)
    assert statistics(store).sends_known is True


def _read_case(store: Store, name: str) -> None:
    for execution in json.loads((CASES / name).read_text(encoding="utf-8")):
        found = extract(json.dumps(execution).encode())
        store.write(found.events, found.sends, at=NOW)


def test_accepted_but_dropped_sends_are_counted_and_alerted(store: Store) -> None:
    """Case 12: of 31 accepted messages 8 of yesterday have no status, and today's statuses do not hide them."""
    _read_case(store, "accepted-but-dropped.json")
    totals = statistics_document(statistics(store))["totals"]
    assert totals["withoutStatus"] == 8
    assert totals["accepted"] == totals["messages"] + 8
    (alert,) = alerts(store)
    assert (alert.messages, alert.urgency) == (8, "urgent")
    assert "template order_update, workflow wfField0000000A" in alert.title
    assert isinstance(alert.listing, SendFilter)
    assert sum(1 for _ in store.sends(alert.listing)) == 8


def test_a_workflow_that_answers_its_own_statuses_is_one_alert_of_its_own(store: Store) -> None:
    """Case 08: no alert claims that customers missed a message, the cause and the fix are named."""
    _read_case(store, "answers-its-own-statuses.json")
    found = evaluate_rules(read_facts(store, SETTINGS, Rules(), {}, now=NOW), Rules(), packaged())
    (alert,) = found
    assert (alert.kind, alert.messages) == (AlertKind.SELF_ANSWERS, 3)
    assert alert.title == "Answers to its own status updates, workflow wfField0000000A"
    assert "No customer misses a message" in alert.says
    assert "Filter node" in alert.remedy


def test_one_good_message_hides_no_lost_ones(store: Store) -> None:
    """300 dropped and one delivered a minute ago: not silence, and an alert all the same."""
    sends = [send(number, 5 * HOUR, conversation_id=f"9665{number:08}") for number in range(301)]
    store.write([status(0, 5 * HOUR), status(0, 60, status="delivered")], sends, at=AT)
    (alert,) = alerts(store)
    assert alert.messages == 300
    assert "300 of 301 messages" in alert.says


@pytest.mark.parametrize(("count", "ago", "fires"), [(3, DAY, False), (4, DAY, True), (50, HOUR - 60, False)])
def test_a_few_lost_messages_and_young_ones_are_no_alert(store: Store, count: int, ago: int, fires: bool) -> None:  # noqa: FBT001
    """More than three, for more than an hour."""
    store.write([status(0, 60)], [send(number + 1, ago) for number in range(count)], at=AT)
    assert bool(alerts(store)) is fires


def test_counts_of_a_store_without_sends_are_zero(store: Store) -> None:
    """Exactly one group without a grouping, none with one."""
    (group,) = store.unconfirmed(overdue_before=SECONDS)
    assert group.counts == Counts()
    assert list(store.unconfirmed(by=Grouping.TEMPLATE, overdue_before=SECONDS)) == []
