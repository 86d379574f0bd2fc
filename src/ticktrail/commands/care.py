"""Commands that look after the set-up and the ledger."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from ticktrail.commands.options import ReportFormat, ReportOption, StoreOption, open_ledger

app = typer.Typer()


@app.command()
def doctor(*, store: StoreOption = None, form: ReportOption = ReportFormat.text) -> None:
    """Check every setting and connection, and say what to do about each fault.

    Asks n8n and the store, and changes nothing. Exit code 0: everything is in order; 4: something needs you.
    """
    from ticktrail.doctor import examine
    from ticktrail.doctor.report import to_report, write_text
    from ticktrail.render import write_documents

    with _told() as tell:
        findings = examine({"TICKTRAIL_STORE": store}, os.environ, Path.cwd(), open_ledger, tell)
    if form is ReportFormat.json:
        write_documents([to_report(findings)], "jsonl", sys.stdout)
    else:
        write_text(findings, sys.stdout)
    if any(finding.needs_you for finding in findings):
        raise typer.Exit(4)


@contextmanager
def _told() -> Iterator[Callable[[str], None]]:
    """A line on stderr that says what is being looked at; silent when nobody watches."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("looking ...") as status:
        yield status.update
