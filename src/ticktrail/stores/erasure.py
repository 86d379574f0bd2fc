"""Write filter of a store: rejects data of erased people and data older than the retention mark.

Both rules look at one status alone, never at stored data or at the rest of a batch, so they keep the merge law: in any
order and any batches, the same statuses are left out.

Of an erased person only a **tombstone** is kept: a salted hash of their id. Its first 14 bits are a fast hash, which
excludes nearly all other people at once; the rest is scrypt, so that all existing phone numbers cannot be tried
quickly. The salt is stored beside it: with the file and about an hour of computing for the numbers of one country, the
person can be found. A tombstone is therefore a pseudonym, as strong as writing at full speed allows.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from ticktrail.messages.merge import sort_history, state_of
from ticktrail.messages.model import EARLIEST_PLAUSIBLE_TIMESTAMP, Message, Send, StatusEvent
from ticktrail.text.json_decoding import decode_json
from ticktrail.text.phone_numbers import number_pattern, person_id

_BUCKETS = 0x3FFF
_SCRYPT_COST = 2**14
_CACHED_VERDICTS = 65_536
"""Number of ids whose verdict a filter caches: a batch names most ids several times."""

_WAMID = "wamid."
_WAMID_START = b"\x1c\x18"
"""Bytes of a wamid before the length and the digits of the recipient's number."""

_PEOPLE_KEYS = (
    *("recipient_id", "recipient_user_id", "recipient_participant_id", "participant_recipient_id", "wa_id", "user_id"),
    *("recipient_participant_user_id", "from", "from_user_id", "to", "to_user_id"),
)
"""Fields of Meta's webhooks with the id of a person."""

_ERASED = "[erased]"
_NUMBER_IN_TEXT = re.compile(r"\d(?:[^\w,;|/&]{0,8}\d){6,16}")
"""A text that may be a phone number, within a longer text."""
_SHORTEST_ID = 6

IsPerson = Callable[[str | None], bool]


def number_in(message_id: str | None) -> str | None:
    """Return the recipient's number that WhatsApp encodes in a wamid; None when it has none."""
    if message_id is None or not message_id.startswith(_WAMID):
        return None
    text = message_id[len(_WAMID) :][:32]
    try:
        start = base64.b64decode(text[: len(text) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        return None
    if start[1:2] != b"\x18" or len(start) < 3:
        return None
    digits = start[3 : 3 + start[2]]
    return digits.decode() if len(digits) == start[2] and digits.isdigit() else None


def wamid_start(name: str) -> str | None:
    """Return the start of wamids of messages to this number (a few others share it); None for other ids."""
    if not (name.isascii() and name.isdigit() and len(name) <= 20):
        return None
    known = _WAMID_START + bytes([len(name)]) + name.encode()
    return _WAMID + base64.b64encode(known).decode()[: len(known) * 8 // 6]


def tombstone(salt: str, name: str) -> str:
    """Return the tombstone of a person for a salt of hexadecimal digits."""
    return f"{salt}:{_bucket(salt, name):04x}:{_digest(salt, name)}"


def names_in_event(event: StatusEvent) -> set[str]:
    """Return the ids of the people a status is about: its recipient, and the member of a group."""
    return _names(event.conversation_id, event.recipient_user_id, event.participant, number_in(event.message_id))


def names_in_send(send: Send) -> set[str]:
    """Return the ids of the recipient of a send."""
    return _names(send.conversation_id, send.input, number_in(send.message_id))


def people_in(webhook: bytes) -> set[str]:
    """Return the ids of the people that a webhook of Meta names: recipients, members of groups, and senders."""
    found: set[str] = set()
    waiting = [decode_json(webhook)]
    while waiting:
        inside = waiting.pop()
        if isinstance(inside, dict):
            found |= _names(*(text for key in _PEOPLE_KEYS if isinstance(text := inside.get(key), str)))
            waiting.extend(inside.values())
        elif isinstance(inside, list):
            waiting.extend(inside)
    return found


def is_group(message: Message) -> bool:
    """Return True when a message went to a group: its statuses name the members."""
    return any(entry.participant for entry in message.history)


def names_of(message: Message) -> set[str]:
    """Return the ids of the recipient of a message; the id of the group for a group."""
    known = message.attributes
    if is_group(message):
        return _names(known.conversation_id)
    return _names(known.conversation_id, known.recipient_user_id, number_in(message.message_id))


def without(message: Message, is_person: IsPerson) -> Message | None:
    """Return a message without a person: unchanged when it is not theirs, without their entries, or None."""
    if any(map(is_person, names_of(message))):
        return None
    if not is_group(message):
        return None if any(is_person(entry.conversation_id) for entry in message.history) else message
    history = sort_history(
        {str(place): entry for place, entry in enumerate(message.history) if not is_person(entry.participant)}
    )
    if not history:
        return None
    known = message.attributes
    if is_person(known.recipient_user_id):
        known = msgspec.structs.replace(known, recipient_user_id=None)
    if len(history) == len(message.history) and known is message.attributes:
        return message
    return msgspec.structs.replace(message, history=history, attributes=known, state=state_of(history))


class TextEraser:
    """Erases a person from texts that are kept for operators: errors, reasons, notes.

    Args:
        names: every id of the person, in normal form.
        message_ids: of messages to them.
    """

    def __init__(self, names: Iterable[str], message_ids: Iterable[str] = ()) -> None:
        self._names = frozenset(names)
        self._message_ids = frozenset(message_ids)
        # A short id could be a part of any word.
        ids = [name for name in self._names if len(name) >= _SHORTEST_ID]
        patterns = [
            rf"(?<!\d)[0\u0660\u06f0]*{number_pattern(name)}(?!\d)"
            if name.isdigit()
            else rf"(?<!\w){re.escape(name)}(?!\w)"
            for name in ids
        ]
        self._pattern = re.compile("|".join([rf"{re.escape(_WAMID)}[A-Za-z0-9+/_=-]+", *patterns]))

    def finds(self, text: str | None) -> bool:
        """Return whether a text names the person anywhere in it."""
        return text is not None and self.erase(text) != text

    def erase(self, value: Any) -> Any:
        """Return a JSON value without the person: their ids in texts replaced, records of their messages dropped."""
        if isinstance(value, str):
            return self._pattern.sub(self._replaced, value)
        if isinstance(value, list):
            return [self.erase(one) for one in value if not (isinstance(one, dict) and self._is_theirs(one))]
        if isinstance(value, dict):
            return {self.erase(name): self.erase(one) for name, one in value.items()}
        return value

    def _is_theirs(self, record: dict[str, Any]) -> bool:
        message_id = record.get("messageId")
        return isinstance(message_id, str) and self._names_message(message_id)

    def _names_message(self, message_id: str) -> bool:
        return message_id in self._message_ids or number_in(message_id) in self._names

    def _replaced(self, found: re.Match[str]) -> str:
        text = found[0]
        if text.startswith(_WAMID):
            return _ERASED if self._names_message(text) else text
        return _ERASED if person_id(text) in self._names else text


class ErasureFilter:
    """The filter of a store at one moment.

    Args:
        tombstones: tombstones of the erased people, with one salt or several.
        kept_since: the retention mark, Unix seconds: older statuses are rejected.
        version: the state of the store that it was read from.
    """

    def __init__(self, tombstones: Iterable[str] = (), kept_since: int | None = None, version: int = 0) -> None:
        self.kept_since = kept_since
        self.version = version
        self._digests: dict[str, dict[int, set[str]]] = {}
        self._verdicts: dict[str, bool] = {}
        for text in tombstones:
            salt, bucket, digest = text.split(":")
            self._digests.setdefault(salt, {}).setdefault(int(bucket, 16), set()).add(digest)

    def at(self, kept_since: int | None) -> ErasureFilter:
        """Return a filter for the same people with another mark."""
        other = ErasureFilter((), kept_since, self.version)
        other._digests, other._verdicts = self._digests, self._verdicts
        return other

    def is_forgotten(self, text: str | None) -> bool:
        """Return True when the person with this id, in any spelling, was erased."""
        if not text or not self._digests:
            return False
        verdict = self._verdicts.get(text)
        if verdict is None:
            if len(self._verdicts) >= _CACHED_VERDICTS:
                self._verdicts.clear()
            verdict = self._verdicts[text] = self._has_tombstone(person_id(text))
        return verdict

    def _has_tombstone(self, name: str | None) -> bool:
        if name is None:
            return False
        places = [(salt, buckets, _bucket(salt, name)) for salt, buckets in self._digests.items()]
        return any(_digest(salt, name) in buckets[place] for salt, buckets, place in places if place in buckets)

    def is_too_old(self, timestamp: int | None) -> bool:
        """Return True when a time is before the retention mark; an unknown or implausible time never is."""
        return (
            self.kept_since is not None
            and timestamp is not None
            and EARLIEST_PLAUSIBLE_TIMESTAMP <= timestamp < self.kept_since
        )

    def accepts(self, event: StatusEvent) -> bool:
        """Return True when the store keeps this status."""
        if self.is_too_old(event.timestamp):
            return False
        return not (self._digests and any(map(self.is_forgotten, names_in_event(event))))

    def accepts_send(self, send: Send) -> bool:
        """Return True when the store keeps this send."""
        if send.sent_at is not None and self.is_too_old(int(send.sent_at.timestamp())):
            return False
        return not (self._digests and any(map(self.is_forgotten, names_in_send(send))))

    def left_of(self, message: Message) -> Message | None:
        """Return what the store keeps of a message: all, a part of its history, or None."""
        found = without(message, self.is_forgotten) if self._digests else message
        if found is not None and self._digests:
            found = self._message_without_names(found)
        if found is None or self.kept_since is None:
            return found
        history = tuple(entry for entry in found.history if not self.is_too_old(entry.timestamp))
        if len(history) == len(found.history):
            return found
        return msgspec.structs.replace(found, history=history, state=state_of(history)) if history else None

    def accepted(
        self, events: Sequence[StatusEvent], sends: Sequence[Send]
    ) -> tuple[Sequence[StatusEvent], Sequence[Send]]:
        """Return the events and sends of a batch that the store keeps."""
        if not self._digests and self.kept_since is None:
            return events, sends
        kept, kept_sends = filter(self.accepts, events), filter(self.accepts_send, sends)
        if not self._digests:
            return list(kept), list(kept_sends)
        return list(map(self._event_without_names, kept)), list(map(self._send_without_names, kept_sends))

    def _event_without_names(self, event: StatusEvent) -> StatusEvent:
        """Return a status of another person's message without the numbers of erased people."""
        label, errors = self._without_names(event.callback_data), self._without_names(event.errors)
        if label == event.callback_data and errors == event.errors:
            return event
        return msgspec.structs.replace(event, callback_data=label, errors=errors)

    def _send_without_names(self, send: Send) -> Send:
        errors = self._without_names(send.errors)
        return send if errors == send.errors else msgspec.structs.replace(send, errors=errors)

    def _message_without_names(self, message: Message) -> Message:
        known = message.attributes
        label = self._without_names(known.callback_data)
        history = tuple(
            msgspec.structs.replace(entry, errors=self._without_names(entry.errors)) for entry in message.history
        )
        if label == known.callback_data and history == message.history:
            return message
        known = msgspec.structs.replace(known, callback_data=label)
        return msgspec.structs.replace(message, history=history, attributes=known, state=state_of(history))

    def _without_names(self, value: Any) -> Any:
        """Return a JSON value in whose texts the numbers of erased people are replaced."""
        if isinstance(value, str):
            return _NUMBER_IN_TEXT.sub(self._replaced, value)
        if isinstance(value, (list, tuple)):
            return type(value)(map(self._without_names, value))
        if isinstance(value, dict):
            return {name: self._without_names(item) for name, item in value.items()}
        return value

    def _replaced(self, found: re.Match[str]) -> str:
        return _ERASED if self.is_forgotten(found[0]) else found[0]


def _names(*texts: str | None) -> set[str]:
    return {name for name in map(person_id, texts) if name is not None}


def _bucket(salt: str, name: str) -> int:
    short = hashlib.blake2b(_bytes(name), key=bytes.fromhex(salt), digest_size=2).digest()
    return int.from_bytes(short, "big") & _BUCKETS


@lru_cache(maxsize=4_096)
def _digest(salt: str, name: str) -> str:
    return hashlib.scrypt(_bytes(name), salt=bytes.fromhex(salt), n=_SCRYPT_COST, r=8, p=1, dklen=16).hex()


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
