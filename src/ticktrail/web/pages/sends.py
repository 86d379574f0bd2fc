"""The list of sends: refused by Meta, accepted, and accepted without any status since."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ticktrail.errors import ConfigurationError, NotFoundError
from ticktrail.messages.failure_text import read_failure, reported_details, short_reason
from ticktrail.messages.model import Message, Send
from ticktrail.queries import lists as questions
from ticktrail.text.phone_numbers import person_id
from ticktrail.web.pages import message_rows, wording
from ticktrail.web.pages.command_texts import from_english
from ticktrail.web.pages.context import Visitor, refuse_guessing
from ticktrail.web.pages.downloads import given_in
from ticktrail.web.pages.forms import codes, fields_of, labels, problem, query_given, shown_value, typed_value
from ticktrail.web.pages.paging import Pages, position_of
from ticktrail.web.pages.rendering import View
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import mark
from ticktrail.web.pages.url_filters import SendUrlFilter, address_of, parse_send_filter, query_of, read_conditions

_PAGES = Pages()

_TABS: dict[str, str] = {
    "": mark("All"),
    "refused": mark("Refused"),
    "unconfirmed": mark("Never confirmed"),
    "accepted": mark("Accepted"),
}
_FIELDS = {
    "since": (mark("Sent since"), mark("7d, yesterday, 2026-11-22")),
    "until": (mark("Sent before"), mark("2h, 2026-11-22T14:30")),
    "template": (mark("Template"), mark("name, or name/lang")),
    "workflow": (mark("Sent by workflow"), mark("id")),
}
_ANSWERS = {
    "accepted": mark("accepted"),
    "held_for_quality_assessment": mark("held back"),
    "paused": mark("paused"),
}


async def sends(visitor: Visitor, request: Request) -> View:
    """The list of the sends that an address chooses, a page of it."""
    site = visitor.site
    choice = read_conditions(SendUrlFilter, given_in(request), site.addresses)
    query = query_of(msgspec.structs.replace(choice, after=""), site.addresses)
    context: dict[str, Any] = {"problem": None, "rows": [], "position": "", "total": None, "links": {}}
    status = 200
    try:
        context.update(await _listed(visitor, request, choice, query))
    except (ConfigurationError, NotFoundError) as error:
        context["problem"] = problem(visitor, error)
        status = 404 if isinstance(error, NotFoundError) else 400
    context.update(
        {
            "choice": choice,
            "query": query,
            "tabs": _tabs(visitor, choice),
            "fields": [
                {"name": name, "label": _(label), "hint": _(hint),
                 "value": shown_value(name, getattr(choice, name), visitor)}
                for name, (label, hint) in _FIELDS.items()
            ],
            "codes": " ".join(choice.error),
            "chips": _chips(visitor, choice),
            "downloads": {
                ending: f"/sends.{ending}{'?' + query if query else ''}" for ending in ("csv", "xlsx", "json")
            },
        }
    )  # fmt: skip
    return View(template="sends.html", title=_("Sends"), place="/sends", status=status, context=context)


async def _listed(visitor: Visitor, request: Request, choice: SendUrlFilter, query: str) -> dict[str, Any]:
    site = visitor.site
    refuse_guessing(visitor, choice)
    chosen = parse_send_filter(choice, site.settings, site.now(), labels(_FIELDS))
    everything = msgspec.structs.replace(chosen, after=None)
    shown, total = await asyncio.gather(
        site.queries.ask(lambda store: questions.list_sends(store, chosen)),
        # Whether a status came is in the messages, and when a send came in the sync state.
        site.queries.recall(
            ("sends", everything), lambda store: questions.count_sends(store, everything), of_sync_state=True
        ),
    )
    first = position_of(request) if choice.after else 0
    following = None
    if shown.cursor is not None:
        following = query_of(msgspec.structs.replace(choice, after=shown.cursor.token), site.addresses)
    rows = [_row(visitor, send, shown.messages.get(send.message_id or "")) for send in shown.sends]
    for before, row in itertools.pairwise(rows):
        # Advice is said once for equal reasons in a row.
        row["repeated"] = row["advice"] == before["advice"]
    return {
        "rows": rows,
        "total": total,
        "total_text": _total(total) if choice.unconfirmed else wording.number(total),
        "position": message_rows.position(first, len(shown.sends), total) if shown.sends else "",
        "links": _PAGES.links("/sends", query, first, questions.PAGE_SIZE, following),
    }


def _total(count: int) -> str:
    most = questions.MOST_COUNTED
    return f"> {most:,}" if count > most else wording.number(count)


async def change_conditions(visitor: Visitor, request: Request) -> Response:
    """Conditions typed into a form lead to an address."""
    site = visitor.site
    form = await fields_of(request)
    choice = read_conditions(SendUrlFilter, query_given(form.get("query", "")), site.addresses)
    changes: dict[str, Any] = {
        name: typed_value(name, getattr(choice, name), form[name], visitor) for name in _FIELDS if name in form
    }
    if "codes" in form:
        changes["error"] = codes(form["codes"])
    if changes.get("template"):
        changes.update(exact_template="", language="")
    return RedirectResponse(_changed(visitor, choice, **changes), 303)


def _changed(visitor: Visitor, choice: SendUrlFilter, **changes: object) -> str:
    return address_of(msgspec.structs.replace(choice, after="", **changes), visitor.site.addresses)


def _tabs(visitor: Visitor, choice: SendUrlFilter) -> list[dict[str, Any]]:
    none = {kind: False for kind in _TABS if kind}
    chosen = [kind for kind in none if getattr(choice, kind)]
    return [
        {
            "label": _(label),
            "href": _changed(visitor, choice, **{**none, **({kind: True} if kind else {})}),
            "current": chosen == ([kind] if kind else []),
        }
        for kind, label in _TABS.items()
    ]


def _chips(visitor: Visitor, choice: SendUrlFilter) -> list[dict[str, str]]:
    found: list[tuple[str, dict[str, Any]]] = [
        (f"{_(label)}: {shown_value(name, getattr(choice, name), visitor).replace('T', ' ')}", {name: ""})
        for name, (label, _hint) in _FIELDS.items()
        if getattr(choice, name)
    ]
    if choice.error:
        found.append((_("Reason: {codes}").format(codes=", ".join(choice.error)), {"error": ()}))
    if choice.exact_template:
        found.append(
            (_("Template {name}").format(name=visitor.text(choice.exact_template, 80)), {"exact_template": ""})
        )
    if choice.language:
        found.append((_("Language {name}").format(name=visitor.text(choice.language, 40)), {"language": ""}))
    return [{"label": label, "href": _changed(visitor, choice, **changes)} for label, changes in found]


def _row(visitor: Visitor, send: Send, message: Message | None) -> dict[str, Any]:
    site = visitor.site
    at = None if send.sent_at is None else int(send.sent_at.timestamp())
    # Meta's id of the recipient, else what the workflow wrote, in any spelling.
    who, template, sender = send.conversation_id or person_id(send.input), send.template, send.sent_by
    failure = read_failure(send.errors[0]) if send.errors else None
    details = reported_details(failure) if send.rejected else ""
    silent = message is None and send.message_id is not None
    return {
        "when": wording.clock(at, site.zone, site.now()),
        "when_full": wording.iso(at, site.zone),
        "href": visitor.message(message.message_id) if message is not None else None,
        "who": visitor.who(who) if who else _("unknown"),
        "person": visitor.person(send.conversation_id),
        "template": visitor.text(template.name, 80) if template else "",
        "language": visitor.text(template.language or "", 20) if template else "",
        "node": visitor.text(sender.node, 60),
        "workflow": visitor.text(sender.workflow_id, 40),
        "execution": visitor.text(sender.execution_id, 40),
        "execution_href": visitor.execution(sender.workflow_id, sender.execution_id),
        "refused": send.rejected,
        "answer": _("refused") if send.rejected else _answer(visitor, send),
        "tick": None if message is None else message_rows.tick(visitor, message.state.latest_status),
        "silent": silent,
        "repeated": False,
        "reason": visitor.text(from_english(short_reason(failure, site.catalogue))) if send.rejected else "",
        "details": visitor.text(details, 400) if details else "",
        "advice": visitor.text(site.catalogue.lookup(failure.code if failure else None).advice, 600)
        if send.rejected
        else _("WhatsApp accepted it, and no status has come since. Wait a minute, then run: ticktrail doctor")
        if silent
        else "",
    }


def _answer(visitor: Visitor, send: Send) -> str:
    if send.status in _ANSWERS:
        return _(_ANSWERS[send.status])
    return _("unknown") if visitor.masked else visitor.text(send.status, 30)
