"""Sends as people read them."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
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


@pytest.mark.parametrize("width", [40, 120])
def test_hostile_texts_stay_on_their_line(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow sends to whatever a customer typed: no escape sequence and no line break of it is written."""
    hostile = "\x1b[31mred\r\n\u202egnp.exe\x9b2J"
    send = msgspec.structs.replace(
        REFUSED,
        input=hostile,
        status=hostile,
        rejected=False,
        template=Template(name=hostile, language=hostile),
        sent_by=SentBy(workflow_id=hostile, node=hostile, execution_id=hostile),
        errors=None,
    )
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    write_sends([send], "table", ZoneInfo("Asia/Riyadh"), stream, catalogue=packaged())

    assert not set("\x1b\x9b\u202e\r") & set(stream.getvalue())
    assert "[31mred gnp.exe" in stream.getvalue()
