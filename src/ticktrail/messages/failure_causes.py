"""Failures counted by code, template, sending workflow and sending number.

Pure. Messages that did not fail are counted too, so that shares can be computed.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ticktrail.messages.model import Send

LONGEST_CODE = 64
_TOO_LARGE = 2**63

NO_RECIPIENT_CODES = (100, 131008, 131009)
"""Failure codes of a request that lacks a parameter, or has an empty one."""


class CauseCount(msgspec.Struct, frozen=True, kw_only=True):
    """Messages to people, or attempts to send, that have all of this in common.

    Attributes:
        failed: failed messages, or sends that Meta refused; else everything that did not.
        code: why, as text; None where no code was given, and where nothing failed.
        title: the reported title of that code, the greatest of several.
        template: its name; None for a message without one, or of which no send is known.
        workflow_id: the workflow that sent; None when no send is known.
        number: the sending number's id, else the number itself; None for sends, which do not say it.
        number_label: the sending number as people write it.
        count: how many.
        people: to how many recipients, counted for failures only.
        first_timestamp: of the earliest, Unix seconds, by the time it was sent; ``last_timestamp`` of the latest.
    """

    failed: bool
    code: str | None = None
    title: str | None = None
    template: str | None = None
    workflow_id: str | None = None
    number: str | None = None
    number_label: str | None = None
    count: int = 0
    people: int = 0
    first_timestamp: int | None = None
    last_timestamp: int | None = None


def error_code(value: object) -> int | str | None:
    """Return a reported code for counting; None for what is neither a whole number of 64 bits nor a text.

    MongoDB's shell writes whole numbers as doubles.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -_TOO_LARGE <= value < _TOO_LARGE else None
    return value if isinstance(value, str) and value else None


def error_title(value: object) -> str | None:
    """Return a reported title for counting; None for what is no text."""
    return value if isinstance(value, str) and value else None


def code_text(value: object) -> str | None:
    """Return a reported code as text of at most :data:`LONGEST_CODE` characters; None for what is no code."""
    code = error_code(value)
    text = "" if code is None else str(code)[:LONGEST_CODE]
    return None if not text or text[0] in "{[" else text


def first_code(errors: object) -> str | None:
    """Return the code of a send's first error as text; None when it is neither a number nor a word."""
    first: Any = errors[0] if isinstance(errors, (list, tuple)) and errors else None
    return code_text(first.get("code")) if isinstance(first, dict) else None


def lacks_recipient(send: Send) -> bool:
    """Return True for a send that WhatsApp refused because it has no recipient.

    A workflow that answers its own status updates makes such sends: a status update names no sender.
    """
    refused = send.rejected and first_code(send.errors) in {str(code) for code in NO_RECIPIENT_CODES}
    return refused and not send.conversation_id and not send.input
