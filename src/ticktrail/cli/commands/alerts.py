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
    from ticktrail.alerts.daily_report import Period, Summary
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
    own = read_alert_settings(settings.config_file, os.environ)
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
    from ticktrail.alerts.daily_report import lines_of, period_of, summary_document
    from ticktrail.alerts.service import send_report
    from ticktrail.alerts.settings import read_alert_settings
    from ticktrail.output.alerts import write_lines
    from ticktrail.output.documents import to_json

    settings = read_settings(store)
    own = read_alert_settings(settings.config_file, os.environ)
    if notify:
        _need_channels(own, settings)
    now = datetime.now(UTC)
    asked = period_of(period, now, settings.timezone)
    with existing_ledger(settings) as ledger:
        found = _summary(settings, own, ledger, asked, now)
    lines = lines_of(found, own.catalogue)
    document = summary_document(found, lines)
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
    from ticktrail.alerts.notifications import needing
    from ticktrail.alerts.service import check_alerts, find_alerts
    from ticktrail.output.alerts import write_alerts
    from ticktrail.output.documents import to_json

    now = datetime.now(UTC)
    telling = None
    with existing_ledger(settings) as ledger:
        if notify:
            checked = check_alerts(settings, ledger, now, os.environ)
            found, telling = list(checked.alerts), checked.telling
        else:
            found = find_alerts(settings, own, ledger, now)
        remembered = ledger.alert_state.all()
        location = ledger.location
    if form is ReportFormat.json:
        print(to_json(alerts_document(found, remembered, location, settings.timezone), indent=2))
    else:
        write_alerts(found, remembered, now=now, zone=settings.timezone, stream=sys.stdout)
    if telling is not None:
        say_telling(telling)
    if needing(found, remembered):
        raise typer.Exit(4)
    if telling is not None and telling.problems:
        raise typer.Exit(1)


def say_telling(telling: DeliveryReport) -> None:
    """What became of notices, on stderr."""
    from ticktrail.text.formatting import plural

    if telling.busy:
        say("Another run is telling the channels just now: left it to that one.")
    for problem in telling.problems:
        say(f"{problem} The next run tries again.")
    if telling.told:
        names = ", ".join(dict.fromkeys(name for name, _ in telling.told))
        say(f"{plural(len(telling.told), 'notice')} sent ({names})")
    if telling.held:
        say(f"{plural(telling.held, 'notice')} held back until quiet hours are over")


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
        from ticktrail.alerts.service import check_alerts
        from ticktrail.alerts.settings import read_alert_settings

        if time.monotonic() - self._checked < _CHECK_SECONDS:
            return
        self._checked = time.monotonic()
        _need_channels(read_alert_settings(settings.config_file, os.environ), settings)
        if not ledger.exists():
            return
        telling = check_alerts(settings, ledger, datetime.now(UTC), os.environ).telling
        new = tuple(problem for problem in telling.problems if problem not in self._problems)
        self._problems = frozenset(telling.problems)
        say_telling(msgspec.structs.replace(telling, problems=new, held=0, busy=False))


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
    say(f"Known: {alert.title}. It counts no more until it is over.")


def _take_back(settings: Settings, key: str) -> None:
    with existing_ledger(settings) as ledger:
        if not ledger.alert_state.take_back(key):
            raise NotFoundError(
                f"No alert with the key {key[:80]!a} is acknowledged.",
                remedy="Type: ticktrail alerts --format json, which says what is.",
            )
    say("Taken back: it counts again.")


def _need_channels(own: AlertSettings, settings: Settings) -> None:
    if own.channels:
        return
    file = settings.config_file or settings.directory / "ticktrail.toml"
    raise ConfigurationError(
        f"There is no channel to tell in {file}.",
        remedy='Write [[channels]] and below it webhook = "https://…", or url = "slack://…" for Apprise.',
    )


def _summary(settings: Settings, own: AlertSettings, ledger: Store, asked: Period, now: datetime) -> Summary:
    from ticktrail.alerts.daily_report import Summary, week_before
    from ticktrail.alerts.facts import workflows
    from ticktrail.alerts.notifications import needing
    from ticktrail.alerts.service import find_alerts
    from ticktrail.messages.counts import DAY_SECONDS
    from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
    from ticktrail.queries.completeness import statuses_never_passed

    young_since = int(now.timestamp()) - DAY_SECONDS
    wanted, earlier = (
        MessageFilter(since_timestamp=one.since, until_timestamp=one.until) for one in (asked, week_before(asked))
    )
    (totals,), (before,) = (
        list(ledger.statistics(one, young_since=young_since, details=True)) for one in (wanted, earlier)
    )
    refused = ledger.send_causes(SendFilter(since_timestamp=asked.since, until_timestamp=asked.until))
    return Summary(
        period=asked,
        now=now,
        counts=totals.counts,
        before=before.counts,
        never=statuses_never_passed(ledger, totals.counts, wanted),
        errors=list(ledger.statistics(wanted, Grouping.ERROR, young_since=young_since)),
        refused=list(refused),
        workflows=workflows(ledger, settings),
        needing=needing(find_alerts(settings, own, ledger, now), ledger.alert_state.all()),
    )
