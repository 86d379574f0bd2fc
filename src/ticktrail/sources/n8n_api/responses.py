"""n8n's list answers as records: which executions exist, and the raw text of those that came with data."""

from __future__ import annotations

import base64
import json
from typing import Any, TypeVar

import msgspec

from ticktrail.messages.model import FINAL_STATUSES
from ticktrail.sources import Page
from ticktrail.sources.lenient_json import Scanner

T = TypeVar("T")


class ExecutionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a list without data.

    Attributes:
        status: None up to n8n 1.110, whose list rows have none.
        started_at: as n8n wrote it (ISO 8601, UTC, milliseconds); None for one that is queued.
        stopped_at: as n8n wrote it. A waiting execution has one too: it says nothing about being done.
        finished: true for successful ones only.
    """

    id: int
    status: str | None = None
    started_at: str | None = None
    stopped_at: str | None = None
    mode: str | None = None
    workflow_id: str | None = None
    finished: bool = False

    @property
    def final(self) -> bool | None:
        """Whether n8n is done with it; None when the row does not tell (it has no status, and is no success)."""
        if self.status is not None:
            return self.status in FINAL_STATUSES
        return True if self.finished else None


class MetadataPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of the list without data, newest first; the only kind of page that is known to be complete.

    Attributes:
        more: whether older executions follow, below the last row's id.
        problems: what this page leaves open, one sentence each.
        size: bytes on the wire.
    """

    rows: tuple[ExecutionSummary, ...]
    more: bool
    problems: tuple[str, ...] = ()
    size: int = 0


class FetchedPage(Page, frozen=True, kw_only=True):
    """A page that knows its ids.

    Attributes:
        ids: of ``executions``, in the same order.
    """

    ids: tuple[int, ...] = ()


class WorkflowSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow as a choice: ``node_types`` are n8n's, as ``n8n-nodes-base.whatsAppTrigger``, each once."""

    id: str
    name: str
    active: bool
    node_types: tuple[str, ...]


class RawRow(msgspec.Struct, frozen=True):
    """One execution with data. ``withheld``: n8n found it too large to display; ``started_at`` as n8n wrote it."""

    id: int
    raw: bytes
    withheld: bool
    has_status: bool
    started_at: str | None = None


class RawPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page with data. ``length`` is its size uncompressed, ``size`` on the wire, both in bytes."""

    rows: tuple[RawRow, ...]
    length: int
    size: int
    seconds: float


class _Row(msgspec.Struct, rename="camel"):
    id: Any
    status: Any = None
    started_at: Any = None
    stopped_at: Any = None
    mode: Any = None
    workflow_id: Any = None
    finished: Any = None


class _Head(msgspec.Struct, rename="camel"):
    id: Any = None
    status: Any = None
    started_at: Any = None
    data_too_large_to_display: Any = None


class _RowList(msgspec.Struct, rename="camel"):
    data: list[_Row]
    next_cursor: str | None


class _RawList(msgspec.Struct, rename="camel"):
    data: list[msgspec.Raw]
    next_cursor: str | None


class _Node(msgspec.Struct):
    type: Any = None


class _Workflow(msgspec.Struct):
    id: Any
    name: Any = None
    active: Any = None
    nodes: list[_Node | None] | None = None


class _WorkflowList(msgspec.Struct, rename="camel"):
    data: list[_Workflow]
    next_cursor: str | None


def cursor_below(execution_id: int, limit: int) -> str:
    """The cursor of the page that begins right below an id: the same that n8n makes (its ``encodeNextCursor``)."""
    text = json.dumps({"lastId": str(execution_id), "limit": limit}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def read_rows(body: bytes) -> tuple[list[ExecutionSummary], bool, int]:
    """A list without data: its rows, whether n8n gave a cursor, and how many rows had no number for an id."""
    listed = _decode(body, _RowList)
    rows = []
    for row in listed.data:
        number = _number(row.id)
        if number is not None:
            rows.append(
                ExecutionSummary(
                    id=number,
                    status=_text(row.status),
                    started_at=_text(row.started_at),
                    stopped_at=_text(row.stopped_at),
                    mode=_text(row.mode),
                    workflow_id=_text(row.workflow_id),
                    finished=row.finished is True,
                )
            )
    return rows, listed.next_cursor is not None, len(listed.data) - len(rows)


def read_raw_rows(body: bytes) -> list[RawRow]:
    """A list with data: each execution's text as n8n wrote it. A row without a number for an id is left out.

    Node writes lone surrogates, which msgspec refuses: such a page is cut by a slower, lenient reader.
    """
    try:
        texts = [bytes(raw) for raw in msgspec.json.decode(body, type=_RawList).data]
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError):
        texts = _cut(body)
    rows = []
    for text in texts:
        head = _decode(text, _Head)
        number = _number(head.id)
        if number is not None:
            rows.append(_raw_row(number, text, head))
    return rows


def read_workflows(body: bytes) -> tuple[list[WorkflowSummary], str | None]:
    """A page of the list of workflows, and the cursor of the next."""
    listed = _decode(body, _WorkflowList)
    found = []
    for workflow in listed.data:
        types = dict.fromkeys(node.type for node in workflow.nodes or () if node and isinstance(node.type, str))
        found.append(
            WorkflowSummary(
                id=str(workflow.id),
                name=_text(workflow.name) or "",
                active=workflow.active is True,
                node_types=tuple(types),
            )
        )
    return found, listed.next_cursor


def read_object(body: bytes) -> dict[str, Any]:
    """Any JSON object."""
    return _decode(body, dict[str, Any])


def read_execution(body: bytes) -> RawRow:
    """The answer to the question for one execution."""
    head = _decode(body, _Head)
    number = _number(head.id)
    if number is None:
        raise msgspec.ValidationError("an execution without an id")
    return _raw_row(number, body, head)


def _raw_row(number: int, raw: bytes, head: _Head) -> RawRow:
    withheld = head.data_too_large_to_display is True
    return RawRow(number, raw, withheld, isinstance(head.status, str), _text(head.started_at))


def _cut(body: bytes) -> list[bytes]:
    scanner = Scanner(body.decode("utf-8", "surrogateescape"))
    spans: list[tuple[int, int]] | None = None
    keys = set()
    for key in scanner.members():
        keys.add(key)
        if key == "data" and scanner.peek() == "[":
            spans = []
            for start in scanner.elements():
                scanner.value()
                spans.append((start, scanner.position))
        else:
            scanner.value()
    if spans is None or "nextCursor" not in keys:
        raise msgspec.ValidationError("no list of n8n's")
    return [scanner.text[start:end].encode("utf-8", "surrogateescape") for start, end in spans]


def _decode(body: bytes, kind: type[T]) -> T:
    """Decode, leniently where msgspec refuses the text itself. Raises ValidationError for another shape."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError):
        value = Scanner(body.decode("utf-8", "surrogateescape")).value()
        return msgspec.convert(value, kind)


def _number(value: object) -> int | None:
    """n8n writes ids as strings since 1.0."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None if value is None else str(value)
