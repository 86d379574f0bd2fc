"""Commands that serve: the dashboard alone, or all in one process."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from ticktrail.commands.keep import keep_syncing, stopping
from ticktrail.commands.options import WATCH_SECONDS, ReportFormat, StoreOption, VerboseOption, read_settings, say
from ticktrail.errors import ConfigurationError

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI

    from ticktrail.config import Settings

app = typer.Typer()

HostOption = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; beyond this machine it takes a token.")
]
PortOption = Annotated[int, typer.Option("--port", metavar="PORT", min=1, max=65_535, help="The port to listen on.")]

_HOST = "127.0.0.1"
_PORT = 8765


@app.command()
def serve(host: HostOption = _HOST, port: PortOption = _PORT, store: StoreOption = None) -> None:
    """The dashboard for people, a JSON API and /metrics for programs."""
    settings = read_settings(store)
    dashboard, listening = _ready(settings, host, port)
    from ticktrail.dashboard.app import serve as serve_until

    stop = threading.Event()
    with stopping(stop, signal.SIGTERM, signal.SIGINT):
        _say_where(host, port)
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
) -> None:
    """One process for a server: keeps the store up to date, tells what needs somebody, and serves the dashboard."""
    from ticktrail.alert_settings import read_alert_settings

    settings = read_settings(store)
    settings.require_n8n()
    telling = bool(read_alert_settings(settings.config_file, os.environ).channels)
    dashboard, listening = _ready(settings, host, port)
    from ticktrail.dashboard.app import Server

    # The watch has the main thread. When either of the two ends, for whatever reason, so does the other.
    stop = threading.Event()
    with stopping(stop, signal.SIGTERM, signal.SIGINT), Server(dashboard, listening, ended=stop) as server:
        _say_where(host, port)
        keep_syncing(
            every,
            store,
            ReportFormat.text,
            full=False,
            annotate=annotate,
            verbose=verbose,
            alerts=telling,
            stop=stop,
        )
        server.refuse_dead()


def _ready(settings: Settings, host: str, port: int) -> tuple[FastAPI, socket.socket]:
    """The dashboard and the socket it will answer on; what is wrong with either is said before anything starts."""
    try:
        from ticktrail.dashboard.access import access_for
        from ticktrail.dashboard.app import build_app, listen
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "ticktrail":
            raise
        raise ConfigurationError(
            f"The dashboard needs more than is installed: {error.name} is missing.",
            remedy='Type: pip install "ticktrail[dashboard]"',
        ) from error
    access = access_for(settings, host)
    listening = listen(host, port)
    return build_app(settings, access=access), listening


def _say_where(host: str, port: int) -> None:
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    say(f"Ticktrail is at http://{name}:{port} (Ctrl-C stops it).")
