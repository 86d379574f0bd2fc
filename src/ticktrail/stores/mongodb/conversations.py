"""A workflow's own collection of conversations: read for threads, annotated only on request.

The collection belongs to the workflow. Its documents are ``{conversation_id, message_id, inbound, outbound, media,
timestamp}``. Ticktrail never inserts or deletes a document there; it only writes six fields about a message's state.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from pymongo import ReadPreference, UpdateMany

from ticktrail.errors import ConfigurationError
from ticktrail.messages.filters import MessageFilter
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.mongodb.bulk import Documents
from ticktrail.stores.mongodb.connection import address_of, client_of, codec_options
from ticktrail.stores.mongodb.errors import explained
from ticktrail.stores.mongodb.filters import storable
from ticktrail.stores.mongodb.retrying import keep_trying, read

ANNOTATED = (
    "latestStatus",
    "latestTimestamp",
    "latestTimestampFormatted",
    "statusCount",
    "statusHistory",
    "lastScannedAt",
)
"""The fields of a message's document that are written onto the conversation's."""

_AT_ONCE = 500


class Conversations:
    """One collection of conversations. Every method raises as :class:`ticktrail.stores.Store` says."""

    def __init__(self, url: str, options: StoreOptions, collection: str) -> None:
        self._address = address_of(url, options.database)
        self._client = client_of(url, self._address)
        self._zone = options.timezone
        self._name = collection
        self.location = f"{self._address.location}, collection {collection}"

    def require(self) -> None:
        """Require the collection, and create its index on ``message_id`` if missing.

        Raises:
            ConfigurationError: the collection does not exist; only the workflow creates it.
        """
        with explained(self._address):
            if not self._documents().database.list_collection_names(filter={"name": self._name}):
                raise ConfigurationError(
                    f"There is no collection {self._name} in {self._address.location}.",
                    remedy="MONGODB_CONVERSATIONS_COLLECTION names the one in which your workflow keeps conversations.",
                )
            indexes = self._documents().list_indexes()
            if all(next(iter(index["key"])) != "message_id" for index in indexes):
                self._documents().create_index("message_id")

    def of(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the documents of a person with these ids, newest first."""
        written: list[Any] = [text for name in names for text in (name, f"+{name}")]
        # A workflow may keep numbers as numbers.
        written += [int(name) for name in names if name.isdigit() and len(name) <= 18]
        with explained(self._address):
            wanted = {"conversation_id": {"$in": storable_of(written)}}
            yield from read(self._documents(), wanted, sorting=[("timestamp", -1), ("_id", -1)])

    def annotate(self, documents: Sequence[dict[str, Any]]) -> int:
        """Write the state of messages into the documents with their ``message_id``. Return how many changed.

        ``lastScannedAt`` of a message only grows, and so does ``statusCount`` at equal times. By these the server
        itself refuses to replace a state by an older one.
        """
        with explained(self._address):
            return sum(
                self._write([_annotation(document) for document in documents[start : start + _AT_ONCE]])
                for start in range(0, len(documents), _AT_ONCE)
            )

    def clear(self, names: Sequence[str], message_ids: Sequence[str]) -> tuple[int, int]:
        """Remove what :meth:`annotate` wrote about a person.

        Returns:
            how many documents are the person's, and on how many something was removed.
        """
        written: list[Any] = [text for name in names for text in (name, f"+{name}")]
        total = changed = 0
        with explained(self._address):
            wanted: list[dict[str, Any]] = [{"conversation_id": {"$in": written}}]
            wanted += [
                {"message_id": {"$in": list(message_ids[start : start + _AT_ONCE])}}
                for start in range(0, len(message_ids), _AT_ONCE)
            ]
            total = self._documents().count_documents(wanted[0])
            for one in wanted:
                # Only what bears all the marks of ours: a workflow may have a field called statusHistory of its own.
                ours = {**one, **{name: {"$exists": True} for name in ANNOTATED}}
                changed += self._write([UpdateMany(ours, {"$unset": dict.fromkeys(ANNOTATED, "")})])
        return total, changed

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _write(self, operations: Sequence[UpdateMany]) -> int:
        # The driver repeats no update of several documents; ours may be repeated.
        return keep_trying(lambda: self._documents().bulk_write(operations, ordered=False).modified_count)

    def _documents(self) -> Documents:
        database = self._client.get_database(self._address.database, codec_options(self._zone))
        return database[self._name].with_options(read_preference=ReadPreference.PRIMARY)


class Annotator:
    """Annotates the conversations of messages that were just written; called with their ids."""

    def __init__(self, store: Store, conversations: Conversations) -> None:
        self._store = store
        self._conversations = conversations
        self.changed = 0

    def __call__(self, message_ids: Sequence[str]) -> None:
        """Annotate with what the store holds now."""
        if message_ids:
            self.changed += self._conversations.annotate(list(self._store.documents(message_ids).values()))

    def everything(self) -> None:
        """Annotate with everything stored, in flat memory."""
        ids = (message.message_id for message in self._store.messages(MessageFilter()))
        while few := list(itertools.islice(ids, _AT_ONCE)):
            self(few)


def storable_of(values: Sequence[Any]) -> list[Any]:
    """Return the values that a document can hold."""
    return [value for value in values if not isinstance(value, str) or storable([value])]


def _annotation(document: dict[str, Any]) -> UpdateMany:
    scanned, count = document.get("lastScannedAt"), document.get("statusCount")
    newer = [{"lastScannedAt": {"$gt": scanned}}, {"lastScannedAt": scanned, "statusCount": {"$gt": count}}]
    values = {name: document[name] for name in ANNOTATED if name in document}
    return UpdateMany({"message_id": document["messageId"], "$nor": newer}, {"$set": values})
