"""Write documents to a file: CSV, JSON Lines or XLSX.

The file appears whole or not at all: it is written under another name, then moved. Only its owner may read it. An
existing file is replaced only when that was asked for.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from ticktrail.errors import ConfigurationError, FatalError
from ticktrail.output.documents import to_json
from ticktrail.output.messages import CSV_COLUMNS, flat, harmless
from ticktrail.output.sends import SEND_COLUMNS, flat_send

FORMATS = ("csv", "jsonl", "jsonl.gz", "xlsx")

_SHEET_ROWS = 1_048_576
"""Excel's limit, the heading included."""

_CELL_CHARACTERS = 32_767
"""Excel's limit, in UTF-16 units."""

_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML document may hold, whatever way they are written."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Layout of documents in a spreadsheet.

    Attributes:
        name: of its sheets.
        row: the cells of a document, by column; others are left out.
        rates: columns whose numbers are parts of a whole, 0 to 1: sheets show them in percent.
        numbers: whether numbers are numbers in sheets too, which Excel rounds to fifteen digits: else they are texts.
    """

    name: str
    columns: tuple[str, ...]
    row: Callable[[dict[str, Any]], dict[str, Any]]
    rates: frozenset[str] = frozenset()
    numbers: bool = False


Sheet = tuple[Table, Iterable[dict[str, Any]]]
"""A table and its documents."""

MESSAGES = Table(name="messages", columns=tuple(CSV_COLUMNS), row=flat)
"""Documents as :func:`ticktrail.messages.document.to_document` makes them."""

UNCONFIRMED = Table(name="without status", columns=SEND_COLUMNS, row=flat_send)
"""Accepted sends that no status confirmed, as :func:`ticktrail.output.sends.send_to_document` makes them."""


def format_of(path: Path, named: str | None = None) -> str:
    """Return one of :data:`FORMATS`: the named format, else the format of the file's ending.

    Raises:
        ConfigurationError: neither is a format.
    """
    if named is not None:
        return named
    for form in sorted(FORMATS, key=len, reverse=True):
        if path.name.lower().endswith(f".{form}"):
            return form
    raise ConfigurationError(
        f"Cannot tell the format from the file name {path.name!r}.",
        remedy="Use the ending .csv, .jsonl, .jsonl.gz or .xlsx, or add --format.",
    )


def write_file(
    documents: Iterable[dict[str, Any]],
    path: Path,
    form: str,
    *,
    table: Table = MESSAGES,
    force: bool = False,
    sheet_rows: int = _SHEET_ROWS,
    more_sheets: Sequence[Sheet] = (),
) -> int:
    """Write documents to a file, in flat memory.

    Args:
        path: the file; its folder must be there.
        form: one of :data:`FORMATS`.
        table: how the documents lie in a spreadsheet; JSON Lines hold them as they are.
        force: replace what is there.
        sheet_rows: rows of a sheet, the heading included; what is more goes to further sheets.
        more_sheets: further tables, in XLSX only; their rows are not counted.

    Returns:
        how many were written.

    Raises:
        ConfigurationError: something is there already, or the folder is not.
        FatalError: the disk would not take it.
    """
    _refuse(path, force=force)
    try:
        with _moved_when_done(path, force=force) as stream:
            return write_stream(documents, stream, form, table=table, sheet_rows=sheet_rows, more_sheets=more_sheets)
    except OSError as error:
        raise FatalError(
            f"{path} could not be written: {error.strerror or type(error).__name__}. Nothing was left there.",
            remedy="Choose a folder you may write to, with room on its disk.",
        ) from None


def write_stream(
    documents: Iterable[dict[str, Any]],
    stream: IO[bytes],
    form: str,
    *,
    table: Table = MESSAGES,
    sheet_rows: int = _SHEET_ROWS,
    more_sheets: Sequence[Sheet] = (),
) -> int:
    """Write documents to an open stream and return their number; see :func:`write_file`."""
    if form == "xlsx":
        return _write_sheets([(table, documents), *more_sheets], stream, sheet_rows)
    if form == "csv":
        return _write_csv(documents, stream, table)
    return _write_lines(documents, stream, compressed=form == "jsonl.gz")


def _refuse(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder.", remedy=f"Name a file, such as {path / 'messages.csv'}.")
    if not path.parent.is_dir():
        raise ConfigurationError(f"There is no folder {path.parent}.", remedy="Create it, or name another.")
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is not a regular file.", remedy="Use - to write to standard output.")
    if path.exists() and not force:
        raise _in_the_way(path)


def _in_the_way(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} exists already and was not changed.", remedy="Name another file, or add --force to replace it."
    )


@contextlib.contextmanager
def _moved_when_done(path: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Open a file that replaces the path at the end, and is removed when the block fails."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".part")
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if force:
            beside.replace(path)
        else:
            _move_where_nothing_is(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _move_where_nothing_is(beside: Path, path: Path) -> None:
    """Move a file without replacing one that was created in the meantime."""
    try:
        os.link(beside, path)
    except FileExistsError:
        raise _in_the_way(path) from None
    except OSError:
        # This disk knows no links.
        if path.exists():
            raise _in_the_way(path) from None
        beside.replace(path)


def _write_csv(documents: Iterable[dict[str, Any]], stream: IO[bytes], table: Table) -> int:
    """Write CSV for Excel: UTF-8 with a byte order mark, Windows line ends, no formulas."""
    count = 0
    with _text(stream, "utf-8-sig") as text:
        writer = csv.DictWriter(text, table.columns, extrasaction="ignore", lineterminator="\r\n")
        writer.writeheader()
        for document in documents:
            writer.writerow({name: harmless(value) for name, value in table.row(document).items()})
            count += 1
    return count


def _write_lines(documents: Iterable[dict[str, Any]], stream: IO[bytes], *, compressed: bool) -> int:
    count = 0
    with contextlib.ExitStack() as stack:
        # No name and no time: the same messages make the same file.
        target: Any = stack.enter_context(gzip.GzipFile("", "wb", 6, stream, 0)) if compressed else stream
        text = stack.enter_context(_text(target, "utf-8"))
        for document in documents:
            text.write(to_json(document) + "\n")
            count += 1
    return count


def _write_sheets(tables: Sequence[Sheet], stream: IO[bytes], sheet_rows: int) -> int:
    """Write every value as text: Excel would round long numbers, and turn others into dates."""
    from xlsxwriter import Workbook  # type: ignore[import-untyped]  # noqa: PLC0415 - loads when chosen
    from xlsxwriter.exceptions import XlsxFileError  # type: ignore[import-untyped]  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="ticktrail-") as folder:
        workbook = Workbook(_FailingOnce(stream), {"constant_memory": True, "tmpdir": folder})
        try:
            counts = [_write_rows(documents, workbook, table, sheet_rows) for table, documents in tables]
            workbook.close()
        except XlsxFileError as error:
            raise _cause(error) from None
        except BaseException:
            # They stay open until the workbook is closed, and closing it would write the unwanted rest.
            for sheet in workbook.worksheets():
                sheet.row_data_fh.close()
            raise
    return counts[0]


class _FailingOnce:
    """A stream that ignores everything after its first failure.

    A workbook's zip archive tries to finish once more when it is garbage collected, and would print an error about a
    disk that is still full.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._failed = False
        self._position = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, data: bytes) -> int:
        self._position += len(data)
        self._try(self._stream.write, data)
        return len(data)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._position = offset + (self._position if whence == io.SEEK_CUR else 0)
        self._try(self._stream.seek, offset, whence)
        return self._position

    def tell(self) -> int:
        return self._position

    def _try(self, act: Callable[..., object], *arguments: object) -> None:
        if self._failed or self._stream.closed:
            return
        try:
            act(*arguments)
        except OSError:
            self._failed = True
            raise


def _cause(error: Exception) -> OSError:
    cause = error.args[0] if error.args else None
    return cause if isinstance(cause, OSError) else OSError(str(error))


def _write_rows(documents: Iterable[dict[str, Any]], workbook: Any, table: Table, sheet_rows: int) -> int:
    bold, percent = workbook.add_format({"bold": True}), workbook.add_format({"num_format": "0.0%"})
    sheet = _new_sheet(workbook, 1, table, bold)
    count = 0
    for document in documents:
        number, row = divmod(count, sheet_rows - 1)
        if number and not row:
            sheet = _new_sheet(workbook, number + 1, table, bold)
        cells = table.row(document)
        for column, name in enumerate(table.columns):
            value = cells.get(name)
            if table.numbers and isinstance(value, (int, float)) and not isinstance(value, bool):
                sheet.write_number(row + 1, column, value, percent if name in table.rates else None)
            elif text := _cell(value):
                sheet.write_string(row + 1, column, text)
        count += 1
    return count


def _new_sheet(workbook: Any, number: int, table: Table, bold: Any) -> Any:
    sheet = workbook.add_worksheet(table.name if number == 1 else f"{table.name} {number}")
    sheet.freeze_panes(1, 0)
    sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
    for column, name in enumerate(table.columns):
        sheet.write_string(0, column, name, bold)
    return sheet


def _cell(value: object) -> str:
    """Return a value as a text that fits into a cell."""
    text = "" if value is None else _NO_XML.sub("\ufffd", str(value))
    if len(text) * 2 > _CELL_CHARACTERS:
        cut = text.encode("utf-16-le")[: (_CELL_CHARACTERS - 1) * 2]
        text = cut.decode("utf-16-le", "ignore") + ("…" if len(cut) < len(text.encode("utf-16-le")) else "")
    return text


@contextlib.contextmanager
def _text(stream: IO[bytes], encoding: str) -> Iterator[io.TextIOWrapper]:
    """Open the stream as text; it stays open afterwards. Lone surrogates become question marks."""
    text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="")
    try:
        yield text
        text.flush()
    finally:
        text.detach()
