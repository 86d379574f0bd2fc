"""Silent faults, looked for between syncs: an inactive workflow, a filtering trigger, an expiring key.

All of them look like a quiet day. One small request to n8n for each workflow, at most every five minutes.
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
    """A workflow of n8n; :class:`~ticktrail.sources.n8n_api.api.N8nApi` is one."""

    workflow_id: str

    def workflow(self) -> dict[str, Any]:
        """Return its name, nodes and settings."""
        ...


def find_silent_faults(
    workflows: Iterable[Workflow],
    api_key: str | None,
    *,
    page: str,
    now: datetime,
    needs_statuses: bool = True,
) -> Iterator[Finding]:
    """Yield the findings that need attention. Errors of n8n are left out, because the sync reports them.

    Args:
        workflows: those that are synced.
        api_key: as it is sent.
        page: where n8n makes keys.
        now: an aware instant.
        needs_statuses: see :func:`check_workflow`.
    """
    findings = [] if api_key is None else [check_key_expiry(api_key, now, page=page)]
    for workflow in workflows:
        try:
            findings += check_workflow(workflow.workflow(), workflow.workflow_id, needs_statuses=needs_statuses)
        except TicktrailError:
            continue
    yield from (finding for finding in findings if finding.needs_attention)


def check_sync_interval(facts: Facts, *, interval: float, workflow_id: str, now: datetime) -> Finding | None:
    """Return a finding when syncs are too rare for how long n8n keeps executions; None when they are not.

    Only what n8n deleted shows how long it keeps executions. Until then its oldest execution is just the first one.
    """
    kept = retention(facts, now) if facts.pruned or facts.gaps else None
    if kept is None:
        return None
    finding = check_retention(kept.total_seconds(), interval, workflow_id=workflow_id)
    return finding if finding.needs_attention else None


class NewFindings:
    """Yields each finding once, and again when it comes back after it was gone."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str | None, str]] = set()
        self._checked_at = float("-inf")

    def is_time(self) -> bool:
        """Return True when the last check is long enough ago; then this is the next one."""
        if time.monotonic() - self._checked_at < EVERY.total_seconds():
            return False
        self._checked_at = time.monotonic()
        return True

    def new(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        """Yield the findings that were not there at the last check."""
        found = {(finding.name, finding.workflow_id, finding.says): finding for finding in findings}
        yield from (one for key, one in found.items() if key not in self._known)
        self._known = set(found)
