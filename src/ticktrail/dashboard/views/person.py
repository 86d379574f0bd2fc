"""One person: the answer in a sentence, then the thread like a messenger. And whom a search means."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import datetime

from nicegui import ui
from nicegui.element import Element

from ticktrail import phone
from ticktrail.dashboard import questions, words
from ticktrail.dashboard.choice import Choice
from ticktrail.dashboard.site import Visitor
from ticktrail.dashboard.views import frame, parts, rows
from ticktrail.errors import NotFoundError, TicktrailError
from ticktrail.model import Message
from ticktrail.query import MessageFilter, Place

NEWS_SECONDS = 5.0


async def find(visitor: Visitor, token: str) -> None:
    """Whom a typed text means: straight to the one person, else a list to choose from."""
    site = visitor.site
    typed = _opened(visitor, token)
    wanted = phone.person(typed, site.region)
    found = await site.ledger.ask(lambda store: questions.people(store, wanted))
    if len(found.people) == 1:
        address = visitor.person(found.people[0][0])
        if address is not None:
            ui.navigate.to(address)
    async with frame.page(visitor, "", words.FIND):
        shown = visitor.who(typed)
        if not found.people:
            parts.text(shown, tag="h1")
            parts.empty(words.EMPTY_PERSON, words.EMPTY_PERSON_HINT)
            return
        parts.text(f"{words.plural(len(found.people), 'person', 'people')} whose number fits", tag="h1")
        with parts.box("people card", tag="ul"):
            for number, count in found.people:
                with parts.box(tag="li"):
                    parts.link(visitor.who(number), visitor.person(number), "person")
                    parts.text(words.plural(count, "message"), "muted")
        if found.more:
            parts.text("There are more. Type more digits.", "muted", tag="p")


async def person(visitor: Visitor, token: str, after: str) -> None:
    """The thread of one person, the newest at the bottom."""
    site = visitor.site
    who = _opened(visitor, token)
    place = None
    if after:
        opened = site.addresses.text(after)
        place = None if opened is None else Place.read(opened)
    chosen = MessageFilter(conversation_id=who, after=place)
    async with frame.page(visitor, "", words.PERSON):
        container = parts.box("listing narrow")

    async def ask() -> tuple[questions.Page, int]:
        shown = await site.ledger.ask(lambda store: questions.page(store, chosen, questions.THREAD))
        return shown, await site.ledger.ask(lambda store: store.count(chosen))

    def show(answer: tuple[questions.Page, int]) -> None:
        _thread(visitor, who, answer[0], answer[1], token, newest=place is None)

    await parts.fill(container, ask, show)
    if place is None:
        _watch(visitor, container, ask, show)


def _watch(
    visitor: Visitor,
    container: Element,
    ask: Callable[[], Awaitable[tuple[questions.Page, int]]],
    show: Callable[[tuple[questions.Page, int]], None],
) -> None:
    """The thread is short: when something new is stored, it is made anew where it stands."""
    known: list[object] = [None]

    async def look() -> None:
        try:
            state = (await visitor.site.ledger.state())[0]
            changed, known[0] = known[0] not in {None, state}, state
            if not changed:
                return
            answer = await ask()
        except TicktrailError:
            return
        container.clear()
        with container:
            show(answer)

    parts.every(NEWS_SECONDS, look, container)


def _thread(visitor: Visitor, who: str, shown: questions.Page, count: int, token: str, *, newest: bool) -> None:
    site = visitor.site
    zone, now = site.settings.timezone, site.now()
    with parts.box("title-row"):
        parts.text(visitor.who(who), "number", tag="h1")
        parts.link(words.plural(count, "message"), visitor.messages(Choice(who=who)), "muted")
    if not shown.messages:
        parts.empty(words.EMPTY_PERSON, words.EMPTY_PERSON_HINT)
        return
    if newest:
        latest = max(shown.messages, key=_sent_at)
        with parts.box("answer"):
            parts.tick(latest.standing.latest_status, with_word=False)
            parts.text(visitor.text(words.sentence(latest, zone, now, site.catalogue), 300), "answer-text", tag="p")
    with parts.box("thread"):
        if shown.place is not None:
            older = site.addresses.token(shown.place.token)
            parts.link("Older messages", f"/person/{token}?after={older}", "button")
        ordered = sorted(shown.messages, key=_sent_at)
        for day, messages in itertools.groupby(ordered, key=lambda one: _day(visitor, one)):
            parts.text(day, "thread-day")
            for message in messages:
                _bubble(visitor, message)


def _bubble(visitor: Visitor, message: Message) -> None:
    site = visitor.site
    zone, now, state = site.settings.timezone, site.now(), message.standing
    failed = parts.is_failed(state.latest_status)
    with parts.box(f"bubble {'failed' if failed else ''}", tag="article"):
        with parts.box("bubble-head"):
            template = message.template
            parts.text(visitor.text(template.name, 80) if template else "Message", "bubble-title")
            if message.attributes.callback_data:
                parts.text(visitor.text(message.attributes.callback_data, 60), "muted")
        if failed or state.conflict:
            entry = site.catalogue.lookup(state.failure.code if state.failure else None)
            reason = rows.about(visitor, message, with_campaign=False)
            parts.text(visitor.text(reason), "bubble-reason", tag="p")
            if failed:
                parts.text(entry.advice, "bubble-advice", tag="p")
        with parts.box("bubble-foot"):
            sent = words.clock(_sent_at(message) or None, zone, now)
            latest = words.clock(state.latest_timestamp, zone, now)
            parts.text(sent.rpartition(" ")[2], "muted")
            parts.tick(state.latest_status)
            if latest != sent:
                same_day = latest.rpartition(" ")[0] == sent.rpartition(" ")[0]
                parts.text(latest.rpartition(" ")[2] if same_day else latest, "muted")
            parts.box("spring")
            parts.link("Timeline", visitor.message(message.message_id), "quiet")
            address = _execution(visitor, message)
            if address is not None:
                parts.away("Open in n8n", address)


def _execution(visitor: Visitor, message: Message) -> str | None:
    """The execution that sent it; where that is not known, the one that reported its latest status."""
    if message.sent_by is not None:
        sending = visitor.execution(message.sent_by.workflow_id, message.sent_by.execution_id)
        if sending is not None:
            return sending
    latest = next(
        (one for one in reversed(message.history) if one.status == message.standing.latest_status), message.history[-1]
    )
    return visitor.execution(latest.workflow_id or message.standing.workflow_id, latest.execution_id)


def _sent_at(message: Message) -> int:
    state = message.standing
    known = (state.sent_timestamp, state.first_timestamp, state.latest_timestamp)
    return next((moment for moment in known if moment is not None), 0)


def _day(visitor: Visitor, message: Message) -> str:
    moment = _sent_at(message)
    if not 0 < moment <= 253_402_214_400:
        return "Time not known"
    zone = visitor.site.settings.timezone
    name = f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d}"
    day = words.day(name, visitor.site.now(), zone)
    return day[0].upper() + day[1:]


def _opened(visitor: Visitor, token: str) -> str:
    text = visitor.site.addresses.text(token)
    if text is None:
        raise NotFoundError(words.NOT_FOUND, remedy=words.NOT_FOUND_HINT)
    return text
