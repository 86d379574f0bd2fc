"""A conversation as turns: the texts that a workflow keeps, joined with the messages of the store. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ticktrail.messages.model import Message

_LATEST_SECONDS = 100_000_000_000
"""A larger number is milliseconds (as seconds it would be the year 5138)."""

_TEXTS = ("body", "text", "caption", "message", "content", "title", "name")
"""Keys of the text in objects that workflows keep, WhatsApp's own names first."""

_KINDS = ("type", "mime_type", "mimetype", "filename", "url", "link", "id")


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation: a text, a message, or both.

    Attributes:
        timestamp: Unix seconds; None when the conversation has no readable time of it.
        outbound: sent by the business; False for the person's, None when it is not known.
        text: as the workflow keeps it; None where only the store has the message.
        media: attached media, in a few words.
        message: the message in the store.
    """

    timestamp: int | None = None
    outbound: bool | None = None
    text: str | None = None
    media: str | None = None
    message_id: str | None = None
    message: Message | None = None


def turns_of(document: Mapping[str, Any]) -> Iterator[Turn]:
    """Yield the turns of a document ``{conversation_id, message_id, inbound, outbound, media, timestamp}``.

    A document with a question and its answer is two turns; the message id belongs to the answer.
    """
    at = moment_of(document.get("timestamp"))
    message_id = document.get("message_id")
    name = message_id if isinstance(message_id, str) and message_id else None
    media = media_of(document.get("media"))
    theirs, ours = document.get("inbound"), document.get("outbound")
    if theirs and ours:
        yield Turn(timestamp=at, outbound=False, text=text_of(theirs))
        yield Turn(timestamp=at, outbound=True, text=text_of(ours), media=media, message_id=name)
        return
    outbound = True if ours else False if theirs else None
    yield Turn(timestamp=at, outbound=outbound, text=text_of(ours or theirs) or "", media=media, message_id=name)


def join_turns(turns: Iterable[Turn], messages: Mapping[str, Message]) -> list[Turn]:
    """Return the turns with the messages of their ids, oldest first.

    Messages without a turn become turns without a text.
    """
    matched: set[str] = set()
    thread: list[Turn] = []
    for turn in turns:
        message = messages.get(turn.message_id or "")
        if message is None:
            thread.append(turn)
            continue
        matched.add(message.message_id)
        at = time_of(message) if turn.timestamp is None else turn.timestamp
        # The store holds only messages to people.
        thread.append(msgspec.structs.replace(turn, timestamp=at, message=message, outbound=True))
    thread += [
        Turn(timestamp=time_of(message), outbound=True, message_id=message.message_id, message=message)
        for message in messages.values()
        if message.message_id not in matched
    ]
    # A question and its answer in one document stay in their order: sorting is stable.
    return sorted(thread, key=lambda turn: turn.timestamp or 0)


def time_of(message: Message) -> int | None:
    """Return the time a message belongs to, see :data:`ticktrail.messages.filters.MESSAGE_TIME_FIELDS`."""
    state = message.state
    moments = (state.sent_timestamp, state.first_timestamp, state.latest_timestamp)
    return next((moment for moment in moments if moment is not None), None)


def moment_of(value: object) -> int | None:
    """Return a time as Unix seconds: from seconds or milliseconds, a number or a text, ISO 8601, or a date."""
    if isinstance(value, datetime):
        return int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, str):
            text = value.strip()
            if not text.replace(".", "", 1).isdigit():
                return moment_of(datetime.fromisoformat(text))
            value = float(text)
        if isinstance(value, (int, float)):
            number = int(value)
            return number // 1000 if number >= _LATEST_SECONDS else number
    except (ValueError, OverflowError):
        pass
    return None


def text_of(value: object, depth: int = 3) -> str | None:
    """Return the text of a turn as a workflow keeps it: the text itself, or the first under the usual keys."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and depth:
        for name in _TEXTS:
            found = text_of(value.get(name), depth - 1)
            if found:
                return found
    if isinstance(value, list) and depth:
        return next(filter(None, (text_of(item, depth - 1) for item in value)), None)
    return None


def media_of(value: object) -> str | None:
    """Return the attached media of a turn in a few words."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, Mapping):
        named = (value.get(name) for name in _KINDS)
        return next((text for text in named if isinstance(text, str) and text), "media" if value else None)
    if isinstance(value, list):
        return ", ".join(filter(None, map(media_of, value))) or None
    return "media" if value else None
