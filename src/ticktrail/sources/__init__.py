"""Where executions come from: choose one. The contract every source fulfils.

A source hands out executions as the raw JSON bytes n8n wrote, a page at a time; what is in them is
:mod:`ticktrail.extraction.execution_reader`'s business.
``tests/contract/sources/test_sources.py`` holds every source to this.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

import msgspec

LARGEST_EXECUTION = 128_000_000
"""Bytes of JSON text that one execution may have, uncompressed. Larger ones are reported, not read."""


class WithheldExecution(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that n8n listed and then did not hand out; ``reason`` fits "n8n would not show it (…)"."""

    id: int
    reason: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some executions that were read together.

    Attributes:
        executions: the JSON text of one execution each, UTF-8, as n8n wrote it (maybe not well-formed UTF-8).
        not_shown: executions that the source knows of and could not hand out.
        problems: what could not be read, one sentence each: a damaged line, an execution that was not shown.
        size: bytes that came over the wire or from disk, before decompression where that is known.
    """

    executions: tuple[bytes, ...]
    withheld: tuple[WithheldExecution, ...] = ()
    problems: tuple[str, ...] = ()
    size: int = 0


class Source(Protocol):
    """A place executions are read from, newest first where the place has an order.

    Methods raise :class:`~ticktrail.errors.SourceUnavailableError` when the place does not answer and
    :class:`~ticktrail.errors.SourceRefusedError` when it refuses.
    """

    location: str
    """Where this is, for people; never with a secret."""

    def pages(self, *, limit: int | None = None) -> Iterator[Page]:
        """All executions the source can show, or the newest ``limit`` of them, in flat memory."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
