"""One send as a document and back, what is written when copies of it are merged, and the queries of sends."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any

from ticktrail.messages.document import send_to_document
from ticktrail.messages.filters import SendCursor, SendFilter
from ticktrail.messages.merge import merge_sends
from ticktrail.messages.model import Send, SentBy, Template
from ticktrail.stores.mongodb.bulk import Decision, Documents, Insert, Update, in_batches
from ticktrail.stores.mongodb.filters import moment, storable, whole_number
from ticktrail.stores.mongodb.merging import is_same
from ticktrail.stores.mongodb.retrying import read

_FIELDS = (
    *("messageId", "conversation_id", "input", "status", "template", "sentBy", "sentAt", "rejected", "errors"),
    "instance",
)
"""Fields of a send's document; whatever else is in one stays."""


def from_document(document: Mapping[str, Any]) -> Send | None:
    """Return the send of a stored document; None when it is none."""
    key, status, sender = (document.get(name) for name in ("_id", "status", "sentBy"))
    if not isinstance(key, str) or not isinstance(status, str) or not isinstance(sender, Mapping):
        return None
    errors, sent_at, stored = (document.get(name) for name in ("errors", "sentAt", "template"))
    template: Mapping[str, Any] = stored if isinstance(stored, Mapping) else {}
    name = _text(template.get("name"))
    return Send(
        key=key,
        message_id=_text(document.get("messageId")),
        sent_by=SentBy(*(_text(sender.get(name)) or "" for name in ("workflowId", "node", "executionId"))),
        status=status,
        sent_at=sent_at if isinstance(sent_at, datetime) else None,
        conversation_id=_text(document.get("conversation_id")),
        input=_text(document.get("input")),
        template=None if name is None else Template(name, _text(template.get("language"))),
        rejected=document.get("rejected") is True,
        errors=tuple(error for error in errors if isinstance(error, dict)) if isinstance(errors, list) else None,
        instance=_text(document.get("instance")),
    )


def decide(send: Send, stored: Mapping[str, Any] | None) -> Decision:
    """Return the update that merges this copy into the stored send, if there is one."""
    if stored is None:
        return Insert({"_id": send.key, **send_to_document(send)})
    before = from_document(stored)
    merged = send if before is None else merge_sends(before, send)
    if merged is before:
        return None
    document = send_to_document(merged)
    removed = [name for name in _FIELDS if name in stored and name not in document]
    fields = {name: value for name, value in document.items() if name not in stored or not is_same(stored[name], value)}
    return Update(fields=fields, removed=removed) if fields or removed else None


def matching(wanted: SendFilter) -> dict[str, Any]:
    """Return the query of a filter, without its condition on confirming statuses."""
    clauses: list[dict[str, Any]] = [{"sentBy": {"$type": "object"}, "status": {"$type": "string"}}]
    if wanted.refused is not None:
        clauses.append({"rejected": True if wanted.refused else {"$ne": True}})
    if wanted.unconfirmed:
        clauses.append({"rejected": {"$ne": True}, "messageId": {"$type": "string"}})
    between = {
        operator: moment(timestamp)
        for operator, timestamp in (("$gte", wanted.since_timestamp), ("$lt", wanted.until_timestamp))
        if timestamp is not None
    }
    if between:
        clauses.append({"sentAt": between})
    for field, value in (
        ("sentBy.workflowId", wanted.workflow_id),
        ("template.name", wanted.template),
        ("template.language", wanted.template_language),
    ):
        if value is not None:
            clauses.append({field: {"$in": storable([value])}})
    if wanted.failure_codes:
        codes = [*map(whole_number, wanted.failure_codes), *map(str, wanted.failure_codes)]
        clauses.append({"errors.code": {"$in": codes}})
    if wanted.after is not None:
        clauses.append(_behind(wanted.after))
    return {"$and": clauses}


def _behind(place: SendCursor) -> dict[str, Any]:
    """Return the condition for sends behind a cursor; MongoDB sorts an unknown time below every other."""
    following = {"_id": {"$gt": place.key}}
    if place.sent_at is None:
        return {"sentAt": None, **following}
    at = moment(place.sent_at / 1000)
    return {"$or": [{"sentAt": {"$eq": at}, **following}, {"sentAt": {"$lt": at}}, {"sentAt": None}]}


def read_sends(
    sends: Documents, wanted: dict[str, Any], *, sorting: Sequence[tuple[str, int]] = (), limit: int = 0
) -> Iterator[Send]:
    """Yield the sends that a query finds, sorted."""
    with closing(read(sends, wanted, sorting=sorting, limit=limit)) as found:
        yield from filter(None, map(from_document, found))


def chosen_sends(sends: Documents, statuses: Documents, wanted: SendFilter) -> Iterator[Send]:
    """Yield the sends that a filter chooses, newest first."""
    newest_first = [("sentAt", -1), ("_id", 1)]
    if not wanted.unconfirmed:
        return read_sends(sends, matching(wanted), sorting=newest_first, limit=wanted.limit or 0)
    return itertools.islice(
        unconfirmed(read_sends(sends, matching(wanted), sorting=newest_first), statuses), wanted.limit
    )


def unconfirmed(sends: Iterable[Send], statuses: Documents) -> Iterator[Send]:
    """Yield the sends of whose messages no status is stored.

    Some hundred are looked up at once, in an index. The queries are plain and short, so every server can answer them.
    """
    for some in in_batches(sends):
        confirmed = _confirmed(statuses, [send.message_id for send in some])
        yield from (send for send in some if send.message_id not in confirmed)


def _confirmed(statuses: Documents, message_ids: Sequence[str | None]) -> set[str | None]:
    query = {"messageId": {"$in": message_ids}}
    with closing(read(statuses, query, {"_id": False, "messageId": True})) as found:
        return {one["messageId"] for one in found}


def _text(value: object) -> str | None:
    # Code of MongoDB's type javascript is a kind of text to Python.
    return value if type(value) is str else None
