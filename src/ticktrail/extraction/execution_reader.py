"""One n8n execution → the statuses and sends in it, or why there are none to see.

Reads every node's output and the execution stack, whatever the nodes are called; never ``workflowData`` and never
data people pinned in the editor. A node that nothing precedes is the trigger: its output is the request itself.
What later nodes put out repeats it or adds to it, except that after a WhatsApp user wrote to us later nodes may
carry the user's own words as objects, so then only the trigger is believed.

This module is pure and takes any bytes without raising.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from ticktrail.extraction.execution import (
    Data,
    Execution,
    Item,
    Run,
    StackEntry,
    decode_execution,
    decode_json,
    decode_workflow,
)
from ticktrail.extraction.fast_path import plain_events, repeats
from ticktrail.extraction.sends import find_sends, may_hold_send
from ticktrail.extraction.webhook import Moment, parse_timestamp, read_body, read_status
from ticktrail.messages.model import FINAL_STATUSES, Extraction, Outcome, StatusEvent
from ticktrail.text.sanitizing import clean_text

EXTRACTION_VERSION = 1
"""Grows when extraction learns something new, so that what n8n still holds is read again."""

_MACHINE_TRIGGERS = frozenset(
    {"webhook", "whatsapptrigger", "scheduletrigger", "manualtrigger", "evaluationtrigger", "rabbitmqtrigger"}
    | {"cron", "interval", "start"}
    | {"kafkatrigger", "amqptrigger", "mqtttrigger", "redistrigger", "awssnstrigger", "ssetrigger"}
)
"""Types of triggers that take requests of programs. Others (chats, forms, e-mail, sub-workflows) hand on what people
wrote or other workflows made."""

_NULL = b"null"
_FIRST_ID = re.compile(rb'"id"\s*:\s*"?(\d{1,18})')
_FIRST_WORKFLOW = re.compile(rb'"workflowId"\s*:\s*"([\w-]{1,64})"')


def extract(raw: bytes) -> Extraction:
    """Read one execution.

    Args:
        raw: its JSON as n8n's public API writes it, with or without ``data``.
    """
    execution, problems = decode_execution(raw)
    if execution is None:
        found, workflow = _FIRST_ID.search(raw), _FIRST_WORKFLOW.search(raw)
        return Extraction(
            execution_id=found.group(1).decode() if found else "",
            workflow_id=workflow.group(1).decode() if workflow else "",
            status="unknown",
            started_at=None,
            outcome=Outcome.WITHHELD,
            reason="unreadable",
            problems=problems,
        )
    return (None if problems else _extract_plain(execution)) or _extract_any(execution, raw, problems)


def _extract_plain(execution: Execution) -> Extraction | None:
    """What a plain execution holds, read quickly; None when it is not plain."""
    execution_id, workflow_id = _identifier(execution.id), _identifier(execution.workflow_id)
    started_at = _instant(execution.started_at)
    if not workflow_id or started_at is None:
        return None
    events = plain_events(
        execution,
        execution_id=execution_id,
        workflow_id=workflow_id,
        execution_timestamp=int(started_at.timestamp()),
    )
    if events is None:
        return None
    return Extraction(
        execution_id=execution_id,
        workflow_id=workflow_id,
        status=_status(execution),
        started_at=started_at,
        outcome=Outcome.FOUND,
        events=events,
    )


def _extract_any(execution: Execution, raw: bytes, problems: tuple[str, ...]) -> Extraction:
    """What an execution of any shape holds."""
    reader = _Reader(execution, raw, list(problems))
    reader.read()
    events = tuple(reader.events.values())
    reason = None if events else _hidden(execution, reader)
    return Extraction(
        execution_id=reader.execution_id,
        workflow_id=reader.workflow_id,
        status=_status(execution),
        started_at=reader.started_at,
        outcome=Outcome.FOUND if events else Outcome.WITHHELD if reason else Outcome.NONE,
        reason=reason,
        events=events,
        sends=reader.sends,
        problems=tuple(reader.problems),
    )


class _Reader:
    """Collects the distinct statuses of one execution, the trigger's first."""

    def __init__(self, execution: Execution, raw: bytes, problems: list[str]) -> None:
        self.execution = execution
        self.raw = raw
        self.problems = problems
        self.execution_id = _identifier(execution.id)
        self.workflow_id = _identifier(execution.workflow_id) or _identifier(_snapshot_id(execution))
        self.events: dict[tuple[Any, ...], StatusEvent] = {}
        self.sends: tuple[Any, ...] = ()
        self.trigger_items: list[Item] = []
        self.read_texts: list[bytes] = []
        self.user_wrote = False
        self.types: dict[str, str] | None = None
        self.started_at = _instant(execution.started_at)
        began = self.started_at or _instant(execution.created_at)
        self.moment = Moment(None, None if began is None else int(began.timestamp()))

    def read(self) -> None:
        data = self.execution.data
        if data is None or self.execution.mode == "evaluation":
            return  # an evaluation feeds samples from a table
        pinned = self._pinned(data)
        first, later = _runs(data, pinned)
        stack_first, stack_later = _stack(data, pinned)
        start = next((moment for _, run in first if (moment := parse_timestamp(run.start_time)) is not None), None)
        self.moment = Moment(start, self.moment.execution_timestamp)
        for name, run in first:
            self._read_trigger("trigger", name, [item for _, _, item in run.items()])
        for name, items in stack_first:
            self._read_trigger("execution stack", name, items)
        if not pinned:
            self._read_later(later, stack_later)
        if not pinned and may_hold_send(self.raw):
            self.sends = find_sends(
                self.execution,
                execution_id=self.execution_id,
                workflow_id=self.workflow_id,
                user_wrote=self.user_wrote,
            )
        self._drop_made_up_twins()

    def _pinned(self, data: Data) -> frozenset[str]:
        """The nodes whose output was pinned in the editor, which happens in manual runs only."""
        pinned = set((data.result_data.pin_data if data.result_data else None) or ())
        if self.execution.mode == "manual":
            samples = decode_workflow(self.execution).pin_data
            pinned.update(samples if isinstance(samples, dict) else ())
        return frozenset(pinned)

    def _hears_machines(self, node: str) -> bool:
        """Whether a trigger takes requests of programs: others hand on what people wrote or other workflows made."""
        if self.execution.mode in ("integrated", "error"):
            return False
        if self.types is None:
            nodes = decode_workflow(self.execution).nodes or ()
            self.types = {node.name: node.type.rsplit(".", 1)[-1].lower() for node in nodes if node is not None}
        return self.types.get(node, "webhook") in _MACHINE_TRIGGERS

    def _read_trigger(self, place: str, node: str, items: list[Item]) -> None:
        open_texts = self._hears_machines(node)
        self.user_wrote = self.user_wrote or not open_texts
        for item in items:
            self.trigger_items.append(item)
            text = bytes(item.json)
            if b"statuses" in text:
                self.read_texts.append(text)
                self._read_value(place, decode_json(item.json), open_texts=open_texts)
            elif not self.user_wrote:
                self.user_wrote = read_body(decode_json(item.json), open_texts=open_texts).user_wrote
            body = _inline_body(item) if open_texts else None
            if body is not None:
                self._read_value(place, body, open_texts=False)

    def _read_later(self, runs: Iterable[tuple[str, Run]], stack: Iterable[Item]) -> None:
        items = [(f"node {name!r}", item) for name, run in runs for _, _, item in run.items()]
        items += [("execution stack", item) for item in stack]
        if self.user_wrote or not any(b"statuses" in bytes(item.json) for _, item in items):
            return
        if any(b'"messages"' in bytes(item.json) and read_body(decode_json(item.json)).user_wrote for _, item in items):
            return  # a node fetched what people wrote
        for place, item in items:
            self._read_repeated(place, item)

    def _read_repeated(self, place: str, item: Item) -> None:
        """Read a later node's item, unless it is the trigger's with nothing about statuses added behind it."""
        text = bytes(item.json)
        if b"statuses" not in text:
            return
        if any(repeats(text, known) for known in self.read_texts):
            return
        self._read_value(place, decode_json(item.json), open_texts=False)

    def _read_value(self, place: str, value: object, *, open_texts: bool) -> None:
        body = read_body(value, open_texts=open_texts)
        self.user_wrote = self.user_wrote or body.user_wrote
        for holder in body.holders:
            for status in holder.statuses:
                reading = read_status(
                    status, holder, self.moment, execution_id=self.execution_id, workflow_id=self.workflow_id
                )
                if reading.event is not None:
                    self._keep(reading.event)
                elif reading.problem is not None:
                    self.problems.append(f"{place}: {reading.problem}")

    def _keep(self, event: StatusEvent) -> None:
        """Keep an event once. The trigger's copy is the truth; later copies only fill what it lacks."""
        key = (event.message_id, event.status, event.participant, event.timestamp, event.timestamp_source)
        known = self.events.get(key)
        if known is None:
            self.events[key] = event
        elif known != event:
            lacking = {name: getattr(event, name) for name in event.__struct_fields__ if getattr(known, name) is None}
            self.events[key] = msgspec.structs.replace(known, **lacking)

    def _drop_made_up_twins(self) -> None:
        """A copy that lost its time on the way through a node is the same status, not another."""
        if len(self.events) < 2:
            return
        reported = {key[:3] for key in self.events if key[4] is None}
        for key in [key for key in self.events if key[4] == "execution" and key[:3] in reported]:
            del self.events[key]


def _runs(data: Data, pinned: frozenset[str]) -> tuple[list[tuple[str, Run]], list[tuple[str, Run]]]:
    """The triggers' runs and all others, without those of pinned nodes."""
    first: list[tuple[str, Run]] = []
    later: list[tuple[str, Run]] = []
    for name, runs in ((data.result_data.run_data if data.result_data else None) or {}).items():
        if name in pinned:
            continue
        for run in runs or ():
            if run is not None and run.first:
                first.append((name, run))
            elif run is not None:
                later.append((name, run))
    return first, later


def _stack(data: Data, pinned: frozenset[str]) -> tuple[list[tuple[str, list[Item]]], list[Item]]:
    """What was still to run: the trigger's own item (an execution starts with it), and later nodes' input."""
    first: list[tuple[str, list[Item]]] = []
    later: list[Item] = []
    rest = data.execution_data
    entries: list[StackEntry | None] = (rest.node_execution_stack if rest else None) or []
    for entry in entries:
        if entry is None or (entry.node is not None and entry.node.name in pinned):
            continue
        if entry.first:
            first.append((entry.node.name if entry.node else "", list(entry.items())))
        else:
            later.extend(entry.items())
    later.extend(_waiting_items(data))
    return first, later


def _waiting_items(data: Data) -> Iterator[Item]:
    rest = data.execution_data
    for runs in ((rest.waiting_execution if rest else None) or {}).values():
        for connections in (runs or {}).values():
            for outputs in (connections or {}).values():
                for output in outputs or ():
                    yield from (item for item in output or () if item is not None)


def _inline_body(item: Item) -> Any:
    """The request's JSON when the Webhook node kept it as a file inside the execution itself (base64)."""
    if bytes(item.binary) == _NULL or b"json" not in bytes(item.binary):
        return None
    files = decode_json(item.binary)
    for file in files.values() if isinstance(files, dict) else ():
        content = file.get("data") if isinstance(file, dict) else None
        if not isinstance(content, str) or ":" in content:
            continue  # "filesystem-v2" and the like: the content is elsewhere
        try:
            return json.loads(base64.b64decode(content, validate=True))
        except (ValueError, binascii.Error, RecursionError):
            continue
    return None


def _hidden(execution: Execution, reader: _Reader) -> str | None:
    """Why an execution without statuses may hold some all the same; None when it was shown whole."""
    data = execution.data
    if execution.data_too_large_to_display:
        return "too_large"
    if data is None:
        return "no_data"
    if data.redaction_info is not None and data.redaction_info.is_redacted:
        return "redacted"
    if any(b"redacted" in bytes(item.redaction) for item in reader.trigger_items):
        return "redacted"
    final = _status(execution) in FINAL_STATUSES
    ran = data.result_data is not None and bool(data.result_data.run_data)
    if final and not ran and not reader.trigger_items and execution.mode != "evaluation":
        return "empty"
    texts = [bytes(item.json) for item in reader.trigger_items]
    if texts and all(b"isArtificialRecoveredEventItem" in text for text in texts):
        return "recovered_without_payload"
    if any(b"__isTrimmedManualExecutionDataItem" in text for text in texts):
        return "trimmed"
    if any(_is_file_elsewhere(item) for item in reader.trigger_items):
        return "binary"
    if reader.problems and not reader.trigger_items:
        return "damaged"
    return None


def _is_file_elsewhere(item: Item) -> bool:
    """Whether a request's JSON body sits in a file that the public API does not hand out."""
    if bytes(item.binary) == _NULL or b"json" not in bytes(item.binary):
        return False
    value = decode_json(item.json)
    return isinstance(value, dict) and not value.get("body", True) and _inline_body(item) is None


def _status(execution: Execution) -> str:
    """n8n's status; lists before 1.111 have none, there it follows from the other fields as far as it can."""
    if isinstance(execution.status, str) and execution.status:
        return clean_text(execution.status)
    if execution.finished is True:
        return "success"
    stopped = execution.stopped_at is not None and execution.wait_till is None
    return "error" if stopped else "unknown"


def _snapshot_id(execution: Execution) -> object:
    return decode_workflow(execution).id if execution.workflow_id is None else None


def _identifier(value: object) -> str:
    if isinstance(value, str):
        return clean_text(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _instant(value: object) -> datetime | None:
    """An n8n time (ISO 8601, UTC, milliseconds) as an instant."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
