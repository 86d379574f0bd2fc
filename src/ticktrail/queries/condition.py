"""Filter conditions: their type, and conditions that only set a field. The table is in ``filter_conditions``."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.settings.settings import Settings

Filter = TypeVar("Filter", MessageFilter, SendFilter)

Value = str | tuple[str, ...] | bool
"""A condition as typed: a text, several texts, or a flag."""


class Kind(enum.Enum):
    """The type of a condition's value."""

    FLAG = enum.auto()
    TEXT = enum.auto()
    TEXTS = enum.auto()
    CODES = enum.auto()
    CHOICE = enum.auto()
    COUNT = enum.auto()
    CURSOR = enum.auto()


class Seal(enum.Enum):
    """How an address hides a value: only where it may hold a phone number, always, or as a token of our own links.

    A token cannot be typed: an address with a hand-written value is refused.
    """

    IF_PERSONAL = enum.auto()
    ALWAYS = enum.auto()
    TOKEN = enum.auto()


class ParseContext(msgspec.Struct, frozen=True):
    """Context of parsing a condition.

    Attributes:
        now: an aware instant, from which ``2h`` counts back.
    """

    settings: Settings
    now: datetime


class Condition(msgspec.Struct, Generic[Filter], frozen=True, kw_only=True):
    """A filter condition under all its names.

    Attributes:
        name: its key among parsed values, and the name of the API parameter.
        help: text of the command's help, the API's schema and the reference; without a full stop.
        fields: the fields of the filter that it sets.
        apply: narrow a filter by the condition's value. Numbers arrive as text.
        write: the value that an address needs for a filter; empty when this condition is not needed to express it.
            None when no filter is expressed by this condition.
        options: spellings on the command line; empty when only the other faces have it.
        metavar: placeholder of the value in the command's help.
        argument: placeholder where a command takes it as an argument instead; empty for never.
        default_note: sentence about the command line's default, added to its help.
        in_api: whether the API has it.
        address: name in a page's address; empty when no address has it.
    """

    name: str
    help: str
    kind: Kind
    fields: tuple[str, ...]
    apply: Callable[[Filter, Any, ParseContext], Filter]
    write: Callable[[Filter], Value] | None = None
    options: tuple[str, ...] = ()
    metavar: str = ""
    argument: str = ""
    default_note: str = ""
    in_api: bool = True
    address: str = ""
    seal: Seal = Seal.IF_PERSONAL
    choices: tuple[str, ...] = ()


def replace(chosen: Filter, **changes: Any) -> Filter:
    """Return a filter with other values in some fields."""
    return msgspec.structs.replace(chosen, **changes)


def set_field(field: str) -> Callable[[Filter, Any, ParseContext], Filter]:
    """Return an :attr:`Condition.apply` that sets a field to the value itself."""
    return lambda chosen, value, _: replace(chosen, **{field: value})


def get_field(field: str) -> Callable[[Any], Value]:
    """Return a :attr:`Condition.write` that returns a field."""
    return lambda chosen: getattr(chosen, field) or ""


def text_condition(
    name: str, field: str, metavar: str, text: str, *, in_api: bool = True, address: str | None = None
) -> Condition[Any]:
    """Return a condition that sets one field to the text itself."""
    return Condition(
        name=name,
        help=text,
        kind=Kind.TEXT,
        fields=(field,),
        apply=set_field(field),
        write=get_field(field),
        options=(f"--{name.replace('_', '-')}",),
        metavar=metavar,
        in_api=in_api,
        address=name.replace("_", "-") if address is None else address,
    )


def flag_condition(
    name: str,
    text: str,
    fields: tuple[str, ...],
    apply: Callable[[Any, Any, ParseContext], Any],
    write: Callable[[Any], bool] | None = None,
) -> Condition[Any]:
    """Return a condition without a value."""
    option = name.replace("_", "-")
    return Condition(
        name=name,
        help=text,
        kind=Kind.FLAG,
        fields=fields,
        apply=apply,
        write=write,
        options=(f"--{option}",),
        address=option,
    )
