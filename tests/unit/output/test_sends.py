"""Sends as people read them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from ticktrail.messages.error_codes import packaged
from ticktrail.messages.model import Send, SentBy, Template
from ticktrail.output.sends import write_sends

REFUSED = Send(
    key="refused",
    message_id=None,
    conversation_id=None,
    input="966500000037",
    status="rejected",
    template=Template(name="order_update", language="en_US"),
    sent_by=SentBy(workflow_id="JdmZLpdwcAyZXObP", node="Send", execution_id="7"),
    sent_at=datetime(2026, 11, 22, 11, 0, tzinfo=UTC),
    rejected=True,
    errors=({"code": 132001, "details": "template name (hello) does not exist in en_US"},),
)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_reason_of_a_refusal_is_whole_at_any_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow terminal gets the reason below the send, not in a column of one word."""
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    write_sends([REFUSED], "table", ZoneInfo("Asia/Riyadh"), stream, catalogue=packaged())
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= 5
    shown = " ".join(stream.getvalue().split())
    assert "2026-11-22 14:00 966500000037 refused" in shown
    if width < 120:
        assert "132001 Template missing or not approved: template name (hello) does not exist in en_US" in shown
