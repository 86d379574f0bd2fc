"""The whole path on packaged executions, recorded from a real n8n: no network, no configuration, no leftovers.

It uses a store of its own in the user's cache folder, made anew each time, so that a real ledger stays clean.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

from platformdirs import user_cache_path

from ticktrail.messages.filters import UNREAD, MessageFilter, SendFilter
from ticktrail.output.messages import write_messages
from ticktrail.output.sync import sync_text
from ticktrail.settings.settings import DEFAULT_TIMEZONE
from ticktrail.sources.files.export import Export
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.sync import ingest
from ticktrail.text.formatting import plural

_SHOWN = ("read", "delivered", "sent", "failed")
"""Two messages of each are shown."""


def demo_store_path() -> Path:
    """Where the demonstration keeps its messages."""
    return user_cache_path("ticktrail", appauthor=False) / "demo.sqlite"


def run_demo(form: str, stream: TextIO, say: Callable[[str], None]) -> None:
    """Read the recordings into a fresh store, show some messages on ``stream``, and end with what to type next."""
    path = demo_store_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f"{path.name}*"):
        leftover.unlink()
    zone = ZoneInfo(DEFAULT_TIMEZONE)
    recordings = resources.files("ticktrail.cli") / "recordings" / "executions.jsonl.gz"
    with (
        resources.as_file(recordings) as exported,
        Export(str(exported)) as source,
        open_store(str(path), StoreOptions(timezone=zone)) as store,
    ):
        report = ingest.sync(source, store)
        for line in sync_text(report)[1:]:
            say(line)
        say("")
        shown = [one for status in _SHOWN for one in store.messages(MessageFilter(statuses=(status,), limit=2))]
        write_messages(shown, form, zone, stream)
        stream.flush()
        total = store.count(MessageFilter())
        failed = store.count(MessageFilter(statuses=("failed",)))
        unread = store.count(MessageFilter(statuses=UNREAD))
        newest_failed = next(store.messages(MessageFilter(statuses=("failed",), limit=1)), None)
        refused = sum(1 for _ in store.sends(SendFilter(refused=True)))
        hidden = sum(report.read_counts.withheld.values())
    quoted = f'"{path}"' if " " in str(path) else str(path)
    say("")
    say(
        f"Seen: {plural(total, 'message')} in {plural(report.read_counts.executions, 'execution')} of a real n8n: "
        f"{unread:,} not read, {failed:,} failed, {refused:,} refused by Meta, {hidden:,} n8n would not show."
    )
    if newest_failed is not None:
        say(f"Why did one fail?  ticktrail message {newest_failed.message_id} --store {quoted}")
    say(f"In a browser:      ticktrail serve --store {quoted}")
    say("Your own n8n:      ticktrail init")
