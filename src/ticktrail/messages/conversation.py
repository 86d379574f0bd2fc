"""One person's conversation as turns: what a workflow kept of it, joined with what the ledger knows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ticktrail.messages.model import Message

_LATEST_SECONDS = 100_000_000_000
"""A larger number is milliseconds (as seconds it would be the year 5138)."""

_TEXTS = ("body", "text", "caption", "message", "content", "title", "name")
"""Where the text lies in what a workflow kept as an object, WhatsApp's own names first."""

_KINDS = ("type", "mime_type", "mimetype", "filename", "url", "link", "id")


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One thing said.

    Attributes:
        timestamp: Unix seconds; None when the conversation has no readable time of it.
        outbound: ours; False for the person's, None when the conversation does not say.
        text: as it was kept; None for what only the ledger knows.
        media: what came with it, in a few words.
        message: what the ledger knows of it.
    """

    timestamp: int | None = None
    outbound: bool | None = None
    text: str | None = None
    media: str | None = None
    message_id: str | None = None
    message: Message | None = None


def turns_of(document: Mapping[str, Any]) -> Iterator[Turn]:
    """What a document ``{conversation_id, message_id, inbound, outbound, media, timestamp}`` says.

    It may hold a question and its answer: then these are two turns, and the message id is the answer's.
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


def joined(turns: Iterable[Turn], messages: Mapping[str, Message]) -> list[Turn]:
    """The turns with the ledger's messages beside those that have their id, oldest first.

    Messages that no turn has are turns of their own, without a text.
    """
    met: set[str] = set()
    thread: list[Turn] = []
    for turn in turns:
        message = messages.get(turn.message_id or "")
        if message is None:
            thread.append(turn)
            continue
        met.add(message.message_id)
        at = time_of(message) if turn.timestamp is None else turn.timestamp
        # The ledger knows only what was sent to people.
        thread.append(msgspec.structs.replace(turn, timestamp=at, message=message, outbound=True))
    thread += [
        Turn(timestamp=time_of(message), outbound=True, message_id=message.message_id, message=message)
        for message in messages.values()
        if message.message_id not in met
    ]
    # A question and its answer in one document stay in their order: sorting is stable.
    return sorted(thread, key=lambda turn: turn.timestamp or 0)


def time_of(message: Message) -> int | None:
    """The time a message belongs to: see :data:`ticktrail.messages.filters.MESSAGE_TIME_FIELDS`."""
    state = message.state
    moments = (state.sent_timestamp, state.first_timestamp, state.latest_timestamp)
    return next((moment for moment in moments if moment is not None), None)


def moment_of(value: object) -> int | None:
    """A time as Unix seconds: seconds or milliseconds, a number or a text, ISO 8601, or a date."""
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
    """The text in what a workflow kept of one turn: a text itself, or the first that an object has where texts lie."""
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
    """What came with a turn, in a few words."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, Mapping):
        named = (value.get(name) for name in _KINDS)
        return next((text for text in named if isinstance(text, str) and text), "media" if value else None)
    if isinstance(value, list):
        return ", ".join(filter(None, map(media_of, value))) or None
    return "media" if value else None
