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
    values = [{} if type(one) is dict else [] if type(one) is list else one for one in elements]
    inside: list[list[int]] = []
    sizes: list[int] = []
    for element, value in zip(elements, values, strict=True):
        containers: list[int] = []
        size = len(element) if type(element) is str else 8
        if type(element) is dict or type(element) is list:
            for key, reference in element.items() if type(element) is dict else enumerate(element):
                member = reference
                if type(reference) is str:
                    index = _index(reference, len(elements))
                    member = values[index]
                    if type(member) is dict or type(member) is list:
                        containers.append(index)
                    elif type(member) is str:
                        size += len(member)
                if type(value) is dict:
                    value[key] = member
                    size += len(str(key)) + 4
                else:
                    value.append(member)
                    size += 4
        inside.append(containers)
        sizes.append(size)
    _cut_circles(values, inside, sizes)
    return values[0]


def _index(reference: str, count: int) -> int:
    if not reference.isdigit() or len(reference) > 9 or int(reference) >= count:
        raise ValueError("a reference to nothing")
    return int(reference)


def _cut_circles(values: list[Any], inside: list[list[int]], sizes: list[int]) -> None:
    """Replace references that form a circle by null; refuse a value that is too large when written out.

    Args:
        inside: the indexes of the objects and lists directly inside each element.
        sizes: the size of each element without those.
    """
    done = [False] * len(values)
    active = {0}
    stack = [(0, iter(inside[0]))]
    while stack:
        index, left = stack[-1]
        for target in left:
            if target in active:
                _forget(values[index], values[target])
            elif done[target]:
                sizes[index] += sizes[target]
            else:
                active.add(target)
                stack.append((target, iter(inside[target])))
                break
        else:
            stack.pop()
            active.discard(index)
            done[index] = True
            if sizes[index] > _LARGEST:
                raise ValueError("flatted JSON that is too large")
            if stack:
                sizes[stack[-1][0]] += sizes[index]


def _forget(holder: Any, member: Any) -> None:
    """Replace a member of an object or list by null."""
    for key, item in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
        if item is member:
            holder[key] = None
