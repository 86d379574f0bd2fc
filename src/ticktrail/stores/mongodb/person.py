"""One person in a ledger in MongoDB: the queries that find them, and the operations that erase them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymongo import DeleteOne, UpdateOne

from ticktrail.messages.merge import Gathered
from ticktrail.messages.model import Attributes, Message
from ticktrail.stores.erasure import wamid_start
from ticktrail.stores.mongodb import merging as mongodb_upsert
from ticktrail.stores.mongodb.filters import Query


def went_to(names: Sequence[str]) -> Query:
    """The messages that went to one of these."""
    return {"$or": _own(names)}


def concerning(names: Sequence[str]) -> Query:
    """The messages that went to one of these, or name them in a status."""
    return {"$or": [*_own(names), *_naming(names)]}


def sent_to(names: Sequence[str]) -> Query:
    """The sends that may have gone to one of these; some others may be among them."""
    wanted: list[Query] = []
    for name in names:
        spelled = _spelling(name)
        wanted += [{"input": spelled}, {"conversation_id": spelled}]
        start = wamid_start(name)
        if start is not None:
            wanted.append({"_id": _beginning(start)})
    return {"$or": wanted}


def _own(names: Sequence[str]) -> list[dict[str, Any]]:
    """Conditions of which one holds for a message that went to one of these."""
    written: list[Any] = [text for name in names for text in (name, f"+{name}")]
    # An earlier tool may have kept numbers as numbers.
    written += [int(name) for name in names if name.isdigit() and len(name) <= 18]
    starts = [start for start in map(wamid_start, names) if start is not None]
    return [
        {"conversation_id": {"$in": written}},
        {"recipientUserId": {"$in": written}},
        *({"messageId": _beginning(start)} for start in starts),
    ]


def _naming(names: Sequence[str]) -> list[dict[str, Any]]:
    """Conditions of which one holds for a message with a status that names one of these."""
    written = [text for name in names for text in (name, f"+{name}")]
    return [{f"statusHistory.{field}": {"$in": written}} for field in ("participant", "conversation_id", "waId")]


def _beginning(start: str) -> dict[str, str]:
    return {"$gte": start, "$lt": f"{start}\x7f"}


def _spelling(name: str) -> Any:
    """How a person may be written by whoever sent to them: a number with anything between its digits."""
    if not name.isascii() or not name.isdigit():
        return name
    return {"$regex": r"^\D*(00)?" + r"\D*".join(name) + r"\D*$"}


def erasure(
    found: dict[str, Any], message: Message | None, left: Message | None, timezone: str
) -> Iterator[UpdateOne | DeleteOne]:
    """The operations that leave of a stored message what is left of it, each atomic."""
    this = {"_id": found["_id"]}
    if left is None or message is None:
        yield DeleteOne(this)
        return
    kept = {entry.participant for entry in left.history}
    members = [entry.participant for entry in message.history if entry.participant and entry.participant not in kept]
    update: dict[str, Any] = {"$pull": {"statusHistory": {"participant": {"$in": members}}}}
    if left.attributes.recipient_user_id is None and message.attributes.recipient_user_id is not None:
        update["$unset"] = {"recipientUserId": ""}
    yield UpdateOne(this, update)
    # Everything that follows from the history follows anew, from what it is by then.
    nothing = Gathered({}, Attributes())
    first = mongodb_upsert.news_stage(message.message_id, nothing, at=message.last_scanned_at, only_growth=False)
    yield UpdateOne(this, [first, *mongodb_upsert.merge_stages(timezone)])
