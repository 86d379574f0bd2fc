"""The oldest execution that n8n still lists, found with a few small requests however many there are."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec

from ticktrail.sources.n8n_api.api import N8nApi
from ticktrail.sources.n8n_api.responses import MetadataPage

_ROWS = 50


class OldestExecution(msgspec.Struct, frozen=True):
    """An execution's id and start."""

    execution_id: int
    started_at: datetime


def oldest_ended(api: N8nApi, deadline: float) -> OldestExecution | None:
    """Return the oldest finished execution that n8n lists; None when there is none, or time runs out.

    n8n's cursor is "ids below this one" and can be made by hand, so a binary search finds the lowest id: about twenty
    requests for a million executions. Waiting executions are skipped, because n8n deletes none of them.

    Args:
        deadline: give up then, by ``time.monotonic``.
    """
    page = api.metadata(None, _ROWS)
    oldest = _oldest_in(page)
    none_below, high, more = 0, page.rows[-1].id if page.rows else 0, page.more
    while more:
        if time.monotonic() > deadline:
            return None
        near = high - none_below <= _ROWS
        middle = high if near else (none_below + high) // 2
        page = api.metadata(middle, _ROWS)
        found = _oldest_in(page)
        if found is not None:
            oldest, high, more = found, page.rows[-1].id, page.more
        else:
            none_below = middle
        more = more and not near
    return oldest


def _oldest_in(page: MetadataPage) -> OldestExecution | None:
    ended = ((row.id, parse_instant(row.started_at)) for row in reversed(page.rows) if row.final is not False)
    return next((OldestExecution(number, started_at) for number, started_at in ended if started_at is not None), None)


def parse_instant(text: object) -> datetime | None:
    """Parse a time as n8n writes it (ISO 8601, UTC); None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
