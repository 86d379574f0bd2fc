"""The conditions of a list of messages as they stand in a page's address, and the filter they mean.

Names are those of the command line's options. What was typed stays as it was typed (``since=7d``), so that a shared
address goes on meaning the last seven days.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import urlencode

import msgspec

from ticktrail import phone
from ticktrail.config import Settings
from ticktrail.dashboard.addresses import Addresses
from ticktrail.error_codes import Catalogue, retryable_codes
from ticktrail.errors import ConfigurationError, NotFoundError
from ticktrail.moments import parse_duration, parse_moment
from ticktrail.query import MessageFilter, Order, Place, recipient
from ticktrail.toml_settings import question_settings

_LONGEST_VALUE = 6_000


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, as texts; an empty one is no condition.

    Attributes:
        to: a recipient, as typed; ``who`` is the exact id of one.
        people: only what the rates count: no groups, no tests of Meta's.
        after: a place's token.
    """

    to: str = ""
    who: str = ""
    status: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    unread: bool = False
    undelivered: bool = False
    not_read: bool = False
    retryable: bool = False
    since: str = ""
    until: str = ""
    updated_within: str = ""
    workflow: str = ""
    sent_by: str = ""
    number: str = ""
    template: str = ""
    campaign: str = ""
    country: str = ""
    instance: str = ""
    people: bool = False
    sort: str = ""
    after: str = ""

    @property
    def conditions(self) -> int:
        """How many conditions are set."""
        named = (getattr(self, name) for name in self.__struct_fields__ if name not in {"sort", "after"})
        return sum(bool(value) for value in named)


_ALWAYS_SEALED = frozenset({"to", "who", "after"})
_SHORT = {"not_read": "not-read", "updated_within": "updated-within", "sent_by": "sent-by"}
_NAMES = {_SHORT.get(name, name): name for name in Choice.__struct_fields__}


def read_choice(given: Mapping[str, list[str]], addresses: Addresses) -> Choice:
    """The choice an address's query means; what is unknown in it is left aside.

    Raises:
        NotFoundError: a sealed part was sealed by another installation.
    """
    found: dict[str, Any] = {}
    for written, name in _NAMES.items():
        values = [value for value in given.get(written, []) if value and len(value) <= _LONGEST_VALUE]
        if not values:
            continue
        default = getattr(Choice(), name)
        if isinstance(default, bool):
            found[name] = values[0] not in {"0", "false", "no"}
            continue
        texts = [_opened(value, addresses) for value in values]
        found[name] = tuple(texts[:50]) if isinstance(default, tuple) else texts[0]
    return Choice(**found)


def query_of(choice: Choice, addresses: Addresses) -> str:
    """The choice as an address's query, without the question mark."""
    parts: list[tuple[str, str]] = []
    for written, name in _NAMES.items():
        value = getattr(choice, name)
        if isinstance(value, bool):
            parts += [(written, "1")] if value else []
            continue
        for text in value if isinstance(value, tuple) else [value]:
            if text:
                sealed = f"~{addresses.token(text)}" if name in _ALWAYS_SEALED else addresses.value(text)
                parts.append((written, sealed))
    return urlencode(parts)


def address_of(choice: Choice, addresses: Addresses, path: str = "/messages") -> str:
    """The address of the list of these messages."""
    query = query_of(choice, addresses)
    return f"{path}?{query}" if query else path


def filter_of(choice: Choice, settings: Settings, catalogue: Catalogue, now: datetime) -> MessageFilter:
    """The filter a choice means.

    Raises:
        ConfigurationError: a part of it cannot be understood; the message names it and shows a good one.
    """
    own = question_settings(settings)
    updated_since = None
    if choice.updated_within:
        updated_since = datetime.fromtimestamp(now.timestamp() - parse_duration(choice.updated_within), UTC)
    template, _, language = choice.template.partition("/")
    chosen = MessageFilter(
        conversation_id=choice.who or None,
        person=phone.person(choice.to, own.region) if choice.to else None,
        failure_codes=tuple(_code(text) for text in choice.error),
        since_timestamp=parse_moment(choice.since, now, settings.timezone) if choice.since else None,
        until_timestamp=parse_moment(choice.until, now, settings.timezone) if choice.until else None,
        updated_since=updated_since,
        workflow_id=choice.workflow or None,
        sending_workflow_id=choice.sent_by or None,
        sending_numbers=(
            tuple(dict.fromkeys((choice.number.strip(), recipient(choice.number)))) if choice.number else ()
        ),
        template=template.strip() or None,
        template_language=language.strip() or None,
        campaign=choice.campaign or None,
        campaign_key=own.campaign_key if choice.campaign else None,
        country=phone.country(choice.country) if choice.country else None,
        instance=choice.instance or None,
        people_only=choice.people,
        order=_order(choice.sort),
        after=Place.read(choice.after) if choice.after else None,
    ).narrowed(statuses=choice.status, unread=choice.unread, undelivered=choice.undelivered, not_read=choice.not_read)
    if choice.retryable:
        chosen = chosen.retryable(tuple(code for code in retryable_codes(catalogue) if isinstance(code, int)))
    return chosen


def _opened(value: str, addresses: Addresses) -> str:
    text = addresses.opened(value)
    if text is None:
        raise NotFoundError(
            "A part of this address was made by another installation, or was cut off.",
            remedy="Copy the whole address again, or look for the person anew.",
        )
    return text


def _code(text: str) -> int:
    plain = text.strip().lstrip("#")
    if not (plain.isascii() and plain.isdigit() and len(plain) <= 18):
        raise ConfigurationError("That is no failure code.", remedy="Codes are numbers, such as 131026.")
    return int(plain)


def _order(text: str) -> Order:
    found: Order
    for found in get_args(Order):
        if text == found:
            return found
    if text:
        raise ConfigurationError("Messages are not sorted that way.", remedy="Sort by newest, oldest or updated.")
    return "newest"
