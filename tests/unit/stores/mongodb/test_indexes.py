"""The indexes serve the lists: each order is that of an index, down to its last key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest
from pymongo import IndexModel

from ticktrail.messages.filters import MESSAGE_TIME_FIELDS, MessageFilter, Order
from ticktrail.stores.mongodb.filters import Sorting, parts_of
from ticktrail.stores.mongodb.indexes import SEND_INDEXES, STATUS_INDEXES


def gives_order(index: Mapping[str, Any], equal: tuple[str, ...], sorting: Sorting) -> bool:
    """Return whether an index gives a sorted result where these fields have one value each, read forward or back."""
    keys = list(index["key"].items())
    rest = keys[len(equal) :]
    backwards = [(name, -direction) for name, direction in rest]
    return {name for name, _ in keys[: len(equal)]} == set(equal) and sorting in (rest, backwards)


def any_gives_order(indexes: tuple[IndexModel, ...], equal: tuple[str, ...], sorting: Sorting) -> bool:
    """Return whether one of the indexes gives the sorted result."""
    return any(gives_order(index.document, equal, sorting) for index in indexes)


def sorting_of(order: Order) -> Sorting:
    """The sort order of the messages with a usual time."""
    return parts_of(MessageFilter(order=order))[0][0][1]


@pytest.mark.parametrize("order", get_args(Order))
def test_every_order_of_messages_is_that_of_an_index(order: Order) -> None:
    """It ends with the message id, as every order does: no list is sorted in the memory of the server."""
    sorting = sorting_of(order)
    assert sorting[-1] == ("messageId", 1)
    assert any_gives_order(STATUS_INDEXES, (), sorting)


def test_newest_first_is_in_the_order_of_indexes_where_no_sent_was_reported() -> None:
    """A workflow may pass no ``sent``: then the earliest status decides, and in an older document the latest one."""
    sorted_by_each = [sorting for _, sorting in parts_of(MessageFilter())[0]]
    assert [sorting[0][0] for sorting in sorted_by_each] == list(MESSAGE_TIME_FIELDS)
    for place, sorting in enumerate(sorted_by_each):
        unknown = MESSAGE_TIME_FIELDS[:place]
        assert any(any_gives_order(STATUS_INDEXES, equal, sorting) for equal in {unknown, ()})


@pytest.mark.parametrize("field", ["conversation_id", "latestStatus"])
def test_the_newest_of_one_person_or_status_are_in_the_order_of_an_index(field: str) -> None:
    """The server reads no messages of other people or statuses."""
    assert any_gives_order(STATUS_INDEXES, (field,), sorting_of("newest"))


def test_sends_are_in_the_order_of_an_index() -> None:
    """Newest first in lists, and by message where unconfirmed ones are counted."""
    assert any_gives_order(SEND_INDEXES, (), [("sentAt", -1), ("_id", 1)])
    assert any_gives_order(SEND_INDEXES, (), [("messageId", 1)])


def test_a_shorter_index_does_not_give_the_order() -> None:
    """``gives_order`` notices a missing or reversed last key."""
    shorter, reversed_key = IndexModel({"sentTimestamp": -1}), IndexModel({"sentTimestamp": -1, "messageId": -1})
    assert not any_gives_order((shorter, reversed_key), (), sorting_of("newest"))
