"""Statuses and sends as extraction could report them, drawn from few values each.

Few, so that copies of one entry, ties within a second and disagreements come up all the time. No text is empty:
extraction says nothing instead.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ticktrail.messages.model import RECEIVED, Send, SentBy, StatusEvent, Template

AT = datetime(2026, 1, 2, tzinfo=UTC)
NOON = 1_767_258_000

STATUSES = ("sent", "delivered", "read", "played", "failed", "undelivered", "deleted", "warning", "brand_new")
TIMES: dict[str, tuple[tuple[int | None, str | None], ...]] = {
    "noon": ((NOON, None), (NOON, "implausible")),
    "one second later": ((NOON + 1, None),),
    "one minute later": ((NOON + 60, None),),
    "the seventies": ((5, "implausible"), (5, None)),
    "far future": ((4_102_444_800, "implausible"),),
    "not reported": ((NOON, "execution"), (NOON + 1, "execution"), (None, "execution"), (None, None)),
}
"""Times that make one entry, as its copies may tell them with their source: of two copies one may doubt the time."""

ERRORS = (
    None,
    (),
    ({"code": 131026, "title": "Undeliverable"},),
    ({"code": "131026"}, {"code": 1}),
    ({"details": "x"},),
)
PRICINGS = (None, {}, {"category": "utility", "billable": True}, {"category": "marketing"}, {"cost": {"a": [1, None]}})
PEOPLE = (None, "966500000001", "966500000002")

values = st.sampled_from


@st.composite
def identities(draw: st.DrawFn, statuses: tuple[str, ...] = STATUSES) -> dict[str, str | None]:
    """The fields that identify an entry."""
    return {
        "status": draw(values(statuses)),
        "time": draw(values(tuple(TIMES))),
        "execution_id": draw(values(("101", "102", RECEIVED))),
        "participant": draw(values(PEOPLE)),
    }


def identity_of(event: StatusEvent) -> tuple[str, int | None, str | None, str]:
    """Product rule: entries are the same when status, timestamp, participant and execution agree.

    A made-up or missing time does not count.
    """
    timestamp = None if event.timestamp_source == "execution" else event.timestamp
    return event.status, timestamp, event.participant, event.execution_id


def kept(told: list[StatusEvent]) -> list[StatusEvent]:
    """The events that count: of a status received directly and read from n8n, the latter."""
    executed = {identity_of(event)[:3] for event in told if event.execution_id != RECEIVED}
    return [event for event in told if event.execution_id != RECEIVED or identity_of(event)[:3] not in executed]


def distinct(told: list[StatusEvent]) -> int:
    """Number of distinct entries that these events make."""
    return len(set(map(identity_of, kept(told))))


@st.composite
def events(
    draw: st.DrawFn, among: st.SearchStrategy[dict[str, Any]] | None = None, name: str = "wamid.one"
) -> StatusEvent:
    """A status as extraction could report it, of an entry that ``among`` chooses or any."""
    entry = draw(identities() if among is None else among)
    timestamp, source = draw(values(TIMES[entry["time"]]))
    return StatusEvent(
        message_id=name,
        status=entry["status"],
        timestamp=timestamp,
        timestamp_source=source,
        execution_id=entry["execution_id"],
        participant=entry["participant"],
        workflow_id="" if entry["execution_id"] == RECEIVED else draw(values(("alpha", "beta"))),
        conversation_id=draw(values(PEOPLE)),
        errors=draw(values(ERRORS)),
        pricing=draw(values(PRICINGS)),
        phone_number_id=draw(values((None, "1", "2"))),
        recipient_user_id=draw(values((None, "SA.1"))),
        callback_data=draw(values((None, "campaign", "$$ROOT"))),
    )


@st.composite
def scans(draw: st.DrawFn, least: int = 1, most: int = 4) -> list[list[StatusEvent]]:
    """Several scans of one message: a few entries, each reported repeatedly and not always with equal details."""
    statuses = draw(st.lists(values(STATUSES), min_size=1, max_size=3, unique=True))
    entries = draw(st.lists(identities(tuple(statuses)), min_size=1, max_size=6))
    batch = st.lists(events(values(entries)), min_size=1, max_size=8)
    return draw(st.lists(batch, min_size=least, max_size=most))


@st.composite
def sends(draw: st.DrawFn) -> Send:
    """A copy of one send."""
    return Send(
        key="wamid.one",
        message_id="wamid.one",
        sent_by=SentBy(draw(values(("w1", "w2"))), draw(values(("n1", "n2"))), draw(values(("1", "2")))),
        status=draw(values(("accepted", "held_for_quality_assessment"))),
        sent_at=draw(values((None, AT, AT + timedelta(seconds=1)))),
        conversation_id=draw(values(PEOPLE)),
        input=draw(values(PEOPLE)),
        template=draw(values((None, Template("a"), Template("a", "en"), Template("b", "ar")))),
        errors=draw(values(ERRORS)),
        instance=draw(values((None, "riyadh"))),
    )
