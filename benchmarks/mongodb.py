"""Measure how fast messages are merged into MongoDB, beside one plain upsert a message.

Runs against ``MONGODB_TEST_URI``, or the wire-protocol server of the tests, whose own speed bounds the figures.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import Any
from zoneinfo import ZoneInfo

from pymongo import MongoClient, UpdateOne

from benchmarks import workload
from benchmarks.measure import line, seconds
from ticktrail.messages.document import to_document
from ticktrail.messages.merge import gather, merge_message
from ticktrail.messages.model import StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.opening import open_store

_MESSAGES = 1_000
_WRITERS = 6
_PORTION = 100
_DATABASE = "ticktrail_bench"
_OPTIONS = StoreOptions(timezone=ZoneInfo("UTC"), database=_DATABASE)
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_LATER = datetime(2026, 1, 2, tzinfo=UTC)

_processes = multiprocessing.get_context("spawn")


def run() -> None:
    """Measure new, growing and unchanged messages in batches of a thousand, and six writers of the same events."""
    made = workload.events(_MESSAGES, together=True)
    first = [event for event in made if event.status == "sent"]
    rest = [event for event in made if event.status != "sent"]
    with _server() as uri, MongoClient[dict[str, Any]](uri) as client:
        client.drop_database(_DATABASE)
        with open_store(uri, _OPTIONS) as store:
            store.prepare()
            ours = {
                "new": seconds(lambda: store.write(first, at=_AT)),
                "growing": seconds(lambda: store.write(rest, at=_AT)),
                "unchanged": seconds(lambda: store.write(made, at=_LATER)),
            }
        client[_DATABASE]["message_statuses"].delete_many({})
        plain = {name: _plain(client, events) for name, events in (("new", first), ("growing", made))}
        plain["unchanged"] = _plain(client, made)
        for name, taken in ours.items():
            line(
                f"MongoDB, {name} messages",
                f"{_MESSAGES / taken:,.0f} messages/s, {plain[name] / taken:.2f} x plain upserts",
            )
        client.drop_database(_DATABASE)
        taken = _contending(uri, made)
        line(f"MongoDB, {_WRITERS} writers of the same events", f"{_WRITERS * len(made) / taken:,.0f} events/s")
        client.drop_database(_DATABASE)


def _plain(client: MongoClient[dict[str, Any]], events: list[StatusEvent]) -> float:
    """Seconds for one unconditional upsert a message, which would lose what other writers wrote."""

    def upsert() -> None:
        operations: list[Any] = [
            UpdateOne(
                {"messageId": message_id},
                {"$set": to_document(merge_message(None, message_id, news, at=_AT), UTC)},
                upsert=True,
            )
            for message_id, news in gather(events).items()
        ]
        client[_DATABASE]["message_statuses"].bulk_write(operations, ordered=False)

    return seconds(upsert)


def _contending(uri: str, made: list[StatusEvent]) -> float:
    """Seconds until all writers have written all events, each in an order of its own."""
    ready = _processes.Barrier(_WRITERS + 1)
    writers = [_processes.Process(target=_write, args=(uri, made, seed, ready)) for seed in range(_WRITERS)]
    for writer in writers:
        writer.start()
    ready.wait(60)
    began = time.perf_counter()
    for writer in writers:
        writer.join()
    return time.perf_counter() - began


def _write(uri: str, made: list[StatusEvent], seed: int, ready: Barrier) -> None:
    events = random.Random(seed).sample(made, len(made))  # noqa: S311 - the same shuffles every time
    with open_store(uri, _OPTIONS) as store:
        store.prepare()
        ready.wait(60)
        for start in range(0, len(events), _PORTION):
            store.write(events[start : start + _PORTION], at=_AT)


@contextlib.contextmanager
def _server() -> Iterator[str]:
    given = os.environ.get("MONGODB_TEST_URI")
    if given:
        yield given
        return
    ports: Queue[int] = _processes.Queue()
    server = _processes.Process(target=_serve, args=(ports,), daemon=True)
    server.start()
    try:
        yield f"mongodb://127.0.0.1:{ports.get(timeout=60)}"
    finally:
        server.terminate()
        server.join()


def _serve(ports: Queue[int]) -> None:
    from secantus import SecantusDBServer  # noqa: PLC0415 - slow to import

    with SecantusDBServer(port=0, storage_path=":memory:") as server:
        ports.put(server.port)
        time.sleep(86_400)
