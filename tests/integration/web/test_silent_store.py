"""A dashboard whose MongoDB falls silent: requests end with 503, and the process stays healthy."""

from __future__ import annotations

import time

import pytest
from pymongo.uri_parser import parse_uri
from tests.integration.web.conftest import Open
from tests.support.patience import PATIENCE_SECONDS
from tests.support.relay import Relay

pytestmark = pytest.mark.thorough

LIMITS = "directConnection=true&socketTimeoutMS=2000&serverSelectionTimeoutMS=1000&connectTimeoutMS=1000"


def test_requests_end_when_mongodb_falls_silent(open_dashboard: Open, recorded_in_mongodb: dict[str, str]) -> None:
    """Lists and statistics say that the store does not answer, and when to ask again."""
    uri = recorded_in_mongodb["MONGODB_URI"]
    port = parse_uri(uri)["nodelist"][0][1]
    with Relay(port) as relay:
        behind = uri.replace(f":{port}", f":{relay.port}", 1)
        environ = {**recorded_in_mongodb, "MONGODB_URI": f"{behind}{'&' if '?' in behind else '/?'}{LIMITS}"}
        client = open_dashboard(**environ)
        assert client.get("/api/v1/messages").json()["messages"]
        relay.cut()
        for path in ("/api/v1/messages", "/api/v1/stats"):
            began = time.monotonic()
            answer = client.get(path, params={"limit": 5} if path.endswith("messages") else {})
            assert time.monotonic() - began < PATIENCE_SECONDS
            assert answer.status_code == 503
            assert answer.headers["Retry-After"]
            assert "MongoDB" in answer.json()["detail"]
        assert client.get("/healthz").status_code == 200
