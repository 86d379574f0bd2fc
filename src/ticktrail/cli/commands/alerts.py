"""The commands that say what needs you, and tell others: ``alerts`` and ``report``."""

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

from ticktrail.cli.options import ReportFormat, ReportOption, StoreOption, existing_ledger, read_settings, say
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
    notify: Annotated[
        bool, typer.Option("--notify", help="Tell the channels in ticktrail.toml what they have not heard yet.")
    ] = False,
    test: Annotated[bool, typer.Option("--test", help="Send a test to every channel, and nothing else.")] = False,
    ack: Annotated[
        str | None,
        typer.Option("--ack", metavar="KEY", help="You know of this one: it counts no more until it is over."),
    ] = None,
    unack: Annotated[
        str | None, typer.Option("--unack", metavar="KEY", help="Take that back: it counts again.")
    ] = None,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help="With --ack: what others should know.")
    ] = None,
    store: StoreOption = None,
    form: ReportOption = ReportFormat.text,
) -> None:
    """What needs you now: failures by cause, messages that hang, silence, late syncs, gaps, an expiring key.

    Exit code 0: nothing needs you; 4: something does.
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
        _take_back(settings, unack)
    else:
        _show(settings, own, form, notify=notify)


@app.command()
def report(
    *,
    period: Annotated[
        Literal["day", "week"], typer.Option("--period", help="Yesterday, or the seven days before today.")
    ] = "day",
    notify: Annotated[bool, typer.Option("--notify", help="Send it to the channels in ticktrail.toml.")] = False,
    store: StoreOption = None,
    form: ReportOption = ReportFormat.text,
) -> None:
    """Yesterday, or the last seven days, in ten lines."""
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
    asked = period_of(period, now, settings.timezone)
    with existing_ledger(settings) as ledger:
        found = read_report(settings, own, ledger, asked, now)
    lines = report_lines(found, own.user_file.failure_codes)
    document = daily_report_document(found, lines)
    if form is ReportFormat.json:
        print(to_json(document, indent=2))
    else:
        write_lines(f"{asked.title} ({settings.timezone.key})", lines, sys.stdout)
    if notify:
        label = f"[{settings.instance}] " if settings.instance else ""
        results = send_report(own, f"{label}{asked.title}", lines, document, f"report-{period}-{asked.since}")
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
    with existing_ledger(settings) as ledger:
        if notify:
            result = notify_channels(settings, ledger, now, os.environ)
            found, delivery = result.found, result.delivery
        else:
            found = find_alerts(settings, own, ledger, now)
        remembered = ledger.alert_state.all()
        location = ledger.location
    if form is ReportFormat.json:
        document = alerts_document(found.alerts, remembered, location, settings.timezone, checked=found.checked)
        print(to_json(document, indent=2))
    else:
        write_alerts(found, remembered, now=now, zone=settings.timezone, stream=sys.stdout)
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
    if delivery.told:
        names = ", ".join(dict.fromkeys(name for name, _ in delivery.told))
        say(f"{plural(len(delivery.told), 'notice')} sent ({names})")
    if delivery.held:
        say(f"{plural(delivery.held, 'notice')} held until quiet hours end")


class AlertWatch:
    """Checks alerts after a cycle of a watch, at most once a minute: after a failed one too, for that is worth one.

    What it finds goes to the channels; a channel that does not answer keeps no sync from being made.
    """

    def __init__(self) -> None:
        self._checked = float("-inf")
        self._problems: frozenset[str] = frozenset()

    @contextmanager
    def after(self, settings: Settings, ledger: Store) -> Iterator[None]:
        """Check after what is done in the context. An error of that goes on, whatever the check comes to."""
        try:
            yield
        except ConfigurationError:
            raise
        except TicktrailError:
            with suppress(TicktrailError):  # the store may be what failed
                self._check(settings, ledger)
            raise
        self._check(settings, ledger)

    def _check(self, settings: Settings, ledger: Store) -> None:
        """Check, unless it was done a moment ago. Troubles with channels are said once."""
        from ticktrail.alerts.service import notify
        from ticktrail.alerts.settings import read_alert_settings

        if time.monotonic() - self._checked < _CHECK_SECONDS:
            return
        self._checked = time.monotonic()
        _need_channels(read_alert_settings(settings, os.environ), settings)
        if not ledger.exists():
            return
        delivery = notify(settings, ledger, datetime.now(UTC), os.environ).delivery
        new = tuple(problem for problem in delivery.problems if problem not in self._problems)
        self._problems = frozenset(delivery.problems)
        say_delivery(msgspec.structs.replace(delivery, problems=new, held=0, busy=False))


def _test(own: AlertSettings) -> None:
    from ticktrail.alerts.service import send_test

    if not _say_results(send_test(own, datetime.now(UTC)), "reached"):
        raise typer.Exit(1)


def _say_results(results: list[tuple[str, str | None]], word: str) -> bool:
    """Say what became of each channel. Returns whether all are well."""
    for name, problem in results:
        say(f"{word} {name}" if problem is None else f"not {word} {name}: {problem}")
    return all(problem is None for _, problem in results)


def _acknowledge(settings: Settings, own: AlertSettings, key: str, note: str | None) -> None:
    from ticktrail.alerts.service import acknowledge

    with existing_ledger(settings) as ledger:
        alert = acknowledge(settings, own, ledger, key, datetime.now(UTC), note=note)
    say(f"Acknowledged until resolved: {alert.title}")


def _take_back(settings: Settings, key: str) -> None:
    with existing_ledger(settings) as ledger:
        if not ledger.alert_state.take_back(key):
            raise NotFoundError(
                f"No alert with the key {key[:80]!a} is acknowledged.",
                remedy="List the alerts with their state: ticktrail alerts --format json",
            )
    say("No longer acknowledged.")


def _need_channels(own: AlertSettings, settings: Settings) -> None:
    if own.channels:
        return
    file = settings.config_file or settings.directory / "ticktrail.toml"
    raise ConfigurationError(
        f"There is no channel to tell in {file}.",
        remedy='Write [[channels]] and below it webhook = "https://…", or url = "slack://…" for Apprise.',
    )
