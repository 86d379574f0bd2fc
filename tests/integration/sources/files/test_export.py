"""Exported executions as people have them: wrapped, packed, cut off, damaged, in whatever encoding."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.support.recordings import CORPUS, corpus, recording

from ticktrail.errors import ConfigurationError
from ticktrail.sources import Page
from ticktrail.sources.files.export import Export, _pages_of
from ticktrail.sources.files.lines import LONGEST_LINE, Lines

THREE = corpus()[:3]
PRETTY = json.dumps(json.loads(THREE[0]), indent=2).encode()


def read(path: Path | str, stdin: bytes | None = None) -> tuple[list[bytes], list[str]]:
    """The executions at a path, and the problems."""
    with Export(str(path), stdin=None if stdin is None else io.BytesIO(stdin)) as source:
        pages = list(source.pages())
    return [text for page in pages for text in page.executions], [said for page in pages for said in page.problems]


def written(folder: Path, content: bytes, name: str = "e.json") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\n".join(THREE), id="lines"),
        pytest.param(b"\r\n".join(THREE) + b"\r\n", id="lines of Windows"),
        pytest.param(b"\n\n".join(THREE) + b"\n\n\n", id="blank lines"),
        pytest.param(b"[" + b",".join(THREE) + b"]", id="an array on one line"),
        pytest.param(b"[\n" + b",\n".join(THREE) + b"\n]\n", id="an array over lines"),
        pytest.param(b'{"data":[' + b",".join(THREE) + b'],"nextCursor":null}', id="an answer"),
        pytest.param(b'{"nextCursor":"abc","data":[' + b",".join(THREE) + b"]}", id="an answer, cursor first"),
        pytest.param(b'{\n "data": [\n%b,\n%b,\n%b\n],\n "nextCursor": null\n}' % THREE, id="an answer over lines"),
        pytest.param(b'{"data":[%b]}\n{"data":[%b,%b]}' % THREE, id="answers"),
        pytest.param(b'[{"data":[%b,%b],"nextCursor":"x"},{"data":[%b]}]' % THREE, id="jq -s of answers"),
        pytest.param(THREE[0] + b"\n[" + THREE[1] + b']\n{"data":' + THREE[2] + b"}", id="all kinds"),
        pytest.param(b" \t\n" + b"\n".join(THREE), id="white space first"),
        pytest.param(b"\xef\xbb\xbf" + b"\n".join(THREE), id="a mark of UTF-8"),
        pytest.param(b"\n".join(THREE).decode().encode("utf-16"), id="UTF-16 with a mark"),
        pytest.param(b"\n".join(THREE).decode().encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param(b"\n".join(THREE).decode().encode("utf-16-be"), id="UTF-16 the other way round"),
        pytest.param(gzip.compress(b"\n".join(THREE)), id="packed, whatever its name"),
        pytest.param(gzip.compress(b"%b\n%b\n" % THREE[:2]) + gzip.compress(THREE[2]) + b"\0" * 99, id="packed twice"),
        pytest.param(gzip.compress(b"\n".join(THREE).decode().encode("utf-16")), id="packed UTF-16"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["e.json", "e.jsonl", "-"])
def test_every_wrapping_gives_the_same(tmp_path: Path, content: bytes, name: str) -> None:
    """However three executions are wrapped, packed or encoded, whatever the file is called: they come as written."""
    found = read("-", content) if name == "-" else read(written(tmp_path, content, name))
    assert found == (list(THREE), [])


def test_a_single_execution_comes_wrapped_or_not(tmp_path: Path) -> None:
    """One execution alone, inside `data`, or laid out over many lines is one execution."""
    assert read(written(tmp_path, THREE[0])) == ([THREE[0]], [])
    assert read(written(tmp_path, b'{"data":' + THREE[0] + b"}")) == ([THREE[0]], [])
    assert read(written(tmp_path, PRETTY)) == ([PRETTY], [])
    assert read(written(tmp_path, PRETTY + b"\n" + PRETTY)) == ([PRETTY, PRETTY], [])


@pytest.mark.parametrize("name", sorted(path.stem for path in CORPUS.parent.glob("execution_*.json")))
def test_every_recorded_situation_is_an_execution(name: str) -> None:
    """Whatever happened to an execution, it is told for one."""
    assert read(CORPUS.parent / f"{name}.json") == ([recording(name)], [])


def test_recorded_pages_give_their_executions() -> None:
    """Answers of n8n give what they hold, without data too."""
    assert len(read(CORPUS.parent / "page_metadata_only.json")[0]) == len(
        json.loads(recording("page_metadata_only"))["data"]
    )
    assert len(read(CORPUS.parent / "page_oversized_data_withheld.json")[0]) == 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(recording("workflow"), id="a workflow"),
        pytest.param(recording("page_unknown_workflow"), id="an empty answer"),
        pytest.param(recording("error_401"), id="a refusal"),
        pytest.param(b"[]", id="an empty array"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b"[1, null, true]", id="an array of anything"),
        pytest.param(b'[{"id":"1","name":"no execution"}]', id="an id is not enough"),
        pytest.param(b'{"id":true,"status":"success"}', id="an id that is none"),
    ],
)
def test_a_file_without_executions_is_said(tmp_path: Path, content: bytes) -> None:
    """A JSON file that holds no execution gives none, and a sentence with its name."""
    path = written(tmp_path, content)
    assert read(path) == ([], [f"{path}: no execution found"])


def test_an_empty_file_is_said(tmp_path: Path) -> None:
    """An empty file is named."""
    path = written(tmp_path, b"")
    assert read(path) == ([], [f"{path}: the file is empty"])


@pytest.mark.parametrize("name", ["e.jsonl", "e.json"])
@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("damage", [b"{bad", THREE[0][:1500], b'{"id":', b"\x00\x01", b"]"], ids=range(5))
def test_a_damaged_line_costs_itself_only(tmp_path: Path, name: str, place: int, damage: bytes) -> None:
    """A line that is no JSON is named with file and line; every other line comes."""
    lines = list(THREE)
    lines.insert(place, damage)
    if name == "e.json" and place == 0 and damage[-1:] in b"{[,:":
        pytest.skip("a file that begins like this is one document")
    path = written(tmp_path, b"\n".join(lines), name)
    found, said = read(path)
    assert found == list(THREE)
    assert len(said) == 1
    assert said[0].startswith(f"{path}:{place + 1}: damaged")


def test_entries_that_are_no_executions_are_counted(tmp_path: Path) -> None:
    """Other things between executions are left out and counted, once a file."""
    path = written(tmp_path, b"\n".join([THREE[0], b'{"x":1}', THREE[1], b"[7]"]))
    assert read(path) == (list(THREE[:2]), [f"{path}: 2 of its entries are not executions"])


@pytest.mark.parametrize("layout", ["lines", "array", "answer", "indented"])
def test_what_stands_before_a_break_is_read(tmp_path: Path, layout: str) -> None:
    """A download that stopped gives all whole executions before the break, and one sentence."""
    whole = {
        "lines": b"\n".join(THREE),
        "array": b"[" + b",".join(THREE) + b"]",
        "answer": b'{"data":[' + b",".join(THREE) + b'],"nextCursor":null}',
        "indented": json.dumps([json.loads(text) for text in THREE], indent=1).encode(),
    }[layout]
    path = written(tmp_path, whole[:-300])
    found, said = read(path)
    assert [json.loads(text)["id"] for text in found] == ["1022", "1021"]
    assert len(said) == 1
    assert said[0].startswith(f"{path}:")


@pytest.mark.parametrize("layout", ["lines", "answer"])
def test_a_packed_file_that_is_cut_off_gives_what_is_readable(tmp_path: Path, layout: str) -> None:
    """Of a truncated .gz all whole executions come, and one sentence says that it is cut off."""
    whole = b"\n".join(corpus()) if layout == "lines" else b'{"data":[' + b",".join(corpus()) + b"]}"
    packed = gzip.compress(whole)
    path = written(tmp_path, packed[: len(packed) // 2], "e.jsonl.gz" if layout == "lines" else "e.json.gz")
    found, said = read(path)
    assert found == list(corpus()[: len(found)])
    assert len(found) > 300
    assert said == [f"{path}: it is truncated; everything before the end was read"]


def test_damaged_compression_is_said(tmp_path: Path) -> None:
    """A .gz whose checksum does not fit is read, and the sentence says that it may be wrong."""
    packed = bytearray(gzip.compress(b"\n".join(corpus())))
    packed[-8] ^= 0xFF
    path = written(tmp_path, bytes(packed), "e.jsonl.gz")
    found, said = read(path)
    assert found == list(corpus())
    assert len(said) == 1
    assert "its compression is damaged" in said[0]
    assert "may be wrong" in said[0]


def test_utf16_that_ends_in_the_middle_is_said(tmp_path: Path) -> None:
    """Half a character at the end costs nothing before it."""
    path = written(tmp_path, b"\n".join(THREE).decode().encode("utf-16") + b"\n\x00{")
    found, said = read(path)
    assert found == list(THREE)
    assert len(said) == 1


def test_bottomless_json_is_damage(tmp_path: Path) -> None:
    """A text nested without end is a damaged text, not the end of the program."""
    path = written(tmp_path, b"[" * 200_000)
    found, said = read(path)
    assert found == []
    assert "nested too deeply" in said[0]


def test_a_folder_is_read_with_all_its_folders(tmp_path: Path) -> None:
    """All exports below a folder come in the order of their paths; other files, and hidden ones, are left alone."""
    (tmp_path / "b").mkdir()
    (tmp_path / ".trash").mkdir()
    written(tmp_path, THREE[1], "b/1.JSON")
    written(tmp_path, gzip.compress(THREE[2]), "b/2.ndjson.gz")
    written(tmp_path, THREE[0], "a.jsonl")
    for name in ("readme.txt", "._a.jsonl", "ledger.sqlite", "x.json.bak", ".trash/old.json"):
        written(tmp_path, b"\x00\x05\x16\x07", name)
    assert read(tmp_path) == (list(THREE), [])


def test_a_bad_file_costs_a_folder_only_itself(tmp_path: Path) -> None:
    """One damaged file in a folder is named, the others come."""
    written(tmp_path, THREE[0], "1.json")
    bad = written(tmp_path, b"nonsense", "2.json")
    written(tmp_path, THREE[1], "3.json")
    found, said = read(tmp_path)
    assert found == list(THREE[:2])
    assert said == [f"{bad}:1: damaged from here on (Expecting value)"]


def test_a_file_that_vanishes_is_said(tmp_path: Path) -> None:
    """A file that is gone when its turn comes is a problem, not the end."""
    path = written(tmp_path, THREE[0], "1.json")
    written(tmp_path, THREE[1], "2.json")
    with Export(str(tmp_path)) as source:
        path.unlink()
        pages = list(source.pages())
    assert [text for page in pages for text in page.executions] == [THREE[1]]
    assert pages[0].problems == (f"{path}: No such file or directory",)


@pytest.mark.parametrize("place", ["missing.json", "missing/", "n8m", "https://n8n.example.com"])
def test_a_missing_place_is_a_configuration_error(tmp_path: Path, place: str) -> None:
    """A missing file is named, with the sources that can be read."""
    with pytest.raises(ConfigurationError, match="no file or folder") as caught:
        Export(place if "://" in place else str(tmp_path / place))
    assert "folder" in caught.value.remedy


def test_a_folder_without_exports_is_a_configuration_error(tmp_path: Path) -> None:
    """A folder in which nothing can be read is named."""
    written(tmp_path, b"", "notes.txt")
    with pytest.raises(ConfigurationError, match="no file of exported executions"):
        Export(str(tmp_path))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may read every file")
def test_a_file_that_may_not_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    """A file in an unknown format is named."""
    path = written(tmp_path, THREE[0])
    path.chmod(0)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Export(str(path))


def test_a_terminal_is_not_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` without a pipe says how to pipe, instead of waiting for typed JSON."""
    if not hasattr(os, "openpty"):
        pytest.skip("no terminals here")
    leader, follower = os.openpty()
    with (
        os.fdopen(leader, "rb"),
        os.fdopen(follower, "rb") as terminal,
        pytest.raises(ConfigurationError, match="piped"),
    ):
        Export("-", stdin=terminal)


def test_a_pipe_is_read_as_it_fills() -> None:
    """Standard input may come in small pieces."""

    class Trickle(io.RawIOBase):
        def __init__(self, content: bytes) -> None:
            self._rest = content

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:  # noqa: ARG002 - one byte at a time, whatever is asked
            piece, self._rest = self._rest[:1], self._rest[1:]
            return piece

    packed = gzip.compress(b"\n".join(THREE))
    plain = b"\n".join(THREE)
    for content in (plain, packed, plain.decode().encode("utf-16"), plain.decode().encode("utf-8-sig")):
        with Export("-", stdin=Trickle(content)) as source:  # type: ignore[arg-type]
            assert [text for page in source.pages() for text in page.executions] == list(THREE)


def test_lines_are_read_in_flat_memory(tmp_path: Path) -> None:
    """24 MB of lines need a fraction of that."""
    path = tmp_path / "large.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for copy in range(1, 9):
            file.writelines(text.replace(b'"id":"', b'"id":"%d' % copy, 1) + b"\n" for text in corpus())

    def peak(pages: Iterable[Page]) -> int:
        tracemalloc.start()
        count = sum(len(page.executions) for page in pages)
        assert count in {8 * 1_020, 100}
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    assert peak(Export(str(path)).pages()) < 12_000_000
    assert peak(Export(str(path)).pages(limit=100)) < 12_000_000


def test_a_line_that_unpacks_to_gigabytes_costs_itself_only(tmp_path: Path) -> None:
    """A packed line is given up at a limit; the lines before and after it are read, in flat memory."""
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(THREE[0] + b"\n")
        for _ in range(300):
            file.write(b" " * 1_000_000)
        file.write(b"\n" + THREE[1] + b"\n")
    tracemalloc.start()
    pages = list(Export(str(path)).pages())
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [text for page in pages for text in page.executions] == list(THREE[:2])
    assert [problem for page in pages for problem in page.problems] == [
        f"{path}:2: a line of more than 256 MB: left out"
    ]
    assert highest < 2 * LONGEST_LINE


def test_what_is_too_large_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document of several lines, a last line, and an execution among others."""
    monkeypatch.setattr("ticktrail.sources.files.export.LARGEST_EXECUTION", 5_000)
    large = THREE[1][:-1] + b',"more":"' + b"x" * 5_000 + b'"}'

    def texts(content: bytes, name: str, longest: int = 1_000_000) -> tuple[list[bytes], list[str]]:
        lines = Lines(io.BytesIO(content), longest)
        pages = list(_pages_of(name, lines))
        return [text for page in pages for text in page.executions], [one for page in pages for one in page.problems]

    small = [text for text in THREE if len(text) <= 5_000]
    assert texts(b"\n".join([*small, large]), "a.jsonl") == (
        small,
        [f"a.jsonl:{len(small) + 1}: an execution of more than 5 kB: left out"],
    )
    assert texts(b"\n".join([*small, large + b" " * 3_000_000, small[0]]), "a.jsonl") == (
        [*small, small[0]],
        [f"a.jsonl:{len(small) + 1}: a line of more than 1 MB: left out"],
    )
    assert texts(b"[\n" + b",\n".join([large, large]) + b"\n]", "a.json", 12_000) == (
        [],
        ["a.json: a document of more than 12 kB was left out: export one execution a line (JSON Lines)"],
    )


def test_a_long_array_of_tiny_things_takes_a_few_times_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Split in one step it would take seventy bytes for each of them."""
    monkeypatch.setattr("ticktrail.sources.files.executions._SPLIT_AT_ONCE", 100_000)
    path = tmp_path / "tiny.json.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"[" + b"1," * 200_000 + THREE[0] + b"]")
    tracemalloc.start()
    (page,) = [page for page in Export(str(path)).pages() if page.executions]
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert page.executions == (THREE[0],)
    assert highest < 8_000_000


def test_the_newest_of_several_files_are_the_newest_of_all(tmp_path: Path) -> None:
    """With a limit ids decide, whatever the order of files; of two copies of an execution the later read stays."""
    older, newer = corpus()[2], corpus()[2].replace(b'"status":"success"', b'"status":"crashed"')
    written(tmp_path, b"\n".join([older, corpus()[500]]), "1.jsonl")
    written(tmp_path, b"\n".join([corpus()[900], newer, corpus()[1]]), "2.jsonl")
    with Export(str(tmp_path)) as source:
        found = [text for page in source.pages(limit=3) for text in page.executions]
    assert found == [corpus()[1], newer, corpus()[500]]


def test_problems_come_with_a_limit_too(tmp_path: Path) -> None:
    """A limit hides no problem."""
    path = written(tmp_path, b"\n".join([THREE[0], b"{bad", THREE[1]]), "e.jsonl")
    with Export(str(path)) as source:
        said = [problem for page in source.pages(limit=1) for problem in page.problems]
    assert len(said) == 1
