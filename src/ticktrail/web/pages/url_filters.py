"""The conditions of a list of messages as they stand in a page's address, and the filter they mean.

Names are those of the command line's options. What was typed stays as it was typed (``since=7d``), so that a shared
address goes on meaning the last seven days.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ticktrail.messages.filters import DELIVERED, READ, MessageFilter
from ticktrail.queries import filter_parsing as asked
from ticktrail.queries.filter_parsing import MessageQuery, spellings_of
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


class UrlFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, as texts; an empty one is no condition.

    Attributes:
        to: a recipient, as typed; ``who`` is the exact id of one.
        number: of ours, as typed; ``number_id`` is one of these exactly.
        template: ``name`` or ``name/lang``, as typed; ``exact_template`` and ``language`` go before its parts.
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
    number_id: tuple[str, ...] = ()
    template: str = ""
    exact_template: str = ""
    language: str = ""
    campaign: str = ""
    country: str = ""
    instance: str = ""
    people: bool = False
    sort: str = ""
    after: str = ""

    @property
    def conditions(self) -> int:
        """How many conditions are set."""
        return count_conditions(self)


def read_choice(given: Mapping[str, list[str]], addresses: UrlTokens) -> UrlFilter:
    """The choice an address's query means; what is unknown in it is left aside.

    Raises:
        NotFoundError: a sealed part was sealed by another installation.
    """
    return read_conditions(UrlFilter, given, addresses)


def query_of(choice: UrlFilter, addresses: UrlTokens) -> str:
    """The choice as an address's query, without the question mark."""
    return query_of_conditions(choice, addresses)


def address_of(choice: UrlFilter, addresses: UrlTokens, path: str = "/messages") -> str:
    """The address of the list of these messages."""
    query = query_of(choice, addresses)
    return f"{path}?{query}" if query else path


def parse_filter(choice: UrlFilter, settings: Settings, now: datetime) -> MessageFilter:
    """The filter a choice means: what the command line makes of the same options, and what only addresses can say.

    Raises:
        ConfigurationError: a part of it cannot be understood; the message names it and shows a good one.
    """
    chosen = asked.parse_filter(
        MessageQuery(
            who=choice.to or None,
            status=choice.status,
            unread=choice.unread,
            undelivered=choice.undelivered,
            not_read=choice.not_read,
            retryable=choice.retryable,
            error=tuple(code_of(text) for text in choice.error),
            since=choice.since or None,
            until=choice.until or None,
            updated_within=choice.updated_within or None,
            workflow=choice.workflow or None,
            sent_by=choice.sent_by or None,
            number=choice.number or None,
            campaign=choice.campaign or None,
            country=choice.country or None,
            instance=choice.instance or None,
            sort=choice.sort or "newest",
            after=choice.after or None,
        ),
        settings,
        now,
    )
    template, language = template_of(choice.template, choice.exact_template, choice.language)
    return msgspec.structs.replace(
        chosen,
        conversation_id=choice.who or None,
        sending_numbers=choice.number_id or chosen.sending_numbers,
        template=template,
        template_language=language,
        people_only=choice.people,
    )


def url_filter(chosen: MessageFilter) -> UrlFilter:
    """The way back from a filter: the choice whose :func:`parse_filter` is this filter again.

    Statuses are given back sorted and in lower case, times before 1970 as its beginning.

    Raises:
        ValueError: the filter has a condition that no address has; alerts' filters have none such.
    """
    numbers = chosen.sending_numbers
    typed = len(numbers) > 0 and spellings_of(numbers[0]) == numbers
    choice = UrlFilter(
        who=chosen.conversation_id or "",
        status=chosen.statuses,
        error=tuple(map(str, chosen.failure_codes)),
        **_short_form(chosen.not_statuses),
        since=typed_moment(chosen.since_timestamp),
        until=typed_moment(chosen.until_timestamp),
        workflow=chosen.workflow_id or "",
        sent_by=chosen.sending_workflow_id or "",
        number=numbers[0] if typed else "",
        number_id=() if typed else numbers,
        **typed_template(chosen.template, chosen.template_language),
        campaign=chosen.campaign or "",
        instance=chosen.instance or "",
        people=chosen.people_only,
        sort="" if chosen.order == "newest" else chosen.order,
        after="" if chosen.after is None else chosen.after.token,
    )
    unsaid = (chosen.person, chosen.updated_since, chosen.country, chosen.limit)
    if any(one is not None for one in unsaid) or (chosen.statuses and chosen.not_statuses):
        raise ValueError("a condition of this filter has no place in an address")
    return choice


def _short_form(not_statuses: tuple[str, ...]) -> dict[str, Any]:
    """The short form that leaves these statuses out."""
    for name, left_out in (("undelivered", DELIVERED), ("not_read", READ)):
        if set(not_statuses) == set(left_out):
            return {name: True}
    if not_statuses:
        raise ValueError("no short form leaves these statuses out")
    return {}
