"""The part of ``init`` that finds n8n's own database, tests it, and offers to read it instead of n8n's API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ticktrail.cli import questions
from ticktrail.cli.invocation import as_typed
from ticktrail.errors import SourceRefusedError, TicktrailError
from ticktrail.health.checks import Severity
from ticktrail.health.database_check import check_database
from ticktrail.settings.settings import Settings
from ticktrail.sources.n8n_api.responses import WorkflowSummary
from ticktrail.sources.n8n_database.connection import open_database
from ticktrail.sources.n8n_database.discovery import FoundDatabase, find_databases
from ticktrail.sources.n8n_database.workflows import list_workflows

NAMES = ("N8N_DATABASE_URL", "N8N_DATABASE_SCHEMA", "N8N_DATABASE_TABLE_PREFIX")

_ROLE = """These are n8n's own rights. Ticktrail's sessions are read-only; a role that may only read is safer still.
SQL for it: docs/how-to/read-n8n-database.md"""

_OFFER = """Reading it is several times faster than n8n's API, puts no load on n8n's webhooks, and shows running and
queued executions too. Ticktrail only reads, and needs no API key for it."""


def offer_database(known: Settings, environ: Mapping[str, str], directory: Path) -> FoundDatabase | None:
    """Return the database that the user chose to read; None for n8n's API.

    One that is set already is offered first. Without a terminal, only that is used.
    """
    for database in _candidates(known, environ, directory):
        questions.echo(f"Found n8n's database: {database.shown}")
        try:
            count = len(workflows_of(database))
        except TicktrailError as error:
            questions.explain(error)
            questions.echo("For now n8n's API is used. To use the database, fix this and start again:")
            questions.echo(as_typed("  ticktrail init"))
            continue
        questions.echo(f"It can be read. Workflows in it: {count}.")
        if not questions.is_interactive():
            return database
        questions.echo(_OFFER)
        if database.is_n8ns_role:
            questions.echo(_ROLE)
        if questions.confirm("Read executions from this database?", default=True):
            return database
    return None


def workflows_of(database: FoundDatabase) -> list[WorkflowSummary]:
    """Return the workflows in a database.

    Raises:
        TicktrailError: it cannot be read.
    """
    opened = open_database(database.url, database.schema)
    try:
        return list_workflows(opened, database.prefix or "")
    finally:
        opened.close()


def values_of(database: FoundDatabase | None) -> dict[str, str | None]:
    """Return the settings of a database; those to remove are None."""
    if database is None:
        return dict.fromkeys(NAMES)
    return dict(zip(NAMES, (database.url, database.schema, database.prefix), strict=True))


def is_readable(read_settings: Callable[..., Settings], values: Mapping[str, str | None]) -> bool:
    """Read the newest execution of each chosen workflow, and print what was found.

    Returns:
        True when all can be read, or the user wants this database all the same.

    Raises:
        SourceRefusedError: one cannot be read, and there is no terminal to ask on.
    """
    settings = read_settings(**{name: value for name, value in values.items() if value is not None})
    findings = [finding for finding in check_database(settings) if finding.name == "database"]
    for finding in findings:
        questions.echo(as_typed(f"{finding.says} {finding.remedy}".rstrip()))
    faults = [finding for finding in findings if finding.severity is Severity.FAULT]
    if not faults:
        return True
    if not questions.is_interactive():
        raise SourceRefusedError(faults[0].says, remedy=faults[0].remedy)
    return questions.confirm("Use this database all the same?", default=False)


def _candidates(known: Settings, environ: Mapping[str, str], directory: Path) -> list[FoundDatabase]:
    found: list[FoundDatabase] = []
    if known.n8n.database_url is not None:
        found.append(
            FoundDatabase(
                url=known.n8n.database_url.reveal(),
                shown=str(known.n8n.database_url),
                schema=known.n8n.database_schema,
                prefix=known.n8n.database_table_prefix or None,
            )
        )
    if questions.is_interactive():
        found += [
            database
            for database in find_databases(environ, directory, home=Path.home())
            if database.url not in {one.url for one in found}
        ]
    return found
