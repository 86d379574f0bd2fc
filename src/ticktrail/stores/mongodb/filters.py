"""Filters as MongoDB queries."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bson.int64 import Int64
from pymongo.collection import Collection

from ticktrail.messages import counts
from ticktrail.messages.campaign import campaign_of
from ticktrail.messages.filters import MESSAGE_TIME_FIELDS, Cursor, MessageFilter, Order
from ticktrail.messages.model import EARLIEST_PLAUSIBLE_TIMESTAMP
from ticktrail.text.phone_numbers import Country, Person

Query = dict[str, Any]

IS_MESSAGE: Query = {
    "messageId": {"$type": "string"},
    "statusHistory": {"$elemMatch": {"status": {"$type": "string"}}},
}
"""Documents that :func:`ticktrail.messages.document.from_document` reads as messages; others are left alone."""

Sorting = list[tuple[str, int]]

_SORTED_BY: dict[Order, tuple[tuple[str, ...], int]] = {
    "newest": (MESSAGE_TIME_FIELDS, -1),
    "oldest": (MESSAGE_TIME_FIELDS, 1),
    "latest": (("latestTimestamp",), -1),
    "updated": (("lastUpdatedAt",), -1),
}
"""Fields that an order goes by, of each document the first that is set; and their direction."""

_BY_ID: Sorting = [("messageId", 1)]

_A_GROUP = r"^[\s\S]{2}[^.][\s\S]{13}"
"""The group ids of :func:`ticktrail.messages.counts.audience`: sixteen characters or more, the third no full stop."""

_PEOPLE: Query = {"$nor": [{"phoneNumberId": counts.TEST_NUMBER_ID}, {"conversation_id": {"$regex": _A_GROUP}}]}

_END = r"(?![\s\S])"
"""The end of a text to every dialect of regular expressions; ``$`` also matches before a last line break."""

_EPOCH = datetime.fromtimestamp(0, UTC)

_GREATEST = 2**63 - 1

_LEAST = Int64(-_GREATEST - 1)

_NO_DECIMAL: Query = {"$not": {"$type": "decimal"}}
_ONE_NUMBER: Query = {"$not": {"$type": ["array", "decimal"]}}
"""A condition on a list holds when it holds for an element; decimals are no times in Python."""

_NO_TIME: tuple[Query, ...] = (
    {"$eq": None},
    {"$type": ["string", "object", "bool", "date", "decimal", "binData", "objectId", "timestamp"]},
    {"$lt": _LEAST},
    {"$gt": Int64(_GREATEST)},
    {"$eq": math.nan},
)
"""Conditions on a field that an earlier tool left without a time, each a range of an index."""

_EARLIEST = Int64(EARLIEST_PLAUSIBLE_TIMESTAMP)
_PLAUSIBLE = {"$gte": _EARLIEST, "$lte": Int64(_GREATEST)}
_SENT: Query = {"$regex": f"^[sS][eE][nN][tT]{_END}"}
_ANY_STATUS: Query = {"$type": "string"}

_LONGEST_ID = 1_024
"""Characters of a message id; WhatsApp's have about sixty."""


def storable(texts: Iterable[str]) -> list[str]:
    """Return the texts that a document can hold: none with half a surrogate pair."""
    return [text for text in texts if _is_storable(text)]


def query_of(wanted: MessageFilter) -> Query:
    """Return the query of a filter, without its limit, order and cursor.

    A document that an earlier tool wrote and nothing was merged into yet is chosen by the fields it has. With a
    ``campaign_key`` it also finds some others: :func:`is_meant` decides, or see :func:`exact_query`.
    """
    clauses: list[Query] = [IS_MESSAGE]
    clauses += _identity(wanted)
    if wanted.statuses:
        clauses.append({"latestStatus": {"$in": storable(wanted.statuses)}})
    if wanted.not_statuses:
        clauses.append({"latestStatus": {"$nin": storable(wanted.not_statuses)}})
    if wanted.failure_codes:
        codes = [*map(whole_number, wanted.failure_codes), *map(str, wanted.failure_codes)]
        clauses.append({"failure.code": {"$in": codes}})
    between = _between(wanted)
    if between:
        clauses.append(_message_time(between))
    if wanted.updated_since is not None:
        clauses.append({"lastUpdatedAt": {"$gte": wanted.updated_since}})
    for field, value in (
        ("workflowId", wanted.workflow_id),
        ("sentBy.workflowId", wanted.sending_workflow_id),
        ("template.name", wanted.template),
        ("template.language", wanted.template_language),
        ("instance", wanted.instance),
        ("pricing.category", wanted.category),
    ):
        if value is not None:
            clauses.append({field: {"$in": storable([value])}})
    if wanted.sending_numbers:
        same = {"$in": storable(wanted.sending_numbers)}
        clauses.append({"$or": [{"phoneNumberId": same}, {"displayPhoneNumber": same}]})
    if wanted.campaign is not None:
        clauses.append(_campaign(wanted.campaign, within_json=wanted.campaign_key is not None))
    if wanted.country is not None:
        clauses.append(_country(wanted.country))
    return {"$and": [*clauses, *([_PEOPLE] if wanted.people_only else [])]}


def exact_query(documents: Collection[dict[str, Any]], wanted: MessageFilter) -> Query:
    """Return :func:`query_of` without the others: the labels of the campaign are looked up first.

    MongoDB refuses it when they are more than 16 MB.
    """
    if wanted.campaign is None or wanted.campaign_key is None:
        return query_of(wanted)
    candidates = [
        {"$match": query_of(MessageFilter(campaign=wanted.campaign, campaign_key=wanted.campaign_key))},
        {"$group": {"_id": "$callbackData"}},
    ]
    labels = [
        found["_id"]
        for found in documents.aggregate(candidates, allowDiskUse=True)
        if is_meant({"callbackData": found["_id"]}, wanted)
    ]
    others = msgspec.structs.replace(wanted, campaign=None, campaign_key=None)
    return {"$and": [{"callbackData": {"$in": labels}}, query_of(others)]}


def _identity(wanted: MessageFilter) -> Iterator[Query]:
    """Yield conditions on the message's own id and on its recipient."""
    if wanted.message_id_ending:
        ending = wanted.message_id_ending
        # A regular expression cannot hold NUL (BSON specification, "cstring"), and has a limited length.
        possible = _is_storable(ending) and "\0" not in ending and len(ending) <= _LONGEST_ID
        yield {"messageId": {"$regex": re.escape(ending) + _END} if possible else {"$in": []}}
    if wanted.conversation_id is not None:
        yield _person(Person((wanted.conversation_id,)))
    if wanted.person is not None:
        yield _person(wanted.person)


def parts_of(wanted: MessageFilter) -> list[list[tuple[Query, Sorting]]]:
    """Return queries with their sorting in lists: one list after the other, merged within a list by :func:`place_of`.

    Known times come first, within the range of a number or date: an earlier tool may have stored anything else. Then,
    by id, what has no known time.
    """
    fields, direction = _SORTED_BY[wanted.order]
    timed: list[tuple[Query, Sorting]] = []
    timeless: list[Query] = [dict.fromkeys(fields)]
    for place, field in enumerate(fields):
        before = dict.fromkeys(fields[:place])
        known = _known(field, wanted.order)
        timed.append(({**before, **known}, [(field, direction), *_BY_ID]))
        timeless.append({**before, "$nor": [known, {field: None}]})
    parts = [timed, [({"$or": timeless}, _BY_ID)]]
    if wanted.after is not None:
        behind = {"messageId": {"$gt": wanted.after.message_id}}
        if wanted.after.key is None:
            parts = [[({"$and": [{"$or": timeless}, behind]}, _BY_ID)]]
        else:
            beyond, key = "$gt" if direction > 0 else "$lt", _key(wanted.after)
            # $eq takes the value for what it is.
            parts[0] = [
                ({"$and": [known, {"$or": [{field: {"$eq": key}, **behind}, {field: {beyond: key}}]}]}, sorting)
                for (known, sorting), field in zip(timed, fields, strict=True)
            ]
    chosen_ones = query_of(wanted)
    return [[({"$and": [part, chosen_ones]}, sorting) for part, sorting in together] for together in parts]


def _known(field: str, order: Order) -> Query:
    """Return the condition that a field holds a time: in :func:`sorted_by`, the same documents have a place."""
    if order == "updated":
        return {field: {"$type": "date", "$not": {"$type": "array"}}}
    return {field: {"$gte": _LEAST, "$lte": Int64(_GREATEST), **_ONE_NUMBER}}


def sorted_by(document: dict[str, Any], order: Order) -> int | float | None:
    """Return the sort value of a stored document for :class:`ticktrail.messages.filters.Cursor`; None if unknown."""
    fields, _ = _SORTED_BY[order]
    value = next((document[field] for field in fields if document.get(field) is not None), None)
    if order == "updated":
        return (value - _EPOCH) // timedelta(milliseconds=1) if isinstance(value, datetime) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not -_GREATEST - 1 <= value <= _GREATEST:
        return None
    # A fraction decides the order in the server, so it has to be in the cursor.
    return int(value) if value == int(value) else value


def place_of(document: dict[str, Any], order: Order) -> tuple[int | float, str]:
    """Return the place of a document among others of the same list of :func:`parts_of`."""
    _, direction = _SORTED_BY[order]
    return direction * (sorted_by(document, order) or 0), document["messageId"]


def is_meant(document: dict[str, Any], wanted: MessageFilter) -> bool:
    """Return whether the filter chooses a document that :func:`query_of` found."""
    campaign, key, label = wanted.campaign, wanted.campaign_key, document.get("callbackData")
    if campaign is None or key is None:
        return True
    return isinstance(label, str) and campaign_of(label, key) == campaign


def moment(timestamp: float) -> datetime:
    """Return Unix seconds as an instant; beyond the calendar, its nearest end."""
    try:
        return _EPOCH + timedelta(milliseconds=round(timestamp * 1000))
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if timestamp > 0 else datetime.min.replace(tzinfo=UTC)


def _key(place: Cursor) -> Int64 | float | datetime:
    key = place.key or 0
    if place.order == "updated":
        return moment(key / 1000)
    return key if isinstance(key, float) else Int64(key)


def _person(wanted: Person) -> Query:
    same = {"$in": storable(wanted.ids)}
    either_id: list[Query] = [{"conversation_id": same}, {"recipientUserId": same}]
    if wanted.suffix is not None:
        either_id.append({"conversation_id": {"$regex": re.escape(wanted.suffix) + _END}})
    return {"$or": either_id}


def _campaign(campaign: str, *, within_json: bool) -> Query:
    exactly: Query = {"callbackData": {"$in": storable([campaign])}}
    if not within_json:
        return exactly
    # The campaign is in the JSON as it is, or escaped; a document with neither cannot match.
    candidates: list[Query] = [{"callbackData": {"$regex": r"\\"}}]
    if _is_storable(campaign) and "\0" not in campaign:
        # Its beginning will do: MongoDB takes no pattern of more than 32,764 bytes.
        candidates.append({"callbackData": {"$regex": re.escape(campaign[:200])}})
    return {"$or": [exactly, {"$and": [{"callbackData": {"$regex": r"^\s*\{"}}, {"$or": candidates}]}]}


def _country(wanted: Country) -> Query:
    def numbers(prefixes: tuple[str, ...]) -> Query:
        # A pattern each: an index serves a fixed beginning, not a choice of several.
        return {"$or": [{"conversation_id": {"$regex": f"^{prefix}"}} for prefix in prefixes]}

    is_number: Query = {"conversation_id": {"$regex": f"^[0-9]{{5,15}}{_END}"}}
    if not wanted.prefixes:
        return {"messageId": {"$in": []}}
    clauses = [is_number, numbers(wanted.prefixes)]
    if wanted.but_not:
        clauses.append({"$nor": [numbers(wanted.but_not)]})
    return {"$and": clauses}


def _between(wanted: MessageFilter) -> dict[str, Int64]:
    """Return the condition on a time; both bounds, because infinity is no time. Empty for all times."""
    since, until = wanted.since_timestamp, wanted.until_timestamp
    if since is None and until is None:
        return {}
    least = _LEAST if since is None else whole_number(since)
    return {"$gte": least, "$lte": Int64(_GREATEST)} if until is None else {"$gte": least, "$lt": whole_number(until)}


def _message_time(between: dict[str, Int64]) -> Query:
    """Return the condition that the time of a message is in a range: the first known of its ``MESSAGE_TIME_FIELDS``.

    A document of an earlier tool lacks the first two, or holds something else there. Before the third comes its
    history: the earliest reported ``sent``, else the earliest reported status.
    """
    sent, first, latest = MESSAGE_TIME_FIELDS
    no_sent, no_first = ({"$or": [{field: condition} for condition in _NO_TIME]} for field in (sent, first))
    by_history = [
        _earliest(_SENT, between),
        {"$nor": [_reported(_SENT, _PLAUSIBLE)], **_earliest(_ANY_STATUS, between)},
        {"$nor": [_reported(_ANY_STATUS, _PLAUSIBLE)], latest: {**between, **_ONE_NUMBER}},
    ]
    by_first = {"$or": [{first: {**between, **_NO_DECIMAL}}, {"$and": [no_first, {"$or": by_history}]}]}
    return {"$or": [{sent: {**between, **_NO_DECIMAL}}, {"$and": [no_sent, by_first]}]}


def _earliest(status: Query, between: dict[str, Int64]) -> Query:
    """Return the condition that the earliest reported time of a status is in a range."""
    since = max(between.get("$gte", _EARLIEST), _EARLIEST)
    inside = _reported(status, {**_PLAUSIBLE, **between, "$gte": since})
    return {"$and": [inside, {"$nor": [_reported(status, {"$gte": _EARLIEST, "$lt": since})]}]}


def _reported(status: Query, times: dict[str, Int64]) -> Query:
    """Return the condition that the history has an entry with this status, and a reported time among these."""
    return {
        "statusHistory": {"$elemMatch": {"status": status, "timestamp": times, "timestampSource": {"$in": [None, ""]}}}
    }


def whole_number(number: int) -> Int64:
    """Return the nearest number that a document can hold."""
    return Int64(max(-_GREATEST - 1, min(number, _GREATEST)))


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
