"""One n8n execution as a typed record: only the parts that are read, everything else skipped while decoding.

The shapes are n8n's (``IRunExecutionData`` in its source). Decoding never raises: what does not fit the shape is
left out and said, text that is not well-formed UTF-8 (Node writes lone surrogates) is mended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

_EMPTY = msgspec.Raw(b"null")


class Item(msgspec.Struct, frozen=True, rename="camel"):
    """One item of a node's output. ``json`` stays undecoded: most items are of no interest."""

    json: msgspec.Raw = _EMPTY
    binary: msgspec.Raw = _EMPTY
    error: msgspec.Raw = _EMPTY
    redaction: msgspec.Raw = _EMPTY
    paired_item: Any = None


Outputs = list[list[Item | None] | None]
"""A node's outputs, each a list of items; n8n leaves null for an output that had none."""


class RunSource(msgspec.Struct, frozen=True, rename="camel"):
    """Where a run's input came from."""

    previous_node: str | None = None
    previous_node_output: int | None = None
    previous_node_run: int | None = None


class Run(msgspec.Struct, frozen=True, rename="camel"):
    """One run of one node. ``startTime`` is in milliseconds, in seconds for runs n8n recovered after a crash."""

    start_time: Any = None
    execution_index: Any = None
    source: list[RunSource | None] | None = None
    data: dict[str, Outputs | None] | None = None
    error: msgspec.Raw = _EMPTY

    @property
    def first(self) -> bool:
        """Whether nothing precedes this run: it is a trigger's."""
        return not any(source and source.previous_node for source in self.source or ())

    def items(self) -> Iterator[tuple[int, int, Item]]:
        """Every item with the index of its output and its own index."""
        for outputs in (self.data or {}).values():
            for output_index, output in enumerate(outputs or ()):
                for item_index, item in enumerate(output or ()):
                    if item is not None:
                        yield output_index, item_index, item


class NodeName(msgspec.Struct, frozen=True, rename="camel"):
    """The node an entry of the execution stack is about to run."""

    name: str = ""


class StackEntry(msgspec.Struct, frozen=True, rename="camel"):
    """A node that had not run when the execution stopped, with the input it was given."""

    node: NodeName | None = None
    data: dict[str, Outputs | None] | None = None
    source: Any = None

    @property
    def first(self) -> bool:
        """Whether the input is the webhook itself: n8n starts an execution with its trigger's item on the stack."""
        if not isinstance(self.source, dict):
            return True
        return not any(isinstance(lists, list) and any(lists) for lists in self.source.values())

    def items(self) -> Iterator[Item]:
        """Every item of the input."""
        for outputs in (self.data or {}).values():
            for output in outputs or ():
                for item in output or ():
                    if item is not None:
                        yield item


class ExecutionData(msgspec.Struct, frozen=True, rename="camel"):
    """n8n's ``executionData``: what was still to run."""

    node_execution_stack: list[StackEntry | None] | None = None
    waiting_execution: dict[str, dict[str, dict[str, Outputs | None] | None] | None] | None = None


class ResultData(msgspec.Struct, frozen=True, rename="camel"):
    """n8n's ``resultData``: what ran, and the data people pinned in the editor instead."""

    run_data: dict[str, list[Run | None] | None] | None = None
    pin_data: dict[str, msgspec.Raw] | None = None


class RedactionInfo(msgspec.Struct, frozen=True, rename="camel"):
    """Whether n8n blanked the data before handing it out."""

    is_redacted: bool | None = None


class Data(msgspec.Struct, frozen=True, rename="camel"):
    """The ``data`` of an execution."""

    result_data: ResultData | None = None
    execution_data: ExecutionData | None = None
    redaction_info: RedactionInfo | None = None


class Execution(msgspec.Struct, frozen=True, rename="camel"):
    """One execution, as the public API hands it out. ``workflowData`` stays undecoded until a node is looked up."""

    id: Any = None
    status: Any = None
    finished: Any = None
    mode: Any = None
    started_at: Any = None
    created_at: Any = None
    retry_of: Any = None
    wait_till: Any = None
    stopped_at: Any = None
    workflow_id: Any = None
    data_too_large_to_display: Any = None
    data: Data | None = None
    workflow_data: msgspec.Raw = _EMPTY


_decode = msgspec.json.Decoder(Execution).decode


def decode_execution(raw: bytes) -> tuple[Execution | None, tuple[str, ...]]:
    """The execution in a JSON text, and what had to be left out of it, one sentence each.

    None when the text is no JSON object at all.
    """
    try:
        return _decode(raw), ()
    except msgspec.DecodeError:
        pass
    try:
        value = json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        return None, (f"no readable JSON ({type(error).__name__})",)
    if not isinstance(value, dict):
        return None, ("no JSON object",)
    problems: list[str] = []
    try:
        return _decode(_encode(value)), ()
    except msgspec.DecodeError:
        fitting = _fitting(value, problems)
    try:
        return _decode(_encode(fitting)), tuple(problems)
    except msgspec.DecodeError as error:
        return None, (*problems, f"not n8n's shape ({error})")


def _encode(value: object) -> bytes:
    """JSON without lone surrogates, which the typed decoder refuses even in what it skips."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.json.decode(_encode(value), type=kind)
    except msgspec.DecodeError:
        return False
    return True


def _fitting(value: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """The execution less the smallest parts that do not fit: an item, else a run, else a node, else the section."""
    data = value.get("data")
    if not isinstance(data, dict):
        if data is not None:
            problems.append("data that is no object")
        return {**value, "data": None}
    result = data.get("resultData")
    if isinstance(result, dict):
        run_data = result.get("runData")
        nodes = run_data.items() if isinstance(run_data, dict) else ()
        runs = {node: [_fitting_run(run, node, problems) for run in _list(runs)] for node, runs in nodes}
        pinned = result.get("pinData")
        result = {"runData": runs, "pinData": pinned if isinstance(pinned, dict) else None}
    else:
        result = None
    rest = data.get("executionData")
    if isinstance(rest, dict):
        stack = [entry for entry in _list(rest.get("nodeExecutionStack")) if _fits(entry, StackEntry)]
        waiting = rest.get("waitingExecution")
        rest = {"nodeExecutionStack": stack, "waitingExecution": waiting}
        if not _fits(rest, ExecutionData):
            problems.append("waiting executions that do not fit")
            rest = {"nodeExecutionStack": stack}
    else:
        rest = None
    redaction = data.get("redactionInfo")
    kept = {
        "resultData": result,
        "executionData": rest,
        "redactionInfo": redaction if _fits(redaction, RedactionInfo) else None,
    }
    return {**value, "data": kept}


def _fitting_run(run: object, node: str, problems: list[str]) -> object:
    if _fits(run, Run | None):
        return run
    if not isinstance(run, dict):
        problems.append(f"node {node!r}: a run that is no object")
        return None
    problems.append(f"node {node!r}: items that do not fit")
    outputs = run.get("data")
    kept: dict[str, Any] = {}
    for kind, lists in outputs.items() if isinstance(outputs, dict) else ():
        kept[kind] = [[item for item in _list(output) if _fits(item, Item | None)] for output in _list(lists)]
    mended = {**run, "data": kept}
    if not _fits(mended, Run):
        mended = {name: mended[name] for name in ("startTime", "executionIndex", "data") if name in mended}
        if _fits(run.get("source"), list[RunSource | None] | None):
            mended["source"] = run.get("source")
        else:
            # Unknown origin counts as a later node: the stricter reading.
            mended["source"] = [{"previousNode": "?"}]
    return mended


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


class Node(msgspec.Struct, frozen=True, rename="camel"):
    """A node as the execution's own snapshot of the workflow has it."""

    name: str = ""
    type: str = ""
    parameters: Any = None


class Workflow(msgspec.Struct, frozen=True, rename="camel"):
    """The snapshot of the workflow in an execution. Never searched for statuses: it may hold samples."""

    id: Any = None
    name: Any = None
    nodes: list[Node | None] | None = None
    pin_data: Any = None


def decode_workflow(execution: Execution) -> Workflow:
    """The execution's snapshot of its workflow, an empty one when it cannot be read."""
    try:
        return msgspec.json.decode(execution.workflow_data, type=Workflow | None) or Workflow()
    except msgspec.DecodeError:
        return Workflow()


def decode_json(raw: msgspec.Raw) -> Any:
    """Any JSON value from its text; None when it cannot be read."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
