"""Workflows in n8n's database, in the form that n8n's API gives them."""

from __future__ import annotations

from typing import Any

from ticktrail.errors import SourceRefusedError
from ticktrail.sources.n8n_api.responses import WorkflowSummary
from ticktrail.sources.n8n_database.connection import Database
from ticktrail.text.json_decoding import decode_json

_COLUMNS = ("id", "name", "active", "isArchived", "nodes", "settings", "versionId", "activeVersionId")


def list_workflows(database: Database, prefix: str = "") -> list[WorkflowSummary]:
    """Return all workflows that are not archived, in the order of their names.

    Raises:
        SourceRefusedError: it is not n8n's database, or this user may not read it.
    """
    return [
        WorkflowSummary(
            id=str(one["id"]), name=str(one.get("name") or ""), active=bool(one["active"]), node_types=_node_types(one)
        )
        for one in sorted(_read(database, prefix), key=lambda one: str(one.get("name")))
        if not one.get("isArchived")
    ]


def read_workflow(database: Database, workflow_id: str, prefix: str = "") -> dict[str, Any]:
    """Return one workflow as n8n's API gives it: name, nodes, settings.

    Raises:
        SourceRefusedError: n8n does not have it.
    """
    for found in _read(database, prefix, workflow_id):
        return found
    raise SourceRefusedError(
        f"n8n has no workflow {workflow_id}.",
        remedy="Set WORKFLOW_ID_WHATSAPP to the id in its address, …/workflow/ID, or type: ticktrail init",
    )


def _read(database: Database, prefix: str, workflow_id: str | None = None) -> list[dict[str, Any]]:
    there = database.columns(f"{prefix}workflow_entity")
    if "nodes" not in there:
        raise SourceRefusedError(
            f"{database.location} has no table {prefix}workflow_entity of n8n's, or this user may not read it.",
            remedy="Check N8N_DATABASE_URL, N8N_DATABASE_SCHEMA and N8N_DATABASE_TABLE_PREFIX; on PostgreSQL, grant "
            "SELECT on n8n's tables execution_entity, execution_data and workflow_entity.",
        )
    names = [name for name in _COLUMNS if name in there]
    columns = ", ".join(f'"{name}"' for name in names)
    chosen = "" if workflow_id is None else ' WHERE "id" = ?'
    statement = f'SELECT {columns} FROM "{prefix}workflow_entity"{chosen}'  # noqa: S608 - quoted names
    rows = database.read(statement, [] if workflow_id is None else [workflow_id])
    return [_record(dict(zip(names, row, strict=True))) for row in rows]


def _record(columns: dict[str, Any]) -> dict[str, Any]:
    parts = {name: columns[name] for name in ("nodes", "settings") if isinstance(columns.get(name), str)}
    decoded = {name: decode_json(text.encode()) for name, text in parts.items()}
    return {**columns, **decoded, "active": bool(columns.get("active"))}


def _node_types(workflow: dict[str, Any]) -> tuple[str, ...]:
    nodes = workflow.get("nodes")
    types = (node.get("type") for node in nodes if isinstance(node, dict)) if isinstance(nodes, list) else ()
    return tuple(dict.fromkeys(kind for kind in types if isinstance(kind, str)))
