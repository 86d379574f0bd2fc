"""MongoDB aggregation expressions as plain data, of which statistics are made.

All forms are documented for MongoDB 6.0, and SecantusDB computes them alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ticktrail.messages.failure_causes import LONGEST_CODE

Expression = Any
"""A field path, a literal, or a document ``{operator: operands}``."""


def as_text(value: str) -> Expression:
    """Return :func:`ticktrail.messages.document.text_of` of a stored value."""
    whole = _converted(value, "long")
    is_id = {"$in": [{"$type": value}, ["int", "long", "decimal", "objectId"]]}
    is_whole = {"$and": [has_type(value, "double"), {"$eq": [whole, value]}]}
    return {
        "$switch": {
            "branches": [
                {"case": {"$eq": [value, ""]}, "then": None},
                {"case": has_type(value, "string"), "then": value},
                {"case": is_id, "then": _converted(value, "string")},
                {"case": is_whole, "then": _converted(whole, "string")},
            ],
            "default": None,
        }
    }


def as_word(value: str) -> Expression:
    """Return a stored text, null when it is empty or anything else."""
    return either({"$and": [has_type(value, "string"), {"$ne": [value, ""]}]}, value, None)


def as_error_code(value: str) -> Expression:
    """Return :func:`ticktrail.messages.failure_causes.error_code` as text; null for JSON in a text."""
    whole = as_whole_number(value)
    number = either({"$eq": [whole, value]}, _converted(whole, "string"), None)
    code = either(has_type(value, "string"), value, number)
    text = {"$substrCP": [or_else("$$code", ""), 0, LONGEST_CODE]}
    is_none = {"$in": [{"$substrCP": ["$$text", 0, 1]}, ["", "{", "["]]}
    return in_turn([{"code": code}, {"text": text}], either(is_none, None, "$$text"))


def as_whole_number(value: str) -> Expression:
    """Return a stored number as an int or a long; null for anything else and for what is no finite number."""
    return {
        "$switch": {
            "branches": [
                {"case": {"$in": [{"$type": value}, ["int", "long"]]}, "then": value},
                {"case": has_type(value, "double"), "then": _converted(value, "long")},
            ],
            "default": None,
        }
    }


def each(array: Expression, expression: Expression, *, name: str = "this") -> Expression:
    """Return an array with the expression applied to every element, ``$$this``.

    Give the element another name if the expression has a ``$$this`` of its own.
    """
    return {"$map": {"input": array, "as": name, "in": expression}}


def chosen_of(array: Expression, condition: Expression) -> Expression:
    """Return the elements for which the condition on ``$$this`` holds."""
    return {"$filter": {"input": array, "cond": condition}}


def in_turn(steps: Iterable[dict[str, Expression]], result: Expression) -> Expression:
    """Return the result of a calculation in steps. Each step names values: ``$$name`` in later steps and the result.

    Variables, not stages of a pipeline: a server need not make a new document of every step.
    """
    for step in reversed(list(steps)):
        result = {"$let": {"vars": step, "in": result}}
    return result


def has_type(value: Expression, kind: str) -> Expression:
    """Return an expression for whether a value has this BSON type; false if it is missing."""
    return {"$eq": [{"$type": value}, kind]}


def either(condition: Expression, then: Expression, otherwise: Expression) -> Expression:
    """Return one of two expressions, by a condition."""
    return {"$cond": [condition, then, otherwise]}


def or_else(value: Expression, otherwise: Expression) -> Expression:
    """Return the value, or the other one if it is null or missing."""
    return {"$ifNull": [value, otherwise]}


def _converted(value: Expression, kind: str) -> Expression:
    return {"$convert": {"input": value, "to": kind, "onError": None, "onNull": None}}
