"""Rules about the installation: late syncs, withheld executions, gaps, the API key, the receiver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from ticktrail.alerts.alert import Alert, AlertKind, key_of
from ticktrail.alerts.facts import WEEK, AlertFacts
from ticktrail.extraction.withheld import not_read_text
from ticktrail.health.checks import Severity
from ticktrail.queries.completeness import counted, reason_text
from ticktrail.text.formatting import long_duration, plural, recent_time, safe_name

LATELY = WEEK
"""Gaps that were found longer ago raise no alert."""


def late_syncs(facts: AlertFacts) -> Iterator[Alert]:
    """Yield an alert for each workflow whose sync is late."""
    now, zone = facts.at.now, facts.at.zone
    for workflow in facts.workflows:
        if not workflow.is_late(now):
            continue
        says = "No sync of this workflow has succeeded yet."
        if workflow.checked_at is not None:
            until = recent_time(int(workflow.checked_at.timestamp()), now, zone)
            age = long_duration((now - workflow.checked_at).total_seconds())
            says = f"Complete up to {until}; no sync has succeeded for {age}."
        if workflow.error:
            says += f" The last sync failed: {safe_name(workflow.error, 200)}"
        yield Alert(
            key=key_of(AlertKind.SYNC, workflow.workflow_id),
            kind=AlertKind.SYNC,
            urgency="urgent",
            title=f"Syncs are late, {facts.at.workflow(workflow.workflow_id)}",
            says=says,
            remedy="n8n deletes executions after a while, with their statuses. Type: ticktrail sync",
            since_timestamp=None if workflow.checked_at is None else int(workflow.checked_at.timestamp()),
        )


def withheld_executions(facts: AlertFacts) -> Iterator[Alert]:
    """Yield alerts about executions that n8n withheld, or that the store refused."""
    for one in facts.workflows:
        workflow = facts.at.workflow(one.workflow_id)
        if one.withheld:
            reasons = counted(Counter(safe_name(reason_text(record.reason)) for record in one.withheld))
            yield Alert(
                key=key_of(AlertKind.WITHHELD, one.workflow_id),
                kind=AlertKind.WITHHELD,
                urgency="warning",
                title=f"n8n withheld {plural(len(one.withheld), 'execution')}, {workflow}",
                says=f"{reasons}. {'It' if len(one.withheld) == 1 else 'They'} may hold statuses.",
                remedy="List them with their reasons: ticktrail audit --verbose",
            )
        if one.refused:
            reasons = counted(Counter(safe_name(record.reason or "no reason given", 80) for record in one.refused))
            yield Alert(
                key=key_of(AlertKind.REFUSED, one.workflow_id),
                kind=AlertKind.REFUSED,
                urgency="warning",
                title=f"The store refused data of {plural(len(one.refused), 'execution')}, {workflow}",
                says=f"{reasons}. These statuses are not stored.",
                remedy="Check the store: ticktrail doctor",
            )


def gaps(facts: AlertFacts) -> Iterator[Alert]:
    """Yield alerts about executions that n8n deleted before they were read."""
    at, remedy = facts.at, "These statuses are lost. Sync more often, or let n8n keep more: ticktrail doctor"
    for one in facts.workflows:
        workflow = facts.at.workflow(one.workflow_id)
        for gap in one.facts.gaps:
            if (at.now - gap.found_at).total_seconds() > LATELY:
                continue
            bounds = [
                recent_time(int(moment.timestamp()), at.now, at.zone)
                for moment in map(_instant, (gap.from_started_at, gap.to_started_at))
                if moment is not None
            ]
            between = " to ".join(bounds) if len(bounds) == 2 else f"executions {gap.after_id} to {gap.before_id}"
            yield Alert(
                key=key_of(AlertKind.GAP, one.workflow_id, gap.after_id, gap.before_id),
                kind=AlertKind.GAP,
                urgency="warning",
                title=f"Statuses are missing, {workflow}",
                says=f"No data from {between}: n8n deleted these executions before they were read.",
                remedy=remedy,
            )
        lost = [each for each in one.facts.lost if (at.now - each.found_at).total_seconds() <= LATELY]
        if lost:
            yield Alert(
                key=key_of(AlertKind.GAP, one.workflow_id, "lost"),
                kind=AlertKind.GAP,
                urgency="warning",
                title=f"Statuses may be missing, {workflow}",
                says=f"n8n deleted {plural(len(lost), 'execution')} before the data could be read.",
                remedy=remedy,
            )


def key_expiry(facts: AlertFacts) -> Iterator[Alert]:
    """Yield an alert when n8n's API key expires soon or has expired."""
    if facts.key is not None and facts.key.needs_attention:
        yield Alert(
            key=key_of(AlertKind.KEY),
            kind=AlertKind.KEY,
            urgency="urgent" if facts.key.severity is Severity.FAULT else "warning",
            title="n8n's API key",
            says=facts.key.says,
            remedy=facts.key.remedy,
        )


def waiting_webhooks(facts: AlertFacts) -> Iterator[Alert]:
    """Yield alerts about webhooks that the receiver could not pass on in time, or gave up."""
    journal = facts.journal
    if journal is None:
        return
    reasons = ", ".join(reason for reason, _ in journal.reasons[:3])
    if journal.is_late(facts.at.now.timestamp()):
        yield Alert(
            key=key_of(AlertKind.RECEIVER, "waiting"),
            kind=AlertKind.RECEIVER,
            urgency="urgent",
            title="Webhooks wait in the journal",
            says=f"{plural(journal.to_store, 'webhook')} to store and {journal.to_forward:,} to forward, the oldest "
            f"since {recent_time(int(journal.oldest_at or 0), facts.at.now, facts.at.zone)}"
            f"{': ' + reasons if reasons else ''}.",
            remedy="Check n8n and the store. Nothing is lost: type ticktrail receive --status for details.",
            since_timestamp=int(journal.oldest_at or 0),
        )
    if journal.failed:
        yield Alert(
            key=key_of(AlertKind.RECEIVER, "failed"),
            kind=AlertKind.RECEIVER,
            urgency="urgent",
            title="Webhooks could not be passed on",
            says=f"{plural(journal.failed, 'webhook')} could not be stored or forwarded"
            f"{': ' + reasons if reasons else ''}.",
            remedy="Type ticktrail receive --status for the reasons, and ticktrail receive --replay to try again.",
        )


def _instant(text: str | None) -> datetime | None:
    """Parse n8n's ISO time, which ends in Z."""
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None


def executions_not_read(facts: AlertFacts) -> Iterator[Alert]:
    """Yield an alert about executions that hold what Ticktrail does not trust or understand."""
    for workflow in facts.workflows:
        recent = [
            each
            for each in workflow.not_read
            # Anybody can write a text that looks like a status.
            if each.reason != "text" and (facts.at.now - each.last_at).total_seconds() <= LATELY
        ]
        if not recent:
            continue
        count = sum(each.count for each in recent)
        labels: Counter[str] = Counter()
        for each in recent:
            labels[safe_name(not_read_text(each.reason, each.provider))] += each.count
        yield Alert(
            key=key_of(AlertKind.NOT_READ, workflow.workflow_id),
            kind=AlertKind.NOT_READ,
            urgency="warning",
            title=f"{plural(count, 'execution')} not read, {facts.at.workflow(workflow.workflow_id)}",
            says=f"They hold what looks like a status or a send and cannot be trusted: {counted(labels)}.",
            remedy="See what to change in the workflow: ticktrail doctor",
        )
