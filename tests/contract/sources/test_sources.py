"""Every source keeps the contract of ``ticktrail.sources``, on the same executions recorded from a real n8n."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.support.n8n_server import QUICK, N8nServer
from tests.support.recordings import corpus

from ticktrail.sources import Page, Source
from ticktrail.sources.files.export import Export
from ticktrail.sources.n8n_api.api import N8nApi

Opener = Callable[[Iterable[bytes]], AbstractContextManager[Source]]


@contextlib.contextmanager
def _n8n(executions: Iterable[bytes], version: str) -> Iterator[Source]:
    with (
        N8nServer(executions, version=version) as n8n,
        N8nApi(n8n.settings(), n8n.workflow_id, retry_policy=QUICK) as source,
    ):
        yield source


@contextlib.contextmanager
def _exported(place: str, stdin: io.BytesIO | None = None) -> Iterator[Source]:
    with Export(place, stdin=stdin) as source:
        yield source


def _as_answers(executions: Iterable[bytes]) -> bytes:
    """Whole API answers of 100 executions, one after another."""
    texts = list(executions)
    chunks = [texts[begin : begin + 100] for begin in range(0, len(texts), 100)]
    return b"\n".join(b'{"data":[' + b",".join(chunk) + b'],"nextCursor":null}' for chunk in chunks)


def _as_folder(executions: Iterable[bytes], folder: Path) -> str:
    """A folder with a file for each hundred, in a folder for each two hundred."""
    texts = list(executions)
    for begin in range(0, len(texts), 100):
        path = folder / f"{begin // 200:02}" / f"{begin:05}.jsonl.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(b"\n".join(texts[begin : begin + 100])))
    return str(folder)


@pytest.fixture(params=["n8n 2.41.1", "n8n 2.0.0", "lines", "packed", "array", "answers", "folder", "standard input"])
def open_with(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens a source that holds the given executions."""
    kind: str = request.param

    def opened(executions: Iterable[bytes]) -> AbstractContextManager[Source]:
        texts = list(executions)
        if kind.startswith("n8n "):
            return _n8n(texts, kind.removeprefix("n8n "))
        if kind == "standard input":
            return _exported("-", io.BytesIO(b"\n".join(texts)))
        if kind == "folder":
            return _exported(_as_folder(texts, tmp_path))
        content = {
            "lines": b"\n".join(texts),
            "packed": gzip.compress(b"\n".join(texts)),
            "array": b"[" + b",\n".join(texts) + b"]",
            "answers": _as_answers(texts),
        }[kind]
        path = tmp_path / {"lines": "e.jsonl", "packed": "e.jsonl.gz"}.get(kind, "e.json")
        path.write_bytes(content)
        return _exported(str(path))

    return opened


def _executions(pages: Iterable[Page]) -> list[bytes]:
    return [execution for page in pages for execution in page.executions]


def test_every_execution_comes_once_as_it_was_written(open_with: Opener) -> None:
    """All 1,020 executions come, each once, byte for byte, newest first, and without a problem."""
    with open_with(corpus()) as source:
        pages = list(source.pages())
    assert _executions(pages) == list(corpus())
    assert [problem for page in pages for problem in page.problems] == []


def test_a_limit_gives_the_newest(open_with: Opener) -> None:
    """With a limit, exactly the executions with the highest ids come, newest first."""
    with open_with(corpus()) as source:
        assert _executions(source.pages(limit=260)) == list(corpus()[:260])


def test_a_limit_larger_than_everything_gives_everything(open_with: Opener) -> None:
    """A limit above the number of executions has no effect."""
    with open_with(corpus()[:30]) as source:
        assert _executions(source.pages(limit=1_000)) == list(corpus()[:30])


def test_pages_are_small(open_with: Opener) -> None:
    """However much there is, a page holds only a part of it: memory stays flat."""
    with open_with(corpus()) as source:
        assert max(len(page.executions) for page in source.pages()) <= 500


def test_the_size_is_what_came(open_with: Opener) -> None:
    """Sizes add up to some bytes, and to no more than the executions and what wraps them."""
    with open_with(corpus()) as source:
        size = sum(page.size for page in source.pages())
    assert 50_000 < size < 1.05 * sum(len(text) for text in corpus())


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(b"\\ud83d", id="a lone surrogate, as Node writes it"),
        pytest.param(b"\xff\xfe", id="bytes that are no UTF-8"),
        pytest.param(b"\\u0000 \\ud83d\\ude00 \xf0\x9f\x98\x80", id="what is odd and well-formed"),
        pytest.param(b'\\"}]},{\\"id\\":\\"7\\"', id="a text that looks like JSON"),
    ],
)
def test_a_strange_text_harms_nothing(open_with: Opener, strange: bytes) -> None:
    """An execution with a text that strict readers refuse comes untouched, and so do those beside it."""
    texts = list(corpus()[:30])
    texts[10] = texts[10].replace(b'"customData":{}', b'"customData":{"note":"' + strange + b'"}')
    assert strange in texts[10]
    with open_with(texts) as source:
        pages = list(source.pages())
    assert _executions(pages) == texts
    assert [problem for page in pages for problem in page.problems] == []


def test_one_execution_is_enough(open_with: Opener) -> None:
    """A source with a single execution gives it."""
    with open_with(corpus()[:1]) as source:
        assert _executions(source.pages()) == [corpus()[0]]


def test_a_source_may_be_left_in_the_middle(open_with: Opener) -> None:
    """Closing after the first page lets go of everything, and closing again is harmless."""
    with open_with(corpus()) as source:
        assert next(iter(source.pages())).executions
        source.close()
        source.close()


def test_the_location_says_where_without_a_secret(open_with: Opener) -> None:
    """People can be told where executions come from."""
    with open_with(corpus()[:1]) as source:
        assert source.location
        assert "n8n-test-key" not in source.location + repr(source)


def test_executions_are_whole_json(open_with: Opener) -> None:
    """Each execution is a JSON object of its own, with an id and data."""
    with open_with(corpus()[:5]) as source:
        for text in _executions(source.pages()):
            assert {"id", "data"} <= json.loads(text).keys()
