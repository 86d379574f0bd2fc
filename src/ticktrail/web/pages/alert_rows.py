"""What needs somebody, as the first page shows it: the alerts, what is behind them, and who sees to them already."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

import msgspec

from ticktrail.alerts.alert import Alert, AlertKind
from ticktrail.alerts.service import acknowledge, find_alerts
from ticktrail.alerts.settings import AlertSettings, read_alert_settings
from ticktrail.messages.filters import MessageFilter
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.alert_state import AlertRecord

OF_READING = frozenset({AlertKind.SYNC, AlertKind.WITHHELD, AlertKind.GAP, AlertKind.SILENCE})
"""What the page about the ledger's trust tells more of."""

LONGEST_NOTE = 300


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """One cause.

    Attributes:
        listed: how many messages its list has; None where no messages are behind it.
        known: what is remembered of it while somebody sees to it; None while nobody does.
    """

    alert: Alert
    listed: int | None = None
    known: AlertRecord | None = None


def needs_you(store: Store, settings: Settings, *, now: datetime) -> list[Need] | None:
    """The causes that need somebody, the most urgent first; None where there is nothing yet that could.

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
    """The same, those that somebody sees to marked."""
    known = {one.key: one for one in remembered if one.acknowledged_at is not None and one.resolved_at is None}
    return [msgspec.structs.replace(need, known=known.get(need.alert.key)) for need in needs]


def see_to(store: Store, settings: Settings, key: str, note: str, *, now: datetime) -> None:
    """Note that somebody sees to a cause.

    Raises:
        NotFoundError: it is over.
    """
    acknowledge(settings, _own(settings), store, key, now, note=note.strip()[:LONGEST_NOTE] or None)


def _own(settings: Settings) -> AlertSettings:
    return read_alert_settings(settings, os.environ)
