"""Settings of one run of a sync."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from ticktrail.sync.results import AfterWrite, Progress, no_action, no_progress


class SyncContext(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a run.

    Attributes:
        instance_url: the n8n: execution ids are its own.
        holder: a name for this run's lease, see :func:`ticktrail.sync.lease_owner.new_holder`.
        is_gone: returns True when the process behind another holder's name is known to have ended.
        instance: the label of this n8n.
        progress: called after every page.
        after_write: called after every batch, before its executions are marked processed.
        should_stop: asked between writes, and while waiting; True ends the run cleanly.
        now: the clock.
    """

    instance_url: str
    holder: str
    is_gone: Callable[[str], bool] = lambda _holder: False
    instance: str | None = None
    progress: Progress = no_progress
    after_write: AfterWrite = no_action
    should_stop: Callable[[], bool] = lambda: False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
