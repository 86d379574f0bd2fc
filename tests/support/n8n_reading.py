"""Reading an :class:`~tests.support.n8n_server.N8nServer`, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from tests.support.n8n_server import QUICK, N8nServer

from ticktrail.sources import Page
from ticktrail.sources.n8n_api.api import N8nApi, RetryPolicy, Timeouts

OLD, MIDDLE, NEW = "1.68.0", "2.0.0", "2.41.1"
"""Releases that differ: without a status in lists; with pages that one row spoils; the one that was recorded."""

ALL_VERSIONS = pytest.mark.parametrize("version", [OLD, MIDDLE, "2.28.5", NEW])


def api_of(
    server: N8nServer, *, retry_policy: RetryPolicy = QUICK, timeouts: Timeouts | None = None, **changes: Any
) -> N8nApi:
    """A source that reads it."""
    return N8nApi(server.settings(**changes), server.workflow_id, retry_policy=retry_policy, timeouts=timeouts)


def executions(pages: Iterable[Page]) -> list[bytes]:
    """All that came."""
    return [execution for page in pages for execution in page.executions]


def ids(pages: Iterable[Page]) -> list[int]:
    """The ids of all that came."""
    return [int(json.loads(execution.decode("utf-8", "replace"))["id"]) for execution in executions(pages)]


def problems(pages: Iterable[Page]) -> list[str]:
    """All that was said."""
    return [problem for page in pages for problem in page.problems]


def reason(said: list[str], number: int) -> str:
    """The reason given for an execution that was not shown."""
    sentence = next(sentence for sentence in said if sentence.startswith(f"execution {number}:"))
    return sentence.partition("(")[2][:-1]
