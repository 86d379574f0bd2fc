"""The plain way to do the same work: what one writes in an afternoon, and what the figures are held against.

Simple on purpose, not slow on purpose: ``json.loads``, a recursive walk over every node's output, one
find-then-update a message.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

_ZONE = timezone(timedelta(hours=3))


def extract(raw: bytes) -> list[dict[str, Any]]:
    """The statuses of one execution: parse all of it, walk every node's output, keep each status once."""
    execution = json.loads(raw)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for runs in execution["data"]["resultData"]["runData"].values():
        for run in runs:
            for outputs in run.get("data", {}).values():
                for output in outputs:
                    for item in output or []:
                        for status in _walk(item["json"]):
                            timestamp = int(status["timestamp"])
                            key = (status["id"], status["status"], timestamp)
                            found[key] = {
                                "messageId": status["id"],
                                "status": status["status"].lower(),
                                "timestamp": timestamp,
                                "timestampFormatted": datetime.fromtimestamp(timestamp, _ZONE).strftime(
                                    "%Y-%m-%d %H:%M"
                                ),
                                "executionId": execution["id"],
                                "conversation_id": status.get("recipient_id"),
                                "pricing": status.get("pricing"),
                            }
    return list(found.values())


def _walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        statuses = value.get("statuses")
        if isinstance(statuses, list):
            yield from statuses
        for key, item in value.items():
            if key != "statuses":
                yield from _walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item)


class OneByOneSqlite:
    """A document a row, found and rewritten for every status."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path)
        self.connection.execute("PRAGMA journal_mode=wal")
        self.connection.execute("CREATE TABLE message (id TEXT PRIMARY KEY, document TEXT)")

    def write(self, events: Iterable[dict[str, Any]]) -> None:
        """Find, change, put back; one transaction a call, as one would."""
        with self.connection:
            for event in events:
                row = self.connection.execute(
                    "SELECT document FROM message WHERE id = ?", (event["messageId"],)
                ).fetchone()
                document = merged(json.loads(row[0]) if row else None, event)
                self.connection.execute(
                    "INSERT OR REPLACE INTO message VALUES (?, ?)", (event["messageId"], json.dumps(document))
                )

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()


def merged(document: dict[str, Any] | None, event: dict[str, Any]) -> dict[str, Any]:
    """A document with one status more, latest by time: the obvious rule, which loses a ``read`` to a late status."""
    if document is None:
        document = {"messageId": event["messageId"], "statusHistory": []}
    entry = {name: value for name, value in event.items() if name != "messageId"}
    if entry not in document["statusHistory"]:
        document["statusHistory"].append(entry)
        document["statusHistory"].sort(key=lambda one: one["timestamp"])
    latest = document["statusHistory"][-1]
    document.update(
        latestStatus=latest["status"],
        latestTimestamp=latest["timestamp"],
        statusCount=len(document["statusHistory"]),
        lastUpdatedAt=datetime.now(UTC).isoformat(),
    )
    return document
