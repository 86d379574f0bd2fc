"""One person: a summary, and the conversation like a messenger."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import msgspec
from starlette.requests import Request

from ticktrail.errors import NotFoundError, TicktrailError
from ticktrail.messages import rates
from ticktrail.messages.conversation import Turn
from ticktrail.messages.counts import Counts
from ticktrail.messages.filters import Cursor, MessageFilter
from ticktrail.messages.model import FAILED, Message
from ticktrail.queries import conversation as threads
from ticktrail.stores import Store
from ticktrail.text.phone_numbers import country_of
from ticktrail.web.pages import figures, message_rows, wording
from ticktrail.web.pages.context import Visitor
from ticktrail.web.pages.rendering import View
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.url_filters import UrlFilter

_LAST_MOMENT = 253_402_214_400


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a conversation, and what is shown beside every page of it.

    Attributes:
        latest: the message that was sent last.
        untold: why the texts could not be read; empty where they were, or there are none.
    """

    page: threads.ConversationPage
    latest: Message | None
    count: int
    counts: Counts
    untold: str = ""


async def conversation(visitor: Visitor, request: Request) -> View:
    """The page of one person, the newest message at the bottom."""
    site, token = visitor.site, request.path_params["token"]
    who = opened(visitor, token)
    before = request.query_params.get("before", "")[:6_000]
    place = Cursor.read(opened(visitor, before)) if before else None
    chosen = MessageFilter(conversation_id=who)

    def read(store: Store) -> _Shown:
        # Texts are not even read for a visitor who may not see them.
        kept, untold = (None if visitor.masked else site.conversations), ""
        try:
            shown = threads.read_conversation(store, chosen, threads.PAGE, after=place, kept=kept, names=(who,))
        except TicktrailError as error:
            if kept is None:
                raise
            untold = str(error)
            shown = threads.read_conversation(store, chosen, threads.PAGE, after=place)
        (totals,) = store.statistics(chosen, young_since=0)
        return _Shown(page=shown, latest=threads.latest(store, chosen), count=store.count(chosen),
                      counts=totals.counts, untold=untold)  # fmt: skip

    shown = await site.queries.ask(read)
    if not shown.page.entries and place is None:
        raise NotFoundError(
            _("No message to this number is in the store."),
            remedy=_("Check the digits. Messages sent before the store began are not in it."),
        )
    cursor = shown.page.cursor
    base = f"/conversation/{token}"
    context = {
        "who": visitor.who(who),
        "latest": None if shown.latest is None else message_rows.full(visitor, shown.latest),
        "count": shown.count,
        "list_href": visitor.messages(UrlFilter(who=who)),
        "line": figures.line_of(visitor, "", shown.counts, UrlFilter(who=who, people=True)),
        "facts": _facts(visitor, who, shown),
        "untold": visitor.text(shown.untold, 300) if shown.untold else "",
        "days": _days(visitor, shown.page.turns),
        "earlier": None if cursor is None or visitor.wall else f"{base}?before={site.addresses.token(cursor.token)}",
        "newest": base if place is not None and not visitor.wall else None,
    }
    return View(template="conversation.html", title=visitor.who(who), context=context)


def opened(visitor: Visitor, token: str) -> str:
    """The text of a sealed part of an address.

    Raises:
        NotFoundError: this installation did not make it.
    """
    text = visitor.site.addresses.text(token)
    if text is None:
        raise NotFoundError(
            _("There is no such page."),
            remedy=_("The address may have been cut off, or made by another installation."),
        )
    return text


def _facts(visitor: Visitor, who: str, shown: _Shown) -> list[tuple[str, str]]:
    site, latest = visitor.site, shown.latest
    delays = shown.counts.delays
    median = wording.duration(rates.percentile(delays, 50)) if delays else ""
    sent = None if latest is None else latest.state.sent_timestamp or latest.state.first_timestamp
    facts = (
        (_("Country"), country_of(who) or ""),
        (_("Latest message"), wording.clock(sent, site.zone, site.now()) if sent else ""),
        (_("Median time to deliver"), median),
        (_("From"), visitor.who(latest.attributes.display_phone_number)
         if latest is not None and latest.attributes.display_phone_number else ""),
    )  # fmt: skip
    return [(name, value) for name, value in facts if value]


def _days(visitor: Visitor, turns: list[Turn]) -> list[dict[str, Any]]:
    return [
        {"name": name, "turns": [_turn(visitor, turn) for turn in same]}
        for name, same in itertools.groupby(turns, key=lambda turn: _day(visitor, turn))
    ]


def _day(visitor: Visitor, turn: Turn) -> str:
    moment = turn.timestamp or 0
    if not 0 < moment <= _LAST_MOMENT:
        return _("Time not known")
    zone = visitor.site.zone
    return wording.day(f"{datetime.fromtimestamp(moment, zone):%Y-%m-%d}", visitor.site.now(), zone)


def _turn(visitor: Visitor, turn: Turn) -> dict[str, Any]:
    message, zone = turn.message, visitor.site.zone
    has_text = bool(turn.text) and not visitor.masked
    shown: dict[str, Any] = {
        "ours": turn.outbound is True,
        "media": visitor.text(turn.media, 80) if turn.media else "",
        "text": wording.lines(turn.text or "", threads.LONGEST_TEXT) if has_text else "",
        "time": wording.time_alone(turn.timestamp, zone),
        "message": None,
        "unknown": turn.outbound is True and message is None,
    }
    if message is not None:
        shown["message"] = _of_message(visitor, turn, message, has_text=has_text)
    return shown


def _of_message(visitor: Visitor, turn: Turn, message: Message, *, has_text: bool) -> dict[str, Any]:
    site, state = visitor.site, message.state
    failed = state.latest_status in FAILED
    template, campaign = message.template, visitor.campaign(message)
    title = visitor.text(template.name, 80) if template else "" if has_text else _("Message")
    reached = wording.clock(state.latest_timestamp, site.zone, site.now())
    sent = wording.clock(turn.timestamp or None, site.zone, site.now())
    if reached.rpartition(" ")[0] == sent.rpartition(" ")[0]:
        reached = reached.rpartition(" ")[2]
    return {
        "title": title,
        "campaign": visitor.text(campaign, 60) if campaign else "",
        "failed": failed,
        "tick": message_rows.tick(visitor, state.latest_status),
        "reached": reached if state.latest_timestamp != turn.timestamp else "",
        "reason": visitor.text(message_rows.about(visitor, message)) if failed or state.conflict else "",
        "advice": site.catalogue.lookup(state.failure.code if state.failure else None).advice if failed else "",
        "href": visitor.message(message.message_id),
        "n8n": _execution(visitor, message),
    }


def _execution(visitor: Visitor, message: Message) -> str | None:
    """The execution that sent it; where that is not known, the one that reported its latest status."""
    if message.sent_by is not None:
        sending = visitor.execution(message.sent_by.workflow_id, message.sent_by.execution_id)
        if sending is not None:
            return sending
    latest = next(
        (entry for entry in reversed(message.history) if entry.status == message.state.latest_status),
        message.history[-1],
    )
    return visitor.execution(latest.workflow_id or message.state.workflow_id, latest.execution_id)
