"""Questions as values: what may be combined, and places as text."""

from __future__ import annotations

import base64
import json

import pytest

from ticktrail.errors import ConfigurationError
from ticktrail.messages.filters import DELIVERED, Cursor, MessageFilter
from ticktrail.text.phone_numbers import Country


@pytest.mark.parametrize(
    "place",
    [
        Cursor("newest", 1_767_258_000, "wamid.A=="),
        Cursor("oldest", None, "اهلا ✓\n"),
        Cursor("updated", -1, ""),
        Cursor("newest", 2**63 - 1, '"]'),
    ],
)
def test_a_place_survives_its_token(place: Cursor) -> None:
    """The token is one word that no shell touches, and means the same place."""
    assert Cursor.read(place.token) == place
    assert Cursor.read(f" {place.token}\n") == place
    assert set(place.token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def made(value: object) -> str:
    """A token that Ticktrail did not print."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "", "x", "=", "%", "é", "half \ud83d", "\0", "A" * 100_000, made([]), made({}), made("newest"),
        made(["newest", 1]), made(["best", 1, "m"]), made(["newest", "1", "m"]), made(["newest", 1, None]),
        made(["newest", 2**63, "m"]), made(["newest", -(2**80), "m"]), made([[]] * 9000),
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(token: str) -> None:
    """For any invalid value of --after, the error names the value and the remedy."""
    with pytest.raises(ConfigurationError, match="not a valid cursor") as refusal:
        Cursor.read(token)
    assert refusal.value.remedy


def test_a_place_of_another_order_is_refused() -> None:
    """A page of one order cannot go on in another."""
    place = Cursor("newest", 1, "m")
    assert MessageFilter(after=place).after == place
    with pytest.raises(ConfigurationError) as refusal:
        MessageFilter(order="oldest", after=place)
    assert "Sort by newest" in refusal.value.remedy


def test_retryable_is_failed_with_such_a_code() -> None:
    """Beside other conditions both must hold; what nothing can meet is refused."""
    codes = (131026, 131049)
    assert MessageFilter().retryable(codes) == MessageFilter(statuses=("failed", "undelivered"), failure_codes=codes)
    assert MessageFilter(failure_codes=(131049, 470)).retryable(codes).failure_codes == (131049,)
    assert MessageFilter(statuses=("sent", "failed")).retryable(codes).statuses == ("failed",)
    undelivered = MessageFilter(template="ready").without_statuses(DELIVERED)
    assert undelivered.retryable(codes).statuses == ("failed", "undelivered")
    assert undelivered.retryable(codes).template == "ready"
    for impossible in (MessageFilter(statuses=("read",)), MessageFilter(failure_codes=(470,))):
        with pytest.raises(ConfigurationError):
            impossible.retryable(codes)
    with pytest.raises(ConfigurationError):
        MessageFilter().retryable(())


@pytest.mark.parametrize("prefix", ["966|1", ".", "٩٦٦", "", "+966"])
def test_a_countrys_numbers_begin_with_digits(prefix: str) -> None:
    """Nothing else reaches a store's pattern."""
    with pytest.raises(ConfigurationError):
        Country((prefix,))
    with pytest.raises(ConfigurationError):
        Country(("966",), (prefix,))
