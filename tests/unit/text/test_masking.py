"""Masks: no number survives, everything else does."""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from ticktrail.text.masking import mask_document, mask_locations, mask_message_id, mask_number, mask_text

ALI = "966500000041"
# A wamid is base64 of a few bytes, the recipient's number and a random part.
WAMID = "wamid." + base64.b64encode(b"\x1d\x08\x0f" + ALI.encode() + b"\x15\x02\x00\x11\x18\x12A1B2C3D4E5F6").decode()


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        (ALI, "+966 50 ••• ••41"),
        ("+966 50 000 0041", "+966 50 ••• ••41"),
        ("15550000041", "+1 55 ••• ••41"),
        ("+1 555-000-0041", "+1 55 ••• ••41"),
        ("201000000041", "+20 10 ••• ••41"),
        ("120363000000000041", "12•••41"),
        ("SA.9000041", "SA•••41"),
        ("short", "•••"),
        ("", "•••"),
        ("12345", "•••"),
    ],
)
def test_a_number_keeps_its_country_and_two_digits_at_each_end(number: str, masked: str) -> None:
    """However it is written; ids that are no numbers keep two characters at each end, short ones none."""
    assert mask_number(number) == masked


def test_a_message_id_becomes_a_short_one_that_is_always_the_same() -> None:
    """The number cannot be read out of it, equal ids stay equal, and a salt makes other ones."""
    masked = mask_message_id(WAMID)
    assert masked == mask_message_id(WAMID) != mask_message_id(WAMID + "x")
    assert masked != mask_message_id(WAMID, b"salt")
    assert len(masked) == 20
    assert ALI.encode() in base64.b64decode(WAMID.removeprefix("wamid."))
    assert mask_message_id("half \ud83d").startswith("msg_")


@pytest.mark.parametrize(
    "text",
    [
        ALI, f"to {ALI}: no", f"user{ALI}x", "call +966 50 000 0041 now", "(966) 50-000-0041", f"{ALI}{ALI}",
        "966\u201150\u2011000\u20110041", "966/50/000/0041", "966_50_000_0041", "966\u202f50\u202f0000041",
        "\u202a+966\u200e50000\u200b0041\u202c",
        f"{WAMID} was for {ALI}", f'{{"phone": "{ALI}"}}', "٩٦٦٥٠٠٠٠٠٠٤١", f"{ALI}@s.whatsapp.net",
        f"2026-11-01..2026-11-22 {ALI}", f"2026-11-01..{ALI}",
    ],
)  # fmt: skip
def test_no_number_is_left_in_a_text(text: str) -> None:
    """Alone or inside words, in any spelling, in JSON, in a message id."""
    masked = mask_text(text)
    assert "0000041" not in "".join(str(int(one)) if one.isdecimal() else "" for one in masked)
    assert "wamid" not in masked
    assert "•••" in masked


@pytest.mark.parametrize(
    "text", ["order 12345678", "2026-11-22", "2026-11-01..2026-11-22.", "131026", "no such template", "50%_off", ""]
)
def test_what_is_no_number_is_left_alone(text: str) -> None:
    """Codes, days and short counts stay readable."""
    assert mask_text(text) == text


def test_a_document_is_masked_throughout_and_is_still_one() -> None:
    """Ids, participants, texts of errors, labels, keys: no number is left; times, codes and n8n's ids are."""
    entry: dict[str, Any] = {
        "status": "failed",
        "timestamp": 1_767_258_000,
        "timestampFormatted": "2026-01-01 12:00",
        "executionId": "1234567890123",
        "conversation_id": ALI,
        "participant": ALI,
        "errors": [{"code": 131026, "details": f"{ALI} is not on WhatsApp", "href": "https://x.test/131026", ALI: ALI}],
    }
    document = {
        "messageId": WAMID,
        "conversation_id": ALI,
        "latestTimestamp": 1_767_258_000,
        "latestTimestampFormatted": "2026-01-01 12:00",
        "statusHistory": [entry],
        "recipientUserId": "SA.9000041",
        "displayPhoneNumber": "15550000041",
        "phoneNumberId": "200000000000001",
        "callbackData": f'{{"to": "{ALI}", "campaign": "spring"}}',
        "failure": {"code": 131026, "title": f"for {WAMID}", "details": None},
        "lastScannedAt": datetime(2026, 1, 1, tzinfo=UTC),
        "conflict": True,
    }
    before = json.dumps(document, default=str)
    masked = mask_document(document)
    text = json.dumps(masked, default=str, ensure_ascii=False)
    for left in (ALI, WAMID, WAMID.removeprefix("wamid."), "9000041", "15550000041"):
        assert left not in text
    assert masked["latestTimestampFormatted"] == masked["statusHistory"][0]["timestampFormatted"] == "2026-01-01 12:00"
    assert masked["statusHistory"][0]["executionId"] == "1234567890123"
    assert masked["phoneNumberId"] == "200000000000001"
    assert masked["failure"]["code"] == 131026
    assert masked["conflict"] is True
    assert "spring" in masked["callbackData"]
    assert json.dumps(document, default=str) == before


@pytest.mark.parametrize("piece", ["a", "a.", "a-", "+a", ".a", "[", "[1:", ":", "/a", "\\", "~", "1.", "1 ", "wamid."])
@pytest.mark.parametrize("opening", ["", "["])
def test_a_long_text_is_masked_in_a_moment(opening: str, piece: str) -> None:
    """Text crafted to slow down the search takes no longer than other text of its length."""
    text = opening + piece * (60_000 // len(piece))
    began = time.thread_time()
    mask_locations(mask_text(text))
    assert time.thread_time() - began < 2
