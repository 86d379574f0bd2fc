"""Commands that keep the store up to date."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

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
    say,
    say_problems,
    watched,
)
from ticktrail.errors import ConfigurationError

if TYPE_CHECKING:
    from ticktrail.config import Settings
    from ticktrail.ingest import Progress, SyncReport
    from ticktrail.sources.n8n_http import Patience
    from ticktrail.stores import Store

app = typer.Typer()

_SHORTEST_INTERVAL = 1.0


@app.command()
def sync(
    source: SourceOption = "n8n",
    *,
    full: Annotated[bool, typer.Option("--full", help="Walk down to the oldest execution n8n still has.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    watch: Annotated[
        float | None,
        typer.Option("--watch", metavar="[SECONDS]", help="Keep doing it, every 20 seconds unless you say."),
    ] = None,
    store: StoreOption = None,
    form: ReportOption = ReportFormat.text,
    verbose: VerboseOption = False,
) -> None:
    """Bring the store up to date with everything the source shows."""
    if source != "n8n" and (full or watch is not None):
        raise ConfigurationError("--full and --watch are for n8n: an export is always read whole.")
    if dry_run and watch is not None:
        raise ConfigurationError("--dry-run and --watch exclude each other.")
    if watch is not None and watch < _SHORTEST_INTERVAL:
        raise ConfigurationError("--watch takes the seconds between two syncs, 1 or more, such as --watch 20.")
    if watch is not None:
        keep_syncing(watch, store, form, full=full, verbose=verbose)
    elif dry_run:
        _preview(source, store, form, verbose=verbose)
    elif source == "n8n":
        _sync_n8n(store, form, full=full, verbose=verbose)
    else:
        _sync_export(source, store, form, verbose=verbose)


def _preview(place: str, store: str | None, form: ReportFormat, *, verbose: bool) -> None:
    from ticktrail import ingest, reports
    from ticktrail.render import write_documents

    settings = read_settings(store)
    with ExitStack() as stack:
        sources = open_all(stack, place, settings)
        ledger = stack.enter_context(open_ledger(settings))
        progress = stack.enter_context(watched())
        for opened in sources:
            planned = ingest.preview(opened, ledger, instance=settings.instance, progress=progress)
            if form is ReportFormat.json:
                write_documents([reports.preview_document(planned)], "jsonl", sys.stdout)
            else:
                print(*reports.preview_text(planned, sys.stdout), sep="\n")
            say_problems(planned.tally, verbose=verbose)


def _sync_export(place: str, store: str | None, form: ReportFormat, *, verbose: bool) -> None:
    from ticktrail import ingest

    settings = read_settings(store)
    with ExitStack() as stack:
        sources = open_all(stack, place, settings)
        ledger = stack.enter_context(open_ledger(settings))
        progress = stack.enter_context(watched())
        for opened in sources:
            _print(ingest.sync(opened, ledger, instance=settings.instance, progress=progress), form, verbose=verbose)


def _sync_n8n(store: str | None, form: ReportFormat, *, full: bool, verbose: bool) -> None:
    from ticktrail.sources.n8n_api import BRIEF

    settings = read_settings(store)
    stop = threading.Event()
    with stopping(stop, signal.SIGTERM), open_ledger(settings) as ledger, watched() as progress:
        for report in _rounds(settings, ledger, stop, progress, patience=BRIEF, full=full):
            _print(report, form, verbose=verbose)
    _beat(settings)


def keep_syncing(
    interval: float,
    store: str | None,
    form: ReportFormat,
    *,
    full: bool,
    verbose: bool,
    stop: threading.Event | None = None,
) -> None:
    """Sync every so many seconds until a signal asks to stop, or somebody sets ``stop``.

    Raises:
        ConfigurationError: what waiting does not mend.
    """
    from ticktrail.sources.n8n_http import Patience
    from ticktrail.watch import watch

    # The watch itself asks again, with longer and longer pauses: so a signal to stop is heard soon.
    patience = Patience(attempts=3, total=15.0, wait_max=4.0, starting=5.0)
    stop = stop or threading.Event()
    first = True

    def cycle() -> None:
        nonlocal first
        # Read anew each time: a new key or a moved store needs no restart.
        settings = read_settings(store, quiet=not first)
        with open_ledger(settings) as ledger:
            if first:
                names = ", ".join(settings.workflow_ids)
                say(f"Watching {names} every {interval:g} s, into {ledger.location}. Ctrl-C stops it.")
            for report in _rounds(settings, ledger, stop, lambda _tally: None, patience=patience, full=full and first):
                _print_news(report, form, verbose=verbose)
        if not stop.is_set():
            first = False
            _beat(settings)

    with stopping(stop, signal.SIGTERM, signal.SIGINT):
        watch(
            cycle,
            interval=interval,
            stop=stop,
            say=lambda text: say(f"{datetime.now(UTC).astimezone():%H:%M:%S} {text}"),
        )
    say("Stopped. Nothing was lost; the next run continues.")


def _rounds(
    settings: Settings,
    ledger: Store,
    stop: threading.Event,
    progress: Progress,
    *,
    patience: Patience,
    full: bool,
) -> Iterator[SyncReport]:
    """One sync of every workflow of the settings."""
    from ticktrail.holder import is_gone, new_holder
    from ticktrail.incremental import Caller
    from ticktrail.sources.n8n_api import N8nApi
    from ticktrail.upkeep import keep_up

    n8n = settings.require_n8n()
    caller = Caller(
        instance_url=n8n.base_url,
        holder=new_holder(),
        is_gone=is_gone,
        instance=settings.instance,
        progress=progress,
        should_stop=stop.is_set,
    )
    with ExitStack() as stack:
        apis = [stack.enter_context(N8nApi(n8n, name, patience=patience)) for name in settings.workflow_ids]
        yield from keep_up(apis, ledger, caller, full=full)


def _beat(settings: Settings) -> None:
    if settings.heartbeat_url is None:
        return
    from ticktrail.heartbeat import beat

    problem = beat(settings.heartbeat_url)
    if problem is not None:
        say(problem)


def _print(report: SyncReport, form: ReportFormat, *, verbose: bool) -> None:
    from ticktrail.ingest import report_document
    from ticktrail.render import write_documents
    from ticktrail.reports import sync_text

    if form is ReportFormat.json:
        write_documents([report_document(report)], "jsonl", sys.stdout)
    else:
        print(*sync_text(report), sep="\n")
    say_problems(report.tally, verbose=verbose)


def _print_news(report: SyncReport, form: ReportFormat, *, verbose: bool) -> None:
    """A watch prints a line when there is something to say."""
    from ticktrail.reports import news_line
    from ticktrail.upkeep import is_news

    if not is_news(report):
        return
    if form is ReportFormat.json:
        _print(report, form, verbose=verbose)
    else:
        print(f"{datetime.now(UTC).astimezone():%H:%M:%S} {news_line(report)}")
        say_problems(report.tally, verbose=verbose)
    sys.stdout.flush()


@contextmanager
def stopping(stop: threading.Event, *signals: signal.Signals) -> Iterator[None]:
    """Let these signals ask for a clean end, between two writes. Only the main thread hears signals."""
    if threading.current_thread() is not threading.main_thread():
        with nullcontext():
            yield
        return
    before = [(number, signal.signal(number, lambda *_: stop.set())) for number in signals]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
