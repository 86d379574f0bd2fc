"""n8n, asked: is it there and is it n8n, what may the key do, what do the workflows and their executions say?"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ticktrail.errors import TicktrailError
from ticktrail.extraction.withheld import REASONS
from ticktrail.health.checks import Finding, Severity, check_clock, check_executions, check_key_expiry, check_retention
from ticktrail.health.oldest_execution import instant_of, oldest_ended
from ticktrail.health.workflow_checks import check_workflow, listens, may_only_send
from ticktrail.settings.n8n_url import DEFAULT_API_PREFIX
from ticktrail.settings.settings import Settings
from ticktrail.sources.n8n_api.api import N8nApi, RetryPolicy, Timeouts
from ticktrail.sources.n8n_api.errors import (
    BadRequestError,
    ForbiddenError,
    Kind,
    MissingError,
    NoAnswerError,
    UnauthorizedError,
)
from ticktrail.sync.ingest import read
from ticktrail.sync.results import ReadCounts

NEWEST = 200
"""How many executions of each workflow are read."""

_PATIENCE = RetryPolicy(attempts=2, total=8.0, wait_initial=0.5, wait_max=1.0, wait_jitter=0.2, starting=6.0)
_TIMEOUTS = Timeouts(connect=4.0, read=10.0, whole=60.0)
"""Somebody waits: an n8n that is away is found to be so within about ten seconds."""

_ONCE = RetryPolicy(attempts=1, total=4.0, starting=0.0)
_READ_SECONDS = 30.0
_SEARCH_SECONDS = 20.0

_NEEDED = ("execution:list", "execution:read", "workflow:read")
_LOST_WITHOUT = {
    "execution:list": "nothing can be read",
    "execution:read": "executions that n8n leaves out of its list cannot be asked for",
    "workflow:read": "a workflow that was deactivated looks like a quiet day",
}


def look(settings: Settings, tell: Callable[[str], None]) -> list[Finding]:
    """What there is to say of the n8n that the settings name, which are complete but for the workflows."""
    tell("asking n8n ...")
    return _N8n(settings, tell).findings()


class _Seen(msgspec.Struct, kw_only=True):
    """What was seen of one workflow. ``workflow`` is None where n8n does not show it."""

    workflow_id: str
    findings: list[Finding]
    workflow: dict[str, Any] | None = None
    read_counts: ReadCounts | None = None
    ended: int = 0
    successes: int = 0


class _N8n:
    """One look at n8n; notes on the way which scopes the key turned out to lack."""

    def __init__(self, settings: Settings, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._n8n = settings.n8n
        self._tell = tell
        self._lacking: set[str] = set()

    def findings(self) -> list[Finding]:
        """Everything, in the order in which one would ask."""
        ids = self._settings.workflow_ids
        with self._api(ids[0] if ids else "") as api:
            reached, answered = self._reach(api)
            clock = self._clock(api)
        expiry = self._expiry()
        if any(finding.severity is Severity.FAULT for finding in expiry):
            # One cause, said once.
            reached = [finding for finding in reached if finding.name != "key"]
        if not answered:
            rest = "as n8n cannot be asked"
            left_out = [_unknown("workflow", rest, workflow_id) for workflow_id in ids]
            return [*reached, *expiry, *clock, *left_out]
        seen = [self._look_at(workflow_id) for workflow_id in ids]
        self._judge_executions(seen)
        about = [finding for one in seen for finding in one.findings]
        return [*reached, *expiry, *self._scopes(), *clock, *about]

    def _api(self, workflow_id: str, patience: RetryPolicy = _PATIENCE, **changes: str) -> N8nApi:
        n8n = msgspec.structs.replace(self._n8n, **changes)
        return N8nApi(n8n, workflow_id, patience=patience, timeouts=_TIMEOUTS)

    def _reach(self, api: N8nApi) -> tuple[list[Finding], bool]:
        """Whether n8n answers and takes the key; the second is whether to go on asking."""
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
            return [_fault("n8n", error, self._elsewhere() if error.kind is Kind.STARTING else "")], False
        except TicktrailError as error:
            return [_fault("n8n", error)], False
        says = "n8n takes the key." if self._n8n.api_key else "n8n lets us in without a key of its own."
        return [here, Finding(name="key", severity=Severity.OK, says=says)], True

    def _refused(self, error: UnauthorizedError) -> Finding:
        also = "; if the key is good, n8n's public API may be switched off (N8N_PUBLIC_API_DISABLED)."
        return _fault("key", error, error.remedy + (also if self._n8n.api_key else ""))

    def _elsewhere(self) -> str:
        """Where n8n's API is, when it is not where the settings say but near; the remedy, or nothing."""
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
            mends = [f"Set N8N_BASE_URL={there}"] if there != base else []
            mends += ["Take N8N_API_PREFIX out" if path == DEFAULT_API_PREFIX else ""] if path != prefix else []
            return f"n8n's API answers at {there}{path}. {'. '.join(filter(None, mends))}."
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
            return [Finding(name="scopes", severity=Severity.OK, says="The key may do all that is needed.")]
        lacking = [scope for scope in _NEEDED if scope in self._lacking]
        harmless = lacking == ["workflow:read"]
        return [
            Finding(
                name="scopes",
                severity=Severity.WARNING if harmless else Severity.FAULT,
                says=" ".join(f"The key lacks {scope}: {_LOST_WITHOUT[scope]}." for scope in lacking),
                remedy=(
                    f"Make a key with {', '.join(_NEEDED)} and workflow:list at "
                    f"{self._n8n.editor_url or self._n8n.base_url}/settings/api, then: ticktrail init"
                ),
            )
        ]

    def _look_at(self, workflow_id: str) -> _Seen:
        self._tell(f"looking at workflow {workflow_id} ...")
        seen = _Seen(workflow_id=workflow_id, findings=[])
        with self._api(workflow_id) as api:
            try:
                seen.workflow = api.workflow()
                seen.findings += check_workflow(seen.workflow, workflow_id)
            except ForbiddenError:
                self._lacking.add("workflow:read")
                seen.findings.append(_unknown("workflow", "for want of workflow:read", workflow_id))
            except TicktrailError as error:
                seen.findings.append(_fault("workflow", error, workflow_id=workflow_id))
                return seen
            if "execution:list" in self._lacking:
                seen.findings.append(_unknown("executions", "for want of execution:list", workflow_id))
                return seen
            try:
                seen.read_counts = self._read(api, seen)
                self._prove_reading(api)
                if seen.read_counts.executions:
                    seen.findings.append(self._retention(api, seen.workflow or {}, workflow_id))
            except TicktrailError as error:
                seen.findings.append(_fault("executions", error, workflow_id=workflow_id))
        return seen

    def _read(self, api: N8nApi, seen: _Seen) -> ReadCounts:
        """Read the newest executions, fewer where n8n takes long for them."""
        read_counts = ReadCounts()
        deadline = time.monotonic() + _READ_SECONDS
        try:
            for found in read(api, read_counts, limit=NEWEST):
                seen.ended += found.final
                seen.successes += found.status == "success"
                if time.monotonic() > deadline:
                    break
        except ForbiddenError:
            # A list with data that lacked rows, which were then asked for singly.
            self._lacking.add("execution:read")
        return read_counts

    def _prove_reading(self, api: N8nApi) -> None:
        """Whether the key may read single executions: one that is not there will do."""
        listed = api.metadata(None, 1).rows
        try:
            api.raw_execution(listed[0].id if listed else 1)
        except ForbiddenError:
            self._lacking.add("execution:read")
        except (BadRequestError, NoAnswerError):
            pass  # this one's data cannot be read, which is another matter

    def _retention(self, api: N8nApi, workflow: dict[str, Any], workflow_id: str) -> Finding:
        self._tell("measuring how long n8n keeps executions ...")
        oldest = oldest_ended(api, time.monotonic() + _SEARCH_SECONDS)
        now = datetime.now(UTC)
        if oldest is None:
            return check_retention(None, workflow_id=workflow_id)
        created = instant_of(workflow.get("createdAt"))
        whole = created is not None and oldest - created <= max((now - created) / 10, timedelta(minutes=10))
        since = created if whole and created is not None else oldest
        return check_retention((now - since).total_seconds(), whole=whole, workflow_id=workflow_id)

    def _judge_executions(self, seen: list[_Seen]) -> None:
        """Judge silence once all workflows are read: where one hears statuses, another may just send."""
        some_hear = any(one.read_counts is not None and one.read_counts.with_statuses for one in seen)
        for one in seen:
            if one.read_counts is None:
                continue
            workflow = one.workflow or {}
            expected = listens(workflow) and not (some_hear and may_only_send(workflow))
            reasons = {REASONS.get(reason, reason): count for reason, count in one.read_counts.withheld.items()}
            finding = check_executions(
                one.read_counts.executions,
                one.read_counts.with_statuses,
                not_shown=reasons,
                ended=one.ended,
                successes=one.successes,
                listens=expected,
                known_cause=any(finding.needs_attention for finding in one.findings),
                workflow_id=one.workflow_id,
            )
            place = next((i for i, known in enumerate(one.findings) if known.name == "retention"), len(one.findings))
            one.findings.insert(place, finding)


def _unknown(name: str, reason: str, workflow_id: str | None = None) -> Finding:
    return Finding(name=name, severity=Severity.UNKNOWN, says=f"Not looked at, {reason}.", workflow_id=workflow_id)


def _fault(name: str, error: TicktrailError, remedy: str = "", *, workflow_id: str | None = None) -> Finding:
    return Finding(
        name=name,
        severity=Severity.FAULT,
        # What errors say of a run that stopped is not what one asks a doctor.
        says=str(error).removesuffix(" Nothing was lost."),
        remedy=(remedy or error.remedy).replace("The next run continues.", "Look at its log, then run this again."),
        workflow_id=workflow_id,
    )
