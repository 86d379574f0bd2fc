"""MongoDB aggregation expressions as plain data: the few forms that our updates and queries are made of.

All of them are documented for MongoDB 6.0, and carried out alike by SecantusDB, which the tests run against.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bson.int64 import Int64

Expression = Any
"""A field path, a literal, or a document ``{operator: operands}``."""

_LAST_FORMATTABLE_TIMESTAMP = Int64(253_402_214_400)
"""9999-12-31, as in :func:`ticktrail.messages.document.format_timestamp`; ``$dateToString`` refuses later years."""


def as_text(value: str) -> Expression:
    """A stored value as text, null when it is missing or empty. An id kept as a double is written as a whole number."""
    whole = either(has_type(value, "double"), _converted(value, "long"), value)
    return either({"$eq": [value, ""]}, None, _converted(whole, "string"))


def as_whole_number(value: str) -> Expression:
    """A stored number as an int or a long; null for anything else and for what is no finite number."""
    return {
        "$switch": {
            "branches": [
                {"case": {"$in": [{"$type": value}, ["int", "long"]]}, "then": value},
                {"case": has_type(value, "double"), "then": _converted(value, "long")},
            ],
            "default": None,
        }
    }


def as_formatted(timestamp: str, timezone: str) -> Expression:
    """:func:`ticktrail.messages.document.format_timestamp`."""
    possible = {"$and": [{"$gte": [timestamp, 0]}, {"$lte": [timestamp, _LAST_FORMATTABLE_TIMESTAMP]}]}
    date = {"$toDate": {"$multiply": [timestamp, Int64(1000)]}}
    return either(possible, {"$dateToString": {"date": date, "format": "%Y-%m-%d %H:%M", "timezone": timezone}}, None)


def values_of(start: str, names: Iterable[str]) -> Expression:
    """The values of several fields as an array; a missing one is null in it."""
    return [f"{start}.{name}" for name in names]


def each(array: Expression, expression: Expression, *, name: str = "this") -> Expression:
    """An array of what the expression makes of every element, which it calls ``$$this``.

    Where the expression has a ``$$this`` of its own inside, give the element another name.
    """
    return {"$map": {"input": array, "as": name, "in": expression}}


def chosen(array: Expression, condition: Expression) -> Expression:
    """The elements for which the condition on ``$$this`` holds."""
    return {"$filter": {"input": array, "cond": condition}}


def in_order(array: Expression, *names: str) -> Expression:
    """The elements sorted by these fields, all ascending; null comes before every number and text."""
    return {"$sortArray": {"input": array, "sortBy": dict.fromkeys(names, 1)}}


def element(array: Expression, place: Expression) -> Expression:
    """One element, from 0; a negative place counts from the end. Beyond the end nothing at all, not even null."""
    return {"$arrayElemAt": [array, place]}


def last(array: Expression) -> Expression:
    """The last element."""
    return element(array, -1)


def distinct_count(texts: Expression) -> Expression:
    """How many different texts an array holds."""
    return {"$size": {"$setUnion": [texts, []]}}


def this_with(fields: dict[str, Expression]) -> Expression:
    """The object ``$$this`` with these fields set."""
    return {"$mergeObjects": ["$$this", fields]}


def in_turn(steps: Iterable[dict[str, Expression]], result: Expression) -> Expression:
    """The result of a calculation in steps; each names values, ``$$name`` for the steps after it and the result.

    Variables, not stages of a pipeline: a server need not make a new document of every step.
    """
    for step in reversed(list(steps)):
        result = {"$let": {"vars": step, "in": result}}
    return result


def has_type(value: Expression, kind: str) -> Expression:
    """Return an expression for whether a value has this BSON type; false if it is missing."""
    return {"$eq": [{"$type": value}, kind]}


def either(condition: Expression, then: Expression, otherwise: Expression) -> Expression:
    """One of two expressions; only the one that is meant is evaluated."""
    return {"$cond": [condition, then, otherwise]}


def or_else(value: Expression, otherwise: Expression) -> Expression:
    """The value unless it is null or missing."""
    return {"$ifNull": [value, otherwise]}


def or_absent(value: Expression) -> Expression:
    """The value of a field that is left out when its value is null or missing."""
    return {"$ifNull": [value, "$$REMOVE"]}


def _converted(value: Expression, kind: str) -> Expression:
    return {"$convert": {"input": value, "to": kind, "onError": None, "onNull": None}}
