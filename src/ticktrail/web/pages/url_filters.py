"""Filters in the addresses of pages, both ways: conditions to address, and filter to conditions.

The conditions and their names are derived from :mod:`ticktrail.queries.filter_conditions`. A value stays as it was
typed (``since=7d``), so that a shared address keeps meaning the last seven days. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.errors import NotFoundError
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.queries import filter_parsing
from ticktrail.queries.condition import Condition, Filter, Kind, Seal, Value
from ticktrail.queries.filter_conditions import MESSAGE_CONDITIONS, SEND_CONDITIONS
from ticktrail.settings.settings import Settings
from ticktrail.text.times import parse_moment
from ticktrail.web.security.url_tokens import UrlTokens

_LONGEST_VALUE = 6_000
_MOST_VALUES = 50
_UNIX_DIGITS = 10

_EMPTY: dict[Kind, Value] = {Kind.FLAG: False, Kind.TEXTS: (), Kind.CODES: ()}
"""Value of a condition that is not set, where it is not the empty text."""


class UrlConditions(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions of a list as an address has them: a field for each, in which an empty value is no condition.

    A field is called as the condition is in an address, with ``_`` for ``-``: a flag is a boolean, a condition that can
    be repeated a tuple of texts, any other a text. Change one with :func:`msgspec.structs.replace`.
    """

    table: ClassVar[tuple[Condition[Any], ...]] = ()
    path: ClassVar[str] = ""

    @property
    def conditions(self) -> int:
        """Number of conditions that are set, without order and cursor."""
        return sum(bool(getattr(self, name)) for name in self.__struct_fields__ if name not in {"sort", "after"})


Choice = TypeVar("Choice", bound=UrlConditions)


def field_name(condition: Condition[Any]) -> str:
    """Return the field of :class:`UrlConditions` that holds a condition."""
    return condition.address.replace("-", "_")


def conditions_struct(name: str, table: tuple[Condition[Any], ...], path: str) -> type[UrlConditions]:
    """Return the subclass of :class:`UrlConditions` for the conditions of a table.

    Args:
        path: of the list's page.
    """
    fields = [(field_name(one), Any, _EMPTY.get(one.kind, "")) for one in table if one.address]
    namespace = {"table": table, "path": path, "__annotations__": {"table": ClassVar[Any], "path": ClassVar[str]}}
    made = msgspec.defstruct(
        name, fields, bases=(UrlConditions,), module=__name__, namespace=namespace, frozen=True, kw_only=True
    )
    return cast("type[UrlConditions]", made)


if TYPE_CHECKING:

    class UrlFilter(UrlConditions, frozen=True):
        """Conditions on messages."""

        def __init__(self, **conditions: Value) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

    class SendUrlFilter(UrlConditions, frozen=True):
        """Conditions on sends."""

        def __init__(self, **conditions: Value) -> None: ...
        def __getattr__(self, name: str) -> Any: ...

else:
    UrlFilter = conditions_struct("UrlFilter", MESSAGE_CONDITIONS, "/messages")
    SendUrlFilter = conditions_struct("SendUrlFilter", SEND_CONDITIONS, "/sends")


def read_conditions(kind: type[Choice], given: Mapping[str, list[str]], addresses: UrlTokens) -> Choice:
    """Return the conditions in an address's query; unknown parameters are ignored.

    Raises:
        NotFoundError: a sealed value was sealed by another installation, or a value that must be sealed is not.
    """
    found: dict[str, Any] = {}
    for one in kind.table:
        values = [value for value in given.get(one.address, []) if value and len(value) <= _LONGEST_VALUE]
        if not values or not one.address:
            continue
        if one.kind is Kind.FLAG:
            found[field_name(one)] = values[0] not in {"0", "false", "no"}
            continue
        texts = [_opened(value, addresses, one.seal) for value in values]
        repeated = isinstance(_EMPTY.get(one.kind), tuple)
        found[field_name(one)] = tuple(texts[:_MOST_VALUES]) if repeated else texts[0]
    return kind(**found)


def query_of(choice: UrlConditions, addresses: UrlTokens) -> str:
    """Return conditions as an address's query, without the question mark."""
    parts: list[tuple[str, str]] = []
    for one in choice.table:
        value = getattr(choice, field_name(one)) if one.address else ""
        if isinstance(value, bool):
            parts += [(one.address, "1")] if value else []
            continue
        texts = value if isinstance(value, tuple) else (value,)
        parts += [(one.address, _sealed(text, addresses, one.seal)) for text in texts if text]
    return urlencode(parts, errors="replace")


def address_of(choice: UrlConditions, addresses: UrlTokens, path: str = "") -> str:
    """Return the address of the list that conditions choose."""
    query = query_of(choice, addresses)
    return f"{path or choice.path}?{query}" if query else path or choice.path


def with_dates(choice: Choice, zone: ZoneInfo) -> Choice:
    """Return conditions with whole minutes of ``since`` and ``until`` as dates: Unix seconds have to be sealed."""
    return msgspec.structs.replace(choice, since=_date(choice.since, zone), until=_date(choice.until, zone))  # type: ignore[attr-defined]


def _date(value: str, zone: ZoneInfo) -> str:
    if not (value.isascii() and value.isdigit() and len(value) == _UNIX_DIGITS):
        return value
    moment = datetime.fromtimestamp(int(value), zone)
    text = f"{moment:%Y-%m-%d}" if moment.time() == time() else f"{moment:%Y-%m-%dT%H:%M}"
    # Where clocks are put back, an hour comes twice.
    return text if parse_moment(text, moment, zone) == int(value) else value


def address_name(condition: Condition[Any]) -> str:
    """Return the name of a condition in an address."""
    return condition.address


def parse_filter(
    choice: UrlFilter, settings: Settings, now: datetime, label: filter_parsing.Label = address_name
) -> MessageFilter:
    """Return the filter that conditions on messages mean.

    Raises:
        ConfigurationError: a value is malformed, or nothing can match all conditions; the message names the condition.
    """
    return filter_parsing.parse_message_filter(given_conditions(choice), settings, now, label=label)


def parse_send_filter(
    choice: SendUrlFilter, settings: Settings, now: datetime, label: filter_parsing.Label = address_name
) -> SendFilter:
    """Return the filter that conditions on sends mean; see :func:`parse_filter`."""
    return filter_parsing.parse_send_filter(given_conditions(choice), settings, now, label=label)


def url_filter(chosen: MessageFilter) -> UrlFilter:
    """Return the conditions whose :func:`parse_filter` is this filter.

    Statuses come back sorted, times before 1970 as 1970.

    Raises:
        ValueError: the filter has a condition that addresses cannot express. Filters of alerts have none.
    """
    if chosen.statuses and chosen.not_statuses:
        raise ValueError("an address cannot hold both statuses and not_statuses")
    return UrlFilter(**_written(MESSAGE_CONDITIONS, chosen))


def send_url_filter(chosen: SendFilter) -> SendUrlFilter:
    """Return the conditions whose :func:`parse_send_filter` is this filter; see :func:`url_filter`."""
    return SendUrlFilter(**_written(SEND_CONDITIONS, chosen))


def _written(table: tuple[Condition[Filter], ...], chosen: Filter) -> dict[str, Value]:
    values: dict[str, Value] = {}
    expressed: set[str] = set()
    for one in table:
        value = one.write(chosen) if one.write and one.address else ""
        if value:
            values[field_name(one)] = value
            expressed.update(one.fields)
    default = type(chosen)()
    missing = [
        name
        for name in chosen.__struct_fields__
        if getattr(chosen, name) != getattr(default, name) and name not in expressed
    ]
    if missing:
        raise ValueError(f"an address cannot hold {', '.join(missing)}")
    return values


def given_conditions(choice: UrlConditions) -> dict[str, Any]:
    """Return the values of conditions by name."""
    return {one.name: getattr(choice, field_name(one)) or None for one in choice.table if one.address}


def _sealed(text: str, addresses: UrlTokens, seal: Seal) -> str:
    if seal is Seal.TOKEN:
        return f"~{addresses.token(text)}"
    return addresses.sealed(text) if seal is Seal.ALWAYS else addresses.value(text)


def _opened(value: str, addresses: UrlTokens, seal: Seal) -> str:
    text = addresses.text(value.removeprefix("~")) if seal is Seal.TOKEN else addresses.opened(value)
    if text is None:
        raise NotFoundError(
            "A part of this address comes from another installation, or was cut off.",
            remedy="Copy the whole address again, or search for the person again.",
        )
    return text
