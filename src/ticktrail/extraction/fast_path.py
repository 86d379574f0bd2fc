"""Fast path for standard executions: a trigger that received statuses exactly as Meta documents them.

Nine executions in ten are standard. Reading them into typed records takes a third of the general path's time. Whatever
is not standard (another key, a text with an escape, a node that adds statuses, a user's message, anything left on the
stack) is left to :mod:`ticktrail.extraction.execution_reader`, whose answer decides: a property test holds both paths
to the same result. See: docs/decisions/0023-two-extraction-paths.md
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import msgspec

from ticktrail.extraction.execution import Execution, Run
from ticktrail.extraction.status import DAY_SECONDS, complete_from_contacts, read_errors
from ticktrail.extraction.webhook import names_form_type
from ticktrail.extraction.workflow import decode_snapshot, short_type
from ticktrail.messages.model import EARLIEST_PLAUSIBLE_TIMESTAMP, IMPLAUSIBLE, StatusEvent
from ticktrail.text.sanitizing import clean_object


class _Status(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    status: str
    timestamp: str
    recipient_id: str
    recipient_user_id: str | None = None
    recipient_type: Literal["individual"] | None = None
    pricing: dict[str, Any] | None = None
    conversation: dict[str, Any] | None = None
    errors: Any = None
    biz_opaque_callback_data: str | None = None


class _Metadata(msgspec.Struct, frozen=True):
    phone_number_id: str
    display_phone_number: str


class _Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    metadata: _Metadata
    statuses: list[_Status]
    messaging_product: Literal["whatsapp"]
    contacts: list[dict[str, Any]] = []


class _Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    field: Literal["messages"]
    value: _Value


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    changes: list[_Change]
    time: Any = None


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    object: Literal["whatsapp_business_account"]
    entry: list[_Entry]


class _Item(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"webhook_url": "webhookUrl", "execution_mode": "executionMode"},
):
    """An item of a WhatsApp Trigger (a value and its field) or of a Webhook node (a request)."""

    metadata: _Metadata | None = None
    statuses: list[_Status] = []
    messaging_product: Literal["whatsapp"] | None = None
    contacts: list[dict[str, Any]] = []
    field: Literal["messages"] | None = None
    body: _Body | None = None
    headers: msgspec.Raw = msgspec.Raw(b"null")
    params: msgspec.Raw = msgspec.Raw(b"null")
    query: msgspec.Raw = msgspec.Raw(b"null")
    webhook_url: str | None = None
    execution_mode: str | None = None


_decode_item = msgspec.json.Decoder(_Item).decode


def fast_events(
    execution: Execution, *, execution_id: str, workflow_id: str, execution_timestamp: int
) -> tuple[StatusEvent, ...] | None:
    """Return the statuses of a standard execution, or None when it is not one or holds none.

    ``execution_timestamp`` is when it started, Unix seconds.
    """
    trigger = _trigger(execution)
    if trigger is None:
        return None
    events: dict[tuple[str, str, str], StatusEvent] = {}
    texts: list[bytes] = []
    for _, _, item in trigger.items():
        text = bytes(item.json)
        if b"\\" in text or not text.isascii() or bytes(item.binary) != b"null" or names_form_type(text):
            return None
        try:
            holders = _holders(_decode_item(text))
        except (ValueError, RecursionError):
            return None
        if holders is None:
            return None
        texts.append(text)
        for metadata, contacts, statuses in holders:
            for status in statuses:
                event = _event(status, metadata, contacts, execution_id, workflow_id, execution_timestamp)
                key = (status.id, status.status, status.timestamp)
                if event is None or events.setdefault(key, event) != event:
                    return None
    return tuple(events.values()) if events and _only_passed_on(execution, trigger, texts) else None


def _trigger(execution: Execution) -> Run | None:
    """Return the only trigger's only run, or None when another part may hold a status or a send."""
    data = execution.data
    if data is None or data.result_data is None or execution.mode not in ("webhook", "trigger", "retry"):
        return None
    if data.result_data.pin_data or not data.result_data.run_data:
        return None
    rest = data.execution_data
    if rest is not None and (rest.node_execution_stack or rest.waiting_execution):
        return None
    trigger: Run | None = None
    name = ""
    for node, runs in data.result_data.run_data.items():
        for run in runs or ():
            if run is not None and run.first:
                if trigger is not None:
                    return None
                trigger, name = run, node
    return None if name in _other_nodes(bytes(execution.workflow_data)) else trigger


@lru_cache(maxsize=16)
def _other_nodes(workflow: bytes) -> frozenset[str]:
    """Return the names of the nodes in a snapshot that do not receive Meta's webhooks."""
    nodes = decode_snapshot(workflow).nodes or ()
    own = ("webhook", "whatsapptrigger", "")
    return frozenset(node.name for node in nodes if node is not None and short_type(node.type) not in own)


def _holders(item: _Item) -> list[tuple[_Metadata, list[dict[str, Any]], list[_Status]]] | None:
    if item.body is not None:
        if item.statuses or item.metadata is not None or item.contacts:
            return None
        values = [change.value for entry in item.body.entry for change in entry.changes]
        return [(value.metadata, value.contacts, value.statuses) for value in values]
    return None if item.metadata is None else [(item.metadata, item.contacts, item.statuses)]


def _event(
    status: _Status,
    metadata: _Metadata,
    contacts: list[dict[str, Any]],
    execution_id: str,
    workflow_id: str,
    execution_timestamp: int,
) -> StatusEvent | None:
    """Return the event, or None when the general path must decide."""
    reported, message_id = status.timestamp, status.id
    if len(reported) != 10 or not reported.isdigit() or not message_id.startswith("wamid.") or not status.recipient_id:
        return None
    name = status.status
    if not name or not name.islower() or name[0] == " " or name[-1] == " ":
        return None
    if status.pricing is None and status.conversation is not None and "pricing" in status.conversation:
        return None
    if not metadata.phone_number_id or not metadata.display_phone_number:
        return None
    user_id = status.recipient_user_id
    if not status.recipient_id.isdigit():
        return None  # a group, or a business-scoped user id
    if contacts and not user_id:
        _, user_id = complete_from_contacts(status.recipient_id, None, tuple(contacts))
    timestamp = int(reported)
    plausible = EARLIEST_PLAUSIBLE_TIMESTAMP <= timestamp <= execution_timestamp + DAY_SECONDS
    return StatusEvent(
        message_id=message_id,
        status=name,
        timestamp=timestamp,
        timestamp_source=None if plausible else IMPLAUSIBLE,
        execution_id=execution_id,
        workflow_id=workflow_id,
        conversation_id=status.recipient_id,
        errors=None if status.errors is None else read_errors({"errors": status.errors}),
        pricing=None if status.pricing is None else clean_object(status.pricing),
        phone_number_id=metadata.phone_number_id,
        display_phone_number=metadata.display_phone_number,
        recipient_user_id=user_id or None,
        callback_data=status.biz_opaque_callback_data or None,
    )


def _only_passed_on(execution: Execution, trigger: Run, texts: list[bytes]) -> bool:
    """Return whether no later node put out a status or a send of its own, but only the trigger's items again."""
    result = execution.data.result_data if execution.data else None
    for runs in ((result.run_data if result else None) or {}).values():
        for run in runs or ():
            if run is None or run is trigger:
                continue
            if bytes(run.error) != b"null":
                return False
            for _, _, item in run.items():
                text = bytes(item.json)
                added = next((text[len(known) - 1 :] for known in texts if text.startswith(known[:-1])), text)
                if b"statuses" in added or b"wamid." in added or b'error"' in added or b'error\\"' in added:
                    return False
                if bytes(item.error) != b"null":
                    return False
    return True


def repeats(text: bytes, known: bytes) -> bool:
    """Return whether an item is ``known`` with no statuses added behind it, as nodes that pass items on make it."""
    return text.startswith(known[:-1]) and b"statuses" not in text[len(known) - 1 :]
