"""How far the ledger goes: when each workflow was last read through, and whether that is recent enough."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.coverage import Facts, PendingKind


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow of one n8n, as far as it is followed.

    Attributes:
        scope: of its coverage; None for a workflow that was never read.
        checked_at: the ledger is complete up to then, but for what n8n hides; None: never read through.
    """

    instance_url: str
    workflow_id: str
    scope: str | None = None
    facts: Facts = Facts()

    @property
    def checked_at(self) -> datetime | None:
        """When the last walk that came through began."""
        return self.facts.checked_at


class Freshness(msgspec.Struct, frozen=True):
    """Every workflow that is followed."""

    followed: tuple[Followed, ...]
    complete: bool
    """Whether these are the workflows of the settings, so that each of them counts."""

    @property
    def good_at(self) -> datetime | None:
        """When the last good sync was: of the settings' workflows the oldest, of others the newest."""
        moments = [one.checked_at for one in self.followed]
        known = [moment for moment in moments if moment is not None]
        if not known or (self.complete and len(known) < len(moments)):
            return None
        return min(known) if self.complete else max(known)


def freshness(facts: Mapping[str, Facts], settings: Settings) -> Freshness:
    """What is followed, out of what every scope's coverage remembers.

    A scope is an n8n, a workflow, an extraction and a very store; of those that differ in the last two the newest
    counts. Where the settings name workflows, others are left aside: nobody syncs them any more.
    """
    newest: dict[tuple[str, str], Followed] = {}
    for scope, known in facts.items():
        parts = scope.rsplit("|", 3)
        if len(parts) != 4:
            continue
        followed = Followed(instance_url=parts[0], workflow_id=parts[1], scope=scope, facts=known)
        place = parts[0], parts[1]
        if place not in newest or _order(followed) > _order(newest[place]):
            newest[place] = followed
    if settings.n8n.base_url and settings.workflow_ids:
        wanted = [(settings.n8n.base_url, name) for name in settings.workflow_ids]
        found = (newest.get(place, Followed(instance_url=place[0], workflow_id=place[1])) for place in wanted)
        return Freshness(tuple(found), complete=True)
    return Freshness(tuple(newest[place] for place in sorted(newest)), complete=False)


def read_freshness(store: Store, settings: Settings) -> Freshness:
    """As :func:`freshness`, of a store."""
    return freshness(store.sync_state.facts(), settings)


def not_shown(store: Store, followed: Followed) -> int:
    """How many executions of a workflow n8n would not show so far."""
    if followed.scope is None:
        return 0
    opened = store.sync_state.load_coverage(followed.scope).pending
    return sum(record.kind is PendingKind.WITHHELD for record in opened.values())


def is_late(found: Freshness, settings: Settings, now: datetime) -> bool:
    """Whether the last good sync is older than it may be."""
    good_at = found.good_at
    return good_at is None or (now - good_at).total_seconds() > settings.dashboard.ready_seconds


def _order(one: Followed) -> float:
    return one.checked_at.timestamp() if one.checked_at else float("-inf")
