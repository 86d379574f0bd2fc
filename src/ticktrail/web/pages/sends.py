"""The table of sends: what n8n handed to WhatsApp, and what WhatsApp answered."""

from __future__ import annotations

import msgspec
from nicegui import ui

from ticktrail.errors import TicktrailError
from ticktrail.messages.failure_text import read_failure, said, short_reason
from ticktrail.messages.filters import SendFilter
from ticktrail.messages.model import Message, Send
from ticktrail.queries import lists as questions
from ticktrail.text.formatting import plural
from ticktrail.text.phone_numbers import person_id
from ticktrail.web.pages import components as parts
from ticktrail.web.pages import form_fields as fields
from ticktrail.web.pages import layout as frame
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.context import Visitor
from ticktrail.web.pages.url_filters import SendUrlFilter, address_of, parse_send_filter, query_of

_KINDS = ("refused", "accepted", "unconfirmed")


async def sends(visitor: Visitor, choice: SendUrlFilter) -> None:
    """The list of the sends a choice means, a page of it."""
    site, problem, chosen = visitor.site, None, SendFilter()
    try:
        chosen = parse_send_filter(choice, site.settings, site.now())
    except TicktrailError as error:
        problem = error
    async with frame.page(visitor, "/sends", words.SENDS):
        with parts.box("title-row"):
            parts.text(words.SENDS, tag="h1")
            heading = parts.box()
        parts.text(words.SENDS_HINT, "hint", tag="p")
        if not visitor.wall:
            _form(visitor, choice)
        container = parts.box("listing")
    if problem is not None:
        with container:
            parts.failure(problem)
        return

    async def ask() -> questions.SendList:
        return await site.ledger.ask(lambda store: questions.list_sends(store, chosen))

    async def ask_count() -> int:
        name = ("sends", msgspec.structs.replace(chosen, after=None))
        # Whether a status came is the messages' business, and when a send came the books' of the sync.
        return await site.ledger.recall(name, lambda store: questions.count_sends(store, chosen), of_sync_state=True)

    await parts.fill(container, ask, lambda shown: _list(visitor, choice, shown))
    await parts.fill(heading, ask_count, lambda count: parts.text(_counted(count), "matching"), plainly=True)


def _counted(count: int) -> str:
    most = questions.MOST_COUNTED
    return words.SENDS_AT_LEAST.format(most) if count > most else plural(count, "send")


def _list(visitor: Visitor, choice: SendUrlFilter, shown: questions.SendList) -> None:
    site = visitor.site
    if not shown.sends:
        if choice.conditions:
            parts.empty(words.EMPTY_SENDS_LIST, words.EMPTY_LIST_HINT)
        else:
            parts.empty(words.EMPTY_SENDS, words.EMPTY_SENDS_HINT)
        return
    with parts.box("table-wrap"), parts.box("messages sends", tag="table"):
        with parts.box(tag="thead"), parts.box(tag="tr"):
            for name in words.SENDS_HEADINGS:
                parts.text(name, tag="th", scope="col")
        with parts.box(tag="tbody"):
            for send in shown.sends:
                _row(visitor, send, shown.messages.get(send.message_id or ""))
    if visitor.wall:
        return
    with parts.box("below"):
        if choice.after:
            first = msgspec.structs.replace(choice, after="")
            parts.link(words.FIRST_PAGE, address_of(first, site.addresses), "button")
        if shown.cursor is not None:
            following = msgspec.structs.replace(choice, after=shown.cursor.token)
            parts.link(words.NEXT_PAGE, address_of(following, site.addresses), "button primary")
        parts.box("spring")
        parts.downloads("sends", query_of(msgspec.structs.replace(choice, after=""), site.addresses))


def _row(visitor: Visitor, send: Send, message: Message | None) -> None:
    site = visitor.site
    at = None if send.sent_at is None else int(send.sent_at.timestamp())
    # Meta's id of the recipient, else what the workflow wrote, which may be spelled in any way.
    who, template = send.conversation_id or person_id(send.input), send.template
    with parts.box("send", tag="tr"):
        with parts.box("when", tag="td"):
            address = visitor.message(message.message_id) if message is not None else None
            parts.link(words.clock(at, site.settings.timezone, site.now()), address, "quiet")
        with parts.box("who", tag="td"):
            parts.link(visitor.who(who) if who else words.NO_RECIPIENT, visitor.person(send.conversation_id), "quiet")
        named = "/".join(filter(None, (template.name, template.language))) if template else ""
        parts.text(visitor.text(named, 80), "with", tag="td", title=visitor.text(named, 200))
        with parts.box("sender", tag="td"):
            parts.text(visitor.text(send.sent_by.node, 60), "sender-node")
            parts.text(visitor.text(send.sent_by.workflow_id, 40), "muted")
            execution = visitor.execution(send.sent_by.workflow_id, send.sent_by.execution_id)
            if execution is not None:
                parts.away(words.EXECUTION.format(execution=send.sent_by.execution_id), execution)
        with parts.box("stands", tag="td"):
            _answer(visitor, send, message)
        with parts.box("reason", tag="td"):
            _reason(visitor, send)


def _answer(visitor: Visitor, send: Send, message: Message | None) -> None:
    if send.rejected:
        with parts.box("status failed"):
            parts.text("!", "tick", aria_hidden="true")
            parts.text(words.REFUSED, "word")
        return
    answer = words.SEND_ANSWERS.get(send.status, visitor.text(send.status, 30))
    hint = {"title": words.HELD_HINT} if answer == words.HELD else {}
    parts.text(answer, "answered", **hint)
    if message is not None:
        parts.tick(message.state.latest_status)
    elif send.message_id is not None:
        parts.text(words.NO_STATUS, "not-final", title=words.NO_STATUS_HINT)


def _reason(visitor: Visitor, send: Send) -> None:
    if not send.rejected:
        return
    catalogue = visitor.site.catalogue
    failure = read_failure(send.errors[0]) if send.errors else None
    parts.text(visitor.text(short_reason(failure, catalogue)), "reason-title", tag="p")
    told = said(failure)
    if told:
        parts.text(words.WHATSAPP_SAID.format(said=visitor.text(told, 400)), "reason-said", tag="p")
    parts.text(catalogue.lookup(failure.code if failure else None).advice, "reason-advice", tag="p")


def _form(visitor: Visitor, choice: SendUrlFilter) -> None:
    """The conditions, each of which leads to an address of its own."""
    site = visitor.site

    def address(**changes: object) -> str:
        return address_of(msgspec.structs.replace(choice, after="", **changes), site.addresses)

    none = dict.fromkeys(_KINDS, False)
    with parts.box("filters", aria_label=words.CONDITIONS_LABEL):
        with parts.box("choices", tag="nav", aria_label=words.SENDS_HEADINGS[4]):
            plain = not any(getattr(choice, kind) for kind in _KINDS)
            for kind, label in words.SENDS_KINDS.items():
                changes = {**none, **({kind: True} if kind else {})}
                fields.chip(label, address(**changes), chosen=getattr(choice, kind) if kind else plain)
        used = any((choice.error, *(getattr(choice, name) for name in words.SEND_CONDITIONS)))
        with parts.box("more", tag="details") as more:
            if used:
                more.props["open"] = True
            parts.text(words.MORE_CONDITIONS, tag="summary")
            with parts.box("fields"):
                inputs = {
                    name: fields.field(label, hint, fields.readable(name, getattr(choice, name), visitor))
                    for name, (label, hint) in words.SEND_CONDITIONS.items()
                }
                errors = fields.field(words.FAILURE_CODE, words.FAILURE_CODE_HINT, " ".join(choice.error))

                def apply() -> None:
                    typed = {
                        name: fields.typed(name, getattr(choice, name), one, visitor) for name, one in inputs.items()
                    }
                    ui.navigate.to(address(**typed, error=fields.codes(errors)))

                for one in (*inputs.values(), errors):
                    one.on("keydown.enter", apply)
                with parts.box("field-end"):
                    parts.button(words.APPLY, apply, "primary")
                    parts.link(words.CLEAR, "/sends", "button")
        exact = (("exact_template", words.EXACT_TEMPLATE), ("language", words.EXACT_LANGUAGE))
        fields.standing(
            [
                (label.format(visitor.text(getattr(choice, name), 80)), address(**{name: ""}))
                for name, label in exact
                if getattr(choice, name)
            ]
        )
