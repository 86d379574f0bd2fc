"""Failures in words: titles, details, waits; and texts of strangers on one line."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticktrail.messages.error_codes import packaged
from ticktrail.messages.failure_text import (
    failure_clause,
    read_failure,
    reported_details,
    retry_short,
    retry_text,
    short_reason,
)
from ticktrail.messages.merge import gather, merge_message
from ticktrail.messages.model import Failure, Message, StatusEvent
from ticktrail.output.messages import remark, write_message, write_messages
from ticktrail.text.sanitizing import one_line

KNOWN = packaged()
AT = datetime(2026, 1, 1, 9, tzinfo=UTC)


def message(*events: tuple[str, int, dict[str, object]]) -> Message:
    """One message out of statuses: name, seconds after noon, and what else they report."""
    reported = [
        StatusEvent(
            message_id="wamid.ONE",
            status=name,
            timestamp=1_767_258_000 + after,
            execution_id="101",
            **{"conversation_id": "966500000001", **more},  # type: ignore[arg-type]
        )
        for name, after, more in events
    ]
    (one,) = gather(reported).values()
    return merge_message(None, "wamid.ONE", one, at=AT)


def shown(one: Message) -> str:
    """The text of a message as printed, on one line."""
    stream = io.StringIO()
    write_message(one, UTC, stream)
    return " ".join(stream.getvalue().split())


@pytest.mark.parametrize(
    ("failure", "short", "ending"),
    [
        (Failure(131026, "Old title"), "131026 Message undeliverable", "Message undeliverable (131026)"),
        (Failure(999999, "New."), "999999 New.", "New (999999)"),
        (Failure(999999), "999999 Unknown code", "Unknown code (999999)"),
        (Failure(None, "Spoken"), "Spoken", "Spoken"),
        (Failure("BSP-7", None), "BSP-7 Unknown code", "Unknown code (BSP-7)"),
        (None, "no reason given", "no reason given"),
    ],
)
def test_a_failure_in_a_few_words(failure: Failure | None, short: str, ending: str) -> None:
    """A known code has the catalogue's title, an unknown one the reported title, none at all says so."""
    assert (short_reason(failure, KNOWN), failure_clause(failure, KNOWN)) == (short, ending)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 1, "title": "T", "message": "T", "details": "D"}, "D"),
        ({"code": 1, "title": "T", "message": "M"}, "M"),
        ({"code": 1, "title": "T", "message": "T"}, ""),
        ({"code": 1, "title": "T"}, ""),
        ({"code": 1}, ""),
        ({}, ""),
    ],
)
def test_what_whatsapp_said_beyond_the_title(error: dict[str, object], expected: str) -> None:
    """Details, else a message that says more than the title, else nothing."""
    assert reported_details(read_failure(error)) == expected


@pytest.mark.parametrize(
    ("code", "short", "full"),
    [
        (131026, "no", "no: as things stand it would fail again"),
        (131000, "now", "yes, at once"),
        (131049, "after 24 h", "yes, after 24 h"),
        (133016, "after 3 d", "yes, after 3 d"),
        (999999, "no", "not known"),
    ],
)
def test_whether_to_send_again(code: int, short: str, full: str) -> None:
    """The answer is no, now, or a wait as one says it; of an unknown code nothing is known."""
    assert (retry_short(KNOWN.lookup(code)), retry_text(KNOWN.lookup(code))) == (short, full)


@given(st.text(st.characters(codec=None, exclude_categories=[]), max_size=1_000), st.integers(10, 300))
def test_any_text_fits_one_line(text: str, longest: int) -> None:
    """No control character, line break, turn of direction or half character stays, and the length holds."""
    line = one_line(text, longest)
    assert len(line) <= longest
    line.encode("utf-8")
    assert not {"\n", "\r", "\t", "\x1b", "\x9b", "\u2028", "\u2029", "\u202e", "\u2066", "\x7f"} & set(line)


@pytest.mark.parametrize("text", ["Message undeliverable", "رسالة لم تُسلَّم", "配信できません", "Naïve — 5 €"])
def test_a_plain_text_stays_as_it_is(text: str) -> None:
    """Words of any language are left alone."""
    assert one_line(text) == text


def test_one_members_failure_in_a_group_is_advised_on_in_the_timeline() -> None:
    """Failed for one member and read by another: no advice on top, but beside that member's status."""
    one = message(
        ("read", 9, {"participant": "966500000002"}),
        ("failed", 5, {"participant": "966500000003", "errors": ({"code": 131026, "title": "t"},)}),
    )
    top, timeline = shown(one).split("wamid.ONE")
    assert "advice" not in top
    assert "131026 Message undeliverable The number may have no WhatsApp" in timeline
    assert remark(one, KNOWN) == "1 of 2 members"


def test_details_said_above_are_not_said_again() -> None:
    """The timeline does not repeat the details that stand above it."""
    error = {"code": 131026, "title": "t", "details": "Receiver is incapable of receiving this message"}
    assert shown(message(("failed", 5, {"errors": (error,)}))).count("incapable") == 1


def test_errors_that_another_tool_wrote_are_shown_whatever_they_hold() -> None:
    """Lists, numbers and objects where texts belong break nothing."""
    odd: dict[str, object] = {"code": [1], "title": {"a": 1}, "details": 5.5, "message": None}
    assert "5.5" in shown(message(("sent", 0, {}), ("failed", 5, {"errors": (odd, {}, {"code": 131026.0})})))


def test_an_empty_table_prints_nothing() -> None:
    """No messages, no header."""
    stream = io.StringIO()
    assert write_messages([], "table", UTC, stream) == 0
    assert stream.getvalue() == ""
