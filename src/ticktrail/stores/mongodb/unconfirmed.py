"""Sends that WhatsApp accepted and no status confirmed, counted in an aggregation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec

from ticktrail.messages import counts
from ticktrail.messages.counts import Group, unconfirmed_groups
from ticktrail.messages.filters import Grouping, SendFilter
from ticktrail.stores.mongodb.bulk import Documents
from ticktrail.stores.mongodb.connection import READ_MILLISECONDS
from ticktrail.stores.mongodb.expressions import Expression, as_text, either, has_type, or_else
from ticktrail.stores.mongodb.retrying import stream
from ticktrail.stores.mongodb.sends import stages_of
from ticktrail.stores.mongodb.statistics import country_key

_FIELDS = ("conversation_id", "input", "template", "sentBy", "sentAt")


def count_unconfirmed(
    sends: Documents,
    status_collection: str,
    chosen: SendFilter,
    by: Grouping | None,
    *,
    overdue_before: int,
    across: Grouping | None = None,
) -> Iterator[Group]:
    """Count as :meth:`ticktrail.stores.Store.unconfirmed` promises."""
    keys = {name: _key(one) for name, one in (("key", by), ("across", across))}
    seconds = {"$floor": {"$divide": [{"$toLong": "$sentAt"}, 1000]}}
    overdue = either(has_type("$sentAt", "date"), {"$lt": [seconds, overdue_before]}, True)  # noqa: FBT003
    stages: list[dict[str, Any]] = [
        *stages_of(msgspec.structs.replace(chosen, unconfirmed=True, limit=None), status_collection),
        # Of several records of one message the earliest counts: they come newest first.
        {"$group": {"_id": "$messageId", **{name: {"$last": f"${name}"} for name in _FIELDS}}},
        {"$project": {"_id": 0, **{name: or_else(value, None) for name, value in keys.items()}, "overdue": overdue,
                      "recipient": or_else(as_text("$conversation_id"), None)}},
        {"$group": {
            "_id": {"key": "$key", "across": "$across", "recipient": _long("$recipient")},
            "label": {"$min": "$recipient"},
            "overdue": {"$sum": either("$overdue", 1, 0)},
            "sends": {"$sum": 1},
        }},
        {"$sort": {"_id.key": 1, "_id.across": 1}},
    ]  # fmt: skip
    with closing(stream(lambda: sends.aggregate(stages, allowDiskUse=True, maxTimeMS=READ_MILLISECONDS))) as found:
        rows = (
            (
                _whole(one["_id"].get("key")),
                _whole(one["_id"].get("across")),
                one["label"],
                counts.audience(one["_id"].get("recipient"), None),
                int(one["overdue"]),
                int(one["sends"]),
            )
            for one in found
        )
        yield from unconfirmed_groups(rows, by)


def _key(by: Grouping | None) -> Expression:
    if by in {Grouping.DAY, Grouping.HOUR}:
        quarter = {"$floor": {"$divide": [{"$toLong": "$sentAt"}, 1000 * counts.QUARTER_SECONDS]}}
        return either(has_type("$sentAt", "date"), quarter, None)
    keys: dict[Grouping | None, Expression] = {
        Grouping.USER: or_else(as_text("$conversation_id"), as_text("$input")),
        Grouping.TEMPLATE: as_text("$template.name"),
        Grouping.COUNTRY: country_key(),
        Grouping.SENDER: as_text("$sentBy.workflowId"),
    }
    return keys.get(by)


def _long(recipient: str) -> Expression:
    """Tell groups, whose ids are long, from people, who are all alike here."""
    return either({"$gt": [{"$strLenCP": or_else(recipient, "")}, counts.LONGEST_NUMBER]}, recipient, None)


def _whole(key: object) -> str | int | None:
    return int(key) if isinstance(key, (int, float)) else key if isinstance(key, str) else None
