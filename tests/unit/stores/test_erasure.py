"""Names of people, tombstones, and what a ledger leaves out: the pure part of care."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticktrail.messages.model import StatusEvent
from ticktrail.stores.erasure import ErasureFilter, number_in, person, tombstone, wamid_start

SALT = "00112233445566778899aabbccddeeff"
WHO = "966500000001"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("966500000001", WHO),
        ("+966 50 000 0001", WHO),
        ("00966 (50) 000-0001", WHO),
        ("\u202a+966\u00a050\u00a0000\u00a00001\u202c", WHO),
        ("٩٦٦٥٠٠٠٠٠٠٠١", WHO),
        ("966500000001@s.whatsapp.net", WHO),
        ("whatsapp:+966500000001", WHO),
        (" SA.9001 ", "SA.9001"),
        ("group-7", "group-7"),
        ("120363000000000001@g.us", "120363000000000001@g.us"),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_a_person_has_one_name_however_it_is_typed(typed: str | None, name: str | None) -> None:
    """Numbers become their digits; ids that are no numbers, groups among them, stay as they are."""
    assert person(typed) == name


@given(st.text())
def test_naming_is_done_once(text: str) -> None:
    """A name's name is itself, and no text is too odd to be asked about."""
    name = person(text)
    assert person(name) == name
    ErasureFilter([tombstone(SALT, WHO)]).is_forgotten(text)
    number_in(f"wamid.{text}")


@given(st.text("0123456789", min_size=1, max_size=20), st.binary(max_size=24))
def test_a_number_is_read_out_of_a_wamid(number: str, rest: bytes) -> None:
    """Whatever follows the number; and every such id begins with what is looked for in an index."""
    encoded = base64.b64encode(b"\x1c\x18" + bytes([len(number)]) + number.encode() + rest).decode()
    found = number_in(f"wamid.{encoded}")
    # Without anything after it a number's last characters may be cut off with the padding.
    assert found in ({number} if len(rest) >= 3 else {number, None})
    start = wamid_start(number)
    assert start is not None
    assert f"wamid.{encoded}".startswith(start)


@pytest.mark.parametrize(
    "message_id", [None, "", "wamid.", "wamid.%%%%", "gBEGxyz", "wamid.HBgM", "wamid.HBgz////////"]
)
def test_ids_that_hold_no_number_say_so(message_id: str | None) -> None:
    """Ids of other kinds and damaged ones have no number, and raise nothing."""
    assert number_in(message_id) is None


def test_a_tombstone_is_known_under_several_salts() -> None:
    """Tombstones of another ledger, under its salt, hold beside one's own."""
    other = "ffeeddccbbaa99887766554433221100"
    guard = ErasureFilter([tombstone(SALT, WHO), tombstone(other, "SA.9001")])
    assert guard.is_forgotten("+966 50 000 0001")
    assert guard.is_forgotten("SA.9001")
    assert not guard.is_forgotten("966500000002")
    assert tombstone(SALT, WHO) != tombstone(other, WHO)
    assert WHO not in tombstone(SALT, WHO)


def test_a_tombstone_is_what_it_was() -> None:
    """A tombstone's form must never change, or whoever was forgotten comes back: this one was made once and noted."""
    assert tombstone(SALT, WHO) == "00112233445566778899aabbccddeeff:16d2:641269c41ba9b93ad099e23bd33bd435"


@pytest.mark.parametrize(
    ("timestamp", "taken"),
    [(None, True), (12, True), (1_230_768_000, False), (1_799_999_999, False), (1_800_000_000, True)],
)
def test_what_is_too_old(timestamp: int | None, taken: bool) -> None:  # noqa: FBT001 - a table
    """Before the mark is too old, the mark itself is not; what cannot be a time never is."""
    event = StatusEvent(message_id="m", status="sent", execution_id="1", timestamp=timestamp)
    assert ErasureFilter(kept_since=1_800_000_000).accepts(event) is taken
