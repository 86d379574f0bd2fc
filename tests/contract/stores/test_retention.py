"""The guarantees of every store for erasure, retention and copying from another store."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
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
    event,
    everything,
    rejected,
)
from tests.support.spellings import spellings

from ticktrail.messages.model import HistoryEntry, Send, SentBy, StatusEvent
from ticktrail.stores import Store
from ticktrail.stores.copying import copy
from ticktrail.stores.coverage import Change, Facts, LostExecution, PendingExecution, PendingKind
from ticktrail.stores.sync_state import Run

OpenAgain = Callable[[], Store]
StoredBytes = Callable[[], str]

OTHER = "966500000002"
BUSINESS_ID = "SA.9001"
DAY = 86_400


def wamid_to(number: str, rest: bytes = b"\x15\x02\x00\x11") -> str:
    """A wamid as WhatsApp makes it, which contains the recipient's number."""
    return "wamid." + base64.b64encode(b"\x1c\x18" + bytes([len(number)]) + number.encode() + rest).decode()


def to(who: str | None, message_id: str, status: str = "sent", timestamp: int = NOON, **more: Any) -> StatusEvent:
    """A status of a message to this recipient."""
    return event(status, timestamp, message_id=message_id, conversation_id=who, **more)


def in_group(member: str, status: str = "delivered", timestamp: int = NOON, **more: Any) -> StatusEvent:
    """A status of one member, of a message to a group."""
    return to("group-7", "wamid.group", status, timestamp, participant=member, **more)


# Everything that is of one person, each piece found in another way.
THEIRS = [
    event("sent"),
    event("read", NOON + MINUTE, "102", recipient_user_id=BUSINESS_ID),
    to(None, "wamid.only-the-business-id", recipient_user_id=BUSINESS_ID),
    to(None, wamid_to(WHO, b"\x01")),
    in_group(WHO, "read", NOON + 5),
    in_group(WHO),
]
NOT_THEIRS = [to(OTHER, "wamid.other"), to(OTHER, wamid_to(OTHER), "failed"), in_group(OTHER, timestamp=NOON + 3)]
THEIR_SENDS = [accepted(), rejected()]


def other_send() -> Send:
    """A send to another recipient."""
    return msgspec.structs.replace(
        accepted("wamid.other", execution_id="95"), conversation_id=OTHER, input="+966 50 000 0002"
    )


def without_dates(documents: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Documents less what depends on when they were written."""
    dates = {"firstSeenAt", "lastUpdatedAt", "lastScannedAt"}
    return {
        name: {field: value for field, value in document.items() if field not in dates}
        for name, document in documents.items()
    }


# ── Forgetting ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_is_erased_everywhere_and_no_other_is(store: Store, other_store: Store) -> None:
    """The remaining data is the same as if the person's messages had never been stored."""
    store.write([*THEIRS, *NOT_THEIRS], [*THEIR_SENDS, other_send()], at=AT)
    other_store.write(NOT_THEIRS, [other_send()], at=AT)

    gone = store.retention.forget(WHO, at=LATER)

    assert everything(store) == everything(other_store)
    assert list(store.sends()) == list(other_store.sends())
    assert (gone.messages, gone.statuses, gone.group_messages, gone.group_statuses, gone.sends) == (3, 4, 1, 2, 2)
    assert gone.names == (WHO, BUSINESS_ID)
    assert store.retention.clear_traces()


@pytest.mark.parametrize("typed", [*spellings(WHO), BUSINESS_ID, f"\u200b{BUSINESS_ID} "])
def test_a_person_is_found_however_they_are_typed(store: Store, typed: str) -> None:
    """Words and separators around the digits are ignored; a business-scoped id finds the number stored beside it."""
    store.write([*THEIRS, *NOT_THEIRS], THEIR_SENDS, at=AT)
    store.retention.forget(typed, at=LATER)
    assert sorted(everything(store)) == sorted({"wamid.other", wamid_to(OTHER), "wamid.group"})
    assert list(store.sends()) == []


def test_looking_first_counts_the_same_and_changes_nothing(store: Store) -> None:
    """A dry run counts the same as the erasure and deletes nothing."""
    store.write([*THEIRS, *NOT_THEIRS], THEIR_SENDS, at=AT)
    before = everything(store)
    expected = store.retention.inventory(WHO)
    assert everything(store) == before
    assert len(list(store.sends())) == 2
    assert expected.any
    assert store.retention.forget(WHO, at=LATER) == expected


def test_nothing_brings_a_forgotten_person_back(store: Store) -> None:
    """Their statuses and sends are left out of every write, under every id; the others of a batch are kept."""
    store.write(THEIRS, THEIR_SENDS, at=AT)
    store.retention.forget(WHO, at=LATER)
    report = store.write([*THEIRS, *NOT_THEIRS], [*THEIR_SENDS, other_send()], at=MUCH_LATER)
    assert report.left_out == len(THEIRS) + len(THEIR_SENDS)
    assert (report.inserted, report.events, report.sends) == (3, 3, 1)
    assert sorted(everything(store)) == sorted({"wamid.other", wamid_to(OTHER), "wamid.group"})
    assert [send.key for send in store.sends()] == ["wamid.other"]


def test_a_writer_that_was_open_already_rejects_a_person_erased_later(open_again: OpenAgain) -> None:
    """A tombstone holds for stores that were opened, and had written, before it was set."""
    writer, other = open_again(), open_again()
    writer.write([event("sent")], [accepted()], at=AT)
    other.retention.forget(WHO, at=LATER)
    report = writer.write([event("read")], [accepted()], at=LATER)
    assert report.left_out == 2
    assert everything(writer) == {}
    assert list(writer.sends()) == []


def test_forgetting_wins_against_writers_at_work(open_again: OpenAgain) -> None:
    """However a write and an erasure overlap, no data of the person is stored afterwards."""
    first = open_again()
    first.prepare()
    stop = threading.Event()
    failures: list[BaseException] = []

    def keep_writing(place: int) -> None:
        try:
            with open_again() as writer:
                for number in range(10_000):
                    if stop.is_set():
                        return
                    told = to(WHO, wamid_to(WHO, f"{place}/{number}".encode()))
                    writer.write([told, in_group(WHO, timestamp=NOON + number)], [accepted(told.message_id)], at=AT)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=keep_writing, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    while not first.retention.inventory(WHO).messages:
        pass
    first.retention.forget(WHO, at=LATER)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert everything(first) == {}
    assert list(first.sends()) == []


def test_a_person_without_messages_can_be_erased_beforehand(store: Store) -> None:
    """Forgetting whom the store does not hold finds nothing, and still keeps them out."""
    store.prepare()
    gone = store.retention.forget(WHO, at=AT)
    assert not gone.any
    assert not gone.before
    assert store.write([event("sent")], at=AT).left_out == 1
    assert store.retention.forget(WHO, at=AT).before


def test_a_tombstone_does_not_hold_the_number(store: Store, other_store: Store) -> None:
    """Tombstones are salted hashes: no digits of the number, and another text in another store."""
    for one in (store, other_store):
        one.prepare()
        one.retention.forget(WHO, at=AT)
    assert len(store.retention.tombstones()) == 1
    assert not any(WHO in text for text in store.retention.tombstones())
    assert store.retention.tombstones() != other_store.retention.tombstones()


def test_every_spelling_of_a_person_is_erased(store: Store) -> None:
    """Stored numbers may be spelled in any way: refused sends as workflows wrote them, ids of other tools."""
    written = spellings(WHO)
    refused = [
        msgspec.structs.replace(rejected(f"orders/{number}/Send/0"), input=text) for number, text in enumerate(written)
    ]
    statuses = [to(text, f"wamid.spelled-{number}") for number, text in enumerate(written)]
    members = [
        to("group-7", "wamid.group", "read", NOON + number, participant=text) for number, text in enumerate(written)
    ]
    store.write([*statuses, *members, *NOT_THEIRS], [*refused, other_send()], at=AT)

    gone = store.retention.forget(WHO, at=LATER)

    assert sorted(everything(store)) == sorted({"wamid.other", wamid_to(OTHER), "wamid.group"})
    assert [entry.participant for entry in store.get(["wamid.group"])["wamid.group"].history] == [OTHER]
    assert [send.key for send in store.sends()] == ["wamid.other"]
    assert (gone.messages, gone.sends, gone.group_statuses) == (len(written), len(written), len(written))
    assert store.write([*statuses, *members], refused, at=MUCH_LATER).left_out == 3 * len(written)


def test_texts_kept_for_operators_do_not_name_a_forgotten_person(store: Store, stored_bytes: StoredBytes) -> None:
    """Errors of runs, reasons of pending and lost executions, notes of alerts: no byte of the number stays."""
    numbers = [text for who in (WHO, OTHER) for text in [*spellings(who), wamid_to(who)]]
    refused = [{"messageId": wamid_to(number), "reason": "too large"} for number in (WHO, OTHER)]
    store.write([event("sent")], at=AT)
    for number, text in enumerate(numbers):
        reason, started = f"refused for {text}.", AT.isoformat()
        report = {"refused": refused, "problems": [reason]}
        store.sync_state.add_run(
            Run(run_id=str(number), scope="s", began_at=AT, seconds=1.0, error=reason, report=report)
        )
        pending = PendingExecution(
            execution_id=number,
            kind=PendingKind.REFUSED,
            first_met_at=AT,
            look_again_at=AT,
            reason=reason,
            started_at=started,
        )
        lost = (LostExecution(execution_id=number, reason=reason, started_at=started, found_at=AT),)
        store.sync_state.save_coverage(f"scope-{number}", Change(pending=(pending,), facts=Facts(lost=lost)))
        store.alert_state.record_firing(f"alert-{number}", "kind", reason, at=AT)
        store.alert_state.acknowledge(f"alert-{number}", at=AT, by=reason, note=reason)

    planned = store.retention.inventory(WHO)
    gone = store.retention.forget(WHO, at=LATER)

    assert store.retention.clear_traces()
    assert gone.records == planned.records > 4 * len(numbers) / 2
    left = stored_bytes()
    for text in [*spellings(WHO), wamid_to(WHO)]:
        assert text.strip() not in left, text
        assert json.dumps(text.strip())[1:-1] not in left, text
    for text in [*spellings(OTHER), wamid_to(OTHER)]:
        assert text.strip() in left or json.dumps(text.strip())[1:-1] in left, text
    assert [run.report["refused"] for run in store.sync_state.runs(1)] == [refused[1:]]


def test_texts_of_refused_sends_do_not_name_a_forgotten_person(store: Store, stored_bytes: StoredBytes) -> None:
    """A workflow may have sent to a text with the number in it, and Meta's reason for another send may name it."""
    inputs = [f"sip:{WHO}@example.com", f"{WHO}, {OTHER}", f"Sara ({WHO}) at home", f"{WHO}:1"]
    refused = [
        msgspec.structs.replace(rejected(f"orders/{number}/Send/0"), input=text) for number, text in enumerate(inputs)
    ]
    named = {"code": 131030, "title": "not allowed", "details": f"+{WHO} is not in the list of {OTHER}"}
    other = msgspec.structs.replace(rejected("orders/9/Send/0"), input=OTHER, errors=(named,))
    store.write([event("sent")], [*refused, other], at=AT)

    gone = store.retention.forget(WHO, at=LATER)

    assert (gone.sends, gone.records) == (len(inputs), 1)
    assert store.retention.clear_traces()
    (left,) = store.sends()
    assert left.errors == ({**named, "details": f"+[erased] is not in the list of {OTHER}"},)
    assert WHO not in stored_bytes()


def test_labels_and_errors_of_other_peoples_messages_do_not_name_a_forgotten_person(
    store: Store, stored_bytes: StoredBytes
) -> None:
    """The number is erased from campaign labels, and from errors of failed messages, to other people."""
    written = [*spellings(WHO), f"{WHO[:3]}      {WHO[3:]}"]
    errors = [({"code": 131026, "title": f"not sent to {text}", "details": f"{text} and {OTHER}"},) for text in written]
    labels = [to(OTHER, f"wamid.label-{number}", callback_data=f"for {text}.") for number, text in enumerate(written)]
    failed = [to(OTHER, f"wamid.failed-{number}", "failed", errors=one) for number, one in enumerate(errors)]
    store.write([event("sent", callback_data=f"to {WHO}"), *labels, *failed], at=AT)

    planned = store.retention.inventory(WHO)
    gone = store.retention.forget(WHO, at=LATER)

    assert store.retention.clear_traces()
    assert gone.records == planned.records >= 2 * len(written)
    for message in store.get([one.message_id for one in labels]).values():
        assert (message.attributes.callback_data or "").count("[erased]") == 1
    left = stored_bytes()
    for text in written:
        assert text.strip() not in left, text
        assert json.dumps(text.strip())[1:-1] not in left, text
    assert OTHER in left
    assert len(everything(store)) == 2 * len(written)


def test_a_label_that_is_read_again_does_not_bring_a_forgotten_person_back(
    store: Store, other_store: Store, stored_bytes: StoredBytes
) -> None:
    """Labels and errors of messages to other people, which n8n still holds, are stored without the number."""
    named = {"code": 131030, "title": "not allowed", "details": f"+{WHO}, {OTHER}"}
    about = [
        to(OTHER, "wamid.label", callback_data=f'{{"customer": "{WHO}", "manager": "{OTHER}"}}'),
        to(OTHER, "wamid.failed", "failed", errors=(named,)),
    ]
    refused = msgspec.structs.replace(rejected(), input=OTHER, errors=(named,))
    other_store.write(about, [refused], at=AT)
    store.retention.forget(WHO, at=LATER)

    store.write(about, [refused], at=LATER)
    assert store.get(["wamid.label"])["wamid.label"].attributes.callback_data == (
        f'{{"customer": "[erased]", "manager": "{OTHER}"}}'
    )
    (send,) = store.sends()
    assert send.errors == ({**named, "details": f"+[erased], {OTHER}"},)
    assert store.write(about, [refused], at=MUCH_LATER).updated == 0

    before = everything(store)
    store.retention.import_messages(list(other_store.get(["wamid.label", "wamid.failed"]).values()))
    assert without_dates(everything(store)) == without_dates(before)


def test_an_id_corrected_by_whatsapp_leads_to_the_same_person(store: Store) -> None:
    """A send says which number WhatsApp made of the one that was typed (Brazil, Mexico): both are the person's."""
    typed = msgspec.structs.replace(accepted(), input="+55 21 98765 4321", conversation_id="552187654321")
    failed = msgspec.structs.replace(rejected(), input="5521987654321")
    store.write([to("552187654321", WAMID)], [typed, failed], at=AT)
    gone = store.retention.forget("+5521987654321", at=LATER)
    assert set(gone.names) == {"5521987654321", "552187654321", WHO}
    assert (gone.messages, gone.sends) == (1, 2)


def test_looking_at_a_place_that_does_not_exist_makes_nothing(
    store: Store, nothing_was_created: Callable[[], bool]
) -> None:
    """Queries of a missing store find nothing and create nothing."""
    assert not store.retention.inventory(WHO).any
    assert store.retention.kept_since(at=AT) is None
    assert store.retention.tombstones() == frozenset()
    assert store.retention.older(NOON).messages == 0
    assert store.retention.erasure_filter(at=AT).accepts(event("sent"))
    assert nothing_was_created()


# ── Retention ───────────────────────────────────────────────────────────────────────────────────────────────────────


def old_and_young(store: Store) -> None:
    """Three messages before noon, one that straddles it, one after it, and one without a plausible time."""
    for number in range(3):
        store.write([to(OTHER, f"old-{number}", timestamp=NOON - DAY), to(OTHER, f"old-{number}", "read", NOON)], at=AT)
    store.write([to(OTHER, "young", timestamp=NOON), to(OTHER, "young", "read", NOON + 9)], at=AT)
    store.write([to(OTHER, "no time", timestamp=12, timestamp_source="implausible")], at=AT)
    told = accepted("old-0")
    refused = rejected()
    early = datetime.fromtimestamp(NOON - 1, UTC)
    store.write((), [told, refused, msgspec.structs.replace(rejected("early"), sent_at=early)], at=AT)


def test_pruning_removes_what_was_sent_earlier_with_all_that_belongs_to_it(store: Store) -> None:
    """By the time a message was sent, not by its last status; its send goes with it, and sends of that age go."""
    old_and_young(store)
    assert store.retention.older(NOON) == sum(store.retention.prune(NOON), start=type(store.retention.older(NOON))())
    assert sorted(everything(store)) == ["no time", "young"]
    assert [send.key for send in store.sends()] == [rejected().key]
    assert list(store.retention.prune(NOON)) == []


def test_many_messages_go_in_portions(store: Store) -> None:
    """No portion is large, so that others can write in between; together they are everything."""
    store.write([to(OTHER, f"m{number}", timestamp=NOON - 1) for number in range(1_201)], at=AT)
    portions = list(store.retention.prune(NOON))
    assert sum(portion.messages for portion in portions) == 1_201
    assert max(portion.messages for portion in portions) <= 500
    assert everything(store) == {}


def test_a_sync_does_not_bring_back_what_was_pruned(store: Store) -> None:
    """From the mark on, statuses and sends of earlier times are left out; those from the mark on are kept."""
    store.retention.keep_since(NOON)
    early = datetime.fromtimestamp(NOON - 1, UTC)
    sends = [accepted("young"), msgspec.structs.replace(accepted("old"), sent_at=early)]
    report = store.write([to(OTHER, "old", timestamp=NOON - 1), to(OTHER, "young", timestamp=NOON)], sends, at=AT)
    assert report.left_out == 2
    assert list(everything(store)) == ["young"]
    assert [send.key for send in store.sends()] == ["young"]
    guard = store.retention.erasure_filter(at=AT)
    assert [guard.accepts(to(OTHER, "m", timestamp=NOON + second)) for second in (-1, 0)] == [False, True]


def test_what_has_no_plausible_time_is_not_too_old(store: Store) -> None:
    """A status whose time is not known, or absurd, is kept whatever the mark."""
    store.retention.keep_since(NOON)
    absurd = to(OTHER, "absurd", timestamp=12, timestamp_source="implausible")
    unknown = msgspec.structs.replace(to(OTHER, "unknown"), timestamp=None)
    assert store.write([absurd, unknown], at=AT).left_out == 0


def test_the_mark_keeps_the_order_of_writes_without_meaning(store: Store, other_store: Store) -> None:
    """Statuses on both sides of the mark make the same documents in any order and any batches."""
    told = [to(OTHER, "m", timestamp=NOON - 1), to(OTHER, "m", "read", NOON + 1), to(OTHER, "m", "delivered", NOON)]
    for one in (store, other_store):
        one.retention.keep_since(NOON)
    store.write(told, at=AT)
    for single in reversed(told):
        other_store.write([single], at=AT)
    assert everything(store) == everything(other_store)
    assert [entry["status"] for entry in everything(store)["m"]["statusHistory"]] == ["delivered", "read"]


def test_the_mark_only_moves_later_until_it_is_taken_away(store: Store) -> None:
    """An earlier mark does not undo a later one; taking it away does."""
    store.retention.keep_since(NOON)
    store.retention.keep_since(NOON - DAY)
    assert store.retention.kept_since(at=AT) == NOON
    store.retention.keep_since(None)
    assert store.retention.kept_since(at=AT) is None
    assert store.write([to(OTHER, "old", timestamp=NOON - DAY)], at=AT).inserted == 1


# ── Another store ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_copy_is_the_same_and_copying_again_changes_nothing(store: Store, other_store: Store) -> None:
    """Every document with every date, and every send."""
    store.write([*THEIRS, *NOT_THEIRS], [*THEIR_SENDS, other_send()], at=AT, instance="shop")
    store.write([event("played", NOON + 99)], at=LATER)
    for _ in range(2):
        report = copy(store, other_store, at=MUCH_LATER)
        assert everything(other_store) == everything(store)
        assert list(other_store.sends()) == list(store.sends())
    assert (report.messages, report.sends) == (6, 3)
    assert (report.written.inserted, report.written.updated, report.written.unchanged) == (0, 0, 6)


def test_two_stores_copied_into_each_other_become_the_same(store: Store, other_store: Store) -> None:
    """Histories and facts merge; first seen is the earlier, the other two dates are the later of both."""
    store.write([event("sent"), event("read", NOON + 9), to(OTHER, "only here")], [accepted()], at=AT)
    other_store.write([event("sent"), event("delivered", NOON + 4), to(OTHER, "only there")], at=LATER, instance="shop")
    copy(store, other_store, at=MUCH_LATER)
    copy(other_store, store, at=MUCH_LATER)
    assert everything(store) == everything(other_store)
    merged = everything(store)[WAMID]
    assert [entry["status"] for entry in merged["statusHistory"]] == ["sent", "delivered", "read"]
    assert [merged[name] for name in ("firstSeenAt", "lastUpdatedAt", "lastScannedAt")] == [AT, LATER, LATER]
    assert merged["instance"] == "shop"
    assert merged["template"]["name"] == "order_ready"


def test_a_copy_takes_tombstones_along_and_they_hold_there(store: Store, other_store: Store) -> None:
    """A person erased from one store is erased from the copy's target, and rejected there from then on."""
    other_store.write([*THEIRS, *NOT_THEIRS], THEIR_SENDS, at=AT)
    store.write(THEIRS, at=AT)
    store.retention.forget(WHO, at=LATER)
    report = copy(store, other_store, at=LATER)
    assert report.tombstones == 2
    assert sorted(everything(other_store)) == sorted({"wamid.other", wamid_to(OTHER), "wamid.group"})
    assert list(other_store.sends()) == []
    assert other_store.write(THEIRS, THEIR_SENDS, at=LATER).left_out == len(THEIRS) + len(THEIR_SENDS)
    assert copy(store, other_store, at=LATER).tombstones == 0


def test_a_copy_brings_no_forgotten_person_and_nothing_too_old(store: Store, other_store: Store) -> None:
    """The target's own tombstones and mark hold for what is copied too."""
    store.write([*THEIRS, to(OTHER, "old", timestamp=NOON - DAY), to(OTHER, "young")], THEIR_SENDS, at=AT)
    other_store.prepare()
    other_store.retention.forget(WHO, at=AT)
    other_store.retention.forget(BUSINESS_ID, at=AT)
    other_store.retention.keep_since(NOON)
    report = copy(store, other_store, at=LATER)
    assert list(everything(other_store)) == ["young"]
    assert report.written.left_out == len(THEIRS) + 1 + len(THEIR_SENDS)


def test_a_copy_takes_the_mark_along(store: Store, other_store: Store) -> None:
    """Of two marks the later one holds in the target."""
    store.retention.keep_since(NOON)
    other_store.retention.keep_since(NOON - DAY)
    assert copy(store, other_store, at=AT).kept_since == NOON
    assert other_store.retention.kept_since(at=AT) == NOON


def test_a_message_taken_in_keeps_what_only_it_knew_of_its_sending(store: Store, other_store: Store) -> None:
    """Template and sender come along even where the record of the send was pruned."""
    store.write([event("sent")], [accepted()], at=AT)
    other_store.retention.import_messages([store.get([WAMID])[WAMID]])
    taken = other_store.get([WAMID])[WAMID]
    assert taken.sent_by == SentBy("orders", "Send template", "90")
    assert taken.template is not None
    assert without_dates(everything(other_store)) == without_dates(everything(store))


def test_what_cannot_be_taken_in_costs_itself_only(store: Store, other_store: Store) -> None:
    """A message with a text no store can hold is refused and named; the others of its portion are there."""
    store.write([event("sent"), to(OTHER, "good")], at=AT)
    good, fine = store.get(["good"])["good"], store.get([WAMID])[WAMID]
    broken = msgspec.structs.replace(good, message_id="broken", history=(poisoned(good.history[0]),))
    report = other_store.retention.import_messages([good, broken, fine])
    assert [refusal.key for refusal in report.refused] == ["broken"]
    assert (report.inserted, report.updated, report.unchanged) == (2, 0, 0)
    assert sorted(everything(other_store)) == sorted(["good", WAMID])


def poisoned(entry: HistoryEntry) -> HistoryEntry:
    """An entry with half a surrogate pair in its details."""
    return msgspec.structs.replace(entry, errors=({"code": 1, "title": "\ud83d"},))
