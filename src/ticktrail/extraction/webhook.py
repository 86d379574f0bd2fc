"""Find the status lists in a webhook body.

A body may be Meta's whole envelope (``entry[].changes[].value``), one change, a bare ``value``, a bare
``{"statuses": [...]}``, a ``value.standby``, one status object alone, or any of these inside other objects and lists.
Every entry, change and status is read. Text that a WhatsApp user wrote (below ``messages``, in profile names, …) is
never searched, and no text is opened here: :mod:`ticktrail.extraction.payload` decides which texts are webhooks.

Pure: takes any JSON value and never raises.

See: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview
"""

from __future__ import annotations

import functools
import re
from typing import Any, TypeGuard

import msgspec

from ticktrail.extraction.status import Holder

_USER_WRITTEN = frozenset({"messages", "message", "message_echoes", "contacts", "history", "user_actions"})
"""Keys below which people's own words are."""

_NOT_A_BODY = _USER_WRITTEN | {"headers", "query", "params", "metadata", "conversation", "pricing", "errors"}

_WRITTEN = (_USER_WRITTEN - {"contacts"}) | {"calls", "flow_token", "encrypted_flow_data"}
"""Keys that show that a person wrote to us, called us, or filled in a Flow."""

_SENDER = re.compile(
    r"^(from|user|phone|wa_?id|chat|chat_?(id|input)|session_?id)$|sender|author|jid|profile|customer", re.IGNORECASE
)
"""Keys that name the person who wrote what is beside them."""

_FILLED_IN = re.compile(
    r"^(forms?|answers?|submissions?|surveys?|labels?|questions?|e?-?mail|e-?mail_?address)$"
    r"|form_?(data|response)|custom_?(attribute|field|variable|data)|(first|last|full|nick|push|given|family)_?name",
    re.IGNORECASE,
)
"""Keys of what a person filled in. An object below or beside them has the shape that the person gave it."""

_WORDS = re.compile(r"[^\W\d_]\s+[^\W\d_]")

_KIND_KEY = re.compile(
    r"(?:type|kind|event|status|state|mode|object|field|topic|channel|source|provider|product|origin|method|version"
    r"|format|category|currency|platform|service|action|direction|result)(?:name|message)?$",
    re.IGNORECASE,
)
"""Names of fields in which machines write a word of their own."""

_LONGEST_KEY = 64
"""Keys up to this length are remembered: the same ones come in every webhook, and a stranger chooses long ones."""

_STATUS_KEYS = frozenset(
    {"id", "status", "timestamp", "recipient_id", "recipient_user_id", "recipient_type", "type", "conversation"}
    | {"pricing", "errors", "biz_opaque_callback_data", "recipient_parent_user_id", "parent_recipient_user_id"}
    | {"recipient_participant_id", "participant_recipient_id", "recipient_participant_user_id", "group_id"}
    | {"recipient_identity_key_hash", "recipient_logical_id", "template_id", "gs_id", "meta_msg_id"}
)

_KNOWN_STATUSES = frozenset({"sent", "delivered", "read", "played", "failed", "undelivered", "deleted", "warning"})

MAXIMUM_DEPTH = 12
"""No provider nests a status deeper. Bounds the work that a hostile body can cause."""


class Body(msgspec.Struct, frozen=True):
    """The status lists of a webhook body.

    Attributes:
        person_wrote: it holds a message, a call or a form of a person.
        closed_text: it holds a text that looks like a status, is not known to be a person's, and was not opened.
    """

    holders: tuple[Holder, ...]
    person_wrote: bool
    closed_text: bool = False


def read_body(value: object) -> Body:
    """Find the statuses in a webhook body, which may be any JSON value."""
    walk = _Walk()
    walk.visit(value, _Surroundings(), 0)
    return Body(tuple(walk.holders), walk.person_wrote, walk.closed_text)


def is_status_alone(value: object) -> bool:
    """Return whether a value is one status object of a message, complete, with nothing else beside it."""
    return isinstance(value, dict) and _is_single_status(value) and value.keys() <= _STATUS_KEYS


def _is_single_status(value: dict[str, Any]) -> bool:
    message_id, status = value.get("id"), value.get("status")
    return (
        isinstance(message_id, str)
        and message_id.startswith("wamid.")
        and isinstance(status, str)
        and status.strip().lower() in _KNOWN_STATUSES
        and "timestamp" in value
        and ("recipient_id" in value or "recipient_user_id" in value)
    )


class _Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """The objects around a place in a body."""

    metadata: dict[str, Any] = {}
    contacts: tuple[Any, ...] = ()
    from_meta: bool = False
    in_entry: bool = False
    in_envelope: bool = False
    by_person: bool = False
    filled_in: bool = False
    beside_words: bool = False

    def inside(self, value: dict[str, Any], *, by_person: bool) -> _Surroundings:
        """Return the surroundings of the values inside ``value``."""
        outside = not self.in_envelope
        metadata, contacts = value.get("metadata"), value.get("contacts")
        whatsapp = value.get("messaging_product") == "whatsapp"
        has_number = isinstance(metadata, dict) and "phone_number_id" in metadata
        has_entry = "entry" in value or "changes" in value
        return _Surroundings(
            metadata=metadata if isinstance(metadata, dict) else self.metadata,
            contacts=tuple(contacts) if isinstance(contacts, list) else self.contacts,
            from_meta=self.from_meta or whatsapp or has_number or has_entry,
            in_entry=self.in_entry or has_entry,
            in_envelope=self.in_envelope
            or (not self.by_person and not self.filled_in and is_envelope(value, in_entry=self.in_entry)),
            by_person=self.by_person or by_person,
            filled_in=self.filled_in or (outside and any(map(_is_filled_in, value))),
            beside_words=self.beside_words or (outside and _has_words_of_its_own(value)),
        )


class _Walk:
    """Collects holders while it descends into a body."""

    def __init__(self) -> None:
        self.holders: list[Holder] = []
        self.person_wrote = False
        self.closed_text = False

    def visit(self, value: object, around: _Surroundings, depth: int) -> None:
        if depth > MAXIMUM_DEPTH:
            return
        if isinstance(value, dict):
            self._visit_object(value, around, depth)
        elif isinstance(value, list):
            for item in value:
                self.visit(item, around, depth + 1)
        elif isinstance(value, str):
            self._visit_text(value, around)

    def _visit_text(self, text: str, around: _Surroundings) -> None:
        if not around.by_person and not around.in_envelope and looks_like_status(text):
            self.closed_text = True

    def _visit_object(self, value: dict[str, Any], around: _Surroundings, depth: int) -> None:
        by_person = names_a_person(value)
        self.person_wrote = self.person_wrote or by_person
        if value.get("field") == "calls":
            self.person_wrote = True
            return
        if not _names_sender(value):
            for text in filter(_is_text, value.values()):
                self._visit_text(text, around)
        around = around.inside(value, by_person=by_person)
        statuses = value.get("statuses")
        if isinstance(statuses, dict):
            statuses = [statuses]
        elif not isinstance(statuses, list) and _is_single_status(value):
            statuses = [value]
        if isinstance(statuses, list):
            self.holders.append(
                Holder(
                    tuple(statuses),
                    around.metadata,
                    around.contacts,
                    around.from_meta,
                    in_envelope=around.in_envelope,
                    by_person=around.by_person or around.filled_in,
                    beside_words=around.beside_words,
                )
            )
        if statuses == [value]:
            return
        for key, item in value.items():
            if key != "statuses" and key not in _NOT_A_BODY and not _is_text(item):
                self.visit(item, around, depth + 1)


def names_a_person(value: dict[str, Any]) -> bool:
    """Return whether an object holds words of a person, names the person who wrote its texts, or is a form."""
    return _names_sender(value) or holds_persons_words(value)


def holds_persons_words(value: dict[str, Any]) -> bool:
    """Return whether an object holds a message, a call or a Flow of a person, or is a form."""
    wrote = not _WRITTEN.isdisjoint(value) and any(value.get(key) for key in _WRITTEN) and not _is_answer(value)
    return wrote or is_form(value)


def is_form(value: object) -> bool:
    """Return whether a request is a form that a person filled in, or has objects in its query, as forms make them.

    Meta, and machines, send JSON.
    """
    if not isinstance(value, dict):
        return False
    headers, query = value.get("headers"), value.get("query")
    types = headers.items() if isinstance(headers, dict) else ()
    parts = list(query.values()) if isinstance(query, dict) else []
    elements = (element for part in parts for element in (part if isinstance(part, list) else [part]))
    shaped = any(isinstance(element, dict) for element in elements)
    return shaped or any(name.lower() == "content-type" and names_form_type(str(kind).encode()) for name, kind in types)


def names_form_type(text: bytes) -> bool:
    """Return whether a text may name ``multipart/form-data`` or ``application/x-www-form-urlencoded``."""
    return b"form-" in text.lower()


def _names_sender(value: dict[str, Any]) -> bool:
    return any(map(_is_sender_key, value))


def _is_sender_key(key: str) -> bool:
    return _is_short_sender_key(key) if len(key) <= _LONGEST_KEY else _SENDER.search(key) is not None


@functools.lru_cache(maxsize=4_096)
def _is_short_sender_key(key: str) -> bool:
    return _SENDER.search(key) is not None


def _is_filled_in(key: str) -> bool:
    return _is_short_filled_in(key) if len(key) <= _LONGEST_KEY else _FILLED_IN.search(key) is not None


@functools.lru_cache(maxsize=4_096)
def _is_short_filled_in(key: str) -> bool:
    return _FILLED_IN.search(key) is not None


def is_envelope(value: dict[str, Any], *, in_entry: bool = False) -> bool:
    """Return whether an object is Meta's envelope: a webhook or the value of a change, without a person's text."""
    if _names_sender(value) or any(isinstance(value.get(key), str) for key in _WRITTEN):
        return False
    whole = value.get("object") == "whatsapp_business_account" and isinstance(value.get("entry"), (list, dict))
    metadata = value.get("metadata")
    placed = in_entry or (isinstance(metadata, dict) and "phone_number_id" in metadata)
    return whole or (value.get("messaging_product") == "whatsapp" and placed)


def _is_answer(value: dict[str, Any]) -> bool:
    """Return whether this is Meta's answer to a send: its messages have an id, and a status at most."""
    messages = value.get("messages")
    return isinstance(messages, list) and all(
        isinstance(message, dict) and "id" in message and message.keys() <= {"id", "message_status"}
        for message in messages
    )


def _has_words_of_its_own(value: dict[str, Any]) -> bool:
    """Return whether an object that is no status has a text of several words which may be a person's."""
    texts = ((key, item) for key, item in value.items() if isinstance(item, str))
    return not _is_single_status(value) and any(has_several_words(text) and not is_kind_key(key) for key, text in texts)


def is_kind_key(key: str) -> bool:
    """Return whether machines write a word of their own under a key."""
    return _KIND_KEY.search(key) is not None


def has_several_words(text: str) -> bool:
    """Return whether a text has several words, in any script."""
    return _WORDS.search(text) is not None


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str)


def looks_like_status(text: str) -> bool:
    """Return whether a text may be the JSON of a status or of a webhook with statuses."""
    named = "statuses" in text or ("recipient_id" in text and "wamid." in text)
    return named and text.lstrip()[:1] in {"{", "[", '"'}
