"""Bars and sparklines made of characters, in block elements or ASCII. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = "▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_ASCII_HEIGHTS = "._-=+*#"


def bar(share: float, width: int, *, blocks: bool) -> str:
    """Return a bar for a share (0 to 1) of a width in characters; a share above 0 is always visible."""
    share = min(max(share, 0.0), 1.0)
    if not blocks:
        return "#" * (max(1, round(share * width)) if share else 0)
    eighths = max(1, round(share * width * 8)) if share else 0
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8 - 1] if eighths % 8 else "")


def sparkline(values: Sequence[float | None], *, blocks: bool) -> str:
    """Return one character for each value, its height relative to the greatest; a space for None and 0."""
    greatest = max((value for value in values if value is not None), default=0) or 1
    heights = _HEIGHTS if blocks else _ASCII_HEIGHTS
    return "".join(
        " " if not value or value < 0 else heights[min(int(value / greatest * len(heights)), len(heights) - 1)]
        for value in values
    )


def parts(counts: Sequence[int], width: int) -> list[int]:
    """Divide a width in characters among the parts of a whole; every part above 0 gets at least one."""
    whole = sum(counts)
    if not whole:
        return [0 for _ in counts]
    lengths = [max(1, count * width // whole) if count else 0 for count in counts]
    largest = max(range(len(counts)), key=lambda place: counts[place])
    lengths[largest] = max(1, lengths[largest] + width - sum(lengths))
    return lengths


def thinned(values: Sequence[float | None], width: int) -> list[float | None]:
    """Return at most so many values: neighbours are added; None where all of them are None."""
    each = -(-len(values) // width) if values else 1
    found: list[float | None] = []
    for start in range(0, len(values), each):
        known = [value for value in values[start : start + each] if value is not None]
        found.append(sum(known) if known else None)
    return found
