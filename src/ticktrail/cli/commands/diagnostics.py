"""Commands that look after the set-up and the ledger."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ticktrail.cli.options import (
    ReportFormat,
    ReportOption,
    SourceOption,
    StoreOption,
    VerboseOption,
    existing_ledger,
    open_all,
    open_configured_store,
    read_settings,
    say_problems,
    watched,
)

app = typer.Typer()


@app.command()
def doctor(*, store: StoreOption = None, form: ReportOption = ReportFormat.text) -> None:
    """Check every setting and connection, and say what to do about each fault.

    Asks n8n and the store, and changes nothing. Exit code 0: everything is in order; 4: something needs you.
    """
    from ticktrail.health.doctor import examine
    from ticktrail.output.doctor import to_report, write_text
    from ticktrail.output.documents import write_documents

    with _told() as tell:
        findings = examine({"TICKTRAIL_STORE": store}, os.environ, Path.cwd(), open_configured_store, tell)
    if form is ReportFormat.json:
        write_documents([to_report(findings)], "jsonl", sys.stdout)
    else:
        write_text(findings, sys.stdout)
    if any(finding.needs_attention for finding in findings):
        raise typer.Exit(4)


@app.command()
def audit(
    source: SourceOption = "n8n",
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Store what is missing.")] = False,
    store: StoreOption = None,
    form: ReportOption = ReportFormat.text,
    verbose: VerboseOption = False,
) -> None:
    """Hold the ledger against everything n8n still has: what is missing, not shown, or gone for good.

    Reads every execution again. Exit code 0: complete; 4: something is missing.
    """
    from ticktrail.output import sync as reports
    from ticktrail.output.documents import write_documents
    from ticktrail.stores.coverage import Coverage
    from ticktrail.sync.audit import audit, audit_document
    from ticktrail.sync.incremental import scope_of

    settings = read_settings(store)
    complete = True
    with ExitStack() as stack:
        sources = open_all(stack, source, settings)
        ledger = stack.enter_context(existing_ledger(settings))
        progress = stack.enter_context(watched())
        for opened, workflow_id in zip(sources, settings.workflow_ids if source == "n8n" else [None], strict=True):
            coverage = Coverage()
            if workflow_id is not None:
                coverage = ledger.sync_state.load_coverage(scope_of(settings.n8n.base_url, workflow_id, ledger))
            found = audit(opened, ledger, coverage, repair=repair, instance=settings.instance, progress=progress)
            complete = complete and (found.is_complete or (repair and found.is_repaired))
            if form is ReportFormat.json:
                write_documents([audit_document(found)], "jsonl", sys.stdout)
            else:
                print(*reports.audit_text(found, verbose=verbose), sep="\n")
            say_problems(found.read_counts, verbose=verbose)
    if not complete:
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
