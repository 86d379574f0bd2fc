"""The address of what is behind an alert: it means the alert's own filter, whatever names are in it."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ticktrail.alerts.facts import AlertFacts, Delivery, UndeliveredByNumber
from ticktrail.alerts.failures import AlertContext, Failures
from ticktrail.alerts.rules import evaluate_rules
from ticktrail.errors import ConfigurationError
from ticktrail.messages.counts import Counts
from ticktrail.messages.error_codes import packaged
from ticktrail.messages.failure_causes import CauseCount
from ticktrail.messages.filters import MessageFilter, SendCursor, SendFilter
from ticktrail.messages.model import FAILED
from ticktrail.queries.completeness import WorkflowCompleteness
from ticktrail.settings.alert_rules import Rules
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.stores.coverage import Facts
from ticktrail.text.phone_numbers import Person
from ticktrail.web.pages.url_filters import (
    SendUrlFilter,
    UrlFilter,
    address_of,
    parse_filter,
    parse_send_filter,
    query_of,
    read_conditions,
    send_url_filter,
    url_filter,
)
from ticktrail.web.security.url_tokens import UrlTokens

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ADDRESSES = UrlTokens(b"k" * 32)

NAMES = st.one_of(
    st.sampled_from(
        ["order_ready", "a/b", "/", " padded ", "~sealed", "00966500000041", "+966 50", "a&b=c#d", "\u202e"]
    ),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
)
MAYBE = st.none() | NAMES
TIMES = st.none() | st.integers(0, 253_402_300_799)

OF_ALERTS = st.builds(
    MessageFilter,
    statuses=st.sampled_from([(), ("sent",), tuple(sorted(FAILED))]),
    failure_codes=st.lists(st.integers(0, 10**18 - 1), max_size=3).map(tuple),
    since_timestamp=TIMES,
    until_timestamp=TIMES,
    template=MAYBE,
    template_language=MAYBE,
    sending_workflow_id=MAYBE,
    workflow_id=MAYBE,
    sending_numbers=st.lists(NAMES, max_size=3).map(tuple),
    people_only=st.booleans(),
    order=st.sampled_from(["newest", "oldest", "latest", "updated"]),
) | st.builds(
    MessageFilter,
    not_statuses=st.sampled_from([("delivered", "played", "read"), ("played", "read")]),
    sending_numbers=st.lists(NAMES, max_size=1).map(tuple),
    since_timestamp=TIMES,
    until_timestamp=TIMES,
)  # fmt: skip

OF_SENDS = st.builds(
    SendFilter,
    refused=st.none() | st.booleans(),
    unconfirmed=st.booleans(),
    failure_codes=st.lists(st.integers(0, 10**18 - 1), max_size=3).map(tuple),
    since_timestamp=TIMES,
    until_timestamp=TIMES,
    workflow_id=MAYBE,
    template=MAYBE,
    template_language=MAYBE,
    after=st.none() | st.builds(SendCursor, st.none() | st.integers(0, 2**53), NAMES),
)

COUNTS = st.lists(
    st.builds(
        CauseCount,
        failed=st.booleans(),
        code=st.none() | st.sampled_from(["131026", "190", "131049", "132001", "131042", "#470", "soon", "-1"]),
        count=st.integers(1, 500),
        people=st.integers(0, 20),
        template=MAYBE,
        workflow_id=MAYBE,
        number=MAYBE,
        first_timestamp=st.none() | st.integers(SECONDS - 86_400, SECONDS),
        last_timestamp=st.none() | st.integers(SECONDS - 86_400, SECONDS),
    ),
    max_size=5,
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a store that is never opened, with times in Riyadh's time zone."""
    folder = tmp_path_factory.mktemp("settings")
    return load_settings({"TICKTRAIL_STORE": str(folder / "a.db"), "TICKTRAIL_TIMEZONE": "Asia/Riyadh"}, {}, folder)


def _is_possible(chosen: MessageFilter | SendFilter) -> bool:
    """A period that ends before it begins is refused."""
    since, until = chosen.since_timestamp, chosen.until_timestamp
    return since is None or until is None or since < until


def _through_an_address(chosen: MessageFilter, settings: Settings) -> MessageFilter:
    query = query_of(url_filter(chosen), ADDRESSES)
    read = read_conditions(UrlFilter, parse_qs(query, keep_blank_values=True), ADDRESSES)
    assert read == url_filter(chosen)
    return parse_filter(read, settings, NOW)


def _sends_through_an_address(chosen: SendFilter, settings: Settings) -> SendFilter:
    query = query_of(send_url_filter(chosen), ADDRESSES)
    return parse_send_filter(
        read_conditions(SendUrlFilter, parse_qs(query, keep_blank_values=True), ADDRESSES), settings, NOW
    )


@given(OF_ALERTS)
def test_a_filter_survives_its_address(settings: Settings, chosen: MessageFilter) -> None:
    """Filter to choice to address and back is the same filter, to the second and the letter."""
    assume(_is_possible(chosen))
    assert _through_an_address(chosen, settings) == chosen


@given(OF_SENDS)
def test_a_filter_of_sends_survives_its_address(settings: Settings, chosen: SendFilter) -> None:
    """The same for sends, with the place in the list."""
    assume(_is_possible(chosen) and not (chosen.refused and chosen.unconfirmed))
    assert _sends_through_an_address(chosen, settings) == chosen


@given(
    messages=COUNTS, sends=COUNTS, number=NAMES, last=st.integers(0, SECONDS - 90_000),
    window=st.sampled_from([3_600, 86_400, 30 * 86_400]),
)  # fmt: skip
def test_every_alert_has_the_address_of_its_list(
    settings: Settings, messages: list[CauseCount], sends: list[CauseCount], number: str, last: int, window: int
) -> None:
    """Whatever alert the rules make of hostile names and numbers, its address means exactly its own filter."""
    facts = AlertFacts(
        at=AlertContext(NOW, ZoneInfo("Asia/Riyadh"), {}),
        failures=Failures(messages=tuple(messages), sends=tuple(sends)),
        undelivered=(
            UndeliveredByNumber(number=number, ripe=Counts(messages=100, delivered=10, pending=90), stuck=90),
        ),
        deliveries=(Delivery(number=number, delivered=1, sent=100, delivered_before=99, sent_before=100),),
        last_status_timestamp=last,
        unanswered=10,
        workflows=(WorkflowCompleteness(instance_url="u", workflow_id="orders", facts=Facts(checked_at=NOW)),),
    )
    alerts = evaluate_rules(facts, Rules(at_least=1, rate=0.0, window=window), packaged())
    listings = [alert.listing for alert in alerts if alert.listing is not None]
    assert len(listings) >= 3  # stuck, fewer delivered, silence
    for listing in listings:
        if isinstance(listing, SendFilter):
            assert _sends_through_an_address(listing, settings) == listing
        else:
            assert _through_an_address(listing, settings) == listing


def test_usual_values_are_readable_in_the_url() -> None:
    """Plain names and one number use the same words as the form of the list, not the exact ones."""
    chosen = MessageFilter(
        statuses=("failed", "undelivered"), failure_codes=(131026,), since_timestamp=1_795_305_600,
        template="order_ready", template_language="ar", sending_workflow_id="orders", sending_numbers=("1065",),
    )  # fmt: skip
    assert url_filter(chosen) == UrlFilter(
        status=("failed", "undelivered"), error=("131026",), since="1795305600", template="order_ready/ar",
        sent_by="orders", number="1065",
    )  # fmt: skip
    assert url_filter(MessageFilter(not_statuses=("delivered", "played", "read"))) == UrlFilter(undelivered=True)
    assert send_url_filter(SendFilter(refused=True, template="order_ready")) == SendUrlFilter(
        refused=True, template="order_ready"
    )


def test_what_no_address_can_say_is_refused_and_not_left_out() -> None:
    """A condition that would be lost, and so show more than was counted, is an error at once."""
    for chosen in (
        MessageFilter(person=Person(("1",))),
        MessageFilter(limit=3),
        MessageFilter(not_statuses=("failed",)),
        MessageFilter(statuses=("sent",), not_statuses=("played", "read")),
    ):
        with pytest.raises(ValueError, match="cannot hold"):
            url_filter(chosen)
    with pytest.raises(ValueError, match="limit"):
        send_url_filter(SendFilter(limit=3))


def test_conditions_that_exclude_each_other_are_named(settings: Settings) -> None:
    """Refused and unconfirmed at once, codes and moments that are none, and broken places get an error with a cure."""
    for choice in (
        SendUrlFilter(refused=True, unconfirmed=True),
        SendUrlFilter(error=("x",)),
        SendUrlFilter(since="whenever"),
        SendUrlFilter(after="broken"),
    ):
        with pytest.raises(ConfigurationError) as told:
            parse_send_filter(choice, settings, NOW)
        assert told.value.remedy


def test_an_address_of_sends_holds_no_number() -> None:
    """The place in a list holds a message id or a node's name: neither can be read out of the address."""
    place = SendCursor(1_767_258_000_000, "wamid.HBgMOTY2NTAwMDAwMDQx")
    address = address_of(SendUrlFilter(refused=True, template="966500000041", after=place.token), ADDRESSES)
    assert not any(part in address for part in ("0000041", "wamid", place.token))
    assert address.startswith("/sends?refused=1")
