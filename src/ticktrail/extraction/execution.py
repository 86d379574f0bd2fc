"""Typed records of one n8n execution. Parts that are never read are skipped while decoding.

See: ``IRunExecutionData`` in n8n's source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

_EMPTY = msgspec.Raw(b"null")


class Item(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One item of a node's output. ``json`` stays undecoded: most items are of no interest."""

    json: msgspec.Raw = _EMPTY
    binary: msgspec.Raw = _EMPTY
    error: msgspec.Raw = _EMPTY
    redaction: msgspec.Raw = _EMPTY
    paired_item: Any = None


Outputs = list[list[Item | None] | None]
"""A node's outputs, each a list of items; n8n leaves null for an output that had none."""


class RunSource(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The run that a run's input came from."""

    previous_node: str | None = None
    previous_node_output: int | None = None
    previous_node_run: int | None = None


class Run(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One run of one node. ``startTime`` is in milliseconds, in seconds for runs n8n recovered after a crash."""

    start_time: Any = None
    execution_index: Any = None
    source: list[RunSource | None] | None = None
    data: dict[str, Outputs | None] | None = None
    error: msgspec.Raw = _EMPTY
    input_override: msgspec.Raw = _EMPTY

    @property
    def failed(self) -> bool:
        """True when the node threw. Where the workflow continues, n8n puts the node's input out as its output."""
        return bytes(self.error) != b"null"

    @property
    def first(self) -> bool:
        """True when nothing precedes this run: it is a trigger's."""
        if self.data and self.data.keys() != {"main"}:
            return False  # older n8n names no origin for an agent's sub-nodes (``source: [null]``)
        return not any(source and source.previous_node for source in self.source or ())

    def items(self) -> Iterator[tuple[int, int, Item]]:
        """Yield every item with the index of its output and its own index."""
        for outputs in (self.data or {}).values():
            for output_index, output in enumerate(outputs or ()):
                for item_index, item in enumerate(output or ()):
                    if item is not None:
                        yield output_index, item_index, item


class NodeName(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The node an entry of the execution stack is about to run."""

    name: str = ""
    type: str = ""


class StackEntry(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A node that had not run when the execution stopped, with the input it was given."""

    node: NodeName | None = None
    data: dict[str, Outputs | None] | None = None
    source: Any = None

    @property
    def first(self) -> bool:
        """True when the input is the webhook itself: n8n starts an execution with its trigger's item on the stack."""
        if not isinstance(self.source, dict):
            return True
        return not any(isinstance(lists, list) and any(lists) for lists in self.source.values())

    def items(self) -> Iterator[Item]:
        """Yield every item of the input."""
        for outputs in (self.data or {}).values():
            for output in outputs or ():
                for item in output or ():
                    if item is not None:
                        yield item


WaitingExecution = dict[str, dict[str, dict[str, Outputs | None] | None] | None]


class ExecutionData(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """n8n's ``executionData``: the nodes that had not run yet."""

    node_execution_stack: list[StackEntry | None] | None = None
    waiting_execution: WaitingExecution | None = None


class ResultData(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """n8n's ``resultData``: the runs, and the data that were pinned in the editor instead."""

    run_data: dict[str, list[Run | None] | None] | None = None
    pin_data: dict[str, msgspec.Raw] | None = None


class RedactionInfo(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """n8n's note on whether it blanked the data before it returned them."""

    is_redacted: bool | None = None


class Data(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The ``data`` of an execution."""

    result_data: ResultData | None = None
    execution_data: ExecutionData | None = None
    redaction_info: RedactionInfo | None = None


class Execution(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """One execution of the public API. ``workflowData`` stays undecoded until a node is looked up.

    Attributes:
        flatted_data: the elements of ``data`` in flatted form, where the execution comes from n8n's database.
    """

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
    flatted_data: list[Any] | None = None
    workflow_data: msgspec.Raw = _EMPTY


class Runs(msgspec.Struct, frozen=True, gc=False):
    """Output and pending input of an execution's nodes, the triggers apart from all others.

    Attributes:
        first: the triggers' runs, with the node's name.
        later: all other runs.
        stack_first: the items that an execution starts with, which n8n puts onto its stack.
        stack_later: the input of the nodes that had not run when the execution stopped.
    """

    first: list[tuple[str, Run]]
    later: list[tuple[str, Run]]
    stack_first: list[tuple[str, list[Item]]]
    stack_later: list[Item]

    def later_items(self) -> Iterator[tuple[str, Item]]:
        """Yield every item behind the triggers with the name of its node.

        The name is empty for the stack, and for a node that failed: n8n then passes the node's input on.
        """
        for name, run in self.later:
            for _, _, item in run.items():
                yield "" if run.failed else name, item
        for item in self.stack_later:
            yield "", item

    def later_nodes(self) -> Iterator[str]:
        """Yield the names of the nodes behind the triggers that ran."""
        return iter(dict.fromkeys(name for name, _ in self.later))


def split_runs(data: Data, pinned: frozenset[str], is_trigger: Callable[[str, str], bool | None]) -> Runs:
    """Split an execution's data into triggers and other nodes, without the nodes whose output was pinned.

    A run without a source is a trigger's. Where a trigger ran, the runs of other nodes come behind it all the same.

    Args:
        is_trigger: tells by a node's name, and its type where that is known, whether it starts workflows; None when
            that is unknown.
    """
    first: list[tuple[str, Run]] = []
    later: list[tuple[str, Run]] = []
    for name, runs in ((data.result_data.run_data if data.result_data else None) or {}).items():
        for run in () if name in pinned else runs or ():
            if run is not None:
                (first if run.first else later).append((name, run))
    triggers = {name for name, _ in first if is_trigger(name, "")} or {name for name, _ in first[:1]}
    later += [(name, run) for name, run in first if name not in triggers]
    first = [(name, run) for name, run in first if name in triggers]
    stack_first: list[tuple[str, list[Item]]] = []
    stack_later: list[Item] = []
    rest = data.execution_data
    for entry in (rest.node_execution_stack if rest else None) or ():
        node = entry.node if entry is not None and entry.node is not None else NodeName()
        name = node.name
        if entry is None or (name and name in pinned):
            continue
        if entry.first and (not first or is_trigger(name, node.type) is not False):
            stack_first.append((name, list(entry.items())))
        else:
            stack_later.extend(entry.items())
    for waiting in ((rest.waiting_execution if rest else None) or {}).values():
        for connections in (waiting or {}).values():
            for outputs in (connections or {}).values():
                for output in outputs or ():
                    stack_later.extend(item for item in output or () if item is not None)
    return Runs(first, later, stack_first, stack_later)
