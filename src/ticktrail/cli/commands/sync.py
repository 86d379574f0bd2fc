"""The command ``sync``, and the loop that ``sync --watch`` and ``run`` share."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.connections import SyncConnections
from ticktrail.cli.options import (
    WATCH_SECONDS,
    AnnotateOption,
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
    showing_progress,
)
from ticktrail.cli.signals import stopping
from ticktrail.errors import ConfigurationError, NotFoundError, TicktrailError

if TYPE_CHECKING:
    from ticktrail.cli.commands.alerts import AlertWatch
    from ticktrail.health.checks import Finding
    from ticktrail.health.silent_faults import NewFindings
    from ticktrail.settings.settings import Settings
    from ticktrail.stores import Store
    from ticktrail.sync.results import Progress, SyncReport

app = typer.Typer()

_SHORTEST_INTERVAL = 1.0
_LONGEST_INTERVAL = 86_400.0


@app.command()
def sync(
    source: SourceOption = "n8n",
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Read the whole execution list, and everything pending or withheld again")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Preview the changes, and write nothing")] = False,
    watch: Annotated[
        float | None,
        typer.Option("--watch", metavar="[SECONDS]", help=f"Repeat at this interval (default {WATCH_SECONDS})"),
    ] = None,
    annotate: AnnotateOption = False,
    alerts: Annotated[
        bool, typer.Option("--alerts", help="With --watch: send new alerts to the channels in ticktrail.toml")
    ] = False,
    store: StoreOption = None,
    form: ReportOption = ReportFormat.text,
    verbose: VerboseOption = False,
    log_format: LogFormatOption = LogFormat.text,
) -> None:
    """Bring the store up to date with n8n.

    Example: ticktrail sync --watch 60
    """
    _refuse_contradictions(source, full=full, dry_run=dry_run, watch=watch, annotate=annotate, alerts=alerts)
    if watch is not None:
        from ticktrail.cli import logs
        from ticktrail.cli.commands.alerts import AlertWatch, require_channels

        logs.configure(log_format)
        sync_loop(
            watch,
            store,
            form,
            full=full,
            annotate=annotate,
            verbose=verbose,
            alert_watch=AlertWatch() if alerts else None,
            before_sync=require_channels if alerts else lambda _: None,
        )
    elif dry_run:
        _preview(source, store, form, verbose=verbose)
    elif source == "n8n":
        _sync_n8n(store, form, full=full, annotate=annotate, verbose=verbose)
    else:
        _import(source, store, form, annotate=annotate, verbose=verbose)


def _refuse_contradictions(
    source: str, *, full: bool, dry_run: bool, watch: float | None, annotate: bool, alerts: bool
) -> None:
    if source != "n8n" and (full or watch is not None):
        raise ConfigurationError("--full and --watch are for n8n: an export is always read completely.")
    if dry_run and annotate:
        raise ConfigurationError("--dry-run and --annotate-conversations exclude each other.")
    if alerts and watch is None:
        raise ConfigurationError("--alerts goes with --watch.", remedy="Type: ticktrail alerts --notify")
    if dry_run and watch is not None:
        raise ConfigurationError("--dry-run and --watch exclude each other.")
    if watch is not None and not _SHORTEST_INTERVAL <= watch <= _LONGEST_INTERVAL:
        raise ConfigurationError(
            "--watch takes the seconds between two syncs, 1 to 86400.", remedy="Type: ticktrail sync --watch 20"
        )


def _preview(place: str, store_url: str | None, form: ReportFormat, *, verbose: bool) -> None:
    from ticktrail.output import sync as reports
    from ticktrail.output.documents import write_documents
    from ticktrail.sync.preview import preview

    settings = read_settings(store_url)
    with ExitStack() as stack:
        sources = open_all(stack, place, settings)
        store = stack.enter_context(open_configured_store(settings))
        progress = stack.enter_context(showing_progress())
        for source in sources:
            planned = preview(source, store, instance=settings.instance, progress=progress)
            if form is ReportFormat.json:
                write_documents([reports.preview_document(planned)], "jsonl", sys.stdout)
            else:
                print(*reports.preview_text(planned, sys.stdout), sep="\n")
            say_problems(planned.read_counts, verbose=verbose)


def _import(place: str, store_url: str | None, form: ReportFormat, *, annotate: bool, verbose: bool) -> None:
    from ticktrail.sync import ingest

    settings = read_settings(store_url)
    with ExitStack() as stack:
        sources = open_all(stack, place, settings)
        store = stack.enter_context(open_configured_store(settings))
        after_write = stack.enter_context(annotating(settings, store, wanted=annotate))
        progress = stack.enter_context(showing_progress())
        for source in sources:
            report = ingest.sync(source, store, instance=settings.instance, progress=progress, after_write=after_write)
            counts = report.read_counts
            if counts.executions == counts.withheld["unreadable"]:
                say_problems(counts, verbose=verbose)
                raise NotFoundError(
                    f"Nothing in {report.source} could be read as an execution of n8n.",
                    remedy="--from takes executions as n8n returns them: JSON or JSON Lines. Add -v to see each fault.",
                )
            _print(report, form, verbose=verbose)
            _fail_if_refused([report])


def _sync_n8n(store_url: str | None, form: ReportFormat, *, full: bool, annotate: bool, verbose: bool) -> None:
    from ticktrail.sources.n8n_api.api import BRIEF
    from ticktrail.sync.lease_owner import new_holder

    stop = threading.Event()
    reports: list[SyncReport] = []
    with stopping(stop, signal.SIGTERM), SyncConnections(store_url, BRIEF) as connections:
        with showing_progress() as progress:
            for report in _sync_once(connections, stop, progress, holder=new_holder(), full=full, annotate=annotate):
                _print(report, form, verbose=verbose)
                reports.append(report)
        if form is ReportFormat.text:
            _print_summary(reports, connections.store)
    _send_heartbeat(connections.settings)
    _fail_if_refused(reports)


def _print_summary(reports: Sequence[SyncReport], store: Store) -> None:
    """Print the total of several workflows, and what to do when no status has been found yet."""
    from ticktrail.messages.filters import MessageFilter
    from ticktrail.output.sync import total_line

    if len(reports) > 1:
        print(total_line(reports))
    # Statuses that the store left out (erased people, retention) were found.
    found = any(report.read_counts.with_statuses for report in reports)
    if reports and not found and next(store.messages(MessageFilter(limit=1)), None) is None:
        say("No message status has been found yet. Type: ticktrail doctor")
        say("It checks that the workflow is active, receives statuses, and that n8n saves its executions.")


def _fail_if_refused(reports: Sequence[SyncReport]) -> None:
    """Exit with code 1 when the store refused a message: everything else is stored."""
    if any(report.written.refused for report in reports):
        raise typer.Exit(1)


def sync_loop(
    interval: float,
    store_url: str | None,
    form: ReportFormat,
    *,
    full: bool,
    annotate: bool,
    verbose: bool,
    alert_watch: AlertWatch | None = None,
    stop: threading.Event | None = None,
    before_sync: Callable[[Settings], object] = lambda _: None,
) -> None:
    """Sync every ``interval`` seconds until SIGTERM or SIGINT, or until the caller sets ``stop``.

    Args:
        alert_watch: checks alerts after each round.
        stop: set by a caller that handles the signals itself.
        before_sync: called before each sync with the settings, which are read again each time.

    Raises:
        ConfigurationError: a setting is missing or malformed, which waiting does not fix.
    """
    from ticktrail.cli import logs
    from ticktrail.health.silent_faults import NewFindings
    from ticktrail.sync.lease_owner import new_holder
    from ticktrail.sync.loop import watch

    connections = _patient_connections(store_url)
    # A caller with its own ``stop`` handles the signals, and makes sure that everything ends in time.
    signals = (signal.SIGTERM, signal.SIGINT) if stop is None else ()
    stop = stop or threading.Event()
    new_findings = NewFindings()
    is_first = True
    printed: set[str] = set()
    # The same holder for all rounds, so that a lease that could not be released (the disk was full) stays usable.
    sync_once = partial(_sync_once, connections, stop, lambda _: None, holder=new_holder(), annotate=annotate)

    def cycle() -> None:
        nonlocal is_first
        connections.refresh()
        logs.hide_secrets(connections.settings)
        before_sync(connections.settings)
        _say_once(_watching(connections, interval), printed)
        try:
            with nullcontext() if alert_watch is None else alert_watch.after(connections.settings, connections.store):
                for report in sync_once(full=full and is_first):
                    _print_news(report, form, printed, verbose=verbose)
            if not stop.is_set():
                _say_silent_faults(connections, interval, new_findings)
        except TicktrailError:
            connections.close()
            raise
        if not stop.is_set():
            is_first = False
            _send_heartbeat(connections.settings)

    with stopping(stop, *signals), closing(connections):
        watch(cycle, interval=interval, stop=stop, say=say, warn=lambda text: say(text, "warning"))
    say("Stopped. Nothing was lost; the next run continues.")


def _patient_connections(store_url: str | None) -> SyncConnections:
    from ticktrail.sources.n8n_api.http import RetryPolicy

    # Short, because the loop itself retries with longer and longer pauses, in which a signal to stop is handled.
    return SyncConnections(store_url, RetryPolicy(attempts=3, total=15.0, wait_max=4.0, starting=5.0))


def _watching(connections: SyncConnections, interval: float) -> str:
    names = ", ".join(connections.settings.workflow_ids)
    return f"Watching {names} every {interval:g} s, into {connections.store.location}. Ctrl-C stops it."


def _say_silent_faults(connections: SyncConnections, interval: float, new_findings: NewFindings) -> None:
    """Print, now and then and each only once, what keeps statuses from arriving although nothing failed."""
    if new_findings.is_time():
        for finding in new_findings.new(_silent_faults(connections, interval)):
            say(f"{finding.says} {finding.remedy}".rstrip(), "warning")


def _sync_once(
    connections: SyncConnections,
    stop: threading.Event,
    progress: Progress,
    *,
    holder: str,
    full: bool,
    annotate: bool,
) -> Iterator[SyncReport]:
    """Sync every workflow of the settings once."""
    from ticktrail.sync.context import SyncContext
    from ticktrail.sync.lease_owner import is_gone
    from ticktrail.sync.runs import sync_workflows

    settings, store = connections.settings, connections.store
    with annotating(settings, store, wanted=annotate, everything=full) as after_write:
        context = SyncContext(
            instance_url=settings.n8n.instance_url,
            holder=holder,
            is_gone=is_gone,
            instance=settings.instance,
            progress=progress,
            after_write=after_write,
            should_stop=stop.is_set,
        )
        yield from sync_workflows(connections.apis, store, context, full=full)


def _silent_faults(connections: SyncConnections, interval: float) -> Iterator[Finding]:
    """Find what looks like a quiet day although statuses are missed."""
    from ticktrail.health.silent_faults import check_sync_interval, find_silent_faults
    from ticktrail.sync.incremental import scope_of

    n8n, now = connections.settings.n8n, datetime.now(UTC)
    key = None if n8n.api_key is None else n8n.api_key.reveal()
    yield from find_silent_faults(
        connections.apis,
        key,
        page=f"{n8n.editor_url or n8n.base_url}/settings/api",
        now=now,
        needs_statuses=not connections.settings.receiver.keeps_statuses,
    )
    facts = connections.store.sync_state.facts()
    for workflow_id in connections.settings.workflow_ids:
        workflow = facts.get(scope_of(n8n.instance_url, workflow_id, connections.store))
        if workflow is not None:
            finding = check_sync_interval(workflow, interval=interval, workflow_id=workflow_id, now=now)
            if finding is not None:
                yield finding


def _say_once(text: str, printed: set[str]) -> None:
    """Print what was not printed before: an outage would repeat it at every attempt."""
    if text not in printed:
        printed.add(text)
        say(text)


def _send_heartbeat(settings: Settings) -> None:
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


def _print_news(report: SyncReport, form: ReportFormat, printed: set[str], *, verbose: bool) -> None:
    """Print a line about a round of the loop, when something happened."""
    from ticktrail.output.sync import news_line
    from ticktrail.sync.runs import is_news

    if report.workflow_result is not None and report.workflow_result.busy is not None:
        _say_once("Another sync is running on the same store; the two take turns.", printed)
    if not is_news(report):
        return
    if form is ReportFormat.json:
        _print(report, form, verbose=verbose)
    else:
        say(news_line(report))
        say_problems(report.read_counts, verbose=verbose)
    sys.stdout.flush()
