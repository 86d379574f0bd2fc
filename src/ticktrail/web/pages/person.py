"""One person: the answer in a sentence, then the thread like a messenger. And whom a search means."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec
from nicegui import ui
from nicegui.element import Element

from ticktrail.errors import NotFoundError, TicktrailError
from ticktrail.messages.conversation import Turn
from ticktrail.messages.filters import Cursor, MessageFilter
from ticktrail.messages.model import Message
from ticktrail.queries import conversation as threads
from ticktrail.queries import lists as questions
from ticktrail.stores import Store
from ticktrail.text.formatting import plural
from ticktrail.text.phone_numbers import parse_person
from ticktrail.web.pages import components as parts
from ticktrail.web.pages import layout as frame
from ticktrail.web.pages import message_rows as rows
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.context import Visitor, refuse_search
from ticktrail.web.pages.url_filters import UrlFilter

NEWS_SECONDS = 5.0


async def find(visitor: Visitor, token: str) -> None:
    """Whom a typed text means: straight to the one person, else a list to choose from."""
    site = visitor.site
    typed = _opened(visitor, token)
    refuse_search(visitor)
    wanted = parse_person(typed, site.region)
    found = await site.ledger.ask(lambda store: questions.find_people(store, wanted))
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
        found_people = plural(len(found.people), "person", "people")
        parts.text(words.WHOSE_NUMBER_FITS.format(people=found_people), tag="h1")
        with parts.box("people card", tag="ul"):
            for number, count in found.people:
                with parts.box(tag="li"):
                    parts.link(visitor.who(number), visitor.person(number), "person")
                    parts.text(plural(count, "message"), "muted")
        if found.more:
            parts.text(words.MORE_PEOPLE, "muted", tag="p")


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a thread, and what stands above it whatever the page.

    Attributes:
        latest: the message that was sent last.
        untold: why the texts could not be read; empty where they were, or there are none.
    """

    stretch: threads.Stretch
    latest: Message | None
    count: int
    untold: str = ""


async def person(visitor: Visitor, token: str, before: str) -> None:
    """The thread of one person, the newest at the bottom."""
    site = visitor.site
    who = _opened(visitor, token)
    place = Cursor.read(_opened(visitor, before)) if before else None
    chosen = MessageFilter(conversation_id=who)
    async with frame.page(visitor, "", words.PERSON):
        container = parts.box("listing narrow")

    def question(store: Store) -> _Shown:
        # Texts are not even read for somebody who may not see them.
        kept, untold = (None if visitor.masked else site.conversations), ""
        try:
            shown = threads.stretch(store, chosen, threads.PAGE, after=place, kept=kept, names=(who,))
        except TicktrailError as error:
            if kept is None:
                raise
            untold = str(error)
            shown = threads.stretch(store, chosen, threads.PAGE, after=place)
        return _Shown(
            stretch=shown, latest=threads.latest(store, chosen), count=store.count(chosen), untold=untold
        )  # fmt: skip

    async def ask() -> _Shown:
        return await site.ledger.ask(question)

    thread = _Thread(visitor, who, token, is_newest=place is None)
    await parts.fill(container, ask, thread.show)
    if place is None:
        _watch(visitor, container, ask, thread)


def _watch(visitor: Visitor, container: Element, ask: Callable[[], Awaitable[_Shown]], thread: _Thread) -> None:
    """When something new of this person is stored, the thread is made anew where it stands."""
    known: list[object] = [None]

    async def look() -> None:
        try:
            state = (await visitor.site.ledger.state())[0]
            changed, known[0] = known[0] not in {None, state}, state
            if changed:
                thread.renew(await ask())
        except TicktrailError:
            return

    parts.every(NEWS_SECONDS, look, container)


class _Thread:
    """A person's page: the answer, and the thread in a box of its own that keeps its place when it is made anew."""

    def __init__(self, visitor: Visitor, who: str, token: str, *, is_newest: bool) -> None:
        self._visitor = visitor
        self._who = who
        self._token = token
        self._is_newest = is_newest
        self._shown: _Shown | None = None
        self._head: Element | None = None
        self._turns: Element | None = None

    def show(self, shown: _Shown) -> None:
        """Make it."""
        self._shown = shown
        self._head = parts.box("listing")
        with self._head:
            self._answer(shown)
        self._turns = None
        if shown.stretch.entries:
            # The outer box begins at its end: the style sheet turns its direction round.
            with parts.box("thread", role="region", aria_label=words.THREAD, tabindex="0"):
                self._turns = parts.box("turns")
            with self._turns:
                self._said(shown)

    def renew(self, shown: _Shown) -> None:
        """Make it anew, if anything changed; whoever has scrolled up stays there."""
        if shown == self._shown or self._head is None or self._head.is_deleted:
            return
        if self._turns is None:
            outer = self._head.parent_slot.parent if self._head.parent_slot is not None else None
            if outer is not None:
                outer.clear()
                with outer:
                    self.show(shown)
            return
        self._shown = shown
        for element, fill in ((self._head, self._answer), (self._turns, self._said)):
            element.clear()
            with element:
                fill(shown)

    def _answer(self, shown: _Shown) -> None:
        visitor, site = self._visitor, self._visitor.site
        with parts.box("title-row"):
            parts.text(visitor.who(self._who), "number", tag="h1")
            parts.link(plural(shown.count, "message"), visitor.messages(UrlFilter(who=self._who)), "muted")
        if not shown.stretch.entries:
            parts.empty(words.EMPTY_PERSON, words.EMPTY_PERSON_HINT)
            return
        if shown.latest is not None:
            said = words.sentence(shown.latest, site.settings.timezone, site.now(), site.catalogue)
            with parts.box("answer"):
                parts.tick(shown.latest.state.latest_status, with_word=False)
                parts.text(visitor.text(said, 300), "answer-text", tag="p")
        if shown.untold:
            parts.text(f"{words.TEXTS_AWAY} {visitor.text(shown.untold, 300)}", "muted", tag="p")

    def _said(self, shown: _Shown) -> None:
        visitor, place = self._visitor, shown.stretch.cursor
        if place is not None:
            earlier = visitor.site.addresses.token(place.token)
            parts.link(words.EARLIER, f"/person/{self._token}?before={earlier}", "button earlier")
        for day, turns in itertools.groupby(shown.stretch.turns, key=lambda one: _day(visitor, one)):
            parts.text(day, "thread-day")
            for turn in turns:
                _bubble(visitor, turn)
        if not self._is_newest:
            parts.link(words.NEWEST, f"/person/{self._token}", "button newest")


def _bubble(visitor: Visitor, turn: Turn) -> None:
    message = turn.message
    failed = message is not None and parts.is_failed(message.state.latest_status)
    kind = {True: "ours", False: "theirs", None: "theirs"}[turn.outbound]
    with parts.box(f"bubble {kind} {'failed' if failed else ''}", tag="article"):
        if message is not None:
            _bubble_head(visitor, message, has_text=bool(turn.text) and not visitor.masked)
        if turn.media:
            parts.text(f"[{visitor.text(turn.media, 80)}]", "muted")
        if turn.text and not visitor.masked:
            parts.text(words.lines(turn.text, threads.LONGEST_TEXT), "bubble-text", tag="p", dir="auto")
        if message is not None:
            _bubble_reason(visitor, message, failed=failed)
            _bubble_foot(visitor, turn, message)
        else:
            with parts.box("bubble-foot"):
                parts.text(_clock(visitor, turn.timestamp), "muted")
                if turn.outbound:
                    parts.text(words.NOT_IN_LEDGER, "muted")


def _bubble_head(visitor: Visitor, message: Message, *, has_text: bool) -> None:
    template, campaign = message.template, message.attributes.callback_data
    title = visitor.text(template.name, 80) if template else "" if has_text else words.MESSAGE
    if not (title or campaign):
        return
    with parts.box("bubble-head"):
        if title:
            parts.text(title, "bubble-title")
        if campaign:
            parts.text(visitor.text(campaign, 60), "muted")


def _bubble_reason(visitor: Visitor, message: Message, *, failed: bool) -> None:
    state = message.state
    if not failed and not state.conflict:
        return
    entry = visitor.site.catalogue.lookup(state.failure.code if state.failure else None)
    reason = rows.about(visitor, message, with_campaign=False)
    parts.text(visitor.text(reason), "bubble-reason", tag="p")
    if failed:
        parts.text(entry.advice, "bubble-advice", tag="p")


def _bubble_foot(visitor: Visitor, turn: Turn, message: Message) -> None:
    zone, now, state = visitor.site.settings.timezone, visitor.site.now(), message.state
    with parts.box("bubble-foot"):
        sent = words.clock(turn.timestamp or None, zone, now)
        latest = words.clock(state.latest_timestamp, zone, now)
        parts.text(_clock(visitor, turn.timestamp), "muted")
        parts.tick(state.latest_status)
        if latest != sent:
            same_day = latest.rpartition(" ")[0] == sent.rpartition(" ")[0]
            parts.text(latest.rpartition(" ")[2] if same_day else latest, "muted")
        parts.box("spring")
        parts.link(words.TIMELINE, visitor.message(message.message_id), "quiet")
        address = _execution(visitor, message)
        if address is not None:
            parts.away(words.OPEN_IN_N8N, address)


def _clock(visitor: Visitor, timestamp: int | None) -> str:
    """The time alone: the day stands above."""
    return words.clock(timestamp or None, visitor.site.settings.timezone, visitor.site.now()).rpartition(" ")[2]


def _execution(visitor: Visitor, message: Message) -> str | None:
    """The execution that sent it; where that is not known, the one that reported its latest status."""
    if message.sent_by is not None:
        sending = visitor.execution(message.sent_by.workflow_id, message.sent_by.execution_id)
        if sending is not None:
            return sending
    latest = next(
        (one for one in reversed(message.history) if one.status == message.state.latest_status), message.history[-1]
    )
    return visitor.execution(latest.workflow_id or message.state.workflow_id, latest.execution_id)


def _day(visitor: Visitor, turn: Turn) -> str:
    moment = turn.timestamp or 0
    if not 0 < moment <= 253_402_214_400:
        return words.NO_TIME
    zone = visitor.site.settings.timezone
    name = f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d}"
    day = words.day(name, visitor.site.now(), zone)
    return day[0].upper() + day[1:]


def _opened(visitor: Visitor, token: str) -> str:
    text = visitor.site.addresses.text(token)
    if text is None:
        raise NotFoundError(words.NOT_FOUND, remedy=words.NOT_FOUND_HINT)
    return text
