"""Statuses and sends as extraction could report them, drawn from few values each.

Few, so that copies of one entry, ties within a second and disagreements come up all the time. No text is empty:
extraction says nothing instead.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ticktrail.model import Send, SentBy, StatusEvent, Template

AT = datetime(2026, 1, 2, tzinfo=UTC)
NOON = 1_767_258_000

STATUSES = ("sent", "delivered", "read", "played", "failed", "undelivered", "deleted", "warning", "brand_new")
TIMES = (
    *((NOON + seconds, None) for seconds in (0, 1, 60)),
    *((NOON + seconds, "execution") for seconds in (0, 1)),
    (5, "implausible"),
    (NOON, "implausible"),
    (4_102_444_800, "implausible"),
    (None, None),
    (None, "execution"),
)
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

identities = st.fixed_dictionaries(
    {
        "status": values(STATUSES),
        "time": values(TIMES),
        "execution_id": values(("101", "102")),
        "participant": values(PEOPLE),
    }
)
"""What tells one entry from another."""


@st.composite
def events(
    draw: st.DrawFn, among: st.SearchStrategy[dict[str, Any]] = identities, name: str = "wamid.one"
) -> StatusEvent:
    """A status as extraction could report it, of an entry that ``among`` chooses."""
    entry = draw(among)
    timestamp, source = entry["time"]
    return StatusEvent(
        message_id=name,
        status=entry["status"],
        timestamp=timestamp,
        timestamp_source=source,
        execution_id=entry["execution_id"],
        participant=entry["participant"],
        workflow_id=draw(values(("alpha", "beta"))),
        conversation_id=draw(values(PEOPLE)),
        errors=draw(values(ERRORS)),
        pricing=draw(values(PRICINGS)),
        phone_number_id=draw(values((None, "1", "2"))),
        recipient_user_id=draw(values((None, "SA.1"))),
        callback_data=draw(values((None, "campaign", "$$ROOT"))),
    )


@st.composite
def scans(draw: st.DrawFn, least: int = 1, most: int = 4) -> list[list[StatusEvent]]:
    """What several scans met of one message: a few entries, each reported again and again, not always alike."""
    entries = draw(st.lists(identities, min_size=1, max_size=5))
    batch = st.lists(events(values(entries)), min_size=1, max_size=6)
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
