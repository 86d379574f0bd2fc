"""Failure codes → text: the table of all, one in full, and both as JSON, JSON Lines and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any, TextIO

from rich.table import Table
from rich.text import Text

from ticktrail.error_codes import FailureCode
from ticktrail.reason import ALERTS, CONCERNS, again, again_in_full
from ticktrail.render import console, facts_grid, write_documents

COLUMNS = ("code", "last", "title", "class", "scope", "alert", "retry", "wait", "advice", "own")


def write_codes(entries: Iterable[FailureCode], form: str, stream: TextIO) -> None:
    """Write failure codes in one of :data:`ticktrail.render.FORMATS`."""
    if form == "csv":
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(code_document(entry) for entry in entries)
    elif form == "table":
        _write_table(entries, stream)
    else:
        write_documents(map(code_document, entries), form, stream)


def write_code(entry: FailureCode, stream: TextIO) -> None:
    """One failure code for people: what it means, what to do, whom it concerns, whether to send again."""
    out = console(stream)
    out.print(Text.assemble((entry.label, "bold red"), "  ", (entry.title, "bold")))
    out.print(
        facts_grid(
            {
                "advice": entry.advice,
                "again": again_in_full(entry),
                "concerns": CONCERNS[entry.scope],
                "class": entry.category,
                "alert": {"at_once": "at once, a single one counts", "by_rate": "when there are many"}.get(
                    entry.alert, "never"
                ),
            }
        )
    )


def code_document(entry: FailureCode) -> dict[str, Any]:
    """A failure code as programs get it: ``wait`` only where there is one, ``last`` only for a family."""
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
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    table.add_column("code", no_wrap=True)
    table.add_column("what")
    for name in ("class", "again", "alert"):
        table.add_column(name, no_wrap=True)
    for entry in entries:
        table.add_row(
            entry.label,
            Text(entry.title + (" (yours)" if entry.own else "")),
            entry.category,
            again(entry),
            ALERTS[entry.alert],
        )
    console(stream).print(table)
