"""The table of all messages, and one message by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from nicegui import ui
from nicegui.element import Element

from ticktrail.errors import NotFoundError, TicktrailError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Message
from ticktrail.queries import lists as questions
from ticktrail.text.formatting import plural
from ticktrail.web.pages import components as parts
from ticktrail.web.pages import form_fields as fields
from ticktrail.web.pages import layout as frame
from ticktrail.web.pages import message_rows as rows
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.context import Visitor, recipient_of, refuse_search
from ticktrail.web.pages.url_filters import UrlFilter, address_of, parse_filter, query_of

NEWS_SECONDS = 5.0


async def messages(visitor: Visitor, choice: UrlFilter) -> None:
    """The list of the messages a choice means, a page of it."""
    site, problem, chosen = visitor.site, None, MessageFilter()
    try:
        if choice.to:
            refuse_search(visitor)
        chosen = parse_filter(choice, site.settings, site.now())
    except TicktrailError as error:
        problem = error
    async with frame.page(visitor, "/messages", words.MESSAGES):
        with parts.box("title-row"):
            parts.text(words.MESSAGES, tag="h1")
            heading = parts.box()
            news = parts.box("news", role="status")
            if not visitor.wall:
                parts.box("spring")
                parts.link(words.SENDS_LINK, "/sends", "muted quiet")
        if not visitor.wall:
            _form(visitor, choice)
        container = parts.box("listing")
    if problem is not None:
        with container:
            parts.failure(problem)
        return

    async def ask() -> questions.MessageList:
        return await site.ledger.ask(lambda store: questions.list_messages(store, chosen))

    async def ask_count() -> int:
        # The rows are quick, counting a million is not: neither waits for the other.
        name = ("count", msgspec.structs.replace(chosen, after=None))
        return await site.ledger.recall(name, lambda store: store.count(chosen))

    await parts.fill(container, ask, lambda shown: _list(visitor, choice, shown))
    await parts.fill(heading, ask_count, lambda count: parts.text(plural(count, "message"), "matching"), plainly=True)
    if choice.after == "":
        _watch(visitor, choice, chosen, news)


async def latest(visitor: Visitor, container: Element, count: int) -> None:
    """The latest messages, made anew where they stand whenever something new is stored: for a screen on a wall."""
    site = visitor.site
    known: list[object] = [None]

    async def ask() -> questions.MessageList:
        known[0] = (await site.ledger.state())[0]
        return await site.ledger.ask(lambda store: questions.list_messages(store, MessageFilter(), count))

    def show(found: questions.MessageList) -> None:
        if found.messages:
            rows.table(visitor, found.messages)
        else:
            parts.empty(words.EMPTY_LEDGER)

    await parts.fill(container, ask, show)

    async def look() -> None:
        try:
            if (await site.ledger.state())[0] == known[0]:
                return
            found = await ask()
        except TicktrailError:
            return
        container.clear()
        with container:
            show(found)

    parts.every(NEWS_SECONDS, look, container)


def _list(visitor: Visitor, choice: UrlFilter, shown: questions.MessageList) -> None:
    site = visitor.site
    if not shown.messages:
        if choice.conditions:
            parts.empty(words.EMPTY_LIST, words.EMPTY_LIST_HINT)
        else:
            parts.empty(words.EMPTY_LEDGER, words.EMPTY_LEDGER_HINT)
        return
    rows.table(visitor, shown.messages)
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
        parts.downloads("messages", query_of(msgspec.structs.replace(choice, after=""), site.addresses))


def _watch(visitor: Visitor, choice: UrlFilter, chosen: MessageFilter, news: Element) -> None:
    """A pill that says how many messages of this list have news since it was made; the rows stay where they are."""
    site = visitor.site
    known: dict[str, object] = {"state": None, "at": datetime.now(UTC), "count": 0}
    since = msgspec.structs.replace(chosen, updated_since=known["at"], after=None)

    def reload() -> None:
        ui.navigate.to(address_of(choice, site.addresses))

    async def look() -> None:
        try:
            state = (await site.ledger.state())[0]
            if state == known["state"]:
                return
            first, known["state"] = known["state"] is None, state
            count = await site.ledger.ask(lambda store: store.count(since))
        except TicktrailError:
            return
        if count == known["count"] or (first and not count):
            return
        known["count"] = count
        news.clear()
        with news:
            parts.button(words.NEW.format(count=count), reload, "pill", title=words.SHOW_THEM)

    parts.every(NEWS_SECONDS, look, news, at_once=True)


def _form(visitor: Visitor, choice: UrlFilter) -> None:
    """The conditions, each of which leads to an address of its own."""
    site = visitor.site

    def go(**changes: object) -> None:
        changed = msgspec.structs.replace(choice, after="", **changes)
        ui.navigate.to(address_of(changed, site.addresses))

    with parts.box("filters", aria_label=words.CONDITIONS_LABEL):
        with parts.box("filter-line"), parts.box("choices", tag="nav", aria_label=words.STATUS):
            everything = msgspec.structs.replace(
                choice, status=(), unread=False, undelivered=False, not_read=False, retryable=False, after=""
            )
            plain = not (choice.status or any(getattr(choice, name) for name in words.SHORT_FORMS))
            fields.chip(words.ALL, address_of(everything, site.addresses), chosen=plain)
            for status in ("sent", "delivered", "read", "failed"):
                only = msgspec.structs.replace(everything, status=(status,))
                fields.chip(
                    words.status(status).capitalize(),
                    address_of(only, site.addresses),
                    chosen=choice.status == (status,),
                    hint=words.STATUS_HINTS[status],
                )
            for name, label in words.SHORT_FORMS.items():
                only = msgspec.structs.replace(everything, **{name: True})
                fields.chip(
                    label, address_of(only, site.addresses), chosen=bool(getattr(choice, name)),
                    hint=words.STATUS_HINTS[name],
                )  # fmt: skip
        used = [name for name in words.CONDITIONS if getattr(choice, name)] + (["error"] if choice.error else [])
        with parts.box("more", tag="details") as more:
            if used:
                more.props["open"] = True
            parts.text(words.MORE_CONDITIONS, tag="summary")
            with parts.box("fields"):
                inputs = {}
                for name, (label, hint) in words.CONDITIONS.items():
                    if name == "to" and not visitor.is_full:
                        continue
                    value = fields.readable(name, getattr(choice, name), visitor)
                    inputs[name] = fields.field(label, hint, value)
                errors = fields.field(words.FAILURE_CODE, words.FAILURE_CODE_HINT, " ".join(choice.error))
                order = ui.select(
                    words.ORDERS, value=choice.sort if choice.sort in words.ORDERS else "newest", label=words.ORDER
                ).props("dense outlined")

                def apply() -> None:
                    typed = {
                        name: fields.typed(name, getattr(choice, name), field, visitor)
                        for name, field in inputs.items()
                    }
                    sort = "" if order.value == "newest" else str(order.value)
                    go(**typed, error=fields.codes(errors), sort=sort)

                for field in (*inputs.values(), errors):
                    field.on("keydown.enter", apply)
                with parts.box("field-end"):
                    parts.button(words.APPLY, apply, "primary")
                    parts.link(words.CLEAR, "/messages", "button")
        _standing_conditions(visitor, choice)


def _standing_conditions(visitor: Visitor, choice: UrlFilter) -> None:
    """Conditions that no field shows, as chips that can be taken away."""
    site = visitor.site
    chips: list[tuple[str, dict[str, Any]]] = []
    if choice.people:
        chips.append((words.PEOPLE_ONLY, {"people": False}))
    if len(choice.status) > 1:
        chips.append((words.OR.join(words.status(one) for one in choice.status), {"status": ()}))
    if choice.who:
        chips.append((words.TO_WHOM.format(who=visitor.who(choice.who)), {"who": ""}))
    if choice.number_id:
        numbers = ", ".join(visitor.text(one, 40) for one in choice.number_id)
        chips.append((words.EXACT_NUMBER.format(numbers), {"number_id": ()}))
    for name, label in (("exact_template", words.EXACT_TEMPLATE), ("language", words.EXACT_LANGUAGE)):
        value = getattr(choice, name)
        if value:
            chips.append((label.format(visitor.text(value, 80)), {name: ""}))
    fields.standing(
        [
            (label, address_of(msgspec.structs.replace(choice, after="", **changes), site.addresses))
            for label, changes in chips
        ]
    )


async def message(visitor: Visitor, token: str) -> None:
    """One message by itself."""
    site = visitor.site
    message_id = site.addresses.text(token)
    if message_id is None:
        raise NotFoundError(words.NOT_FOUND, remedy=words.NOT_FOUND_HINT)
    async with frame.page(visitor, "", words.MESSAGE):
        container = parts.box("listing narrow")

    def show(found: object) -> None:
        if not isinstance(found, Message):
            parts.empty(words.EMPTY_MESSAGE, words.EMPTY_PERSON_HINT)
            return
        zone = site.settings.timezone
        with parts.box("title-row"):
            who = recipient_of(found)
            parts.link(f"← {visitor.who(who)}", visitor.person(who), "button")
        with parts.box("answer"):
            parts.tick(found.state.latest_status, with_word=False)
            parts.text(visitor.text(words.sentence(found, zone, site.now(), site.catalogue), 300), tag="h1")
        with parts.box("card"):
            rows.full(visitor, found)

    async def ask() -> object:
        found = await site.ledger.ask(lambda store: store.get([message_id]))
        return found.get(message_id)

    await parts.fill(container, ask, show)
