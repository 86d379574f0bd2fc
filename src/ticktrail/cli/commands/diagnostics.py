"""Commands that check the set-up and the store: ``doctor`` and ``audit``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ticktrail.cli.invocation import as_typed, remember_store
from ticktrail.cli.options import (
    ReportFormat,
    ReportOption,
    SourceOption,
    StoreOption,
    VerboseOption,
    existing_store,
    open_all,
    open_configured_store,
    read_settings,
    say_problems,
    showing_progress,
)

if TYPE_CHECKING:
    from ticktrail.settings.settings import Settings
    from ticktrail.stores import Store
    from ticktrail.stores.coverage import Coverage

app = typer.Typer()

_NEEDS_ATTENTION = 4


@app.command()
def doctor(*, store: StoreOption = None, form: ReportOption = ReportFormat.text) -> None:
    """Check settings and connections.

    Only reads n8n; writes a test message to the store and deletes it. Exit code 0: no fault found; 4: something needs
    attention.
    """
    from ticktrail.health.doctor import examine
    from ticktrail.output.doctor import to_report, write_text
    from ticktrail.output.documents import write_documents

    remember_store(store)
    with _showing_check() as show:
        findings = examine({"TICKTRAIL_STORE": store}, os.environ, Path.cwd(), open_configured_store, show)
    findings = tuple(msgspec.structs.replace(finding, remedy=as_typed(finding.remedy)) for finding in findings)
    if form is ReportFormat.json:
        write_documents([to_report(findings)], "jsonl", sys.stdout)
    else:
        write_text(findings, sys.stdout)
    if any(finding.needs_attention for finding in findings):
        raise typer.Exit(_NEEDS_ATTENTION)


@app.command()
def audit(
    source: SourceOption = "n8n",
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Store what is missing")] = False,
    store: StoreOption = None,
    form: ReportOption = ReportFormat.text,
    verbose: VerboseOption = False,
) -> None:
    """Compare the store with n8n.

    Reads every execution that n8n still has, and the receiver's journal. Exit code 0: the store is complete; 4:
    something is missing.
    """
    from ticktrail.output import sync as reports
    from ticktrail.output.documents import write_documents
    from ticktrail.sync.audit import audit, audit_document

    settings = read_settings(store)
    complete = True
    received_count = 0
    with ExitStack() as stack:
        is_alone = source == "n8n" and settings.receives_alone
        names = () if is_alone else settings.workflow_ids if source == "n8n" else (None,)
        sources = [] if is_alone else open_all(stack, source, settings)
        opened = stack.enter_context(existing_store(settings))
        progress = stack.enter_context(showing_progress())
        for one, workflow_id in zip(sources, names, strict=True):
            coverage = _coverage(settings, opened, workflow_id)
            found = audit(one, opened, coverage, repair=repair, instance=settings.instance, progress=progress)
            complete = complete and (found.is_complete or (repair and found.is_repaired))
            received_count += found.received_count
            if form is ReportFormat.json:
                write_documents([audit_document(found)], "jsonl", sys.stdout)
            else:
                print(*map(as_typed, reports.audit_text(found, settings.timezone, verbose=verbose)), sep="\n")
            say_problems(found.read_counts, verbose=verbose)
        if source == "n8n":
            complete = _audit_received(opened, settings, received_count, form) and complete
    if not complete:
        raise typer.Exit(_NEEDS_ATTENTION)


def _audit_received(store: Store, settings: Settings, seen_in_n8n: int, form: ReportFormat) -> bool:
    """Print what the receiver got from Meta, where it is used. Return True when no webhook was given up or is late."""
    from ticktrail.output.documents import write_documents
    from ticktrail.output.sync import received_audit_text
    from ticktrail.sync.audit import audit_received, received_document

    report = audit_received(store, settings, seen_in_n8n=seen_in_n8n, now=time.time())
    if report is None:
        return True
    if form is ReportFormat.json:
        write_documents([received_document(report)], "jsonl", sys.stdout)
    else:
        print(*map(as_typed, received_audit_text(report, settings.timezone)), sep="\n")
    return report.is_complete


def _coverage(settings: Settings, store: Store, workflow_id: str | None) -> Coverage:
    """Return which executions of a workflow are processed; none for an export."""
    from ticktrail.stores.coverage import Coverage
    from ticktrail.sync.incremental import scope_of

    if workflow_id is None:
        return Coverage()
    return store.sync_state.load_coverage(scope_of(settings.n8n.instance_url, workflow_id, store))


@contextmanager
def _showing_check() -> Iterator[Callable[[str], None]]:
    """Show on stderr what is being checked, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("checking …") as status:
        yield status.update
