"""Failure codes → text: the table of all, one in full, and both as JSON, JSON Lines and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any, TextIO

from rich.table import Table
from rich.text import Text

from ticktrail.messages.error_codes import FailureCode
from ticktrail.messages.failure_text import ALERTS, CONCERNS, retry_short, retry_text
from ticktrail.output.documents import write_documents
from ticktrail.output.terminal import console, facts_grid

COLUMNS = ("code", "last", "title", "class", "scope", "alert", "retry", "wait", "advice", "own")

_WIDE = 76
"""Columns of a terminal from which on the whole table fits."""


def write_codes(entries: Iterable[FailureCode], form: str, stream: TextIO) -> None:
    """Write failure codes in one of :data:`ticktrail.output.messages.FORMATS`."""
    if form == "csv":
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(code_document(entry) for entry in entries)
    elif form == "table":
        _write_table(entries, stream)
    else:
        write_documents(map(code_document, entries), form, stream)


def write_code(entry: FailureCode, stream: TextIO) -> None:
    """Write one failure code for people: meaning, advice, scope, and whether to send again."""
    out = console(stream)
    out.print(Text.assemble((entry.label, "bold red"), "  ", (entry.title, "bold")))
    out.print(
        facts_grid(
            {
                "advice": entry.advice,
                "again": retry_text(entry),
                "concerns": CONCERNS[entry.scope],
                "class": entry.category,
                "alert": {"at_once": "at once, a single one counts", "by_rate": "when there are many"}.get(
                    entry.alert, "never"
                ),
            }
        )
    )


def code_document(entry: FailureCode) -> dict[str, Any]:
    """Return a failure code for programs: ``wait`` only where there is one, ``last`` only for a family."""
    return {
        "code": entry.code,
        "last": entry.last,
        "title": entry.title,
        "class": entry.category,
        "scope": entry.scope,
        "alert": entry.alert,
        "retry": entry.retry,
        "wait": entry.wait or None,
        "advice": entry.advice,
        "own": entry.own,
    }


def _write_table(entries: Iterable[FailureCode], stream: TextIO) -> None:
    out = console(stream)
    names = ("code", "what", "again", "class", "alert")[: 5 if out.width >= _WIDE else 3]
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for name in names:
        table.add_column(name, no_wrap=name != "what")
    for entry in entries:
        title = Text(entry.title + (" (yours)" if entry.own else ""))
        cells = (entry.label, title, retry_short(entry), entry.category, ALERTS[entry.alert])
        table.add_row(*cells[: len(names)])
    out.print(table)
