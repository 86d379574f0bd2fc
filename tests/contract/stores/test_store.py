"""The guarantees of every store for messages and sends, as the docstrings of Store state them.

Expectations are written out by hand or follow from a few lines of these tests, not from the code under test. The
suite continues in ``test_lists.py``, ``test_processes.py`` and ``test_refusals.py``.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.records import (
    AT,
    LATER,
    MINUTE,
    MUCH_LATER,
    NOON,
    WAMID,
    WHO,
    accepted,
    counts,
    document,
    event,
    everything,
    history,
    one,
    portions,
    rejected,
)

from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.messages.model import RECEIVED, SentBy, StatusEvent, Template
from ticktrail.stores import Store
from ticktrail.stores.results import ReceivedStatuses, WriteReport

DATA = Path(__file__).parents[2] / "data" / "n8n-2.41.1"

# ── The document ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_message_is_the_documented_document(store: Store) -> None:
    """A message with everything that can be known of it is stored as product.md §1.1 says, field for field."""
    facts = {
        "phone_number_id": "106540352242922",
        "display_phone_number": "15550783881",
        "recipient_user_id": "SA.9001",
        "callback_data": "campaign-7",
    }
    pricing = {"billable": True, "pricing_model": "PMP", "category": "utility"}
    error = {
        "code": 131026,
        "title": "Message undeliverable",
        "details": "Not on WhatsApp",
        "href": "https://x.example",
    }
    store.write([event("sent", NOON, "101", pricing=pricing, **facts)], at=AT, instance="riyadh")
    store.write(
        [
            event("read", NOON + 5 * MINUTE, "104", **facts),
            event("delivered", NOON + MINUTE, "103", **facts),
            event("failed", NOON + MINUTE, "102", errors=(error,), **facts),
        ],
        [accepted()],
        at=LATER,
        instance="riyadh",
    )
    store.write([event("sent", NOON, "101", pricing=pricing, **facts)], at=MUCH_LATER, instance="riyadh")

    def entry(status: str, timestamp: int, formatted: str, execution_id: str, **more: Any) -> dict[str, Any]:
        return {
            "status": status,
            "timestamp": timestamp,
            "timestampFormatted": formatted,
            "executionId": execution_id,
            "conversation_id": "966500000001",
            **more,
        }

    assert document(store) == {
        "messageId": "wamid.HBgMOTY2NTAwMDAwMDAxFQIAERgSQUJDREVGMDEyMzQ1Njc4OQA=",
        "conversation_id": "966500000001",
        "latestStatus": "read",
        "latestTimestamp": 1_767_258_300,
        "latestTimestampFormatted": "2026-01-01 12:05",
        "statusHistory": [
            entry("sent", 1_767_258_000, "2026-01-01 12:00", "101", pricing=pricing),
            entry("failed", 1_767_258_060, "2026-01-01 12:01", "102", errors=[error]),
            entry("delivered", 1_767_258_060, "2026-01-01 12:01", "103"),
            entry("read", 1_767_258_300, "2026-01-01 12:05", "104"),
        ],
        "workflowId": "delivery",
        "statusCount": 4,
        "firstSeenAt": AT,
        "lastUpdatedAt": LATER,
        "lastScannedAt": MUCH_LATER,
        "phoneNumberId": "106540352242922",
        "displayPhoneNumber": "15550783881",
        "recipientUserId": "SA.9001",
        "callbackData": "campaign-7",
        "pricing": pricing,
        "failure": {"code": 131026, "title": "Message undeliverable", "details": "Not on WhatsApp"},
        "conflict": True,
        "instance": "riyadh",
        "sentTimestamp": 1_767_258_000,
        "failedTimestamp": 1_767_258_060,
        "deliveredTimestamp": 1_767_258_060,
        "readTimestamp": 1_767_258_300,
        "firstTimestamp": 1_767_258_000,
        "template": {"name": "order_ready", "language": "en_US"},
        "sentBy": {"workflowId": "orders", "node": "Send template", "executionId": "90"},
    }


def test_what_is_not_known_is_not_in_the_document(store: Store) -> None:
    """A bare status makes a document of the fields that are always there and the milestones it reached."""
    store.write([event("sent")], at=AT)
    assert document(store) == {
        "messageId": WAMID,
        "conversation_id": WHO,
        "latestStatus": "sent",
        "latestTimestamp": NOON,
        "latestTimestampFormatted": "2026-01-01 12:00",
        "statusHistory": [
            {
                "status": "sent",
                "timestamp": NOON,
                "timestampFormatted": "2026-01-01 12:00",
                "executionId": "101",
                "conversation_id": WHO,
            }
        ],
        "workflowId": "delivery",
        "statusCount": 1,
        "firstSeenAt": AT,
        "lastUpdatedAt": AT,
        "lastScannedAt": AT,
        "sentTimestamp": NOON,
        "firstTimestamp": NOON,
    }


def test_an_unknown_recipient_is_null(store: Store) -> None:
    """``conversation_id`` is always there, null when the webhook left it out."""
    store.write([event("sent", conversation_id=None)], at=AT)
    stored = document(store)
    assert stored["conversation_id"] is None
    assert stored["statusHistory"][0]["conversation_id"] is None


def test_dates_come_back_in_the_configured_timezone(store: Store) -> None:
    """The three dates of a document carry the configured zone's offset."""
    store.write([event("sent")], at=AT)
    stored = document(store)
    for name in ("firstSeenAt", "lastUpdatedAt", "lastScannedAt"):
        assert stored[name].utcoffset() == timedelta(hours=3)


def test_instants_are_kept_to_the_millisecond(store: Store) -> None:
    """Microseconds of ``at`` are cut off, milliseconds are kept."""
    store.write([event("sent")], at=AT.replace(microsecond=987_654))
    assert one(store).last_scanned_at == AT.replace(microsecond=987_000)


def test_get_gives_the_records_that_were_written(store: Store) -> None:
    """``get`` gives the history as records, with everything each status said."""
    pricing = {"billable": False, "nested": {"list": [1, 2.5, None, True, "text"]}}
    errors = ({"code": "131047", "title": "Re-engagement message"}, {"code": 1, "details": None})
    told = event("failed", errors=errors, pricing=pricing, participant="966500000002", timestamp_source="implausible")
    store.write([told], at=AT)
    (entry,) = one(store).history
    assert (entry.status, entry.timestamp, entry.execution_id, entry.workflow_id) == ("failed", NOON, "101", "delivery")
    assert (entry.errors, entry.pricing) == (errors, pricing)
    assert (entry.participant, entry.timestamp_source, entry.conversation_id) == ("966500000002", "implausible", WHO)


def test_get_and_documents_leave_out_what_is_not_stored(store: Store) -> None:
    """Unknown ids are not in the answer; an empty list and repeated ids are accepted."""
    store.write([event("sent")], at=AT)
    assert set(store.get([WAMID, "wamid.unknown", WAMID])) == {WAMID}
    assert set(store.documents(["wamid.unknown", WAMID])) == {WAMID}
    assert store.get([]) == {}
    assert store.documents(set()) == {}


def test_thousands_of_ids_can_be_asked_for_at_once(store: Store) -> None:
    """Looking up many messages gives every one that is stored and no other."""
    ids = [f"wamid.many{number:04}" for number in range(1_300)]
    store.write([event("sent", message_id=message_id) for message_id in ids[:1_100]], at=AT)
    assert set(store.get(ids)) == set(ids[:1_100])


# ── Duplicates ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_status_time_and_execution_is_one_entry(store: Store) -> None:
    """A payload that reappears, in one batch or in a later one, is one entry."""
    store.write([event("sent"), event("sent")], at=AT)
    store.write([event("sent")], at=LATER)
    assert history(store) == [("sent", NOON, "101")]


def test_another_execution_another_time_or_another_status_is_another_entry(store: Store) -> None:
    """Each of status, timestamp and execution id tells entries apart."""
    store.write([event("sent", NOON, "101"), event("sent", NOON, "102")], at=AT)
    store.write([event("sent", NOON + 1, "101"), event("delivered", NOON, "101")], at=LATER)
    assert history(store) == [
        ("sent", NOON, "101"),
        ("sent", NOON, "102"),
        ("delivered", NOON, "101"),
        ("sent", NOON + 1, "101"),
    ]


def test_in_a_group_every_participant_has_an_entry(store: Store) -> None:
    """The same status of two participants is two entries, of one participant twice it is one."""
    first, second = "966500000002", "966500000003"
    group = [event("delivered", participant=first), event("delivered", participant=second)]
    store.write([*group, group[0]], at=AT)
    store.write(group, at=LATER)
    assert sorted(entry.participant or "" for entry in one(store).history) == [first, second]


def test_a_made_up_time_is_no_part_of_what_an_entry_is(store: Store) -> None:
    """Two copies of a status without a time of its own are one entry, at the earlier of the two times made up."""
    store.write([event("sent", NOON + MINUTE, timestamp_source="execution")], at=AT)
    store.write([event("sent", NOON, timestamp_source="execution")], at=LATER)
    store.write([event("sent", NOON + MINUTE, timestamp_source="execution")], at=LATER)
    assert history(store) == [("sent", NOON, "101")]
    store.write([event("sent", NOON)], at=MUCH_LATER)
    assert len(history(store)) == 2


def test_copies_of_an_entry_that_differ_complete_each_other(store: Store) -> None:
    """Details in only one of two copies are kept, whichever came first, and do not count as a change."""
    pricing = {"category": "marketing"}
    known = event("failed", errors=({"code": 131049},), pricing=pricing)
    bare = event("failed", conversation_id=None)
    other = "wamid.other"
    store.write([known, msgspec.structs.replace(bare, message_id=other)], at=AT)
    report = store.write([bare, msgspec.structs.replace(known, message_id=other)], at=LATER)
    assert counts(report) == (0, 0, 2, 0)
    for message_id in (WAMID, other):
        stored = one(store, message_id)
        (entry,) = stored.history
        assert (entry.errors, entry.pricing, entry.conversation_id) == (({"code": 131049},), pricing, WHO)
        assert stored.state.failure is not None
        assert stored.state.failure.code == 131049
        assert stored.last_updated_at == AT


# ── Status of a message ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("statuses", "latest", "conflict"),
    [
        (["sent"], "sent", False),
        (["read", "delivered"], "read", False),
        (["played", "read", "sent"], "played", False),
        (["failed", "sent"], "failed", False),
        (["sent", "undelivered"], "undelivered", False),
        (["delivered", "failed"], "delivered", True),
        (["read", "undelivered"], "read", True),
        (["deleted"], "deleted", False),
        (["sent", "deleted"], "sent", False),
        (["warning", "failed"], "failed", False),
    ],
)
def test_the_furthest_status_decides_whatever_came_last(
    store: Store, statuses: list[str], latest: str, *, conflict: bool
) -> None:
    """``sent < failed < delivered < read < played`` and anything else below; failed and arrived is a conflict."""
    for minute, status in enumerate(statuses):
        store.write([event(status, NOON + minute * MINUTE)], at=AT)
    stored = document(store)
    assert stored["latestStatus"] == latest
    assert stored["latestTimestamp"] == NOON + statuses.index(latest) * MINUTE
    assert stored.get("conflict", False) is conflict
    assert stored["statusCount"] == len(stored["statusHistory"]) == len(statuses)


def test_latest_timestamp_is_the_greatest_of_that_status(store: Store) -> None:
    """Of three reads the last one's time counts, in whatever order they came."""
    store.write([event("read", NOON + MINUTE), event("read", NOON + 3 * MINUTE)], at=AT)
    store.write([event("read", NOON + 2 * MINUTE)], at=LATER)
    stored = document(store)
    assert (stored["latestTimestamp"], stored["latestTimestampFormatted"]) == (NOON + 180, "2026-01-01 12:03")


def test_milestones_are_the_earliest_plausible_times(store: Store) -> None:
    """Each milestone is its status's earliest reported time; made-up and implausible times are none."""
    store.write(
        [
            event("sent", NOON + MINUTE),
            event("sent", NOON, "102"),
            event("delivered", 1_000, "103", timestamp_source="implausible"),
            event("read", NOON - MINUTE, "104", timestamp_source="execution"),
            event("deleted", NOON - 2 * MINUTE, "105"),
            event("undelivered", NOON + 5 * MINUTE, "106"),
        ],
        at=AT,
    )
    stored = document(store)
    assert stored["sentTimestamp"] == NOON
    assert stored["failedTimestamp"] == NOON + 5 * MINUTE
    assert stored["firstTimestamp"] == NOON - 2 * MINUTE
    assert not {"deliveredTimestamp", "readTimestamp", "playedTimestamp"} & set(stored)
    assert stored["statusHistory"][-3]["status"] == "sent"
    assert [entry.get("timestampSource") for entry in stored["statusHistory"]] == [
        "implausible", None, "execution", None, None, None
    ]  # fmt: skip


def test_a_status_without_any_time_is_kept(store: Store) -> None:
    """A status without a time comes first in the history and is no milestone."""
    store.write([event("delivered", None), event("sent", NOON)], at=AT)
    stored = document(store)
    assert [(entry["status"], entry["timestamp"]) for entry in stored["statusHistory"]] == [
        ("delivered", None),
        ("sent", NOON),
    ]
    assert (stored["latestStatus"], stored["latestTimestamp"], stored["latestTimestampFormatted"]) == (
        "delivered", None, None
    )  # fmt: skip
    assert stored["firstTimestamp"] == NOON
    assert "deliveredTimestamp" not in stored


def test_failure_is_the_first_error_of_the_last_failed_status_that_has_one(store: Store) -> None:
    """A failed status without errors takes no reason away; a later one with errors gives its own."""
    store.write([event("failed", NOON + 2 * MINUTE)], at=AT)
    assert "failure" not in document(store)
    store.write([event("failed", NOON, errors=({"code": 1, "title": "one"}, {"code": 9}))], at=AT)
    assert document(store)["failure"] == {"code": 1, "title": "one", "details": None}
    store.write([event("failed", NOON + MINUTE, errors=({"code": "2", "details": "two"},))], at=AT)
    assert document(store)["failure"] == {"code": "2", "title": None, "details": "two"}


def test_pricing_is_the_last_one_reported(store: Store) -> None:
    """The document's pricing is that of the latest entry that has one, whatever came in first."""
    store.write([event("read", NOON + 2 * MINUTE)], at=AT)
    store.write([event("delivered", NOON + MINUTE, pricing={"category": "service"})], at=AT)
    store.write([event("sent", NOON, pricing={"category": "utility"})], at=AT)
    assert document(store)["pricing"] == {"category": "service"}


def test_in_a_group_failed_for_one_and_delivered_for_another_is_no_conflict(store: Store) -> None:
    """A group message has the status of its furthest participant; a conflict needs one and the same participant."""
    first, second = "966500000002", "966500000003"
    store.write([event("failed", participant=first), event("delivered", participant=second)], at=AT)
    assert document(store)["latestStatus"] == "delivered"
    assert "conflict" not in document(store)
    store.write([event("delivered", participant=first)], at=LATER)
    assert document(store)["conflict"] is True


def test_facts_on_which_observers_disagree_do_not_depend_on_arrival(store: Store) -> None:
    """The least workflow id and the greatest of every other fact stay, and each entry says its own workflow."""
    small, great = {"conversation_id": "966500000001", "callback_data": "a"}, {"conversation_id": "966500000009"}
    one_way = [event("sent", workflow_id="beta", **great), event("read", workflow_id="alpha", **small)]  # type: ignore[arg-type]
    other_way = [msgspec.structs.replace(told, message_id="wamid.other") for told in reversed(one_way)]
    for told in (*one_way, *other_way):
        store.write([told], at=AT)
    for message_id in (WAMID, "wamid.other"):
        stored = document(store, message_id)
        assert (stored["workflowId"], stored["conversation_id"], stored["callbackData"]) == (
            "alpha", "966500000009", "a"
        )  # fmt: skip
        assert {entry["status"]: entry["workflowId"] for entry in stored["statusHistory"]} == {
            "sent": "beta",
            "read": "alpha",
        }


# ── Counts and dates of a write ─────────────────────────────────────────────────────────────────────────────────────


def test_every_message_of_a_batch_is_in_one_of_four_counts(store: Store) -> None:
    """New is inserted, a grown history is updated, the rest is unchanged; messages are counted, not events."""
    assert counts(store.write([event("sent"), event("delivered")], at=AT)) == (1, 0, 0, 0)
    batch = [event("read"), event("read"), event("sent"), event("sent", message_id="wamid.second")]
    assert counts(store.write(batch, at=LATER)) == (1, 1, 0, 0)
    assert counts(store.write(batch, at=MUCH_LATER)) == (0, 0, 2, 0)
    assert store.write([], at=MUCH_LATER) == WriteReport()


def test_the_same_instant_twice_does_not_confuse_the_counts(store: Store) -> None:
    """A write without news counts as unchanged even at the instant of the write before it."""
    assert counts(store.write([event("sent")], at=AT)) == (1, 0, 0, 0)
    assert counts(store.write([event("sent")], at=AT)) == (0, 0, 1, 0)
    assert counts(store.write([event("read")], at=AT)) == (0, 1, 0, 0)
    assert counts(store.write([event("read")], at=AT)) == (0, 0, 1, 0)


def test_last_updated_moves_only_when_the_history_grew(store: Store) -> None:
    """No news moves ``lastScannedAt`` alone; another fact of the message is no news either."""
    store.write([event("sent")], at=AT)
    store.write([event("sent", recipient_user_id="SA.9001")], at=LATER)
    stored = one(store)
    assert (stored.first_seen_at, stored.last_updated_at, stored.last_scanned_at) == (AT, AT, LATER)
    assert stored.attributes.recipient_user_id == "SA.9001"
    store.write([event("delivered", NOON + MINUTE)], at=MUCH_LATER)
    stored = one(store)
    assert (stored.first_seen_at, stored.last_updated_at, stored.last_scanned_at) == (AT, MUCH_LATER, MUCH_LATER)


def test_last_scanned_never_moves_back_and_first_seen_never_forward(store: Store) -> None:
    """A scan from earlier that arrives late widens the span and narrows nothing."""
    store.write([event("sent")], at=LATER)
    store.write([event("sent")], at=AT)
    stored = one(store)
    assert (stored.first_seen_at, stored.last_updated_at, stored.last_scanned_at) == (AT, LATER, LATER)
    store.write([event("delivered")], at=AT)
    assert one(store).last_scanned_at == LATER


# ── Sends ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_send_lends_its_template_to_a_message_that_is_there(store: Store) -> None:
    """Statuses first, the send later: the message gets template and ``sentBy``, and no news from it."""
    store.write([event("sent")], at=AT)
    report = store.write([], [accepted()], at=LATER)
    assert (counts(report), report.sends) == ((0, 0, 0, 0), 1)
    stored = one(store)
    assert stored.template == Template("order_ready", "en_US")
    assert stored.sent_by == SentBy("orders", "Send template", "90")
    assert stored.last_updated_at == AT


def test_a_send_lends_its_template_to_a_message_that_comes_later(store: Store) -> None:
    """The send first, statuses later: the message has template and ``sentBy`` from its first status on."""
    report = store.write([], [accepted(), accepted("wamid.silent")], at=AT)
    assert (counts(report), report.sends) == ((0, 0, 0, 0), 2)
    assert store.get([WAMID]) == {}
    store.write([event("sent")], at=LATER)
    store.write([event("delivered", NOON + MINUTE)], at=MUCH_LATER)
    stored = document(store)
    assert stored["template"] == {"name": "order_ready", "language": "en_US"}
    assert stored["sentBy"] == {"workflowId": "orders", "node": "Send template", "executionId": "90"}


def test_a_send_and_its_message_may_come_together(store: Store) -> None:
    """In one batch the send lends to the message that the batch inserts."""
    report = store.write([event("sent")], [accepted()], at=AT)
    assert (counts(report), report.sends) == ((1, 0, 0, 0), 1)
    assert one(store).template == Template("order_ready", "en_US")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_original_of_two_copies_of_a_send_names_the_template(store: Store, order: tuple[int, int]) -> None:
    """Of two copies of a send the earlier is the original, whichever came first; the second is not new."""
    copies = [
        accepted(),
        msgspec.structs.replace(accepted(template="copied", execution_id="95"), sent_at=LATER),
    ]
    store.write([event("sent")], at=AT)
    reports = [store.write([], [copies[index]], at=AT) for index in order]
    assert [report.sends for report in reports] == [1, 0]
    assert one(store).template == Template("order_ready", "en_US")
    (kept,) = store.sends()
    assert (kept.sent_at, kept.sent_by.execution_id) == (AT, "90")


def test_refused_sends_are_kept_and_concern_no_message(store: Store) -> None:
    """A refused send is a record of its own, told apart when asked, with its errors."""
    report = store.write([event("sent")], [rejected(), accepted("wamid.silent")], at=AT)
    assert (report.sends, store.count(MessageFilter())) == (2, 1)
    (refused,) = store.sends(SendFilter(refused=True))
    assert refused == rejected()
    (kept,) = store.sends(SendFilter(refused=False))
    assert kept == accepted("wamid.silent")
    assert one(store).template is None
    assert store.write([], [rejected()], at=LATER).sends == 0


def test_a_send_carries_the_label_of_its_n8n(store: Store) -> None:
    """``instance`` of the write labels sends that have no label of their own."""
    labelled = msgspec.structs.replace(rejected("labelled"), instance="jeddah")
    store.write([], [accepted(), labelled], at=AT, instance="riyadh")
    assert {send.key: send.instance for send in store.sends()} == {WAMID: "riyadh", "labelled": "jeddah"}


def test_sends_come_newest_first(store: Store) -> None:
    """The send records are ordered by when they were sent, the last one first."""
    hours = [3, 1, 4, 0, 2]
    store.write([], [rejected(f"orders/{hour}", sent_at=AT + timedelta(hours=hour)) for hour in hours], at=AT)
    assert [send.key for send in store.sends()] == [f"orders/{hour}" for hour in (4, 3, 2, 1, 0)]


def test_a_send_without_a_template_lends_the_rest(store: Store) -> None:
    """A free text has no template: only ``sentBy`` is lent."""
    store.write([event("sent")], [msgspec.structs.replace(accepted(), template=None, sent_at=None)], at=AT)
    stored = document(store)
    assert "template" not in stored
    assert stored["sentBy"]["node"] == "Send template"
    assert next(iter(store.sends())).sent_at is None


# ── The corpus ──────────────────────────────────────────────────────────────────────────────────────────────────────


def corpus_events(expected: dict[str, Any]) -> Iterable[StatusEvent]:
    """A status for every webhook that the corpus's sender sent, each in an execution of its own."""
    executions = itertools.count(1)
    for message_id, message in expected.items():
        for told in message["events"]:
            for _ in range(told["webhooks"]):
                yield StatusEvent(
                    message_id=message_id,
                    status=told["status"],
                    timestamp=told["timestamp"],
                    execution_id=str(next(executions)),
                    workflow_id="corpus",
                    conversation_id=message["conversation_id"],
                )


def test_the_corpus_in_any_order_twice_ends_as_its_sender_says(store: Store) -> None:
    """400 messages' webhooks, shuffled and each written twice, give what the program that sent them expects."""
    expected = json.loads((DATA / "corpus_400_messages.expected.json").read_text())
    events = list(corpus_events(expected))
    shuffled = events * 2
    random.Random(400).shuffle(shuffled)  # noqa: S311 - the same shuffle every time
    report = WriteReport()
    for batch in portions(shuffled, 700):
        report += store.write(batch, at=AT)
    assert report.inserted == len(expected) == 400
    found = everything(store)
    assert set(found) == set(expected)
    for message_id, message in expected.items():
        stored = found[message_id]
        assert (stored["conversation_id"], stored["latestStatus"], stored["statusCount"]) == (
            message["conversation_id"],
            message["latestStatus"],
            message["statusCount"],
        )
        times = {(entry["status"], entry["timestamp"]) for entry in stored["statusHistory"]}
        assert times == {(told["status"], told["timestamp"]) for told in message["events"]}


def test_received_statuses_are_counted_until_n8n_has_them_too(store: Store) -> None:
    """A status that came directly counts until an execution holds it; the bounds are those of what is left."""
    assert store.received_statuses() == ReceivedStatuses()
    direct = [
        event("sent", execution_id=RECEIVED, workflow_id=""),
        event("delivered", NOON + MINUTE, execution_id=RECEIVED, workflow_id=""),
        event("sent", NOON + 2 * MINUTE, execution_id=RECEIVED, workflow_id="", message_id="wamid.B"),
    ]
    store.write([*direct, event("read", NOON + 3 * MINUTE)], at=AT)
    assert store.received_statuses() == ReceivedStatuses(3, NOON, NOON + 2 * MINUTE)
    store.write([event("sent")], at=LATER)
    assert store.received_statuses() == ReceivedStatuses(2, NOON + MINUTE, NOON + 2 * MINUTE)
