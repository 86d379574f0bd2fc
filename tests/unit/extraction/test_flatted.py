"""Flatted JSON, as n8n's database and editor keep an execution's data."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ticktrail.extraction.execution_reader import extract
from ticktrail.extraction.flatted import decode_flatted


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([{}], {}),
        (["plain"], "plain"),
        ([{"a": "1", "b": 2, "c": None}, "text"], {"a": "text", "b": 2, "c": None}),
        ([{"a": "1", "b": "1"}, {"x": "2"}, "shared"], {"a": {"x": "shared"}, "b": {"x": "shared"}}),
        ([["1", "1", 7], ["2"], "x"], [["x"], ["x"], 7]),
        ([{"me": "0", "n": 1}], {"me": None, "n": 1}),
        ([{"a": "1"}, {"b": "2"}, {"c": "1"}], {"a": {"b": {"c": None}}}),
    ],
    ids=json.dumps,
)
def test_decoded(elements: list[Any], expected: Any) -> None:
    """References become what they refer to, shared ones each time, circular ones null."""
    assert decode_flatted(json.dumps(elements)) == expected


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1", '[{"a":"9"}]', '[{"a":"-1"}]', '[{"a":"x"}]', '[{"a":"²"}]'])
def test_damaged(text: str) -> None:
    """A text that is not flatted JSON is an error."""
    with pytest.raises(ValueError, match=r"\w"):
        decode_flatted(text)


def test_deep_chains_are_no_recursion() -> None:
    """A chain of many references is followed."""
    found = decode_flatted(json.dumps([[str(number + 1)] for number in range(20_000)] + ["end"]))

    for _ in range(20_000):
        (found,) = found
    assert found == "end"


def test_small_text_that_expands_without_end() -> None:
    """Parts that refer to parts twice each double in size: refused instead of written out."""
    elements: list[Any] = [[str(number + 1), str(number + 1)] for number in range(60)]

    with pytest.raises(ValueError, match="too large"):
        decode_flatted(json.dumps([*elements, "end"]))


def test_damaged_flatted_data_is_withheld() -> None:
    """An execution whose flatted data cannot be read is not one without statuses."""
    found = extract(json.dumps({"id": "7", "workflowId": "w", "status": "success", "data": "[{"}).encode())

    assert (found.execution_id, found.reason) == ("7", "no_data")
