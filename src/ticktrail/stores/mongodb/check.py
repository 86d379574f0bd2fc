"""Checks that a server can do what Ticktrail asks of it, on collections of other names, and leaves nothing behind.

The one for messages has the validation rule of the real one. In the real one only operations that change nothing are
tried.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bson import ObjectId
from pymongo.errors import OperationFailure, PyMongoError

from ticktrail.errors import StoreRefusedError, TicktrailError
from ticktrail.messages.document import from_document
from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
from ticktrail.messages.model import Send, SentBy, StatusEvent
from ticktrail.stores.coverage import Block, Change
from ticktrail.stores.mongodb.bulk import Documents
from ticktrail.stores.mongodb.causes import message_causes, send_causes
from ticktrail.stores.mongodb.connection import Address
from ticktrail.stores.mongodb.counting import count_received
from ticktrail.stores.mongodb.errors import is_about_content, lacking_operator, translated
from ticktrail.stores.mongodb.filters import parts_of, query_of
from ticktrail.stores.mongodb.indexes import (
    SEND_INDEXES,
    STATUS_INDEXES,
    make_indexes,
    missing_indexes,
    require_adoptable,
)
from ticktrail.stores.mongodb.statistics import count_groups, figures_pipeline
from ticktrail.stores.mongodb.sync_state import operations
from ticktrail.stores.mongodb.unconfirmed import count_unconfirmed
from ticktrail.stores.mongodb.writing import Writer
from ticktrail.stores.results import StoreState

_PREFIX = "ticktrail_doctor_"
"""Beginning of the names of the collections; the rest is an ObjectId, which tells its age."""

_LEFTOVER_AGE = timedelta(hours=1)
_SECONDS = 1_767_225_600
_AT = datetime.fromtimestamp(_SECONDS, UTC)
_STATUSES = ("sent", "delivered", "read")
_ENTRIES = 12
_MESSAGE_ID = "ticktrail-doctor"
_OPTIONS = ("validator", "validationLevel", "validationAction", "collation")


def probe(statuses: Documents, sends: Documents, address: Address, zone: ZoneInfo) -> StoreState:
    """Check the store in these collections.

    Raises:
        PyMongoError: the server cannot be reached, or refuses the connection.
    """
    database = statuses.database
    hello = database.client.admin.command("hello")
    now = datetime.now(UTC)
    clock = hello.get("localTime")
    version = str(database.client.server_info().get("version", "of an unknown version"))
    found = list(database.list_collections(filter={"name": {"$in": [statuses.name, sends.name]}}))
    options = {str(one["name"]): one.get("options", {}) for one in found}
    faults: list[TicktrailError] = []
    remarks: list[str] = []
    with _noting(faults, address):
        if statuses.name in options:
            require_adoptable(statuses)
            statuses.update_one({"_id": ObjectId()}, {"$max": {"lastScannedAt": _AT}})
            statuses.delete_one({"_id": ObjectId()})
        remarks += _try_everything(statuses, options.get(statuses.name, {}), address, zone)
    missing: list[str] = []
    for collection, wanted in ((statuses, STATUS_INDEXES), (sends, SEND_INDEXES)):
        if collection.name in options:
            with _noting(faults, address):
                missing += [
                    f"{collection.name}.{model.document['name']}" for model in missing_indexes(collection, wanted)
                ]
    return StoreState(
        server=f"MongoDB {version}",
        exists=statuses.name in options,
        faults=tuple(faults),
        missing_indexes=tuple(missing),
        clock=(clock.replace(tzinfo=UTC), now) if isinstance(clock, datetime) else None,
        remark=" ".join(remarks),
    )


def _try_everything(statuses: Documents, options: dict[str, Any], address: Address, zone: ZoneInfo) -> list[str]:
    """Write, merge, count and erase in new collections. Return remarks on what the server lacks.

    Raises:
        StoreRefusedError: names the step that the server cannot do.
        PyMongoError: the server refuses the user, or is away.
    """
    database = statuses.database
    _drop_leftovers(statuses)
    messages, sends, state = (database[f"{_PREFIX}{ObjectId()}"] for _ in range(3))
    same_options = {key: options[key] for key in _OPTIONS if key in options}
    steps = _Steps((messages, sends, state), same_options, Writer(messages, sends, address, zone))
    try:
        for step, work in steps:
            try:
                complaint = work()
            except OperationFailure as error:
                raise _unable(step, translated(error, address), address) from None
            if complaint:
                raise StoreRefusedError(
                    f"MongoDB at {address.location} cannot {step}: {complaint}.",
                    remedy="Does the collection have a validation rule? In mongosh: db.getCollectionInfos(). "
                    "Servers that were tested: docs/mongodb.md",
                )
    finally:
        with contextlib.suppress(PyMongoError):
            for collection in (messages, sends, state):
                collection.drop()
    return steps.remarks


class _Steps:
    """The steps of a sync and of statistics, in order. Each returns the fault in its result, or an empty text.

    Attributes:
        remarks: on what the server lacks and Ticktrail does itself.
    """

    def __init__(self, collections: Sequence[Documents], options: dict[str, Any], writer: Writer) -> None:
        self._messages, self._sends, self._state = collections
        self._options = options
        self._writer = writer
        self.remarks: list[str] = []

    def __iter__(self) -> Iterator[tuple[str, Callable[[], str]]]:
        events = [
            StatusEvent(
                message_id=_MESSAGE_ID,
                status=_STATUSES[number % 3],
                execution_id=str(number),
                timestamp=_SECONDS + number,
            )
            for number in range(_ENTRIES)
        ]
        yield "create a collection and its indexes", self._create
        yield "insert a message", lambda: self._write(events[:1], (1, 0, 0))
        yield "merge statuses into a message", lambda: self._write(events, (0, 1, 0))
        yield "write a message without news", lambda: self._write(events, (0, 0, 1))
        yield "read a message", self._read
        yield "list messages", self._list
        yield "compute statistics", self._count
        yield "count sends", self._count_sends
        yield "keep the sync state", self._keep_state
        yield "erase messages", self._erase

    def _create(self) -> str:
        self._messages.database.create_collection(self._messages.name, **self._options)
        make_indexes(self._messages, STATUS_INDEXES)
        return ""

    def _write(self, events: list[StatusEvent], expected: tuple[int, int, int]) -> str:
        report = self._writer.write(events, (), at=_AT, instance=None)
        counts = (report.inserted, report.updated, report.unchanged)
        return report.refused[0].reason if report.refused else "" if counts == expected else f"it reports {counts}"

    def _read(self) -> str:
        message = from_document(self._messages.find_one({"messageId": _MESSAGE_ID}) or {})
        return "" if message is not None and len(message.history) == _ENTRIES else "statuses are missing"

    def _list(self) -> str:
        messages, every = self._messages, MessageFilter(until_timestamp=_SECONDS + 1)
        listed = [
            document
            for part in parts_of(every)
            for query, order in part
            for document in messages.find(query).sort(order)
        ]
        counted = (messages.count_documents(query_of(every)), len(listed), count_received(messages).count)
        return "" if counted == (1, 1, 0) else f"it finds {counted}"

    def _count(self) -> str:
        messages, every = self._messages, MessageFilter()
        try:
            list(messages.aggregate(figures_pipeline(query_of(every), None, young_since=0, details=True)))
        except OperationFailure as error:
            if not is_about_content(error.code):
                raise
            lacking = lacking_operator(str(error)) or "operators"
            self.remarks.append(
                f"Its aggregation lacks {lacking}: Ticktrail counts its statistics itself, which is slower."
            )
        groups = [
            group
            for by in (None, *Grouping)
            for group in count_groups(messages, every, by, young_since=0, details=by is None)
        ]
        list(message_causes(messages, every))
        return "" if groups[0].counts.messages == 1 else f"it counts {groups[0].counts.messages}"

    def _count_sends(self) -> str:
        send = Send(key=f"{_MESSAGE_ID}-send", message_id=f"{_MESSAGE_ID}-send", sent_by=SentBy("0", "probe", "0"),
                    status="accepted", sent_at=_AT)  # fmt: skip
        report = self._writer.write((), [send], at=_AT, instance=None)
        list(send_causes(self._sends, SendFilter()))
        found = list(count_unconfirmed(self._sends, self._messages, SendFilter(), None, overdue_before=_SECONDS + 1))
        return "" if report.sends == 1 and found else "a send is missing"

    def _keep_state(self) -> str:
        for bits in (1, 2):
            self._state.bulk_write(list(operations("doctor", Change(processed={0: Block(bits, str(_AT))}))))
        return "" if (self._state.find_one() or {}).get("words") == {"0": 3} else "it loses processed executions"

    def _erase(self) -> str:
        self._messages.delete_many({"_id": {"$ne": None}})
        return "" if self._messages.count_documents({}) == 0 else "documents remain"


def _unable(step: str, error: TicktrailError, address: Address) -> TicktrailError:
    """Return the error of a step, naming the step where the server lacks something."""
    if isinstance(error, StoreRefusedError) and "role" not in error.remedy:
        return StoreRefusedError(f"MongoDB at {address.location} cannot {step}: {error}", remedy=error.remedy)
    return error


def _drop_leftovers(statuses: Documents) -> None:
    """Drop the collections of checks that were killed."""
    old = datetime.now(UTC) - _LEFTOVER_AGE
    for name in statuses.database.list_collection_names(filter={"name": {"$regex": f"^{_PREFIX}"}}):
        identifier = name.removeprefix(_PREFIX)
        if ObjectId.is_valid(identifier) and ObjectId(identifier).generation_time < old:
            statuses.database.drop_collection(name)


@contextlib.contextmanager
def _noting(faults: list[TicktrailError], address: Address) -> Iterator[None]:
    """Note what would stop a sync, instead of stopping. A server that goes away meanwhile still stops it."""
    try:
        yield
    except OperationFailure as error:
        found = translated(error, address)
        if str(found) not in {str(known) for known in faults}:
            faults.append(found)
    except TicktrailError as error:
        if str(error) not in {str(known) for known in faults}:
            faults.append(error)
