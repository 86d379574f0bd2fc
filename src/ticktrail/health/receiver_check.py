"""Check the direct receiver: its secret, n8n behind it, and what its journal holds."""

from __future__ import annotations

from datetime import UTC, datetime

from ticktrail.errors import TicktrailError
from ticktrail.health.checks import Finding, Severity
from ticktrail.settings.settings import Settings
from ticktrail.stores.journal import LATE_SECONDS, JournalState, read_state
from ticktrail.text.formatting import plural

_TIMEOUT_SECONDS = 3.0


def check_receiver(settings: Settings, now: datetime) -> list[Finding]:
    """Findings about the receiver; none where it is not used."""
    chosen = settings.receiver
    try:
        state = read_state(chosen.journal)
    except TicktrailError as error:
        return [Finding(name="journal", severity=Severity.FAULT, says=str(error), remedy=error.remedy)]
    if not chosen.app_secrets:
        if state is None:
            return []
        says = "WHATSAPP_APP_SECRET is not set, so ticktrail receive cannot start."
        remedy = "Copy the app secret from the Meta app (App settings > Basic) into .env."
        return [Finding(name="receiver", severity=Severity.FAULT, says=says, remedy=remedy)]
    findings = [_forwarding(chosen.forward_url)]
    if state is not None:
        findings.append(_journal(state, now))
    return findings


def _forwarding(forward_url: str | None) -> Finding:
    """Check that n8n answers at its inner address."""
    name = "receiver"
    if forward_url is None:
        says = "TICKTRAIL_FORWARD_URL is not set: webhooks other than statuses are answered and dropped."
        return Finding(name=name, severity=Severity.OK, says=says)
    import httpx2  # noqa: PLC0415 - the HTTP client loads only where there is something to ask

    try:
        answer = httpx2.get(f"{forward_url}/healthz", timeout=_TIMEOUT_SECONDS, follow_redirects=False)
    except httpx2.HTTPError as error:
        says = f"n8n does not answer at {forward_url} ({type(error).__name__})."
        remedy = "Set TICKTRAIL_FORWARD_URL to n8n's address as this machine reaches it, such as http://127.0.0.1:5678."
        return Finding(name=name, severity=Severity.FAULT, says=says, remedy=remedy)
    if answer.status_code != 200 or "json" not in answer.headers.get("content-type", ""):
        says = f"What answers at {forward_url} is not n8n: /healthz gave {answer.status_code}."
        return Finding(
            name=name,
            severity=Severity.WARNING,
            says=says,
            remedy="Set TICKTRAIL_FORWARD_URL to n8n's inner address, not to the receiver or a proxy.",
        )
    return Finding(name=name, severity=Severity.OK, says=f"n8n answers at {forward_url}.")


def _journal(state: JournalState, now: datetime) -> Finding:
    """Check that webhooks leave the journal."""
    waiting = state.to_store + state.to_forward
    if state.is_late(now.timestamp()):
        oldest = datetime.fromtimestamp(state.oldest_at or 0, UTC)
        return Finding(
            name="journal",
            severity=Severity.FAULT,
            says=f"{plural(waiting, 'webhook')} wait, the oldest for more than {LATE_SECONDS // 60} minutes "
            f"(since {oldest:%Y-%m-%d %H:%M} UTC).",
            remedy="Is ticktrail receive running? Type ticktrail receive --status for the reasons.",
        )
    if state.failed:
        return Finding(
            name="journal",
            severity=Severity.FAULT,
            says=f"{plural(state.failed, 'webhook')} could not be stored or forwarded.",
            remedy="Type ticktrail receive --status for the reasons, and ticktrail receive --replay to try again.",
        )
    unheard = state.counts.get("unheard", 0)
    if unheard:
        return Finding(
            name="journal",
            severity=Severity.WARNING,
            says=f"n8n answered {plural(unheard, 'webhook')} without starting an execution.",
            remedy="Check that the trigger's app secret is WHATSAPP_APP_SECRET, and what its filter drops.",
        )
    return Finding(
        name="journal", severity=Severity.OK, says=f"{plural(waiting, 'webhook')} in the journal, none late."
    )
