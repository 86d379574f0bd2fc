"""What a node's parameter came to for one item, as far as that can be told from the execution.

n8n keeps parameters as they were written. A literal is itself; of expressions only plain look-ups are followed:
``={{ $json.path }}`` and ``={{ $('Node').item.json.path }}``. Anything else is unknown, never guessed.
"""

from __future__ import annotations

import re
from typing import Any

from ticktrail.extraction.execution import Execution, Item, Run, decode_json

_LOOK_UP = re.compile(
    r"=\s*\{\{\s*(?:\$json|\$\((?P<quote>['\"])(?P<node>.+?)(?P=quote)\)\.(?:item|first\(\)|last\(\))\.json)"
    r"(?P<path>(?:\.\w+|\[\"[^\"\]]+\"\]|\['[^'\]]+'\])+)\s*\}\}\s*\Z"
)
_STEP = re.compile(r"\.(\w+)|\[\"([^\"\]]+)\"\]|\['([^'\]]+)'\]")


class Inputs:
    """The inputs of one run: finds the item an output item was made from."""

    def __init__(self, execution: Execution, run: Run, item: Item | None, index: int) -> None:
        self.run = run
        self.index = _paired_index(item, index)
        result = execution.data.result_data if execution.data else None
        self.run_data = (result.run_data if result else None) or {}

    def resolve(self, parameter: object) -> Any:
        """The parameter's value for this item; None when it is unknown."""
        if not isinstance(parameter, str) or not parameter.startswith("="):
            return parameter
        look_up = _LOOK_UP.match(parameter)
        if look_up is None:
            return None
        node = look_up["node"]
        value = self._own() if node is None else self._other(node)
        for step in _STEP.finditer(look_up["path"]):
            value = value.get(step.group(step.lastindex or 1)) if isinstance(value, dict) else None
        return value

    def _own(self) -> Any:
        """The JSON of the run's own input item."""
        source = next((source for source in self.run.source or () if source and source.previous_node), None)
        if source is None:
            return None
        return self._item(
            source.previous_node or "", source.previous_node_run or 0, source.previous_node_output or 0, self.index
        )

    def _other(self, node: str) -> Any:
        """The JSON of an earlier node's item: certain when that node put out just one."""
        runs = [run for run in self.run_data.get(node) or () if run is not None]
        items = [item for run in runs for _, _, item in run.items()]
        return decode_json(items[0].json) if len(items) == 1 else None

    def _item(self, node: str, run_index: int, output: int, index: int) -> Any:
        runs = self.run_data.get(node) or ()
        run = runs[run_index] if 0 <= run_index < len(runs) else None
        if run is None:
            return None
        for output_index, item_index, item in run.items():
            if (output_index, item_index) == (output, index):
                return decode_json(item.json)
        return None


def _paired_index(item: Item | None, index: int) -> int:
    """The input item an output item says it was made from, else the one at the same place."""
    paired = item.paired_item if item is not None else None
    if isinstance(paired, list):
        paired = paired[0] if paired else None
    if isinstance(paired, dict):
        paired = paired.get("item")
    return paired if isinstance(paired, int) and not isinstance(paired, bool) else index
