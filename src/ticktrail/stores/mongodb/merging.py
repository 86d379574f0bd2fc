"""Merges into stored documents: which fields to write, so that whatever other programs added stays.

Messages are merged by :mod:`ticktrail.messages.merge`, as in every store. A document of an earlier tool is adopted by
the first merge into it: its known fields are normalised, unknown ones stay, in the document and in its history entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any

import bson

from ticktrail.messages.document import MILESTONES, entry_from_document, text_of, to_document
from ticktrail.messages.merge import entry_key
from ticktrail.messages.model import Message
from ticktrail.stores.mongodb.bulk import Decision, Insert, Update

_ENTRY_FIELDS = frozenset(
    {
        *("status", "timestamp", "timestampFormatted", "executionId", "conversation_id", "participant"),
        *("timestampSource", "workflowId", "errors", "pricing"),
        # Of an earlier tool; they say the same as conversation_id and the document's messageId.
        *("waId", "messageId"),
    }
)

_OPTIONAL = (
    *("phoneNumberId", "displayPhoneNumber", "recipientUserId", "callbackData", "instance"),
    *("pricing", "conflict", "failure"),
    *(f"{name}Timestamp" for name in MILESTONES),
)
"""Fields that a document lacks where nothing is known. Template and sender are not among them: sends decide those."""

_FROM_SEND = ("template", "sentBy")
_SCANNED = "lastScannedAt"


def insertion(message: Message, zone: tzinfo) -> Insert:
    """Return the insertion of a new message."""
    return Insert(to_document(message, zone))


def change(
    stored: Mapping[str, Any], before: Message | None, merged: Message, zone: tzinfo, *, with_send: bool = False
) -> Decision:
    """Return the update of a stored document after a merge; None where at most ``lastScannedAt`` differs.

    Args:
        stored: the document that was read, and ``before`` the message it means, None when there is no status in it.
        merged: the message after the merge.
        zone: of the formatted times.
        with_send: also write the message's template and sender.
    """
    document = to_document(merged, zone)
    document["statusHistory"] = _history(stored, merged, document["statusHistory"])
    scanned = document.pop(_SCANNED)
    if not with_send:
        for name in _FROM_SEND:
            document.pop(name, None)
    fields = {name: value for name, value in document.items() if name not in stored or not is_same(stored[name], value)}
    removed = [name for name in _OPTIONAL if name in stored and name not in document]
    if not isinstance(stored.get(_SCANNED), datetime):
        # $max would keep what an earlier tool wrote instead of a date.
        fields[_SCANNED] = scanned
    if not fields and not removed:
        return None
    return Update(
        fields=fields,
        removed=removed,
        maximum={} if _SCANNED in fields else {_SCANNED: scanned},
        grew=before is None or len(merged.history) > len(before.history),
    )


def is_same(one: object, other: object) -> bool:
    """Return whether two values are equal and written alike: to Python 1, 1.0 and True are equal.

    Instants may be of different zones.
    """
    return one == other and (isinstance(one, datetime) or repr(one) == repr(other))


def _history(stored: Mapping[str, Any], merged: Message, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries of a merged message, with the fields that others added to the stored ones."""
    added = _additions(stored)
    if not added:
        return entries
    return [
        {**entry, **{name: value for name, value in added.get(entry_key(known), {}).items() if name not in entry}}
        for known, entry in zip(merged.history, entries, strict=True)
    ]


def _additions(stored: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the fields of stored history entries that are not Ticktrail's, by the entry's key."""
    history = stored.get("statusHistory")
    workflow_id = text_of(stored.get("workflowId")) or ""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in history if isinstance(history, list) else ():
        fields = entry if isinstance(entry, Mapping) else {}
        added = {name: value for name, value in fields.items() if _is_added(name, value)}
        known = entry_from_document(entry, workflow_id) if added else None
        if known is not None:
            found.setdefault(entry_key(known), []).append(added)
    # Copies of one entry may disagree; which value stays depends on their content alone.
    return {
        key: {name: value for copy in sorted(copies, key=bson.encode) for name, value in copy.items()}
        for key, copies in found.items()
    }


def _is_added(name: str, value: object) -> bool:
    """Return whether a field of an entry is unknown, or holds a value that the known field cannot."""
    if name == "errors":
        return value is not None and not isinstance(value, list)
    if name == "pricing":
        return value is not None and not isinstance(value, dict)
    return name not in _ENTRY_FIELDS
