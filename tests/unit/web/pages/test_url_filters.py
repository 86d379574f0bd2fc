"""Addresses: what may stand in them, and that they mean what they were made of."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticktrail.errors import ConfigurationError, NotFoundError
from ticktrail.messages.filters import Cursor, MessageFilter
from ticktrail.settings.loading import load_settings
from ticktrail.web.pages.url_filters import (
    SendUrlFilter,
    UrlFilter,
    address_of,
    parse_filter,
    query_of,
    read_conditions,
    with_dates,
)
from ticktrail.web.security.url_tokens import UrlTokens

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ADDRESSES = UrlTokens(b"k" * 32)
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80)


@given(
    st.builds(
        UrlFilter, to=TEXTS, who=TEXTS, status=st.lists(TEXTS.filter(bool), max_size=3).map(tuple),
        unread=st.booleans(), template=TEXTS, campaign=TEXTS, since=TEXTS, people=st.booleans(), after=TEXTS,
    )
)  # fmt: skip
def test_a_choice_survives_its_address(choice: UrlFilter) -> None:
    """The query of an address means the choice it was made of."""
    given_back = parse_qs(query_of(choice, ADDRESSES), keep_blank_values=True)
    assert read_conditions(UrlFilter, given_back, ADDRESSES) == choice


def test_an_address_holds_no_number() -> None:
    """A person, a campaign that is a number, and the place in a list cannot be read out of an address."""
    place = Cursor("newest", 1_767_258_000, "wamid.HBgMOTY2NTAwMDAwMDQx")
    choice = UrlFilter(who="966500000041", to="0500000041", campaign="966500000041", after=place.token, since="7d")
    address = address_of(choice, ADDRESSES)
    assert not any(part in address for part in ("0000041", "wamid", place.token))
    assert address.startswith("/messages?")
    assert "since=7d" in address


def test_a_choice_means_the_filter_of_the_command_line(tmp_path: Path) -> None:
    """The names mean what the options of the same name mean."""
    settings = load_settings({"TICKTRAIL_STORE": str(tmp_path / "a.db"), "TICKTRAIL_TIMEZONE": "UTC"}, {}, tmp_path)

    def meant(**fields: object) -> MessageFilter:
        return parse_filter(UrlFilter(**fields), settings, NOW)  # type: ignore[arg-type]

    assert meant() == MessageFilter()
    assert meant(template="order_ready/ar", people=True) == MessageFilter(
        template="order_ready", template_language="ar", people_only=True
    )
    assert meant(since="1795305600").since_timestamp == 1_795_305_600
    assert meant(until="yesterday").until_timestamp == 1_795_219_200  # 2026-11-21 00:00 UTC
    assert meant(error=("131026", "#470")).failure_codes == (131026, 470)
    assert meant(unread=True).statuses == ("delivered", "sent")
    for bad in (
        {"error": ("x",)},
        {"sort": "sideways"},
        {"since": "whenever"},
        {"country": "XX"},
        {"to": "12"},
        {"status": ("teleported",)},
        {"since": "1h", "until": "2h"},
    ):
        with pytest.raises(ConfigurationError):
            meant(**bad)
    with pytest.raises(NotFoundError):
        read_conditions(UrlFilter, {"who": ["~broken"]}, ADDRESSES)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ("1795305600", "2026-11-22T03:00"),  # 00:00 UTC
        ("1795294800", "2026-11-22"),
        ("1795305601", "1795305601"),
        ("7d", "7d"),
        ("", ""),
    ],
)
def test_whole_minutes_become_dates(seconds: str, text: str) -> None:
    """A date needs no seal and says what it means; seconds, and what was typed, stay."""
    zone = ZoneInfo("Asia/Riyadh")
    assert with_dates(UrlFilter(since=seconds, until=seconds), zone) == UrlFilter(since=text, until=text)
    assert with_dates(SendUrlFilter(since=seconds), zone).since == text


def test_an_hour_that_comes_twice_stays_in_seconds() -> None:
    """Where clocks are put back, only the first of two equal times is written as a date."""
    zone = ZoneInfo("Europe/Berlin")
    first, second = (int(datetime(2026, 10, 25, hour, 30, tzinfo=UTC).timestamp()) for hour in (0, 1))
    found = with_dates(UrlFilter(since=str(first), until=str(second)), zone)
    assert (found.since, found.until) == ("2026-10-25T02:30", str(second))


def test_what_is_typed_is_no_way_to_a_person() -> None:
    """A number typed into the URL is neither a person nor a cursor, and neither is its sealed form."""
    number, place = "966500000041", Cursor("newest", 1_767_258_000, "wamid.HBgM").token
    for name in ("to", "template", "campaign"):
        (sealed,) = parse_qs(query_of(UrlFilter(**{name: number}), ADDRESSES))[name]
        assert number not in sealed
        assert ADDRESSES.text(sealed.removeprefix("~")) is None
        for typed in ({"who": [sealed]}, {"after": [sealed]}):
            with pytest.raises(NotFoundError):
                read_conditions(UrlFilter, typed, ADDRESSES)
    for typed in ({"who": [number]}, {"after": [place]}):
        with pytest.raises(NotFoundError):
            read_conditions(UrlFilter, typed, ADDRESSES)
    with pytest.raises(NotFoundError):
        read_conditions(SendUrlFilter, {"after": [place]}, ADDRESSES)
