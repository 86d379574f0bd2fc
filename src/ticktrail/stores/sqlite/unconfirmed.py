"""Sends that WhatsApp accepted and no status confirmed, counted in SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from ticktrail.messages import counts
from ticktrail.messages.counts import Group, UnconfirmedRow, unconfirmed_groups
from ticktrail.messages.filters import Grouping, SendFilter
from ticktrail.stores.sqlite.sends import sends_where

_QUARTER = "sent_at / 900000 - (sent_at % 900000 < 0)"
_PERSON = "COALESCE(NULLIF(conversation_id, ''), NULLIF(input, ''))"

_KEYS = {
    Grouping.DAY: _QUARTER,
    Grouping.HOUR: _QUARTER,
    Grouping.USER: _PERSON,
    Grouping.TEMPLATE: "NULLIF(template_name, '')",
    Grouping.COUNTRY: (
        "CASE WHEN conversation_id NOT GLOB '*[^0-9]*' AND length(conversation_id) BETWEEN 5 AND 15 "
        "THEN substr(conversation_id, 1, 3 + (conversation_id GLOB '[17]*')) END"
    ),
    Grouping.SENDER: "NULLIF(sent_by_workflow_id, '')",
}
"""Groupings that a send supports."""


def count_unconfirmed(
    connection: sqlite3.Connection | None,
    chosen: SendFilter,
    by: Grouping | None,
    *,
    overdue_before: int,
    across: Grouping | None = None,
) -> Iterator[Group]:
    """Count as :meth:`ticktrail.stores.Store.unconfirmed` promises; a missing store holds nothing."""
    rows: Iterator[UnconfirmedRow] = iter(())
    if connection is not None:
        where, parameters = sends_where(connection, msgspec.structs.replace(chosen, unconfirmed=True))
        keys = ["NULL" if one is None else _KEYS.get(one, "NULL") for one in (by, across)]
        # Of several records of one message SQLite takes the other columns from the row with the least time.
        question = (
            f"SELECT {keys[0]} AS first, {keys[1]} AS second, MIN(conversation_id), "  # noqa: S608 - constants
            f"CASE WHEN length(conversation_id) > {counts.LONGEST_NUMBER} THEN conversation_id END AS long_id, "
            "COALESCE(SUM(COALESCE(sent_at < ?, 1)), 0), COUNT(*) "
            "FROM (SELECT MIN(sent_at) AS sent_at, conversation_id, input, template_name, sent_by_workflow_id "
            f"FROM send WHERE {where} GROUP BY message_id) GROUP BY first, second, long_id ORDER BY first, second"
        )
        rows = (
            (key, over, label, counts.audience(long_id, None), overdue, sends)
            for key, over, label, long_id, overdue, sends in connection.execute(
                question, [overdue_before * 1000, *parameters]
            )
        )
    yield from unconfirmed_groups(rows, by)
