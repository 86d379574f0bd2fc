"""Phone numbers made unrecognisable: ``+966 50 ••• ••41`` for ``966500000041``, in every place they stand.

And places left out of what the ledger says of itself: where a store lies and where n8n runs is not for everybody.

A wamid is base64 and holds the recipient's number in it, so message ids are replaced by short hashes: the same id
always by the same one, and without its random part nobody can count back.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

_DOTS = "•••"

_BETWEEN = r" ().\u00a0\u00ad\u200b-\u2015\u202a-\u202e\u2060\u2066-\u2069-"
"""What people write between digits: hyphens of every kind, and what copying out of an address book leaves unseen."""

_HIDDEN = re.compile(
    r"(?P<wamid>wamid\.[A-Za-z0-9+/_=-]+)"
    r"|(?P<days>(?<![\w+-])(?:19|20)\d\d-[01]\d-[0-3]\d"
    r"(?:\.\.(?:19|20)\d\d-[01]\d-[0-3]\d(?![\w-])|[ T][0-2]\d:[0-5]\d(?!\d)))"
    rf"|(?<!\d)\+?\d(?:[{_BETWEEN}]{{0,2}}\d){{8,}}(?!\d)"
)
"""A message id, or nine digits and more with what people write between them: fewer are codes, dates and counts.

Two days with ``..`` between have sixteen digits, one more than any number (E.164): they are found to be left alone.
"""

_PLACE = re.compile(
    r"""
    [a-z][a-z0-9+.-]{0,30}://\S+                       # an address, credentials and all
    | \\\\[^\s"']+                                    # a Windows share
    | (?<![\w./\\])(?:~|[a-z]:)?(?:[\\/][^\s\\/:;,"'()]+){2,}[\\/]?   # a path from the root
    | (?<![\w./\\])(?:~|[a-z]:)[\\/][^\s:;,"'()]+
    | (?<![\w.-])(?:[a-z][\w-]*\.)*[a-z][\w-]*:\d{2,5}(?!\d)   # a host with a port
    | (?<![\w.-])(?:[a-z0-9][\w-]*\.){2,}[a-z]{2,}(?![\w-])    # a host's whole name
    | (?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\w.]) | \[(?=[0-9a-f.]*:)[0-9a-f:.]{2,45}\](?::\d+)?
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""What repeats and may begin anywhere has an end: a megabyte of letters is searched in a moment, not in hours."""

_IDS = frozenset({"conversation_id", "waId", "recipientUserId", "participant", "displayPhoneNumber", "input"})
_MESSAGE_IDS = frozenset({"messageId", "key"})
_PLAIN = frozenset({"executionId", "workflowId", "phoneNumberId"})
"""Ids of n8n's and Meta's own."""


def mask_number(number: str) -> str:
    """A recipient's id with its middle left out: the calling code, two digits, dots, and the last two.

    What is no phone number keeps its first and last two characters; a short one nothing.
    """
    digits = re.sub(r"[^0-9]", "", number)
    if not re.fullmatch(r"[+\d\s().\u00a0\u2013-]*", number) or not 7 <= len(digits) <= 15:
        return f"{number[:2]}{_DOTS}{number[-2:]}" if len(number) >= 8 else _DOTS
    code = _calling_code(digits)
    rest = digits[len(code) :]
    shown = f"+{code}" if code else ""
    beginning = rest[:2] if len(rest) >= 7 else ""
    return " ".join(filter(None, (shown, beginning, _DOTS, f"••{rest[-2:]}")))


def mask_message_id(message_id: str, salt: bytes = b"") -> str:
    """A short id that stands for a message's: always the same, and different for different salts."""
    return "msg_" + hmac.new(salt, message_id.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:16]


def mask_text(text: str, salt: bytes = b"") -> str:
    """A text with every message id and every phone number in it masked."""

    def masked(found: re.Match[str]) -> str:
        if found["days"]:
            return found[0]
        return mask_message_id(found[0], salt) if found["wamid"] else mask_number(found[0])

    return _HIDDEN.sub(masked, text)


def hide_places(text: str, *known: str) -> str:
    """A text with every path, address and host in it left out, and first of all those that are known."""
    for place in sorted(filter(None, known), key=len, reverse=True):
        text = text.replace(place, "…")
    return _PLACE.sub("…", text)


def mask_document(document: dict[str, Any], salt: bytes = b"") -> dict[str, Any]:
    """A message's or a send's document, masked throughout; times, codes and n8n's ids stay as they are."""
    return {name: _masked(name, value, salt) for name, value in document.items()}


def _masked(name: str, value: object, salt: bytes) -> Any:
    if isinstance(value, dict):
        # A key is whatever somebody reported, too.
        return {mask_text(str(key), salt): _masked(str(key), inner, salt) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(name, inner, salt) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and name in _IDS:
        return mask_number(str(value))
    if not isinstance(value, str) or name in _PLAIN or name.endswith("Formatted"):
        return value
    if name in _MESSAGE_IDS:
        return mask_message_id(value, salt)
    return mask_number(value) if name in _IDS else mask_text(value, salt)


def _calling_code(digits: str) -> str:
    """The country's part of a whole number; empty when no country has it."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE  # noqa: PLC0415 - loaded when a number is masked

    return next((digits[:size] for size in (1, 2, 3) if int(digits[:size]) in COUNTRY_CODE_TO_REGION_CODE), "")
