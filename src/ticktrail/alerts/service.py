"""Find, acknowledge and send alerts: what the commands, the sync loop and the pages call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from ticktrail.alerts.alert import Alert
from ticktrail.alerts.channels import Notification, deliver, safe_id
from ticktrail.alerts.facts import read_facts
from ticktrail.alerts.notifications import (
    Deliver,
    DeliveryReport,
    NotificationContext,
    follow_acknowledged,
    send_due,
)
from ticktrail.alerts.rules import checked_text, evaluate_rules
from ticktrail.alerts.settings import AlertSettings, read_alert_settings
from ticktrail.errors import NotFoundError
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.sync.lease_owner import new_holder


class OpenAlerts(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts that fire now.

    Attributes:
        checked: what was checked to find them, in a sentence or two.
        messages: number of messages and sends among it.
    """

    alerts: tuple[Alert, ...]
    checked: str
    messages: int


class NotificationResult(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts that fire now, and which channels were notified."""

    found: OpenAlerts
    delivery: DeliveryReport


def find_alerts(settings: Settings, own: AlertSettings, store: Store, now: datetime) -> OpenAlerts:
    """Return the alerts that fire now. Acknowledgements of alerts that are resolved end."""
    file = own.user_file
    facts = read_facts(store, settings, file.rules, file.numbers, now=now)
    alerts = evaluate_rules(facts, file.rules, file.failure_codes)
    follow_acknowledged(alerts, store, now=now)
    return OpenAlerts(
        alerts=tuple(alerts), checked=checked_text(facts, file.rules), messages=sum(facts.failures.checked)
    )


def acknowledge(
    settings: Settings,
    own: AlertSettings,
    store: Store,
    key: str,
    now: datetime,
    *,
    by: str | None = None,
    note: str | None = None,
) -> Alert:
    """Acknowledge an alert until it is resolved. Returns the alert.

    Raises:
        NotFoundError: no alert with this key fires.
    """
    alert = next((one for one in find_alerts(settings, own, store, now).alerts if one.key == key), None)
    if alert is not None:
        store.alert_state.record_firing(alert.key, alert.kind.value, alert.title, at=now)
    # Another process may have noted in between that it is resolved.
    if alert is None or not store.alert_state.acknowledge(key, at=now, by=by, note=note):
        raise NotFoundError(
            f"There is no open alert with the key {key[:80]!a}.", remedy="List the open alerts: ticktrail alerts"
        )
    return alert


def notify(
    settings: Settings, store: Store, now: datetime, environ: Mapping[str, str], *, carry: Deliver = deliver
) -> NotificationResult:
    """Find the alerts that fire now, and send every channel of the settings what it has not received yet.

    Raises:
        ConfigurationError: ``ticktrail.toml`` is malformed.
    """
    own = read_alert_settings(settings, environ)
    found = find_alerts(settings, own, store, now)
    context = NotificationContext(now=now, zone=settings.timezone, holder=new_holder(), instance=settings.instance)
    delivery = send_due(found.alerts, store, own.channels, own.user_file.rules, context, carry)
    return NotificationResult(found=found, delivery=delivery)


def send_test(own: AlertSettings, now: datetime) -> list[tuple[str, str | None]]:
    """Send a test to every channel. Returns each channel's name, and the problem or None."""
    notice = Notification(
        event="test",
        notice_id=safe_id(f"test-{int(now.timestamp())}"),
        title="Ticktrail: test",
        body="If you can read this, alerts will reach you here.",
        document={},
    )
    return [(channel.name, deliver(channel, notice)) for channel in own.channels]


def send_report(
    own: AlertSettings, title: str, lines: Sequence[str], document: dict[str, object], name: str
) -> list[tuple[str, str | None]]:
    """Send a report to every channel. Returns the same as :func:`send_test`."""
    notice = Notification(
        event="report", notice_id=safe_id(name), title=title, body="\n".join(lines), document={"report": document}
    )
    return [(channel.name, deliver(channel, notice)) for channel in own.channels]
