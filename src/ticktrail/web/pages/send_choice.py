"""The conditions of a list of sends as they stand in a page's address, and the filter they mean. Pure.

Names are those of the options of ``ticktrail sends``; see :mod:`ticktrail.web.pages.url_filters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from ticktrail.errors import ConfigurationError
from ticktrail.messages.filters import SendFilter
from ticktrail.queries.asked_sends import SendQuery
from ticktrail.queries.asked_sends import send_filter_of as asked_filter
from ticktrail.settings.settings import Settings
from ticktrail.web.pages.conditions import (
    code_of,
    count_conditions,
    query_of_conditions,
    read_conditions,
    template_of,
    typed_moment,
    typed_template,
)
from ticktrail.web.security.url_tokens import UrlTokens


class SendUrlFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, as texts; an empty one is no condition.

    Attributes:
        refused: by Meta; ``accepted`` is the opposite, ``unconfirmed`` accepted and never heard of again.
        workflow: the one that sent.
        template: ``name`` or ``name/lang``, as typed; ``exact_template`` and ``language`` go before its parts.
        after: a place's token.
    """

    refused: bool = False
    accepted: bool = False
    unconfirmed: bool = False
    error: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    workflow: str = ""
    template: str = ""
    exact_template: str = ""
    language: str = ""
    after: str = ""

    @property
    def conditions(self) -> int:
        """How many conditions are set."""
        return count_conditions(self)


def read_send_choice(given: Mapping[str, list[str]], addresses: UrlTokens) -> SendUrlFilter:
    """The choice an address's query means; what is unknown in it is left aside.

    Raises:
        NotFoundError: a sealed part was sealed by another installation.
    """
    return read_conditions(SendUrlFilter, given, addresses)


def query_of_sends(choice: SendUrlFilter, addresses: UrlTokens) -> str:
    """The choice as an address's query, without the question mark."""
    return query_of_conditions(choice, addresses)


def address_of_sends(choice: SendUrlFilter, addresses: UrlTokens, path: str = "/sends") -> str:
    """The address of the list of these sends."""
    query = query_of_sends(choice, addresses)
    return f"{path}?{query}" if query else path


def send_filter_of(choice: SendUrlFilter, settings: Settings, now: datetime) -> SendFilter:
    """The filter a choice means.

    Raises:
        ConfigurationError: a part of it cannot be understood, or no send can meet all of it.
    """
    if choice.refused and choice.accepted:
        raise ConfigurationError(
            "No send is both refused and accepted.", remedy="Ask for refused sends or for accepted ones."
        )
    asked = SendQuery(
        refused=choice.refused,
        unconfirmed=choice.unconfirmed,
        error=tuple(code_of(text) for text in choice.error),
        since=choice.since or None,
        until=choice.until or None,
        workflow=choice.workflow or None,
        after=choice.after or None,
    )
    chosen = asked_filter(asked, settings, now)
    template, language = template_of(choice.template, choice.exact_template, choice.language)
    refused = False if choice.accepted else chosen.refused
    return msgspec.structs.replace(chosen, refused=refused, template=template, template_language=language)


def sends_chosen(chosen: SendFilter) -> SendUrlFilter:
    """The way back from a filter: the choice whose :func:`send_filter_of` is this filter again.

    Times before 1970 are given back as its beginning.

    Raises:
        ValueError: the filter has a limit, which no address has.
    """
    if chosen.limit is not None:
        raise ValueError("a limit has no place in an address")
    return SendUrlFilter(
        refused=chosen.refused is True,
        accepted=chosen.refused is False,
        unconfirmed=chosen.unconfirmed,
        error=tuple(map(str, chosen.failure_codes)),
        since=typed_moment(chosen.since_timestamp),
        until=typed_moment(chosen.until_timestamp),
        workflow=chosen.workflow_id or "",
        **typed_template(chosen.template, chosen.template_language),
        after="" if chosen.after is None else chosen.after.token,
    )
