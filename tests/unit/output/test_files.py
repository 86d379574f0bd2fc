"""Files for spreadsheets and programs: what is in them, and what happens when they cannot be written."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import stat
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ticktrail.errors import ConfigurationError, FatalError
from ticktrail.output.files import UNCONFIRMED, format_of, write_file
from ticktrail.output.messages import CSV_COLUMNS, harmless

NASTY = ["=1+1", "+966", "-1", "@SUM(A1)", "\t=1", "\r=1", "a\0b\x07", "half \ud83d pair", "\ufffe", "<&>\"'",
         "اهلا ✓ 😀", "two\nlines", "x" * 40_000, "😀" * 20_000, "_x000D_", "https://x.test"]  # fmt: skip
SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def document(number: int = 0, label: str | None = None) -> dict[str, Any]:
    """A message's document."""
    return {
        "messageId": f"wamid.{number}",
        "conversation_id": "966500000041",
        "latestStatus": "sent",
        "latestTimestamp": 1_767_258_000,
        "latestTimestampFormatted": "2026-01-01 12:00",
        "statusHistory": [{"status": "sent"}],
        "workflowId": "w",
        "statusCount": 1,
        "callbackData": label,
    }


def sheets(path: Path) -> list[list[dict[str, str]]]:
    """The rows of every sheet, each by its heading; every cell must be a text."""
    found = []
    with zipfile.ZipFile(path) as parts:
        for name in sorted(name for name in parts.namelist() if name.startswith("xl/worksheets/sheet")):
            rows = []
            for row in ET.fromstring(parts.read(name)).iter(f"{SPREADSHEET}row"):  # noqa: S314 - ours
                cells: dict[str, str] = {}
                for cell in row:
                    assert cell.get("t") == "inlineStr"
                    assert cell.find(f"{SPREADSHEET}f") is None
                    column = "".join(letter for letter in str(cell.get("r")) if letter.isalpha())
                    cells[column] = "".join(cell.itertext())
                rows.append(cells)
            heading = rows[0]
            found.append([{heading[column]: text for column, text in row.items()} for row in rows[1:]])
    return found


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.csv", "csv"), ("A.CSV", "csv"), ("a.jsonl", "jsonl"), ("a.jsonl.gz", "jsonl.gz"), ("a.b.xlsx", "xlsx")],
)
def test_the_ending_says_the_format(name: str, form: str) -> None:
    """Whatever its case; a format that is named wins."""
    assert format_of(Path(name)) == form
    assert format_of(Path(name), "csv") == "csv"


@pytest.mark.parametrize("name", ["a", "a.xls", "a.json", "csv", "a.csv.zip"])
def test_another_ending_is_refused(name: str) -> None:
    """The remedy names those that are known."""
    with pytest.raises(ConfigurationError) as refusal:
        format_of(Path(name))
    assert ".xlsx" in refusal.value.remedy


def test_csv_is_as_excel_wants_it(tmp_path: Path) -> None:
    """A byte-order mark, Windows' line ends, and no cell that a spreadsheet would calculate."""
    path = tmp_path / "a.csv"
    assert write_file((document(place, text) for place, text in enumerate(NASTY)), path, "csv") == len(NASTY)
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfmessageId,")
    assert raw.split(b"\r\n")[0].decode("utf-8-sig").split(",") == list(CSV_COLUMNS)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["messageId"] for row in rows] == [f"wamid.{place}" for place in range(len(NASTY))]
    assert all(row["callbackData"][0] not in "=+-@\t\r\n" for row in rows)
    assert rows[0]["callbackData"] == "'=1+1"
    assert rows[10]["callbackData"] == "اهلا ✓ 😀"


@pytest.mark.parametrize("form", ["jsonl", "jsonl.gz"])
def test_json_lines_are_the_documents(tmp_path: Path, form: str) -> None:
    """Each line is one document, field for field; the same messages make the same file."""
    texts = [text for text in NASTY if "\ud83d" not in text]
    for name in ("a", "b"):
        write_file((document(place, text) for place, text in enumerate(texts)), tmp_path / name, form)
    raw = (tmp_path / "a").read_bytes()
    assert raw == (tmp_path / "b").read_bytes()
    lines = (gzip.decompress(raw) if form == "jsonl.gz" else raw).decode().splitlines()
    assert [json.loads(line) for line in lines] == [document(place, text) for place, text in enumerate(texts)]


def test_xlsx_holds_texts_only(tmp_path: Path) -> None:
    """Long numbers, formulas, addresses: each cell is the text it was; what no XML can hold is replaced."""
    path = tmp_path / "a.xlsx"
    assert write_file((document(place, text) for place, text in enumerate(NASTY)), path, "xlsx") == len(NASTY)
    (rows,) = sheets(path)
    assert len(rows) == len(NASTY)
    assert {row["conversation_id"] for row in rows} == {"966500000041"}
    assert {row["latestTimestamp"] for row in rows} == {"1767258000"}
    told = [row["callbackData"] for row in rows]
    assert told[:4] == NASTY[:4]
    assert told[6] == "a\ufffdb\ufffd"
    assert told[7] == "half \ufffd pair"
    assert told[9:12] == NASTY[9:12]
    assert told[12] == "x" * 32_766 + "…"
    assert len(told[13].encode("utf-16-le")) // 2 <= 32_767
    assert told[13].startswith("😀" * 16_000)


def test_more_rows_than_a_sheet_holds_go_on_in_another(tmp_path: Path) -> None:
    """Each sheet has the heading and so many rows; the last has the rest."""
    path = tmp_path / "a.xlsx"
    assert write_file((document(number) for number in range(25)), path, "xlsx", sheet_rows=11) == 25
    found = sheets(path)
    assert [len(rows) for rows in found] == [10, 10, 5]
    assert [row["messageId"] for rows in found for row in rows] == [f"wamid.{number}" for number in range(25)]


def test_accepted_sends_without_a_status_are_a_sheet_of_their_own(tmp_path: Path) -> None:
    """Beside the messages, which alone are counted; other formats hold one kind of document."""
    send = {"messageId": "wamid.lost", "conversation_id": "966500000041", "sentBy": {"workflowId": "w"} | dict.fromkeys(
        ("node", "executionId"), "1")}  # fmt: skip
    for form in ("xlsx", "csv"):
        path = tmp_path / f"a.{form}"
        assert write_file([document(1)], path, form, more_sheets=[(UNCONFIRMED, [send])]) == 1
    messages, lost = sheets(tmp_path / "a.xlsx")
    assert [row["messageId"] for row in messages] == ["wamid.1"]
    assert [row["messageId"] for row in lost] == ["wamid.lost"]
    assert "wamid.lost" not in (tmp_path / "a.csv").read_text(encoding="utf-8-sig")


@pytest.mark.parametrize("form", ["csv", "xlsx", "jsonl", "jsonl.gz"])
def test_no_message_is_a_file_too(tmp_path: Path, form: str) -> None:
    """An empty answer gives a whole file with nothing but its heading in it."""
    path = tmp_path / "a"
    assert write_file([], path, form) == 0
    if form == "xlsx":
        assert sheets(path) == [[]]
    assert path.exists()


@pytest.mark.parametrize("form", ["csv", "xlsx", "jsonl", "jsonl.gz"])
def test_what_is_there_is_not_replaced_unless_asked(tmp_path: Path, form: str) -> None:
    """The remedy says how; nothing else is left in the folder."""
    path = tmp_path / "a.file"
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match="exists already") as refusal:
        write_file([document()], path, form)
    assert "--force" in refusal.value.remedy
    assert path.read_text() == "mine"
    assert write_file([document()], path, form, force=True) == 1
    assert path.read_bytes() != b"mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("form", ["csv", "xlsx", "jsonl", "jsonl.gz"])
def test_what_fails_half_way_leaves_nothing(tmp_path: Path, form: str) -> None:
    """The error of the answer comes through; a file that was to be replaced is as it was."""
    path = tmp_path / "a.file"
    path.write_text("mine")

    def failing() -> Iterator[dict[str, Any]]:
        yield document()
        raise FatalError("the store went away")

    with pytest.raises(FatalError, match="went away"):
        write_file(failing(), path, form, force=True)
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    """A file that another program creates during the export is not overwritten."""
    path = tmp_path / "a.csv"

    def slow() -> Iterator[dict[str, Any]]:
        yield document()
        path.write_text("theirs")

    with pytest.raises(ConfigurationError, match="exists already"):
        write_file(slow(), path, "csv")
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_is_none(tmp_path: Path) -> None:
    """A folder, and a folder that is not there, are named."""
    with pytest.raises(ConfigurationError, match="is a folder"):
        write_file([], tmp_path, "csv")
    with pytest.raises(ConfigurationError, match="no folder"):
        write_file([], tmp_path / "not" / "a.csv", "csv")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """People's numbers are in it."""
    write_file([document()], tmp_path / "a.csv", "csv")
    assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o600


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk at hand")
@pytest.mark.parametrize("form", ["csv", "xlsx", "jsonl", "jsonl.gz"])
def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """The error repeats the system's message with a remedy, and no file is left."""
    real = os.fdopen

    def full(descriptor: int, mode: str) -> Any:
        os.close(descriptor)
        return real(os.open("/dev/full", os.O_WRONLY), mode)

    monkeypatch.setattr("ticktrail.output.files.os.fdopen", full)
    with pytest.raises(FatalError, match="No space left") as refusal:
        write_file((document(number, "x" * 999) for number in range(500)), tmp_path / "a", form)
    assert "disk" in refusal.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["=1+1", "\t=1", "\r=1", "\uff1d1+1", "\uff201"])
def test_a_cell_is_never_a_formula_and_never_two_rows(text: str) -> None:
    """Full-width signs begin a formula in Excel too; a carriage return would end the row of other readers."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([harmless(text), harmless("a\r\nb\rc")])
    (row,) = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert row == ["'" + text.replace("\r", "\n"), "a\nb\nc"]
