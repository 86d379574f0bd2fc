"""The OpenAPI document, and requests generated from it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient
from tests.integration.web.conftest import HERE, Open, settings_of
from tests.support import invented_store

from ticktrail.messages.filters import Grouping
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.web.roles import access_for
from ticktrail.web.server import build_app

DOCUMENT = "/api/v1/openapi.json"
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.fixture
def app(recorded: Path) -> FastAPI:
    """A dashboard over the recorded executions."""
    settings = settings_of(recorded.parent, TICKTRAIL_STORE=str(recorded))
    return build_app(settings, access=access_for(settings, "127.0.0.1"))


def test_the_document_names_every_path(open_dashboard: Open) -> None:
    """Every path is in the document with a summary, and every referenced schema exists."""
    document: dict[str, Any] = open_dashboard().get(DOCUMENT).json()
    assert document["openapi"].startswith("3.1")
    assert sorted(document["paths"]) == [
        "/api/v1/alerts",
        "/api/v1/conversations/{wa_id}",
        "/api/v1/health",
        "/api/v1/messages",
        "/api/v1/messages/{message_id}",
        "/api/v1/sends",
        "/api/v1/stats",
        "/api/v1/sync/runs",
    ]
    operations = [methods["get"] for methods in document["paths"].values()]
    assert all(operation["summary"] for operation in operations)
    assert [operation["operationId"] for operation in operations if not operation["operationId"].isalpha()] == []
    parameters = [parameter for operation in operations for parameter in operation.get("parameters", ())]
    assert all(parameter.get("description") for parameter in parameters)
    (example,) = document["components"]["schemas"]["Message"]["examples"]
    assert set(document["components"]["schemas"]["Message"]["required"]) <= example.keys()

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known


def test_every_field_of_an_answer_is_documented(tmp_path: Path) -> None:
    """A client made from the document knows every field; only what Meta reports is free."""
    path = tmp_path / "ledger.db"
    invented_store.fill(path, 500, datetime.now(UTC), trouble=True)
    with open_store(str(path), StoreOptions(timezone=invented_store.ZONE)) as store:
        invented_store.note_syncs(store, datetime.now(UTC), trouble=True)
    settings = settings_of(tmp_path, TICKTRAIL_STORE=str(path))
    addresses = {
        "messages": "Messages", "sends": "Sends", "alerts": "Alerts", "health": "Health", "sync/runs": "Runs",
        "stats": "Stats", **{f"stats?by={by.value}": "Stats" for by in Grouping},
    }  # fmt: skip
    unknown: set[str] = set()
    with TestClient(build_app(settings, access=access_for(settings, "127.0.0.1")), base_url=HERE) as client:
        schemas = client.get(DOCUMENT).json()["components"]["schemas"]
        for address, name in addresses.items():
            unknown |= _undocumented(client.get(f"/api/v1/{address}").json(), schemas[name], schemas, name)
    assert {path for path in unknown if not path.endswith(("errors[]", "pricing"))} == set()


def _undocumented(value: Any, schema: dict[str, Any], schemas: dict[str, Any], path: str) -> set[str]:
    """The paths of fields that a schema does not have."""
    for one in (schema, *schema.get("anyOf", ())):
        known = schemas[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        if isinstance(value, dict) and known.get("type") == "object":
            fields, others = known.get("properties", {}), known.get("additionalProperties")
            if not fields and not isinstance(others, dict):
                return {path} if value else set()
            return {
                found for name, inner in value.items()
                for found in (
                    _undocumented(inner, fields.get(name, others), schemas, f"{path}.{name}")
                    if name in fields or isinstance(others, dict) else {f"{path}.{name}"}
                )
            }  # fmt: skip
        if isinstance(value, list) and known.get("type") == "array":
            return {found for one in value for found in _undocumented(one, known["items"], schemas, f"{path}[]")}
    return set()


def test_generated_requests_are_answered_as_documented(app: FastAPI) -> None:
    """Valid and invalid requests are answered as the document says, none with a 500."""
    schema = schemathesis.openapi.from_asgi(DOCUMENT, app, headers={"Host": "127.0.0.1:8765"})
    modes = list(schemathesis.GenerationMode)
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]

        @hypothesis.settings(
            max_examples=20, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.seed(5)
        @hypothesis.given(
            case=operation.as_strategy(generation_mode=modes[0]) | operation.as_strategy(generation_mode=modes[1])
        )
        def ask(case: schemathesis.Case) -> None:  # type: ignore[type-arg]
            nonlocal asked
            asked += 1
            case.call_and_validate(base_url=HERE, checks=CHECKS, headers={"Host": "127.0.0.1:8765"})

        ask()
    assert asked > 80


def test_the_index_lists_every_path(open_dashboard: Open) -> None:
    """/api/v1 links the document, the page and every path with its summary."""
    client = open_dashboard()
    for path in ("/api/v1", "/api/v1/"):
        index = client.get(path).json()
        assert index["openapi"] == DOCUMENT
        assert client.get(index["docs"]).status_code == 200
        assert index["paths"] == {
            name: methods["get"]["summary"] for name, methods in client.get(DOCUMENT).json()["paths"].items()
        }


def test_other_methods_are_refused(recorded: Path) -> None:
    """Programs get a problem document, also for unknown paths; HEAD is answered like GET."""
    settings = settings_of(recorded.parent, TICKTRAIL_STORE=str(recorded))
    dashboard = build_app(settings, access=access_for(settings, "127.0.0.1"))
    client = TestClient(dashboard, base_url=HERE)
    for path in ("/api/v1/messages", "/api/v1/stats", "/api/v1", "/metrics", "/healthz"):
        for method in ("POST", "DELETE", "PUT", "OPTIONS"):
            answer = client.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
            assert answer.headers["content-type"] == "application/problem+json"
        assert client.head(path).status_code == 200
    for path in ("/api", "/api/v2/messages", "/api/v1/nothing"):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("path", ["/alerts", "/health"])
def test_paths_without_parameters_refuse_any(open_dashboard: Open, path: str) -> None:
    """A parameter of a path that has none is refused by name."""
    answer = open_dashboard().get(f"/api/v1{path}?since=2d")
    assert (answer.status_code, answer.json()["name"]) == (400, "since")
