"""Alerts as the pages show them: open and acknowledged ones by cause, and those that ended in the last days."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from ticktrail.alerts.alert import Alert, AlertKind
from ticktrail.alerts.service import acknowledge, find_alerts
from ticktrail.alerts.settings import read_alert_settings
from ticktrail.messages.filters import MessageFilter
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.alert_state import AlertRecord
from ticktrail.web.pages.context import Site

ABOUT_READING = frozenset({AlertKind.SYNC, AlertKind.WITHHELD, AlertKind.GAP, AlertKind.SILENCE})
"""Kinds that the page about the data's completeness explains."""

LONGEST_NAME = 60
LONGEST_NOTE = 300
RESOLVED_FOR = timedelta(days=7)


class AlertRow(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that fires.

    Attributes:
        listed: number of messages in its list; None where no messages are behind it.
        acknowledged: its record when it is acknowledged.
    """

    alert: Alert
    listed: int | None = None
    acknowledged: AlertRecord | None = None

    @property
    def cause(self) -> str:
        """Alerts of one cause are shown together: those of one failure code, else of one kind."""
        alert = self.alert
        return f"{alert.kind}:{alert.key.partition('-')[0]}" if alert.kind is AlertKind.FAILING else alert.kind.value

    @property
    def messages(self) -> int:
        """The number of messages it concerns."""
        return self.alert.messages or self.listed or 0


class AlertList(msgspec.Struct, frozen=True, kw_only=True):
    """The alerts that fire, the most urgent first.

    Attributes:
        checked: what was checked to find them, in a sentence or two.
        messages: number of messages and sends that were checked.
    """

    rows: tuple[AlertRow, ...]
    checked: str
    messages: int

    @property
    def open(self) -> list[AlertRow]:
        """Those that are not acknowledged."""
        return [row for row in self.rows if row.acknowledged is None]

    @property
    def acknowledged(self) -> list[AlertRow]:
        """Those that are acknowledged."""
        return [row for row in self.rows if row.acknowledged is not None]


def list_alerts(store: Store, settings: Settings, *, now: datetime) -> AlertList | None:
    """Return the alerts that fire; None where the store has no message yet.

    Raises:
        ConfigurationError: ``ticktrail.toml`` is malformed.
    """
    if not store.exists():
        return None
    found = find_alerts(settings, read_alert_settings(settings, os.environ), store, now)
    if not found.alerts and next(store.messages(MessageFilter(limit=1)), None) is None:
        return None
    rows = (
        AlertRow(
            alert=alert, listed=store.count(alert.listing) if isinstance(alert.listing, MessageFilter) else None
        )
        for alert in found.alerts
    )  # fmt: skip
    return AlertList(rows=tuple(rows), checked=found.checked, messages=found.messages)


def with_records(found: AlertList, records: Sequence[AlertRecord]) -> AlertList:
    """Return the alerts with the records of those that are acknowledged."""
    by_key = {
        record.key: record for record in records if record.resolved_at is None and record.acknowledged_at is not None
    }
    rows = (msgspec.structs.replace(row, acknowledged=by_key.get(row.alert.key)) for row in found.rows)
    return msgspec.structs.replace(found, rows=tuple(rows))


async def read_alerts(site: Site) -> AlertList | None:
    """As :func:`list_alerts`, cached while nothing changes, with current acknowledgements."""
    now = site.now()
    found = await site.queries.recall(
        "alerts", lambda store: list_alerts(store, site.settings, now=now), of_sync_state=True
    )  # fmt: skip
    if found is None:
        return None
    # An acknowledgement does not change the state of the store, so it is read each time.
    return with_records(found, await site.queries.ask(lambda store: store.alert_state.all()))


def by_cause(rows: Sequence[AlertRow]) -> list[list[AlertRow]]:
    """Group alerts by cause, in the order of the most urgent one of each."""
    found: dict[str, list[AlertRow]] = {}
    for row in rows:
        found.setdefault(row.cause, []).append(row)
    return list(found.values())


async def read_resolved(site: Site) -> list[AlertRecord]:
    """Alerts that ended within :data:`RESOLVED_FOR`, the latest first."""
    since = site.now() - RESOLVED_FOR
    records = await site.queries.ask(lambda store: store.alert_state.all())
    recent = [
        (record.resolved_at, record)
        for record in records
        if record.resolved_at is not None and record.resolved_at >= since
    ]
    return [one for _, one in sorted(recent, key=lambda pair: pair[0], reverse=True)]


def acknowledge_alert(store: Store, settings: Settings, key: str, *, by: str, note: str, now: datetime) -> None:
    """Acknowledge an alert.

    Raises:
        NotFoundError: it no longer fires.
    """
    acknowledge(
        settings, read_alert_settings(settings, os.environ), store, key, now,
        by=by.strip()[:LONGEST_NAME] or None, note=note.strip()[:LONGEST_NOTE] or None,
    )  # fmt: skip
