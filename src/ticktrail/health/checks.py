"""Judgements on what n8n answered: is this how a setup looks in which no status is missed?

Each judgement is a :class:`Finding`, a value; ``doctor`` prints them and ``sync --watch`` looks out for those that
silence hides. What n8n says of a workflow itself is judged in :mod:`ticktrail.health.workflow_checks`. Nothing here
asks anything: answers and the time come in as arguments. No finding holds a secret.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import msgspec

from ticktrail.text.formatting import date_time, long_duration

_KEY_WARNING = timedelta(days=7)
_SKEW_SECONDS = 60
_SAFE_SHARE = 3
"""A sync should come three times before n8n deletes what it has not read: two may fail."""

_ENOUGH = 20
"""So many executions without a single success are no accident."""


class Severity(StrEnum):
    """What a check came to. ``unknown``: it could not be made, mostly because of another fault."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    UNKNOWN = "unknown"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found.

    Attributes:
        name: what was looked at, in a word or two; the same in every run.
        says: one or two sentences.
        remedy: what to do about it; empty when there is nothing to do.
        workflow_id: the workflow it is about, where it is about one.
    """

    name: str
    severity: Severity
    says: str
    remedy: str = ""
    workflow_id: str | None = None

    @property
    def needs_attention(self) -> bool:
        """Whether somebody should do something about it."""
        return self.severity in {Severity.WARNING, Severity.FAULT}


def check_key_expiry(api_key: str, now: datetime, *, page: str = "Settings > n8n API") -> Finding:
    """When an API key runs out, as far as it says so itself: a JWT's ``exp`` can be read without its secret.

    Args:
        api_key: as it is sent; nothing of it is repeated.
        now: an aware instant.
        page: where n8n makes keys, for the remedy.
    """
    renew = f"Make a new key at {page}, then: ticktrail init"
    claims = _claims(api_key)
    if claims is None:
        return _key(Severity.OK, "The key does not say when it expires (keys of older n8n never do).")
    audience = claims.get("aud")
    if isinstance(audience, str) and audience != "public-api":
        return _key(Severity.FAULT, "This is a token of n8n, but not one for its public API.", renew)
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
    return _key(Severity.OK, f"The key is good until {day}.")


def check_retention(
    retention_seconds: float | None,
    interval_seconds: float | None = None,
    *,
    whole: bool = False,
    workflow_id: str | None = None,
) -> Finding:
    """Whether a sync comes often enough for what n8n keeps.

    Args:
        retention_seconds: the age of the oldest execution that n8n still lists; None when it lists none.
        interval_seconds: from one sync to the next, where that is known.
        whole: n8n still has every execution since the workflow was made, so its age says nothing yet.
    """
    if retention_seconds is None:
        return Finding(
            name="retention",
            severity=Severity.UNKNOWN,
            says="How long n8n keeps executions could not be measured: it lists none that has ended, or is slow.",
            workflow_id=workflow_id,
        )
    kept = long_duration(retention_seconds)
    safe_seconds = retention_seconds / _SAFE_SHARE
    severity, remedy = Severity.OK, ""
    if whole:
        says = f"n8n still has every execution since the workflow was made, {kept} ago."
    else:
        says = f"n8n keeps executions for about {kept}. A sync every {long_duration(safe_seconds)} or oftener is safe."
        if interval_seconds is not None and interval_seconds > safe_seconds:
            severity = Severity.WARNING
            says = (
                f"n8n keeps executions for about {kept}, and a sync comes every {long_duration(interval_seconds)}: "
                "if two fail, statuses are lost."
            )
            remedy = (
                f"Sync at least every {long_duration(safe_seconds)}, or let n8n keep more: "
                "EXECUTIONS_DATA_PRUNE_MAX_COUNT (a number for all workflows together) and EXECUTIONS_DATA_MAX_AGE "
                "(hours)."
            )
        elif interval_seconds is None and safe_seconds < 300:
            severity = Severity.WARNING
            remedy = (
                "Let n8n keep more: raise EXECUTIONS_DATA_PRUNE_MAX_COUNT (a number for all workflows together) "
                "and EXECUTIONS_DATA_MAX_AGE (hours)."
            )
    return Finding(name="retention", severity=severity, says=says, remedy=remedy, workflow_id=workflow_id)


def check_clock(said: str | datetime | None, now: datetime, *, whose: str = "n8n", name: str = "clock") -> Finding:
    """Whether another machine's clock agrees with this one's.

    Args:
        said: an HTTP ``Date`` header, which has whole seconds, or an instant.
        now: this machine's time when that was said.
        whose: the other one, for people.
    """
    theirs = _http_date(said) if isinstance(said, str) else said
    if theirs is None:
        return Finding(name=name, severity=Severity.UNKNOWN, says=f"{whose} does not say what time it has.")
    skew = (theirs - now).total_seconds()
    if abs(skew) <= _SKEW_SECONDS:
        return Finding(name=name, severity=Severity.OK, says=f"{whose} and this machine agree on the time.")
    direction = "ahead of" if skew > 0 else "behind"
    return Finding(
        name=name,
        severity=Severity.WARNING,
        says=f"The clock of {whose} is {long_duration(abs(skew))} {direction} this machine's.",
        remedy="Let both set their clocks by NTP: times in reports, 'not final yet' and key expiry depend on them.",
    )


def check_executions(
    executions: int,
    with_statuses: int,
    *,
    not_shown: Mapping[str, int] | None = None,
    ended: int = 0,
    successes: int = 0,
    listens: bool = True,
    known_cause: bool = False,
    workflow_id: str | None = None,
) -> Finding:
    """What the newest executions say: silence is explained, the likeliest cause first.

    Args:
        executions: how many were read.
        with_statuses: in how many a status was found.
        not_shown: how many n8n would not show, by reason in words.
        ended: how many of them n8n is done with.
        successes: how many of those succeeded.
        listens: False for a workflow that only sends: no status is expected in it.
        known_cause: something else that was found of this workflow would explain it.
    """
    hidden = sum((not_shown or {}).values())
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in (not_shown or {}).items())
    read = f"{executions:,} {'execution' if executions == 1 else 'executions'} read, {with_statuses:,} with statuses"
    severity, says, remedy = Severity.OK, f"{read}.", ""
    if executions == 0:
        severity, says = (Severity.WARNING if listens else Severity.OK), "n8n lists no execution of this workflow."
        remedy = _blame(_NO_EXECUTION, known_cause=known_cause) if listens else ""
    elif hidden and not with_statuses:
        severity, says = Severity.FAULT, f"{read}; {hidden:,} n8n would not show ({reasons})."
        remedy = _NOT_SHOWN
    elif hidden:
        severity, says = Severity.WARNING, f"{read}; {hidden:,} n8n would not show ({reasons})."
        remedy = _NOT_SHOWN
    elif with_statuses == 0 and listens:
        severity, says = Severity.WARNING, f"{executions:,} executions read, 0 statuses."
        remedy = _blame(_NO_STATUS, known_cause=known_cause)
    elif ended >= _ENOUGH and successes == 0:
        severity = Severity.WARNING
        says = f"{read}; not one of them succeeded."
        remedy = (
            "Either n8n does not keep executions that succeed (EXECUTIONS_DATA_SAVE_ON_SUCCESS=none: set it to all, "
            "statuses are lost otherwise), or the workflow fails each time: open one in n8n."
        )
    return Finding(name="executions", severity=severity, says=says, remedy=remedy, workflow_id=workflow_id)


_NO_EXECUTION = (
    "(1) Meta does not call this workflow: in Meta's app, WhatsApp > Configuration, the callback URL "
    "must be the workflow's production URL and the field 'messages' must be subscribed; (2) n8n does not keep "
    "executions that succeed (EXECUTIONS_DATA_SAVE_ON_SUCCESS=none); (3) nothing was sent yet: send yourself a "
    "message, then run this again; (4) the statuses arrive in another workflow: ticktrail init"
)
_NO_STATUS = (
    "(1) nothing was sent from this number lately: send yourself a message, then run this again; "
    "(2) the statuses arrive in another workflow: ticktrail init; (3) a service between "
    "Meta and n8n passes on messages only, or in a shape of its own: open an execution in n8n and look for 'statuses'."
)
_NOT_SHOWN = (
    "They may hold statuses. Redacted: take the workflow's redaction off. Body stored as a file: take Binary Data off "
    "the Webhook node. Without data, unreadable: n8n's log says more."
)


def _blame(causes: str, *, known_cause: bool) -> str:
    first = (
        "Most likely it comes of what is said above of this workflow. Else, likeliest" if known_cause else "Likeliest"
    )
    return f"{first} first: {causes}"


def _key(severity: Severity, says: str, remedy: str = "") -> Finding:
    return Finding(name="key expiry", severity=severity, says=says, remedy=remedy)


def _claims(api_key: str) -> dict[str, Any] | None:
    """What a JWT says, unverified (RFC 7519, 7.2); None when it is none (keys of n8n up to 1.67)."""
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
