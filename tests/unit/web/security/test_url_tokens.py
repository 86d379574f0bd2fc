"""Sealed texts in page addresses: they open to what they were made of, and to nothing else."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticktrail.settings.loading import load_settings
from ticktrail.web.security.url_tokens import KEY_FILE, UrlTokens, read_key

ADDRESSES = UrlTokens(b"k" * 32)
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80)


@given(TEXTS)
def test_a_token_is_its_text_again(text: str) -> None:
    """A token opens to the text it was made of, always the same, with this key and no other."""
    token = ADDRESSES.token(text)
    assert ADDRESSES.text(token) == text
    assert ADDRESSES.token(text) == token
    assert UrlTokens(b"o" * 32).text(token) is None


@given(st.text(max_size=60))
def test_what_was_not_made_here_opens_to_nothing(text: str) -> None:
    """Text typed by a user is never a valid token."""
    assert ADDRESSES.text(text) is None


def test_a_changed_token_opens_to_nothing() -> None:
    """A token with one character changed or cut off is none."""
    token = ADDRESSES.token("966500000041")
    assert "966500000041" not in token
    for place in range(len(token) - 1):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert ADDRESSES.text(changed) is None
        assert ADDRESSES.text(token[: place + 1]) is None


@pytest.mark.parametrize(
    "text", ["966500000041", "+966 50 000 0041", "wamid.HBgMOTY2NTAwMDAwMDQx", "~x", "order 966500000041 b"]
)
def test_values_that_may_hold_a_number_are_sealed(text: str) -> None:
    """Numbers, message ids and what looks sealed stand in no address as they are; plain names do."""
    value = ADDRESSES.value(text)
    assert text not in value
    assert value.startswith("~")
    assert ADDRESSES.opened(value) == text
    assert ADDRESSES.value("spring-2026 offer") == "spring-2026 offer"


def test_a_typed_text_and_a_stored_text_are_sealed_apart() -> None:
    """The seal of a typed number does not open as a person of the store, nor the other way round."""
    assert ADDRESSES.text(ADDRESSES.sealed("966500000041").removeprefix("~")) is None
    assert ADDRESSES.opened(f"~{ADDRESSES.token('966500000041')}") is None


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    """The key lies beside the store, is private even after a careless copy, and is the same at the next start."""
    settings = load_settings({"TICKTRAIL_STORE": str(tmp_path / "a.db")}, {}, tmp_path)
    key = read_key(settings)
    assert len(key) == 32
    (tmp_path / KEY_FILE).chmod(0o644)
    assert read_key(settings) == key
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_a_damaged_key_is_not_used(tmp_path: Path) -> None:
    """Too short a key is replaced for as long as the server runs."""
    settings = load_settings({"TICKTRAIL_STORE": str(tmp_path / "a.db")}, {}, tmp_path)
    (tmp_path / KEY_FILE).write_bytes(b"short")
    assert len(read_key(settings)) == 32
