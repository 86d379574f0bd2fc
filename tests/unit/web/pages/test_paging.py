"""Pages of lists: the position, the next page and the way back."""

from __future__ import annotations

from ticktrail.web.pages.message_rows import position
from ticktrail.web.pages.paging import Pages


def test_each_page_leads_back_to_the_one_before() -> None:
    """The addresses of pages that were shown are remembered; without memory Previous leads to the first page."""
    pages = Pages()
    first = pages.links("/messages", "status=failed", 0, 50, "status=failed&after=~a")
    assert first == {"previous": None, "next": "/messages?status=failed&after=~a&at=50"}
    second = pages.links("/messages", "status=failed", 50, 50, "status=failed&after=~b")
    assert second["previous"] == "/messages?status=failed"
    third = pages.links("/messages", "status=failed", 100, 50, None)
    assert third == {"previous": "/messages?status=failed&after=~a&at=50", "next": None}
    assert Pages().links("/messages", "", 100, 50, None)["previous"] == "/messages"


def test_a_position_is_described_in_words() -> None:
    """The rows shown and how many there are; a list that grew meanwhile is not shorter than what is shown."""
    assert position(50, 50, 5_065).replace("\N{EN DASH}", "-") == "51-100 of 5,065"
    assert position(0, 3, 2).replace("\N{EN DASH}", "-") == "1-3 of 3"
    assert position(0, 0, 0) == "0 messages"
