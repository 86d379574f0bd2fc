"""Resolve ``flatted`` JSON, in which n8n's database and editor keep an execution's data.

The text is a list whose first element is the root. Inside an element, a string is the index of another element, so
that shared parts are written once. Shared parts are repeated in the result; references that form a circle become null.

Pure. See: https://github.com/WebReflection/flatted
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

_LARGEST = 200_000_000
"""Characters of JSON. A small text can stand for an endless one, because parts that refer to parts double each time."""

_DOUBLINGS = 8
"""Repeated references to objects and lists up to which the size of the result is estimated, not computed."""

_INDEXES = tuple(map(str, range(1_000)))


def unflatten(elements: Any, encode: Callable[[Any], bytes], length: int) -> bytes:
    """Return the JSON text that a decoded flatted text stands for. ``elements`` are changed in place.

    Args:
        encode: writes JSON; it raises RecursionError or ValueError for a value that contains itself.
        length: the length of the flatted text.

    Raises:
        ValueError: the elements are no flatted JSON, or too large when written out.
        RecursionError: the value is nested too deeply.
    """
    if not isinstance(elements, list) or not elements:
        raise ValueError("no flatted JSON")
    if not _resolve(elements, length):
        _cut_circles(elements)
    try:
        return encode(elements[0])
    except (RecursionError, ValueError):
        _cut_circles(elements)
        return encode(elements[0])


def _resolve(elements: list[Any], length: int) -> bool:
    """Put what is referred to in place of references. Returns True when the result is known to be of moderate size."""
    count = len(elements)
    by_index = dict(zip(_INDEXES if count <= len(_INDEXES) else map(str, range(count)), elements, strict=False))
    references: list[str] = []
    try:
        for element in elements:
            if type(element) is dict:
                for key, reference in element.items():
                    if type(reference) is str:
                        element[key] = by_index[reference]
                        references.append(reference)
            elif type(element) is list:
                for position, reference in enumerate(element):
                    if type(reference) is str:
                        element[position] = by_index[reference]
                        references.append(reference)
    except KeyError:
        raise ValueError("a reference to nothing") from None
    if length << min(len(references) - len(set(references)), 30) <= _LARGEST:
        return True  # each repeated reference doubles the size at most
    again = [(by_index[index], times - 1) for index, times in Counter(references).items() if times > 1]
    doublings = sum(times for member, times in again if type(member) is not str)
    texts = sum(len(member) * (times + 1) for member, times in again if type(member) is str)
    return doublings <= _DOUBLINGS and length + texts <= _LARGEST >> doublings


def _cut_circles(elements: list[Any]) -> None:
    """Replace references that form a circle by null; refuse a value that is too large when written out."""
    sizes: dict[int, int] = {}
    active = {id(elements[0])}
    stack = [(elements[0], _members(elements[0]))]
    while stack:
        holder, members = stack[-1]
        for key, member in members:
            if id(member) in active:
                holder[key] = None
            elif id(member) not in sizes:
                active.add(id(member))
                stack.append((member, _members(member)))
                break
        else:
            stack.pop()
            active.discard(id(holder))
            sizes[id(holder)] = size = _size(holder, sizes)
            if size > _LARGEST:
                raise ValueError("flatted JSON that is too large")


def _members(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the objects and lists directly inside an object or list, with their keys."""
    if isinstance(holder, (dict, list)):
        items = list(holder.items() if isinstance(holder, dict) else enumerate(holder))
        yield from ((key, member) for key, member in items if isinstance(member, (dict, list)))


def _size(holder: Any, sizes: dict[int, int]) -> int:
    """Return the size of an object or list whose members' sizes are known."""
    if not isinstance(holder, (dict, list)):
        return 0
    size = sum(len(key) for key in holder) if isinstance(holder, dict) else 0
    for member in holder.values() if isinstance(holder, dict) else holder:
        size += 8 + (len(member) if isinstance(member, str) else sizes.get(id(member), 0))
    return size
