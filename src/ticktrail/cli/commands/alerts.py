"""The commands ``alerts`` and ``report``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from ticktrail.cli.invocation import as_typed
from ticktrail.cli.options import ReportFormat, ReportOption, StoreOption, existing_store, read_settings, say
from ticktrail.errors import ConfigurationError, NotFoundError, TicktrailError

if TYPE_CHECKING:
    from ticktrail.alerts.notifications import DeliveryReport
    from ticktrail.alerts.settings import AlertSettings
    from ticktrail.settings.settings import Settings
    from ticktrail.stores import Store

app = typer.Typer()

_CHECK_SECONDS = 60.0


@app.command()
def alerts(
    *,
    notify: Annotated[bool, typer.Option("--notify", help="Send new alerts to the channels in ticktrail.toml")] = False,
    test: Annotated[bool, typer.Option("--test", help="Send a test message to every channel")] = False,
    ack: Annotated[
        str | None,
        typer.Option("--ack", metavar="KEY", help="Acknowledge an alert until it is resolved"),
    ] = None,
    unack: Annotated[
        str | None, typer.Option("--unack", metavar="KEY", help="Undo the acknowledgement of an alert")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Note for others, with --ack")] = None,
    store: StoreOption = None,
    form: ReportOption = ReportFormat.text,
) -> None:
    """List open alerts, one per cause.

    Failures, stuck messages, silence, late syncs, gaps, an expiring key. Exit code 0: no open alerts; 4: open alerts.

    Example: ticktrail alerts --ack 131042 --note "Sara pays today"
    """
    from ticktrail.alerts.settings import read_alert_settings

    if sum((test, notify, ack is not None, unack is not None)) > 1:
        raise ConfigurationError("--test, --notify, --ack and --unack exclude each other.", remedy="Give one of them.")
    if note is not None and ack is None:
        raise ConfigurationError("--note goes with --ack KEY.", remedy="Type: ticktrail alerts --ack KEY --note TEXT")
    settings = read_settings(store)
    own = read_alert_settings(settings, os.environ)
    if test or notify:
        _need_channels(own, settings)
    if test:
        _test(own)
    elif ack is not None:
        _acknowledge(settings, own, ack, note)
    elif unack is not None:
        _unacknowledge(settings, unack)
    else:
        _show(settings, own, form, notify=notify)


@app.command()
def report(
    *,
    period: Annotated[
        Literal["day", "week"], typer.Option("--period", help="Yesterday, or the last seven days")
    ] = "day",
    notify: Annotated[bool, typer.Option("--notify", help="Send it to the channels in ticktrail.toml")] = False,
    store: StoreOption = None,
    form: ReportOption = ReportFormat.text,
) -> None:
    """Show yesterday or the last week in ten lines.

    Example: ticktrail report --period week --notify
    """
    from ticktrail.alerts.daily_report import daily_report_document, period_of, read_report, report_lines
    from ticktrail.alerts.service import send_report
    from ticktrail.alerts.settings import read_alert_settings
    from ticktrail.output.alerts import write_lines
    from ticktrail.output.documents import to_json

    settings = read_settings(store)
    own = read_alert_settings(settings, os.environ)
    if notify:
        _need_channels(own, settings)
    now = datetime.now(UTC)
    chosen = period_of(period, now, settings.timezone)
    with existing_store(settings) as opened:
        found = read_report(settings, own, opened, chosen, now)
    lines = report_lines(found, own.user_file.failure_codes)
    document = daily_report_document(found, lines)
    if form is ReportFormat.json:
        print(to_json(document, indent=2))
    else:
        write_lines(f"{chosen.title} ({settings.timezone.key})", lines, sys.stdout)
    if notify:
        label = f"[{settings.instance}] " if settings.instance else ""
        results = send_report(own, f"{label}{chosen.title}", lines, document, f"report-{period}-{chosen.since}")
        if not _say_results(results, "sent to"):
            raise typer.Exit(1)


def _show(settings: Settings, own: AlertSettings, form: ReportFormat, *, notify: bool) -> None:
    from ticktrail.alerts.documents import alerts_document
    from ticktrail.alerts.notifications import unacknowledged
    from ticktrail.alerts.service import find_alerts
    from ticktrail.alerts.service import notify as notify_channels
    from ticktrail.output.alerts import write_alerts
    from ticktrail.output.documents import to_json

    now = datetime.now(UTC)
    delivery = None
    with existing_store(settings) as opened:
        if notify:
            result = notify_channels(settings, opened, now, os.environ)
            found, delivery = result.found, result.delivery
        else:
            found = find_alerts(settings, own, opened, now)
        remembered = opened.alert_state.all()
        location = opened.location
    if form is ReportFormat.json:
        document = alerts_document(found.alerts, remembered, location, settings.timezone, checked=found.checked)
        print(to_json(document, indent=2))
    else:
        write_alerts(found, remembered, now=now, zone=settings.timezone, stream=sys.stdout, as_typed=as_typed)
    if delivery is not None:
        say_delivery(delivery)
    if unacknowledged(found.alerts, remembered):
        raise typer.Exit(4)
    if delivery is not None and delivery.problems:
        raise typer.Exit(1)


def say_delivery(delivery: DeliveryReport) -> None:
    """Say on stderr which channels were notified."""
    from ticktrail.text.formatting import plural

    if delivery.busy:
        say("Another process is sending notices now, so this one did not.")
    for problem in delivery.problems:
        say(f"{problem} The next run retries.", "warning")
    if delivery.sent:
        names = ", ".join(dict.fromkeys(name for name, _ in delivery.sent))
        say(f"{plural(len(delivery.sent), 'notice')} sent ({names})")
    if delivery.held:
        say(f"{plural(delivery.held, 'notice')} held until quiet hours end")


class AlertWatch:
    """Checks alerts after each round of a sync loop, at most once a minute, and notifies the channels.

    Failed rounds are checked too. A channel that does not answer does not delay the syncs.
    Without channels, alerts are only remembered, for the dashboard.
    """

    def __init__(self) -> None:
        self._checked = float("-inf")
        self._problems: frozenset[str] = frozenset()

    @contextmanager
    def after(self, settings: Settings, store: Store) -> Iterator[None]:
        """Check alerts after the body of the context; an error of the body is raised after the check."""
        try:
            yield
        except ConfigurationError:
            raise
        except TicktrailError:
            with suppress(TicktrailError):  # the store itself may have failed
                self._check(settings, store)
            raise
        self._check(settings, store)

    def _check(self, settings: Settings, store: Store) -> None:
        """Check, unless it was done a moment ago. Troubles with channels are said once."""
        from ticktrail.alerts.service import notify

        if time.monotonic() - self._checked < _CHECK_SECONDS:
            return
        self._checked = time.monotonic()
        if not store.exists():
            return
        delivery = notify(settings, store, datetime.now(UTC), os.environ).delivery
        new = tuple(problem for problem in delivery.problems if problem not in self._problems)
        self._problems = frozenset(delivery.problems)
        say_delivery(msgspec.structs.replace(delivery, problems=new, held=0, busy=False))


def _test(own: AlertSettings) -> None:
    from ticktrail.alerts.service import send_test

    if not _say_results(send_test(own, datetime.now(UTC)), "reached"):
        raise typer.Exit(1)


def _say_results(results: list[tuple[str, str | None]], word: str) -> bool:
    """Print the result for each channel, and return True when all succeeded."""
    for name, problem in results:
        say(f"{word} {name}" if problem is None else f"not {word} {name}: {problem}")
    return all(problem is None for _, problem in results)


def _acknowledge(settings: Settings, own: AlertSettings, key: str, note: str | None) -> None:
    from ticktrail.alerts.service import acknowledge

    with existing_store(settings) as opened:
        alert = acknowledge(settings, own, opened, key, datetime.now(UTC), note=note)
    say(f"Acknowledged until resolved: {alert.title}")


def _unacknowledge(settings: Settings, key: str) -> None:
    with existing_store(settings) as opened:
        if not opened.alert_state.unacknowledge(key):
            raise NotFoundError(
                f"No alert with the key {key[:80]!a} is acknowledged.",
                remedy="List the alerts with their state: ticktrail alerts --format json",
            )
    say("No longer acknowledged.")


def require_channels(settings: Settings) -> None:
    """Check that there is a channel to notify.

    Raises:
        ConfigurationError: there is none, or ``ticktrail.toml`` is malformed.
    """
    from ticktrail.alerts.settings import read_alert_settings

    _need_channels(read_alert_settings(settings, os.environ), settings)


def _need_channels(own: AlertSettings, settings: Settings) -> None:
    if own.channels:
        return
    file = settings.config_file or settings.directory / "ticktrail.toml"
    raise ConfigurationError(
        f"No channel is configured in {file}.",
        remedy='Add [[channels]] and below it webhook = "https://…", or url = "slack://…" for Apprise.',
    )
