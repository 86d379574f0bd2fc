"""Figures without what people are known by, for those who may see figures only. Pure."""

from __future__ import annotations

from typing import Any

from ticktrail.masking import mask_number, mask_text
from ticktrail.query import Grouping


def masked_group(group: dict[str, Any], by: Grouping) -> dict[str, Any]:
    """A group's document as a viewer gets it: a template's name stays, a number in it does not."""
    key, label = group[by.value], group["label"]
    shown = _masked_key(key, label, by) if isinstance(key, str) else key
    return {**group, by.value: shown, "label": None if label is None else mask_text(label)}


def _masked_key(key: str, label: str | None, by: Grouping) -> str:
    if by in {Grouping.WORKFLOW, Grouping.SENDER}:
        return key
    if by is Grouping.USER:
        return mask_number(key)
    # One of our own numbers has Meta's id for a key, which nobody can dial, unless none is known.
    if by is Grouping.NUMBER and key.isascii() and key.isdigit():
        return mask_number(key) if key == label else key
    return mask_text(key)
