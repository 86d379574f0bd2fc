"""Counts messages and sends in Python: always where few are read, else where the aggregation lacks an operator.

Amazon DocumentDB, FerretDB 1 and others refuse operators that the pipelines of statistics need. Then every message that
a filter chooses is read: the figures are the same, and take longer.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, TypeVar

import msgspec
from pymongo.errors import OperationFailure

from ticktrail.messages import counts
from ticktrail.messages.counts import Key, Row
from ticktrail.messages.document import entry_from_document, from_document
from ticktrail.messages.failure_causes import CauseCount, code_text, error_title, first_code
from ticktrail.messages.filters import Grouping
from ticktrail.messages.model import FAILED, RANK, RECEIVED, Message, Send
from ticktrail.stores.mongodb.bulk import Documents
from ticktrail.stores.mongodb.connection import READ_MILLISECONDS
from ticktrail.stores.mongodb.errors import is_about_content
from ticktrail.stores.mongodb.filters import Query
from ticktrail.stores.mongodb.retrying import read, stream
from ticktrail.stores.results import ReceivedStatuses
from ticktrail.text.phone_numbers import country_prefix

_T = TypeVar("_T")


def aggregate(
    collection: Documents,
    stages: list[dict[str, Any]],
    convert: Callable[[dict[str, Any]], _T],
    otherwise: Callable[[], Iterable[_T]],
) -> Generator[_T, None, None]:
    """Yield what a pipeline returns, converted; what ``otherwise`` returns if the server lacks an operator."""
    with closing(stream(lambda: collection.aggregate(stages, allowDiskUse=True, maxTimeMS=READ_MILLISECONDS))) as found:
        try:
            first = next(found, None)
        except OperationFailure as error:
            if not is_about_content(error.code):
                raise
            yield from otherwise()
            return
        if first is not None:
            yield convert(first)
            yield from map(convert, found)


def read_messages(collection: Documents, wanted: Query) -> Iterator[Message]:
    """Yield the messages that a query finds."""
    with closing(read(collection, wanted)) as found:
        yield from filter(None, map(from_document, found))


def count_received(statuses: Documents) -> ReceivedStatuses:
    """Count the statuses that came directly from Meta. Plain queries, so every server can answer them."""
    fields = ("status", "executionId", "timestamp")
    found = read(statuses, {"statusHistory.executionId": RECEIVED}, {f"statusHistory.{name}": True for name in fields})
    count, first, last = 0, None, None
    with closing(found):
        for stored in itertools.chain.from_iterable(one["statusHistory"] for one in found):
            entry = entry_from_document(stored, "")
            if entry is None or entry.execution_id != RECEIVED:
                continue
            count += 1
            if entry.timestamp is not None:
                first = entry.timestamp if first is None else min(first, entry.timestamp)
                last = entry.timestamp if last is None else max(last, entry.timestamp)
    return ReceivedStatuses(count, first, last)


def count_messages(
    messages: Iterable[Message], by: Grouping | None, across: Grouping | None, *, young_since: int, details: bool
) -> Iterator[Row]:
    """Yield the rows of the statistics, in the order of their keys."""
    found: dict[tuple[Key, Key, int, int, str | None, bool | None, int | None], tuple[str | None, int, int]] = {}
    with_prices = details and by is None
    for message in messages:
        state, known = message.state, message.attributes
        to_whom = counts.audience(known.conversation_id, known.phone_number_id)
        if by is not None and to_whom != counts.PEOPLE:
            continue
        if Grouping.ERROR in (by, across) and state.latest_status not in FAILED:
            continue
        key = (
            _key(message, by),
            _key(message, across),
            to_whom,
            counts.facts(state),
            counts.category(state.pricing) if with_prices else None,
            counts.billable(state.pricing) if with_prices else None,
            counts.delay(state) if details else None,
        )
        time, label = counts.message_time(state), _label(message, by)
        known_as, count, young = found.get(key, (None, 0, 0))
        if label is not None and (known_as is None or label > known_as):
            known_as = label
        found[key] = (known_as, count + 1, young + (time is not None and time >= young_since))
    for key in sorted(found, key=order):
        first, second, to_whom, facts, category, billable, seconds = key
        label, count, young = found[key]
        yield first, second, label, to_whom, facts, category, billable, seconds, count, young


def order(key: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    """Return the place of a group by its two keys; unknown ones come first."""
    return [(value is not None, value) for value in key[:2]]


def people_by_error(messages: Iterable[Message]) -> dict[Key, int]:
    """Return how many recipients each error kept a message from."""
    people: dict[Key, set[Key]] = {}
    for message in messages:
        known = message.attributes
        to_people = counts.audience(known.conversation_id, known.phone_number_id) == counts.PEOPLE
        if to_people and message.state.latest_status in FAILED:
            people.setdefault(_key(message, Grouping.ERROR), set()).add(_key(message, Grouping.USER))
    return {code: len(everyone - {None}) for code, everyone in people.items()}


def count_message_causes(messages: Iterable[Message]) -> Iterator[CauseCount]:
    """Count as :meth:`ticktrail.stores.Store.causes` promises."""
    return _summed(filter(None, map(_cause_of_message, messages)))


def count_send_causes(sends: Iterable[Send]) -> Iterator[CauseCount]:
    """Count as :meth:`ticktrail.stores.Store.send_causes` promises."""
    return _summed(map(_cause_of_send, sends))


_Cause = tuple[CauseCount, str | None]
"""One failure or other message, and its recipient."""


def _cause_of_message(message: Message) -> _Cause | None:
    state, known, time = message.state, message.attributes, counts.message_time(message.state)
    if state.latest_status not in RANK or counts.audience(known.conversation_id, known.phone_number_id):
        return None
    failed = state.latest_status in FAILED
    failure = state.failure if failed else None
    cause = CauseCount(
        failed=failed,
        code=code_text(failure.code) if failure else None,
        title=error_title(failure.title) if failure else None,
        template=message.template.name or None if message.template else None,
        workflow_id=message.sent_by.workflow_id or None if message.sent_by else None,
        number=known.phone_number_id or known.display_phone_number,
        number_label=known.display_phone_number,
        count=1,
        first_timestamp=time,
        last_timestamp=time,
    )
    return cause, known.conversation_id or known.recipient_user_id


def _cause_of_send(send: Send) -> _Cause:
    time = None if send.sent_at is None else int(send.sent_at.timestamp() // 1)
    cause = CauseCount(
        failed=send.rejected,
        code=first_code(send.errors) if send.rejected else None,
        title=error_title(send.errors[0].get("title")) if send.rejected and send.errors else None,
        template=send.template.name or None if send.template else None,
        workflow_id=send.sent_by.workflow_id or None,
        count=1,
        first_timestamp=time,
        last_timestamp=time,
    )
    return cause, send.conversation_id or send.input


def _summed(causes: Iterable[_Cause]) -> Iterator[CauseCount]:
    found: dict[tuple[object, ...], CauseCount] = {}
    people: dict[tuple[object, ...], set[str]] = {}
    for one, who in causes:
        key = (one.failed, one.code, one.template, one.workflow_id, one.number)
        found[key] = _added(found[key], one) if key in found else one
        if one.failed and who:
            people.setdefault(key, set()).add(who)
    return (msgspec.structs.replace(one, people=len(people.get(key, ()))) for key, one in found.items())


def _added(one: CauseCount, other: CauseCount) -> CauseCount:
    def known(name: str) -> list[Any]:
        return [value for value in (getattr(one, name), getattr(other, name)) if value is not None]

    return msgspec.structs.replace(
        one,
        count=one.count + other.count,
        title=max(known("title"), default=None),
        number_label=max(known("number_label"), default=None),
        first_timestamp=min(known("first_timestamp"), default=None),
        last_timestamp=max(known("last_timestamp"), default=None),
    )


def _key(message: Message, by: Grouping | None) -> Key:
    state, known = message.state, message.attributes
    if by in {Grouping.DAY, Grouping.HOUR}:
        time = counts.message_time(state)
        return None if time is None else time // counts.QUARTER_SECONDS
    if by is Grouping.ERROR:
        return None if state.failure is None else code_text(state.failure.code)
    if by is Grouping.TEMPLATE:
        return message.template.name or None if message.template else None
    if by is Grouping.SENDER:
        return message.sent_by.workflow_id or None if message.sent_by else None
    keys = {
        Grouping.USER: known.conversation_id or known.recipient_user_id,
        Grouping.CATEGORY: counts.category(state.pricing),
        Grouping.CAMPAIGN: known.callback_data,
        Grouping.NUMBER: known.phone_number_id or known.display_phone_number,
        Grouping.COUNTRY: country_prefix(known.conversation_id),
        Grouping.WORKFLOW: state.workflow_id or None,
    }
    return None if by is None else keys[by]


def _label(message: Message, by: Grouping | None) -> str | None:
    known, failure = message.attributes, message.state.failure
    if by is Grouping.ERROR:
        return None if failure is None else error_title(failure.title)
    if by is Grouping.NUMBER:
        return known.display_phone_number
    return None
