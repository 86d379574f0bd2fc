"""Alerts as the pages show them: open ones by cause, what is behind each, who acknowledged it, what is over."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from ticktrail.alerts.alert import DAY_SECONDS, Alert, AlertKind
from ticktrail.alerts.service import acknowledge, find_alerts
from ticktrail.alerts.settings import AlertSettings, read_alert_settings
from ticktrail.messages.filters import MessageFilter
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.alert_state import AlertRecord
from ticktrail.web.pages.context import Site

OF_READING = frozenset({AlertKind.SYNC, AlertKind.WITHHELD, AlertKind.GAP, AlertKind.SILENCE})
"""Kinds that the page about the data's completeness explains."""

LONGEST_NOTE = 300
RESOLVED_FOR = timedelta(days=7)


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One alert that fires.

    Attributes:
        listed: how many messages its list has; None where no messages are behind it.
        known: the record of an acknowledged alert; None for others.
        first_seen_at: when it began to fire, where that is remembered.
    """

    alert: Alert
    listed: int | None = None
    known: AlertRecord | None = None
    first_seen_at: datetime | None = None

    @property
    def family(self) -> str:
        """Alerts of one family are shown together: those of one failure code, else of one kind."""
        alert = self.alert
        return f"{alert.kind}:{alert.key.partition('-')[0]}" if alert.kind is AlertKind.FAILING else alert.kind.value

    @property
    def weight(self) -> int:
        """The number of messages it concerns."""
        return self.alert.messages or self.listed or 0


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """The data that alerts were judged by.

    Attributes:
        messages: sent in the last 24 hours.
        newest_timestamp: of the latest status in the store.
    """

    messages: int
    newest_timestamp: int | None


def needs_you(store: Store, settings: Settings, *, now: datetime) -> list[Need] | None:
    """The alerts that fire, the most urgent first; None where the store has nothing yet.

    Raises:
        ConfigurationError: ``ticktrail.toml`` is malformed.
    """
    if not store.exists():
        return None
    found = find_alerts(settings, _own(settings), store, now).alerts
    if not found and next(store.messages(MessageFilter(limit=1)), None) is None:
        return None
    return [
        Need(
            alert=alert,
            listed=store.count(alert.listing) if isinstance(alert.listing, MessageFilter) else None,
        )
        for alert in found
    ]


def known_of(needs: Sequence[Need], remembered: Sequence[AlertRecord]) -> list[Need]:
    """The same with the records of those that are remembered."""
    records = {one.key: one for one in remembered if one.resolved_at is None}
    return [_with_record(need, records.get(need.alert.key)) for need in needs]


def _with_record(need: Need, record: AlertRecord | None) -> Need:
    if record is None:
        return msgspec.structs.replace(need, known=None, first_seen_at=None)
    acknowledged = record if record.acknowledged_at is not None else None
    return msgspec.structs.replace(need, known=acknowledged, first_seen_at=record.first_seen_at)


async def read_alerts(site: Site) -> list[Need] | None:
    """As :func:`needs_you`, remembered while nothing changes, with fresh acknowledgements."""
    now = site.now()
    found = await site.queries.recall(
        "needs", lambda store: needs_you(store, site.settings, now=now), of_sync_state=True
    )  # fmt: skip
    if found is None:
        return None
    # Acknowledging changes nothing that the answer above depends on, so it is read each time.
    return known_of(found, await site.queries.ask(lambda store: store.alert_state.all()))


def families(needs: Sequence[Need]) -> list[list[Need]]:
    """Alerts by family, in the order of the most urgent one of each."""
    found: dict[str, list[Need]] = {}
    for need in needs:
        found.setdefault(need.family, []).append(need)
    return list(found.values())


async def read_resolved(site: Site) -> list[AlertRecord]:
    """Alerts that ended within :data:`RESOLVED_FOR`, the latest first."""
    since = site.now() - RESOLVED_FOR
    remembered = await site.queries.ask(lambda store: store.alert_state.all())
    recent = [(one.resolved_at, one) for one in remembered if one.resolved_at is not None and one.resolved_at >= since]
    return [one for _, one in sorted(recent, key=lambda pair: pair[0], reverse=True)]


async def read_examined(site: Site) -> Examined:
    """The data behind the statement that nothing needs attention."""
    now = int(site.now().timestamp())

    def look(store: Store) -> Examined:
        newest = next(store.messages(MessageFilter(limit=1)), None)
        lately = MessageFilter(since_timestamp=now - DAY_SECONDS, people_only=True)
        return Examined(
            messages=store.count(lately), newest_timestamp=None if newest is None else newest.state.latest_timestamp
        )

    return await site.queries.ask(look)


def see_to(store: Store, settings: Settings, key: str, note: str, *, now: datetime) -> None:
    """Acknowledge an alert.

    Raises:
        NotFoundError: it no longer fires.
    """
    acknowledge(settings, _own(settings), store, key, now, note=note.strip()[:LONGEST_NOTE] or None)


def _own(settings: Settings) -> AlertSettings:
    return read_alert_settings(settings, os.environ)
