"""Texts and objects that every store accepts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticktrail.text.sanitizing import clean_object, clean_text, escape_json, without_controls


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


OBEYED = "\x1b\x7f\x9b\u061c\u200f\u202e\u2066\ufeff"
"""Characters that move a terminal's cursor, start a sequence, or change the writing direction."""


@given(st.text())
def test_escaped_json_means_the_same(text: str) -> None:
    """Escaped JSON has the same value and none of these characters."""
    written = escape_json(json.dumps(text + OBEYED, ensure_ascii=False))
    assert json.loads(written) == text + OBEYED
    assert not set(OBEYED) & set(written)


@given(st.text())
def test_no_control_character_passes(text: str) -> None:
    """Every control character and direction mark is replaced; tabs, line breaks and other characters stay."""
    shown = without_controls(text + OBEYED)
    assert not set(OBEYED) & set(shown)
    assert len(shown) == len(text + OBEYED)
    assert without_controls("a\tb\nç漢") == "a\tb\nç漢"
