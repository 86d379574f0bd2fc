"""Alerts as documents and as text, for notifications, the API and the terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from ticktrail.alerts.alert import Alert
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.stores.alert_state import AlertRecord
from ticktrail.text.formatting import plural


def headline(count: int, acknowledged: int = 0) -> str:
    """Return the first line: ``3 open alerts``, ``No open alerts, 1 acknowledged``."""
    text = plural(count, "open alert") if count else "No open alerts"
    return f"{text}, {acknowledged:,} acknowledged" if acknowledged else text


def alerts_document(
    alerts: Sequence[Alert], remembered: Sequence[AlertRecord], location: str, zone: tzinfo, *, checked: str
) -> dict[str, Any]:
    """Return all alerts, for programs."""
    by_key = {one.key: one for one in remembered if one.resolved_at is None}
    documents = [alert_document(alert, zone, by_key.get(alert.key)) for alert in alerts]
    count = sum("acknowledgedAt" not in document for document in documents)
    return {
        "store": location,
        "verdict": headline(count, len(alerts) - count),
        "checked": checked,
        "needsYou": count,
        "alerts": documents,
    }


def alert_document(alert: Alert, zone: tzinfo, one: AlertRecord | None = None) -> dict[str, Any]:
    """Return one alert, for programs; unknown fields are left out."""
    since = None if alert.since_timestamp is None else datetime.fromtimestamp(alert.since_timestamp, UTC)
    document = {
        "key": alert.key,
        "kind": alert.kind.value,
        "urgency": alert.urgency,
        "title": alert.title,
        "says": alert.says,
        "remedy": alert.remedy,
        "messages": alert.messages,
        "people": alert.people,
        "peopleAtMost": alert.people_at_most or None,
        "before": alert.before,
        "since": _iso(since, zone),
        "command": None if alert.listing is None else command_of(alert.listing, zone),
        "firstSeenAt": None if one is None else _iso(one.first_seen_at, zone),
        "acknowledgedAt": None if one is None else _iso(one.acknowledged_at, zone),
        "acknowledgedBy": None if one is None else one.acknowledged_by,
        "note": None if one is None else one.note,
    }
    return {name: value for name, value in document.items() if value is not None}


def body_of(alert: Alert, zone: tzinfo) -> str:
    """Return what a notice to a person says below the title."""
    lines = [alert.says, alert.remedy]
    if alert.listing is not None:
        lines.append(command_of(alert.listing, zone))
    return "\n".join(lines)


def command_of(listing: MessageFilter | SendFilter, zone: tzinfo) -> str:
    """Return the command line that lists the messages or sends of an alert."""
    words: list[str | None] = ["ticktrail"]
    options: Mapping[str, str | None]
    if isinstance(listing, SendFilter):
        words += ["sends", "--refused" if listing.refused else "--unconfirmed" if listing.unconfirmed else None]
        words += [word for code in listing.failure_codes for word in ("--error", str(code))]
        options = {"--template": listing.template, "--workflow": listing.workflow_id}
    else:
        words.append("messages")
        # A message that arrived in the end keeps its code, so the code alone would list too many.
        if listing.failure_codes or listing.not_statuses:
            words.append("--undelivered")
        else:
            words += [word for status in listing.statuses for word in ("--status", status)]
        words += [word for code in listing.failure_codes for word in ("--error", str(code))]
        number = listing.sending_numbers[0] if listing.sending_numbers else None
        options = {"--template": listing.template, "--sent-by": listing.sending_workflow_id, "--number": number}
    words += [word for name, value in options.items() if value for word in (name, shlex.quote(value))]
    for name, moment in (("--since", listing.since_timestamp), ("--until", listing.until_timestamp)):
        if moment is not None:
            words += [name, f"{datetime.fromtimestamp(moment, zone):%Y-%m-%dT%H:%M}"]
    return " ".join(filter(None, words))


def _iso(moment: datetime | None, zone: tzinfo) -> str | None:
    return None if moment is None else moment.astimezone(zone).isoformat(timespec="seconds")
