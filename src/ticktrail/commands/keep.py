"""Commands that keep the store up to date."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Annotated

import typer

from ticktrail.commands.options import (
    ReportFormat,
    ReportOption,
    SourceOption,
    StoreOption,
    VerboseOption,
    open_all,
    open_ledger,
    read_settings,
    say_problems,
    watched,
)

app = typer.Typer()


@app.command()
def sync(
    source: SourceOption = "n8n",
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    store: StoreOption = None,
    form: ReportOption = ReportFormat.text,
    verbose: VerboseOption = False,
) -> None:
    """Bring the store up to date with everything the source shows."""
    from ticktrail import ingest, reports
    from ticktrail.render import write_documents

    settings = read_settings(store)
    with ExitStack() as stack:
        sources = open_all(stack, source, settings)
        ledger = stack.enter_context(open_ledger(settings))
        progress = stack.enter_context(watched())
        for opened in sources:
            if dry_run:
                planned = ingest.preview(opened, ledger, instance=settings.instance, progress=progress)
                lines, document = reports.preview_text(planned, sys.stdout), reports.preview_document(planned)
                tally = planned.tally
            else:
                done = ingest.sync(opened, ledger, instance=settings.instance, progress=progress)
                lines, document, tally = reports.sync_text(done), reports.sync_document(done), done.tally
            if form is ReportFormat.json:
                write_documents([document], "jsonl", sys.stdout)
            else:
                print(*lines, sep="\n")
            say_problems(tally, verbose=verbose)
