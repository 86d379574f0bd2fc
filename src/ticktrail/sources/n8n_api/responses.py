"""Parse responses of n8n's API: rows of the execution list, and the raw text of executions with data."""

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
    """A row of the execution list without data.

    Attributes:
        status: None up to n8n 1.110, whose list rows have none.
        started_at: as n8n wrote it (ISO 8601, UTC, milliseconds); None for a queued execution.
        stopped_at: as n8n wrote it. A waiting execution has one too, so it does not mean that n8n has finished.
        finished: true for successful executions only.
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
        """True when n8n has finished it; None when the row does not say so (no status, and not a success)."""
        if self.status is not None:
            return self.status in FINAL_STATUSES
        return True if self.finished else None


class MetadataPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the list without data, newest first; only such a page is known to be complete.

    Attributes:
        more: older executions follow, below the last row's id.
        problems: one sentence for each doubt about this page.
        size: bytes received.
    """

    rows: tuple[ExecutionSummary, ...]
    more: bool
    problems: tuple[str, ...] = ()
    size: int = 0


class FetchedPage(Page, frozen=True, kw_only=True):
    """A page of executions with their ids.

    Attributes:
        ids: of ``executions``, in the same order.
    """

    ids: tuple[int, ...] = ()


class WorkflowSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow in a list; ``node_types`` are n8n's, such as ``n8n-nodes-base.whatsAppTrigger``, each once."""

    id: str
    name: str
    active: bool
    node_types: tuple[str, ...]


class RawRow(msgspec.Struct, frozen=True):
    """An execution with data. ``withheld``: n8n found it too large to display; ``started_at`` as n8n wrote it."""

    id: int
    raw: bytes
    withheld: bool
    has_status: bool
    started_at: str | None = None


class RawPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page with data. ``length`` is its size uncompressed, ``size`` as received, both in bytes."""

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
    """Return the cursor of the page that begins below an id, encoded as n8n's ``encodeNextCursor`` does."""
    text = json.dumps({"lastId": str(execution_id), "limit": limit}, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def read_rows(body: bytes) -> tuple[list[ExecutionSummary], bool, int]:
    """Parse a list without data. Returns its rows, whether n8n returned a cursor, and how many rows had invalid ids."""
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
    """Parse a list with data into the text of each execution as n8n wrote it. Rows with invalid ids are left out.

    Node writes lone surrogates, which msgspec refuses: a slower, lenient scanner splits such a page.
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
    """Parse a page of the list of workflows. Returns it with the cursor of the next page."""
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
    """Parse any JSON object."""
    return _decode(body, dict[str, Any])


def read_execution(body: bytes) -> RawRow:
    """Parse the response with one execution."""
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
        raise msgspec.ValidationError("not a list of n8n's")
    return [scanner.text[start:end].encode("utf-8", "surrogateescape") for start, end in spans]


def _decode(body: bytes, kind: type[T]) -> T:
    """Decode, leniently where msgspec refuses the text. Raises ValidationError for another shape."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, RecursionError):
        value = Scanner(body.decode("utf-8", "surrogateescape")).value()
        return msgspec.convert(value, kind)


def _number(value: object) -> int | None:
    """Return an id as a number, None for an invalid one. n8n writes ids as strings since 1.0."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None if value is None else str(value)
