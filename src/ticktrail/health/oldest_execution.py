"""The oldest execution that n8n still lists, found with a few small requests however many there are."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from ticktrail.sources.n8n_api.api import N8nApi
from ticktrail.sources.n8n_api.responses import MetadataPage

_ROWS = 50


def oldest_ended(api: N8nApi, deadline: float) -> datetime | None:
    """When the oldest execution began that n8n lists and is done with; None when there is none, or time runs out.

    n8n's cursor is "ids below this one" and can be made by hand, so the lowest id is found by halving: about twenty
    requests for a million executions. Those that wait are passed over: n8n deletes none of them, however old.

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


def _oldest_in(page: MetadataPage) -> datetime | None:
    ended = (row for row in reversed(page.rows) if row.final is not False)
    return next((at for row in ended if (at := instant_of(row.started_at)) is not None), None)


def instant_of(text: object) -> datetime | None:
    """An n8n time (ISO 8601, UTC) as an instant; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
