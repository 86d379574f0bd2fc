"""Store in MongoDB: for large stores, several readers, or a database that the workflow already uses.

Each message is written atomically, guarded by what was read (:mod:`ticktrail.stores.mongodb.bulk`). So any number of
processes may write at once, and a killed one leaves nothing half done. When :meth:`MongoStore.write` returns, its
messages are on the disks of most members of the replica set.
"""

from __future__ import annotations

import heapq
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient
from pymongo.database import Database

from ticktrail.messages.counts import Group
from ticktrail.messages.document import from_document
from ticktrail.messages.failure_causes import CauseCount
from ticktrail.messages.filters import EVERY_SEND, Grouping, MessageFilter, SendFilter
from ticktrail.messages.model import Message, Send, StatusEvent
from ticktrail.stores import StoreOptions
from ticktrail.stores.mongodb import sends as mongodb_sends
from ticktrail.stores.mongodb.alert_state import MongoAlertState
from ticktrail.stores.mongodb.bulk import REVISION, Documents, parts
from ticktrail.stores.mongodb.causes import message_causes, send_causes
from ticktrail.stores.mongodb.check import probe
from ticktrail.stores.mongodb.connection import READ_MILLISECONDS, address_of, client_of, codec_options
from ticktrail.stores.mongodb.counting import count_received
from ticktrail.stores.mongodb.errors import explained
from ticktrail.stores.mongodb.filters import IS_MESSAGE, is_meant, parts_of, place_of, query_of, sorted_by, storable
from ticktrail.stores.mongodb.indexes import SEND_INDEXES, STATUS_INDEXES, make_indexes, require_adoptable
from ticktrail.stores.mongodb.retention import MongoRetention
from ticktrail.stores.mongodb.retrying import keep_trying, read
from ticktrail.stores.mongodb.statistics import count_groups
from ticktrail.stores.mongodb.sync_state import MongoSyncState
from ticktrail.stores.mongodb.unconfirmed import count_unconfirmed
from ticktrail.stores.mongodb.writing import Writer, truncated
from ticktrail.stores.pages import MessagePage
from ticktrail.stores.results import ReceivedStatuses, StoreState, WriteReport

_PUBLIC = {"_id": False, REVISION: False}


class MongoStore:
    """Messages and sends in two collections of a database; :class:`ticktrail.stores.Store` says what methods promise.

    One object may be used by several threads. It connects at the first request.

    Raises:
        ConfigurationError: the URI is malformed, or means a database of the server's own.
    """

    def __init__(self, url: str, options: StoreOptions) -> None:
        self._url = url
        self._address = address_of(url, options.database)
        self._client: MongoClient[dict[str, Any]] | None = None
        self._lock = threading.Lock()
        self._status_collection = options.status_collection
        self._sends_collection = options.sends_collection
        self._writer: Writer | None = None
        self.location = self._address.location
        self.timezone = options.timezone
        self.sync_state = MongoSyncState(self._address, self._status_collection, self._database, self.prepare)
        names = (self._status_collection, self._sends_collection)
        self.retention = MongoRetention(self._address, names, self._database, lambda: self._writer or self._prepared())
        self.alert_state = MongoAlertState(self._address, self._status_collection, self._database)

    def __repr__(self) -> str:
        return f"MongoStore({self.location!r})"

    def exists(self) -> bool:
        """Return whether the database has a collection of statuses. Creates nothing."""
        with explained(self._address):
            names = self._database().list_collection_names(
                filter={"name": self._status_collection}, authorizedCollections=True
            )
        return bool(names)

    def require_adoptable(self) -> None:
        """Refuse a collection that a first write would refuse."""
        with explained(self._address):
            require_adoptable(self._statuses())

    def prepare(self) -> None:
        """Create the collections and indexes that are missing."""
        with explained(self._address):
            self._prepared()

    def write(
        self,
        events: Sequence[StatusEvent],
        sends: Sequence[Send] = (),
        *,
        at: datetime,
        instance: str | None = None,
    ) -> WriteReport:
        """Merge events and sends into what is stored, each message atomically."""
        with explained(self._address):
            writer = self._writer or self._prepared()
            return self.retention.guarded(
                events,
                sends,
                lambda kept, kept_sends: writer.write(kept, kept_sends, at=truncated(at), instance=instance),
                at=at,
            )

    def get(self, message_ids: Collection[str]) -> dict[str, Message]:
        """Return the stored messages among these ids, by id."""
        found = {message_id: from_document(document) for message_id, document in self.documents(message_ids).items()}
        return {message_id: message for message_id, message in found.items() if message is not None}

    def documents(self, message_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """As :meth:`get`, but each as it is in the collection, less ``_id`` and ``revision``."""
        ids = storable(message_ids)
        found: dict[str, dict[str, Any]] = {}
        with explained(self._address):
            for some in parts(ids):
                among = {**IS_MESSAGE, "messageId": {"$in": some}}
                found |= {stored["messageId"]: stored for stored in read(self._statuses(), among, _PUBLIC)}
        return found

    def messages(self, chosen: MessageFilter) -> MessagePage:
        """Return the messages that a filter chooses, in its order, as a cursor brings them."""
        found = ((sorted_by(document, chosen.order), from_document(document)) for document in self._chosen(chosen))
        return MessagePage(chosen.order, ((key, message) for key, message in found if message is not None))

    def count(self, chosen: MessageFilter) -> int:
        """Count the messages that a filter chooses, without its ``limit`` and ``after``."""
        with explained(self._address):
            if chosen.campaign_key is not None:
                labels = {"_id": False, "callbackData": True}
                return sum(is_meant(found, chosen) for found in read(self._statuses(), query_of(chosen), labels))
            return keep_trying(lambda: self._statuses().count_documents(query_of(chosen), maxTimeMS=READ_MILLISECONDS))

    def received_statuses(self) -> ReceivedStatuses:
        """Count the statuses that came directly from Meta and that no synced execution of n8n holds."""
        with explained(self._address):
            return count_received(self._statuses())

    def statistics(
        self,
        chosen: MessageFilter,
        by: Grouping | None = None,
        *,
        young_since: int,
        details: bool = False,
        across: Grouping | None = None,
    ) -> Iterator[Group]:
        """Yield raw counts of the messages that a filter chooses, by group."""
        with explained(self._address):
            yield from count_groups(
                self._statuses(), chosen, by, young_since=young_since, details=details, across=across
            )

    def sends(self, chosen: SendFilter = EVERY_SEND) -> Iterator[Send]:
        """Yield the send records that a filter chooses, newest first, as a cursor brings them."""
        if chosen.limit is not None and chosen.limit <= 0:
            return
        with explained(self._address):
            yield from mongodb_sends.chosen_sends(self._sends(), self._statuses(), chosen)

    def unconfirmed(
        self,
        chosen: SendFilter = EVERY_SEND,
        by: Grouping | None = None,
        *,
        overdue_before: int,
        across: Grouping | None = None,
    ) -> Iterator[Group]:
        """Count the accepted sends that no status confirmed, by group."""
        with explained(self._address):
            yield from count_unconfirmed(
                self._sends(), self._statuses(), chosen, by, overdue_before=overdue_before, across=across
            )

    def causes(self, chosen: MessageFilter) -> Iterator[CauseCount]:
        """Count the messages that a filter selects by failure cause, failed ones and others."""
        with explained(self._address):
            yield from message_causes(self._statuses(), chosen)

    def send_causes(self, chosen: SendFilter = EVERY_SEND) -> Iterator[CauseCount]:
        """Count the sends that a filter selects by failure cause, refused ones and others."""
        with explained(self._address):
            yield from send_causes(self._sends(), chosen)

    def check(self) -> StoreState:
        """Try whether a sync could write; see :class:`ticktrail.stores.Store`."""
        with explained(self._address):
            return probe(self._statuses(), self._sends(), self._address, self.timezone)

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _chosen(self, chosen: MessageFilter) -> Iterator[dict[str, Any]]:
        """Yield the documents that a filter chooses, in its order."""
        missing = sys.maxsize if chosen.limit is None else chosen.limit
        # Where documents are chosen in Python too, the server cannot know when it is enough.
        limit = 0 if chosen.limit is None or chosen.campaign_key is not None else chosen.limit
        with explained(self._address):
            for together in parts_of(chosen):
                if missing <= 0:
                    return
                found = [
                    read(self._statuses(), part, _PUBLIC, sorting=sorting, limit=limit and missing)
                    for part, sorting in together
                ]
                for document in heapq.merge(*found, key=lambda one: place_of(one, chosen.order)):
                    if is_meant(document, chosen):
                        yield document
                        missing -= 1
                        if missing <= 0:
                            break

    def _prepared(self) -> Writer:
        """Return the writer, after creating missing collections and indexes."""
        require_adoptable(self._statuses())
        make_indexes(self._statuses(), STATUS_INDEXES)
        make_indexes(self._sends(), SEND_INDEXES)
        self._writer = Writer(self._statuses(), self._sends(), self._address, self.timezone)
        return self._writer

    def _database(self) -> Database[dict[str, Any]]:
        with self._lock:
            if self._client is None:
                self._client = client_of(self._url, self._address)
        return self._client.get_database(self._address.database, codec_options(self.timezone))

    def _statuses(self) -> Documents:
        return self._database()[self._status_collection]

    def _sends(self) -> Documents:
        return self._database()[self._sends_collection]
