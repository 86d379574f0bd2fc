"""What silence hides, looked for between syncs: a workflow that is off, a trigger that filters, a key that runs out.

All of that looks like a quiet day. One small question to n8n for each workflow, no more often than asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

from ticktrail.errors import TicktrailError
from ticktrail.health.checks import Finding, check_key_expiry, check_retention
from ticktrail.health.workflow_checks import check_workflow
from ticktrail.stores.coverage import Facts
from ticktrail.sync.decisions import retention

EVERY = timedelta(minutes=5)


class Workflow(Protocol):
    """A workflow that can be asked for; :class:`~ticktrail.sources.n8n_api.api.N8nApi` can."""

    workflow_id: str

    def workflow(self) -> dict[str, Any]:
        """Its name, nodes and settings."""
        ...


def look(workflows: Iterable[Workflow], api_key: str | None, *, page: str, now: datetime) -> Iterator[Finding]:
    """What needs somebody. What cannot be asked is left out: the sync itself says when n8n does not answer.

    Args:
        workflows: those that are synced.
        api_key: as it is sent.
        page: where n8n makes keys.
        now: an aware instant.
    """
    findings = [] if api_key is None else [check_key_expiry(api_key, now, page=page)]
    for one in workflows:
        try:
            findings += check_workflow(one.workflow(), one.workflow_id)
        except TicktrailError:
            continue
    yield from (finding for finding in findings if finding.needs_attention)


def check_sync_interval(facts: Facts, *, interval: float, workflow_id: str, now: datetime) -> Finding | None:
    """Whether syncs come often enough for what n8n was seen to keep; None when they do.

    Until n8n has pruned, its oldest execution is as old as the workflow, which says nothing: so only an interval that
    is too long is a finding.
    """
    kept = retention(facts, now)
    if kept is None:
        return None
    finding = check_retention(kept.total_seconds(), interval, workflow_id=workflow_id)
    return finding if finding.needs_attention else None


class Remembered:
    """Says each finding once, and again when it is gone and comes back."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str | None, str]] = set()
        self._looked_at = float("-inf")

    def is_time(self) -> bool:
        """Whether the last look is long enough ago; then this is the next one."""
        if time.monotonic() - self._looked_at < EVERY.total_seconds():
            return False
        self._looked_at = time.monotonic()
        return True

    def news(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """The findings that were not there at the last look."""
        found = {(one.name, one.workflow_id, one.says): one for one in findings}
        yield from (one for key, one in found.items() if key not in self._said)
        self._said = set(found)
