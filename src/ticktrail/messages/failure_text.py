"""Why a message failed, in words: the short reason, what WhatsApp said, and whether sending again helps.

Titles and details come from outside, so they are cut and put on one line. Where the catalogue knows the code, its own
title stands in for the reported one, which Meta means to drop (its page of error codes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ticktrail.messages.error_codes import Catalogue, Code, FailureCode, plain_code
from ticktrail.messages.model import Failure
from ticktrail.text.formatting import short_duration
from ticktrail.text.sanitizing import one_line

LONGEST_TITLE = 80
LONGEST_DETAILS = 400

CONCERNS = {
    "person": "this person",
    "message": "this message",
    "template": "every message with this template",
    "flow": "every message with this Flow",
    "workflow": "whatever the workflow sends in this way",
    "number": "every message from this number",
    "country": "everybody in that country",
    "account": "the whole WhatsApp account",
    "app": "everything sent with this app's token",
    "group": "this group",
    "platform": "everybody: the trouble is Meta's",
}
ALERTS = {"at_once": "at once", "by_rate": "when many", "never": "no"}


NO_REASON = "no reason given"


def short_reason(failure: Failure | None, catalogue: Catalogue) -> str:
    """A failure in a few words: ``131026 Message undeliverable``."""
    if failure is None:
        return NO_REASON
    return " ".join(filter(None, (_shown_code(failure.code), _title(failure, catalogue))))


def clause(failure: Failure | None, catalogue: Catalogue) -> str:
    """A failure as the end of a sentence: ``Message undeliverable (131026)``."""
    if failure is None:
        return NO_REASON
    code = _shown_code(failure.code)
    return _title(failure, catalogue).rstrip(".") + (f" ({code})" if code else "")


def although(code: Code | None) -> str:
    """How screens call a conflict: failed and delivered both reported (product.md §6)."""
    shown = _shown_code(code)
    return "although WhatsApp also reported an error" + (f" ({shown})" if shown else "")


def said(failure: Failure | None) -> str:
    """What WhatsApp said of a failure beyond its code and title, or an empty string."""
    if failure is None or failure.details in (None, failure.title):
        return ""
    return one_line(str(failure.details), LONGEST_DETAILS)


def read_failure(error: Mapping[str, Any]) -> Failure:
    """An error of a status as a failure, whoever wrote it; ``message`` stands in for missing details."""
    return Failure(plain_code(error.get("code")), error.get("title"), error.get("details") or error.get("message"))


def again(entry: FailureCode) -> str:
    """Whether to send the same again, as a short answer."""
    if entry.retry == "after":
        return f"after {short_duration(entry.wait, round_up=True)}"
    return "now" if entry.retry == "now" else "no"


def again_in_full(entry: FailureCode) -> str:
    """Whether to send the same again, as a clause."""
    if entry.retry == "never" and entry.category == "unknown":
        return "not known"
    if entry.retry == "never":
        return "no: as things stand it would fail again"
    return "yes, at once" if entry.retry == "now" else f"yes, after {short_duration(entry.wait, round_up=True)}"


def _title(failure: Failure, catalogue: Catalogue) -> str:
    entry = catalogue.lookup(failure.code)
    return entry.title if entry.known else one_line(str(failure.title or ""), LONGEST_TITLE) or entry.title


def _shown_code(code: Code | None) -> str:
    plain = plain_code(code)
    return "" if plain is None else one_line(str(plain), 40)
