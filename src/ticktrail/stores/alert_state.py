"""Alert state: which alerts fired, and which channels were notified, so that each is notified once.

Losing it costs a second notification, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Notification of one channel: ``told_at`` that the alert fires, ``over_at`` that it is resolved."""

    told_at: datetime
    over_at: datetime | None = None


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Record of one alert, since it last began to fire.

    Attributes:
        key: the key of the alert, the same as long as its cause is.
        kind: the kind of the alert.
        title: its title, for the notification that it is resolved.
        first_seen_at: when it began to fire.
        last_seen_at: when a check last found it firing.
        resolved_at: when a check found it resolved; None while it fires.
        acknowledged_at: when a person acknowledged it; removed when it is resolved.
        acknowledged_by: the name that this person gave.
        note: the text of the acknowledgement.
        told: notifications by channel.
    """

    key: str
    kind: str
    title: str
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    note: str | None = None
    told: Mapping[str, Notice] = {}


class AlertState(Protocol):
    """The alert records of a store. Times are kept to the millisecond.

    Any number of processes may use it at once: each method is one atomic step. Every method raises as documented at
    :class:`ticktrail.stores.Store`.
    """

    def all(self) -> list[AlertRecord]:
        """Return all records, by key; none when the store does not exist."""
        ...

    def record_firing(self, key: str, kind: str, title: str, *, at: datetime) -> None:
        """Record that an alert fires. A new or resolved one starts without notifications and acknowledgement."""
        ...

    def resolve(self, key: str, *, at: datetime) -> None:
        """Record that an alert is resolved. Does nothing when it is unknown or already resolved."""
        ...

    def record_notice(self, key: str, channel: str, *, at: datetime, over: bool = False) -> None:
        """Record that a channel was notified that an alert fires, or is over. Does nothing for an unknown alert."""
        ...

    def acknowledge(self, key: str, *, at: datetime, by: str | None = None, note: str | None = None) -> bool:
        """Acknowledge a firing alert. Returns False when no such alert fires."""
        ...

    def unacknowledge(self, key: str) -> bool:
        """Remove the acknowledgement of an alert, its name and its note. Returns False when it is not acknowledged."""
        ...

    def forget(self, *, resolved_before: datetime) -> None:
        """Delete the records of alerts that were resolved before a time."""
        ...
