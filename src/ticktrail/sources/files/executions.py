"""Find the executions in a JSON text, however they are wrapped, and cut them out as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ticktrail.sources.lenient_json import Scanner

_DEEPEST = 4
"""Levels of wrapping: an array of API responses (``jq -s``) with an array of executions in each has three."""

_SPLIT_AT_ONCE = 16_000_000
"""Bytes of an array that is split in one step: one of many tiny elements takes a hundred times its size in memory."""

_MARKS = ("data", "workflow_id", "status", "started_at", "finished", "mode")


class DamagedTextError(Exception):
    """The text is not JSON from here on. The message is the reason; ``line`` counts from 1 within the text."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


class _Probe(msgspec.Struct, rename="camel"):
    """The keys that distinguish an execution, a response of n8n's API and anything else."""

    id: Any = None
    execution_id: Any = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    workflow_id: Any = msgspec.UNSET
    status: Any = msgspec.UNSET
    started_at: Any = msgspec.UNSET
    finished: Any = msgspec.UNSET
    mode: Any = msgspec.UNSET

    @property
    def is_execution(self) -> bool:
        """Return True for an id and something else that only executions have. A response has a list as ``data``."""
        identifier = self.identifier
        if not isinstance(identifier, str | int) or isinstance(identifier, bool) or self.wraps_list:
            return False
        return any(getattr(self, mark) is not msgspec.UNSET for mark in _MARKS)

    @property
    def identifier(self) -> Any:
        """The execution's id. A row of n8n's table ``execution_data`` calls it ``executionId``."""
        return self.id if self.id is not None else self.execution_id

    @property
    def wraps_list(self) -> bool:
        return self._data_begins_with(b"[")

    @property
    def wraps_object(self) -> bool:
        return self._data_begins_with(b"{")

    def _data_begins_with(self, character: bytes) -> bool:
        return self.data is not msgspec.UNSET and bytes(memoryview(self.data)[:1]) == character


def executions_in(text: bytes, depth: int = 0) -> Iterator[bytes | None]:
    """Yield every execution in a text of one or more JSON values, exactly as written, and None for anything else.

    A text that breaks off yields what comes before the break.

    Raises:
        DamagedTextError: the rest cannot be read.
    """
    parts: Iterable[_Whole | bytes | None]
    try:
        is_long_array = len(text) > _SPLIT_AT_ONCE and text[:64].lstrip()[:1] == b"["
        parts = _split_leniently(text) if is_long_array else _split(text)
    except (msgspec.DecodeError, RecursionError):
        parts = _split_leniently(text)
    for part in parts:
        if isinstance(part, _Whole):
            yield part.text
        elif part is None or depth >= _DEEPEST:
            yield None
        else:
            yield from executions_in(part, depth + 1)


def identifier_of(execution: bytes) -> object:
    """Return the ``id`` of an execution, as it is written in its text."""
    try:
        return msgspec.json.decode(execution, type=_Probe).identifier
    except (msgspec.DecodeError, RecursionError):
        value = Scanner(execution.decode("utf-8", "surrogateescape")).value()
        return value.get("id", value.get("executionId"))


class _Whole(msgspec.Struct, frozen=True):
    """The text of an execution. Plain bytes may contain executions."""

    text: bytes


def _split(text: bytes) -> list[_Whole | bytes | None]:
    """Remove one level of wrapping from a text that is one well-formed value."""
    first = text.lstrip()[:1] if text[:1].isspace() else text[:1]
    if first == b"[":
        return [bytes(item) for item in msgspec.json.decode(text, type=list[msgspec.Raw])]
    if first != b"{":
        msgspec.json.decode(text, type=msgspec.Raw)
        return [None]
    probe = msgspec.json.decode(text, type=_Probe)
    if probe.is_execution:
        return [_Whole(text)]
    if isinstance(probe.data, msgspec.Raw) and (probe.wraps_list or probe.wraps_object):
        return [bytes(probe.data)]
    return [None]


def _split_leniently(text: bytes) -> Iterator[_Whole | bytes | None]:
    """As :func:`_split`, for several values in a row, lone surrogates, and a text that breaks off."""
    scanner = Scanner(text.decode("utf-8", "surrogateescape"))
    try:
        while character := scanner.peek():
            if character == "[":
                for start in scanner.elements():
                    scanner.value()
                    yield _cut(scanner, start)
            elif character == "{":
                yield from _split_object(scanner)
            else:
                scanner.value()
                yield None
    except ValueError as error:
        raise DamagedTextError(str(error), scanner.line) from None


def _split_object(scanner: Scanner) -> Iterator[_Whole | bytes | None]:
    start = scanner.position
    keys: dict[str, Any] = {}
    wrapped: bytes | None = None
    listed = False
    for key in scanner.members():
        opening, begin = scanner.peek(), scanner.position
        if key == "data" and opening == "[":
            listed = True
            for element in scanner.elements():
                scanner.value()
                yield _cut(scanner, element)
            continue
        keys[key] = scanner.value()
        if key == "data" and opening == "{":
            wrapped = _cut(scanner, begin)
    if listed:
        return
    probe = msgspec.convert({key: value for key, value in keys.items() if key != "data"}, _Probe)
    if probe.is_execution or ("data" in keys and isinstance(probe.identifier, str | int)):
        yield _Whole(_cut(scanner, start))
    else:
        yield wrapped


def _cut(scanner: Scanner, start: int) -> bytes:
    return scanner.text[start : scanner.position].encode("utf-8", "surrogateescape")
