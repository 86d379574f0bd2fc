"""Messages as rows that open into their timeline, and one message in full."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from nicegui.element import Element

from ticktrail.messages.failure_text import again_in_full, read_failure, said, short_reason
from ticktrail.messages.model import Message
from ticktrail.output.messages import timeline
from ticktrail.web.pages import components as parts
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.context import Visitor, recipient_of


def table(visitor: Visitor, messages: Iterable[Message]) -> Element:
    """Messages as a table; a row opens and closes its timeline."""
    with parts.box("table-wrap"), parts.box("messages", tag="table") as element:
        with parts.box(tag="thead"), parts.box(tag="tr"):
            for heading in words.MESSAGE_HEADINGS:
                parts.text(heading, tag="th", scope="col")
        for message in messages:
            _row(visitor, message)
    return element


def _row(visitor: Visitor, message: Message) -> None:
    site = visitor.site
    state, zone, now = message.state, site.settings.timezone, site.now()
    with parts.box("message", tag="tbody"):
        row = parts.box("row", tag="tr")
        with row:
            with parts.box("when", tag="td"):
                if not visitor.wall:
                    # A press on it is one on the row.
                    opener = parts.text("", "opener", tag="button", type="button", aria_expanded="false")
                    opener.props["aria-label"] = words.TIMELINE
                parts.link(
                    words.clock(state.latest_timestamp, zone, now),
                    visitor.message(message.message_id),
                    "quiet",
                )
            with parts.box("who", tag="td"):
                who = recipient_of(message)
                parts.link(visitor.who(who), visitor.person(who), "quiet")
            with parts.box("stands", tag="td"):
                parts.tick(state.latest_status)
            parts.text(visitor.text(about(visitor, message)), "about", tag="td")
            parts.text(visitor.text(_sent_with(message), 80), "with", tag="td")
        if visitor.wall:
            return
        detail = parts.box("detail", tag="tr")
        detail.set_visibility(False)

        def toggle() -> None:
            if not detail.visible and not detail.default_slot.children:
                with detail, parts.box(tag="td", colspan=str(len(words.MESSAGE_HEADINGS))):
                    full(visitor, message)
            detail.set_visibility(not detail.visible)
            opener.props["aria-expanded"] = str(detail.visible).lower()
            opener.update()

        row.on("click", toggle, js_handler="(event) => { if (!event.target.closest('a')) emit(); }")


def about(visitor: Visitor, message: Message, *, with_campaign: bool = True) -> str:
    """What one should know of a message beside its status, in a few words."""
    state = message.state
    told: list[str] = []
    if parts.is_failed(state.latest_status):
        told.append(short_reason(state.failure, visitor.site.catalogue))
    elif state.conflict:
        told.append(words.ALTHOUGH.format(code=_code(message)))
    members = {entry.participant for entry in message.history if entry.participant}
    if members:
        reached = {entry.participant for entry in message.history if entry.status == state.latest_status}
        told.append(words.MEMBERS.format(reached=len(reached & members), all=len(members)))
    if message.attributes.callback_data and with_campaign:
        told.append(message.attributes.callback_data)
    return " · ".join(told)


def full(visitor: Visitor, message: Message) -> None:
    """One message: why, what to do, its timeline, and whose it is."""
    _why(visitor, message)
    _timeline(visitor, message)
    _facts(visitor, message)


def _why(visitor: Visitor, message: Message) -> None:
    state, catalogue = message.state, visitor.site.catalogue
    failed = parts.is_failed(state.latest_status)
    if not failed and not state.conflict:
        return
    entry = catalogue.lookup(state.failure.code if state.failure else None)
    with parts.box(f"why {'failed' if failed else 'conflict'}"):
        parts.text(visitor.text(short_reason(state.failure, catalogue)), "why-title", tag="p")
        told = said(state.failure)
        if told:
            parts.text(words.WHATSAPP_SAID.format(said=visitor.text(told, 400)), tag="p")
        if failed:
            parts.text(f"{words.WHAT_TO_DO}: {entry.advice}", tag="p")
            parts.text(words.SENDING_AGAIN.format(answer=words.capital(again_in_full(entry))), tag="p")
        else:
            parts.text(words.ARRIVED_ANYWAY, tag="p")


def _timeline(visitor: Visitor, message: Message) -> None:
    site = visitor.site
    zone, now = site.settings.timezone, site.now()
    told = short_reason(message.state.failure, site.catalogue)
    with parts.box("timeline", tag="ol", aria_label=words.TIMELINE):
        for entry, executions in itertools.islice(timeline(message.history), 100):
            with parts.box("event", tag="li"):
                parts.text(words.clock(entry.timestamp, zone, now, seconds=True), "event-time")
                parts.tick(entry.status)
                if entry.timestamp_source == "execution":
                    parts.text(words.TIME_OF_EXECUTION, "muted")
                if entry.participant:
                    parts.text(visitor.who(entry.participant), "muted")
                if len(executions) > 1:
                    parts.text(words.SEEN.format(count=len(executions)), "muted")
                address = visitor.execution(entry.workflow_id or message.state.workflow_id, executions[0])
                if address is not None:
                    parts.away(words.EXECUTION.format(execution=executions[0]), address)
                for error in (entry.errors or ())[:5]:
                    reason = short_reason(read_failure(error), site.catalogue)
                    # What stands above already is not said twice.
                    if reason != told:
                        parts.text(visitor.text(reason), "event-error")
    if len(message.history) > 100:
        parts.text(words.STATUSES_MORE.format(count=len(message.history) - 100), "muted")


def _facts(visitor: Visitor, message: Message) -> None:
    known, template, sender = message.attributes, message.template, message.sent_by
    facts: dict[str, str | None] = {
        "to": visitor.who(recipient_of(message)),
        "from": visitor.who(known.display_phone_number) if known.display_phone_number else known.phone_number_id,
        "template": "/".join(filter(None, (template.name, template.language))) if template else None,
        "campaign": known.callback_data,
        "sent_by": words.SENDER.format(node=sender.node, workflow=sender.workflow_id) if sender else None,
        "price": _price(message),
        "instance": known.instance,
        "message_id": message.message_id if not visitor.masked else None,
    }
    with parts.box("facts", tag="dl"):
        for name, value in facts.items():
            if value:
                parts.text(words.FACTS[name], tag="dt")
                shown = value if name in {"to", "from", "message_id"} else visitor.text(value, 200)
                parts.text(shown[:300], tag="dd")
        if sender:
            address = visitor.execution(sender.workflow_id, sender.execution_id)
            if address is not None:
                parts.text(words.SENDING, tag="dt")
                with parts.box(tag="dd"):
                    parts.away(words.EXECUTION.format(execution=sender.execution_id), address)


def _sent_with(message: Message) -> str:
    if message.template is not None:
        return message.template.name
    return message.sent_by.node if message.sent_by is not None else ""


def _price(message: Message) -> str | None:
    pricing = message.state.pricing or {}
    category = pricing.get("category")
    said_billable = pricing.get("billable")
    billed = words.BILLED[said_billable] if isinstance(said_billable, bool) else ""
    return ", ".join(filter(None, (category if isinstance(category, str) else "", billed))) or None


def _code(message: Message) -> str:
    failure = message.state.failure
    return words.NO_CODE if failure is None or failure.code is None else str(failure.code)
