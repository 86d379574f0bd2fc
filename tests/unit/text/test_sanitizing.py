"""Texts and objects that every store accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ticktrail.text.sanitizing import clean_object, clean_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("مرحبا 😀 é\n", "مرحبا 😀 é\n"),
        ("a\x00b", "a\ufffdb"),
        ("a\x1fb", "a\ufffdb"),
        ("\ud83d", "?"),
        ("\ude00\ud83d", "??"),
        ("", ""),
    ],
    ids=repr,
)
def test_clean_text(text: str, expected: str) -> None:
    """NUL, the key separator and half characters are replaced, all else stays."""
    assert clean_text(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": 2}, '{"a": 2, "b": 1}'),
        ({"a": {"z": 1, "y": [{"d": 1, "c": 2}]}}, '{"a": {"y": [{"c": 2, "d": 1}], "z": 1}}'),
        ({"$where": 1, "a.b": 1, "a\x00": 1, "": 1, "é": 1, "1a": 1, "ok_1": 1}, '{"ok_1": 1}'),
        ({"a": float("nan"), "b": float("inf"), "c": 1.5}, '{"a": null, "b": null, "c": 1.5}'),
        (
            {"a": 2**63, "b": -(2**63) - 1, "c": True},
            '{"a": "9223372036854775808", "b": "-9223372036854775809", "c": true}',
        ),
        ({"a": "x\x00"}, '{"a": "x\\ufffd"}'),
        ({}, "null"),
        ({"$a": 1}, "null"),
        ([1], "null"),
        ("x", "null"),
        (None, "null"),
    ],
    ids=repr,
)
def test_clean_object(value: object, expected: str) -> None:
    """An object is kept with sorted plain keys and values that fit; what is none, or keeps nothing, is None."""
    assert json.dumps(clean_object(value)) == expected


def test_clean_object_is_bounded() -> None:
    """However deep or long an object is, what is kept of it is small."""
    deep: dict[str, Any] = {}
    place = deep
    for _ in range(50):
        place["a"] = {}
        place = place["a"]

    assert json.dumps(clean_object(deep)).count("a") <= 5
    assert len((clean_object({"a": [1] * 10_000}) or {})["a"]) <= 100
