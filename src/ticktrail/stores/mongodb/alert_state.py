"""Alert state in MongoDB; see :class:`~ticktrail.stores.alert_state.AlertState` for the contract.

One collection with a document for each alert. Several stores in one database share the collection.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pymongo import ReadPreference
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from ticktrail.stores.alert_state import AlertRecord, Notice
from ticktrail.stores.mongodb.bulk import Documents
from ticktrail.stores.mongodb.connection import Address
from ticktrail.stores.mongodb.errors import explained
from ticktrail.stores.mongodb.retrying import delete, read
from ticktrail.stores.mongodb.writing import truncated
from ticktrail.text.sanitizing import clean_text

ALERTS = "ticktrail_alerts"


class MongoAlertState:
    """Alert state of one store.

    Args:
        statuses: name of its collection of messages, which distinguishes the stores of one database.
    """

    def __init__(self, address: Address, statuses: str, database: Callable[[], Database[dict[str, Any]]]) -> None:
        self._address = address
        self._statuses = statuses
        self._database = database

    def all(self) -> list[AlertRecord]:
        """Return all alert records, sorted by key."""
        with explained(self._address):
            found = read(self._alerts(), {"ledger": self._statuses}, sorting=[("key", 1)])
            return [_remembered(document) for document in found]

    def record_firing(self, key: str, kind: str, title: str, *, at: datetime) -> None:
        """Record that an alert fires."""
        at, title = truncated(at), clean_text(title)
        with explained(self._address):
            alerts = self._alerts()
            firing = {"_id": self._id(key), "resolvedAt": None}
            if alerts.update_one(firing, {"$set": {"title": title}, "$max": {"lastSeenAt": at}}).matched_count:
                return
            begun = {"ledger": self._statuses, "key": key, "kind": kind, "title": title, "firstSeenAt": at,
                      "lastSeenAt": at, "resolvedAt": None}  # fmt: skip
            removed = {"told": "", "acknowledgedAt": "", "acknowledgedBy": "", "note": ""}
            resolved_or_new = {"_id": self._id(key), "resolvedAt": {"$ne": None}}
            try:
                alerts.update_one(resolved_or_new, {"$set": begun, "$unset": removed}, upsert=True)
            except DuplicateKeyError:
                # Another process was faster: the alert fires already.
                alerts.update_one(firing, {"$max": {"lastSeenAt": at}})

    def resolve(self, key: str, *, at: datetime) -> None:
        """Mark an alert as resolved."""
        self._set(key, {"resolvedAt": None}, {"resolvedAt": truncated(at)})

    def record_notice(self, key: str, channel: str, *, at: datetime, over: bool = False) -> None:
        """Record that a channel was notified."""
        place = f"told.{_field(channel)}"
        if over:
            self._set(key, {f"{place}.toldAt": {"$exists": True}}, {f"{place}.overAt": truncated(at)})
        else:
            self._set(key, {}, {place: {"channel": channel, "toldAt": truncated(at)}})

    def acknowledge(self, key: str, *, at: datetime, by: str | None = None, note: str | None = None) -> bool:
        """Acknowledge a firing alert."""
        by, note = (None if text is None else clean_text(text) for text in (by, note))
        return self._set(
            key, {"resolvedAt": None}, {"acknowledgedAt": truncated(at), "acknowledgedBy": by, "note": note}
        )

    def unacknowledge(self, key: str) -> bool:
        """Remove the acknowledgement of an alert."""
        nothing = {"acknowledgedAt": None, "acknowledgedBy": None, "note": None}
        return self._set(key, {"resolvedAt": None, "acknowledgedAt": {"$ne": None}}, nothing)

    def forget(self, *, resolved_before: datetime) -> None:
        """Delete alerts that were resolved before ``resolved_before``."""
        with explained(self._address):
            delete(self._alerts(), {"ledger": self._statuses, "resolvedAt": {"$lt": resolved_before}})

    def _set(self, key: str, condition: dict[str, Any], news: dict[str, Any]) -> bool:
        """Set fields of one alert if the condition holds. Return whether it did."""
        with explained(self._address):
            return bool(self._alerts().update_one({"_id": self._id(key), **condition}, {"$set": news}).matched_count)

    def _id(self, key: str) -> str:
        return f"{self._statuses}#{key}"

    def _alerts(self) -> Documents:
        # Not from a secondary, which may lack what was written a moment ago.
        return self._database()[ALERTS].with_options(read_preference=ReadPreference.PRIMARY)


def _field(channel: str) -> str:
    """Return a field name for a channel, whose own name may hold dots and dollars."""
    return hashlib.sha256(channel.encode("utf-8", "replace")).hexdigest()[:16]


def _remembered(document: dict[str, Any]) -> AlertRecord:
    return AlertRecord(
        key=document["key"],
        kind=document["kind"],
        title=document["title"],
        first_seen_at=document["firstSeenAt"],
        last_seen_at=document["lastSeenAt"],
        resolved_at=document.get("resolvedAt"),
        acknowledged_at=document.get("acknowledgedAt"),
        acknowledged_by=document.get("acknowledgedBy"),
        note=document.get("note"),
        told={
            one["channel"]: Notice(told_at=one["toldAt"], over_at=one.get("overAt"))
            for one in document.get("told", {}).values()
        },
    )
