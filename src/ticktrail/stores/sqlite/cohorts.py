"""Cohorts: each combination of values by which messages are grouped, stored once and numbered.

A million messages have a few hundred combinations of template, number, workflow, country and price. A message holds the
number of its combination, so that one narrow index serves all these groupings, and their filters.
"""

from __future__ import annotations

import sqlite3

from ticktrail.messages import counts
from ticktrail.messages.model import Attributes, MessageState
from ticktrail.stores.sqlite.rows import Row
from ticktrail.text.phone_numbers import country_prefix

COLUMNS = (
    "audience",
    "country_prefix",
    "template_name",
    "template_language",
    "sent_by_workflow_id",
    "workflow_id",
    "phone_number_id",
    "display_phone_number",
    "pricing_category",
    "billable",
    "instance",
    "in_campaign",
)
"""Columns of a cohort. Texts are empty where a message has none, because NULLs are never equal to SQLite."""

UNKNOWN = 2
"""``billable`` where the pricing does not say."""

_FIND = f"SELECT id FROM cohort WHERE {' AND '.join(f'{column} = ?' for column in COLUMNS)}"  # noqa: S608 - constants
_ADD = f"INSERT INTO cohort ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - constants


class Cohorts:
    """Numbers of cohorts within one transaction; a missing cohort is added."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers: dict[Row, int] = {}

    def number_of(self, known: Attributes, state: MessageState, origin: Row) -> int:
        """Return the number of a message's cohort; ``origin`` are its values of :data:`ORIGIN`.

        Raises:
            UnicodeEncodeError: SQLite cannot store one of the texts.
        """
        billable = counts.billable(state.pricing)
        template, language, sender, *_ = origin
        return self._number(
            (
                counts.audience(known.conversation_id, known.phone_number_id),
                country_prefix(known.conversation_id) or "",
                template or "",
                language or "",
                sender or "",
                state.workflow_id,
                known.phone_number_id or "",
                known.display_phone_number or "",
                counts.category(state.pricing) or "",
                UNKNOWN if billable is None else int(billable),
                known.instance or "",
                bool(known.callback_data),
            )
        )

    def with_origin(self, number: int, origin: Row) -> int:
        """Return the number of the cohort that differs from another one in ``origin`` alone."""
        row = self._connection.execute(f"SELECT {', '.join(COLUMNS)} FROM cohort WHERE id = ?", (number,)).fetchone()  # noqa: S608
        return self._number((*row[:2], *(value or "" for value in origin[:3]), *row[5:]))

    def _number(self, row: Row) -> int:
        known = self._numbers.get(row)
        if known is None:
            found = self._connection.execute(_FIND, row).fetchone()
            known = found[0] if found else self._connection.execute(_ADD, row).lastrowid
            self._numbers[row] = int(known or 0)
        return self._numbers[row]
