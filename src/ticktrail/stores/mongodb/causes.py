"""Counts of messages and sends by failure cause, as an aggregation."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from ticktrail.messages import counts
from ticktrail.messages.failure_causes import CauseCount
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.messages.model import FAILED, RANK
from ticktrail.stores.mongodb.bulk import Documents
from ticktrail.stores.mongodb.counting import aggregate, count_message_causes, count_send_causes, read_messages
from ticktrail.stores.mongodb.expressions import (
    Expression,
    as_error_code,
    as_text,
    as_word,
    either,
    has_type,
    in_turn,
    or_else,
)
from ticktrail.stores.mongodb.filters import exact_query
from ticktrail.stores.mongodb.sends import matching, read_sends
from ticktrail.stores.mongodb.statistics import audience, message_time, person, sending_number

_SHARED = ("failed", "code", "template", "workflow_id", "number")


def message_causes(statuses: Documents, chosen: MessageFilter) -> Iterator[CauseCount]:
    """Count as :meth:`ticktrail.stores.Store.causes` promises."""
    failed = {"$in": ["$latestStatus", sorted(FAILED)]}
    facts: dict[str, Expression] = {
        "failed": failed,
        "code": either(failed, as_error_code("$failure.code"), None),
        "title": either(failed, as_word("$failure.title"), None),
        "template": as_word("$template.name"),
        "workflow_id": as_text("$sentBy.workflowId"),
        "number": sending_number(),
        "label": as_text("$displayPhoneNumber"),
        "who": either(failed, person(), None),
        "time": message_time(),
        "audience": audience(),
    }
    wanted = exact_query(statuses, chosen)
    stages = [
        {"$match": wanted},
        {"$match": {"latestStatus": {"$in": sorted(RANK)}}},
        _only(facts),
        {"$match": {"audience": counts.PEOPLE}},
        *_counted(),
    ]
    return aggregate(statuses, stages, _cause, lambda: count_message_causes(read_messages(statuses, wanted)))


def send_causes(sends: Documents, chosen: SendFilter) -> Iterator[CauseCount]:
    """Count as :meth:`ticktrail.stores.Store.send_causes` promises."""
    refused = {"$eq": ["$rejected", True]}
    first = {"$arrayElemAt": [either({"$isArray": "$errors"}, "$errors", []), 0]}
    who = or_else(as_word("$conversation_id"), as_word("$input"))
    facts: dict[str, Expression] = {
        "failed": refused,
        "code": either(refused, in_turn([{"first": or_else(first, {})}], as_error_code("$$first.code")), None),
        "title": either(refused, in_turn([{"first": or_else(first, {})}], as_word("$$first.title")), None),
        "template": as_word("$template.name"),
        "workflow_id": as_word("$sentBy.workflowId"),
        "number": None,
        "label": None,
        "who": either(refused, who, None),
        "time": either(has_type("$sentAt", "date"), "$sentAt", None),
    }
    wanted = matching(msgspec.structs.replace(chosen, unconfirmed=False, after=None))
    stages = [{"$match": wanted}, _only(facts), *_counted()]
    return aggregate(sends, stages, _cause, lambda: count_send_causes(read_sends(sends, wanted)))


def _only(facts: dict[str, Expression]) -> dict[str, Any]:
    return {"$project": {"_id": 0, **{name: or_else(value, None) for name, value in facts.items()}}}


def _counted() -> list[dict[str, Any]]:
    """Return stages that group by recipient, then by cause, which counts the recipients."""
    sums = {
        "title": {"$max": "$title"},
        "label": {"$max": "$label"},
        "count": {"$sum": "$count"},
        "first": {"$min": "$first"},
        "last": {"$max": "$last"},
    }
    of_one = {**sums, "count": {"$sum": 1}, "first": {"$min": "$time"}, "last": {"$max": "$time"}}
    people = {"$sum": either({"$eq": ["$_id.who", None]}, 0, 1)}
    return [
        {"$group": {"_id": {name: f"${name}" for name in (*_SHARED, "who")}, **of_one}},
        {"$group": {"_id": {name: f"$_id.{name}" for name in _SHARED}, "people": people, **sums}},
    ]


def _cause(one: dict[str, Any]) -> CauseCount:
    shared = one["_id"]
    return CauseCount(
        failed=bool(shared.get("failed")),
        code=shared.get("code"),
        title=one["title"],
        template=shared.get("template"),
        workflow_id=shared.get("workflow_id"),
        number=shared.get("number"),
        number_label=one["label"],
        count=int(one["count"]),
        people=int(one["people"]),
        first_timestamp=_seconds(one["first"]),
        last_timestamp=_seconds(one["last"]),
    )


def _seconds(moment: object) -> int | None:
    if isinstance(moment, datetime):
        return int(moment.timestamp() // 1)
    return int(moment) if isinstance(moment, (int, float)) else None
