"""The commands ``serve`` and ``run``."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.cli.commands.receive import open_receiver
from ticktrail.cli.commands.sync import sync_loop
from ticktrail.cli.options import (
    WATCH_SECONDS,
    AnnotateOption,
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

    from ticktrail.cli.commands.alerts import AlertWatch
    from ticktrail.settings.settings import Settings

app = typer.Typer()

HostOption = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on; other than this machine's needs a token")
]
PortOption = Annotated[int, typer.Option("--port", metavar="PORT", min=1, max=65_535, help="Port to listen on")]

_HOST = "127.0.0.1"
_PORT = 8765


@app.command()
def serve(
    host: HostOption = _HOST,
    port: PortOption = _PORT,
    store: StoreOption = None,
    log_format: LogFormatOption = LogFormat.text,
) -> None:
    """Serve the dashboard, a JSON API and /metrics."""
    from ticktrail.cli import logs

    logs.configure(log_format)
    stop = threading.Event()
    # First of all, because in a container a signal without a handler is ignored.
    with stopping(stop, signal.SIGTERM, signal.SIGINT):
        settings = read_settings(store)
        logs.hide_secrets(settings)
        missing = _missing_file(settings)
        dashboard, listening = _ready(settings, host, port)
        from ticktrail.web.server import serve as serve_until

        _say_where(host, port)
        if missing is not None:
            say(f"There is no store at {missing} yet. The dashboard is empty until you type: ticktrail sync", "warning")
        serve_until(dashboard, listening, stop=stop)
    say("Stopped.")


@app.command()
def run(
    *,
    host: HostOption = _HOST,
    port: PortOption = _PORT,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=1, help="Interval between syncs")
    ] = WATCH_SECONDS,
    annotate: AnnotateOption = False,
    store: StoreOption = None,
    verbose: VerboseOption = False,
    log_format: LogFormatOption = LogFormat.text,
) -> None:
    """Sync, receive, alert and serve in one process.

    For a server. Webhooks are received when WHATSAPP_APP_SECRET is set; without settings for n8n nothing is synced.
    Alerts are sent when ticktrail.toml names channels.
    """
    from ticktrail.alerts.settings import read_alert_settings
    from ticktrail.cli import logs
    from ticktrail.cli.commands.alerts import AlertWatch

    logs.configure(log_format)
    # The sync loop runs in the main thread. When it or the server ends, the other ends too.
    stop = threading.Event()
    # First of all, because in a container a signal without a handler is ignored.
    with stopping(stop, signal.SIGTERM, signal.SIGINT):
        settings = read_settings(store)
        if not settings.receives_alone:
            settings.require_n8n()
        read_alert_settings(settings, os.environ)
        dashboard, listening = _ready(settings, host, port)
        from ticktrail.web.server import Server

        with ExitStack() as stack:
            server = stack.enter_context(Server(dashboard, listening, ended=stop))
            _say_where(host, port)
            receiver = None
            if settings.receiver.app_secrets:
                receiver = stack.enter_context(open_receiver(settings, ended=stop))
            # Without channels too, because the dashboard shows which alerts fired and were resolved.
            alert_watch = AlertWatch()
            if settings.receives_alone:
                _alert_loop(every, store, alert_watch, stop)
            else:
                sync_loop(
                    every,
                    store,
                    ReportFormat.text,
                    full=False,
                    annotate=annotate,
                    verbose=verbose,
                    alert_watch=alert_watch,
                    stop=stop,
                    before_sync=_Dashboard(dashboard, settings).compare,
                )
            server.refuse_dead()
            if receiver is not None:
                receiver.refuse_dead()


def _alert_loop(every: float, store_url: str | None, alert_watch: AlertWatch, stop: threading.Event) -> None:
    """Check alerts until ``stop`` is set, where webhooks are received and nothing is synced."""
    from ticktrail.sync.loop import watch

    def cycle() -> None:
        settings = read_settings(store_url)
        with open_configured_store(settings) as store, alert_watch.after(settings, store):
            pass

    watch(cycle, interval=every, stop=stop, say=say, warn=lambda text: say(text, "warning"))
    say("Stopped. What waits stays in the journal.")


class _Dashboard:
    """Settings that the dashboard was started with. Syncs read the settings again each time, the dashboard cannot."""

    def __init__(self, dashboard: FastAPI, settings: Settings) -> None:
        self._state = dashboard.state
        self._started_with = self._last = _without_keys(settings)

    def compare(self, settings: Settings) -> None:
        """Say, once per change, that the dashboard keeps its settings; it only takes over a new API key."""
        self._state.n8n_key = settings.n8n.api_key
        current = _without_keys(settings)
        if current not in (self._last, self._started_with):
            say("The settings have changed. Syncs use them from now on, the dashboard after a restart.", "warning")
        self._last = current


def _without_keys(settings: Settings) -> Settings:
    """Return the settings without those for reaching n8n, which only syncs use."""
    from msgspec.structs import replace

    n8n = replace(settings.n8n, api_key=None, basic_user=None, basic_pass=None, headers=(), ca_file=None)
    return replace(settings, n8n=n8n, heartbeat_url=None, warnings=())


def _ready(settings: Settings, host: str, port: int) -> tuple[FastAPI, socket.socket]:
    """Return the dashboard and its listening socket, so that faults of either are reported before anything starts."""
    if not host.strip():
        raise ConfigurationError("--host is empty.", remedy=f"Give an address, such as {_HOST}.")
    try:
        from ticktrail.web.roles import access_for
        from ticktrail.web.server import build_app, listen
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "ticktrail":
            raise
        raise ConfigurationError(
            f"The dashboard needs the Python package {error.name}, which is not installed.",
            remedy=f"Type: {install_command('dashboard')}",
        ) from error
    access = access_for(settings, host)
    listening = listen(host, port)
    return build_app(settings, access=access), listening


def _missing_file(settings: Settings) -> str | None:
    """Return where the SQLite file would be, when there is none.

    None for a server: one that does not answer may be back soon.

    Raises:
        TicktrailError: the path is a folder, another kind of file, or a damaged store.
    """
    if settings.store_url.reveal().lower().startswith(("mongodb://", "mongodb+srv://")):
        return None
    try:
        with open_configured_store(settings) as store:
            return None if store.exists() else store.location
    except RetriableError:
        return None


def _say_where(host: str, port: int) -> None:
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    say(f"Ticktrail is at http://{name}:{port} (Ctrl-C stops it).")
