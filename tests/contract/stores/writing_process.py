"""A process that writes: ``python writing_process.py URL DATABASE BATCHES``.

BATCHES is a file of JSON, an array of arrays of StatusEvents. After each write the number of batches stored so far
goes to stdout, so that the parent process knows which batches it has acknowledged.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.messages.model import StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def main(url: str, database: str, batches: str) -> None:
    """Write every batch at the same instant."""
    options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=database)
    with open_store(url, options) as store:
        for count, events in enumerate(
            msgspec.json.decode(Path(batches).read_bytes(), type=list[list[StatusEvent]]), start=1
        ):
            report = store.write(events, at=AT)
            assert report.refused == ()
            print(count, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
