"""The merge law as an update that MongoDB carries out by itself, atomically for one message.

:mod:`ticktrail.messages.merge` says what the law is; here it is an aggregation pipeline, built as plain data. The
first stage
carries what a batch says of one message, under ``$literal`` because none of it may be taken for an expression
(a campaign label ``"$$ROOT"`` would store the whole document). The stage after it is the same for every message.

A stored document may be an older tool's: entries with ``waId``, in any order, some repeated. It is read just as
:func:`ticktrail.messages.document.from_document` reads it, so merging into it is adopting it. What it holds beyond
the known fields stays, in the document and in its entries.

Only operators and forms that MongoDB 6.0 documents and that SecantusDB (in the tests) carries out alike: no path
through an array (``"$array.field"``), no comparing of objects for equality, no ``let`` of an update command.
"""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from ticktrail.messages.document import MILESTONES, to_document
from ticktrail.messages.merge import KEY_SEPARATOR, Gathered, merge_message
from ticktrail.messages.model import EARLIEST_PLAUSIBLE_TIMESTAMP, MADE_UP, RANK, HistoryEntry
from ticktrail.stores.mongodb.expressions import (
    Expression,
    as_formatted,
    as_text,
    as_whole_number,
    chosen,
    distinct_count,
    each,
    either,
    element,
    has_type,
    in_order,
    in_turn,
    last,
    or_absent,
    or_else,
    this_with,
    values_of,
)

Stage = dict[str, Expression]

_ATTRIBUTES = (
    "conversation_id",
    "phoneNumberId",
    "displayPhoneNumber",
    "recipientUserId",
    "callbackData",
    "instance",
)
"""Facts of the message, in the order of ``attributes`` in the update."""

_FAILED_RANK = RANK["failed"]
"""The rank of every status of FAILED; every one of ARRIVED is above it, every other below."""

_INSTANTS = ("firstSeenAt", "lastUpdatedAt", "lastScannedAt")

_ENTRY_TEXTS = ("executionId", "conversation_id", "waId", "participant", "timestampSource", "workflowId")
"""Texts of a stored entry, in the order of ``own`` in :func:`_read_entry`."""

_ENTRY_RENEWED = (*_ENTRY_TEXTS, "status", "timestamp", "timestampFormatted", "messageId")
"""Fields of a stored entry that are written anew or, being the document's own or superseded, left out."""

_OPTIONAL = (
    *_ATTRIBUTES[1:],
    "pricing",
    "conflict",
    "failure",
    *(f"{name}Timestamp" for name in MILESTONES),
)
"""Fields of the document that are absent when unknown, in the order of ``values`` in the update."""


def insertion(message_id: str, news: Gathered, *, at: datetime, zone: tzinfo) -> dict[str, Any]:
    """The update that stores a message met for the first time, and leaves one alone that is there already."""
    document = to_document(merge_message(None, message_id, news, at=at), zone)
    # An upsert takes it from its filter.
    del document["messageId"]
    return {"$setOnInsert": document}


def news_stage(message_id: str, news: Gathered, *, at: datetime, only_growth: bool) -> Stage:
    """The first stage: the stored document as ``old``, and beside it what the batch says.

    Args:
        message_id: whose news it is.
        news: what the batch says of it.
        at: the time of the scan, milliseconds at most.
        only_growth: leave the document byte for byte as it is unless its history grows by this. The server then
            counts the update as a modification exactly when the history grew.
    """
    known = news.attributes
    return {
        "$replaceWith": {
            "old": "$$ROOT",
            "news": {
                "$literal": {
                    "messageId": message_id,
                    "entries": [_entry_form(key, entry) for key, entry in news.entries.items()],
                    "attributes": [
                        known.conversation_id,
                        known.phone_number_id,
                        known.display_phone_number,
                        known.recipient_user_id,
                        known.callback_data,
                        known.instance,
                    ],
                    "at": at,
                    "onlyGrowth": only_growth,
                }
            },
        }
    }


def merge_stages(timezone: str) -> list[Stage]:
    """What comes after :func:`news_stage`: one stage that puts the merged document in place.

    Args:
        timezone: IANA name of the zone of the formatted times.
    """
    steps: list[dict[str, Expression]] = [
        {
            "texts": each(values_of("$old", (*_ATTRIBUTES, "workflowId")), as_text("$$this")),
            "instants": each(values_of("$old", _INSTANTS), either(has_type("$$this", "date"), "$$this", None)),
            "optional": list(_OPTIONAL),
        },
        {"stored": each(_stored_entries(), _read_entry(), name="entry")},
        {"stored": each("$$stored", this_with({"key": _key(), "rank": _rank()}))},
        # Copies of one entry come to stand side by side, in an order that their content alone decides.
        {"all": in_order({"$concatArrays": ["$$stored", "$news.entries"]}, "key", "extra")},
        {"keys": each("$$all", "$$this.key")},
        {"starts": _first_copies()},
        {"history": each(_copies(), _merged_copies(), name="copies")},
        {"history": each("$$history", this_with({"formatted": as_formatted("$$this.timestamp", timezone)}))},
        {"history": in_order("$$history", "timestamp", "rank", "key")},
        _derivations(),
        # Of what is stored and what is new the greater; the document's workflow, the last of the texts, is left aside.
        {
            "attributes": each({"$zip": {"inputs": ["$$texts", "$news.attributes"]}}, {"$max": "$$this"}),
            "milestones": _milestones(),
        },
        {"values": _optional_values()},
    ]
    result = either({"$or": ["$$grew", {"$not": ["$news.onlyGrowth"]}]}, _merged_document(), "$old")
    return [{"$replaceWith": in_turn(steps, result)}]


def _entry_form(key: str, entry: HistoryEntry) -> dict[str, Any]:
    """An entry as the pipeline handles them: every field present, ``extra`` for what an older document adds."""
    return {
        "key": key,
        "rank": RANK.get(entry.status, 0),
        "status": entry.status,
        "timestamp": entry.timestamp,
        "executionId": entry.execution_id,
        "conversation_id": entry.conversation_id,
        "participant": entry.participant,
        "timestampSource": entry.timestamp_source,
        "workflowId": entry.workflow_id,
        "errors": None if entry.errors is None else list(entry.errors),
        "pricing": entry.pricing,
        "extra": {},
    }


def _stored_entries() -> Expression:
    """What in the stored history is a status at all."""
    history = either({"$isArray": "$old.statusHistory"}, "$old.statusHistory", [])
    return chosen(history, has_type("$$this.status", "string"))


def _read_entry() -> Expression:
    """The stored entry ``$$entry`` in the form of :func:`_entry_form`, key and rank left out."""
    text = {name: element("$$own", place) for place, name in enumerate(_ENTRY_TEXTS)}
    document_workflow = or_else(element("$$texts", len(_ATTRIBUTES)), "")
    return {
        "$let": {
            "vars": {"own": each(values_of("$$entry", _ENTRY_TEXTS), as_text("$$this"))},
            "in": {
                "status": {"$toLower": "$$entry.status"},
                "timestamp": as_whole_number("$$entry.timestamp"),
                "executionId": or_else(text["executionId"], ""),
                "conversation_id": or_else(text["conversation_id"], text["waId"]),
                "participant": text["participant"],
                "timestampSource": text["timestampSource"],
                # An empty one was written because other entries have one: it does not mean the document's.
                "workflowId": either(
                    {"$eq": ["$$entry.workflowId", ""]}, "", or_else(text["workflowId"], document_workflow)
                ),
                "errors": either(
                    {"$isArray": "$$entry.errors"}, chosen("$$entry.errors", has_type("$$this", "object")), None
                ),
                "pricing": either(has_type("$$entry.pricing", "object"), "$$entry.pricing", None),
                "extra": {"$arrayToObject": chosen({"$objectToArray": "$$entry"}, _is_extra())},
            },
        }
    }


def _is_extra() -> Expression:
    """Whether a field ``$$this`` of a stored entry is kept as it is: an unknown one, or errors or pricing of any kind.

    Where those two are what they should be, they are written over this.
    """
    return {
        "$and": [
            {"$not": [{"$in": ["$$this.k", list(_ENTRY_RENEWED)]}]},
            {"$or": [{"$not": [{"$in": ["$$this.k", ["errors", "pricing"]]}]}, {"$ne": ["$$this.v", None]}]},
        ]
    }


def _key() -> Expression:
    """:func:`ticktrail.messages.merge.entry_key` of ``$$this``."""
    made_up = {"$or": [{"$eq": ["$$this.timestamp", None]}, {"$eq": ["$$this.timestampSource", MADE_UP]}]}
    parts = [
        "$$this.status",
        either(made_up, "", {"$toString": "$$this.timestamp"}),
        "$$this.executionId",
        or_else("$$this.participant", ""),
    ]
    separated = [part for pair in zip(parts, [KEY_SEPARATOR] * len(parts), strict=True) for part in pair]
    return {"$concat": separated[:-1]}


def _rank() -> Expression:
    """:data:`ticktrail.messages.model.RANK` of ``$$this``, 0 for what is not in it."""
    names = sorted(RANK)
    # Not found is place -1, which is the last element.
    return element([*(RANK[name] for name in names), 0], {"$indexOfArray": [names, "$$this.status"]})


def _first_copies() -> Expression:
    """The places in ``all`` where another entry begins."""
    differs = {"$ne": [element("$$keys", "$$this"), element("$$keys", {"$subtract": ["$$this", 1]})]}
    begins = {"$or": [{"$eq": ["$$this", 0]}, differs]}
    return chosen({"$range": [0, {"$size": "$$keys"}]}, begins)


def _copies() -> Expression:
    """The copies of each entry: ``all`` cut before each of ``starts``. Linear, for groups of thousands."""
    start = element("$$starts", "$$this")
    end = or_else(element("$$starts", {"$add": ["$$this", 1]}), {"$size": "$$all"})
    return each({"$range": [0, {"$size": "$$starts"}]}, {"$slice": ["$$all", start, {"$subtract": [end, start]}]})


def _merged_copies() -> Expression:
    """:func:`ticktrail.messages.merge.merge_entries` over all copies of one entry, the array ``$$copies``."""
    greater = {
        name: {"$max": [f"$$value.{name}", f"$$this.{name}"]}
        for name in ("timestampSource", "conversation_id", "workflowId", "errors", "pricing")
    }
    least = {"$min": ["$$value.timestamp", "$$this.timestamp"]}
    extra = {"$mergeObjects": ["$$value.extra", "$$this.extra"]}
    merged = {"$mergeObjects": ["$$value", {"timestamp": least, **greater, "extra": extra}]}
    others = {"$slice": ["$$copies", 1, {"$size": "$$copies"}]}
    return {"$reduce": {"input": others, "initialValue": element("$$copies", 0), "in": merged}}


def _derivations() -> dict[str, Expression]:
    """What the rest follows from, out of the sorted ``history``: see :func:`ticktrail.messages.merge.state`."""
    failed = {"$eq": ["$$this.rank", _FAILED_RANK]}
    arrived = {"$gt": ["$$this.rank", _FAILED_RANK]}
    explained = {"$and": [failed, {"$gt": [{"$size": or_else("$$this.errors", [])}, 0]}]}
    reported = {
        "$and": [
            {"$eq": ["$$this.timestampSource", None]},
            {"$gte": ["$$this.timestamp", EARLIEST_PLAUSIBLE_TIMESTAMP]},
        ]
    }
    # By participant; "" stands for everybody where no group is concerned.
    participants = {
        name: each(chosen("$$history", condition), or_else("$$this.participant", ""))
        for name, condition in (("failed", failed), ("arrived", arrived))
    }
    return {
        "grew": {"$gt": [{"$size": "$$starts"}, distinct_count(each("$$stored", "$$this.key"))]},
        "latest": last(in_order("$$history", "rank", "timestamp", "key")),
        "reported": chosen("$$history", reported),
        **participants,
        "explained": last(chosen("$$history", explained)),
        "priced": last(chosen("$$history", {"$ne": ["$$this.pricing", None]})),
        "workflows": each("$$history", "$$this.workflowId"),
    }


def _milestones() -> Expression:
    """The times of :data:`ticktrail.messages.document.MILESTONES`, null where unknown."""
    # History is sorted by time, so the first of a rank is its earliest; place -1, for none, is the null at the end.
    times = {"$concatArrays": [each("$$reported", "$$this.timestamp"), [None]]}
    place = {"$indexOfArray": ["$$ranks", "$$this"]}
    ranks = [RANK[name] for name in MILESTONES if name != "first"]
    return {
        "$let": {
            "vars": {"times": times, "ranks": each("$$reported", "$$this.rank")},
            "in": {"$concatArrays": [each(ranks, element("$$times", place)), [element("$$times", 0)]]},
        }
    }


def _optional_values() -> Expression:
    """The values of :data:`_OPTIONAL`, null where unknown."""
    conflict = {"$gt": [{"$size": {"$setIntersection": ["$$failed", "$$arrived"]}}, 0]}
    failure = {
        "$let": {
            "vars": {"error": element("$$explained.errors", 0)},
            "in": {name: or_else(f"$$error.{name}", None) for name in ("code", "title", "details")},
        }
    }
    others = [
        "$$priced.pricing",
        {"$cond": [conflict, True, None]},
        either({"$ne": [or_else("$$explained", None), None]}, failure, None),
    ]
    return {"$concatArrays": [{"$slice": ["$$attributes", 1, len(_ATTRIBUTES)]}, others, "$$milestones"]}


def _merged_document() -> Expression:
    """The document after the merge; new fields come in the order of :func:`ticktrail.messages.document.to_document`."""
    seen, updated, scanned = (element("$$instants", place) for place in range(len(_INSTANTS)))
    first_seen = {"$min": [seen, "$news.at"]}
    always = {
        "messageId": "$news.messageId",
        "conversation_id": element("$$attributes", 0),
        "latestStatus": "$$latest.status",
        "latestTimestamp": "$$latest.timestamp",
        "latestTimestampFormatted": "$$latest.formatted",
        "statusHistory": each("$$history", _written_entry()),
        "workflowId": or_else({"$min": chosen("$$workflows", {"$ne": ["$$this", ""]})}, ""),
        "statusCount": {"$size": "$$history"},
        "firstSeenAt": first_seen,
        "lastUpdatedAt": either("$$grew", "$news.at", or_else(updated, first_seen)),
        "lastScannedAt": {"$max": [scanned, "$news.at"]},
    }
    kept = chosen({"$objectToArray": "$old"}, {"$not": [{"$in": ["$$this.k", "$$optional"]}]})
    known = chosen({"$zip": {"inputs": ["$$optional", "$$values"]}}, {"$ne": [element("$$this", 1), None]})
    return {"$mergeObjects": [{"$arrayToObject": kept}, always, {"$arrayToObject": known}]}


def _written_entry() -> Expression:
    """The entry ``$$this`` as it stands in ``statusHistory``."""
    several = {"$gt": [distinct_count("$$workflows"), 1]}
    return {
        "$mergeObjects": [
            {
                "status": "$$this.status",
                "timestamp": "$$this.timestamp",
                "timestampFormatted": "$$this.formatted",
                "executionId": "$$this.executionId",
                "conversation_id": "$$this.conversation_id",
            },
            "$$this.extra",
            {
                **{
                    name: or_absent(f"$$this.{name}")
                    for name in ("participant", "errors", "pricing", "timestampSource")
                },
                "workflowId": either(several, "$$this.workflowId", "$$REMOVE"),
            },
        ]
    }
