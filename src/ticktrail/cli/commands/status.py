"""The command ``status``: where the store is, what it holds, how complete it is, and the next step."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import typer

from ticktrail.cli.invocation import as_typed
from ticktrail.cli.options import ReportFormat, ReportOption, StoreOption, open_configured_store, read_settings
from ticktrail.errors import ConfigurationError
from ticktrail.settings.settings import Settings

app = typer.Typer()


@app.command()
def status(store: StoreOption = None, form: ReportOption = ReportFormat.text) -> None:
    """Show the store, the last sync, the next step."""
    from ticktrail.output.documents import to_json
    from ticktrail.output.status import StoreStatus, status_document, status_lines
    from ticktrail.queries.completeness import read_completeness
    from ticktrail.queries.lists import latest_status_at
    from ticktrail.sync.lease import running_syncs

    settings = read_settings(store)
    now = datetime.now(UTC)
    with open_configured_store(settings) as opened:
        known = read_completeness(opened, settings, content=True)
        newest = latest_status_at(opened, now) if known.exists else None
        running = running_syncs(opened.sync_state, now) if known.exists else []
        sends = sum(cause.count for cause in opened.send_causes()) if known.exists else 0
    found = StoreStatus(
        known=known,
        sends=sends,
        newest_timestamp=newest,
        now=now,
        running=tuple(running),
        next_step=as_typed(_next_step(settings, exists=known.exists, late=known.is_late(now))),
    )
    if form is ReportFormat.json:
        print(to_json(status_document(found, settings.timezone), indent=2))
    else:
        print(*status_lines(found, settings.timezone), sep="\n", file=sys.stdout)


def _next_step(settings: Settings, *, exists: bool, late: bool) -> str:
    try:
        settings.require_n8n()
    except ConfigurationError:
        return "ticktrail messages" if exists else "ticktrail init"
    if not exists:
        return "ticktrail sync"
    return "ticktrail sync" if late else "ticktrail alerts"
