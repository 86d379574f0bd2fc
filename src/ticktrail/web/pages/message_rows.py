"""Messages as rows of a list, and one message in full: reason, advice, timeline, details."""

from __future__ import annotations

import itertools
from typing import Any

from ticktrail.messages.failure_text import read_failure, reported_details, retry_text, short_reason
from ticktrail.messages.filters import STATUSES
from ticktrail.messages.model import FAILED, HistoryEntry, Message
from ticktrail.output.messages import timeline
from ticktrail.web.pages import wording
from ticktrail.web.pages.command_texts import from_english
from ticktrail.web.pages.context import Visitor, recipient_of
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import ngettext

MOST_ENTRIES = 100
_MOST_ERRORS = 5

_TICKS = {"sent": "sent", "delivered": "delivered", "read": "read", "played": "read",
          "failed": "failed", "undelivered": "failed"}  # fmt: skip


def tick(visitor: Visitor, status: str) -> dict[str, str]:
    """A status as WhatsApp draws it, with the word beside: colour alone does not tell them apart.

    Anybody can invent a status, so viewers do not see the words that Ticktrail does not know.
    """
    word = _("unknown") if visitor.masked and status not in STATUSES else wording.status(status)
    return {"kind": _TICKS.get(status, "other"), "word": wording.capital(word)}


def row(visitor: Visitor, message: Message) -> dict[str, Any]:
    """A message as a row: sent, recipient, status, template, campaign, reason."""
    site, state = visitor.site, message.state
    who = recipient_of(message)
    sent = state.sent_timestamp or state.first_timestamp or state.latest_timestamp
    template, campaign = message.template, visitor.campaign(message)
    return {
        "when": wording.clock(sent, site.zone, site.now()),
        "when_full": wording.iso(sent, site.zone),
        "href": visitor.message(message.message_id),
        "who": visitor.who(who),
        "person": visitor.person(who),
        "tick": tick(visitor, state.latest_status),
        "delay": wording.delay(message),
        "reached": _reached(visitor, sent, state.latest_timestamp),
        "template": visitor.text(template.name, 80) if template else "",
        "language": visitor.text(template.language or "", 20) if template else "",
        "campaign": visitor.text(campaign, 60) if campaign else "",
        "reason": visitor.text(about(visitor, message)),
        "failed": state.latest_status in FAILED,
    }


def _reached(visitor: Visitor, sent: int | None, latest: int | None) -> str:
    """When the status was reached, the day left out where it is the day of sending."""
    site = visitor.site
    if latest is None or latest == sent:
        return ""
    reached, began = (wording.clock(at, site.zone, site.now()) for at in (latest, sent))
    return reached.rpartition(" ")[2] if reached.rpartition(" ")[0] == began.rpartition(" ")[0] else reached


def about(visitor: Visitor, message: Message) -> str:
    """The reason of a failure, a conflict, and the members of a group that were reached."""
    state = message.state
    parts: list[str] = []
    if state.latest_status in FAILED:
        parts.append(from_english(short_reason(state.failure, visitor.site.catalogue)))
    elif state.conflict:
        parts.append(_("although WhatsApp also reported an error") + f" ({_code(message)})")
    members = {entry.participant for entry in message.history if entry.participant}
    if members:
        reached = {entry.participant for entry in message.history if entry.status == state.latest_status}
        parts.append(_("{reached} of {all} members").format(reached=len(reached & members), all=len(members)))
    return " · ".join(parts)


def full(visitor: Visitor, message: Message) -> dict[str, Any]:
    """A message in full."""
    site, who = visitor.site, recipient_of(message)
    return {
        "sentence": visitor.text(wording.sentence(message, site.zone, site.now(), site.catalogue), 300),
        "tick": tick(visitor, message.state.latest_status),
        "who": visitor.who(who),
        "person": visitor.person(who),
        "href": visitor.message(message.message_id),
        "why": _why(visitor, message),
        "timeline": _timeline(visitor, message),
        "more": max(0, len(message.history) - MOST_ENTRIES),
        "facts": _facts(visitor, message),
        "sending": _sending(visitor, message),
    }


def _why(visitor: Visitor, message: Message) -> dict[str, Any] | None:
    state, catalogue = message.state, visitor.site.catalogue
    failed = state.latest_status in FAILED
    if not failed and not state.conflict:
        return None
    entry = catalogue.lookup(state.failure.code if state.failure else None)
    details = reported_details(state.failure)
    return {
        "failed": failed,
        "title": visitor.text(from_english(short_reason(state.failure, catalogue))),
        "details": visitor.text(details, 400) if details else "",
        "advice": visitor.text(entry.advice, 600) if failed else "",
        "again": wording.capital(from_english(retry_text(entry))) if failed else "",
    }


def _timeline(visitor: Visitor, message: Message) -> list[dict[str, Any]]:
    site, main_reason = visitor.site, short_reason(message.state.failure, visitor.site.catalogue)
    found, before = [], None
    for entry, executions in itertools.islice(timeline(message.history), MOST_ENTRIES):
        at = entry.timestamp
        passed = "" if before is None or at is None or at < before else f"+{wording.duration(at - before)}"
        before = at if at is not None else before
        reasons = (short_reason(read_failure(error), site.catalogue) for error in (entry.errors or ())[:_MOST_ERRORS])
        found.append(
            {
                "when": wording.clock(at, site.zone, site.now(), seconds=True),
                "when_full": wording.iso(at, site.zone),
                "passed": passed,
                "tick": tick(visitor, entry.status),
                "notes": _notes(visitor, entry, executions),
                "execution": executions[0],
                "href": visitor.execution(entry.workflow_id or message.state.workflow_id, executions[0]),
                # The reason of the whole message is shown above.
                "errors": [visitor.text(reason) for reason in reasons if reason != main_reason],
            }
        )
    return found


def _notes(visitor: Visitor, entry: HistoryEntry, executions: list[str]) -> list[str]:
    found = []
    if entry.timestamp_source == "execution":
        found.append(_("time of the execution: the webhook carried none"))
    if entry.participant:
        found.append(visitor.who(entry.participant))
    if len(executions) > 1:
        found.append(_("seen {count}\N{MULTIPLICATION SIGN}").format(count=len(executions)))
    return found


def _facts(visitor: Visitor, message: Message) -> list[tuple[str, str]]:
    attributes, template, sender = message.attributes, message.template, message.sent_by
    number = (
        visitor.who(attributes.display_phone_number) if attributes.display_phone_number else attributes.phone_number_id
    )
    facts = (
        (_("To"), visitor.who(recipient_of(message))),
        (_("From"), number if number and attributes.display_phone_number else visitor.text(number or "", 60)),
        (_("Template"), visitor.text("/".join(filter(None, (template.name, template.language))), 200)
         if template else ""),
        (_("Campaign"), visitor.text(visitor.campaign(message) or "", 200)),
        (_("Sent by"), visitor.text(_("{node} in workflow {workflow}").format(
            node=sender.node, workflow=sender.workflow_id), 200) if sender else ""),
        (_("Price"), visitor.text(_price(message), 80)),
        (_("n8n"), visitor.text(attributes.instance or "", 80)),
        (_("Message id"), "" if visitor.masked else message.message_id[:300]),
    )  # fmt: skip
    return [(name, value) for name, value in facts if value]


def _sending(visitor: Visitor, message: Message) -> dict[str, str] | None:
    sender = message.sent_by
    address = None if sender is None else visitor.execution(sender.workflow_id, sender.execution_id)
    return None if sender is None or address is None else {"execution": sender.execution_id, "href": address}


def _price(message: Message) -> str:
    pricing = message.state.pricing or {}
    category, billable = pricing.get("category"), pricing.get("billable")
    billed = (_("billed") if billable else _("free")) if isinstance(billable, bool) else ""
    return ", ".join(filter(None, (category if isinstance(category, str) else "", billed)))


def _code(message: Message) -> str:
    failure = message.state.failure
    return _("no code") if failure is None or failure.code is None else str(failure.code)


def position(first: int, shown: int, total: int) -> str:
    """``51-100 of 5,065``, with a dash."""
    if not shown:
        return ngettext("{count} message", "{count} messages", total)
    return _("{first}\N{EN DASH}{last} of {total}").format(
        first=f"{first + 1:,}", last=f"{first + shown:,}", total=f"{max(total, first + shown):,}"
    )
