"""Sync state: coverage, leases and the last runs, kept beside the messages.

The stored messages are right without it. Losing the coverage costs reading again; losing a lease costs two syncs doing
the same; losing a run costs a line on a screen.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec

from ticktrail.stores.coverage import Change, Coverage, Facts

KEPT_RUNS = 500
"""Number of runs that are kept, the newest."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a sync over one workflow.

    Attributes:
        run_id: unique; runs sort by ``began_at``.
        scope: the coverage it worked on; see :meth:`SyncState.load_coverage`.
        error: the error that ended it, None when it finished.
        report: the report as ``sync --format json`` prints it.
    """

    run_id: str
    scope: str
    began_at: datetime
    seconds: float
    error: str | None = None
    report: dict[str, Any] = {}


class LeaseRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A lease: its name, its holder (:mod:`ticktrail.sync.lease_owner` names the process), and when it ends."""

    name: str
    holder: str
    until: datetime


class SyncState(Protocol):
    """The sync state of one store. Every method raises as documented at :class:`ticktrail.stores.Store`.

    A scope names one coverage: of one n8n, workflow, extraction version and store.
    """

    def identity(self) -> str:
        """Return an id that changes when the store is recreated under the same name."""
        ...

    def load_coverage(self, scope: str) -> Coverage:
        """Return the coverage of a scope; an empty one for a new scope, and when the store does not exist."""
        ...

    def save_coverage(self, scope: str, change: Change) -> None:
        """Add a change, durably. Bits of processed ids are only ever added; concurrent additions are kept."""
        ...

    def facts(self) -> dict[str, Facts]:
        """Return the facts of every scope, by scope; none when the store does not exist."""
        ...

    def drop_coverage(self, scope: str) -> None:
        """Delete the coverage of a scope."""
        ...

    def take_lease(self, name: str, *, holder: str, now: datetime, until: datetime) -> str:
        """Take or renew a lease, unless another holder has it beyond ``now``. Returns the holder afterwards.

        Another holder's lease that ends after ``until`` comes from a clock that is ahead: it is shortened to
        ``until``, so that it is never honoured longer than its length.
        """
        ...

    def drop_lease(self, name: str, *, holder: str) -> None:
        """Release a lease; does nothing when another holder has it."""
        ...

    def leases(self) -> list[LeaseRecord]:
        """Return all leases by name, expired ones included; none when the store does not exist."""
        ...

    def add_run(self, run: Run) -> None:
        """Save a run, and delete the oldest beyond :data:`KEPT_RUNS`."""
        ...

    def runs(self, limit: int | None = None) -> list[Run]:
        """Return the saved runs, newest first; none when the store does not exist."""
        ...
