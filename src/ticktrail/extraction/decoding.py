"""Decode the JSON text of one n8n execution into the records of :mod:`ticktrail.extraction.execution`.

Decoding never raises. What does not fit n8n's types is left out and reported; text that is not well-formed UTF-8 (Node
writes lone surrogates) is repaired.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ticktrail.extraction.execution import (
    Data,
    Execution,
    Item,
    NodeName,
    RedactionInfo,
    Run,
    RunSource,
    StackEntry,
    WaitingExecution,
)
from ticktrail.extraction.flatted import unflatten
from ticktrail.text.json_decoding import load_leniently

_decode = msgspec.json.Decoder(Execution).decode
_decode_data = msgspec.json.Decoder(Data).decode


def decode_execution(raw: bytes) -> tuple[Execution | None, tuple[str, ...]]:
    """Return the execution in a JSON text, and one sentence for each part that had to be left out.

    The execution is None when the text is not a JSON object.
    """
    try:
        execution = _decode(raw)
        if execution.flatted_data is None:
            return execution, ()
        data = _decode_data(unflatten(execution.flatted_data, msgspec.json.encode, len(raw)))
        return msgspec.structs.replace(execution, data=data, flatted_data=None), ()
    except (ValueError, RecursionError):
        pass
    try:
        value = load_leniently(raw)
    except (ValueError, RecursionError) as error:
        return None, (f"no readable JSON ({type(error).__name__})",)
    if not isinstance(value, dict):
        return None, ("no JSON object",)
    problems: list[str] = []
    value = _unpack_row(value, len(raw))
    try:
        return _decode(_encode(value)), ()
    except (ValueError, RecursionError):
        pass
    try:
        return _decode(_encode(_fitting(value, problems))), tuple(problems)
    except (ValueError, RecursionError) as error:
        return None, (*problems, f"not n8n's shape ({type(error).__name__})")


def _unpack_row(value: dict[str, Any], length: int) -> dict[str, Any]:
    """Return an execution whose parts are flatted JSON, as in rows of n8n's database, with these parts decoded."""
    data, workflow = value.get("data"), value.get("workflowData")
    flatted, value = value.get("flattedData"), {**value, "flattedData": None}
    try:
        if isinstance(data, str):
            value |= {"data": _unflattened(json.loads(data), length), "id": value.get("id", value.get("executionId"))}
        elif flatted is not None:
            value["data"] = _unflattened(flatted, length)
        if isinstance(workflow, str):
            decoded = json.loads(workflow)
            value["workflowData"] = _unflattened(decoded, length) if isinstance(decoded, list) else decoded
    except (ValueError, RecursionError):
        pass  # a text of another kind is a damaged part like any other
    return value


def _unflattened(elements: object, length: int) -> Any:
    return json.loads(unflatten(elements, _encode, length))


def _encode(value: object) -> bytes:
    """Return JSON without lone surrogates, which the typed decoder refuses even in parts it skips."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _fits(value: object, kind: Any) -> bool:
    try:
        msgspec.json.decode(_encode(value), type=kind)
    except (ValueError, RecursionError):
        return False
    return True


def _fitting(value: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return the execution without the smallest parts that do not fit: an item, else a run, a node, or the section."""
    data = value.get("data")
    if not isinstance(data, dict):
        if data is not None:
            problems.append("data that is no object")
        return {**value, "data": None}
    result = data.get("resultData")
    if isinstance(result, dict):
        run_data = result.get("runData")
        nodes = run_data.items() if isinstance(run_data, dict) else ()
        problems.extend(f"node {name!r}: runs that are no list" for name, runs in nodes if not _is_list(runs))
        runs = {node: [_fitting_run(run, node, problems) for run in _list(runs)] for node, runs in nodes}
        pinned = result.get("pinData")
        result = {"runData": runs, "pinData": pinned if isinstance(pinned, dict) else None}
    else:
        result = None
    rest = data.get("executionData")
    if isinstance(rest, dict):
        stack = [_fitting_entry(entry, problems) for entry in _list(rest.get("nodeExecutionStack"))]
        waiting = {}
        reported = rest.get("waitingExecution")
        for node, inputs in reported.items() if isinstance(reported, dict) else ():
            if _fits({node: inputs}, WaitingExecution):
                waiting[node] = inputs
            else:
                problems.append(f"node {node!r}: waiting input that does not fit")
        rest = {"nodeExecutionStack": stack, "waitingExecution": waiting}
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
    repaired = {**run, "data": _fitting_outputs(run.get("data"))}
    if not _fits(repaired, Run):
        repaired = {name: repaired[name] for name in ("startTime", "executionIndex", "data") if name in repaired}
        if _fits(run.get("source"), list[RunSource | None] | None):
            repaired["source"] = run.get("source")
        else:
            # Unknown origin counts as a later node: the stricter reading.
            repaired["source"] = [{"previousNode": "?"}]
    return repaired


def _fitting_entry(entry: object, problems: list[str]) -> object:
    if _fits(entry, StackEntry | None):
        return entry
    problems.append("execution stack: items that do not fit")
    if not isinstance(entry, dict):
        return None
    node = entry.get("node")
    return {
        "node": node if _fits(node, NodeName | None) else None,
        "data": _fitting_outputs(entry.get("data")),
        "source": entry.get("source"),
    }


def _fitting_outputs(outputs: object) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for kind, lists in outputs.items() if isinstance(outputs, dict) else ():
        kept[kind] = [[item for item in _list(output) if _fits(item, Item | None)] for output in _list(lists)]
    return kept


def _is_list(value: object) -> bool:
    return value is None or isinstance(value, list)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
