"""One sync in a process of its own, to be killed: ``python -m tests.torture.child`` with a JSON object as argument."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.api import N8nApi
from ticktrail.sources.n8n_api.http import RetryPolicy, Timeouts
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.sync.incremental import SyncContext
from ticktrail.sync.lease_owner import is_gone, new_holder
from ticktrail.sync.results import report_document
from ticktrail.sync.runs import sync_workflows

PATIENCE = RetryPolicy(attempts=4, total=8, wait_initial=0.005, wait_max=0.05, wait_jitter=0.01, starting=0.3)
TIMEOUTS = Timeouts(connect=2.0, read=2.0, whole=10.0)


def main(asked: dict[str, Any]) -> None:
    """Sync once, at a time of the caller's choosing; says when it begins, and what it came to."""
    ahead = timedelta(seconds=asked["clock_ahead"])
    settings = N8nSettings(base_url=asked["n8n"], editor_url=asked["n8n"], api_key=Secret(asked["api_key"]))
    options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=asked["database"])
    caller = SyncContext(
        instance_url=asked["instance"],
        holder=new_holder(),
        # A sync that ignores leases must do no harm either.
        is_gone=(lambda _holder: True) if asked["reckless"] else is_gone,
        now=lambda: datetime.now(UTC) + ahead,
    )
    with (
        open_store(asked["store"], options) as store,
        N8nApi(settings, asked["workflow_id"], patience=PATIENCE, timeouts=TIMEOUTS) as api,
    ):
        print("go", flush=True)
        for report in sync_workflows([api], store, caller, full=asked["full"]):
            print(json.dumps(report_document(report)), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
