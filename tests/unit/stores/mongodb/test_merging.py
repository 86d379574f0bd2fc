"""A merge writes Ticktrail's fields of a stored document and leaves fields that others added."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson.int64 import Int64
from tests.support.records import AT, LATER, NOON, WAMID, WHO, event

from ticktrail.messages.document import from_document, to_document
from ticktrail.messages.merge import gather, merge_message
from ticktrail.messages.model import StatusEvent
from ticktrail.stores.mongodb.bulk import Decision, Insert, Update
from ticktrail.stores.mongodb.merging import change, insertion

Document = dict[str, Any]


def stored(*events: StatusEvent) -> Document:
    """The document of these events as Ticktrail stored it."""
    message = merge_message(None, WAMID, gather(events)[WAMID], at=AT)
    return {"_id": 1, **to_document(message, UTC), "revision": 4}


def merge(document: Document, *events: StatusEvent, at: datetime = LATER) -> Decision:
    """Return the update that merging these events into a document writes."""
    before = from_document(document)
    merged = merge_message(before, WAMID, gather(events)[WAMID], at=at)
    return change(document, before, merged, UTC)


def test_a_new_message_is_inserted_whole() -> None:
    """With every field of its document."""
    message = merge_message(None, WAMID, gather([event("sent")])[WAMID], at=AT)
    decision = insertion(message, UTC)
    assert isinstance(decision, Insert)
    assert decision.document == to_document(message, UTC)


def test_no_news_writes_nothing() -> None:
    """The last scan is written for all unchanged messages at once."""
    assert merge(stored(event("sent")), event("sent")) is None
    assert merge(stored(event("sent")), event("sent"), at=AT - timedelta(days=1)) is not None, "first seen earlier"


def test_a_new_status_writes_what_follows_from_it_only() -> None:
    """Other fields are not sent, so a change of theirs by another program is not undone."""
    decision = merge(stored(event("sent")), event("read", NOON + 60))
    assert isinstance(decision, Update)
    assert set(decision.fields) == {
        *("latestStatus", "latestTimestamp", "latestTimestampFormatted", "statusHistory", "statusCount"),
        *("lastUpdatedAt", "readTimestamp"),
    }
    assert (decision.removed, decision.maximum, decision.grew) == ([], {"lastScannedAt": LATER}, True)


def test_a_fact_that_was_learned_changes_no_history() -> None:
    """It is a change that did not grow the history."""
    decision = merge(stored(event("sent")), event("sent", callback_data="campaign"))
    assert isinstance(decision, Update)
    assert (decision.fields, decision.grew) == ({"callbackData": "campaign"}, False)


def test_what_others_added_stays() -> None:
    """In the document because it is not sent, in an entry because it is sent with it; copies settle by content."""
    document = stored(event("sent"), event("delivered", NOON + 1))
    sent = document["statusHistory"][0]
    document |= {"note": "by hand", "template": "odd", "sentBy": 7}
    document["statusHistory"][0] = {**sent, "seenBy": ["ana"], "pricing": "free", "errors": "none", "messageId": "x"}
    for copies in ([{**sent, "seenBy": 1}, {**sent, "more": None}], [{**sent, "more": None}, {**sent, "seenBy": 1}]):
        decision = merge({**document, "statusHistory": [*document["statusHistory"], *copies]}, event("read", NOON + 2))
        assert isinstance(decision, Update)
        assert not {"note", "template", "sentBy"} & {*decision.fields, *decision.removed}
        (first, second, third) = decision.fields["statusHistory"]
        assert first["seenBy"] in (["ana"], 1)
        assert (first["more"], first["pricing"], first["errors"]) == (None, "free", "none")
        assert not {"messageId", "seenBy"} & {*second, *third}


def test_a_number_of_another_type_is_a_change() -> None:
    """1 and 1.0 are equal to Python; which of two is stored must not depend on arrival."""
    one, other = event("sent", pricing={"cost": 1}), event("sent", pricing={"cost": 1.0})
    for first, second in ((one, other), (other, one)):
        document = stored(first)
        decision = merge(document, second)
        fields = decision.fields if isinstance(decision, Update) else {}
        assert repr(fields.get("pricing", document["pricing"])) == "{'cost': 1.0}"


def test_derived_fields_that_no_longer_hold_are_removed() -> None:
    """An older tool's failure, or a person's recipientUserId after an erasure."""
    document = stored(event("sent")) | {"failure": {"code": 1}, "conflict": True, "instance": ""}
    decision = merge(document, event("sent"))
    assert isinstance(decision, Update)
    assert decision.removed == ["instance", "conflict", "failure"]
    assert decision.fields == {}


@pytest.mark.parametrize("scanned", ["2026-01-01", None, 7])
def test_a_scan_that_is_no_date_is_replaced(scanned: object) -> None:
    """$max would keep some of them."""
    decision = merge(stored(event("sent")) | {"lastScannedAt": scanned}, event("sent"))
    assert isinstance(decision, Update)
    assert (decision.fields, decision.maximum) == ({"lastScannedAt": LATER}, {})


ODD_TIMES = [float("nan"), float("inf"), float("-inf"), 1e300, "yesterday", True, {"a": 1}]


@pytest.mark.parametrize("odd", ODD_TIMES, ids=map(str, ODD_TIMES))
def test_a_time_that_is_no_number_is_no_time(odd: object) -> None:
    """One such value in an older document neither stops reading nor merging."""
    document = stored(event("sent"))
    document["statusHistory"] = [{"status": "sent", "timestamp": odd, "executionId": "1", "waId": WHO}]
    message = from_document(document)
    assert message is not None
    assert message.history[0].timestamp is None
    assert isinstance(merge(document, event("read")), Update)


def test_ids_kept_as_numbers_read_as_ids() -> None:
    """966500000001.0 is 966500000001, as a double and as a 64-bit integer."""
    for number in (966500000001.0, Int64(966500000001)):
        message = from_document(stored(event("sent")) | {"conversation_id": number})
        assert message is not None
        assert message.attributes.conversation_id == "966500000001"


def test_an_entry_with_an_empty_workflow_is_of_none() -> None:
    """It is written beside entries that have one; the document's workflow is not meant."""
    document = stored(event("sent", workflow_id=""), event("read", workflow_id="orders"))
    assert [entry["workflowId"] for entry in document["statusHistory"]] == ["", "orders"]
    message = from_document(document)
    assert message is not None
    assert [entry.workflow_id for entry in message.history] == ["", "orders"]
