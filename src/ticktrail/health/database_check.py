"""Check that n8n's own database can be read, where ``N8N_DATABASE_URL`` is set."""

from __future__ import annotations

from ticktrail.errors import TicktrailError
from ticktrail.health.checks import Finding, Severity
from ticktrail.health.workflow_checks import check_workflow
from ticktrail.settings.settings import Settings
from ticktrail.sources.n8n_database.connection import open_database
from ticktrail.sources.n8n_database.executions import N8nDatabase
from ticktrail.text.formatting import plural

_ROWS = 100


def check_database(settings: Settings) -> list[Finding]:
    """Findings about n8n's database and the workflows in it; none where it is not set."""
    n8n = settings.n8n
    if n8n.database_url is None:
        return []
    findings: list[Finding] = []
    try:
        for workflow_id in settings.workflow_ids:
            database = open_database(n8n.database_url.reveal(), n8n.database_schema)
            with N8nDatabase(database, workflow_id, prefix=n8n.database_table_prefix) as source:
                listed = source.metadata(limit=_ROWS)
                newest = [row.id for row in listed.rows[:1]]
                read = [page for page in source.fetch(listed, newest) if page.executions]
                says = f"n8n's database {database.location} shows {plural(len(listed.rows), 'execution')}"
                says += " or more" if listed.more else ""
                if newest and not read:
                    findings.append(_unreadable(workflow_id))
                else:
                    says = f"{says} of workflow {workflow_id}."
                    findings.append(Finding(name="database", severity=Severity.OK, says=says, workflow_id=workflow_id))
                findings += check_workflow(
                    source.workflow(), workflow_id, needs_statuses=not settings.receiver.keeps_statuses
                )
    except TicktrailError as error:
        findings.append(Finding(name="database", severity=Severity.FAULT, says=str(error), remedy=error.remedy))
    return findings


def _unreadable(workflow_id: str) -> Finding:
    return Finding(
        name="database",
        severity=Severity.FAULT,
        says=f"n8n's database lists executions of workflow {workflow_id}, and their data cannot be read.",
        remedy="Grant SELECT on execution_data. Where n8n keeps data in files "
        "(N8N_EXECUTION_DATA_STORAGE_MODE=filesystem), this user must be able to read the folder storage beside the "
        "database; else leave N8N_DATABASE_URL out and read n8n's API.",
        workflow_id=workflow_id,
    )
