"""Checks of what n8n answered: key, clock, retention and executions.

``doctor`` prints each :class:`Finding`; ``sync --watch`` prints those that need attention. Workflows are checked in
:mod:`ticktrail.health.workflow_checks`. Pure: answers and the time are arguments. No finding holds a secret.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import msgspec

from ticktrail.extraction.withheld import not_read_text
from ticktrail.text.formatting import date_time, long_duration, plural
from ticktrail.text.sanitizing import one_line

_KEY_WARNING = timedelta(days=7)
_SKEW_SECONDS = 60
_SAFE_SHARE = 3
"""Three syncs should run before n8n deletes an execution, so that two may fail."""

_ENOUGH = 20
"""So many executions without a success are no accident."""

PRUNE_REMEDY = (
    "Sync more often, or let n8n keep more: raise EXECUTIONS_DATA_PRUNE_MAX_COUNT (a number for all workflows "
    "together) and EXECUTIONS_DATA_MAX_AGE (hours)."
)


class Severity(StrEnum):
    """Severity of a finding. ``unknown``: the check was not possible, usually because of another fault."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNKNOWN = "unknown"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one check.

    Attributes:
        name: what was checked, in one or two words; the same in every run.
        says: one or two sentences.
        remedy: what to do; empty when there is nothing to do.
        workflow_id: the workflow that was checked, if any.
    """

    name: str
    severity: Severity
    says: str
    remedy: str = ""
    workflow_id: str | None = None

    @property
    def needs_attention(self) -> bool:
        """Return True for a warning or a fault."""
        return self.severity in {Severity.WARNING, Severity.FAULT}


def check_key_expiry(api_key: str, now: datetime, *, page: str = "Settings > n8n API") -> Finding:
    """Check when an API key expires: a JWT's ``exp`` can be read without its secret.

    Args:
        api_key: as it is sent; no finding repeats any of it.
        now: an aware instant.
        page: where n8n makes keys, for the remedy.
    """
    renew = f"Create a new key at {page}, then type: ticktrail init"
    claims = _claims(api_key)
    if claims is None:
        return _key(Severity.OK, "The key does not say when it expires (keys of older n8n versions never do).")
    audience = claims.get("aud")
    if isinstance(audience, str) and audience != "public-api":
        return _key(Severity.FAULT, "This is an n8n token, but not for the public API.", renew)
    expires_at = _instant(claims.get("exp"))
    if expires_at is None:
        return _key(Severity.OK, "The key never expires.")
    day = f"{date_time(expires_at)} UTC"
    left = expires_at - now
    if left <= timedelta():
        return _key(Severity.FAULT, f"The key expired {long_duration((-left).total_seconds())} ago, on {day}.", renew)
    if left <= _KEY_WARNING:
        return _key(
            Severity.WARNING,
            f"The key expires in {long_duration(left.total_seconds())}, on {day}. Then syncing stops.",
            renew,
        )
    return _key(Severity.OK, f"The key is valid until {day}.")


def check_retention(
    retention_seconds: float | None,
    interval_seconds: float | None = None,
    *,
    deleted: bool = True,
    workflow_id: str | None = None,
) -> Finding:
    """Check whether syncs run often enough for how long n8n keeps executions.

    Args:
        retention_seconds: the age of the oldest execution that n8n lists; None when it lists none.
        interval_seconds: from one sync to the next, where that is known.
        deleted: n8n is known to have deleted older executions. Else the age of the oldest one proves nothing.
    """
    if retention_seconds is None:
        return Finding(
            name="retention",
            severity=Severity.UNKNOWN,
            says="How long n8n keeps executions is unknown: n8n lists no finished execution, or answers too slowly.",
            workflow_id=workflow_id,
        )
    kept = long_duration(retention_seconds)
    safe_seconds = retention_seconds / _SAFE_SHARE
    severity, remedy = Severity.OK, ""
    if not deleted:
        says = f"n8n's oldest execution started {kept} ago. n8n was not seen to delete any execution so far."
    else:
        says = f"n8n keeps executions for about {kept}. Sync at least every {long_duration(safe_seconds)}."
        if interval_seconds is not None and interval_seconds > safe_seconds:
            severity = Severity.WARNING
            says = (
                f"n8n keeps executions for about {kept}, and syncs run every {long_duration(interval_seconds)}: "
                f"if two fail, statuses are lost. Sync at least every {long_duration(safe_seconds)}."
            )
            remedy = PRUNE_REMEDY
        elif interval_seconds is None and safe_seconds < 300:
            severity = Severity.WARNING
            remedy = PRUNE_REMEDY
    return Finding(name="retention", severity=severity, says=says, remedy=remedy, workflow_id=workflow_id)


def check_clock(said: str | datetime | None, now: datetime, *, whose: str = "n8n", name: str = "clock") -> Finding:
    """Compare another machine's clock with this machine's.

    Args:
        said: an HTTP ``Date`` header, which has whole seconds, or an instant.
        now: this machine's time at that moment.
        whose: the name of the other machine.
    """
    theirs = _http_date(said) if isinstance(said, str) else said
    if theirs is None:
        return Finding(name=name, severity=Severity.UNKNOWN, says=f"{whose} does not send its time.")
    skew = (theirs - now).total_seconds()
    if abs(skew) <= _SKEW_SECONDS:
        return Finding(name=name, severity=Severity.OK, says=f"{whose} and this machine agree on the time.")
    direction = "ahead of" if skew > 0 else "behind"
    return Finding(
        name=name,
        severity=Severity.WARNING,
        says=f"The clock of {whose} is {long_duration(abs(skew))} {direction} this machine's.",
        remedy="Set both clocks by NTP: times in reports, provisional figures and key expiry depend on them.",
    )


def check_executions(  # noqa: PLR0913 - counts that belong together
    executions: int,
    with_statuses: int,
    *,
    withheld: Mapping[str, int] | None = None,
    not_read: int = 0,
    ended: int = 0,
    successes: int = 0,
    listens: bool = True,
    known_cause: bool = False,
    workflow_id: str | None = None,
) -> Finding:
    """Check the newest executions; missing statuses are explained, the likeliest cause first.

    Args:
        executions: number that were read; ``with_statuses``: of those with a status.
        withheld: number that n8n withheld, by reason in words.
        not_read: number that Ticktrail does not believe or understand.
        ended: number of finished ones; ``successes``: of those that succeeded.
        listens: False for a workflow that only sends: no status is expected in it.
        known_cause: another finding about this workflow would explain missing statuses.
    """
    hidden = sum((withheld or {}).values())
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in (withheld or {}).items())
    read = f"{plural(executions, 'execution')} read, {with_statuses:,} with statuses"
    severity, says, remedy = Severity.OK, f"{read}.", ""
    if executions == 0:
        severity, says = (Severity.WARNING if listens else Severity.OK), "n8n lists no execution of this workflow."
        remedy = _blame(_NO_EXECUTION, known_cause=known_cause) if listens else ""
    elif hidden:
        severity = Severity.WARNING if with_statuses else Severity.FAULT
        says, remedy = f"{read}; n8n withheld {hidden:,} ({reasons}).", _WITHHELD
    elif not_read and not with_statuses:
        # The finding about executions that were not read says what to change.
        says = f"{read}; {not_read:,} not read."
    elif with_statuses == 0 and listens:
        severity, says = Severity.WARNING, f"{plural(executions, 'execution')} read, 0 statuses."
        remedy = _blame(_NO_STATUS, known_cause=known_cause)
    elif ended >= _ENOUGH and successes == 0:
        severity = Severity.WARNING
        says = f"{read}; none of them succeeded."
        remedy = (
            "Either n8n does not save successful executions (set EXECUTIONS_DATA_SAVE_ON_SUCCESS=all, else statuses "
            "are lost), or the workflow always fails: open an execution in n8n."
        )
    return Finding(name="executions", severity=severity, says=says, remedy=remedy, workflow_id=workflow_id)


_NO_EXECUTION = (
    "(1) Meta does not call this workflow: in Meta's app, WhatsApp > Configuration, set the callback URL to the "
    "workflow's production URL and subscribe to the field 'messages'; (2) n8n does not save successful executions "
    "(EXECUTIONS_DATA_SAVE_ON_SUCCESS=none); (3) nothing was sent yet: send yourself a message, then run this again; "
    "(4) the statuses arrive in another workflow: ticktrail init"
)
_NO_STATUS = (
    "(1) nothing was sent from this number recently: send yourself a message, then run this again; "
    "(2) the statuses arrive in another workflow: ticktrail init; (3) a service between Meta and n8n passes on only "
    "messages, or its own format: open an execution in n8n and look for 'statuses'."
)
_WITHHELD = (
    "They may hold statuses. Redacted: turn off the workflow's redaction. Body stored as a file: turn off Binary Data "
    "in the Webhook node. Without data or unreadable: see n8n's log."
)

_NOT_READ = {
    "text": (
        "If a node packs Meta's webhook into a text, pass the parsed JSON on instead. If a person wrote the text, "
        "ignore this."
    ),
    "status": (
        "Start the workflow with a WhatsApp Trigger or a Webhook node that Meta calls, and pass Meta's webhook on "
        "unchanged (entry, changes, value)."
    ),
    "send": (
        "Pass WhatsApp's answer to the send on unchanged (messaging_product, contacts, messages), or send with n8n's "
        "WhatsApp node or an HTTP Request to graph.facebook.com."
    ),
}
_OTHER_PROVIDER = (
    "These webhooks are not Meta's format. Let {provider} forward Meta's own webhooks to n8n, or connect the number to "
    "the WhatsApp Business Platform and n8n's WhatsApp Trigger."
)


def check_not_read(
    counts: Mapping[tuple[str, str | None], int], *, workflow_id: str | None = None
) -> Iterator[Finding]:
    """Yield a finding for each reason and provider of executions that were not read, with what to change.

    Args:
        counts: number of executions by reason (a key of ``NOT_READ_REASONS``) and provider.
    """
    for (reason, provider), count in counts.items():
        # Anybody can write a text that looks like a status, so that alone needs no attention.
        severity = Severity.OK if reason == "text" else Severity.WARNING
        default = _OTHER_PROVIDER.format(provider=provider or "the provider")
        yield Finding(
            name="not read",
            severity=severity,
            says=f"{plural(count, 'execution')} not read: {not_read_text(reason, provider)}.",
            remedy=_NOT_READ.get(reason, default) if severity is Severity.WARNING else "",
            workflow_id=workflow_id,
        )


def check_self_answers(count: int, node: str, *, workflow_id: str | None = None) -> Finding:
    """Return the finding about a workflow that answers its own status updates.

    Args:
        count: sends without a recipient that WhatsApp refused in executions that a status started.
        node: the name of the node that sent.
    """
    return Finding(
        name="self answers",
        severity=Severity.WARNING,
        says=(
            f"The workflow answers its own status updates: the node '{one_line(node, 60)}' tried "
            f"{plural(count, 'send')} without a recipient, and WhatsApp refused. No customer misses a message."
        ),
        remedy=SELF_ANSWER_REMEDY,
        workflow_id=workflow_id,
    )


SELF_ANSWER_REMEDY = (
    "Add a Filter node right after the trigger that continues only if {{ $json.messages }} exists. Status updates then "
    "end there; Ticktrail reads them all the same."
)


def _blame(causes: str, *, known_cause: bool) -> str:
    first = (
        "Most likely the finding above about this workflow is the cause. Otherwise, most likely"
        if known_cause
        else "Most likely"
    )
    return f"{first} first: {causes}"


def _key(severity: Severity, says: str, remedy: str = "") -> Finding:
    return Finding(name="key expiry", severity=severity, says=says, remedy=remedy)


def _claims(api_key: str) -> dict[str, Any] | None:
    """Return the claims of a JWT, unverified (RFC 7519, 7.2); None when it is none (keys of n8n up to 1.67)."""
    parts = api_key.split(".")
    if len(parts) != 3:
        return None
    try:
        text = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = json.loads(text)
    except (ValueError, binascii.Error, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _instant(timestamp: object) -> datetime | None:
    """A JWT's NumericDate (seconds since 1970, RFC 7519, 2)."""
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
        return None
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
