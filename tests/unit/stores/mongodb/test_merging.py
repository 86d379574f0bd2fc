"""The update that merges, as data: what it is made of, and that nothing from outside is taken for an expression."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import bson
import pytest

from ticktrail.messages import document
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.merge import gather
from ticktrail.messages.model import ARRIVED, FAILED, RANK, Send, SentBy, StatusEvent, Template
from ticktrail.stores.mongodb import expressions as mongodb_expressions
from ticktrail.stores.mongodb import merging as mongodb_upsert
from ticktrail.stores.mongodb import sends as mongodb_sends
from ticktrail.stores.mongodb.filters import query_of

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
OUTSIDE = "$$ROOT from outside"

AGREED = frozenset(
    re.findall(
        r"\$\w+",
        """
        $add $and $arrayElemAt $arrayToObject $concat $concatArrays $cond $convert $dateToString $eq $filter $gt $gte
        $ifNull $in $indexOfArray $isArray $let $literal $lt $lte $map $max $mergeObjects $min $multiply $ne $not
        $objectToArray $or $range $reduce $setIntersection $setUnion $size $slice $sortArray $subtract $switch $toDate
        $toLower $toString $type $zip
        """,
    )
)
"""Operators of expressions that MongoDB 6.0 documents and SecantusDB carries out alike, as far as we use them.

Put another one in only after trying it on both: ``$unsetField`` for one is not in SecantusDB.
"""

STAGES = frozenset({"$replaceWith"})
VARIABLES = frozenset({"$$ROOT", "$$REMOVE"})
LISTS = frozenset(
    f"$${name}"
    for name in (
        *("stored", "all", "keys", "starts", "history", "copies", "texts", "own"),
        *("attributes", "reported", "failed", "arrived", "workflows", "milestones", "values"),
    )
)
"""What is an array in our updates: a path through it gives an array in MongoDB and nothing in SecantusDB."""


def outside_event(**more: Any) -> StatusEvent:
    """A status every text of which looks like an expression."""
    facts: dict[str, Any] = {
        "message_id": OUTSIDE,
        "status": "$status",
        "execution_id": OUTSIDE,
        "workflow_id": OUTSIDE,
        "timestamp": 1_767_258_000,
        "conversation_id": OUTSIDE,
        "participant": OUTSIDE,
        "errors": ({"$add": [OUTSIDE]},),
        "pricing": {"$literal": OUTSIDE, "a.b": OUTSIDE},
        "callback_data": OUTSIDE,
        "recipient_user_id": OUTSIDE,
        "phone_number_id": OUTSIDE,
        "display_phone_number": OUTSIDE,
    }
    return StatusEvent(**{**facts, **more})


def outside_send() -> Send:
    """A send every text of which looks like an expression."""
    return Send(
        key=OUTSIDE,
        message_id=OUTSIDE,
        sent_by=SentBy(OUTSIDE, OUTSIDE, OUTSIDE),
        status=OUTSIDE,
        conversation_id=OUTSIDE,
        input=OUTSIDE,
        template=Template(OUTSIDE, OUTSIDE),
        errors=({"$add": OUTSIDE},),
        instance=OUTSIDE,
    )


def updates() -> list[list[dict[str, Any]]]:
    """The pipelines we send."""
    news = gather([outside_event()], instance=OUTSIDE)[OUTSIDE]
    first = mongodb_upsert.news_stage(OUTSIDE, news, at=AT, only_growth=True)
    return [
        [first, *mongodb_upsert.merge_stages("Asia/Riyadh")],
        [mongodb_sends.news_stage(outside_send()), *mongodb_sends.merge_stages()],
    ]


def walked(value: Any) -> Iterator[tuple[str, str]]:
    """Every operator and every text of an expression, told apart; what is under ``$literal`` is neither."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name.startswith("$"):
                yield "operator", name
            if name != "$literal":
                yield from walked(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walked(inner)
    elif isinstance(value, str):
        yield "text", value


def test_only_operators_that_both_servers_agree_on_are_used() -> None:
    """In the updates and in the one expression a query has."""
    for pipeline in updates():
        assert {name for stage in pipeline for name in stage} <= STAGES
        inside = [walked(stage[name]) for stage in pipeline for name in stage]
        assert {name for parts in inside for kind, name in parts if kind == "operator"} <= AGREED
    asked = query_of(MessageFilter(since_timestamp=1, until_timestamp=2))
    (expression,) = [clause["$expr"] for part in asked["$and"] for clause in part.get("$or", ()) if "$expr" in clause]
    assert {name for kind, name in walked(expression) if kind == "operator"} <= AGREED


def test_no_path_goes_through_an_array() -> None:
    """MongoDB maps such a path over the array, SecantusDB gives nothing."""
    for pipeline in updates():
        texts = {text for kind, text in walked(pipeline) if kind == "text"}
        paths = {text for text in texts if text.startswith("$")}
        assert paths
        assert not {path for path in paths if path.split(".")[0] in LISTS and "." in path}
        assert not {path for path in paths if path.startswith(("$old.statusHistory.", "$news.entries."))}
        assert {path for path in paths if path.startswith("$$") and path.isupper()} <= VARIABLES


def test_what_comes_from_outside_stands_under_literal_only() -> None:
    """Anywhere else a text that begins with a dollar would be evaluated."""
    for pipeline in updates():
        assert OUTSIDE in str(pipeline)
        assert not [text for _, text in walked(pipeline) if text in {OUTSIDE, "$status"}]


def test_every_stage_can_be_encoded_and_most_of_it_is_the_same_for_all() -> None:
    """What differs from message to message is under a tenth, so a batch can be compressed."""
    first, *rest = updates()[0]
    constant = len(bson.encode({"stages": rest}))
    assert constant < 13_000
    assert len(bson.encode(first)) < constant / 5


def test_ranks_tell_failed_from_arrived() -> None:
    """The update goes by the rank where the law goes by the status."""
    failed = RANK["failed"]
    assert {status for status, rank in RANK.items() if rank == failed} == FAILED
    assert {status for status, rank in RANK.items() if rank > failed} == ARRIVED


def test_the_calendar_ends_where_the_documents_does() -> None:
    """The server formats the same times that Python formats."""
    assert mongodb_expressions._LAST_FORMATTABLE_TIMESTAMP == document._LAST_FORMATTABLE_TIMESTAMP


@pytest.mark.parametrize("status", [*RANK, "deleted"])
def test_a_new_message_is_stored_whole_but_never_over_one_that_is_there(status: str) -> None:
    """One ``$setOnInsert``; the message id comes from the filter."""
    news = gather([outside_event(status=status)])[OUTSIDE]
    update = mongodb_upsert.insertion(OUTSIDE, news, at=AT, zone=UTC)
    assert list(update) == ["$setOnInsert"]
    assert "messageId" not in update["$setOnInsert"]
    assert update["$setOnInsert"]["latestStatus"] == status
