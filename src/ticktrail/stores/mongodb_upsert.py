"""The merge law as an update that MongoDB carries out by itself, atomically for one message.

:mod:`ticktrail.merge` says what the law is; here it is an aggregation pipeline, built as plain data. The first stage
carries what a batch says of one message, under ``$literal`` because none of it may be taken for an expression
(a campaign label ``"$$ROOT"`` would store the whole document). The stages after it are the same for every message.

A stored document may be an older tool's: entries with ``waId``, in any order, some repeated. It is read just as
:func:`ticktrail.document.from_document` reads it, so merging into it is adopting it. What it holds beyond the known
fields stays, in the document and in its entries.

Only operators and forms that MongoDB 6.0 documents and that SecantusDB (in the tests) carries out alike: no path
through an array (``"$array.field"``), no comparing of objects for equality, no ``let`` of an update command.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bson.int64 import Int64

from ticktrail.document import MILESTONES, to_document
from ticktrail.merge import KEY_SEPARATOR, Gathered, merge_message
from ticktrail.model import EARLIEST_PLAUSIBLE_TIMESTAMP, MADE_UP, RANK, HistoryEntry
from ticktrail.stores import StoreOptions

Expression = Any
"""A MongoDB aggregation expression: a field path, a literal, or a document ``{operator: operands}``."""

Stage = dict[str, Expression]

_LAST_FORMATTABLE_TIMESTAMP = 253_402_214_400
"""9999-12-31, as in :func:`ticktrail.document.format_timestamp`; ``$dateToString`` refuses later years."""

_ATTRIBUTES = (
    "conversation_id",
    "phoneNumberId",
    "displayPhoneNumber",
    "recipientUserId",
    "callbackData",
    "instance",
)
"""Facts of the message, in the order of ``attributes`` in the pipeline."""

_FAILED_RANK = RANK["failed"]
"""The rank of every status of FAILED; every one of ARRIVED is above it, every other below."""

_INSTANTS = ("firstSeenAt", "lastUpdatedAt", "lastScannedAt")

_ENTRY_TEXTS = ("executionId", "conversation_id", "waId", "participant", "timestampSource", "workflowId")
"""Texts of a stored entry, in the order of ``texts`` in :func:`_read_entry`."""

_ENTRY_RENEWED = (*_ENTRY_TEXTS, "status", "timestamp", "timestampFormatted", "messageId")
"""Fields of a stored entry that are written anew or, being the document's own or superseded, left out."""

_OPTIONAL = (
    *_ATTRIBUTES[1:],
    "pricing",
    "conflict",
    "failure",
    *(f"{name}Timestamp" for name in MILESTONES),
)
"""Fields of the document that are absent when unknown, in the order of ``values`` in the pipeline."""


def insertion(message_id: str, news: Gathered, *, at: datetime, options: StoreOptions) -> dict[str, Any]:
    """The update that stores a message met for the first time, and leaves one alone that is there already."""
    document = to_document(merge_message(None, message_id, news, at=at), options.timezone)
    # The upsert takes it from the filter, and refuses to be told twice.
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
    """The stages after :func:`news_stage`.

    Args:
        timezone: IANA name of the zone of the formatted times.
    """
    stored_texts = _each(_paths("$old", (*_ATTRIBUTES, "workflowId")), _text("$$this"))
    return [
        {"$set": {"texts": stored_texts, "instants": _stored_instants(), "optional": list(_OPTIONAL)}},
        # Of what is stored and what is new the greater; the document's workflow, the last of the texts, is left aside.
        {"$set": {"attributes": _each({"$zip": {"inputs": ["$texts", "$news.attributes"]}}, {"$max": "$$this"})}},
        {"$set": {"stored": _each(_stored_entries(), _read_entry("$$entry"), name="entry")}},
        {"$set": {"stored": _each("$stored", _with({"key": _key("$$this"), "rank": _rank("$$this.status")}))}},
        # Copies of one entry come to stand side by side, in an order that their content alone decides.
        {"$set": {"all": _sorted({"$concatArrays": ["$stored", "$news.entries"]}, "key", "extra")}},
        {"$set": {"keys": _each("$all", "$$this.key")}},
        {"$set": {"starts": _first_copies()}},
        {"$set": {"history": _each(_copies(), _merged_copies("$$copies"), name="copies")}},
        {"$set": {"history": _each("$history", _with({"formatted": _formatted("$$this.timestamp", timezone)}))}},
        {"$set": {"history": _sorted("$history", "timestamp", "rank", "key")}},
        {"$set": _derivations()},
        {"$set": {"milestones": _milestones()}},
        {"$set": {"values": _optional_values()}},
        {"$replaceWith": _if({"$or": ["$grew", {"$not": ["$news.onlyGrowth"]}]}, _merged_document(), "$old")},
    ]


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
    history = _if({"$isArray": "$old.statusHistory"}, "$old.statusHistory", [])
    return _chosen(history, _is("$$this.status", "string"))


def _read_entry(entry: str) -> Expression:
    """A stored entry in the form of :func:`_entry_form`, key and rank left out."""
    text = {name: _at("$$texts", place) for place, name in enumerate(_ENTRY_TEXTS)}
    document_workflow = _or(_at("$texts", len(_ATTRIBUTES)), "")
    return {
        "$let": {
            "vars": {"texts": _each(_paths(entry, _ENTRY_TEXTS), _text("$$this"))},
            "in": {
                "status": {"$toLower": f"{entry}.status"},
                "timestamp": _whole_number(f"{entry}.timestamp"),
                "executionId": _or(text["executionId"], ""),
                "conversation_id": _or(text["conversation_id"], text["waId"]),
                "participant": text["participant"],
                "timestampSource": text["timestampSource"],
                # An empty one was written because other entries have one: it does not mean the document's.
                "workflowId": _if({"$eq": [f"{entry}.workflowId", ""]}, "", _or(text["workflowId"], document_workflow)),
                "errors": _if(
                    {"$isArray": f"{entry}.errors"}, _chosen(f"{entry}.errors", _is("$$this", "object")), None
                ),
                "pricing": _if(_is(f"{entry}.pricing", "object"), f"{entry}.pricing", None),
                "extra": {"$arrayToObject": _chosen({"$objectToArray": entry}, _is_extra("$$this"))},
            },
        }
    }


def _is_extra(pair: str) -> Expression:
    """Whether a field of a stored entry is to be kept as it is: an unknown one, or errors or pricing of any kind.

    Where those two are what they should be, they are written over this.
    """
    return {
        "$and": [
            {"$not": [{"$in": [f"{pair}.k", list(_ENTRY_RENEWED)]}]},
            {"$or": [{"$not": [{"$in": [f"{pair}.k", ["errors", "pricing"]]}]}, {"$gt": [f"{pair}.v", None]}]},
        ]
    }


def _key(entry: str) -> Expression:
    """:func:`ticktrail.merge.entry_key`."""
    made_up = {"$or": [{"$eq": [f"{entry}.timestamp", None]}, {"$eq": [f"{entry}.timestampSource", MADE_UP]}]}
    parts = [
        f"{entry}.status",
        _if(made_up, "", {"$toString": f"{entry}.timestamp"}),
        f"{entry}.executionId",
        _or(f"{entry}.participant", ""),
    ]
    separated = [part for pair in zip(parts, [KEY_SEPARATOR] * len(parts), strict=True) for part in pair]
    return {"$concat": separated[:-1]}


def _rank(status: str) -> Expression:
    """:data:`ticktrail.model.RANK`, 0 for what is not in it."""
    names = sorted(RANK)
    # Not found is place -1, which is the last element.
    return _at([*(RANK[name] for name in names), 0], {"$indexOfArray": [names, status]})


def _first_copies() -> Expression:
    """The places in ``all`` where another entry begins."""
    differs = {"$ne": [_at("$keys", "$$this"), _at("$keys", {"$subtract": ["$$this", 1]})]}
    begins = {"$or": [{"$eq": ["$$this", 0]}, differs]}
    return _chosen({"$range": [0, {"$size": "$keys"}]}, begins)


def _copies() -> Expression:
    """The copies of each entry: ``all`` cut before each of ``starts``. Linear, for groups of thousands."""
    start = _at("$starts", "$$this")
    end = _or(_at("$starts", {"$add": ["$$this", 1]}), {"$size": "$all"})
    return _each({"$range": [0, {"$size": "$starts"}]}, {"$slice": ["$all", start, {"$subtract": [end, start]}]})


def _merged_copies(copies: str) -> Expression:
    """:func:`ticktrail.merge.merge_entries` over all copies of one entry, which begin with the same key."""
    greater = {
        name: {"$max": [f"$$value.{name}", f"$$this.{name}"]}
        for name in ("timestampSource", "conversation_id", "workflowId", "errors", "pricing")
    }
    least = {"$min": ["$$value.timestamp", "$$this.timestamp"]}
    extra = {"$mergeObjects": ["$$value.extra", "$$this.extra"]}
    merged = {"$mergeObjects": ["$$value", {"timestamp": least, **greater, "extra": extra}]}
    # The first is merged with itself, which changes nothing.
    return {"$reduce": {"input": copies, "initialValue": _at(copies, 0), "in": merged}}


def _derivations() -> dict[str, Expression]:
    """What the rest follows from, out of the sorted ``history``: see :func:`ticktrail.merge.standing`."""
    failed = {"$eq": ["$$this.rank", _FAILED_RANK]}
    arrived = {"$gt": ["$$this.rank", _FAILED_RANK]}
    explained = {"$and": [failed, {"$gt": [{"$size": _or("$$this.errors", [])}, 0]}]}
    reported = {
        "$and": [
            {"$eq": ["$$this.timestampSource", None]},
            {"$gte": ["$$this.timestamp", EARLIEST_PLAUSIBLE_TIMESTAMP]},
        ]
    }
    # The pairs of sets and lists are by participant, "" where no group is concerned.
    participants = {
        name: _each(_chosen("$history", condition), _or("$$this.participant", ""))
        for name, condition in (("failed", failed), ("arrived", arrived))
    }
    return {
        "grew": {"$gt": [{"$size": "$starts"}, _distinct_count(_each("$stored", "$$this.key"))]},
        "latest": _last(_sorted("$history", "rank", "timestamp", "key")),
        "reported": _chosen("$history", reported),
        **participants,
        "explained": _last(_chosen("$history", explained)),
        "priced": _last(_chosen("$history", {"$gt": ["$$this.pricing", None]})),
        "workflows": _each("$history", "$$this.workflowId"),
    }


def _milestones() -> Expression:
    """The times of :data:`ticktrail.document.MILESTONES`, null where unknown."""
    # History is sorted by time, so the first of a rank is its earliest; place -1, for none, is the null at the end.
    times = {"$concatArrays": [_each("$reported", "$$this.timestamp"), [None]]}
    place = {"$indexOfArray": ["$$ranks", "$$this"]}
    ranks = [RANK[name] for name in MILESTONES if name != "first"]
    return {
        "$let": {
            "vars": {"times": times, "ranks": _each("$reported", "$$this.rank")},
            "in": {"$concatArrays": [_each(ranks, _at("$$times", place)), [_at("$$times", 0)]]},
        }
    }


def _optional_values() -> Expression:
    """The values of :data:`_OPTIONAL`, null where unknown."""
    conflict = {"$gt": [{"$size": {"$setIntersection": ["$failed", "$arrived"]}}, 0]}
    failure = {
        "$let": {
            "vars": {"error": _at("$explained.errors", 0)},
            "in": {name: _or(f"$$error.{name}", None) for name in ("code", "title", "details")},
        }
    }
    others = ["$priced.pricing", {"$cond": [conflict, True, None]}, _if({"$gt": ["$explained", None]}, failure, None)]
    return {"$concatArrays": [{"$slice": ["$attributes", 1, len(_ATTRIBUTES)]}, others, "$milestones"]}


def _merged_document() -> Expression:
    """The document after the merge; new fields come in the order of :func:`ticktrail.document.to_document`."""
    seen, updated, scanned = (_at("$instants", place) for place in range(len(_INSTANTS)))
    first_seen = {"$min": [seen, "$news.at"]}
    always = {
        "messageId": "$news.messageId",
        "conversation_id": _at("$attributes", 0),
        "latestStatus": "$latest.status",
        "latestTimestamp": "$latest.timestamp",
        "latestTimestampFormatted": "$latest.formatted",
        "statusHistory": _each("$history", _written_entry("$$this")),
        "workflowId": _or({"$min": _chosen("$workflows", {"$ne": ["$$this", ""]})}, ""),
        "statusCount": {"$size": "$history"},
        "firstSeenAt": first_seen,
        "lastUpdatedAt": _if("$grew", "$news.at", _or(updated, first_seen)),
        "lastScannedAt": {"$max": [scanned, "$news.at"]},
    }
    kept = _chosen({"$objectToArray": "$old"}, {"$not": [{"$in": ["$$this.k", "$optional"]}]})
    known = _chosen({"$zip": {"inputs": ["$optional", "$values"]}}, {"$ne": [_at("$$this", 1), None]})
    return {"$mergeObjects": [{"$arrayToObject": kept}, always, {"$arrayToObject": known}]}


def _written_entry(entry: str) -> Expression:
    """An entry as it stands in ``statusHistory``."""
    several = {"$gt": [_distinct_count("$workflows"), 1]}
    return {
        "$mergeObjects": [
            {
                "status": f"{entry}.status",
                "timestamp": f"{entry}.timestamp",
                "timestampFormatted": f"{entry}.formatted",
                "executionId": f"{entry}.executionId",
                "conversation_id": f"{entry}.conversation_id",
            },
            f"{entry}.extra",
            {
                **{name: _known(f"{entry}.{name}") for name in ("participant", "errors", "pricing", "timestampSource")},
                "workflowId": _if(several, f"{entry}.workflowId", "$$REMOVE"),
            },
        ]
    }


def _stored_instants() -> Expression:
    return _each(_paths("$old", _INSTANTS), _if(_is("$$this", "date"), "$$this", None))


def _formatted(timestamp: str, timezone: str) -> Expression:
    """:func:`ticktrail.document.format_timestamp`."""
    possible = {"$and": [{"$gte": [timestamp, 0]}, {"$lte": [timestamp, Int64(_LAST_FORMATTABLE_TIMESTAMP)]}]}
    date = {"$toDate": {"$multiply": [timestamp, Int64(1000)]}}
    return _if(possible, {"$dateToString": {"date": date, "format": "%Y-%m-%d %H:%M", "timezone": timezone}}, None)


def _text(value: str) -> Expression:
    """A stored value as text, null when it is missing or empty. An id kept as a double is written as a whole number."""
    whole = _if(_is(value, "double"), _converted(value, "long"), value)
    return _if({"$eq": [value, ""]}, None, _converted(whole, "string"))


def _whole_number(value: str) -> Expression:
    """A stored number as an int or a long, null for anything else."""
    return {
        "$switch": {
            "branches": [
                {"case": {"$in": [{"$type": value}, ["int", "long"]]}, "then": value},
                {"case": _is(value, "double"), "then": _converted(value, "long")},
            ],
            "default": None,
        }
    }


def _converted(value: Expression, kind: str) -> Expression:
    return {"$convert": {"input": value, "to": kind, "onError": None, "onNull": None}}


def _paths(start: str, names: tuple[str, ...]) -> Expression:
    """The values of several fields as an array; a missing one is null in it."""
    return [f"{start}.{name}" for name in names]


def _each(array: Expression, expression: Expression, *, name: str = "this") -> Expression:
    return {"$map": {"input": array, "as": name, "in": expression}}


def _chosen(array: Expression, condition: Expression) -> Expression:
    return {"$filter": {"input": array, "cond": condition}}


def _sorted(array: Expression, *names: str) -> Expression:
    return {"$sortArray": {"input": array, "sortBy": dict.fromkeys(names, 1)}}


def _at(array: Expression, place: Expression) -> Expression:
    return {"$arrayElemAt": [array, place]}


def _last(array: Expression) -> Expression:
    return _at(array, -1)


def _distinct_count(texts: Expression) -> Expression:
    return {"$size": {"$setUnion": [texts, []]}}


def _with(fields: dict[str, Expression]) -> Expression:
    return {"$mergeObjects": ["$$this", fields]}


def _is(value: Expression, kind: str) -> Expression:
    return {"$eq": [{"$type": value}, kind]}


def _or(value: Expression, otherwise: Expression) -> Expression:
    return {"$ifNull": [value, otherwise]}


def _known(value: Expression) -> Expression:
    return {"$ifNull": [value, "$$REMOVE"]}


def _if(condition: Expression, then: Expression, otherwise: Expression) -> Expression:
    return {"$cond": [condition, then, otherwise]}
