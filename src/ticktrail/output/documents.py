"""Documents as JSON, JSON Lines and indented text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, TextIO

from ticktrail.text.sanitizing import escape_json


def can_show(stream: TextIO, text: str) -> bool:
    """Return True when a stream's encoding has these characters."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def to_json(document: dict[str, Any], *, ascii_only: bool = False, indent: int | None = None) -> str:
    """Return a document as JSON, dates as ISO 8601 with offset, with nothing in it that a terminal obeys."""
    return escape_json(json.dumps(document, default=_json_value, ensure_ascii=ascii_only, indent=indent))


def _json_value(value: object) -> str:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)


def write_documents(documents: Iterable[dict[str, Any]], form: str, stream: TextIO) -> None:
    """Write documents as one JSON array (``json``) or one a line (``jsonl``)."""
    ascii_only = not can_show(stream, "✓é漢")
    if form == "jsonl":
        stream.writelines(to_json(document, ascii_only=ascii_only) + "\n" for document in documents)
        return
    separator = "[\n"
    for document in documents:
        stream.write(separator + to_json(document, ascii_only=ascii_only))
        separator = ",\n"
    stream.write("[]\n" if separator == "[\n" else "\n]\n")
