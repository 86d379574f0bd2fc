"""Mask phone numbers in texts and documents: ``+966 50 ••• ••41`` for ``966500000041``.

Paths, hosts and addresses are masked too: viewers must not learn where the store and n8n are.

A wamid holds the recipient's number in base64, so message ids are replaced by short hashes. An id always has the same
hash, and the hash cannot be reversed without the random part of the id.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

_DOTS = "•••"

_BETWEEN = (
    r" ()./_\u00a0\u00ad\u00b7\u2000-\u2015\u202a-\u202f\u2044\u205f-\u2060\u2066-\u2069\u2212\u3000\ufe63\uff0d-"
)
"""Characters between digits: spaces, brackets, slashes, hyphens of every kind, and invisible marks."""

_HIDDEN = re.compile(
    r"(?P<wamid>wamid\.[A-Za-z0-9+/_=-]+)"
    r"|(?P<days>(?<![\w+-])(?:19|20)\d\d-[01]\d-[0-3]\d"
    r"(?:\.\.(?:19|20)\d\d-[01]\d-[0-3]\d(?![\w-])|[ T][0-2]\d:[0-5]\d(?!\d)))"
    rf"|(?<!\d)\+?\d(?:[{_BETWEEN}]{{0,2}}\d){{8,}}(?!\d)"
)
"""A message id, or nine digits and more with separators. Fewer digits are codes, dates and counts.

Two days with ``..`` between them are matched so that they can be left alone.
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
"""Every repetition is bounded, so that searching a megabyte of letters stays fast."""

_IDS = frozenset({"conversation_id", "waId", "recipientUserId", "participant", "displayPhoneNumber", "input"})
_MESSAGE_IDS = frozenset({"messageId", "key"})
_PLAIN = frozenset({"executionId", "workflowId", "phoneNumberId"})
"""Fields with ids of n8n and Meta, which are not masked."""


def mask_number(number: str) -> str:
    """Return a recipient's id without its middle: the calling code, two digits, dots, and the last two digits.

    An id that is not a phone number keeps its first and last two characters; a short one is masked whole.
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
    """Return a short id in place of a message's: always the same for one salt."""
    return "msg_" + hmac.new(salt, message_id.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:16]


def mask_text(text: str, salt: bytes = b"") -> str:
    """Return a text with every message id and every phone number in it masked."""

    def masked(found: re.Match[str]) -> str:
        if found["days"]:
            return found[0]
        return mask_message_id(found[0], salt) if found["wamid"] else mask_number(found[0])

    return _HIDDEN.sub(masked, text)


def mask_locations(text: str, *known: str) -> str:
    """Return a text without the paths, addresses and hosts in it; ``known`` ones are removed first."""
    for place in sorted(filter(None, known), key=len, reverse=True):
        text = text.replace(place, "…")
    return _PLACE.sub("…", text)


def mask_document(document: dict[str, Any], salt: bytes = b"") -> dict[str, Any]:
    """Return the document of a message or a send with all numbers masked; times, codes and n8n's ids stay."""
    return {name: _masked(name, value, salt) for name, value in document.items()}


def _masked(name: str, value: object, salt: bytes) -> Any:
    if isinstance(value, dict):
        # Keys of reported objects can hold numbers too.
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
    """Return the calling code of a whole number; empty when no country has it."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE  # noqa: PLC0415 - loaded when a number is masked

    return next((digits[:size] for size in (1, 2, 3) if int(digits[:size]) in COUNTRY_CODE_TO_REGION_CODE), "")
