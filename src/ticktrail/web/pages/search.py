"""The box on every page: a number in any spelling, a message id, a template, a campaign or a failure code.

Every answer is a redirect, so that Back leads to the page the box was on; no address holds what was typed.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ticktrail.errors import TicktrailError
from ticktrail.messages.filters import MessageFilter
from ticktrail.queries import lists as questions
from ticktrail.stores import Store
from ticktrail.text.phone_numbers import parse_person
from ticktrail.web.pages import wording
from ticktrail.web.pages.context import Visitor, refuse_search
from ticktrail.web.pages.conversation import opened
from ticktrail.web.pages.forms import fields_of
from ticktrail.web.pages.rendering import View
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import ngettext
from ticktrail.web.pages.url_filters import UrlFilter, address_of

LONGEST = 300
_FEWEST_DIGITS = 4
_MOST_CODE_DIGITS = 7
_CODE = re.compile(rf"#?\d{{1,{_MOST_CODE_DIGITS}}}")


async def search(visitor: Visitor, request: Request) -> Response:
    """Redirect to what was typed."""
    typed = (await fields_of(request)).get("q", "").strip()[:LONGEST]
    address = await _address(visitor, typed) if typed else "/"
    return RedirectResponse(address, 303)


async def _address(visitor: Visitor, typed: str) -> str:
    site, sealed = visitor.site, f"/find/{visitor.site.addresses.token(typed)}"
    if typed.startswith("wamid."):
        found = await site.queries.ask(lambda store: store.get([typed]))
        return f"/message/{site.addresses.token(typed)}" if typed in found and visitor.is_full else sealed
    listed = await site.queries.ask(lambda store: _listed(store, visitor, typed))
    if listed is not None:
        return address_of(listed, site.addresses)
    if visitor.is_full and _is_person(visitor, typed):
        wanted = parse_person(typed, site.region)
        people = (await site.queries.ask(lambda store: questions.find_people(store, wanted))).people
        if len(people) == 1:
            return visitor.person(people[0][0]) or sealed
    return sealed


def _listed(store: Store, visitor: Visitor, typed: str) -> UrlFilter | None:
    """The list that a failure code, a template or a campaign means."""
    candidates: list[tuple[UrlFilter, MessageFilter]] = []
    if _CODE.fullmatch(typed):
        code = int(typed.removeprefix("#"))
        if visitor.site.catalogue.lookup(code).known or typed.startswith("#"):
            return UrlFilter(error=(str(code),))
        candidates.append((UrlFilter(error=(str(code),)), MessageFilter(failure_codes=(code,))))
    name, _slash, language = typed.partition("/")
    candidates += [
        (UrlFilter(exact_template=name, language=language),
         MessageFilter(template=name, template_language=language or None)),
        (UrlFilter(campaign=typed), MessageFilter(campaign=typed, campaign_key=visitor.site.user_file.campaign_key)),
    ]  # fmt: skip
    for choice, chosen in candidates:
        wanted = MessageFilter(
            failure_codes=chosen.failure_codes, template=chosen.template, template_language=chosen.template_language,
            campaign=chosen.campaign, campaign_key=chosen.campaign_key, limit=1,
        )  # fmt: skip
        if next(store.messages(wanted), None) is not None:
            return choice
    return None


def _is_person(visitor: Visitor, typed: str) -> bool:
    try:
        parse_person(typed, visitor.site.region)
    except TicktrailError:
        return False
    return True


async def find(visitor: Visitor, request: Request) -> View:
    """The page of a search without a single result: people to choose from, or what can be typed."""
    refuse_search(visitor)
    typed = opened(visitor, request.path_params["token"])
    digits = sum(one.isdigit() for one in typed)
    context: dict[str, Any] = {"people": [], "more": False, "typed": visitor.text(typed, 80), "hint": ""}
    title = _("Nothing found")
    if _is_person(visitor, typed):
        wanted = parse_person(typed, visitor.site.region)
        found = await visitor.site.queries.ask(lambda store: questions.find_people(store, wanted))
        context["people"] = [
            {"who": visitor.who(one), "href": visitor.person(one), "count": wording.number(count)}
            for one, count in found.people
        ]
        context["more"] = found.more
        if found.people:
            title = ngettext("{count} person found", "{count} people found", len(found.people))
        elif digits >= _FEWEST_DIGITS:
            context["hint"] = _("No message to this number is in the store.")
    elif digits:
        context["hint"] = _("Type a whole number, or at least its last four digits.")
    return View(template="find.html", title=title, context=context)
