"""What was alerted of, and who was told: so that each alert is told once, and its end too.

Losing it costs a second notification, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What one channel was told of an alert. ``told_at`` is the last time, ``over_at`` when it heard of the end."""

    told_at: datetime
    over_at: datetime | None = None


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one alert, since it fired last.

    Attributes:
        key: the alert's own, the same as long as its cause is.
        kind: of the alert; ``title`` its words, for telling that it is over.
        first_seen_at: when it began to fire; ``last_seen_at``: when it was last seen firing.
        resolved_at: when it was found to be over; None while it fires.
        acknowledged_at: when somebody said that they know, with a ``note``; it is forgotten when the alert ends.
        told: by channel.
    """

    key: str
    kind: str
    title: str
    first_seen_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    note: str | None = None
    told: Mapping[str, Told] = {}


class AlertState(Protocol):
    """What one store remembers of alerts, to the millisecond.

    Any number of processes may use it at once: each method is one atomic step. Every method raises as
    :class:`ticktrail.stores.Store` says.
    """

    def all(self) -> list[AlertRecord]:
        """Everything that is remembered, by key. A place that does not exist remembers nothing."""
        ...

    def see(self, key: str, kind: str, title: str, *, at: datetime) -> None:
        """An alert fires. One that is new, or was over, begins anew: nobody was told, nobody acknowledged it."""
        ...

    def resolve(self, key: str, *, at: datetime) -> None:
        """An alert is over. Nothing happens when it is unknown, or over already."""
        ...

    def tell(self, key: str, channel: str, *, at: datetime, over: bool = False) -> None:
        """A channel was told that an alert fires, or that it is over. Nothing happens when the alert is unknown."""
        ...

    def acknowledge(self, key: str, *, at: datetime, note: str | None = None) -> bool:
        """Somebody knows of a firing alert. False when no such alert fires."""
        ...

    def take_back(self, key: str) -> bool:
        """Nobody sees to an alert any more, and their note goes. False when no such alert is acknowledged."""
        ...

    def forget(self, *, resolved_before: datetime) -> None:
        """Forget alerts that were over before then."""
        ...
