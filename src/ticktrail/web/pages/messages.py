"""The list of messages with its conditions, and one message by itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ticktrail.errors import NotFoundError, TicktrailError
from ticktrail.messages.filters import MessageFilter
from ticktrail.messages.model import Message
from ticktrail.queries import lists as questions
from ticktrail.web.pages import message_rows, pickers, wording
from ticktrail.web.pages.context import Visitor, recipient_of, refuse_guessing, refuse_search
from ticktrail.web.pages.downloads import given_in
from ticktrail.web.pages.forms import codes, fields_of, labels, problem, query_given, shown_value, typed_value
from ticktrail.web.pages.paging import Pages, position_of
from ticktrail.web.pages.rendering import View
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import mark
from ticktrail.web.pages.url_filters import UrlFilter, address_of, parse_filter, query_of, read_conditions

_PAGES = Pages()

_TABS: dict[str, tuple[str, dict[str, Any]]] = {
    "all": (mark("All"), {}),
    "failed": (mark("Failed"), {"status": ("failed", "undelivered")}),
    "sent": (mark("Pending"), {"status": ("sent",)}),
    "delivered": (mark("Delivered, not read"), {"status": ("delivered",)}),
    "read": (mark("Read"), {"status": ("read", "played")}),
    "retryable": (mark("Can be sent again"), {"retryable": True}),
}
_NO_STATUS: dict[str, Any] = {
    "status": (), "unread": False, "undelivered": False, "not_read": False, "retryable": False,
}  # fmt: skip

FIELDS = {
    "to": (mark("To"), mark("number, or its last digits")),
    "since": (mark("Sent since"), mark("7d, yesterday, 2026-11-22")),
    "until": (mark("Sent before"), mark("2h, 2026-11-22T14:30")),
    "updated_within": (mark("Changed within"), mark("1h, 2d")),
    "template": (mark("Template"), mark("name, or name/lang")),
    "campaign": (mark("Campaign"), mark("label")),
    "number": (mark("From number"), mark("number, or its id")),
    "country": (mark("Country"), mark("SA, EG, …")),
    "category": (mark("Category"), mark("marketing, utility, …")),
    "sent_by": (mark("Sent by workflow"), mark("id")),
    "workflow": (mark("Reported by workflow"), mark("id")),
    "instance": (mark("n8n"), mark("name")),
}
"""Label and example of each condition that is typed."""

_ORDERS = {
    "newest": mark("Last sent first"),
    "oldest": mark("Earliest sent first"),
    "latest": mark("Newest status first"),
    "updated": mark("Latest change first"),
}
_SHORT_FORMS = {
    "unread": mark("Not read yet"),
    "undelivered": mark("Not delivered"),
    "not_read": mark("Not read, failed too"),
}


async def messages(visitor: Visitor, request: Request) -> View:
    """The list of the messages that an address chooses, a page of it."""
    site = visitor.site
    choice = read_conditions(UrlFilter, given_in(request), site.addresses)
    context: dict[str, Any] = {"problem": None, "rows": [], "position": "", "total": None, "links": {}, "news": 0}
    status = 200
    try:
        if choice.to:
            refuse_search(visitor)
        refuse_guessing(visitor, choice)
        chosen = parse_filter(choice, site.settings, site.now(), labels(FIELDS))
    except TicktrailError as error:
        context["problem"] = problem(visitor, error)
        status = 404 if isinstance(error, NotFoundError) else 400
    else:
        context.update(await _listed(visitor, request, choice, chosen))
    query = query_of(msgspec.structs.replace(choice, after=""), site.addresses)
    context.update(
        {
            "choice": choice,
            "query": query,
            "tabs": _tabs(visitor, choice),
            "pickers": await pickers.pickers(visitor, choice),
            "fields": _fields(visitor, choice),
            "codes": " ".join(choice.error),
            "chips": _chips(visitor, choice),
            "orders": [
                {"key": key, "label": _(label), "current": (choice.sort or "newest") == key,
                 "href": _changed(visitor, choice, sort="" if key == "newest" else key)}
                for key, label in _ORDERS.items()
            ],
            "downloads": {
                ending: f"/messages.{ending}{'?' + query if query else ''}" for ending in ("csv", "xlsx", "json")
            },
        }
    )  # fmt: skip
    return View(template="messages.html", title=_("Messages"), place="/messages", status=status, context=context)


async def _listed(visitor: Visitor, request: Request, choice: UrlFilter, chosen: MessageFilter) -> dict[str, Any]:
    site, everything = visitor.site, msgspec.structs.replace(chosen, after=None)
    shown, total, news = await asyncio.gather(
        site.queries.ask(lambda store: questions.list_messages(store, chosen)),
        site.queries.recall(("count", everything), lambda store: store.count(everything)),
        _news(visitor, request, everything),
    )
    first = position_of(request) if choice.after else 0
    following = None
    if shown.cursor is not None:
        following = query_of(msgspec.structs.replace(choice, after=shown.cursor.token), site.addresses)
    query = query_of(msgspec.structs.replace(choice, after=""), site.addresses)
    return {
        "rows": [message_rows.row(visitor, message) for message in shown.messages],
        "total": total,
        "position": message_rows.position(first, len(shown.messages), total),
        "links": _PAGES.links("/messages", query, first, questions.PAGE_SIZE, following),
        "news": news,
        "is_empty": not shown.messages and not choice.conditions and await site.is_empty(),
    }


async def _news(visitor: Visitor, request: Request, chosen: MessageFilter) -> int:
    """The number of messages of a list that changed since the page was made; 0 unless a live update asks."""
    since = request.query_params.get("live", "")
    try:
        moment = datetime.fromtimestamp(float(since), UTC)
    except (ValueError, OverflowError, OSError):
        return 0
    changed = msgspec.structs.replace(chosen, updated_since=moment)
    return await visitor.site.queries.ask(lambda store: store.count(changed))


async def change_conditions(visitor: Visitor, request: Request) -> Response:
    """Conditions typed into a form lead to an address in which numbers are sealed."""
    site = visitor.site
    form = await fields_of(request)
    choice = read_conditions(UrlFilter, query_given(form.get("query", "")), site.addresses)
    changes: dict[str, Any] = {
        name: typed_value(name, getattr(choice, name), form[name], visitor) for name in FIELDS if name in form
    }
    if "codes" in form:
        changes["error"] = codes(form["codes"])
    # A template that is typed replaces one that a link named exactly.
    if changes.get("template"):
        changes.update(exact_template="", language="")
    if changes.get("number"):
        changes["number_id"] = ()
    changed = msgspec.structs.replace(choice, after="", **changes)
    return RedirectResponse(address_of(changed, site.addresses), 303)


def _changed(visitor: Visitor, choice: UrlFilter, **changes: object) -> str:
    changed = msgspec.structs.replace(choice, after="", **changes)
    return address_of(changed, visitor.site.addresses)


def _tabs(visitor: Visitor, choice: UrlFilter) -> list[dict[str, Any]]:
    flags = {name: getattr(choice, name) for name in _NO_STATUS if name != "status"}
    statuses = set(choice.status)

    def is_current(changes: dict[str, Any]) -> bool:
        wanted = set(changes.get("status", ()))
        same = statuses <= wanted and bool(statuses) == bool(wanted)
        return same and all(value == bool(changes.get(name)) for name, value in flags.items())

    return [
        {
            "label": _(label),
            "href": _changed(visitor, choice, **{**_NO_STATUS, **changes}),
            "current": is_current(changes),
        }
        for label, changes in _TABS.values()
    ]


def _fields(visitor: Visitor, choice: UrlFilter) -> list[dict[str, str]]:
    return [
        {"name": name, "label": _(label), "hint": _(hint), "value": shown_value(name, getattr(choice, name), visitor)}
        for name, (label, hint) in FIELDS.items()
        if name != "to" or visitor.is_full
    ]


def _chips(visitor: Visitor, choice: UrlFilter) -> list[dict[str, str]]:
    """The conditions that hold, each with the address of the list without it; those of the tabs left out."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name, (label, _hint) in FIELDS.items():
        value = getattr(choice, name)
        if value and name != "to":
            found.append((f"{_(label)}: {shown_value(name, value, visitor).replace('T', ' ')}", {name: ""}))
    if choice.to and visitor.is_full:
        found.append((_("To {who}").format(who=visitor.who(choice.to)), {"to": ""}))
    if choice.people:
        found.append((_("Without groups and tests"), {"people": False}))
    if not any(tab["current"] for tab in _tabs(visitor, choice)) and choice.status:
        label = _(" or ").join(wording.status(one) for one in choice.status)
        found.append((label, {"status": ()}))
    found += [(_(label), {name: False}) for name, label in _SHORT_FORMS.items() if getattr(choice, name)]
    if choice.error:
        found.append((_("Reason: {codes}").format(codes=", ".join(choice.error)), {"error": ()}))
    if choice.who:
        found.append((_("To {who}").format(who=visitor.who(choice.who)), {"who": ""}))
    if choice.number_id:
        numbers = ", ".join(visitor.text(one, 40) for one in choice.number_id)
        found.append((_("From {number}").format(number=numbers), {"number_id": ()}))
    if choice.exact_template:
        name = visitor.text(choice.exact_template, 80)
        found.append((_("Template {name}").format(name=name), {"exact_template": ""}))
    if choice.language:
        found.append((_("Language {name}").format(name=visitor.text(choice.language, 40)), {"language": ""}))
    return [{"label": label, "href": _changed(visitor, choice, **changes)} for label, changes in found]


async def message(visitor: Visitor, request: Request) -> View:
    """One message by itself, or as the panel beside a list."""
    site = visitor.site
    message_id = site.addresses.text(request.path_params["token"])
    if message_id is None:
        raise NotFoundError(
            _("There is no such page."),
            remedy=_("The address may have been cut off, or made by another installation."),
        )
    found = (await site.queries.ask(lambda store: store.get([message_id]))).get(message_id)
    if not isinstance(found, Message):
        raise NotFoundError(
            _("This message is not in the store."),
            remedy=_("Messages sent before the store began, pruned or erased are not in it."),
        )
    return View(
        template="panel.html" if "panel" in request.query_params else "message.html",
        title=_("Message to {who}").format(who=visitor.who(recipient_of(found))),
        context={"message": message_rows.full(visitor, found)},
    )
