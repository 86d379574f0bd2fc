"""Documents for viewers: counts as they are, without phone numbers, texts, links, paths and hosts. Pure.

Words that come from outside (a status Meta invents, a reason n8n gives) are shown only where Ticktrail knows them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ticktrail.alerts.alert import AlertKind
from ticktrail.extraction.withheld import NOT_READ_REASONS, REASONS
from ticktrail.messages.filters import STATUSES, Grouping
from ticktrail.queries.condition import Condition, Seal
from ticktrail.queries.condition import Kind as ConditionKind
from ticktrail.stores.coverage import PendingKind
from ticktrail.text.masking import mask_document, mask_locations, mask_number, mask_text
from ticktrail.text.phone_numbers import person_id

Document = dict[str, Any]

OTHER = "other"

_SEND_STATUSES = frozenset({"accepted", "held_for_quality_assessment", "paused", "rejected"})
_REASONS = REASONS.keys() | set(NOT_READ_REASONS.values()) | {kind.value for kind in PendingKind}
_TIMES = frozenset({"since", "until", "updated_within"})


def revealing_condition(conditions: tuple[Condition[Any], ...], given: Mapping[str, Any]) -> str | None:
    """The name of the first condition that viewers may not use; None when they may use all of them.

    A filter that matches a text which viewers see masked would tell them, number by number, whether they guessed it.
    So a value that masking changes is refused.
    """
    for condition in conditions:
        # A sealed token cannot be typed: it comes from a link of ours.
        if (
            condition.kind not in {ConditionKind.TEXT, ConditionKind.TEXTS}
            or condition.name in _TIMES
            or condition.seal is Seal.TOKEN
        ):
            continue
        value = given.get(condition.name) or ()
        texts = (value,) if isinstance(value, str) else value
        if any(_reveals(condition.name, text) for text in texts):
            return condition.name
    return None


def message(document: Document, salt: bytes = b"") -> Document:
    """A message with its numbers, ids and unknown statuses masked, and without hosts and paths."""
    shown: Document = _without_places(mask_document(document, salt), ())
    shown["latestStatus"] = _known_word(shown["latestStatus"], STATUSES)
    shown["statusHistory"] = [
        {**entry, "status": _known_word(entry["status"], STATUSES)} for entry in shown["statusHistory"]
    ]
    return shown


def send(document: Document, salt: bytes = b"") -> Document:
    """A send, masked like a message."""
    shown: Document = _without_places(mask_document(document, salt), ())
    return {**shown, "status": _known_word(shown["status"], _SEND_STATUSES)}


def alerts(document: Document, salt: bytes, places: tuple[str, ...]) -> Document:
    """Open alerts, without names, notes and the commands that list their messages.

    Args:
        places: paths and hosts to leave out, beside those that look like one.
    """
    left = {name: value for name, value in document.items() if name != "store"}
    left["alerts"] = [
        {
            name: value
            for name, value in _without_reasons(one).items()
            if name not in {"command", "acknowledgedBy", "note"}
        }
        for one in document["alerts"]
    ]
    shown: Document = _without_places(mask_document(left, salt), places)
    return shown


def run(document: Document, salt: bytes) -> Document:
    """A sync: its counts, and whether it failed, without the error's text."""
    left = {name: value for name, value in document.items() if name != "n8n"}
    error = None if document["error"] is None else "The sync failed."
    return {**left, "error": error, "report": mask_document(_counts_in(document["report"]), salt)}


def stats(document: Document, by: Grouping | None) -> Document:
    """Statistics, without names of people; a template's name stays, a number in it does not."""
    document.pop("store", None)
    # The reasons, in brackets, are n8n's own words.
    document["unseen"] = [
        f"{text.partition(' (')[0]}." if text.startswith("n8n withheld") else text for text in document["unseen"]
    ]
    if by is not None and "groups" in document:
        document["groups"] = [group(one, by) for one in document["groups"]]
    return document


def group(document: Document, by: Grouping) -> Document:
    """A group of statistics."""
    key, label = document[by.value], document["label"]
    shown = _key(key, label, by) if isinstance(key, str) else key
    return {**document, by.value: shown, "label": None if label is None else mask_text(label)}


def _without_reasons(alert: Document) -> Document:
    """An alert without the words of n8n and the store, which tell why executions are missing or a sync failed."""
    if alert["kind"] in {AlertKind.WITHHELD, AlertKind.REFUSED}:
        return {**alert, "says": "Viewers do not see the reasons."}
    if alert["kind"] == AlertKind.SYNC:
        return {**alert, "says": alert["says"].partition(" The last sync failed:")[0]}
    return alert


def _reveals(name: str, text: str) -> bool:
    if name in {"number", "number_id"}:
        # Viewers see Meta's ids of the business's own numbers, which have 15 digits or more.
        return mask_text(text) != text and len(person_id(text) or "") < 15
    return mask_text(text) != text


def _known_word(word: str, known: tuple[str, ...] | frozenset[str]) -> str:
    return word if word in known else OTHER


def _key(key: str, label: str | None, by: Grouping) -> str:
    if by in {Grouping.WORKFLOW, Grouping.SENDER}:
        return key
    if by is Grouping.USER:
        return mask_number(key)
    # The key of a sending number is Meta's id, which is not a phone number, or the number itself where no id is known.
    if by is Grouping.NUMBER and key.isascii() and key.isdigit():
        return mask_number(key) if key == label else key
    return mask_text(key)


def _without_places(value: Any, places: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {name: _without_places(inner, places) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_places(inner, places) for inner in value]
    return mask_locations(value, *places) if isinstance(value, str) else value


def _counts_in(report: Document) -> Document:
    """The numbers in a report; counts of reasons that Ticktrail does not know are added up as ``other``."""
    shown: Document = {}
    for name, value in report.items():
        if name in {"notShown", "notRead", "open"} and isinstance(value, dict):
            counts: Counter[str] = Counter()
            for reason, count in value.items():
                counts[reason if reason in _REASONS else OTHER] += count
            shown[name] = dict(counts)
        elif isinstance(value, (int, float)):
            shown[name] = value
    return shown
