"""The whole path of alerts: facts out of the ledger, judged, shown or told. What commands and the watch call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from ticktrail.alerts.alert import Alert
from ticktrail.alerts.channels import Notice, deliver, safe_id
from ticktrail.alerts.facts import gather
from ticktrail.alerts.notifications import (
    Deliver,
    DeliveryReport,
    NotificationContext,
    follow_acknowledged,
    needing,
    tell,
)
from ticktrail.alerts.rules import judge
from ticktrail.alerts.settings import AlertSettings, read_alert_settings
from ticktrail.errors import NotFoundError
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.sync.lease_owner import new_holder


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a check came to: all that fires, what of it nobody has acknowledged, and what telling came to."""

    alerts: tuple[Alert, ...]
    needing: tuple[Alert, ...]
    telling: DeliveryReport


def find_alerts(settings: Settings, own: AlertSettings, ledger: Store, now: datetime) -> list[Alert]:
    """Everything in a ledger that needs somebody at this moment. What is over is no longer acknowledged."""
    found = judge(gather(ledger, settings, own.rules, own.naming, now=now), own.rules, own.catalogue)
    follow_acknowledged(found, ledger, now=now)
    return found


def acknowledge(
    settings: Settings, own: AlertSettings, ledger: Store, key: str, now: datetime, *, note: str | None = None
) -> Alert:
    """Note that somebody knows of what fires: it counts no more until it is over. Returns the alert.

    Raises:
        NotFoundError: nothing with this key fires.
    """
    alert = next((one for one in find_alerts(settings, own, ledger, now) if one.key == key), None)
    if alert is not None:
        ledger.alert_state.see(alert.key, alert.kind.value, alert.title, at=now)
    # It may have ended in between, as another process sees it.
    if alert is None or not ledger.alert_state.acknowledge(key, at=now, note=note):
        raise NotFoundError(
            f"No alert with the key {key[:80]!a} fires now.",
            remedy="Type: ticktrail alerts, which prints each one's key.",
        )
    return alert


def check_alerts(
    settings: Settings, ledger: Store, now: datetime, environ: Mapping[str, str], *, carry: Deliver = deliver
) -> Checked:
    """Find what needs somebody, and tell every channel of the settings what it has not heard yet.

    Raises:
        ConfigurationError: ``ticktrail.toml`` is malformed.
    """
    own = read_alert_settings(settings.config_file, environ)
    alerts = find_alerts(settings, own, ledger, now)
    occasion = NotificationContext(now=now, zone=settings.timezone, holder=new_holder(), instance=settings.instance)
    telling = tell(alerts, ledger, own.channels, own.rules, occasion, carry)
    remembered = ledger.alert_state.all()
    return Checked(alerts=tuple(alerts), needing=tuple(needing(alerts, remembered)), telling=telling)


def send_test(own: AlertSettings, now: datetime) -> list[tuple[str, str | None]]:
    """Tell every channel that this is a test. Returns each one's name, and what went wrong if something did."""
    notice = Notice(
        event="test",
        notice_id=safe_id(f"test-{int(now.timestamp())}"),
        title="Ticktrail: a test",
        body="If you read this, alerts will reach you here.",
        document={},
    )
    return [(channel.name, deliver(channel, notice)) for channel in own.channels]


def send_report(
    own: AlertSettings, title: str, lines: Sequence[str], document: dict[str, object], name: str
) -> list[tuple[str, str | None]]:
    """Send a report to every channel. Returns as :func:`send_test`."""
    notice = Notice(
        event="report", notice_id=safe_id(name), title=title, body="\n".join(lines), document={"report": document}
    )
    return [(channel.name, deliver(channel, notice)) for channel in own.channels]
