"""The OpenAPI document, and the API held to it: whatever it allows is answered, whatever it forbids is refused."""

from __future__ import annotations

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
from tests.serve.conftest import HERE, Open, settings_of

from ticktrail.dashboard.access import access_for
from ticktrail.dashboard.app import build_app

DOCUMENT = "/api/v1/openapi.json"
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]


@pytest.fixture
def app(recorded: Path) -> FastAPI:
    """A dashboard over the recorded executions."""
    settings = settings_of(recorded.parent, TICKTRAIL_STORE=str(recorded))
    return build_app(settings, access=access_for(settings, "127.0.0.1"), pages=False)


def test_the_document_names_every_path(open_dashboard: Open) -> None:
    """Every path of the API is in the document, with a summary, and every schema it refers to is there."""
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
    assert all(operation["get"]["summary"] for operation in document["paths"].values())

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(references, value.values()))
        return set().union(*map(references, value)) if isinstance(value, list) else set()

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known


def test_whatever_the_document_allows_is_answered(app: FastAPI) -> None:
    """Some hundred made-up questions, good and bad, are each answered as the document says, none with a 500."""
    schema = schemathesis.openapi.from_asgi(DOCUMENT, app, headers={"Host": "127.0.0.1:8765"})
    modes = list(schemathesis.GenerationMode)
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis.settings(
            max_examples=20, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
        )
        @hypothesis.seed(5)
        @hypothesis.given(
            case=operation.as_strategy(generation_mode=modes[0]) | operation.as_strategy(generation_mode=modes[1])
        )
        def ask(case: schemathesis.Case) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(base_url=HERE, checks=CHECKS, headers={"Host": "127.0.0.1:8765"})

        ask()
    assert asked > 80
