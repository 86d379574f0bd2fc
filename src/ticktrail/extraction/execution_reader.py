"""Read one n8n execution: the statuses and sends in it, or the reason why they cannot be read.

Reads every node's output and the execution stack, whatever the nodes are called; never ``workflowData``, and never
data that was pinned in the editor. A node that nothing precedes is the trigger: its output is the request itself.
:mod:`ticktrail.extraction.trust` decides what is believed. What looks like a status and is not believed makes the
execution *not read*; it never makes it one without statuses.

Pure: takes any bytes and never raises.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec

from ticktrail.extraction.decoding import decode_execution
from ticktrail.extraction.execution import (
    Data,
    Execution,
    Item,
    Runs,
    split_runs,
)
from ticktrail.extraction.fast_path import fast_events, repeats
from ticktrail.extraction.payload import decode_base64, proven_payloads, queue_message
from ticktrail.extraction.providers import name_provider
from ticktrail.extraction.sends import find_sends, may_hold_send
from ticktrail.extraction.status import Holder, Moment, Reading, parse_timestamp, read_status
from ticktrail.extraction.trust import (
    Trust,
    fetches_fixed_address,
    is_clock,
    is_empty_request,
    is_trigger,
    takes_files_of_people,
    trust_in_later_nodes,
    trust_in_trigger,
)
from ticktrail.extraction.webhook import Body, is_form, is_status_alone, read_body
from ticktrail.extraction.withheld import execution_status, inline_file, withheld_reason
from ticktrail.extraction.words import has_words, is_free_of_words, is_machine_made
from ticktrail.extraction.workflow import Node, decode_workflow, nodes_by_name, short_type
from ticktrail.messages.model import Extraction, Outcome, StatusEvent
from ticktrail.text.json_decoding import decode_json
from ticktrail.text.sanitizing import clean_text

EXTRACTION_VERSION = 3
"""Raised when extraction learns something new. Whatever n8n still holds is then read again."""

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
    return (None if problems else extract_fast(execution)) or extract_general(execution, raw, problems)


def extract_fast(execution: Execution) -> Extraction | None:
    """Fast path: read a standard execution; None when the general path must decide."""
    execution_id, workflow_id = _identifier(execution.id), _identifier(execution.workflow_id)
    started_at = _instant(execution.started_at)
    if not workflow_id or started_at is None:
        return None
    events = fast_events(
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
        status=execution_status(execution),
        started_at=started_at,
        outcome=Outcome.FOUND,
        events=events,
    )


def extract_general(execution: Execution, raw: bytes, problems: tuple[str, ...]) -> Extraction:
    """General path: read an execution of any shape."""
    reader = _Reader(execution, raw, list(problems))
    reader.read()
    events = tuple(reader.events.values())
    outcome, reason, provider = Outcome.FOUND, None, None
    if not events:
        reason = withheld_reason(execution, execution_status(execution), reader.trigger_items, reader.problems)
        outcome = Outcome.WITHHELD if reason else Outcome.NONE
        if reason is None and (reason := reader.not_read_reason()) is not None:
            outcome, provider = Outcome.NOT_READ, reader.provider if reason == "provider" else None
    return Extraction(
        execution_id=reader.execution_id,
        workflow_id=reader.workflow_id,
        status=execution_status(execution),
        started_at=reader.started_at,
        outcome=outcome,
        reason=reason,
        provider=provider,
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
        self.person_wrote = False
        self.called_by_person = False
        self.proven_trigger = True
        self.trigger_values: list[Any] = []
        self.unbelieved: set[str] = set()
        self.provider: str | None = None
        self.started_at = _instant(execution.started_at)
        began = self.started_at or _instant(execution.created_at)
        self.moment = Moment(None, None if began is None else int(began.timestamp()))

    @cached_property
    def free_of_words(self) -> bool:
        """True when the triggers received no text of a person, nor one that may hide the JSON of a status."""
        return not self.person_wrote and all(map(is_free_of_words, self.trigger_values))

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The nodes of the execution's snapshot by name."""
        return nodes_by_name(self.execution)

    def read(self) -> None:
        data = self.execution.data
        if data is None or self.execution.mode == "evaluation":
            return  # an evaluation feeds samples from a table
        pinned = self._pinned(data)
        parts = split_runs(data, pinned, self._is_trigger)
        start = next(
            (moment for _, run in parts.first if (moment := parse_timestamp(run.start_time)) is not None), None
        )
        self.moment = Moment(start, self.moment.execution_timestamp)
        for name, run in parts.first:
            self._read_trigger("trigger", name, [item for _, _, item in run.items()])
        for name, items in parts.stack_first:
            self._read_trigger("execution stack", name, items)
        if not pinned:
            self._read_later(parts)
        if may_hold_send(self.raw):
            found = find_sends(
                self.execution,
                execution_id=self.execution_id,
                workflow_id=self.workflow_id,
                clean=self.free_of_words,
                called_by_person=self.called_by_person,
                pinned=pinned,
            )
            self.sends = found.sends
            if found.unbelieved:
                self.unbelieved.add("send")
        self._drop_made_up_twins()

    def not_read_reason(self) -> str | None:
        """Return why an execution without events is not one without statuses."""
        for reason in ("status", "text", "provider", "send"):
            if reason in self.unbelieved:
                return reason
        return None

    def _pinned(self, data: Data) -> frozenset[str]:
        """Return the nodes whose output was pinned in the editor, which happens in manual runs only."""
        pinned = set((data.result_data.pin_data if data.result_data else None) or ())
        if self.execution.mode == "manual":
            samples = decode_workflow(self.execution).pin_data
            pinned.update(samples if isinstance(samples, dict) else ())
        return frozenset(pinned)

    def _is_trigger(self, node: str, node_type: str) -> bool | None:
        """Return whether a node starts workflows, by its type in the snapshot or beside it; None when it has none."""
        known = self.nodes[node].type if node in self.nodes else node_type
        return is_trigger(short_type(known)) if known else None

    def _kind(self, node: str, json_: object) -> str:
        """Return the type of a trigger; without a snapshot of the workflow the shape of its item tells."""
        known = self.nodes.get(node)
        if known is not None and known.type:
            return short_type(known.type)
        if not isinstance(json_, dict):
            return ""
        if "body" in json_ and not {"headers", "params", "query", "webhookUrl"}.isdisjoint(json_):
            return "webhook"
        return "whatsapptrigger" if {"metadata", "field"} <= json_.keys() else ""

    def _read_trigger(self, place: str, node: str, items: list[Item]) -> None:
        for item in items:
            self.trigger_items.append(item)
            json_ = decode_json(item.json)
            kind = self._kind(node, json_)
            trust = trust_in_trigger(kind, self.execution.mode)
            if trust is None or is_form(json_):
                self._read_words(place, json_, in_form=trust is not None)
                continue
            if b"statuses" in bytes(item.json):
                self.read_texts.append(bytes(item.json))
            self._read_trigger_item(place, kind, trust, item, json_)

    def _read_words(self, place: str, json_: Any, *, in_form: bool) -> None:
        """Note what looks like a status in an item that a person wrote. Other providers send forms too."""
        self.person_wrote = self.called_by_person = True
        body = read_body(json_.get("body") if in_form else json_)
        self._read_holders(place, body, Trust.NOTHING)
        if in_form:
            self._name_provider(json_)
            if body.closed_text:
                self.unbelieved.add("text")

    def _read_trigger_item(self, place: str, kind: str, trust: Trust, item: Item, json_: Any) -> None:
        """Read what a trigger received, and the payloads in its texts, as far as they are believed."""
        value, alone = queue_message(json_, kind)
        if not alone or (trust is Trust.ENVELOPE and not (is_machine_made(value) and is_free_of_words(value))):
            trust = Trust.NOTHING
        payloads = proven_payloads(value, kind) if trust is Trust.STRUCTURE else []
        body = read_body(value)
        handed_on = kind == "executeworkflowtrigger" and is_status_alone(value)
        believed = self._read_holders(place, body, Trust.STRUCTURE if handed_on else trust)
        if kind == "webhook" and trust is Trust.STRUCTURE and (file := _inline_body(item, json_)) is not None:
            payloads = [*payloads, file]
        opened = [read_body(payload) for payload in payloads]
        for payload, inside in zip(payloads, opened, strict=True):
            proof = Trust.ENVELOPE if is_machine_made(payload) else Trust.NOTHING
            believed = self._read_holders(place, inside, proof) or believed
        if body.closed_text and not opened and not believed:
            self.unbelieved.add("text")
        self.person_wrote = self.person_wrote or any(part.person_wrote for part in (body, *opened))
        empty = is_clock(kind) or (kind == "webhook" and is_empty_request(value)) or _is_raw_request(kind, item, value)
        self.proven_trigger = self.proven_trigger and (believed or empty)
        self.trigger_values.append(payloads or value)
        if not believed:
            self._name_provider(json_)

    def _name_provider(self, json_: object) -> None:
        """Note which other provider's webhook a request is."""
        if self.provider is None and (name := name_provider(json_)) is not None:
            self.provider = name
            self.unbelieved.add("provider")

    def _read_later(self, parts: Runs) -> None:
        """Read the nodes behind the trigger, as far as they are believed."""
        candidates = [
            (node, f"node {node!r}" if node else "execution stack", item)
            for node, item in parts.later_items()
            if _may_hold_status(bytes(item.json))
            and not any(repeats(bytes(item.json), known) for known in self.read_texts)
        ]
        if not candidates:
            return
        trust = self._trust_in_later(parts)
        for node, place, item in candidates:
            value = decode_json(item.json)
            if node in self.nodes and fetches_fixed_address(self.nodes[node]):
                proof = max(trust, Trust.ENVELOPE)
            else:
                proof = Trust.NOTHING if trust is Trust.ENVELOPE and not is_machine_made(value) else trust
            body = read_body(value)
            self._read_holders(place, body, proof)
            if body.closed_text and not self.person_wrote:
                self.unbelieved.add("text")

    def _trust_in_later(self, parts: Runs) -> Trust:
        """Return what is believed of the nodes behind the trigger, all of them together."""
        if not self.proven_trigger or not self.free_of_words:
            return Trust.NOTHING
        trust = trust_in_later_nodes(self.nodes.get(node, Node()) for node in parts.later_nodes())
        if trust is Trust.NOTHING:
            return trust
        for node, item in parts.later_items():
            value = decode_json(item.json)
            if bytes(item.binary) != b"null" and node in self.nodes and takes_files_of_people(self.nodes[node]):
                return Trust.NOTHING
            if not is_free_of_words(value) or (trust is Trust.ENVELOPE and has_words(value)):
                return Trust.NOTHING
        return trust

    def _read_holders(self, place: str, body: Body, trust: Trust) -> bool:
        """Keep the events of a body as far as it is believed; return whether any status was."""
        believed = False
        for holder in body.holders:
            structure = trust is Trust.STRUCTURE
            proven = holder.in_envelope or (structure and not holder.by_person)
            if trust is Trust.NOTHING or not proven or (structure and holder.beside_words):
                if any(self._event(status, holder).event for status in holder.statuses):
                    self.unbelieved.add("status")
                continue
            for status in holder.statuses:
                reading = self._event(status, holder)
                believed = True
                if reading.event is not None:
                    self._keep(reading.event)
                elif reading.problem is not None:
                    self.problems.append(f"{place}: {reading.problem}")
        return believed

    def _event(self, status: object, holder: Holder) -> Reading:
        return read_status(status, holder, self.moment, execution_id=self.execution_id, workflow_id=self.workflow_id)

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
        """Drop a copy that lost its time on the way through a node: it is the same status, not another."""
        if len(self.events) < 2:
            return
        reported = {key[:3] for key in self.events if key[4] is None}
        for key in [key for key in self.events if key[4] == "execution" and key[:3] in reported]:
            del self.events[key]


def _may_hold_status(text: bytes) -> bool:
    return b"statuses" in text or (b'"recipient_id"' in text and b'"wamid.' in text)


def _is_raw_request(kind: str, item: Item, value: object) -> bool:
    """Return whether a Webhook node kept the whole request as a file, which later nodes open."""
    return kind == "webhook" and bytes(item.binary) != b"null" and isinstance(value, dict) and not value.get("body")


def _inline_body(item: Item, json_: Any) -> Any:
    """Return the request's JSON when the Webhook node kept it as a file inside the execution itself (base64)."""
    if isinstance(json_, dict) and json_.get("body"):
        return None
    text = decode_base64(inline_file(item))
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def _snapshot_id(execution: Execution) -> object:
    return decode_workflow(execution).id if execution.workflow_id is None else None


def _identifier(value: object) -> str:
    if isinstance(value, str):
        return clean_text(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _instant(value: object) -> datetime | None:
    """Return an n8n time (ISO 8601, UTC, milliseconds) as an instant."""
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
