"""Commands that keep the store up to date."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.connections import SyncConnections
from ticktrail.cli.options import (
    LogFormat,
    LogFormatOption,
    ReportFormat,
    ReportOption,
    SourceOption,
    StoreOption,
    VerboseOption,
    annotating,
    open_all,
    open_configured_store,
    read_settings,
    say,
    say_problems,
    watched,
)
from ticktrail.cli.signals import stopping
from ticktrail.errors import ConfigurationError, TicktrailError

if TYPE_CHECKING:
    from ticktrail.health.checks import Finding
    from ticktrail.health.silent_faults import Remembered
    from ticktrail.settings.settings import Settings
    from ticktrail.sync.results import Progress, SyncReport

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
    annotate: Annotated[
        bool,
        typer.Option("--annotate-conversations", help="Also write the state onto your conversations' documents."),
    ] = False,
    alerts: Annotated[
        bool, typer.Option("--alerts", help="With --watch: tell the channels in ticktrail.toml what needs somebody.")
    ] = False,
    store: StoreOption = None,
    form: ReportOption = ReportFormat.text,
    verbose: VerboseOption = False,
    log_format: LogFormatOption = LogFormat.text,
) -> None:
    """Bring the store up to date with everything the source shows."""
    if source != "n8n" and (full or watch is not None):
        raise ConfigurationError("--full and --watch are for n8n: an export is always read whole.")
    if dry_run and annotate:
        raise ConfigurationError("--dry-run and --annotate-conversations exclude each other.")
    if alerts and watch is None:
        raise ConfigurationError("--alerts goes with --watch.", remedy="Type: ticktrail alerts --notify")
    if dry_run and watch is not None:
        raise ConfigurationError("--dry-run and --watch exclude each other.")
    if watch is not None and watch < _SHORTEST_INTERVAL:
        raise ConfigurationError("--watch takes the seconds between two syncs, 1 or more, such as --watch 20.")
    if watch is not None:
        from ticktrail.cli import logs

        logs.configure(log_format)
        sync_loop(watch, store, form, full=full, annotate=annotate, verbose=verbose, alerts=alerts)
    elif dry_run:
        _preview(source, store, form, verbose=verbose)
    elif source == "n8n":
        _sync_n8n(store, form, full=full, annotate=annotate, verbose=verbose)
    else:
        _sync_export(source, store, form, annotate=annotate, verbose=verbose)


def _preview(place: str, store: str | None, form: ReportFormat, *, verbose: bool) -> None:
    from ticktrail.output import sync as reports
    from ticktrail.output.documents import write_documents
    from ticktrail.sync.preview import preview

    settings = read_settings(store)
    with ExitStack() as stack:
        sources = open_all(stack, place, settings)
        ledger = stack.enter_context(open_configured_store(settings))
        progress = stack.enter_context(watched())
        for opened in sources:
            planned = preview(opened, ledger, instance=settings.instance, progress=progress)
            if form is ReportFormat.json:
                write_documents([reports.preview_document(planned)], "jsonl", sys.stdout)
            else:
                print(*reports.preview_text(planned, sys.stdout), sep="\n")
            say_problems(planned.read_counts, verbose=verbose)


def _sync_export(place: str, store: str | None, form: ReportFormat, *, annotate: bool, verbose: bool) -> None:
    from ticktrail.sync import ingest

    settings = read_settings(store)
    with ExitStack() as stack:
        sources = open_all(stack, place, settings)
        ledger = stack.enter_context(open_configured_store(settings))
        after_write = stack.enter_context(annotating(settings, ledger, wanted=annotate))
        progress = stack.enter_context(watched())
        for opened in sources:
            report = ingest.sync(opened, ledger, instance=settings.instance, progress=progress, after_write=after_write)
            _print(report, form, verbose=verbose)


def _sync_n8n(store: str | None, form: ReportFormat, *, full: bool, annotate: bool, verbose: bool) -> None:
    from ticktrail.sources.n8n_api.api import BRIEF
    from ticktrail.sync.lease_owner import new_holder

    stop = threading.Event()
    with stopping(stop, signal.SIGTERM), SyncConnections(store, BRIEF) as station, watched() as progress:
        for report in _round(station, stop, progress, holder=new_holder(), full=full, annotate=annotate):
            _print(report, form, verbose=verbose)
    _beat(station.settings)


def sync_loop(
    interval: float,
    store: str | None,
    form: ReportFormat,
    *,
    full: bool,
    annotate: bool,
    verbose: bool,
    alerts: bool,
    stop: threading.Event | None = None,
    noticing: Callable[[Settings], object] | None = None,
) -> None:
    """Sync every so many seconds until a signal asks to stop, or whoever gave ``stop``, and hears signals, sets it.

    Args:
        noticing: is told the settings before each sync: they are read anew each time.

    Raises:
        ConfigurationError: what waiting does not mend.
    """
    from ticktrail.cli import logs
    from ticktrail.cli.commands.alerts import AlertWatch
    from ticktrail.health.silent_faults import Remembered
    from ticktrail.sync.lease_owner import new_holder
    from ticktrail.sync.loop import watch

    station = _station(store)
    # Heard once only: whoever hears them first also sees to it that the end, the dashboard's included, comes in time.
    signals = (signal.SIGTERM, signal.SIGINT) if stop is None else ()
    stop = stop or threading.Event()
    remembered = Remembered()
    first = True
    announced: set[str] = set()
    # One name for all rounds: a lease that could not be given back (the disk was full) is this process's own still.
    holder = new_holder()
    tell = AlertWatch() if alerts else None

    def cycle() -> None:
        nonlocal first
        station.refresh()
        logs.hide_secrets(station.settings)
        if noticing is not None:
            noticing(station.settings)
        _say_once(_watching(station, interval), announced)
        try:
            with nullcontext() if tell is None else tell.after(station.settings, station.ledger):
                reports = _round(station, stop, lambda _: None, holder=holder, full=full and first, annotate=annotate)
                for report in reports:
                    _print_news(report, form, announced, verbose=verbose)
            if not stop.is_set():
                _say_silence(station, interval, remembered)
        except TicktrailError:
            station.close()
            raise
        if not stop.is_set():
            first = False
            _beat(station.settings)

    with stopping(stop, *signals), closing(station):
        watch(cycle, interval=interval, stop=stop, say=say, warn=lambda text: say(text, "warning"))
    say("Stopped. Nothing was lost; the next run continues.")


def _station(store: str | None) -> SyncConnections:
    from ticktrail.sources.n8n_api.http import RetryPolicy

    # The watch itself asks again, with longer and longer pauses: so a signal to stop is heard soon.
    return SyncConnections(store, RetryPolicy(attempts=3, total=15.0, wait_max=4.0, starting=5.0))


def _watching(station: SyncConnections, interval: float) -> str:
    names = ", ".join(station.settings.workflow_ids)
    return f"Watching {names} every {interval:g} s, into {station.ledger.location}. Ctrl-C stops it."


def _say_silence(station: SyncConnections, interval: float, remembered: Remembered) -> None:
    """From time to time, what keeps statuses from coming although nothing failed: each thing once."""
    if remembered.is_time():
        for finding in remembered.news(_silence(station, interval)):
            say(f"{finding.says} {finding.remedy}".rstrip(), "warning")


def _round(
    station: SyncConnections, stop: threading.Event, progress: Progress, *, holder: str, full: bool, annotate: bool
) -> Iterator[SyncReport]:
    """One sync of every workflow of the settings."""
    from ticktrail.sync.incremental import SyncContext
    from ticktrail.sync.lease_owner import is_gone
    from ticktrail.sync.runs import sync_workflows

    settings, ledger = station.settings, station.ledger
    with annotating(settings, ledger, wanted=annotate, everything=full) as after_write:
        caller = SyncContext(
            instance_url=settings.n8n.base_url,
            holder=holder,
            is_gone=is_gone,
            instance=settings.instance,
            progress=progress,
            after_write=after_write,
            should_stop=stop.is_set,
        )
        yield from sync_workflows(station.apis, ledger, caller, full=full)


def _silence(station: SyncConnections, interval: float) -> Iterator[Finding]:
    """What looks like a quiet day and is none."""
    from ticktrail.health.silent_faults import check_sync_interval, look
    from ticktrail.sync.incremental import scope_of

    n8n, now = station.settings.n8n, datetime.now(UTC)
    key = None if n8n.api_key is None else n8n.api_key.reveal()
    yield from look(station.apis, key, page=f"{n8n.editor_url or n8n.base_url}/settings/api", now=now)
    facts = station.ledger.sync_state.facts()
    for name in station.settings.workflow_ids:
        known = facts.get(scope_of(n8n.base_url, name, station.ledger))
        finding = None if known is None else check_sync_interval(known, interval=interval, workflow_id=name, now=now)
        if finding is not None:
            yield finding


def _say_once(text: str, said: set[str]) -> None:
    """Say something that was not said before: outages would have it said at every attempt."""
    if text not in said:
        said.add(text)
        say(text)


def _beat(settings: Settings) -> None:
    if settings.heartbeat_url is None:
        return
    from ticktrail.sync.heartbeat import beat

    problem = beat(settings.heartbeat_url)
    if problem is not None:
        say(problem, "warning")


def _print(report: SyncReport, form: ReportFormat, *, verbose: bool) -> None:
    from ticktrail.output.documents import write_documents
    from ticktrail.output.sync import sync_text
    from ticktrail.sync.results import report_document

    if form is ReportFormat.json:
        write_documents([report_document(report)], "jsonl", sys.stdout)
    else:
        print(*sync_text(report), sep="\n")
    say_problems(report.read_counts, verbose=verbose)


def _print_news(report: SyncReport, form: ReportFormat, announced: set[str], *, verbose: bool) -> None:
    """Report a sync that stored something or met a problem."""
    from ticktrail.output.sync import news_line
    from ticktrail.sync.runs import is_news

    if report.workflow_result is not None and report.workflow_result.busy is not None:
        _say_once("Another sync is at work on the same ledger; the two take turns.", announced)
    if not is_news(report):
        return
    if form is ReportFormat.json:
        _print(report, form, verbose=verbose)
    else:
        say(news_line(report))
        say_problems(report.read_counts, verbose=verbose)
    sys.stdout.flush()
