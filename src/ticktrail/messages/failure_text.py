"""Failures in words: the reason, WhatsApp's details, and whether sending again helps.

Reported titles and details are cut and put on one line. The catalogue's title of a code replaces the reported one,
which Meta plans to remove.

See: https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
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
    "workflow": "every message that the workflow sends in this way",
    "number": "every message from this number",
    "country": "everyone in that country",
    "account": "the whole WhatsApp account",
    "app": "everything sent with this app's token",
    "group": "this group",
    "platform": "everyone: Meta has a problem",
}
ALERTS = {"at_once": "at once", "by_rate": "when many", "never": "no"}


NO_REASON = "no reason given"


def short_reason(failure: Failure | None, catalogue: Catalogue) -> str:
    """Return a failure in a few words: ``131026 Message undeliverable``."""
    if failure is None:
        return NO_REASON
    return " ".join(filter(None, (_shown_code(failure.code), _title(failure, catalogue))))


def failure_clause(failure: Failure | None, catalogue: Catalogue) -> str:
    """Return a failure for the end of a sentence: ``Message undeliverable (131026)``."""
    if failure is None:
        return NO_REASON
    code = _shown_code(failure.code)
    return _title(failure, catalogue).rstrip(".") + (f" ({code})" if code else "")


def conflict_text(code: Code | None) -> str:
    """Return the text for a conflict: failed and delivered both reported."""
    shown = _shown_code(code)
    return "although WhatsApp also reported an error" + (f" ({shown})" if shown else "")


def reported_details(failure: Failure | None) -> str:
    """Return WhatsApp's details of a failure, unless they repeat its title; else an empty text."""
    if failure is None or failure.details in (None, failure.title):
        return ""
    return one_line(str(failure.details), LONGEST_DETAILS)


def read_failure(error: Mapping[str, Any]) -> Failure:
    """Return an error of a status as a failure; ``message`` replaces missing details."""
    return Failure(plain_code(error.get("code")), error.get("title"), error.get("details") or error.get("message"))


def retry_short(entry: FailureCode) -> str:
    """Return when to send the same message again: ``now``, ``after 1 h``, ``no``."""
    if entry.retry == "after":
        return f"after {short_duration(entry.wait, round_up=True)}"
    return "now" if entry.retry == "now" else "no"


def retry_text(entry: FailureCode) -> str:
    """Return when to send the same message again, in words."""
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
