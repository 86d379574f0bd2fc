"""The command that receives Meta's webhooks directly, and shows or replays what its journal holds."""

from __future__ import annotations

import signal
import socket
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.invocation import as_typed
from ticktrail.cli.options import (
    LogFormat,
    LogFormatOption,
    ReportFormat,
    ReportOption,
    StoreOption,
    open_configured_store,
    read_settings,
    say,
)
from ticktrail.cli.signals import stopping
from ticktrail.errors import ConfigurationError, NotFoundError
from ticktrail.settings.optional_packages import install_command
from ticktrail.text.formatting import date_time, plural

if TYPE_CHECKING:
    from ticktrail.receiver.service import Receiver
    from ticktrail.settings.settings import Settings
    from ticktrail.stores.journal import Journal, JournalState

app = typer.Typer()

_MOST_LISTED = 20
_WAKE_SECONDS = 1.0


@app.command()
def receive(
    *,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on (default 127.0.0.1)")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", min=1, max=65_535, help="Port to listen on (default 8788)"),
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Show what the journal holds, then exit")] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Try again what could not be stored or forwarded, then exit")
    ] = False,
    form: ReportOption = ReportFormat.text,
    store: StoreOption = None,
    log_format: LogFormatOption = LogFormat.text,
) -> None:
    """Receive Meta's webhooks directly."""
    settings = read_settings(store)
    if status or replay:
        with _existing_journal(settings) as journal:
            if replay:
                say(f"{plural(journal.replay(time.time()), 'webhook')} will be tried again by ticktrail receive.")
            if status:
                _print_state(journal, settings, form)
        return
    from ticktrail.cli import logs

    logs.configure(log_format)
    logs.hide_secrets(settings)
    stop = threading.Event()
    with stopping(stop, signal.SIGTERM, signal.SIGINT), ExitStack() as stack:
        receiver = stack.enter_context(open_receiver(settings, host, port, ended=stop))
        # Not without a timeout: a signal that comes just before the thread sleeps does not wake it.
        while not stop.wait(_WAKE_SECONDS):
            pass
        receiver.refuse_dead()
    say("Stopped. What waits stays in the journal.")


def open_receiver(
    settings: Settings, host: str | None = None, port: int | None = None, *, ended: threading.Event
) -> Receiver:
    """The receiver of the settings, with its address bound and announced; ``with`` starts it.

    Raises:
        ConfigurationError: no app secret is set, a package is missing, or the address cannot be used.
    """
    chosen = settings.receiver
    if not chosen.app_secrets:
        raise ConfigurationError(
            "WHATSAPP_APP_SECRET is not set, so no webhook could be checked.",
            remedy="Copy the app secret from the Meta app (App settings > Basic) into .env.",
        )
    try:
        from ticktrail.receiver.service import Receiver
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "ticktrail":
            raise
        raise ConfigurationError(
            f"The receiver needs the package {error.name}, which is not installed.",
            remedy=f"Type: {install_command('dashboard')}",
        ) from error
    address = (host or chosen.host, port or chosen.port)
    try:
        listening = socket.create_server(address, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"The receiver cannot listen on {address[0]} port {address[1]}: {error.strerror or error}.",
            remedy="Choose another --port, or stop what uses this one.",
        ) from error
    say(f"Receiving webhooks on http://{address[0]}:{address[1]} (Ctrl-C stops it). Journal: {chosen.journal}")
    if chosen.forward_url is None:
        say("TICKTRAIL_FORWARD_URL is not set: webhooks other than statuses are answered and dropped.")
    return Receiver(settings, listening, open_store=lambda: open_configured_store(settings), ended=ended)


def _existing_journal(settings: Settings) -> Journal:
    from ticktrail.stores.journal import Journal

    path = settings.receiver.journal
    if not path.is_file():
        raise NotFoundError(f"There is no journal at {path} yet.", remedy="Type: ticktrail receive")
    return Journal(path)


def _print_state(journal: Journal, settings: Settings, form: ReportFormat) -> None:
    from ticktrail.output.documents import to_json

    state = journal.state()
    if form is ReportFormat.json:
        print(to_json(_document(state, journal)))
        return
    print(f"Journal {settings.receiver.journal}")
    print(f"  {state.to_store:,} to store, {state.to_forward:,} to forward, {state.failed:,} failed")
    if state.oldest_at is not None:
        waiting = datetime.fromtimestamp(state.oldest_at, settings.timezone)
        print(f"  Oldest waiting: received {waiting:%Y-%m-%d %H:%M:%S}")
    for reason, number in state.reasons:
        print(f"  {number:,}: {reason}")
    for number, received_at, path, attempts, reason in journal.failed(_MOST_LISTED):
        at = date_time(datetime.fromtimestamp(received_at, settings.timezone))
        tried = plural(attempts, "attempt")
        print(f"  Failed #{number}, received {at}, {path.partition('?')[0]}, {tried}: {reason}")
    counts = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in sorted(state.counts.items()))
    print(f"  Since the journal exists: {counts or 'nothing'}")
    if state.failed:
        print(as_typed("Try failed webhooks again: ticktrail receive --replay"))


def _document(state: JournalState, journal: Journal) -> dict[str, object]:
    oldest = None if state.oldest_at is None else datetime.fromtimestamp(state.oldest_at, UTC)
    return {
        "toStore": state.to_store,
        "toForward": state.to_forward,
        "failed": state.failed,
        "oldestWaitingAt": oldest,
        "reasons": dict(state.reasons),
        "counts": state.counts,
        "failedWebhooks": [
            {
                "id": number,
                "receivedAt": datetime.fromtimestamp(received_at, UTC),
                "path": path.partition("?")[0],
                "attempts": attempts,
                "reason": reason,
            }
            for number, received_at, path, attempts, reason in journal.failed(_MOST_LISTED)
        ],
    }
