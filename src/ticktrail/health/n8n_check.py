"""Check n8n: does it answer, what may the key do, and what do the workflows and their executions show?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ticktrail.errors import TicktrailError
from ticktrail.extraction.withheld import REASONS
from ticktrail.health.checks import (
    Finding,
    Severity,
    check_clock,
    check_executions,
    check_key_expiry,
    check_not_read,
    check_retention,
    check_self_answers,
)
from ticktrail.health.oldest_execution import OldestExecution, oldest_ended
from ticktrail.health.workflow_checks import check_workflow, listens, may_only_send
from ticktrail.messages.failure_causes import lacks_recipient
from ticktrail.messages.model import Outcome, Send
from ticktrail.queries.completeness import Completeness, WorkflowCompleteness
from ticktrail.settings.n8n_url import DEFAULT_API_PREFIX
from ticktrail.settings.settings import Settings
from ticktrail.sources.n8n_api.api import N8nApi, RetryPolicy, Timeouts
from ticktrail.sources.n8n_api.errors import (
    BadRequestError,
    FailureKind,
    ForbiddenError,
    MissingError,
    NoAnswerError,
    UnauthorizedError,
)
from ticktrail.sync.ingest import read
from ticktrail.sync.results import ReadCounts

NEWEST = 200
"""Number of executions of each workflow that are read."""

_PATIENCE = RetryPolicy(attempts=2, total=8.0, wait_initial=0.5, wait_max=1.0, wait_jitter=0.2, starting=6.0)
_TIMEOUTS = Timeouts(connect=4.0, read=10.0, whole=60.0)
"""The user waits: an n8n that is away is reported within about ten seconds."""

_ONCE = RetryPolicy(attempts=1, total=4.0, starting=0.0)
_READ_SECONDS = 30.0
_SEARCH_SECONDS = 20.0

_NEEDED = ("execution:list", "execution:read", "workflow:read")
_LOST_WITHOUT = {
    "execution:list": "nothing can be read",
    "execution:read": "executions that n8n leaves out of its list cannot be read",
    "workflow:read": "a deactivated workflow looks like a quiet day",
}


def check_n8n(settings: Settings, known: Completeness | None, tell: Callable[[str], None]) -> list[Finding]:
    """Return the findings about the n8n of the settings, which are complete except for the workflows.

    Args:
        known: what the store holds; None where that is unknown.
    """
    tell("checking n8n ...")
    return _N8n(settings, known, tell).findings()


class _WorkflowCheck(msgspec.Struct, kw_only=True):
    """State of the checks of one workflow. ``workflow`` is None where n8n does not return it."""

    workflow_id: str
    findings: list[Finding]
    workflow: dict[str, Any] | None = None
    read_counts: ReadCounts | None = None
    ended: int = 0
    successes: int = 0
    not_read: Counter[tuple[str, str | None]] = msgspec.field(default_factory=Counter)
    self_answers: list[Send] = msgspec.field(default_factory=list)


class _N8n:
    """One check of n8n; notes which scopes the key lacks."""

    def __init__(self, settings: Settings, known: Completeness | None, tell: Callable[[str], None]) -> None:
        self._known = {} if known is None else {workflow.workflow_id: workflow for workflow in known.workflows}
        self._settings = settings
        self._n8n = settings.n8n
        self._tell = tell
        self._lacking: set[str] = set()

    def findings(self) -> list[Finding]:
        """Return all findings."""
        ids = self._settings.workflow_ids
        with self._api(ids[0] if ids else "") as api:
            reached, answered = self._reach(api)
            clock = self._clock(api)
        expiry = self._expiry()
        if any(finding.severity is Severity.FAULT for finding in expiry):
            # One cause is one finding.
            reached = [finding for finding in reached if finding.name != "key"]
        if not answered:
            rest = "because n8n cannot be reached"
            left_out = [_unknown("workflow", rest, workflow_id) for workflow_id in ids]
            return [*reached, *expiry, *clock, *left_out]
        seen = [self._check_workflow(workflow_id) for workflow_id in ids]
        self._check_executions(seen)
        about = [finding for one in seen for finding in one.findings]
        return [*reached, *expiry, *self._scopes(), *clock, *about]

    def _api(self, workflow_id: str, retry_policy: RetryPolicy = _PATIENCE, **changes: str) -> N8nApi:
        n8n = msgspec.structs.replace(self._n8n, **changes)
        return N8nApi(n8n, workflow_id, retry_policy=retry_policy, timeouts=_TIMEOUTS)

    def _reach(self, api: N8nApi) -> tuple[list[Finding], bool]:
        """Check whether n8n answers and accepts the key. The second value tells whether to go on."""
        here = Finding(name="n8n", severity=Severity.OK, says=f"n8n answers at {self._n8n.base_url}.")
        try:
            api.check() if api.workflow_id else api.workflows()
        except UnauthorizedError as error:
            return [here, self._refused(error)], False
        except ForbiddenError:
            self._lacking |= {"execution:list"} if api.workflow_id else set()
        except MissingError as error:
            return [_fault("n8n", error, self._elsewhere())], False
        except NoAnswerError as error:
            return [_fault("n8n", error, self._elsewhere() if error.kind is FailureKind.STARTING else "")], False
        except TicktrailError as error:
            return [_fault("n8n", error)], False
        says = "n8n accepts the key." if self._n8n.api_key else "n8n gives access without an API key."
        return [here, Finding(name="key", severity=Severity.OK, says=says)], True

    def _refused(self, error: UnauthorizedError) -> Finding:
        also = "; if the key is valid, n8n's public API may be disabled (N8N_PUBLIC_API_DISABLED)."
        return _fault("key", error, error.remedy + (also if self._n8n.api_key else ""))

    def _elsewhere(self) -> str:
        """Return the remedy when n8n's API answers near the configured address, else an empty text."""
        base, prefix = self._n8n.base_url, self._n8n.prefix
        root = f"{urlsplit(base).scheme}://{urlsplit(base).netloc}"
        for there, path in dict.fromkeys([(base, DEFAULT_API_PREFIX), (root, prefix), (root, DEFAULT_API_PREFIX)]):
            if (there, path) == (base, prefix):
                continue
            try:
                with self._api("", _ONCE, base_url=there, prefix=path) as api:
                    api.workflows()
            except (UnauthorizedError, ForbiddenError):
                pass
            except TicktrailError:
                continue
            remedies = [f"Set N8N_BASE_URL={there}"] if there != base else []
            remedies += ["Remove N8N_API_PREFIX" if path == DEFAULT_API_PREFIX else ""] if path != prefix else []
            return f"n8n's API answers at {there}{path}. {'. '.join(filter(None, remedies))}."
        return ""

    def _clock(self, api: N8nApi) -> list[Finding]:
        if api.date is None:
            return []
        said, at = api.date
        return [check_clock(said, datetime.fromtimestamp(at, UTC))]

    def _expiry(self) -> list[Finding]:
        if self._n8n.api_key is None:
            return []
        page = f"{self._n8n.editor_url or self._n8n.base_url}/settings/api"
        return [check_key_expiry(self._n8n.api_key.reveal(), datetime.now(UTC), page=page)]

    def _scopes(self) -> list[Finding]:
        if not self._lacking:
            return [Finding(name="scopes", severity=Severity.OK, says="The key has all scopes that are needed.")]
        lacking = [scope for scope in _NEEDED if scope in self._lacking]
        harmless = lacking == ["workflow:read"]
        return [
            Finding(
                name="scopes",
                severity=Severity.WARNING if harmless else Severity.FAULT,
                says=" ".join(f"The key lacks {scope}: {_LOST_WITHOUT[scope]}." for scope in lacking),
                remedy=(
                    f"Create a key with {', '.join(_NEEDED)} and workflow:list at "
                    f"{self._n8n.editor_url or self._n8n.base_url}/settings/api, then: ticktrail init"
                ),
            )
        ]

    def _check_workflow(self, workflow_id: str) -> _WorkflowCheck:
        self._tell(f"checking workflow {workflow_id} ...")
        seen = _WorkflowCheck(workflow_id=workflow_id, findings=[])
        with self._api(workflow_id) as api:
            try:
                seen.workflow = api.workflow()
                needs_statuses = not self._settings.receiver.keeps_statuses
                seen.findings += check_workflow(seen.workflow, workflow_id, needs_statuses=needs_statuses)
            except ForbiddenError:
                self._lacking.add("workflow:read")
                seen.findings.append(_unknown("workflow", "because the key lacks workflow:read", workflow_id))
            except TicktrailError as error:
                seen.findings.append(_fault("workflow", error, workflow_id=workflow_id))
                return seen
            if "execution:list" in self._lacking:
                seen.findings.append(_unknown("executions", "because the key lacks execution:list", workflow_id))
                return seen
            try:
                seen.read_counts = self._read(api, seen)
                self._prove_reading(api)
                if seen.read_counts.executions:
                    seen.findings.append(self._retention(api, workflow_id))
            except TicktrailError as error:
                seen.findings.append(_fault("executions", error, workflow_id=workflow_id))
        return seen

    def _read(self, api: N8nApi, seen: _WorkflowCheck) -> ReadCounts:
        """Read the newest executions, fewer where n8n is slow."""
        read_counts = ReadCounts()
        deadline = time.monotonic() + _READ_SECONDS
        try:
            for found in read(api, read_counts, limit=NEWEST):
                seen.ended += found.final
                seen.successes += found.status == "success"
                if found.outcome is Outcome.NOT_READ:
                    seen.not_read[found.reason or "", found.provider] += 1
                if found.events:
                    seen.self_answers += filter(lacks_recipient, found.sends)
                if time.monotonic() > deadline:
                    break
        except ForbiddenError:
            # A list with data that lacked rows, which were then asked for singly.
            self._lacking.add("execution:read")
        return read_counts

    def _prove_reading(self, api: N8nApi) -> None:
        """Check whether the key may read single executions; one that does not exist will do."""
        listed = api.metadata(None, 1).rows
        try:
            api.raw_execution(listed[0].id if listed else 1)
        except ForbiddenError:
            self._lacking.add("execution:read")
        except (BadRequestError, NoAnswerError):
            pass  # only the data of this execution cannot be read

    def _retention(self, api: N8nApi, workflow_id: str) -> Finding:
        self._tell("measuring how long n8n keeps executions ...")
        oldest = oldest_ended(api, time.monotonic() + _SEARCH_SECONDS)
        if oldest is None:
            return check_retention(None, workflow_id=workflow_id)
        age = (datetime.now(UTC) - oldest.started_at).total_seconds()
        deleted = _has_deleted(self._known.get(workflow_id), oldest)
        return check_retention(age, deleted=deleted, workflow_id=workflow_id)

    def _check_executions(self, seen: list[_WorkflowCheck]) -> None:
        """Check the executions once all workflows are read: where one receives statuses, another may only send."""
        some_hear = any(one.read_counts is not None and one.read_counts.with_statuses for one in seen)
        for one in seen:
            if one.read_counts is None:
                continue
            workflow = one.workflow or {}
            expected = listens(workflow) and not (some_hear and may_only_send(workflow))
            expected = expected and not self._settings.receiver.keeps_statuses
            reasons = {REASONS.get(reason, reason): count for reason, count in one.read_counts.withheld.items()}
            finding = check_executions(
                one.read_counts.executions,
                one.read_counts.with_statuses,
                withheld=reasons,
                not_read=one.not_read.total(),
                ended=one.ended,
                successes=one.successes,
                listens=expected,
                known_cause=any(finding.needs_attention for finding in one.findings),
                workflow_id=one.workflow_id,
            )
            place = next((i for i, known in enumerate(one.findings) if known.name == "retention"), len(one.findings))
            one.findings.insert(place, finding)
            one.findings += check_not_read(one.not_read, workflow_id=one.workflow_id)
            if one.self_answers:
                node = one.self_answers[0].sent_by.node
                one.findings.append(check_self_answers(len(one.self_answers), node, workflow_id=one.workflow_id))


def _has_deleted(known: WorkflowCompleteness | None, oldest: OldestExecution) -> bool:
    """Return True when syncs saw executions that n8n does not list any more."""
    if known is None:
        return False
    facts, lowest = known.facts, known.lowest_processed
    return bool(facts.pruned or facts.gaps or (lowest is not None and lowest < oldest.execution_id))


def _unknown(name: str, reason: str, workflow_id: str | None = None) -> Finding:
    return Finding(name=name, severity=Severity.UNKNOWN, says=f"Not checked, {reason}.", workflow_id=workflow_id)


def _fault(name: str, error: TicktrailError, remedy: str = "", *, workflow_id: str | None = None) -> Finding:
    return Finding(
        name=name,
        severity=Severity.FAULT,
        # The error is worded for a sync that stopped.
        says=str(error).removesuffix(" Nothing was lost."),
        remedy=(remedy or error.remedy).replace("The next run continues.", "See its log, then run this again."),
        workflow_id=workflow_id,
    )
