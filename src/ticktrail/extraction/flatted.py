"""Decode ``flatted`` JSON, in which n8n's database and editor keep an execution's data.

The text is a list whose first element is the root. Inside an element, a string is the index of another element, so
that shared parts are written once. Shared parts are repeated in the result; references that form a circle become null.

Pure. See: https://github.com/WebReflection/flatted
"""

from __future__ import annotations

import json
from typing import Any

_LARGEST = 200_000_000
"""Characters of JSON. A small text can stand for an endless one, because parts that refer to parts double each time."""


def decode_flatted(text: str) -> Any:
    """Return the JSON value of a flatted text.

    Raises:
        ValueError: the text is not flatted JSON, or too large when written out.
    """
    elements = json.loads(text)
    if not isinstance(elements, list) or not elements:
        raise ValueError("no flatted JSON")
    values = [{} if isinstance(one, dict) else [] if isinstance(one, list) else one for one in elements]
    sizes: dict[int, int] = {}
    active = {0}
    stack: list[tuple[int, list[tuple[Any, Any]]]] = [(0, _members(elements[0]))]
    while stack:
        index, left = stack[-1]
        while left:
            _, reference = left[-1]
            target = _target(reference, len(elements))
            if target is not None and target not in sizes and target not in active:
                break
            left.pop()
        else:
            sizes[index] = _fill(values, elements, index, sizes)
            if sizes[index] > _LARGEST:
                raise ValueError("flatted JSON that is too large")
            active.discard(index)
            stack.pop()
            continue
        active.add(target)
        stack.append((target, _members(elements[target])))
    return values[0]


def _members(element: Any) -> list[tuple[Any, Any]]:
    if isinstance(element, dict):
        return list(element.items())
    return list(enumerate(element)) if isinstance(element, list) else []


def _target(reference: Any, count: int) -> int | None:
    """Return the index that a member refers to; None when the member is a value itself."""
    if not isinstance(reference, str):
        return None
    if not (reference.isascii() and reference.isdigit()) or len(reference) > 9 or int(reference) >= count:
        raise ValueError("a reference to nothing")
    return int(reference)


def _fill(values: list[Any], elements: list[Any], index: int, sizes: dict[int, int]) -> int:
    """Put an element's members into its value; return its size when written out."""
    value, element = values[index], elements[index]
    if not isinstance(element, (dict, list)):
        return len(element) + 2 if isinstance(element, str) else 8
    size = 2
    for key, reference in _members(element):
        target = _target(reference, len(elements))
        member = reference if target is None else values[target] if target in sizes else None
        size += (len(key) if isinstance(key, str) else 0) + (8 if target is None else sizes.get(target, 4))
        if isinstance(value, dict):
            value[key] = member
        else:
            value.append(member)
    return size
