"""The pieces that forms of conditions are made of: fields, choices of which one holds, and chips to take away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from nicegui import ui

from ticktrail.web.pages import components as parts
from ticktrail.web.pages import strings as words
from ticktrail.web.pages.context import Visitor

_LONGEST = 200


def field(label: str, hint: str, value: str) -> ui.input:
    """Something to type a condition into."""
    made = ui.input(label, placeholder=hint, value=value).props("dense outlined stack-label")
    made.props["maxlength"] = str(_LONGEST)
    return made


def readable(name: str, value: str, visitor: Visitor) -> str:
    """A condition as a field shows it: moments that links wrote as Unix seconds as people read them."""
    if name in {"since", "until"} and value.isascii() and value.isdigit() and len(value) == 10:
        moment = datetime.fromtimestamp(int(value), visitor.site.settings.timezone)
        if moment.timestamp() == int(value) and not moment.second:
            return f"{moment:%Y-%m-%dT%H:%M}"
    return visitor.text(value, _LONGEST) if visitor.masked else value


def typed(name: str, before: str, made: ui.input, visitor: Visitor) -> str:
    """What a field means: the condition as it was, when nobody touched it, else what was typed."""
    shown = str(made.value or "")
    return before if shown == readable(name, before, visitor) else shown.strip()[:_LONGEST]


def codes(made: ui.input) -> tuple[str, ...]:
    """The failure codes in a field."""
    return tuple(str(made.value or "").replace(",", " ").split())[:20]


def chip(label: str, address: str, *, chosen: bool, hint: str = "") -> None:
    """One choice of several."""
    attributes = {**({"aria_current": "true"} if chosen else {}), **({"title": hint} if hint else {})}
    parts.link(label, address, "choice", **attributes)


def standing(chips: Sequence[tuple[str, str]]) -> None:
    """Conditions that no field shows, each with the address of the list without it."""
    if not chips:
        return
    with parts.box("chips"):
        for label, without in chips:
            with parts.box("chip"):
                parts.text(label)
                parts.link(
                    "\N{MULTIPLICATION SIGN}", without, "chip-off", aria_label=words.TAKE_AWAY.format(condition=label)
                )
