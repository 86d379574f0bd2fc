"""Rows of n8n's tables, as the JSON and the times that n8n's API writes. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from ticktrail.messages.model import FINAL_STATUSES
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
        status=_status(record),
        started_at=iso_time(record["startedAt"]),
        stopped_at=iso_time(record.get("stoppedAt")),
        mode=record.get("mode"),
        workflow_id=str(record["workflowId"]),
        finished=bool(record.get("finished")),
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
            "status": _status(record),
            "startedAt": iso_time(record["startedAt"]),
            "stoppedAt": iso_time(record.get("stoppedAt")),
            "workflowId": str(record["workflowId"]),
            "waitTill": iso_time(record.get("waitTill")),
        }
    )
    return b'%b,"flattedData":%b,"workflowData":%b}' % (head[:-1], data, workflow or b"null")


def _status(record: Record) -> str | None:
    """Return n8n's status; ``canceled`` for an execution that n8n marked for deletion before it had a final one.

    n8n does not change such executions any more. Where a workflow saves nothing, all of them end like that.
    """
    status: str | None = record.get("status")
    return "canceled" if record.get("deletedAt") is not None and status not in FINAL_STATUSES else status


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
