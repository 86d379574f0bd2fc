"""Rows of n8n's tables, as the JSON and the times that n8n's API writes. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from ticktrail.sources.n8n_api.responses import ExecutionSummary

REQUIRED = ("id", "workflowId", "startedAt")
"""Columns of ``execution_entity`` that every n8n since 1.0 has."""

OPTIONAL = ("status", "stoppedAt", "mode", "finished", "waitTill", "retryOf", "deletedAt", "storedAt")
"""Columns that some releases between 1.27 and 2.41 lack."""

Record = dict[str, Any]
"""Columns of one row of ``execution_entity`` by name."""


def summary(record: Record) -> ExecutionSummary:
    """Return a row as the list of n8n's API has it."""
    return ExecutionSummary(
        id=int(record["id"]),
        status=record.get("status"),
        started_at=iso_time(record["startedAt"]),
        stopped_at=iso_time(record.get("stoppedAt")),
        mode=record.get("mode"),
        workflow_id=str(record["workflowId"]),
        finished=bool(record.get("finished")),
        deleted=record.get("deletedAt") is not None,
    )


def execution_json(record: Record, data: bytes, workflow: bytes | None) -> bytes:
    """Return an execution as n8n's API writes it, with its flatted ``data`` as ``flattedData``.

    The texts are inserted as they are: where one is damaged, so is the whole, and extraction reports it as unreadable.
    """
    head = msgspec.json.encode(
        {
            "id": str(record["id"]),
            "finished": bool(record.get("finished")),
            "mode": record.get("mode"),
            "retryOf": record.get("retryOf"),
            "status": record.get("status"),
            "startedAt": iso_time(record["startedAt"]),
            "stoppedAt": iso_time(record.get("stoppedAt")),
            "workflowId": str(record["workflowId"]),
            "waitTill": iso_time(record.get("waitTill")),
        }
    )
    return b'%b,"flattedData":%b,"workflowData":%b}' % (head[:-1], data, workflow or b"null")


def iso_time(value: object) -> str | None:
    """Return a time of n8n's database as its API writes it: ISO 8601 in UTC with milliseconds.

    SQLite holds ``2026-11-22 14:03:01.123`` in UTC, PostgreSQL gives a datetime.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        moment = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = str(value).strip().replace(" ", "T")
    return text if text.endswith("Z") else f"{text}Z"
