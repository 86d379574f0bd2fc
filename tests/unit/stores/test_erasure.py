"""Names of people, tombstones, and the filter that keeps erased people out of a store."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.spellings import spellings

from ticktrail.messages.model import StatusEvent
from ticktrail.stores.erasure import ErasureFilter, TextEraser, number_in, tombstone, wamid_start
from ticktrail.text.phone_numbers import person_id

SALT = "00112233445566778899aabbccddeeff"
WHO = "966500000001"


@given(st.text())
def test_no_text_is_too_odd_to_be_checked(text: str) -> None:
    """Checking a text against tombstones, and reading a number from a message id, raise nothing."""
    ErasureFilter([tombstone(SALT, WHO)]).is_forgotten(text)
    number_in(f"wamid.{text}")


@pytest.mark.parametrize("typed", spellings(WHO))
def test_texts_lose_every_spelling_of_a_person(typed: str) -> None:
    """Errors, reasons and notes keep their words and lose the number; another number stays."""
    erased = TextEraser([WHO]).erase({"error": [f"refused: {typed} (and 966500000002)"]})
    assert person_id(WHO) not in re.sub(r"\D", "", erased["error"][0].replace("966500000002", ""))  # type: ignore[operator]
    assert erased["error"][0].startswith("refused: ")
    assert erased["error"][0].endswith(" (and 966500000002)")


def test_texts_lose_message_ids_that_hold_the_number() -> None:
    """A wamid holds the number as base64; a record of a message to the person is erased whole."""
    eraser = TextEraser([WHO, "SA.9001"], ["wamid.theirs"])
    held = "wamid." + base64.b64encode(b"\x1c\x18\x0c" + WHO.encode() + b"\x15\x02").decode()
    assert eraser.erase(f"{held} and wamid.theirs, not wamid.other") == "[erased] and [erased], not wamid.other"
    assert eraser.erase("SA.9001 and SA.90011") == "[erased] and SA.90011"
    assert eraser.erase({"refused": [{"messageId": held}, {"messageId": "wamid.other"}], "count": 2}) == {
        "refused": [{"messageId": "wamid.other"}],
        "count": 2,
    }


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
    """Tombstones copied from another store, with its salt, work beside the store's own."""
    other = "ffeeddccbbaa99887766554433221100"
    guard = ErasureFilter([tombstone(SALT, WHO), tombstone(other, "SA.9001")])
    assert guard.is_forgotten("+966 50 000 0001")
    assert guard.is_forgotten("SA.9001")
    assert not guard.is_forgotten("966500000002")
    assert tombstone(SALT, WHO) != tombstone(other, WHO)
    assert WHO not in tombstone(SALT, WHO)


def test_the_format_of_tombstones_is_stable() -> None:
    """The format of tombstones must never change, or erased people would be stored again."""
    assert tombstone(SALT, WHO) == "00112233445566778899aabbccddeeff:16d2:641269c41ba9b93ad099e23bd33bd435"


@pytest.mark.parametrize(
    ("timestamp", "taken"),
    [(None, True), (12, True), (1_230_768_000, False), (1_799_999_999, False), (1_800_000_000, True)],
)
def test_what_is_too_old(timestamp: int | None, taken: bool) -> None:  # noqa: FBT001 - a table
    """Before the mark is too old, the mark itself is not; what cannot be a time never is."""
    event = StatusEvent(message_id="m", status="sent", execution_id="1", timestamp=timestamp)
    assert ErasureFilter(kept_since=1_800_000_000).accepts(event) is taken
