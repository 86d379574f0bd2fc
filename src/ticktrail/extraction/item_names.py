"""The names that n8n gives to the expressions of a node: ``$json``, ``$('Node')``, ``$node["Node"]`` and others.

Pure. See: https://docs.n8n.io/code/builtin/overview/
"""

from __future__ import annotations

from typing import Any

from ticktrail.extraction.execution import Item, Run
from ticktrail.extraction.javascript import GLOBALS
from ticktrail.extraction.javascript_values import Dynamic, Unknown, to_text
from ticktrail.extraction.paired_items import PairedItems, Place
from ticktrail.text.json_decoding import decode_json


class ItemNames:
    """Names as they were when one item of a run was made."""

    def __init__(self, items: PairedItems, run: Run, output_item: Item | None, index: int) -> None:
        """Find the input item.

        Args:
            output_item: None when the run failed.
            index: the index of the output item, or of the input item when the run failed.
        """
        self._items = items
        self._run = run
        self._place = items.input_of(run, output_item, index)

    def __call__(self, name: str) -> Any:
        """Return the value of a global name; raises Unknown."""
        if name == "$json":
            return self._json(self._place)
        if name == "$input":
            return Dynamic(self._input)
        if name == "$":
            return lambda node: Dynamic(lambda member: self._node(to_text(node), member))
        if name == "$node":
            return Dynamic(lambda node: self._legacy_node(node, self._index()))
        if name == "$item":
            return self._item
        if name == "$items":
            return self._all
        if name == "$itemIndex":
            return self._index()
        if name == "$fromAI":
            return self._from_agent
        if name in GLOBALS:
            return GLOBALS[name]
        raise Unknown

    def _json(self, place: Place | None) -> Any:
        value = self._items.json(place)
        if value is None:
            raise Unknown
        return value

    def _index(self) -> int:
        if self._place is None:
            raise Unknown
        return self._place.item

    def _input(self, member: str) -> Any:
        if self._place is None:
            raise Unknown
        if member == "item":
            return _wrapped(self._json(self._place))
        return self._list_member(member, self._items.items(*self._place[:3]))

    def _node(self, name: str, member: str) -> Any:
        """Return a member of ``$('Node')``."""
        if member == "item":
            return _wrapped(self._json(self._items.origin(self._place, name)))
        if member == "itemMatching":
            return lambda index: _wrapped(_element(self._outputs(name), index))
        if member == "isExecuted":
            return self._items.has_run(name)
        return self._list_member(member, self._outputs(name))

    def _legacy_node(self, name: str, index: int) -> Any:
        """Return ``$node["Node"]``: the item at the same index, paired or not."""
        return _wrapped(_element(self._outputs(name), index))

    def _item(self, index: Any) -> Any:
        """Return ``$item(index)``."""

        def member(name: str) -> Any:
            if name == "$node":
                return Dynamic(lambda node: self._legacy_node(node, index))
            if name == "$json" and self._place is not None:
                return _element(self._items.items(*self._place[:3]), index)
            raise Unknown

        return Dynamic(member)

    def _all(self, name: Any = None) -> Any:
        """Return ``$items(name)``."""
        if name is not None:
            return self._list_member("all", self._outputs(to_text(name)))()
        return self._input("all")()

    def _outputs(self, name: str) -> list[Any]:
        found = self._items.ancestor(self._run, name)
        if found is None:
            raise Unknown
        return self._items.items(name, *found)

    def _list_member(self, member: str, values: list[Any]) -> Any:
        if member == "first":
            return lambda: _wrapped(_element(values, 0))
        if member == "last":
            return lambda: _wrapped(_element(values, len(values) - 1))
        if member == "all":
            return lambda: Dynamic(lambda index: _wrapped(_element(values, int(index) if index.isdigit() else index)))
        raise Unknown

    def _from_agent(self, name: Any, *_: Any) -> Any:
        """Return ``$fromAI(name)``: what the agent gave to its tool, which n8n keeps as the run's input."""
        given = decode_json(self._run.input_override)
        try:
            arguments = given["ai_tool"][0][0]["json"]
            arguments = arguments["query"] if isinstance(arguments.get("query"), dict) else arguments
            return arguments[to_text(name)]
        except (KeyError, IndexError, TypeError, AttributeError):
            raise Unknown from None


def _element(values: list[Any], index: Any) -> Any:
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(values):
        raise Unknown
    return values[index]


def _wrapped(json_: Any) -> Any:
    """Return an item as expressions see it."""

    def member(name: str) -> Any:
        if name != "json" or json_ is None:
            raise Unknown
        return json_

    return Dynamic(member)
