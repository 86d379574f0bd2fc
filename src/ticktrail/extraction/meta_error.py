"""Find Meta's error in a failure as n8n keeps it.

n8n keeps it in ``error.errorResponse`` (WhatsApp node), as text in ``error.messages`` (HTTP Request node), in
``error.error``, ``error.response`` or ``error.cause`` (older releases), or, when the node continues on failure, only in
the item's description.

Pure. See: https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ticktrail.extraction.status import read_error

_CODE_IN_TEXT = re.compile(r"\(#(\d{1,9})\)\s*")
"""At the start of Meta's sentence. Behind it, n8n and Meta may quote what a person wrote."""

_EXPIRED_TOKEN = re.compile(r"error validating access token", re.IGNORECASE)
"""Meta's sentence for code 190, which n8n passes on without the code."""


def find_meta_error(failure: object) -> dict[str, Any] | None:
    """Return Meta's error with its code, or None when the failure does not come from Meta."""
    if isinstance(failure, str):
        return _error_in_text(failure)
    if not isinstance(failure, dict):
        return None
    for holder in _responses(failure):
        error = holder.get("error")
        if isinstance(error, dict) and (read := _graph_error(error)):
            return read
    messages = failure.get("messages")
    texts = [*messages] if isinstance(messages, list) else []
    texts += [failure.get("description"), failure.get("message"), _object(failure.get("cause")).get("message")]
    for text in texts:
        if isinstance(text, str) and (read := _error_in_text(text)):
            return read
    nested = failure.get("error")
    return find_meta_error(nested) if isinstance(nested, str) else None


def _responses(failure: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a failure that may be the body of Meta's response."""
    cause = _object(failure.get("cause"))
    for response in (_object(failure.get("errorResponse")), _object(failure.get("response"))):
        yield from (_object(response.get("body")), _object(response.get("data")), response)
    yield from (_object(failure.get("error")), _object(cause.get("error")), cause)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _error_in_text(text: str) -> dict[str, Any] | None:
    """Return Meta's error from a text: JSON behind the HTTP status, ``(#code)``, or Meta's sentence for code 190."""
    _, dash, rest = text.partition(" - ")
    opened: object = rest if dash else text
    for _ in range(2):  # n8n writes the JSON of a text that is JSON
        if isinstance(opened, str) and opened.lstrip()[:1] in {"{", '"'}:
            try:
                opened = json.loads(opened)
            except (ValueError, RecursionError):
                break
    error = opened.get("error") if isinstance(opened, dict) else None
    if isinstance(error, dict):
        return _graph_error(error)
    code = _CODE_IN_TEXT.match(text) or _CODE_IN_TEXT.match(rest.lstrip('" '))
    if code is not None:
        return _graph_error({"code": code.group(1), "message": text})
    return _graph_error({"code": 190, "message": text}) if _EXPIRED_TOKEN.match(text) else None


def _graph_error(error: dict[str, Any]) -> dict[str, Any] | None:
    """Return Meta's Graph error in the form of a status error. Its message without the code becomes the title."""
    read = read_error(error)
    if "code" not in read:
        return None
    message = read.get("message")
    if message is not None and "title" not in read:
        read["title"] = _CODE_IN_TEXT.sub("", message) or message
    return dict(sorted(read.items()))
