"""Executions as n8n 2.41 would have made them, invented: any number, in any state, cheap to make."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

WORKFLOW = "bcHn4wXXcVuTsjYB"
BEGIN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
"""When execution 0 would have started; each one starts a second after the one before."""


def started_at(execution_id: int, begin: datetime = BEGIN) -> str:
    """As n8n writes it."""
    return (begin + timedelta(seconds=execution_id)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_object(message_id: str, status: str, timestamp: int, recipient: str = "966500000001") -> dict[str, Any]:
    """One status as Meta sends it."""
    return {"id": message_id, "status": status, "timestamp": str(timestamp), "recipient_id": recipient}


def execution(
    execution_id: int,
    statuses: Iterable[dict[str, Any]] = (),
    *,
    status: str = "success",
    begin: datetime = BEGIN,
    workflow_id: str = WORKFLOW,
    padding: int = 0,
) -> dict[str, Any]:
    """An execution of a WhatsApp trigger. What is not done, crashed or was canceled has its payload in the stack.

    Args:
        padding: bytes that a later node added.
    """
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"},
        "statuses": list(statuses),
        "field": "messages",
    }
    data = {"main": [[{"json": value, "pairedItem": {"item": 0}}]]}
    done = status in {"success", "error"}
    runs: dict[str, Any] = {}
    if done:
        began = int((begin + timedelta(seconds=execution_id)).timestamp() * 1000)
        run = {"startTime": began, "executionIndex": 0, "source": [], "executionTime": 1, "executionStatus": "success"}
        runs["WhatsApp Trigger"] = [{**run, "data": data}]
        if padding:
            runs["Format"] = [
                {
                    **run,
                    "source": [{"previousNode": "WhatsApp Trigger"}],
                    "data": {"main": [[{"json": {"text": "x" * padding}}]]},
                }
            ]
    trigger = {"name": "WhatsApp Trigger", "type": "n8n-nodes-base.whatsAppTrigger"}
    stack = [] if done else [{"node": trigger, "data": data, "source": None}]
    start = None if status == "new" else started_at(execution_id, begin)
    return {
        "id": str(execution_id),
        "finished": status == "success",
        "mode": "webhook",
        "retryOf": None,
        "retrySuccessId": None,
        "status": status,
        "startedAt": start,
        "stoppedAt": None if status in {"new", "running"} else started_at(execution_id + 1, begin),
        "workflowId": workflow_id,
        "waitTill": None,
        "data": {
            "version": 1,
            "startData": {},
            "resultData": {"runData": runs, "lastNodeExecuted": "WhatsApp Trigger"},
            "executionData": {"contextData": {}, "nodeExecutionStack": stack, "waitingExecution": {}},
        },
        "workflowData": {"id": workflow_id, "name": "WhatsApp statuses", "nodes": [trigger], "connections": {}},
    }


def life(first_id: int, number: int, statuses: Iterable[str] = ("sent", "delivered", "read")) -> list[dict[str, Any]]:
    """One message's executions, one a status, with ids that follow one another from ``first_id``."""
    return [
        execution(first_id + step, [status_object(f"wamid.{number}", status, 1_795_000_000 + number + 10 * step)])
        for step, status in enumerate(statuses)
    ]
