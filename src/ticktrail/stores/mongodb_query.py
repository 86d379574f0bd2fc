"""Questions as MongoDB queries: which documents a filter means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bson.int64 import Int64

from ticktrail.model import EARLIEST_PLAUSIBLE_TIMESTAMP
from ticktrail.query import MESSAGE_TIME_FIELDS, MessageFilter
from ticktrail.stores.mongodb_expressions import (
    Expression,
    as_text,
    as_whole_number,
    chosen,
    each,
    either,
    has_type,
    or_else,
)

Query = dict[str, Any]

IS_MESSAGE: Query = {
    "messageId": {"$type": "string"},
    "statusHistory": {"$elemMatch": {"status": {"$type": "string"}}},
}
"""What :func:`ticktrail.document.from_document` makes a message of: other documents in the collection are not ours."""

NEWEST_FIRST = [("latestTimestamp", -1), ("messageId", 1)]

_GREATEST = 2**63 - 1


def storable(texts: Iterable[str]) -> list[str]:
    """The texts that a document can hold at all: one with half a surrogate pair stands in none."""
    return [text for text in texts if _is_storable(text)]


def query_of(wanted: MessageFilter) -> Query:
    """The documents a filter chooses; its limit is left aside.

    A document that an earlier tool wrote and nothing was merged into yet is chosen by the ``latestStatus`` it has.
    """
    clauses: list[Query] = [IS_MESSAGE]
    if wanted.conversation_id is not None:
        same = {"$in": storable([wanted.conversation_id])}
        clauses.append({"$or": [{"conversation_id": same}, {"recipientUserId": same}]})
    if wanted.statuses:
        clauses.append({"latestStatus": {"$in": storable(wanted.statuses)}})
    if wanted.not_statuses:
        clauses.append({"latestStatus": {"$nin": storable(wanted.not_statuses)}})
    between = _between(wanted)
    if between:
        clauses.append(_message_time(between))
    if wanted.updated_since is not None:
        clauses.append({"lastUpdatedAt": {"$gte": wanted.updated_since}})
    return {"$and": clauses}


def _between(wanted: MessageFilter) -> dict[str, Int64]:
    since, until = wanted.since_timestamp, wanted.until_timestamp
    between = {} if since is None else {"$gte": _clamped(since)}
    return between if until is None else {**between, "$lt": _clamped(until)}


def _message_time(between: dict[str, Int64]) -> Query:
    """:data:`ticktrail.query.MESSAGE_TIME_FIELDS`: the first that is known.

    An older tool's document has but the last, so what the merge would make of the first two is worked out.
    """
    sent, first, _ = MESSAGE_TIME_FIELDS
    moment = time_of_history()
    worked_out = [{operator: ["$$moment", bound]} for operator, bound in between.items()]
    return {
        "$or": [
            {sent: between},
            {sent: None, first: between},
            {
                sent: None,
                first: None,
                "$expr": {
                    "$let": {
                        "vars": {"moment": moment},
                        "in": {"$and": [{"$ne": ["$$moment", None]}, *worked_out]},
                    }
                },
            },
        ]
    }


def time_of_history() -> Expression:
    """The time of a message out of its stored history, else its latest timestamp; null when it has neither."""
    history = either({"$isArray": "$statusHistory"}, "$statusHistory", [])
    entries = each(
        chosen(history, has_type("$$this.status", "string")),
        {
            "status": {"$toLower": "$$entry.status"},
            "timestamp": as_whole_number("$$entry.timestamp"),
            "source": as_text("$$entry.timestampSource"),
        },
        name="entry",
    )
    reported = chosen(
        entries,
        {
            "$and": [
                {"$eq": ["$$this.source", None]},
                {"$gte": ["$$this.timestamp", EARLIEST_PLAUSIBLE_TIMESTAMP]},
            ]
        },
    )
    sent = chosen("$$reported", {"$eq": ["$$this.status", "sent"]})
    return {
        "$let": {
            "vars": {"reported": reported},
            "in": or_else(
                {"$min": each(sent, "$$this.timestamp")},
                or_else({"$min": each("$$reported", "$$this.timestamp")}, as_whole_number("$latestTimestamp")),
            ),
        }
    }


def _clamped(number: int) -> Int64:
    return Int64(max(-_GREATEST - 1, min(number, _GREATEST)))


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
