"""Sources of executions, and the contract that each of them fulfils.

A source returns executions as the raw JSON bytes that n8n wrote, a page at a time. It does not know what is in them:
:mod:`ticktrail.extraction.execution_reader` reads that. ``tests/contract/sources/test_sources.py`` tests every source
against this contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

import msgspec

LARGEST_EXECUTION = 128_000_000
"""Bytes of JSON text that one execution may have, uncompressed. Larger ones are reported, not read."""


class WithheldExecution(msgspec.Struct, frozen=True, kw_only=True):
    """An execution that n8n listed without returning its data, and the reason in a few words."""

    id: int
    reason: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Executions that were read together.

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
    """A source of executions, newest first where the source has an order.

    Methods raise :class:`~ticktrail.errors.SourceUnavailableError` when the source does not answer and
    :class:`~ticktrail.errors.SourceRefusedError` when it refuses.
    """

    location: str
    """Address or path for people; it never contains a secret."""

    fetch_ahead: bool
    """Fetch the next page in a thread while the last one is stored. It makes reads last longer, but a sync shorter."""

    def pages(self, *, limit: int | None = None) -> Iterator[Page]:
        """Yield all executions of the source, or the newest ``limit`` of them, in flat memory."""
        ...

    def unfinished(self) -> tuple[int, ...]:
        """Return ids of executions that ``pages`` leaves out because they run or are queued, as far as they show."""
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
