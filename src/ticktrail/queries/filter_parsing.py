"""Which messages somebody asked for, as typed, on the command line or in an address → the filter it means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import msgspec

from ticktrail.errors import ConfigurationError
from ticktrail.messages.error_codes import retryable_codes
from ticktrail.messages.filters import Cursor, MessageFilter, Order
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import catalogue, question_settings
from ticktrail.text import phone_numbers as phone
from ticktrail.text.phone_numbers import recipient
from ticktrail.text.times import parse_duration, parse_moment


class MessageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The options of ``ticktrail messages``, by their names: nothing of them has been understood yet.

    Attributes:
        who: the recipient, in any spelling, or the last digits.
    """

    who: str | None = None
    status: tuple[str, ...] = ()
    unread: bool = False
    undelivered: bool = False
    not_read: bool = False
    retryable: bool = False
    error: tuple[int, ...] = ()
    since: str | None = None
    until: str | None = None
    updated_within: str | None = None
    workflow: str | None = None
    sent_by: str | None = None
    number: str | None = None
    template: str | None = None
    campaign: str | None = None
    country: str | None = None
    instance: str | None = None
    sort: str = "newest"
    limit: int | None = None
    after: str | None = None


def parse_filter(asked: MessageQuery, settings: Settings, now: datetime) -> MessageFilter:
    """The filter that was meant.

    Args:
        now: an aware instant, from which ``2h`` counts back.

    Raises:
        ConfigurationError: something is malformed, or no message can meet all of it.
    """
    own = question_settings(settings)
    name, language = template_of(asked.template)
    chosen = MessageFilter(
        person=phone.person(asked.who, own.region) if asked.who else None,
        failure_codes=asked.error,
        since_timestamp=moment_of(asked.since, settings, now),
        until_timestamp=moment_of(asked.until, settings, now),
        updated_since=_updated_since(asked.updated_within, now),
        workflow_id=asked.workflow,
        sending_workflow_id=asked.sent_by,
        sending_numbers=spellings_of(asked.number),
        template=name,
        template_language=language,
        campaign=asked.campaign,
        campaign_key=own.campaign_key if asked.campaign is not None else None,
        country=phone.country(asked.country) if asked.country else None,
        instance=asked.instance,
        order=order_of(asked.sort),
        after=Cursor.read(asked.after) if asked.after else None,
        limit=asked.limit,
    )
    chosen = chosen.narrowed(
        statuses=asked.status, unread=asked.unread, undelivered=asked.undelivered, not_read=asked.not_read
    )
    if asked.retryable:
        codes = retryable_codes(catalogue(settings))
        chosen = chosen.retryable(tuple(code for code in codes if isinstance(code, int)))
    return chosen


def moment_of(text: str | None, settings: Settings, now: datetime) -> int | None:
    """A ``--since`` or ``--until`` as Unix seconds."""
    return None if text is None else parse_moment(text, now, settings.timezone)


def spellings_of(number: str | None) -> tuple[str, ...]:
    """A number of ours, or its id, as typed and as Meta writes it."""
    return tuple(dict.fromkeys((number.strip(), recipient(number)))) if number else ()


def template_of(text: str | None) -> tuple[str | None, str | None]:
    """A template's name and language out of ``name`` or ``name/lang``; a name has no slash (Meta's template rules)."""
    if text is None:
        return None, None
    name, _, language = text.partition("/")
    return name.strip(), language.strip() or None


def order_of(text: str) -> Order:
    """The order a ``--sort`` names."""
    for order in get_args(Order):
        if text == order:
            return order  # type: ignore[no-any-return]
    raise ConfigurationError(f"{text[:20]!r} is no order.", remedy="--sort takes newest, oldest or updated.")


def _updated_since(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    # Longer ago than any calendar goes is the beginning.
    return datetime.fromtimestamp(max(0, now.timestamp() - parse_duration(text)), UTC)
