"""The snapshot of the workflow in an execution: which nodes it has, of which types and with which parameters.

Pure.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from ticktrail.extraction.execution import Execution


def short_type(node_type: str) -> str:
    """Return n8n's type of a node in lower case, without its package."""
    return node_type.rsplit(".", 1)[-1].lower()


class Node(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A node in the execution's own snapshot of the workflow."""

    name: str = ""
    type: str = ""
    parameters: Any = None
    disabled: Any = None
    """n8n passes the input of a disabled node on as its output."""


class Workflow(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """The snapshot of the workflow in an execution. It may hold samples, so it is never searched for statuses."""

    id: Any = None
    name: Any = None
    nodes: list[Node | None] | None = None
    pin_data: Any = None


def decode_workflow(execution: Execution) -> Workflow:
    """Return the execution's snapshot of its workflow, an empty one when it cannot be read."""
    return decode_snapshot(bytes(execution.workflow_data))


@lru_cache(maxsize=4)
def decode_snapshot(text: bytes) -> Workflow:
    """Return a snapshot from its JSON. Executions of one workflow mostly have the same."""
    try:
        return msgspec.json.decode(text, type=Workflow | None) or Workflow()
    except (ValueError, RecursionError):
        return Workflow()


def nodes_by_name(execution: Execution) -> dict[str, Node]:
    """Return the nodes of the execution's snapshot by name."""
    return {node.name: node for node in decode_workflow(execution).nodes or () if node is not None}
