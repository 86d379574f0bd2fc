"""Filter pickers, fed by what the store holds."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec

from ticktrail.errors import TicktrailError
from ticktrail.messages.filters import Grouping, MessageFilter
from ticktrail.messages.grouping import folded
from ticktrail.stores import Store
from ticktrail.text.masking import mask_number
from ticktrail.web.pages import wording
from ticktrail.web.pages.context import Site, Visitor
from ticktrail.web.pages.translation import gettext as _
from ticktrail.web.pages.translation import mark
from ticktrail.web.pages.url_filters import UrlFilter, address_of

_WAIT_SECONDS = 0.3
"""A list does not wait longer for its pickers; they show an empty field then."""

_KEPT_SECONDS = 300.0
_SHOWN = 12

_PICKERS = {
    "template": (Grouping.TEMPLATE, mark("Template")),
    "campaign": (Grouping.CAMPAIGN, mark("Campaign")),
    "number": (Grouping.NUMBER, mark("From number")),
    "country": (Grouping.COUNTRY, mark("Country")),
    "category": (Grouping.CATEGORY, mark("Category")),
    "error": (Grouping.ERROR, mark("Reason")),
}

T = TypeVar("T")
Option = tuple[str, str, int]
"""Value, label as stored, messages."""


async def pickers(visitor: Visitor, choice: UrlFilter) -> list[dict[str, Any]]:
    """The pickers of a list of messages."""
    site = visitor.site

    def read(store: Store) -> dict[str, tuple[Option, ...]]:
        # One after the other, so that they take one of the few workers.
        return {name: _options(store, site, by) for name, (by, _label) in _PICKERS.items()}

    options = await _soon(site.queries.recall("picker options", read, seconds=_KEPT_SECONDS), {})
    return [_picker(visitor, choice, name, options.get(name, ())) for name in _PICKERS]


async def own_numbers(visitor: Visitor) -> dict[str, str]:
    """Masked sending numbers, as alerts name them, to what a visitor may see of them.

    Alerts can be sent anywhere and so never hold a whole number. A visitor who may see everything gets it back.
    """
    if visitor.masked:
        return {}
    site = visitor.site
    options = await _soon(
        site.queries.recall("own numbers", lambda store: _options(store, site, Grouping.NUMBER), seconds=_KEPT_SECONDS),
        (),
    )
    return {mask_number(label): visitor.who(label) for _value, label, _count in options if label.strip("+").isdigit()}


async def _soon(query: Coroutine[Any, Any, T], otherwise: T) -> T:
    """The result of a query, or a default when it takes too long or the store cannot be read."""
    task = asyncio.ensure_future(query)
    done, _late = await asyncio.wait({task}, timeout=_WAIT_SECONDS)
    try:
        return task.result() if done else otherwise
    except TicktrailError:
        return otherwise


def _options(store: Store, site: Site, by: Grouping) -> tuple[Option, ...]:
    groups = folded(
        store.statistics(MessageFilter(), by, young_since=0), by,
        zone=site.zone, campaign_key=site.user_file.campaign_key, names=site.user_file.numbers,
    )  # fmt: skip
    found = [
        (str(group.key), group.label or "", group.counts.failed if by is Grouping.ERROR else group.counts.messages)
        for group in groups
        if group.key is not None
    ]
    return tuple(sorted(found, key=lambda one: (-one[2], one[0]))[:_SHOWN])


def _picker(visitor: Visitor, choice: UrlFilter, name: str, options: tuple[Option, ...]) -> dict[str, Any]:
    current = getattr(choice, name) or (choice.exact_template if name == "template" else "")
    held = current[0] if isinstance(current, tuple) and current else current or ""

    def address(value: str) -> str:
        changes: dict[str, Any] = {name: (value,) if name == "error" else value}
        if name == "template":
            changes = {"template": "", "exact_template": value, "language": ""}
        if name == "number":
            changes["number_id"] = ()
        return address_of(msgspec.structs.replace(choice, after="", **changes), visitor.site.addresses)

    return {
        "name": name,
        "label": _(_PICKERS[name][1]),
        "held": _label(visitor, name, str(held), "") if held else "",
        "off": address("") if held and name != "error" else address_of(
            msgspec.structs.replace(choice, after="", error=()), visitor.site.addresses
        ),
        "options": [
            {"label": _label(visitor, name, value, label), "href": address(value), "count": wording.number(count),
             "value": "" if visitor.masked else visitor.text(value, 200),
             "current": value == held}
            for value, label, count in options
        ],
    }  # fmt: skip


def _label(visitor: Visitor, name: str, value: str, label: str) -> str:
    if name == "error":
        entry = visitor.site.catalogue.lookup(value)
        title = entry.title if entry.known else label
        return visitor.text(f"{value} {title}".strip(), 60)
    if name == "number":
        plain = label or value
        return visitor.who(plain) if plain.strip("+").isdigit() else visitor.text(plain, 60)
    return visitor.text(value, 60)
