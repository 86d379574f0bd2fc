"""How fast events are merged into MongoDB, beside a plain ``bulk_write`` of the same operations.

Runs against ``MONGODB_TEST_URI``, or the wire-protocol server of the tests, whose own speed bounds the figures.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from pymongo import MongoClient, UpdateOne

from benchmarks import workload
from benchmarks.measure import line, ratio
from ticktrail.messages.merge import gather
from ticktrail.stores import StoreOptions
from ticktrail.stores.mongodb import merging as mongodb_upsert
from ticktrail.stores.opening import open_store

_MESSAGES = 1_000
_DATABASE = "ticktrail_bench"


def run() -> None:
    """Measure new messages, in batches of a thousand events as a sync writes them."""
    made = workload.events(_MESSAGES, together=True)
    batches = [made[start : start + 1_000] for start in range(0, len(made), 1_000)]
    zone = ZoneInfo("UTC")
    with _server() as uri, MongoClient(uri) as client:

        def ours() -> None:
            client.drop_database(_DATABASE)
            with open_store(f"{uri}/{_DATABASE}", StoreOptions(timezone=zone, database=_DATABASE)) as store:
                for batch in batches:
                    store.write(batch, at=datetime.now(UTC))

        def plain() -> None:
            client.drop_database(_DATABASE)
            with open_store(f"{uri}/{_DATABASE}", StoreOptions(timezone=zone, database=_DATABASE)) as store:
                store.prepare()
            collection = client[_DATABASE]["message_statuses"]
            for batch in batches:
                now = datetime.now(UTC)
                operations: list[Any] = [
                    UpdateOne(
                        {"messageId": message_id},
                        mongodb_upsert.insertion(message_id, news, at=now, zone=zone),
                        upsert=True,
                    )
                    for message_id, news in gather(batch).items()
                ]
                collection.bulk_write(operations, ordered=False)

        ours_seconds, _, times = ratio(ours, plain, rounds=3)
        client.drop_database(_DATABASE)
    line(
        "MongoDB, new messages",
        f"{times:.2f} x a plain bulk_write of the same operations; wanted: at least 0.8 "
        f"({len(made) / ours_seconds:,.0f} events/s)",
    )


@contextlib.contextmanager
def _server() -> Iterator[str]:
    given = os.environ.get("MONGODB_TEST_URI")
    if given:
        yield given
        return
    from secantus import SecantusDBServer  # noqa: PLC0415 - slow to import

    with SecantusDBServer(port=0, storage_path=":memory:") as server:
        yield f"mongodb://127.0.0.1:{server.port}"
