"""One send as a document, back, and the law of :func:`ticktrail.messages.merge.merge_sends` as an update.

What the update is told goes under ``$literal``, as in :mod:`ticktrail.stores.mongodb.merging`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bson.int64 import Int64

from ticktrail.messages.filters import SendCursor, SendFilter
from ticktrail.messages.model import Send, SentBy, Template
from ticktrail.stores.mongodb.expressions import Expression, either, has_type, or_absent, or_else
from ticktrail.stores.mongodb.filters import moment, storable, whole_number

_ORIGINAL = ("messageId", "rejected", "sentBy", "sentAt", "template")
"""Fields that the original of several copies decides together."""

_GREATER = ("status", "conversation_id", "input", "errors", "instance")
"""Fields that are settled one by one."""


def to_document(send: Send) -> dict[str, Any]:
    """The document of one send, without ``_id``; what is not known of it is left out."""
    sender = send.sent_by
    document: dict[str, Any] = {
        "messageId": send.message_id,
        "conversation_id": send.conversation_id,
        "input": send.input,
        "status": send.status,
        "template": None if send.template is None else {"name": send.template.name, "language": send.template.language},
        "sentBy": {"workflowId": sender.workflow_id, "node": sender.node, "executionId": sender.execution_id},
        "sentAt": send.sent_at,
        "rejected": True if send.rejected else None,
        "errors": None if send.errors is None else list(send.errors),
        "instance": send.instance,
    }
    return {name: value for name, value in document.items() if value is not None}


def from_document(document: Mapping[str, Any]) -> Send | None:
    """The send a stored document means; None when it is none."""
    key, status, sender = (document.get(name) for name in ("_id", "status", "sentBy"))
    if not isinstance(key, str) or not isinstance(status, str) or not isinstance(sender, Mapping):
        return None
    errors, sent_at, template = (document.get(name) for name in ("errors", "sentAt", "template"))
    named = isinstance(template, Mapping) and isinstance(template.get("name"), str)
    return Send(
        key=key,
        message_id=_text(document.get("messageId")),
        sent_by=SentBy(*(_text(sender.get(name)) or "" for name in ("workflowId", "node", "executionId"))),
        status=status,
        sent_at=sent_at if isinstance(sent_at, datetime) else None,
        conversation_id=_text(document.get("conversation_id")),
        input=_text(document.get("input")),
        template=Template(template["name"], _text(template.get("language"))) if named and template else None,
        rejected=document.get("rejected") is True,
        errors=tuple(error for error in errors if isinstance(error, dict)) if isinstance(errors, list) else None,
        instance=_text(document.get("instance")),
    )


def matching(wanted: SendFilter) -> dict[str, Any]:
    """The documents a filter chooses; whether a status confirmed them is left aside."""
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
    """What comes behind a place; MongoDB sorts an unknown time below every other."""
    following = {"_id": {"$gt": place.key}}
    if place.sent_at is None:
        return {"sentAt": None, **following}
    at = moment(place.sent_at / 1000)
    return {"$or": [{"sentAt": {"$eq": at}, **following}, {"sentAt": {"$lt": at}}, {"sentAt": None}]}


def stages_of(wanted: SendFilter, status_collection: str) -> list[dict[str, Any]]:
    """The stages that find the documents a filter chooses, newest first."""
    stages: list[dict[str, Any]] = [{"$match": matching(wanted)}, {"$sort": {"sentAt": -1, "_id": 1}}]
    if wanted.unconfirmed:
        # The order is settled before, so that a limit ends the looking up as soon as it is reached.
        statuses = {
            "from": status_collection,
            "localField": "messageId",
            "foreignField": "messageId",
            "pipeline": [{"$limit": 1}, {"$project": {"_id": True}}],
            "as": "confirmed",
        }
        stages += [{"$lookup": statuses}, {"$match": {"confirmed": []}}, {"$project": {"confirmed": False}}]
    return stages if wanted.limit is None else [*stages, {"$limit": Int64(wanted.limit)}]


def news_stage(send: Send) -> dict[str, Expression]:
    """The first stage: the stored send as ``old``, and what is said of it now."""
    document = to_document(send)
    return {
        "$replaceWith": {
            "old": "$$ROOT",
            "news": {
                "$literal": {
                    "order": _order(send),
                    "original": {name: document[name] for name in _ORIGINAL if name in document},
                    "others": {name: document[name] for name in _GREATER if name in document},
                }
            },
        }
    }


def merge_stages() -> list[dict[str, Expression]]:
    """The stages after :func:`news_stage`; they are the same for every send."""
    stored = {name: f"$old.{name}" for name in _ORIGINAL}
    ours = {"$and": [has_type("$old.sentBy", "object"), {"$lte": [_stored_order(), "$news.order"]}]}
    greater = {name: or_absent({"$max": [f"$old.{name}", f"$news.others.{name}"]}) for name in _GREATER}
    kept = {
        "$filter": {
            "input": {"$objectToArray": "$old"},
            "cond": {"$not": [{"$in": ["$$this.k", [*_ORIGINAL, *_GREATER]]}]},
        }
    }
    return [
        {"$replaceWith": {"$mergeObjects": [{"$arrayToObject": kept}, either(ours, stored, "$news.original"), greater]}}
    ]


def _order(send: Send) -> list[Any]:
    """:func:`ticktrail.messages.merge.send_order` as BSON compares arrays: element by element."""
    template, sender = send.template, send.sent_by
    return [
        1 if send.sent_at is None else 0,
        None if send.sent_at is None else send.sent_at.astimezone(UTC),
        sender.execution_id,
        sender.node,
        sender.workflow_id,
        1 if template is None else 0,
        "" if template is None else template.name,
        "" if template is None else template.language or "",
    ]


def _stored_order() -> Expression:
    """:func:`_order` of the stored send."""
    return [
        either(has_type("$old.sentAt", "date"), 0, 1),
        or_else("$old.sentAt", None),
        *(or_else(f"$old.sentBy.{name}", "") for name in ("executionId", "node", "workflowId")),
        either(has_type("$old.template.name", "string"), 0, 1),
        or_else("$old.template.name", ""),
        or_else("$old.template.language", ""),
    ]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
