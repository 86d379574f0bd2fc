"""Which sends somebody asked for, as typed, on the command line or in an address → the filter it means."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ticktrail.errors import ConfigurationError
from ticktrail.messages.filters import SendCursor, SendFilter
from ticktrail.queries.filter_parsing import moment_of, template_of
from ticktrail.settings.settings import Settings


class SendQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The options of ``ticktrail sends``, by their names: nothing of them has been understood yet."""

    refused: bool = False
    unconfirmed: bool = False
    error: tuple[int, ...] = ()
    since: str | None = None
    until: str | None = None
    workflow: str | None = None
    template: str | None = None
    limit: int | None = None
    after: str | None = None


def send_filter_of(asked: SendQuery, settings: Settings, now: datetime) -> SendFilter:
    """The filter that was meant.

    Args:
        now: an aware instant, from which ``2h`` counts back.

    Raises:
        ConfigurationError: something is malformed, or no send can meet all of it.
    """
    if asked.refused and asked.unconfirmed:
        raise ConfigurationError(
            "What Meta refused has no message that a status could confirm.",
            remedy="Ask for refused sends (--refused) or for unconfirmed ones (--unconfirmed).",
        )
    name, language = template_of(asked.template)
    return SendFilter(
        refused=True if asked.refused else None,
        unconfirmed=asked.unconfirmed,
        failure_codes=asked.error,
        since_timestamp=moment_of(asked.since, settings, now),
        until_timestamp=moment_of(asked.until, settings, now),
        workflow_id=asked.workflow,
        template=name,
        template_language=language,
        after=SendCursor.read(asked.after) if asked.after else None,
        limit=asked.limit,
    )
