"""Recipients with a similar number, for a number that the store does not have. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_SHARED_ENDING = 6
_SHORTEST = 4


def similar_numbers(wanted: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Return known numbers that differ from a wanted one by a digit, by two swapped digits, or by their beginning.

    Args:
        wanted: digits; another id has no similar ones.
        known: recipients' ids, in flat memory.
    """
    if not wanted.isdigit() or len(wanted) < _SHORTEST:
        return []
    ending = wanted.lstrip("0")[-_SHARED_ENDING:]
    found: list[str] = []
    for number in known:
        if number != wanted and number.isdigit() and (number.endswith(ending) or _differs_by_one(wanted, number)):
            found.append(number)
            if len(found) == most:
                break
    return found


def _differs_by_one(one: str, other: str) -> bool:
    """Return True for numbers that differ by one digit that is wrong, missing or extra, or by two that are swapped."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while one[start : start + 1] == other[start : start + 1] != "":
        start += 1
    rest, other_rest = one[start:], other[start:]
    swapped = rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:]
    return swapped or rest[1:] == other_rest[1:] or rest[1:] == other_rest or rest == other_rest[1:]
