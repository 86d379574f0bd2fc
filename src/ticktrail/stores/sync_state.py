"""What a sync notes of its own work, beside the messages: coverage, leases, and the last runs.

None of it is needed for what is stored to be right. Losing the coverage costs reading again; losing a lease costs two
syncs doing the same; losing a run costs a line on a screen.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec

from ticktrail.stores.coverage import Change, Coverage, Facts

KEPT_RUNS = 500
"""Runs that are kept, the newest."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a sync over one workflow.

    Attributes:
        run_id: unique; runs sort by ``began_at``.
        scope: of the coverage it worked on; see :meth:`SyncState.load_coverage`.
        error: what ended it, None when it came through.
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
    """The books of one store. Every method raises as :class:`ticktrail.stores.Store` says.

    A scope names one coverage: one n8n, one workflow, one version of the extraction, one very store.
    """

    def identity(self) -> str:
        """What tells this place from one that was emptied or made anew under the same name."""
        ...

    def load_coverage(self, scope: str) -> Coverage:
        """The coverage of a scope; an empty one for a scope not met before, and for a place that does not exist."""
        ...

    def save_coverage(self, scope: str, change: Change) -> None:
        """Add a change, durably. Bits of settled ids are only ever added, whoever else adds some at the same time."""
        ...

    def facts(self) -> dict[str, Facts]:
        """What is remembered of the walks of every scope, by scope. A place that does not exist has none."""
        ...

    def drop_coverage(self, scope: str) -> None:
        """Forget everything of a scope."""
        ...

    def take_lease(self, name: str, *, holder: str, now: datetime, until: datetime) -> str:
        """Take or renew a lease, unless another holder has it beyond ``now``. Returns the holder afterwards.

        Another holder's lease that ends after ``until`` comes from a clock that is ahead: it is shortened to
        ``until``, so that it is never honoured longer than its length.
        """
        ...

    def drop_lease(self, name: str, *, holder: str) -> None:
        """Give a lease back; nothing happens when another holder has it."""
        ...

    def leases(self) -> list[LeaseRecord]:
        """Return all leases, by name, those that ran out included. A place that does not exist has none."""
        ...

    def add_run(self, run: Run) -> None:
        """Keep a run, and forget the oldest beyond :data:`KEPT_RUNS`."""
        ...

    def runs(self, limit: int | None = None) -> list[Run]:
        """The runs that are kept, newest first. A place that does not exist has none."""
        ...
