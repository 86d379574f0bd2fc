"""Executions for the demonstration: a week of invented sends and statuses, and recordings of a real n8n, ending now.

Everything is deterministic apart from the present, from which all times count back.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import msgspec

from ticktrail.sources import Page

_RECORDED_STATUSES_END = 1_767_116_225
"""The newest status in the recordings, Unix seconds."""

_RECORDED_EXECUTIONS_END = 1_795_358_255
"""The end of the newest recorded execution, Unix seconds."""

_UNIX_TIME = re.compile(rb"(?<!\w)(1767|1795)(\d{6})(\d{3})?(?!\w)")
_ISO_TIME = re.compile(rb"(?<!\w)2026-11-22T\d{2}:\d{2}:\d{2}(\.\d{3}Z)")

_NUMBER_ID, _NUMBER = "106540352242922", "15550783881"
_DAYS = 7
_LATEST_SEND = 120
"""Seconds between the latest send and now."""

_FIRST_ID = 10_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of one template that are sent on some days.

    Attributes:
        days_ago: the days, counted back from today.
        per_day: messages a day, spread over ``hours``.
        failures: of every ten messages, how many fail with ``code``.
        unread: of every ten messages, how many are delivered and not read.
        silent: of each day's earliest messages, how many Meta accepts without ever sending a status.
    """

    template: str
    category: str
    days_ago: range
    per_day: int
    hours: int = 10
    campaign: str | None = None
    failures: int = 0
    code: int = 131026
    title: str = "Message undeliverable"
    unread: int = 2
    silent: int = 0


PLANS = (
    Plan(template="order_update", category="utility", days_ago=range(_DAYS), per_day=24, unread=1),
    Plan(template="appointment_reminder", category="utility", days_ago=range(_DAYS), per_day=10, failures=1),
    Plan(template="login_code", category="authentication", days_ago=range(_DAYS), per_day=12, unread=4),
    Plan(
        template="spring_offer", category="marketing", days_ago=range(2, 3), per_day=80, campaign="spring-offer",
        failures=1, code=131049, title="This message was not delivered to maintain healthy ecosystem engagement.",
        unread=5,
    ),
    Plan(
        template="customer_survey", category="marketing", days_ago=range(1), per_day=40, campaign="survey-november",
        hours=2, failures=7, code=132015, title="Template is paused due to low quality", unread=2, silent=6,
    ),
)  # fmt: skip


class DemoExecutions:
    """The executions as a :class:`~ticktrail.sources.Source`.

    Args:
        now: when the newest status arrived.
    """

    fetch_ahead = True

    def __init__(self, now: datetime) -> None:
        self.location = "recordings of n8n and invented executions"
        self._now = now

    def unfinished(self) -> tuple[int, ...]:
        """Return nothing: all recordings are shown."""
        return ()

    def pages(self, *, limit: int | None = None) -> Iterator[Page]:
        """Yield all executions; a limit is not needed here."""
        del limit
        recorded = tuple(shifted_recordings(self._now))
        yield Page(executions=recorded, size=sum(map(len, recorded)))
        invented = tuple(json.dumps(execution).encode() for execution in invented_executions(self._now))
        yield Page(executions=invented, size=sum(map(len, invented)))

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def shifted_recordings(now: datetime) -> Iterator[bytes]:
    """Yield the packaged recordings, with their newest status and their newest execution at ``now``."""
    seconds = int(now.timestamp())
    deltas = {b"1767": seconds - _RECORDED_STATUSES_END, b"1795": seconds - _RECORDED_EXECUTIONS_END}

    def later(found: re.Match[bytes]) -> bytes:
        moved = int(found[1] + found[2]) + deltas[found[1]]
        return str(moved).encode() + (found[3] or b"")

    def later_iso(found: re.Match[bytes]) -> bytes:
        moved = datetime.fromisoformat(found[0].decode()) + timedelta(seconds=deltas[b"1795"])
        return f"{moved:%Y-%m-%dT%H:%M:%S}".encode() + found[1]

    packed = (resources.files("ticktrail.cli") / "recordings" / "executions.jsonl.gz").read_bytes()
    for line in gzip.decompress(packed).splitlines():
        yield _ISO_TIME.sub(later_iso, _UNIX_TIME.sub(later, line))


def invented_executions(now: datetime) -> Iterator[dict[str, Any]]:
    """Yield the executions of :data:`PLANS`: those that send, and those that receive statuses."""
    present = int(now.timestamp())
    number = 0
    for plan in PLANS:
        for days_ago in plan.days_ago:
            for place in range(plan.per_day):
                sent_at = present - days_ago * 86_400 - _LATEST_SEND - place * (plan.hours * 3_600 // plan.per_day)
                number += 1
                yield from _message(plan, number, place, sent_at, present)


def _message(plan: Plan, number: int, place: int, sent_at: int, present: int) -> Iterator[dict[str, Any]]:
    # Invented numbers, as in the tests and the documentation.
    recipient = f"1555000{number:04}" if number % 3 == 0 else f"9665000000{number % 90:02}"
    wamid = _wamid(recipient, number)
    first_id = _FIRST_ID + number * 5
    yield _sending(plan, first_id, recipient, wamid, sent_at)
    if place >= plan.per_day - plan.silent:
        return
    for step, (status, after) in enumerate(_statuses(plan, place, number)):
        if sent_at + after <= present:
            yield _receiving(plan, first_id + 1 + step, recipient, wamid, status, sent_at + after)


def _statuses(plan: Plan, place: int, number: int) -> list[tuple[str, int]]:
    """Return the statuses of a message, each with the seconds after sending."""
    turn = (place * 7) % 10
    if turn < plan.failures:
        return [("sent", 1), ("failed", 4)]
    delivered = [("sent", 1), ("delivered", 3 + number % 40)]
    if turn < plan.failures + plan.unread:
        return delivered
    return [*delivered, ("read", 90 + (number * 137) % 5_400)]


def _wamid(recipient: str, number: int) -> str:
    """Return an id as WhatsApp makes them, with the recipient's number inside."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()[:18].upper().encode()
    content = (
        b"\x1c\x18" + bytes([len(recipient)]) + recipient.encode() + b"\x15\x02\x00\x11\x18\x12" + digest + b"\x00"
    )
    return f"wamid.{base64.b64encode(content).decode()}"


def _sending(plan: Plan, execution_id: int, recipient: str, wamid: str, at: int) -> dict[str, Any]:
    """Return an execution that sends one template message with n8n's WhatsApp node."""
    trigger = {"name": "Every day", "type": "n8n-nodes-base.scheduleTrigger", "typeVersion": 1.2, "parameters": {}}
    node = {
        "name": "Send template",
        "type": "n8n-nodes-base.whatsApp",
        "typeVersion": 1.1,
        "parameters": {
            "resource": "message",
            "operation": "sendTemplate",
            "phoneNumberId": _NUMBER_ID,
            "recipientPhoneNumber": recipient,
            "template": f"{plan.template}|en_US",
        },
    }
    answer = {
        "messaging_product": "whatsapp",
        "contacts": [{"input": f"+{recipient}", "wa_id": recipient}],
        "messages": [{"id": wamid, "message_status": "accepted"}],
    }
    return _execution(execution_id, "DemoSendTemplates", "Send templates", [(trigger, {}), (node, answer)], at)


def _receiving(plan: Plan, execution_id: int, recipient: str, wamid: str, status: str, at: int) -> dict[str, Any]:
    """Return an execution of the WhatsApp Trigger that receives one status."""
    entry: dict[str, Any] = {"id": wamid, "status": status, "timestamp": str(at), "recipient_id": recipient}
    if plan.campaign is not None:
        entry["biz_opaque_callback_data"] = plan.campaign
    if status in {"sent", "delivered"}:
        entry["pricing"] = {"billable": True, "pricing_model": "PMP", "category": plan.category, "type": "regular"}
    if status == "failed":
        entry["errors"] = [{"code": plan.code, "title": plan.title, "message": plan.title}]
    webhook = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": _NUMBER, "phone_number_id": _NUMBER_ID},
        "statuses": [entry],
        "field": "messages",
    }
    node = {"name": "WhatsApp Trigger", "type": "n8n-nodes-base.whatsAppTrigger", "typeVersion": 1, "parameters": {}}
    return _execution(execution_id, "bcHn4wXXcVuTsjYB", "WhatsApp statuses", [(node, webhook)], at)


def _execution(
    execution_id: int, workflow_id: str, workflow: str, steps: list[tuple[dict[str, Any], dict[str, Any]]], at: int
) -> dict[str, Any]:
    """Return a finished execution as n8n's API returns it.

    Args:
        steps: the nodes that ran, one after the other, each with its output.
    """
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    names = [node["name"] for node, _ in steps]
    runs = {
        node["name"]: [
            {
                "startTime": at * 1_000,
                "executionIndex": index,
                "executionTime": 1,
                "executionStatus": "success",
                "source": [{"previousNode": names[index - 1]}] if index else [],
                "data": {"main": [[{"json": output, "pairedItem": {"item": 0}}]]},
            }
        ]
        for index, (node, output) in enumerate(steps)
    }
    connections = {
        name: {"main": [[{"node": following, "type": "main", "index": 0}]]} for name, following in pairwise(names)
    }
    return {
        "id": str(execution_id),
        "finished": True,
        "mode": "webhook",
        "status": "success",
        "startedAt": moment,
        "stoppedAt": moment,
        "workflowId": workflow_id,
        "workflowData": {
            "id": workflow_id,
            "name": workflow,
            "nodes": [node for node, _ in steps],
            "connections": connections,
        },
        "data": {"resultData": {"runData": runs, "lastNodeExecuted": names[-1]}},
    }
