"""Commands that serve: the dashboard alone, or all in one process."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.commands.sync import sync_loop
from ticktrail.cli.options import (
    WATCH_SECONDS,
    LogFormat,
    LogFormatOption,
    ReportFormat,
    StoreOption,
    VerboseOption,
    open_configured_store,
    read_settings,
    say,
)
from ticktrail.cli.signals import stopping
from ticktrail.errors import ConfigurationError, RetriableError
from ticktrail.settings.optional_packages import install_command

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from ticktrail.settings.settings import Settings

app = typer.Typer()

HostOption = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; beyond this machine it takes a token.")
]
PortOption = Annotated[int, typer.Option("--port", metavar="PORT", min=1, max=65_535, help="The port to listen on.")]

_HOST = "127.0.0.1"
_PORT = 8765


@app.command()
def serve(
    host: HostOption = _HOST,
    port: PortOption = _PORT,
    store: StoreOption = None,
    log_format: LogFormatOption = LogFormat.text,
) -> None:
    """Serve the dashboard, JSON API and metrics."""
    from ticktrail.cli import logs

    logs.configure(log_format)
    stop = threading.Event()
    # From the beginning: in a container a signal that nobody listens for is not heard at all.
    with stopping(stop, signal.SIGTERM, signal.SIGINT):
        settings = read_settings(store)
        logs.hide_secrets(settings)
        missing = _missing_file(settings)
        dashboard, listening = _ready(settings, host, port)
        from ticktrail.web.server import serve as serve_until

        _say_where(host, port)
        if missing is not None:
            say(f"There is no store at {missing} yet. Create it with ticktrail sync.", "warning")
        serve_until(dashboard, listening, stop=stop)
    say("Stopped.")


@app.command()
def run(
    *,
    host: HostOption = _HOST,
    port: PortOption = _PORT,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=1, help="How long from one sync to the next.")
    ] = WATCH_SECONDS,
    annotate: Annotated[
        bool,
        typer.Option("--annotate-conversations", help="Also write the state onto your conversations' documents."),
    ] = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
    log_format: LogFormatOption = LogFormat.text,
) -> None:
    """Sync, send alerts and serve in one process."""
    from ticktrail.alerts.settings import read_alert_settings
    from ticktrail.cli import logs

    logs.configure(log_format)
    # The watch has the main thread. When either of the two ends, for whatever reason, so does the other.
    stop = threading.Event()
    # From the beginning: in a container a signal that nobody listens for is not heard at all.
    with stopping(stop, signal.SIGTERM, signal.SIGINT):
        settings = read_settings(store)
        settings.require_n8n()
        telling = bool(read_alert_settings(settings, os.environ).channels)
        dashboard, listening = _ready(settings, host, port)
        from ticktrail.web.server import Server

        with Server(dashboard, listening, ended=stop) as server:
            _say_where(host, port)
            sync_loop(
                every,
                store,
                ReportFormat.text,
                full=False,
                annotate=annotate,
                verbose=verbose,
                alerts=telling,
                stop=stop,
                noticing=_Dashboard(dashboard, settings).compare,
            )
            server.refuse_dead()


class _Dashboard:
    """What the dashboard was started with. Each sync reads the settings anew; the dashboard cannot."""

    def __init__(self, dashboard: FastAPI, settings: Settings) -> None:
        self._state = dashboard.state
        self._shown = self._last = _without_keys(settings)

    def compare(self, settings: Settings) -> None:
        """Say, once for each change, that the dashboard goes on with what it has; a new key is all it takes up."""
        self._state.n8n_key = settings.n8n.api_key
        current = _without_keys(settings)
        if current not in (self._last, self._shown):
            say("The settings have changed. Syncs use them from now on, the dashboard after a restart.", "warning")
        self._last = current


def _without_keys(settings: Settings) -> Settings:
    """The settings but for how n8n is reached, which concerns syncs alone."""
    from msgspec.structs import replace

    n8n = replace(settings.n8n, api_key=None, basic_user=None, basic_pass=None, headers=(), ca_file=None)
    return replace(settings, n8n=n8n, heartbeat_url=None, warnings=())


def _ready(settings: Settings, host: str, port: int) -> tuple[FastAPI, socket.socket]:
    """The dashboard and the socket it will answer on; what is wrong with either is said before anything starts."""
    try:
        from ticktrail.web.roles import access_for
        from ticktrail.web.server import build_app, listen
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "ticktrail":
            raise
        raise ConfigurationError(
            f"The dashboard needs more than is installed: {error.name} is missing.",
            remedy=f"Type: {install_command('dashboard')}",
        ) from error
    access = access_for(settings, host)
    listening = listen(host, port)
    return build_app(settings, access=access), listening


def _missing_file(settings: Settings) -> str | None:
    """Where the SQLite file would be, when there is none; a server that is away is waited for, and may be back soon.

    Raises:
        TicktrailError: the file is none that could ever be read: a folder, another kind of file, a damaged one.
    """
    if settings.store_url.reveal().lower().startswith(("mongodb://", "mongodb+srv://")):
        return None
    try:
        with open_configured_store(settings) as ledger:
            return None if ledger.exists() else ledger.location
    except RetriableError:
        return None


def _say_where(host: str, port: int) -> None:
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    say(f"Ticktrail is at http://{name}:{port} (Ctrl-C stops it).")
