"""Statuses and sends to write, and short forms of what came of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Message, Send, SentBy, StatusEvent, Template
from ticktrail.stores import Store
from ticktrail.stores.results import WriteReport

OpenAgain = Callable[[], Store]

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
MUCH_LATER = AT + timedelta(days=1)

NOON = 1_767_258_000
"""2026-01-01 12:00 in Riyadh."""

MINUTE = 60

WHO = "966500000001"
WAMID = "wamid.HBgMOTY2NTAwMDAwMDAxFQIAERgSQUJDREVGMDEyMzQ1Njc4OQA="


def event(status: str, timestamp: int | None = NOON, execution_id: str = "101", **more: Any) -> StatusEvent:
    """A status of one message, as a workflow called ``delivery`` reported it."""
    facts = {"message_id": WAMID, "workflow_id": "delivery", "conversation_id": WHO, **more}
    return StatusEvent(status=status, timestamp=timestamp, execution_id=execution_id, **facts)


def accepted(message_id: str = WAMID, *, template: str = "order_ready", execution_id: str = "90") -> Send:
    """A send that Meta accepted."""
    return Send(
        key=message_id,
        message_id=message_id,
        sent_by=SentBy("orders", "Send template", execution_id),
        status="accepted",
        sent_at=AT,
        conversation_id=WHO,
        input="+966 50 000 0001",
        template=Template(template, "en_US"),
    )


def rejected(key: str = "orders/91/Send template/0", *, sent_at: datetime = AT) -> Send:
    """A send that Meta refused."""
    return Send(
        key=key,
        message_id=None,
        sent_by=SentBy("orders", "Send template", "91"),
        status="rejected",
        sent_at=sent_at,
        input="+966 50 000 0001",
        template=Template("no_such_template", "ar"),
        rejected=True,
        errors=({"code": 132001, "title": "Template name does not exist in the translation"},),
    )


def one(store: Store, message_id: str = WAMID) -> Message:
    """The stored message."""
    return store.get([message_id])[message_id]


def document(store: Store, message_id: str = WAMID) -> dict[str, Any]:
    """The stored document without MongoDB's own id."""
    return {name: value for name, value in store.documents([message_id])[message_id].items() if name != "_id"}


def history(store: Store, message_id: str = WAMID) -> list[tuple[str, int | None, str]]:
    """Status, timestamp and execution id of every entry, as stored."""
    return [(entry.status, entry.timestamp, entry.execution_id) for entry in one(store, message_id).history]


def counts(report: WriteReport) -> tuple[int, int, int, int]:
    """Inserted, updated, unchanged, refused."""
    return report.inserted, report.updated, report.unchanged, len(report.refused)


def everything(store: Store) -> dict[str, dict[str, Any]]:
    """Every stored document by message id, without MongoDB's own ids."""
    return {message.message_id: document(store, message.message_id) for message in store.messages(MessageFilter())}


def portions(events: list[StatusEvent], size: int) -> list[list[StatusEvent]]:
    """The events in batches of a size."""
    return [events[start : start + size] for start in range(0, len(events), size)]
