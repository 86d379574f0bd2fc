"""Charts as geometry: what the templates draw as SVG. Pure.

Horizontal places are percentages of the drawing's width and vertical ones are pixels, so a chart fits every screen
while its letters keep their size, and no style has to be written into the page.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

HEIGHT = 210
_TOP = 8
_BAR_SHARE = 0.72
_WIDEST_BAR = 7.0
_LABELS = 8
_LABELS_NARROW = 4

PARTS = ("read", "delivered", "pending", "failed")
"""Of a bar, from the bottom up."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One bar to draw.

    Attributes:
        counts: by part, see :data:`PARTS`.
        rate: delivery rate, 0 to 1; None where there are too few messages.
        provisional: figures may still change.
        gap: executions of this time are known to be missing.
        text: the bar in words.
    """

    label: str
    counts: tuple[int, int, int, int]
    rate: float | None = None
    href: str | None = None
    provisional: bool = False
    gap: bool = False
    text: str = ""


class Segment(msgspec.Struct, frozen=True):
    """A part of a bar."""

    part: str
    y: int
    height: int


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """A bar with its place."""

    column: Column
    x: float
    width: float
    slot_x: float
    slot_width: float
    segments: tuple[Segment, ...]


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """A label below a bar; ``minor`` ones are left out on narrow screens."""

    x: float
    text: str
    minor: bool


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """A line across the chart, with its count on one side and its rate on the other."""

    y: float
    count: str
    rate: str


class Stroke(msgspec.Struct, frozen=True):
    """A piece of the line of rates."""

    x1: float
    y1: float
    x2: float
    y2: float
    provisional: bool = False


class Spark(msgspec.Struct, frozen=True):
    """The points of a small line, and of its provisional end."""

    final: str = ""
    young: str = ""


NO_SPARK = Spark()


class Stack(msgspec.Struct, frozen=True, kw_only=True):
    """A chart of stacked bars with a line of rates."""

    bars: tuple[Bar, ...]
    labels: tuple[Label, ...]
    ticks: tuple[Tick, ...]
    line: tuple[Stroke, ...]
    height: int = HEIGHT


def stack(columns: Sequence[Column], *, mirrored: bool = False) -> Stack:
    """The geometry of columns in order of time.

    Args:
        mirrored: time runs from right to left.
    """
    top = _round_up(max((sum(column.counts) for column in columns), default=0))
    known = [(column.rate, column.provisional) for column in columns if column.rate is not None]
    # An unfinished day must not flatten the line of the finished ones.
    floor = _rate_floor([rate for rate, young in known if not young] or [rate for rate, _young in known])
    slot = 100 / max(1, len(columns))
    width = min(slot * _BAR_SHARE, _WIDEST_BAR)

    def x_of(place: int) -> float:
        middle = slot * (place + 0.5)
        return 100 - middle if mirrored else middle

    def y_of_rate(rate: float) -> float:
        return _TOP + (1 - (max(rate, floor) - floor) / (1 - floor)) * (HEIGHT - _TOP)

    bars = tuple(
        Bar(
            column=one, x=_cut(x_of(place) - width / 2), width=_cut(width), slot_x=_cut(x_of(place) - slot / 2),
            slot_width=_cut(slot), segments=_segments(one.counts, top),
        )
        for place, one in enumerate(columns)
    )  # fmt: skip
    points = [
        (x_of(place), y_of_rate(one.rate), one.provisional) for place, one in enumerate(columns) if one.rate is not None
    ]
    line = tuple(
        Stroke(_cut(x1), _cut(y1), _cut(x2), _cut(y2), young)
        for (x1, y1, _young), (x2, y2, young) in itertools.pairwise(points)
    )
    steps = (0.0, 0.25, 0.5, 0.75, 1.0)
    ticks = tuple(
        Tick(
            y=_cut(_TOP + (1 - step) * (HEIGHT - _TOP)),
            count=_short(top * step) if float(top * step).is_integer() else "",
            rate=f"{(floor + (1 - floor) * step) * 100:g} %" if points else "",
        )
        for step in steps
    )
    return Stack(bars=bars, labels=_labels(columns, x_of), ticks=ticks, line=line)


def spark(values: Sequence[float | None], *, young: int = 0, mirrored: bool = False) -> Spark:
    """Values as lines in a box of 100 by 24; empty for fewer than two.

    Args:
        young: the number of values at the end that are provisional.
    """
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return NO_SPARK
    low, high = min(value for _, value in known), max(value for _, value in known)
    span = (high - low) or 1.0
    wide = max(1, len(values) - 1)
    points = []
    for place, value in known:
        x = place / wide * 100
        points.append(f"{_cut(100 - x if mirrored else x):g},{_cut(22 - (value - low) / span * 20):g}")
    final = sum(place < len(values) - young for place, _ in known)
    return Spark(" ".join(points[:final]), " ".join(points[max(0, final - 1) :]) if final < len(points) else "")


def _segments(counts: tuple[int, ...], top: int) -> tuple[Segment, ...]:
    found, y, total = [], HEIGHT, 0
    for part, count in zip(PARTS, counts, strict=True):
        if count and top:
            total += count
            # Whole pixels keep the page small. One failure among thousands still shows.
            edge = min(y - 1, round(HEIGHT - total / top * (HEIGHT - _TOP)))
            found.append(Segment(part, edge, y - edge))
            y = edge
    return tuple(found)


def _labels(columns: Sequence[Column], x_of: object) -> tuple[Label, ...]:
    assert callable(x_of)  # noqa: S101 - a closure of this module
    step = max(1, -(-len(columns) // _LABELS))
    coarse = step * max(1, _LABELS // _LABELS_NARROW)
    last = len(columns) - 1
    shown = [place for place in range(len(columns)) if (last - place) % step == 0]
    return tuple(
        Label(x=_cut(x_of(place)), text=columns[place].label, minor=(last - place) % coarse != 0) for place in shown
    )


def _round_up(value: int) -> int:
    """The least number that is not below a value, and whose quarter is a round number."""
    size = 1
    while True:
        for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8):
            quarter = size * factor
            if quarter * 4 >= value and float(quarter).is_integer():
                return int(quarter * 4)
        size *= 10


def _rate_floor(rates: Sequence[float]) -> float:
    lowest = min(rates, default=1.0)
    return next(floor for floor in (0.8, 0.6, 0.4, 0.2, 0.0) if floor <= lowest or floor == 0.0)


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1_000:g}k" if value >= 10_000 else f"{int(value):,}"


def _cut(value: float) -> float:
    return round(value, 2)
