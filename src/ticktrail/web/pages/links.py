"""Figures to lists: the list of messages that each figure counts. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from ticktrail.messages.counts import HOUR_SECONDS, Group
from ticktrail.messages.filters import READ, Grouping
from ticktrail.messages.model import ARRIVED, FAILED
from ticktrail.queries.periods import Period, day_bounds
from ticktrail.web.pages.url_filters import UrlFilter

KINDS: dict[str, tuple[str, ...]] = {
    "sent": (*sorted(ARRIVED), *sorted(FAILED), "sent"),
    "delivered": tuple(sorted(ARRIVED)),
    "read": READ,
    "pending": ("sent",),
    "failed": tuple(sorted(FAILED)),
}
"""The statuses that each figure counts; see :func:`ticktrail.messages.counts.facts`."""


def span(period: Period) -> dict[str, Any]:
    """A period as conditions of a list."""
    return {
        "since": "" if period.since is None else str(period.since),
        "until": "" if period.until is None else str(period.until),
    }


def of_kind(kind: str, period: Period, within: UrlFilter | None = None) -> UrlFilter:
    """The messages that one figure of a period, or of a group within it, counts."""
    if within is None:
        return UrlFilter(status=KINDS[kind], people=True, **span(period))
    return msgspec.structs.replace(within, status=KINDS[kind])


def of_group(by: Grouping, group: Group, period: Period, zone: ZoneInfo) -> UrlFilter | None:
    """The messages of a group; None where no condition of a list says them."""
    if group.key is None:
        return None
    key = str(group.key)
    within: dict[str, Any] = {"people": True, **span(period)}
    if by is Grouping.TEMPLATE:
        return UrlFilter(exact_template=key, **within)
    if by is Grouping.ERROR:
        plain = key.isascii() and key.isdigit()
        return UrlFilter(error=(key,), status=KINDS["failed"], **within) if plain else None
    if by in {Grouping.DAY, Grouping.HOUR}:
        since, until = bounds(by, key, zone)
        return UrlFilter(people=True, since=str(since), until=str(until))
    field = _FIELDS.get(by)
    if field is None:
        return None
    within[field] = key
    return UrlFilter(**within)


_FIELDS = {
    Grouping.SENDER: "sent_by",
    Grouping.NUMBER: "number",
    Grouping.CAMPAIGN: "campaign",
    Grouping.COUNTRY: "country",
    Grouping.WORKFLOW: "workflow",
    Grouping.CATEGORY: "category",
}


def bounds(by: Grouping, key: str, zone: ZoneInfo) -> tuple[int, int]:
    """The first second of a day or an hour, and of the next one."""
    if by is Grouping.DAY:
        return day_bounds(key, zone)
    since = int(datetime.fromisoformat(key).timestamp())
    return since, since + HOUR_SECONDS
