"""One status object, one time, one error: as Meta and other providers write them."""

from __future__ import annotations

from typing import Any

import pytest

from ticktrail.extraction.status import (
    Holder,
    Moment,
    Reading,
    parse_timestamp,
    read_error,
    read_errors,
    read_status,
)
from ticktrail.messages.model import StatusEvent

# The trigger started two seconds after the execution was created.
TRIGGER, EXECUTION = 1_795_355_172, 1_795_355_170
DAY = 86_400

STATUS = {"id": "wamid.A", "status": "sent", "timestamp": "1767000000", "recipient_id": "966500000001"}


def holder(*, from_meta: bool = True, contacts: tuple[Any, ...] = (), **metadata: Any) -> Holder:
    """Return a list of statuses with these surroundings."""
    return Holder(statuses=(), metadata=metadata, contacts=contacts, from_meta=from_meta)


def reading(status: object, around: Holder | None = None, *, moment: Moment | None = None) -> Reading:
    """A status read as an execution's trigger put it out."""
    return read_status(
        status,
        around or holder(),
        moment or Moment(TRIGGER, EXECUTION),
        execution_id="5001",
        workflow_id="SituationsWorkflow",
    )


def event(changed: dict[str, Any] | None = None, around: Holder | None = None, **more: Any) -> StatusEvent:
    """The event of :data:`STATUS` with these fields changed; there must be one."""
    found = reading(STATUS | (changed or {}), around, **more).event
    assert found is not None
    return found


def test_plain_status() -> None:
    """The four fields every status has become an event, and nothing else is made up."""
    assert event() == StatusEvent(
        message_id="wamid.A",
        status="sent",
        timestamp=1767000000,
        execution_id="5001",
        workflow_id="SituationsWorkflow",
        conversation_id="966500000001",
    )


def test_status_with_every_field() -> None:
    """Every documented field goes to its place."""
    found = event(
        {
            "status": "failed",
            "recipient_id": "120300000000000001",
            "recipient_type": "group",
            "recipient_participant_id": "966500000002",
            "recipient_user_id": "SA.9001",
            "biz_opaque_callback_data": "campaign-7",
            "conversation": {"id": "c", "origin": {"type": "utility"}},
            "pricing": {"pricing_model": "PMP", "category": "utility", "billable": True},
            "errors": [{"code": 131026, "title": "Message undeliverable", "error_data": {"details": "why"}}],
        },
        holder(phone_number_id="2001", display_phone_number="15550000001"),
    )

    assert found == StatusEvent(
        message_id="wamid.A",
        status="failed",
        timestamp=1767000000,
        execution_id="5001",
        workflow_id="SituationsWorkflow",
        conversation_id="120300000000000001",
        participant="966500000002",
        recipient_user_id="SA.9001",
        callback_data="campaign-7",
        pricing={"billable": True, "category": "utility", "pricing_model": "PMP"},
        errors=({"code": 131026, "details": "why", "title": "Message undeliverable"},),
        phone_number_id="2001",
        display_phone_number="15550000001",
    )


@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {"status": "sent"},
        STATUS | {"id": None},
        STATUS | {"id": ""},
        STATUS | {"id": 7},
        STATUS | {"id": ["wamid.A"]},
        STATUS | {"id": "wacid.A"},
        STATUS | {"type": "call"},
        STATUS | {"type": "payment"},
        STATUS | {"payment": {"reference_id": "ord-1"}},
        {"type": "set-callback"},
        {"id": "x", "type": "set-callback"},
    ],
    ids=repr,
)
def test_no_status_of_a_message(status: object) -> None:
    """Calls, payments, announcements and what has no id are left out without a word."""
    assert reading(status) == Reading()


@pytest.mark.parametrize("status", [7, True, "delivered", [], [STATUS], 1.5], ids=repr)
def test_status_that_is_no_object(status: object) -> None:
    """A status that is no object is left out and reported."""
    assert reading(status) == Reading(problem="a status that is no object")


@pytest.mark.parametrize("name", [None, "", " ", 7, True, [], {}], ids=repr)
def test_status_without_its_name(name: object) -> None:
    """A status that does not say which is left out and said."""
    assert reading(STATUS | {"status": name}) == Reading(problem="a status without its name")


@pytest.mark.parametrize("kind", ["message", None, "", [], {}, ["call"], 7], ids=repr)
def test_type_of_a_message(kind: object) -> None:
    """Only the known other types exclude a status; an odd type does not."""
    assert event({"type": kind}) == event()


@pytest.mark.parametrize(
    ("reported", "expected"),
    [("sent", "sent"), ("DELIVERED", "delivered"), (" Read\n", "read"), ("Teleported", "teleported"), ("É", "é")],
)
def test_status_value(reported: str, expected: str) -> None:
    """The value is compared in lower case, and one that is not known stays."""
    assert event({"status": reported}).status == expected


@pytest.mark.parametrize(
    ("message_id", "around", "fields", "kept"),
    [
        ("wamid.A", holder(from_meta=False), {}, True),
        ("gBEGx", holder(from_meta=False), {}, False),
        ("gBEGx", holder(from_meta=True), {}, True),
        ("gBEGx", holder(from_meta=False, phone_number_id="2001"), {}, True),
        ("gBEGx", holder(from_meta=False), {"recipient_id": "966500000001"}, True),
        ("gBEGx", holder(from_meta=False), {"timestamp": "1767000000"}, True),
        ("build-77", holder(from_meta=False), {"context": "ci"}, False),
    ],
)
def test_ids_of_other_kinds(message_id: str, around: Holder, fields: dict[str, Any], kept: bool) -> None:  # noqa: FBT001
    """An id that is no wamid counts when the surroundings are Meta's, or the status names a recipient or a time."""
    found = reading({"id": message_id, "status": "sent", **fields}, around)

    assert (found.event is not None) == kept
    assert found.problem is None


# --- Who it is about.


@pytest.mark.parametrize(
    ("fields", "recipient"),
    [
        ({"recipient_id": "966500000001"}, "966500000001"),
        ({"recipient_id": 966500000001}, "966500000001"),
        ({"recipient_id": "", "group_id": "120300000000000001"}, "120300000000000001"),
        ({"recipient_id": None, "message": {"recipient_id": "966500000002"}}, "966500000002"),
        ({"recipient_id": "966500000001", "group_id": "120300000000000001"}, "966500000001"),
        ({"recipient_id": None}, None),
        ({"recipient_id": []}, None),
        ({"recipient_id": {"id": 1}}, None),
        ({"recipient_id": True}, None),
        ({"recipient_id": None, "message": "x"}, None),
    ],
    ids=repr,
)
def test_recipient(fields: dict[str, Any], recipient: str | None) -> None:
    """The conversation is the recipient's id, in a group the group's, wherever it is; else unknown."""
    assert event(fields).conversation_id == recipient


@pytest.mark.parametrize(
    ("fields", "participant"),
    [
        ({}, None),
        ({"recipient_participant_id": "966500000002"}, "966500000002"),
        ({"participant_recipient_id": "966500000002"}, "966500000002"),
        ({"recipient_participant_user_id": "SA.9002"}, "SA.9002"),
        ({"recipient_participant_id": "966500000002", "recipient_participant_user_id": "SA.9002"}, "966500000002"),
        ({"recipient_participant_id": None, "participant_recipient_id": ""}, None),
        ({"recipient_participant_id": ["966500000002"]}, None),
    ],
    ids=repr,
)
def test_participant(fields: dict[str, Any], participant: str | None) -> None:
    """A group member is named in any of the spellings that Meta's pages have had; the phone number goes first."""
    assert event(fields).participant == participant


PAIRS = ({"wa_id": "966500000008", "user_id": "SA.9008"}, None, "x", {"wa_id": "966500000001", "user_id": "SA.9001"})


@pytest.mark.parametrize(
    ("fields", "contacts", "expected"),
    [
        ({}, PAIRS, ("966500000001", "SA.9001")),
        ({"recipient_user_id": "SA.9009"}, PAIRS, ("966500000001", "SA.9009")),
        ({"recipient_id": None, "recipient_user_id": "SA.9001"}, PAIRS, ("966500000001", "SA.9001")),
        ({"recipient_id": None, "recipient_user_id": "SA.9099"}, PAIRS, (None, "SA.9099")),
        ({"recipient_id": "966500000099"}, PAIRS, ("966500000099", None)),
        ({"recipient_id": None}, PAIRS, (None, None)),
        ({}, ({"wa_id": "966500000001"},), ("966500000001", None)),
        ({"recipient_id": None, "recipient_user_id": "SA.9001"}, ({"user_id": "SA.9001"},), (None, "SA.9001")),
        ({}, ({"wa_id": ["966500000001"], "user_id": {}},), ("966500000001", None)),
    ],
)
def test_phone_number_and_user_id(
    fields: dict[str, Any], contacts: tuple[Any, ...], expected: tuple[str | None, str | None]
) -> None:
    """A missing phone number or user id is taken from the contact that has both, never from another contact."""
    found = event(fields, holder(contacts=contacts))

    assert (found.conversation_id, found.recipient_user_id) == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"phone_number_id": "2001", "display_phone_number": "15550000001"}, ("2001", "15550000001")),
        ({"phone_number_id": 2001}, ("2001", None)),
        ({"phone_number_id": None, "display_phone_number": ""}, (None, None)),
        ({"phone_number_id": [], "display_phone_number": {}}, (None, None)),
    ],
    ids=repr,
)
def test_sending_number(metadata: dict[str, Any], expected: tuple[str | None, str | None]) -> None:
    """The sending number comes from the metadata around the statuses."""
    found = event({}, holder(**metadata))

    assert (found.phone_number_id, found.display_phone_number) == expected


# --- When it was.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1767000000", 1767000000),
        (1767000000, 1767000000),
        (1767000000.9, 1767000000),
        ("1767000000.9", 1767000000),
        (" 1767000000\n", 1767000000),
        ("1767000000123", 1767000000),
        (1767000000123, 1767000000),
        (1767000000123456, 1767000000),
        ("1767000000123456789", 1767000000),
        ("2025-12-29T09:20:00Z", 1767000000),
        ("2025-12-29T09:20:00.999Z", 1767000000),
        ("2025-12-29 09:20:00", 1767000000),
        ("2025-12-29T12:20:00+03:00", 1767000000),
        ("2025-12-29T09:20:00.000+0000", 1767000000),
        ("2025-12-29", 1766966400),
        ("1969-12-31T23:59:59.5Z", -1),
        (0, 0),
        ("-5", -5),
        (-5, -5),
        ("32503680000", 32503680000),
        ("٠١٧٦٧٠٠٠٠٠٠", 1767000000),
        (None, None),
        (True, None),
        ("", None),
        ("soon", None),
        ("29/12/2025", None),
        ("0x69525", None),
        ("NaN", None),
        ("-Infinity", None),
        (float("nan"), None),
        (float("inf"), None),
        (10**30, None),
        (-(10**30), None),
        ("9" * 400, None),
        ("9" * 5000, None),
        ([], None),
        ({"seconds": 1}, None),
        ("0001-01-01T00:00:00+23:59", -62135683140),
        ("9999-12-31T23:59:59-23:59", 253402387139),
    ],
    ids=lambda value: repr(value)[:32],
)
def test_time(value: object, expected: int | None) -> None:
    """Numbers and texts in seconds, milli-, micro- and nanoseconds, and ISO 8601; all else is no time."""
    assert parse_timestamp(value) == expected


@pytest.mark.parametrize(
    ("moment", "timestamp", "source"),
    [
        (Moment(TRIGGER, EXECUTION), TRIGGER, "execution"),
        (Moment(None, EXECUTION), EXECUTION, "execution"),
        (Moment(TRIGGER, None), TRIGGER, "execution"),
        (Moment(None, None), None, None),
    ],
)
def test_missing_time(moment: Moment, timestamp: int | None, source: str | None) -> None:
    """The trigger's start stands in for a missing time, else the execution's, and it is marked."""
    found = event({"timestamp": None}, moment=moment)

    assert (found.timestamp, found.timestamp_source) == (timestamp, source)


@pytest.mark.parametrize(
    ("moment", "reported", "source"),
    [
        (Moment(TRIGGER, EXECUTION), 1_230_768_000, None),
        (Moment(TRIGGER, EXECUTION), 1_230_767_999, "implausible"),
        (Moment(TRIGGER, EXECUTION), EXECUTION + DAY, None),
        (Moment(TRIGGER, EXECUTION), EXECUTION + DAY + 1, "implausible"),
        (Moment(TRIGGER, None), TRIGGER + DAY, None),
        (Moment(TRIGGER, None), TRIGGER + DAY + 1, "implausible"),
        (Moment(None, None), 32_503_680_000, None),
        (Moment(TRIGGER, EXECUTION), -1, "implausible"),
    ],
)
def test_implausible_time(moment: Moment, reported: int, source: str | None) -> None:
    """A time before 2009 or more than a day after the execution is kept and marked."""
    found = event({"timestamp": reported}, moment=moment)

    assert (found.timestamp, found.timestamp_source) == (reported, source)


# --- Why it failed, what it cost, what label it had.


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 131026}, {"code": 131026}),
        ({"code": "131026"}, {"code": 131026}),
        ({"code": 131026.0}, {"code": 131026}),
        ({"code": "E_TIMEOUT"}, {"code": "E_TIMEOUT"}),
        ({"code": 2**63 - 1}, {"code": 2**63 - 1}),
        ({"code": 2**63}, {"code": "9223372036854775808"}),
        ({"code": "9" * 30}, {"code": "9" * 30}),
        ({"code": "١٣"}, {"code": "١٣"}),
        ({"code": True}, {}),
        ({"code": []}, {}),
        ({"code": None, "title": None, "message": "", "href": {}}, {}),
        ({"error_data": {"details": "a"}, "details": "b"}, {"details": "a"}),
        ({"error_data": "x", "details": "b"}, {"details": "b"}),
        ({"error_data": {"messaging_product": "whatsapp"}}, {}),
        ({"title": "a", "fbtrace_id": "x", "type": "OAuthException"}, {"title": "a"}),
        ({"title": "a\x00b\ud83d"}, {"title": "a\ufffdb?"}),
    ],
    ids=repr,
)
def test_error(error: dict[str, Any], expected: dict[str, Any]) -> None:
    """Of an error the reported ones of code, title, message, details and href are kept; a numeric code as a number."""
    assert read_error(error) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, None),
        ({"errors": None}, None),
        ({"errors": []}, None),
        ({"errors": [None, {}, 7, "x"]}, None),
        ({"errors": [{"code": 1}, {"code": 2}]}, ({"code": 1}, {"code": 2})),
        ({"errors": {"code": 1}}, ({"code": 1},)),
        ({"code": "131026", "reason": "undeliverable"}, ({"code": 131026, "title": "undeliverable"},)),
        ({"code": 131026, "reason": None}, ({"code": 131026},)),
        ({"errors": [{"code": 1}], "code": 2}, ({"code": 1},)),
        ({"code": None, "reason": "undeliverable"}, None),
        ({"code": {}, "reason": []}, None),
    ],
    ids=repr,
)
def test_errors(status: dict[str, Any], expected: tuple[dict[str, Any], ...] | None) -> None:
    """Every error is kept; a code on the status itself stands in where there is no list."""
    assert read_errors(status) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"pricing": {"category": "utility"}}, {"category": "utility"}),
        ({"pricing": None, "conversation": {"pricing": {"category": "service"}}}, {"category": "service"}),
        ({"pricing": {"category": "utility"}, "conversation": {"pricing": {"category": "x"}}}, {"category": "utility"}),
        ({"pricing": {}}, None),
        ({"pricing": "free"}, None),
        ({"pricing": [], "conversation": []}, None),
    ],
    ids=repr,
)
def test_pricing(fields: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """Pricing is kept as reported, from the conversation where it stands only there."""
    assert event(fields).pricing == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("campaign-7", "campaign-7"),
        ("", None),
        (None, None),
        ({"b": 1, "a": "é"}, '{"a": "é", "b": 1}'),
        ([1], "[1]"),
        (7, "7"),
        ("a\x00\x1f\ud83d", "a\ufffd\ufffd?"),
    ],
    ids=repr,
)
def test_callback_data(value: object, expected: str | None) -> None:
    """The label is a text; another value becomes the JSON of itself, the same for equal values."""
    assert event({"biz_opaque_callback_data": value}).callback_data == expected
