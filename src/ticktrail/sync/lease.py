"""Lease of one run: it keeps two syncs from doing the same work.

Nothing would be wrong if two syncs ran at once, so a lease is never a reason to wait longer than :data:`LEASE`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from ticktrail.errors import TicktrailError
from ticktrail.stores.sync_state import SyncState
from ticktrail.sync.lease_owner import holder_text

LEASE = timedelta(seconds=90)
"""Length of a lease. A running sync renews it; after a killed one, others wait this long at most."""

LEASE_PREFIX = "sync|"
"""Start of the names of leases on a workflow."""

_RENEW_SECONDS = 20.0


def running_syncs(sync_state: SyncState, now: datetime) -> list[str]:
    """Return a sentence for each workflow that a process is syncing, with the process and the end of its lease."""
    return [
        f"Workflow {lease.name.rpartition('|')[2]} is being synced by {holder_text(lease.holder)}"
        f" (lease until {lease.until:%H:%M:%S} UTC)."
        for lease in sync_state.leases()
        if lease.name.startswith(LEASE_PREFIX) and lease.until > now
    ]


class Lease:
    """A named lease in a store, for one holder.

    Args:
        holder: a name for this run, see :func:`ticktrail.sync.lease_owner.new_holder`.
        is_gone: returns True when the process behind another holder's name is known to have ended.
        now: the clock.
    """

    def __init__(
        self,
        sync_state: SyncState,
        name: str,
        *,
        holder: str,
        is_gone: Callable[[str], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._sync_state = sync_state
        self._name = name
        self._holder = holder
        self._is_gone = is_gone
        self._now = now
        self._renewed = time.monotonic()

    def take(self) -> str | None:
        """Take the lease. Returns None on success, else the name of the holder that has it."""
        other = self._request()
        if other != self._holder and self._is_gone(other):
            self._sync_state.drop_lease(self._name, holder=other)
            other = self._request()
        return None if other == self._holder else other

    def renew(self) -> bool:
        """Renew the lease when it is time. Returns False when it ran out and another sync holds it now."""
        if time.monotonic() - self._renewed < _RENEW_SECONDS:
            return True
        return self._request() == self._holder

    def release(self) -> None:
        """Give the lease back; where that fails, it runs out by itself."""
        with contextlib.suppress(TicktrailError):
            self._sync_state.drop_lease(self._name, holder=self._holder)

    def _request(self) -> str:
        self._renewed = time.monotonic()
        now = self._now()
        return self._sync_state.take_lease(self._name, holder=self._holder, now=now, until=now + LEASE)
