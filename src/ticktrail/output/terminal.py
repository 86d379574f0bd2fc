"""Rich consoles, status ticks and grids of facts."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from ticktrail.output.documents import can_show
from ticktrail.text.sanitizing import one_line, without_controls

_TICKS = {"sent": "✓", "delivered": "✓✓", "read": "✓✓", "played": "✓✓", "failed": "✗", "undelivered": "✗"}


_ASCII_TICKS = {"sent": "v", "delivered": "vv", "read": "vv", "played": "vv", "failed": "x", "undelivered": "x"}


_STYLES = {
    "read": "bright_blue",
    "played": "bright_blue",
    "failed": "bold red",
    "undelivered": "bold red",
    "delivered": "default",
    "sent": "default",
}


class _SafeConsole(Console):
    """A console that writes no control character of its texts: anyone can send a status, or be sent to."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text = segment.text
            safe = segment.control or (text.isascii() and text.isprintable())
            yield segment if safe else Segment(without_controls(text).replace("\r", "\ufffd"), segment.style)


def console(stream: TextIO) -> Console:
    """Return a console for a stream: colours and width of the terminal, 100 columns without one."""
    width = None if stream.isatty() else shutil.get_terminal_size((100, 24)).columns
    return _SafeConsole(file=stream, width=width, highlight=False, soft_wrap=False, emoji=False, markup=False)


def tick(status: str, stream: TextIO) -> Text:
    """Return a status as WhatsApp draws it, with its word, because colour alone is not enough."""
    ticks = _TICKS if can_show(stream, "✓✗") else _ASCII_TICKS
    sign = ticks.get(status, "·" if ticks is _TICKS else "-")
    return Text(f"{sign:<2} {one_line(status, 16)}", style=_STYLES.get(status, "dim"))


def print_indented(out: Console, text: Text, spaces: int = 2) -> None:
    """Write a text below a heading, each of its lines indented."""
    for line in text.wrap(out, out.width - spaces):
        line.rstrip()
        out.print(Text.assemble(" " * spaces, line), soft_wrap=True)


def facts_grid(facts: Mapping[str, str | None]) -> Table:
    """Names and what belongs to them, one below the other; what is None or empty is left out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", style="dim", no_wrap=True, min_width=9)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            grid.add_row(name, Text(one_line(value, 600)))
    return grid
