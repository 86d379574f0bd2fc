"""Bars and sparklines out of characters, in block elements or in ASCII. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = "▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_ASCII_HEIGHTS = "._-=+*#"


def bar(share: float, width: int, *, blocks: bool) -> str:
    """A bar as long as a share (0 to 1) of a width in characters; whatever is more than nothing shows."""
    share = min(max(share, 0.0), 1.0)
    if not blocks:
        return "#" * (max(1, round(share * width)) if share else 0)
    eighths = max(1, round(share * width * 8)) if share else 0
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8 - 1] if eighths % 8 else "")


def sparkline(values: Sequence[float | None], *, blocks: bool) -> str:
    """One character a value, as high as it is beside the greatest; a space for None and for nothing at all."""
    greatest = max((value for value in values if value is not None), default=0) or 1
    heights = _HEIGHTS if blocks else _ASCII_HEIGHTS
    return "".join(
        " " if not value or value < 0 else heights[min(int(value / greatest * len(heights)), len(heights) - 1)]
        for value in values
    )


def parts(counts: Sequence[int], width: int) -> list[int]:
    """How many of a width's characters each part of a whole gets: their sum is the width, no part vanishes."""
    whole = sum(counts)
    if not whole:
        return [0 for _ in counts]
    lengths = [max(1, count * width // whole) if count else 0 for count in counts]
    largest = max(range(len(counts)), key=lambda place: counts[place])
    lengths[largest] = max(1, lengths[largest] + width - sum(lengths))
    return lengths


def thinned(values: Sequence[float | None], width: int) -> list[float | None]:
    """At most so many values: neighbours are added up, None only where all of them are."""
    each = -(-len(values) // width) if values else 1
    found: list[float | None] = []
    for start in range(0, len(values), each):
        known = [value for value in values[start : start + each] if value is not None]
        found.append(sum(known) if known else None)
    return found
