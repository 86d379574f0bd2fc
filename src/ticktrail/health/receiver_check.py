"""Check the direct receiver: its secret, n8n behind it, Meta's subscription check, and what its journal holds."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from ticktrail.errors import TicktrailError
from ticktrail.health.checks import Finding, Severity
from ticktrail.health.settings_check import has_way_in
from ticktrail.health.workflow_checks import WhatsAppTrigger, whatsapp_triggers
from ticktrail.settings.settings import Settings
from ticktrail.stores.journal import LATE_SECONDS, JournalState, read_state
from ticktrail.stores.journal_claim import is_claimed
from ticktrail.text.formatting import long_duration, plural

_TIMEOUT_SECONDS = 3.0
_LATELY = timedelta(days=1)


def check_receiver(settings: Settings, now: datetime) -> list[Finding]:
    """Return the findings about the receiver; none where it is not used."""
    chosen = settings.receiver
    try:
        state = read_state(chosen.journal)
    except TicktrailError as error:
        return [_finding("journal", Severity.FAULT, str(error), error.remedy)]
    if not chosen.app_secrets:
        if state is None:
            return []
        says = "WHATSAPP_APP_SECRET is not set, so ticktrail receive cannot start."
        remedy = "Copy the app secret from the Meta app (App settings > Basic) into .env."
        return [_finding("receiver", Severity.FAULT, says, remedy)]
    findings = [_running(settings)]
    if chosen.forward_url is None:
        says = "TICKTRAIL_FORWARD_URL is not set: webhooks other than statuses are answered and dropped."
        findings.append(_finding("forwarding", Severity.OK, says))
    else:
        findings.append(_forwarding(chosen.forward_url))
        if findings[-1].severity is Severity.OK:
            findings += [_verification(chosen.forward_url, trigger) for trigger in _triggers(settings)]
    if state is not None:
        findings += [_waiting(state, now), *_counts(state, now)]
    return findings


def _running(settings: Settings) -> Finding:
    """Check that a receiver uses the journal now."""
    if is_claimed(settings.receiver.journal):
        return _finding("receiver", Severity.OK, "The receiver is running.")
    says = f"No receiver is running with the journal {settings.receiver.journal}: webhooks are not received."
    return _finding("receiver", Severity.FAULT, says, "Type: ticktrail receive (or ticktrail run)")


def _forwarding(forward_url: str) -> Finding:
    """Check that n8n answers at its inner address."""
    import httpx2  # noqa: PLC0415 - the HTTP client loads only where there is something to ask

    try:
        answer = httpx2.get(f"{forward_url}/healthz", timeout=_TIMEOUT_SECONDS, follow_redirects=False)
    except httpx2.HTTPError as error:
        says = f"n8n does not answer at {forward_url} ({type(error).__name__})."
        remedy = "Set TICKTRAIL_FORWARD_URL to n8n's address as this machine reaches it, such as http://127.0.0.1:5678."
        return _finding("forwarding", Severity.FAULT, says, remedy)
    if answer.status_code != 200 or "json" not in answer.headers.get("content-type", ""):
        says = f"What answers at {forward_url} is not n8n: /healthz gave {answer.status_code}."
        remedy = "Set TICKTRAIL_FORWARD_URL to n8n's inner address, not to the receiver or a proxy."
        return _finding("forwarding", Severity.WARNING, says, remedy)
    return _finding("forwarding", Severity.OK, f"n8n answers at {forward_url}.")


def _triggers(settings: Settings) -> Iterator[WhatsAppTrigger]:
    """Yield the WhatsApp Triggers of the configured workflows, as far as n8n's API shows them."""
    if not settings.n8n.base_url or not has_way_in(settings):
        return
    from ticktrail.sources.n8n_api.api import N8nApi, RetryPolicy  # noqa: PLC0415 - loads the HTTP client

    once = RetryPolicy(attempts=1, total=_TIMEOUT_SECONDS, starting=0.0)
    for workflow_id in settings.workflow_ids:
        with suppress(TicktrailError), N8nApi(settings.n8n, workflow_id, retry_policy=once) as api:
            yield from whatsapp_triggers(api.workflow(), workflow_id)


def _verification(forward_url: str, trigger: WhatsAppTrigger) -> Finding:
    """Ask n8n what Meta asks when the callback address is saved. The node's id is the verify token.

    See: https://developers.facebook.com/docs/graph-api/webhooks/getting-started#verification-requests
    """
    import httpx2  # noqa: PLC0415 - see above

    challenge = secrets.token_hex(8)
    parameters = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": trigger.node_id}
    try:
        answer = httpx2.get(f"{forward_url}{trigger.path}", params=parameters, timeout=_TIMEOUT_SECONDS)
        passes, found = answer.text == challenge, str(answer.status_code)
    except httpx2.HTTPError as error:
        passes, found = False, type(error).__name__
    if passes:
        says = f"n8n passes Meta's subscription check at {trigger.path}: the path that leads to the receiver."
        return _finding("verification", Severity.OK, says, workflow_id=trigger.workflow_id)
    return _finding(
        "verification",
        Severity.FAULT,
        f"n8n fails Meta's subscription check at {trigger.path} ({found}), so it does not take webhooks there.",
        "Activate (publish) the workflow. If it is active, deactivate and activate it, and see n8n's log.",
        workflow_id=trigger.workflow_id,
    )


def _waiting(state: JournalState, now: datetime) -> Finding:
    """Check that webhooks leave the journal."""
    waiting = state.to_store + state.to_forward
    if state.oldest_at is None:
        age = "none waits"
    else:
        age = f"the oldest waits for {long_duration(max(0.0, now.timestamp() - state.oldest_at))}"
    if state.is_late(now.timestamp()):
        says = f"{plural(waiting, 'webhook')} in the journal, {age}: more than {LATE_SECONDS // 60} minutes."
        remedy = "Type ticktrail receive --status for the reasons. Nothing is lost."
        return _finding("journal", Severity.FAULT, says, remedy)
    if state.failed:
        says = f"{plural(state.failed, 'webhook')} could not be stored or forwarded."
        remedy = "Type ticktrail receive --status for the reasons, and ticktrail receive --replay to try again."
        return _finding("journal", Severity.FAULT, says, remedy)
    return _finding("journal", Severity.OK, f"{plural(waiting, 'webhook')} in the journal, {age}.")


def _counts(state: JournalState, now: datetime) -> Iterator[Finding]:
    """Check what was counted lately: webhooks that start no execution, and signatures that no secret made."""
    received_at = state.counted_at.get("received")
    unheard_at = state.counted_at.get("unheard")
    wrong_at = state.counted_at.get("wrong_signature")
    if unheard_at is not None and _is_lately(unheard_at, now):
        yield _finding(
            "forwarding",
            Severity.WARNING,
            f"n8n answered {plural(state.counts['unheard'], 'webhook')} without starting an execution, the last one "
            f"{_ago(unheard_at, now)}.",
            "Check that the trigger's app secret is WHATSAPP_APP_SECRET, and what its filter drops.",
        )
    if wrong_at is not None and _is_lately(wrong_at, now) and (received_at is None or received_at < wrong_at):
        yield _finding(
            "secret",
            Severity.WARNING,
            f"{plural(state.counts['wrong_signature'], 'request')} had a wrong signature, the last one "
            f"{_ago(wrong_at, now)}, and no webhook was accepted since.",
            "If Meta sent them, copy the app secret again: Meta app, App settings > Basic, into WHATSAPP_APP_SECRET.",
        )
    elif received_at is None:
        remedy = "Send yourself a message, then run this again. See docs/how-to/receive.md."
        yield _finding("secret", Severity.WARNING, "No webhook has been received yet.", remedy)
    else:
        yield _finding("secret", Severity.OK, f"The last webhook with a right signature came {_ago(received_at, now)}.")


def _is_lately(timestamp: float, now: datetime) -> bool:
    return now - datetime.fromtimestamp(timestamp, UTC) < _LATELY


def _ago(timestamp: float, now: datetime) -> str:
    return f"{long_duration(max(0.0, now.timestamp() - timestamp))} ago"


def _finding(name: str, severity: Severity, says: str, remedy: str = "", workflow_id: str | None = None) -> Finding:
    return Finding(name=name, severity=severity, says=says, remedy=remedy, workflow_id=workflow_id)
