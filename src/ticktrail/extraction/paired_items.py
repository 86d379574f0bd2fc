"""Find the item of an earlier node that an item was made from.

n8n links each output item to the input item it was made from (``pairedItem``), and each run to the runs its input came
from (``source``). Every look-up is remembered, so that reading all items of an execution takes time in proportion to
its size, however long its loops are.

Pure.

See: https://docs.n8n.io/data/data-mapping/data-item-linking/item-linking-concepts/
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ticktrail.extraction.execution import Execution, Item, Run, RunSource
from ticktrail.text.json_decoding import decode_json

_MESSAGE_ID = re.compile(rb"wamid\.[A-Za-z0-9_+/=.:-]*")


class Place(NamedTuple):
    """Place of an item: the output of one run of one node, and its index there."""

    node: str
    run: int
    output: int
    item: int


class PairedItems:
    """Look-ups in the run data of one execution."""

    def __init__(self, execution: Execution, loops: frozenset[str]) -> None:
        """Prepare look-ups.

        Args:
            loops: the names of the *Loop Over Items* nodes. The items of all their runs are those of their first input.
        """
        result = execution.data.result_data if execution.data else None
        self._runs = (result.run_data if result else None) or {}
        self._loops = loops
        self._json: dict[Place, Any] = {}
        self._lists: dict[tuple[str, int, int], list[Any]] = {}
        self._ids: dict[tuple[str, int, int], set[str]] = {}
        self._origins: dict[tuple[Place, str], Place | None] = {}
        self._ancestors: dict[tuple[str, int, str], tuple[int, int] | None] = {}
        self._only: dict[str, Place | None] = {}

    def has_run(self, node: str) -> bool:
        """Return whether a node ran."""
        return bool(self._runs.get(node))

    def input_of(self, run: Run, output_item: Item | None, index: int) -> Place | None:
        """Return the input item that an output item of a run was made from.

        Args:
            output_item: None when the run failed; then ``index`` is the index of the input item.
            index: the output item's index, used when the item does not say what it was made from.
        """
        pairs = _pairs(output_item)
        index, number = pairs[0] if len(pairs) == 1 else (index, 0)
        sources = run.source or []
        source = sources[number] if 0 <= number < len(sources) else None
        place = None if source is None else _place(source, index)
        return place if place is not None and self._item(place) is not None else None

    def ids_received(self, run: Run) -> set[str]:
        """Return the message ids in a run's input. What a node puts out with such an id, it did not send."""
        found = set(message_ids(bytes(run.input_override)))
        for source in run.source or ():
            if source is not None and (place := _place(source, 0)) is not None:
                key = place[:3]
                if key not in self._ids:
                    items = [item for item in self._output(*key) if item is not None]
                    self._ids[key] = {id_ for item in items for id_ in message_ids(bytes(item.json))}
                found |= self._ids[key]
        return found

    def json(self, place: Place | None) -> Any:
        """Return the decoded JSON of an item, or None when there is no such item."""
        if place is None:
            return None
        if place not in self._json:
            item = self._item(place)
            self._json[place] = None if item is None else decode_json(item.json)
        return self._json[place]

    def items(self, node: str, run: int, output: int) -> list[Any]:
        """Return the decoded JSON of all items of an output."""
        key = (node, run, output)
        if key not in self._lists:
            count = len(self._output(*key))
            self._lists[key] = [self.json(Place(*key, index)) for index in range(count)]
        return self._lists[key]

    def origin(self, place: Place | None, node: str) -> Place | None:
        """Return the item of ``node`` from which the item at ``place`` was made, or None when it is not certain."""
        path: list[Place] = []
        found: Place | None = None
        while place is not None:
            known = self._origins.get((place, node), place)
            if known is not place:
                found = known
                break
            if place.node == node:
                found = place
                break
            if len(path) > 100_000 or place in path[-8:]:
                break
            path.append(place)
            place = self._previous(place)
        else:
            found = None
        for passed in path:
            self._origins[passed, node] = found
        return found if found is not None else self._only_item(node)

    def ancestor(self, run: Run, node: str) -> tuple[int, int] | None:
        """Return the run and output of ``node`` that a run's input came through; None when it is not certain."""
        path: list[tuple[str, int]] = []
        found: tuple[int, int] | None = None
        current: Run | None = run
        while current is not None:
            source = _first_source(current)
            if source is None or source.previous_node is None:
                break
            name, number = source.previous_node, source.previous_node_run or 0
            if name == node:
                found = (number, source.previous_node_output or 0)
                break
            if (name, number, node) in self._ancestors:
                found = self._ancestors[name, number, node]
                break
            if (name, number) in path[-8:] or len(path) > 100_000:
                break
            path.append((name, number))
            current = self._run(name, number)
        for name, number in path:
            self._ancestors[name, number, node] = found
        if found is not None:
            return found
        runs = self._runs.get(node) or ()
        outputs = [index for index in range(8) if len(runs) == 1 and self._output(node, 0, index)]
        return (0, outputs[0]) if len(outputs) == 1 else None

    def _previous(self, place: Place) -> Place | None:
        """Return the input item that the item at ``place`` was made from."""
        run_index = 0 if place.node in self._loops else place.run
        run = self._run(place.node, run_index)
        item = self._item(place)
        if run is None or item is None:
            return None
        pairs = _pairs(item)
        if len(pairs) != 1:
            return None
        index, number = pairs[0]
        sources = run.source or []
        source = sources[number] if 0 <= number < len(sources) else None
        return None if source is None else _place(source, index)

    def _only_item(self, node: str) -> Place | None:
        """Return the item of a node that put out just one in all its runs."""
        if node not in self._only:
            places = [
                Place(node, number, output, index)
                for number, run in enumerate((self._runs.get(node) or ())[:2])
                if run is not None
                for output, index, _ in run.items()
            ]
            self._only[node] = places[0] if len(places) == 1 and len(self._runs.get(node) or ()) == 1 else None
        return self._only[node]

    def _run(self, node: str, number: int) -> Run | None:
        runs = self._runs.get(node) or ()
        return runs[number] if 0 <= number < len(runs) else None

    def _output(self, node: str, number: int, output: int) -> list[Item | None]:
        run = self._run(node, number)
        outputs = next(iter((run.data or {}).values()), None) if run is not None else None
        return (outputs[output] or []) if outputs is not None and 0 <= output < len(outputs) else []

    def _item(self, place: Place) -> Item | None:
        items = self._output(place.node, place.run, place.output)
        return items[place.item] if 0 <= place.item < len(items) else None


def message_ids(text: bytes) -> list[str]:
    """Return the ids of messages in the JSON text of an item."""
    return [found.decode() for found in _MESSAGE_ID.findall(text)]


def _first_source(run: Run) -> RunSource | None:
    return next((source for source in run.source or () if source and source.previous_node), None)


def _place(source: RunSource, index: int) -> Place | None:
    if not source.previous_node:
        return None
    return Place(source.previous_node, source.previous_node_run or 0, source.previous_node_output or 0, index)


def _pairs(item: Item | None) -> list[tuple[int, int]]:
    """Return the input items that an item says it was made from, each as (index, number of the input)."""
    paired = item.paired_item if item is not None else None
    pairs: list[tuple[int, int]] = []
    for one in paired if isinstance(paired, list) else [paired]:
        index = one.get("item") if isinstance(one, dict) else one
        number = one.get("input", 0) if isinstance(one, dict) else 0
        if isinstance(index, int) and _is_index(index):
            pairs.append((index, number if isinstance(number, int) and _is_index(number) else 0))
    return pairs


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
