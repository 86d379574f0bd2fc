"""Flatted JSON, as n8n's database and editor keep an execution's data."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.n8n_database import flatten
from tests.support.recordings import corpus, recording

from ticktrail.extraction.execution_reader import extract
from ticktrail.extraction.flatted import unflatten

DATA = Path(__file__).parents[2] / "data"


def decoded(elements: Any) -> Any:
    """The value that flatted elements stand for, which both encoders must agree on."""
    text = unflatten(copy.deepcopy(elements), msgspec.json.encode, 100)
    assert json.loads(unflatten(elements, lambda value: json.dumps(value).encode(), 100)) == json.loads(text)
    return json.loads(text)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([{}], {}),
        (["plain"], "plain"),
        ([{"a": "1", "b": 2, "c": None}, "text"], {"a": "text", "b": 2, "c": None}),
        ([{"a": "1", "b": "1"}, {"x": "2"}, "shared"], {"a": {"x": "shared"}, "b": {"x": "shared"}}),
        ([["1", "1", 7], ["2"], "x"], [["x"], ["x"], 7]),
        ([{"me": "0", "n": 1}], {"me": None, "n": 1}),
        ([{"a": "1"}, {"b": "2"}, {"c": "1"}], {"a": {"b": {"c": None}}}),
    ],
    ids=json.dumps,
)
def test_decoded(elements: list[Any], expected: Any) -> None:
    """References become what they refer to, shared ones each time, circular ones null."""
    assert decoded(elements) == expected


@pytest.mark.parametrize("elements", [{}, [], [{"a": "9"}], [{"a": "-1"}], [{"a": "x"}], [{"a": "²"}], ["x", ["01"]]])
def test_damaged(elements: Any) -> None:
    """Elements that are not flatted JSON raise an error."""
    with pytest.raises(ValueError, match=r"\w"):
        unflatten(elements, msgspec.json.encode, 100)


def test_long_chains_of_references_are_an_error() -> None:
    """A value that is nested too deeply raises RecursionError."""
    elements: list[Any] = [*([str(number + 1)] for number in range(20_000)), "end"]

    with pytest.raises(RecursionError):
        unflatten(elements, msgspec.json.encode, 100)


def test_small_text_that_expands_without_end() -> None:
    """Parts that refer to parts twice each double in size: refused instead of written out."""
    elements: list[Any] = [[str(number + 1), str(number + 1)] for number in range(60)]

    with pytest.raises(ValueError, match="too large"):
        unflatten([*elements, "end"], msgspec.json.encode, 100)


def test_one_text_repeated_without_end() -> None:
    """A long text that many parts refer to is refused when it is too large written out."""
    with pytest.raises(ValueError, match="too large"):
        unflatten([["1"] * 1_000, "x" * 1_000_000], msgspec.json.encode, 100)


def test_many_shared_parts_of_moderate_size() -> None:
    """An item that a thousand later items repeat is written out each time."""
    assert decoded([["1"] * 1_000, {"a": "2"}, "x"]) == [{"a": "x"}] * 1_000


def test_damaged_flatted_data_is_withheld() -> None:
    """An execution whose flatted data cannot be read is not one without statuses."""
    found = extract(json.dumps({"id": "7", "workflowId": "w", "status": "success", "data": "[{"}).encode())

    assert (found.execution_id, found.reason) == ("7", "no_data")


def _executions() -> dict[str, bytes]:
    """The recordings, the executions among the situations, and some of the corpus."""
    files = [*(DATA / "n8n-2.41.1").glob("execution_*.json"), *(DATA / "situations").glob("*.json")]
    found = {path.stem: json.loads(path.read_bytes()) for path in sorted(files)}
    executions = {name: one.get("execution", one) for name, one in found.items() if "body" not in one}
    texts = {name: json.dumps(one).encode() for name, one in executions.items() if isinstance(one.get("data"), dict)}
    return texts | {f"corpus {number}": text for number, text in enumerate(corpus()[:20])}


EXECUTIONS = _executions()


@pytest.mark.parametrize("name", EXECUTIONS)
def test_flatted_executions_are_read_like_plain_ones(name: str) -> None:
    """Events, sends, outcome and problems do not depend on whether an execution comes from the API or the database."""
    execution = json.loads(EXECUTIONS[name])
    flatted = {**execution, "data": None, "flattedData": json.loads(flatten(execution["data"]))}
    assert extract(json.dumps(flatted).encode()) == extract(EXECUTIONS[name])
    row = {**execution, "data": flatten(execution["data"])}
    assert extract(json.dumps(row).encode()) == extract(EXECUTIONS[name])


def test_answer_as_text_in_the_text_of_a_row() -> None:
    """A row holds its data as text, so the quotes in a response that is a text are escaped three times."""
    execution = json.loads(recording("execution_send_http_request_accepted"))
    (run,) = execution["data"]["resultData"]["runData"]["HTTP Request"]
    (item,) = run["data"]["main"][0]
    item["json"] = {"data": json.dumps(item["json"])}
    row = {**execution, "data": flatten(execution["data"])}

    assert len(extract(json.dumps(row).encode()).sends) == 1
