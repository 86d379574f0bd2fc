"""What the API's answers are for viewers: figures as they are, and no number, text, link, path or host. Pure."""

from __future__ import annotations

from typing import Any

from ticktrail.extraction.withheld import REASONS
from ticktrail.messages.filters import Grouping
from ticktrail.text.masking import hide_places, mask_document, mask_number, mask_text

Document = dict[str, Any]


def message(document: Document, salt: bytes = b"") -> Document:
    """A message: numbers and ids masked, and no address in what was said of a failure."""
    found: Document = _without_places(mask_document(document, salt), ())
    return found


def send(document: Document, salt: bytes = b"") -> Document:
    """A send: as :func:`message`."""
    return message(document, salt)


def alerts(document: Document, salt: bytes, places: tuple[str, ...]) -> Document:
    """What needs somebody. Notes, and where a list can be had by command, are for those who may see it.

    Args:
        places: paths and hosts that may stand in it, beside what looks like one.
    """
    left = {name: value for name, value in document.items() if name != "store"}
    left["alerts"] = [
        {name: value for name, value in one.items() if name not in {"command", "note"}} for one in document["alerts"]
    ]
    found: Document = _without_places(mask_document(left, salt), places)
    return found


def run(document: Document, salt: bytes) -> Document:
    """A sync: what it counted, and whether it failed; not what n8n or the store said."""
    left = {name: value for name, value in document.items() if name != "n8n"}
    error = None if document["error"] is None else "The sync failed."
    return {**left, "error": error, "report": mask_document(_counts_in(document["report"]), salt)}


def stats(document: Document, by: Grouping | None) -> Document:
    """Figures without what people are known by; a template's name stays, a number in it does not."""
    document.pop("store", None)
    document["unseen"] = _without_places(document["unseen"], ())
    if by is not None and "groups" in document:
        document["groups"] = [group(one, by) for one in document["groups"]]
    return document


def group(document: Document, by: Grouping) -> Document:
    """A group of figures."""
    key, label = document[by.value], document["label"]
    shown = _key(key, label, by) if isinstance(key, str) else key
    return {**document, by.value: shown, "label": None if label is None else mask_text(label)}


def _key(key: str, label: str | None, by: Grouping) -> str:
    if by in {Grouping.WORKFLOW, Grouping.SENDER}:
        return key
    if by is Grouping.USER:
        return mask_number(key)
    # One of our own numbers has Meta's id for a key, which nobody can dial, unless none is known.
    if by is Grouping.NUMBER and key.isascii() and key.isdigit():
        return mask_number(key) if key == label else key
    return mask_text(key)


def _without_places(value: Any, places: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {name: _without_places(inner, places) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_places(inner, places) for inner in value]
    return hide_places(value, *places) if isinstance(value, str) else value


def _counts_in(report: Document) -> Document:
    """The numbers in a report, by reasons only where these are words of ours."""
    return {
        name: _counts_in(value) if isinstance(value, dict) else value
        for name, value in report.items()
        if isinstance(value, (int, float, dict)) and (name.isidentifier() or name in REASONS)
    }
