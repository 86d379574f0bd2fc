"""One command in a process of its own, to be killed: ``python -m tests.torture.child`` with a JSON object."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ticktrail.errors import TicktrailError
from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.api import N8nApi
from ticktrail.sources.n8n_api.http import RetryPolicy, Timeouts
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.copying import copy
from ticktrail.stores.opening import open_store
from ticktrail.sync.context import SyncContext
from ticktrail.sync.lease_owner import is_gone, new_holder
from ticktrail.sync.results import report_document
from ticktrail.sync.runs import sync_workflows

PATIENCE = RetryPolicy(attempts=4, total=8, wait_initial=0.005, wait_max=0.05, wait_jitter=0.01, starting=0.3)
TIMEOUTS = Timeouts(connect=2.0, read=2.0, whole=10.0)


def main(asked: dict[str, Any]) -> None:
    """Run one command at a time of the caller's choosing; prints a line when it begins, and its result."""
    ahead = timedelta(seconds=asked["clock_ahead"])
    options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=asked["database"])
    print("go", flush=True)
    with open_store(asked["store"], options) as store:
        at = datetime.now(UTC) + ahead
        match asked["command"]:
            case "sync":
                _sync(asked, store, ahead)
            case "forget":
                store.retention.forget(asked["who"], at=at)
                store.retention.clear_traces()
            case "prune":
                store.retention.keep_since(asked["mark"])
                for _ in store.retention.prune(asked["mark"]):
                    pass
            case "copy":
                with open_store(asked["target"], options) as target:
                    copy(store, target, at=at)
            case "backup":
                store.retention.backup(Path(asked["target"]))
    print(json.dumps({"done": asked["command"]}), flush=True)


def _sync(asked: dict[str, Any], store: Store, ahead: timedelta) -> None:
    settings = N8nSettings(base_url=asked["n8n"], editor_url=asked["n8n"], api_key=Secret(asked["api_key"]))
    context = SyncContext(
        instance_url="https://n8n.example.com",
        holder=new_holder(),
        # A sync that ignores leases must do no harm either.
        is_gone=(lambda _holder: True) if asked["reckless"] else is_gone,
        now=lambda: datetime.now(UTC) + ahead,
    )
    with N8nApi(settings, asked["workflow_id"], retry_policy=PATIENCE, timeouts=TIMEOUTS) as api:
        for report in sync_workflows([api], store, context, full=asked["full"]):
            print(json.dumps(report_document(report)), flush=True)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except TicktrailError as error:
        sys.exit(str(error))
