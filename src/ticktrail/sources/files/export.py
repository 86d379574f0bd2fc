"""Read exported executions from files, folders and standard input: JSON or JSON Lines, compressed or not.

A file may contain single executions, arrays of them, or whole responses of n8n's API, one after another. The text of
an execution is not changed. Damaged parts are left out and reported with their file and line.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from ticktrail.errors import ConfigurationError
from ticktrail.sources import LARGEST_EXECUTION, Page
from ticktrail.sources.files.executions import DamagedTextError, executions_in, identifier_of
from ticktrail.sources.files.lines import Lines
from ticktrail.sources.lenient_json import Scanner
from ticktrail.text.formatting import size_text

_PAGE_EXECUTIONS = 500
_PAGE_BYTES = 8_000_000
_PAGE_PROBLEMS = 1_000

_FILE_NAME = re.compile(r".+\.(?:json|jsonl|ndjson)(?:\.gz)?", re.IGNORECASE | re.DOTALL)
_LINES_NAME = re.compile(r"\.(?:jsonl|ndjson)(?:\.gz)?$", re.IGNORECASE)
_GOOD_PLACES = (
    "--from takes n8n, a .json, .jsonl, .ndjson or .gz file, a folder of such files, or - for standard input."
)


class Export:
    """Source of the executions at a path, or from standard input for ``-``.

    A folder is read with all its folders, in the order of the paths. Executions come in the order of the files; with a
    limit they come newest first, by id.

    Raises:
        ConfigurationError: nothing is at the path, or nothing of it can be read.
    """

    fetch_ahead = True

    def __init__(self, place: str, *, stdin: BinaryIO | None = None) -> None:
        self.location = "standard input" if place == "-" else place
        self._stdin = (stdin or sys.stdin.buffer) if place == "-" else None
        self._paths = [] if place == "-" else _files_at(place)
        self._open: BinaryIO | None = None
        if self._stdin is not None and self._stdin.isatty():
            raise ConfigurationError(
                "Nothing is piped into standard input.",
                remedy="Like this: zcat executions.jsonl.gz | ticktrail sync --from -",
            )

    def __repr__(self) -> str:
        return f"Export({self.location!r})"

    def unfinished(self) -> tuple[int, ...]:
        """Return nothing: an export hides nothing."""
        return ()

    def pages(self, *, limit: int | None = None) -> Iterator[Page]:
        """Yield all executions, or the ``limit`` with the highest ids."""
        return self._all_pages() if limit is None else _newest(self._all_pages(), limit)

    def close(self) -> None:
        """Close the open file."""
        if self._open is not None:
            self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _all_pages(self) -> Iterator[Page]:
        if self._stdin is not None:
            yield from _pages_of("standard input", Lines(self._stdin))
        for path in self._paths:
            try:
                self._open = path.open("rb")
            except OSError as error:
                yield Page(executions=(), problems=(f"{path}: {error.strerror}",))
                continue
            with self._open as file:
                yield from _pages_of(str(path), Lines(file))


class _PageBuilder:
    """Executions and problems since the last page."""

    def __init__(self, lines: Lines) -> None:
        self.executions: list[bytes] = []
        self.problems: list[str] = []
        self._lines = lines
        self._length = 0
        self._counted = 0

    def add(self, execution: bytes) -> None:
        self.executions.append(execution)
        self._length += len(execution)

    @property
    def is_full(self) -> bool:
        return (
            len(self.executions) >= _PAGE_EXECUTIONS
            or self._length >= _PAGE_BYTES
            or len(self.problems) >= _PAGE_PROBLEMS
        )

    def page(self) -> Page:
        """Return everything so far as a page, and start the next one."""
        page = Page(
            executions=tuple(self.executions),
            problems=tuple(self.problems),
            size=self._lines.size - self._counted,
        )
        self.executions, self.problems, self._length, self._counted = [], [], 0, self._lines.size
        return page


def _pages_of(name: str, lines: Lines) -> Iterator[Page]:
    """Read a file as JSON Lines when its first lines are JSON values, else as one document."""
    builder = _PageBuilder(lines)
    found = strange = problems = 0
    for number, text in _texts(lines, named_as_lines=bool(_LINES_NAME.search(name))):
        try:
            for execution in executions_in(text):
                if execution is None:
                    strange += 1
                    continue
                if len(execution) > LARGEST_EXECUTION:
                    problems += 1
                    size = size_text(LARGEST_EXECUTION)
                    builder.problems.append(f"{name}:{number}: an execution of more than {size}: left out")
                    continue
                found += 1
                builder.add(execution)
                if builder.is_full:
                    yield builder.page()
        except DamagedTextError as damage:
            # The incomplete last line of a truncated file is reported with the file.
            if not lines.damage:
                problems += 1
                builder.problems.append(f"{name}:{number + damage.line - 1}: damaged from here on ({damage})")
        if builder.is_full:
            yield builder.page()
    size = size_text(lines.longest)
    builder.problems += [f"{name}:{number}: a line of more than {size}: left out" for number in lines.too_long]
    problems += len(lines.too_long)
    if lines.damage:
        builder.problems.append(f"{name}: {lines.damage}")
    elif not lines.size:
        builder.problems.append(f"{name}: the file is empty")
    elif not found and not problems:
        builder.problems.append(f"{name}: no execution found")
    elif found and strange:
        builder.problems.append(f"{name}: {strange} of its entries are not executions")
    yield builder.page()


def _texts(lines: Lines, *, named_as_lines: bool) -> Iterator[tuple[int, bytes]]:
    """Yield the JSON texts of a file, each with the number of its first line."""
    filled = ((number, line) for number, line in enumerate(lines, 1) if line and not line.isspace())
    head = list(itertools.islice(filled, 2))
    if _are_lines([line.strip() for _, line in head], named_as_lines=named_as_lines):
        for number, line in itertools.chain(head, filled):
            yield number, line.strip()
    elif head:
        # Line ends are kept, so that damage can be reported with its line.
        document = bytearray()
        last = head[0][0]
        for number, line in itertools.chain(head, filled):
            document += b"\n" * (number - last) + line
            last = number
            if len(document) > lines.longest:
                size = size_text(lines.longest)
                lines.damage = f"a document of more than {size} was left out: export one execution a line (JSON Lines)"
                return
        yield head[0][0], bytes(document)


def _are_lines(first: list[bytes], *, named_as_lines: bool) -> bool:
    """Return True when a file that begins with these lines is JSON Lines, even if the first line is damaged."""
    if not first or first[0] in {b"{", b"["}:
        return False
    return named_as_lines or (first[0][-1:] not in b"{[,:" and any(_is_whole(line) for line in first))


def _is_whole(line: bytes) -> bool:
    """Return True when a line is exactly one JSON value."""
    scanner = Scanner(line.decode("utf-8", "surrogateescape"))
    try:
        scanner.value()
    except ValueError:
        return False
    return not scanner.peek()


def _newest(pages: Iterator[Page], limit: int) -> Iterator[Page]:
    """Yield the executions with the highest ids, newest first; at most twice as many are in memory.

    Of several copies of an execution the one read last is kept: it was exported last, if files are named by time.
    """
    newest: dict[tuple[bool, int, str], bytes] = {}
    for page in pages:
        for execution in page.executions:
            newest[_age(execution)] = execution
            if len(newest) > 2 * limit:
                newest = {key: newest[key] for key in sorted(newest, reverse=True)[:limit]}
        yield Page(executions=(), problems=page.problems, size=page.size)
    kept = [newest[key] for key in sorted(newest, reverse=True)[:limit]]
    for begin in range(0, len(kept), _PAGE_EXECUTIONS):
        yield Page(executions=tuple(kept[begin : begin + _PAGE_EXECUTIONS]))


def _age(execution: bytes) -> tuple[bool, int, str]:
    """Return the sort key of an execution: n8n's number; ids that are not numbers come last."""
    written = str(identifier_of(execution))
    is_number = written.isascii() and written.isdigit() and len(written) < 20
    return is_number, int(written) if is_number else 0, written


def _files_at(place: str) -> list[Path]:
    path = Path(place).expanduser()
    if not path.exists():
        raise ConfigurationError(f"There is no file or folder {place}.", remedy=_GOOD_PLACES)
    if not path.is_dir():
        if not os.access(path, os.R_OK):
            raise ConfigurationError(f"{place} cannot be read by this user.", remedy=_GOOD_PLACES)
        return [path]
    files = sorted(
        file
        for file in path.rglob("*")
        if _FILE_NAME.fullmatch(file.name)
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
        and file.is_file()
        and os.access(file, os.R_OK)
    )
    if not files:
        raise ConfigurationError(f"There is no file of exported executions in {place}.", remedy=_GOOD_PLACES)
    return files
