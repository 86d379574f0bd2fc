"""Tell the texts that machines write from the words of people, in which a forged status may be hidden.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ticktrail.extraction.webhook import (
    MAXIMUM_DEPTH,
    has_several_words,
    holds_persons_words,
    is_envelope,
    is_kind_key,
    names_a_person,
)

_WAMID = re.compile(r"wamid\.[\w+/=.:-]*")

_LONGEST_WORD = 60
"""A text that is longer may hold the JSON of a status, plain or encoded. The shortest status has 64 bytes in base64."""

MADE_BY_N8N = frozenset({"headers", "webhookUrl"})
"""Keys of a Webhook node's item that hold no part of the body."""

_MACHINE_TEXT = re.compile(r"https?://\S+|(?=\D*\d)[^\s{}\[\]]*|[\W\d_]*")
"""A number, a date, an id or a URL."""


def is_free_of_words(value: object, depth: int = 0, *, senders: bool = True) -> bool:
    """Return whether a JSON value holds no text of a person that could be, or hide, the JSON of a status.

    Args:
        senders: an object that names a person, such as a customer's phone, is that person's.
    """
    if depth > MAXIMUM_DEPTH:
        return False
    if isinstance(value, str):
        return (len(value) <= _LONGEST_WORD and "{" not in value and "[" not in value) or bool(_WAMID.fullmatch(value))
    if isinstance(value, list):
        return all(is_free_of_words(item, depth + 1, senders=senders) for item in value)
    if not isinstance(value, dict):
        return True
    if names_a_person(value) if senders else holds_persons_words(value):
        return False
    return all(_is_member_free(key, item, depth, senders=senders) for key, item in value.items())


def has_words(value: object) -> bool:
    """Return whether a JSON value holds, outside Meta's envelopes, a text of several words or with an object in it."""
    return not _outside_envelopes(value, lambda text, _: not has_several_words(text) and "{" not in text)


def is_machine_made(value: object) -> bool:
    """Return whether every text of a JSON value, outside Meta's envelopes, is one that only machines write."""
    return _outside_envelopes(value, _is_machine_text)


def _is_machine_text(text: str, key: str) -> bool:
    named = is_kind_key(key) and len(text) <= _LONGEST_WORD and not has_several_words(text)
    return named or _MACHINE_TEXT.fullmatch(text) is not None


def _outside_envelopes(value: object, accepts: Callable[[str, str], bool], key: str = "", depth: int = 0) -> bool:
    """Return whether all texts outside Meta's envelopes, each with its key, are accepted."""
    if isinstance(value, str):
        return accepts(value, key)
    if depth > MAXIMUM_DEPTH:
        return False
    if isinstance(value, list):
        return all(_outside_envelopes(item, accepts, key, depth + 1) for item in value)
    if not isinstance(value, dict) or is_envelope(value):
        return True
    return all(
        (name in MADE_BY_N8N and depth == 0) or _outside_envelopes(item, accepts, name, depth + 1)
        for name, item in value.items()
    )


def _is_member_free(key: str, item: object, depth: int, *, senders: bool) -> bool:
    if key == "contacts" and isinstance(item, list):
        return _are_contacts(item)
    if key == "statuses" and isinstance(item, list):
        return all(is_free_of_words(_without_sentences(status), depth + 2) for status in item)
    return (key in MADE_BY_N8N and depth == 0) or is_free_of_words(item, depth + 1, senders=senders)


def _without_sentences(status: object) -> object:
    """Return a status without Meta's own sentences: its errors. Callback data may hold what a customer wrote."""
    if not isinstance(status, dict) or not isinstance(status.get("errors"), list):
        return status
    return {key: item for key, item in status.items() if key != "errors"}


def _are_contacts(contacts: list[Any]) -> bool:
    """Return whether Meta's ``contacts`` hold names and ids, not the JSON of something."""
    return all(
        is_free_of_words(value)
        for contact in contacts
        for value in (contact.values() if isinstance(contact, dict) else [contact])
    )
