"""The command ``demo``: the whole path on packaged executions, without network or configuration.

The demonstration has a store of its own in the user's cache folder, made new each time. Where that folder cannot be
written, it is in a temporary folder.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

from platformdirs import user_cache_path

from ticktrail.cli.demo_executions import DemoExecutions
from ticktrail.cli.invocation import quoted
from ticktrail.messages.filters import UNREAD, MessageFilter, SendFilter
from ticktrail.output.messages import write_messages
from ticktrail.output.sync import sync_text
from ticktrail.settings.settings import DEFAULT_TIMEZONE
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.sync import ingest
from ticktrail.sync.results import SyncReport
from ticktrail.text.formatting import plural

_SHOWN = ("read", "delivered", "sent", "failed")
"""Two messages of each status are shown."""


def run_demo(form: str, stream: TextIO, say: Callable[[str], None]) -> None:
    """Fill a new store, write some messages to ``stream``, and end with commands to type next."""
    path = _store_path(say)
    zone = ZoneInfo(DEFAULT_TIMEZONE)
    with (
        DemoExecutions(datetime.now(UTC)) as source,
        open_store(str(path), StoreOptions(timezone=zone)) as store,
    ):
        report = ingest.sync(source, store)
        for line in sync_text(report)[1:]:
            say(line)
        say("")
        shown = [message for status in _SHOWN for message in store.messages(MessageFilter(statuses=(status,), limit=2))]
        write_messages(shown, form, zone, stream)
        stream.flush()
        say("")
        say(_summary(store, report))
        failed = next(store.messages(MessageFilter(statuses=("failed",), limit=1)), None)
    option = f"--store {quoted(str(path))}"
    if failed is not None:
        say(f"Why did one fail?  ticktrail message {failed.message_id} {option}")
    say(f"What is wrong now? ticktrail alerts {option}")
    say(f"By template:       ticktrail stats --by template {option}")
    say(f"In a browser:      ticktrail serve {option}")
    say("Your own n8n:      ticktrail init")


def _store_path(say: Callable[[str], None]) -> Path:
    """Return the path of the demonstration's store, after removing an earlier one."""
    path = user_cache_path("ticktrail", appauthor=False) / "demo.sqlite"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in path.parent.glob(f"{path.name}*"):
            leftover.unlink()
        path.touch(mode=0o600)
        path.unlink()
    except (OSError, RuntimeError) as error:
        folder = Path(tempfile.mkdtemp(prefix="ticktrail-demo-"))
        say(f"{path.parent} cannot be written ({getattr(error, 'strerror', None) or error}).")
        say(f"The demonstration is stored in {folder} instead.")
        return folder / path.name
    return path


def _summary(store: Store, report: SyncReport) -> str:
    total = store.count(MessageFilter())
    failed = store.count(MessageFilter(statuses=("failed",)))
    unread = store.count(MessageFilter(statuses=UNREAD))
    refused = sum(1 for _ in store.sends(SendFilter(refused=True)))
    withheld = report.read_counts.withheld.total()
    return (
        f"{plural(total, 'message')} in {plural(report.read_counts.executions, 'execution')}: "
        f"{unread:,} not read, {failed:,} failed, {refused:,} refused by Meta; n8n withheld {withheld:,}."
    )
