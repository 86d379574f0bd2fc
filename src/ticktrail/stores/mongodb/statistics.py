"""Statistics as an aggregation: the server derives the counted values of each document, and counts.

Documents of an earlier tool that were never merged since are counted by the fields they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

import msgspec
from bson.int64 import Int64

from ticktrail.messages import counts
from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.model import ARRIVED, EARLIEST_PLAUSIBLE_TIMESTAMP, FAILED
from ticktrail.stores.mongodb.bulk import Documents
from ticktrail.stores.mongodb.counting import aggregate, count_messages, people_by_error, read_messages
from ticktrail.stores.mongodb.expressions import (
    Expression,
    as_error_code,
    as_text,
    as_whole_number,
    as_word,
    chosen_of,
    each,
    either,
    has_type,
    in_turn,
    or_else,
)
from ticktrail.stores.mongodb.filters import Query, exact_query

_TIMES = (Grouping.DAY, Grouping.HOUR)


def count_groups(
    collection: Documents,
    chosen: MessageFilter,
    by: Grouping | None,
    *,
    young_since: int,
    details: bool,
    across: Grouping | None = None,
) -> Iterator[Group]:
    """Implement :meth:`ticktrail.stores.Store.statistics`."""
    wanted = exact_query(collection, chosen)
    pipeline = figures_pipeline(wanted, by, young_since=young_since, details=details, across=across)

    def count_here() -> Iterator[counts.Row]:
        return count_messages(read_messages(collection, wanted), by, across, young_since=young_since, details=details)

    with closing(aggregate(collection, pipeline, _row, count_here)) as rows:
        groups = counts.grouped(rows, prices=details and by is None)
        if by is None:
            yield next(groups, Group(key=None, counts=Counts()))
        elif by is Grouping.ERROR and across is None:
            people = _people_by_error(collection, wanted)
            yield from (msgspec.structs.replace(group, people=people.get(group.key, 0)) for group in groups)
        else:
            yield from groups


def _people_by_error(collection: Documents, wanted: Query) -> dict[counts.Key, int]:
    """Count the recipients that each error kept a message from."""
    pipeline: list[dict[str, Any]] = [
        {"$match": wanted},
        {"$match": {"latestStatus": {"$in": sorted(FAILED)}}},
        {
            "$project": {
                "_id": 0,
                "code": or_else(as_error_code("$failure.code"), None),
                "who": _key(Grouping.USER),
                "audience": audience(),
            }
        },
        {"$match": {"audience": counts.PEOPLE, "who": {"$ne": None}}},
        {"$group": {"_id": {"code": "$code", "who": "$who"}}},
        {"$group": {"_id": "$_id.code", "people": {"$sum": 1}}},
    ]

    def count_here() -> Iterable[tuple[counts.Key, int]]:
        return people_by_error(read_messages(collection, wanted)).items()

    return dict(aggregate(collection, pipeline, lambda one: (one["_id"], int(one["people"])), count_here))


def figures_pipeline(
    wanted: Query,
    by: Grouping | None,
    *,
    young_since: int,
    details: bool,
    across: Grouping | None = None,
) -> list[dict[str, Any]]:
    """Return the stages that count; each document they yield is one :data:`ticktrail.messages.counts.Row`."""
    group_keys: dict[str, Expression] = {"key": None, "audience": audience(), "facts": _facts()}
    label: Expression = None
    if by is not None:
        group_keys["key"] = _key(by)
        label = _label(by)
    if across is not None:
        group_keys["across"] = _key(across)
    if details:
        group_keys["delay"] = _delay()
        if by is None:
            group_keys |= {"category": as_word("$pricing.category"), "billable": _billable()}
    young = either({"$gte": [message_time(), Int64(young_since)]}, 1, 0)
    stages: list[dict[str, Any]] = [{"$match": wanted}]
    if Grouping.ERROR in (by, across):
        stages.append({"$match": {"latestStatus": {"$in": sorted(FAILED)}}})
    stages.append({"$project": {"_id": 0, **{name: or_else(value, None) for name, value in group_keys.items()},
                                "label": or_else(label, None), "young": young}})  # fmt: skip
    if by is not None:
        stages.append({"$match": {"audience": counts.PEOPLE}})
    stages.append(
        {
            "$group": {
                "_id": {name: f"${name}" for name in group_keys},
                "label": {"$max": "$label"},
                "messages": {"$sum": 1},
                "young": {"$sum": "$young"},
            }
        }
    )
    return [*stages, {"$sort": {"_id.key": 1, "_id.across": 1}}]


def _row(found: dict[str, Any]) -> counts.Row:
    known = found["_id"]
    key, across, seconds = known.get("key"), known.get("across"), known.get("delay")
    return (
        int(key) if isinstance(key, (int, float)) else key,
        int(across) if isinstance(across, (int, float)) else across,
        found["label"],
        int(known["audience"]),
        int(known["facts"]),
        known.get("category"),
        known.get("billable"),
        None if seconds is None else int(seconds),
        int(found["messages"]),
        int(found["young"]),
    )


def _key(by: Grouping) -> Expression:
    if by in _TIMES:
        time = message_time()
        return either({"$eq": [time, None]}, None, {"$floor": {"$divide": [time, counts.QUARTER_SECONDS]}})
    keys: dict[Grouping, Expression] = {
        Grouping.USER: person(),
        Grouping.ERROR: as_error_code("$failure.code"),
        Grouping.CATEGORY: as_word("$pricing.category"),
        Grouping.TEMPLATE: as_word("$template.name"),
        Grouping.CAMPAIGN: as_text("$callbackData"),
        Grouping.NUMBER: sending_number(),
        Grouping.COUNTRY: _country_key(),
        Grouping.WORKFLOW: as_text("$workflowId"),
        Grouping.SENDER: as_text("$sentBy.workflowId"),
    }
    return keys[by]


def _country_key() -> Expression:
    """Return :func:`ticktrail.text.phone_numbers.country_prefix` of the recipient."""
    return in_turn(
        [{"number": or_else(as_text("$conversation_id"), "")}],
        either(
            {"$regexMatch": {"input": "$$number", "regex": r"^[0-9]{5,15}(?![\s\S])"}},
            {"$substrCP": ["$$number", 0, either({"$regexMatch": {"input": "$$number", "regex": "^[17]"}}, 4, 3)]},
            None,
        ),
    )


def person() -> Expression:
    """Return the recipient's id."""
    return or_else(as_text("$conversation_id"), as_text("$recipientUserId"))


def sending_number() -> Expression:
    """The sending number's id, else the number itself."""
    return or_else(as_text("$phoneNumberId"), as_text("$displayPhoneNumber"))


def _label(by: Grouping) -> Expression:
    labels = {
        Grouping.ERROR: as_word("$failure.title"),
        Grouping.NUMBER: as_text("$displayPhoneNumber"),
    }
    return labels.get(by)


def audience() -> Expression:
    """Return :func:`ticktrail.messages.counts.audience` of a message."""
    return in_turn(
        [{"person": or_else(as_text("$conversation_id"), "")}],
        either(
            {"$eq": [as_text("$phoneNumberId"), counts.TEST_NUMBER_ID]},
            counts.TEST,
            either(
                {
                    "$and": [
                        {"$gt": [{"$strLenCP": "$$person"}, counts.LONGEST_NUMBER]},
                        {"$ne": [{"$substrCP": ["$$person", 2, 1]}, "."]},
                    ]
                },
                counts.GROUP,
                counts.PEOPLE,
            ),
        ),
    )


def _facts() -> Expression:
    """Return :func:`ticktrail.messages.counts.facts` of a message."""
    status = "$latestStatus"
    state = {
        "$switch": {
            "branches": [
                {"case": {"$eq": [status, "sent"]}, "then": counts.PENDING},
                {"case": {"$in": [status, sorted(FAILED)]}, "then": counts.NOT_REACHED},
                {"case": {"$eq": [status, "delivered"]}, "then": counts.REACHED},
                {"case": {"$in": [status, sorted(ARRIVED)]}, "then": counts.SEEN},
            ],
            "default": counts.OTHER,
        }
    }
    seen: Expression = {"$min": [as_whole_number("$readTimestamp"), as_whole_number("$playedTimestamp")]}
    took = {"$subtract": ["$$seen", "$$delivered"]}
    reading = either(
        {"$or": [{"$eq": ["$$seen", None]}, {"$gt": [took, counts.DAY_SECONDS]}]},
        counts.TIMED,
        either({"$lte": [took, counts.HOUR_SECONDS]}, counts.WITHIN_HOUR, counts.WITHIN_DAY),
    )
    timed = {"$and": [{"$gte": ["$$state", counts.REACHED]}, {"$ne": ["$$delivered", None]}]}
    return in_turn(
        [
            {
                "state": state,
                "sent": as_whole_number("$sentTimestamp"),
                "delivered": as_whole_number("$deliveredTimestamp"),
                "seen": seen,
            },
        ],
        {
            "$add": [
                "$$state",
                either({"$eq": ["$conflict", True]}, counts.CONFLICT, 0),
                either({"$or": [{"$ne": ["$$sent", None]}, {"$eq": [status, "sent"]}]}, counts.SENT_REPORTED, 0),
                either(
                    {"$or": [{"$ne": ["$$delivered", None]}, {"$eq": [status, "delivered"]}]},
                    counts.DELIVERED_REPORTED,
                    0,
                ),
                either(timed, reading, 0),
            ]
        },
    )


def _delay() -> Expression:
    """Return :func:`ticktrail.messages.counts.delay` of a message."""
    known = {
        "$and": [
            {"$ne": ["$$sent", None]},
            {"$ne": ["$$delivered", None]},
            {"$in": ["$latestStatus", sorted(ARRIVED)]},
        ]
    }
    rounded = either(
        {"$lte": ["$$taken", counts.DAY_SECONDS]},
        "$$taken",
        {"$subtract": ["$$taken", {"$mod": ["$$taken", 60]}]},
    )
    taken = {"$max": [0, {"$subtract": ["$$delivered", "$$sent"]}]}
    times = {"sent": as_whole_number("$sentTimestamp"), "delivered": as_whole_number("$deliveredTimestamp")}
    return in_turn([times], either(known, in_turn([{"taken": taken}], rounded), None))


def message_time() -> Expression:
    """:data:`ticktrail.messages.filters.MESSAGE_TIME_FIELDS`: the first that is known."""
    known = or_else(as_whole_number("$sentTimestamp"), as_whole_number("$firstTimestamp"))
    return or_else(known, _time_of_history())


def _billable() -> Expression:
    """Return :func:`ticktrail.messages.counts.billable` of a message."""
    kind = "$pricing.type"
    free = {
        "$and": [
            has_type(kind, "string"),
            {"$eq": [{"$substrCP": [either(has_type(kind, "string"), kind, ""), 0, 4]}, "free"]},
        ]
    }
    return either(
        has_type("$pricing.billable", "bool"),
        "$pricing.billable",
        either({"$eq": [kind, "regular"]}, True, either(free, False, None)),  # noqa: FBT003 - values, not flags
    )


def _time_of_history() -> Expression:
    """The time of a message out of its stored history, else its latest timestamp; null when it has neither."""
    history = either({"$isArray": "$statusHistory"}, "$statusHistory", [])
    entries = each(
        chosen_of(history, has_type("$$this.status", "string")),
        {
            "status": {"$toLower": "$$entry.status"},
            "timestamp": as_whole_number("$$entry.timestamp"),
            "source": as_text("$$entry.timestampSource"),
        },
        name="entry",
    )
    reported = chosen_of(
        entries,
        {
            "$and": [
                {"$eq": ["$$this.source", None]},
                {"$gte": ["$$this.timestamp", EARLIEST_PLAUSIBLE_TIMESTAMP]},
            ]
        },
    )
    sent = chosen_of("$$reported", {"$eq": ["$$this.status", "sent"]})
    return {
        "$let": {
            "vars": {"reported": reported},
            "in": or_else(
                {"$min": each(sent, "$$this.timestamp")},
                or_else({"$min": each("$$reported", "$$this.timestamp")}, as_whole_number("$latestTimestamp")),
            ),
        }
    }
