"""Count failures by code, template, workflow and number, in SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from ticktrail.messages import counts
from ticktrail.messages.failure_causes import CauseCount, error_title, first_code
from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
from ticktrail.messages.model import FAILED, RANK
from ticktrail.stores.sqlite.filters import where_of
from ticktrail.stores.sqlite.sends import sends_where
from ticktrail.stores.sqlite.statistics import KEYS, NUMBER


def _listed(names: frozenset[str] | dict[str, int]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


_FAILED = f"latest_status IN ({_listed(FAILED)})"

_MESSAGES = (
    f"SELECT {_FAILED} AS failed, CASE WHEN {_FAILED} THEN NULLIF({KEYS[Grouping.ERROR]}, '') END AS code, "  # noqa: S608
    f"MAX(CASE WHEN {_FAILED} THEN failure_title END), "
    "NULLIF(template_name, '') AS template, NULLIF(sent_by_workflow_id, '') AS workflow, "
    f"NULLIF({NUMBER}, '') AS number, MAX(NULLIF(display_phone_number, '')), COUNT(*), "
    f"COUNT(DISTINCT CASE WHEN {_FAILED} THEN {KEYS[Grouping.USER]} END), MIN(message_time), MAX(message_time) "
    "FROM message WHERE {where} GROUP BY failed, code, template, workflow, number"
)
_SENDS = (
    "SELECT rejected, CASE WHEN rejected THEN first_code(errors) END AS code, "
    "MAX(CASE WHEN rejected THEN first_title(errors) END), NULLIF(template_name, '') AS template, "
    "NULLIF(sent_by_workflow_id, '') AS workflow, NULL, NULL, COUNT(*), "
    "COUNT(DISTINCT CASE WHEN rejected THEN COALESCE(NULLIF(conversation_id, ''), NULLIF(input, '')) END), "
    "MIN(sent_at) / 1000, MAX(sent_at) / 1000 FROM send WHERE {where} GROUP BY rejected, code, template, workflow"
)


def message_causes(connection: sqlite3.Connection | None, chosen: MessageFilter) -> Iterator[CauseCount]:
    """Count as :meth:`ticktrail.stores.Store.causes` promises; a missing store holds nothing."""
    if connection is None:
        return
    where, parameters = where_of(connection, chosen)
    # The plus, as in statistics.py: nearly all recipients are people, whom an index would look up one by one.
    where += f" AND +audience = {counts.PEOPLE} AND +latest_status IN ({_listed(RANK)})"
    yield from map(_cause, connection.execute(_MESSAGES.replace("{where}", where), parameters))


def send_causes(connection: sqlite3.Connection | None, chosen: SendFilter) -> Iterator[CauseCount]:
    """Count as :meth:`ticktrail.stores.Store.send_causes` promises; a missing store holds nothing."""
    if connection is None:
        return
    # Not every SQLite that Python comes with has JSON functions.
    connection.create_function("first_code", 1, lambda errors: first_code(_decoded(errors)), deterministic=True)
    connection.create_function("first_title", 1, lambda errors: _first_title(_decoded(errors)), deterministic=True)
    where, parameters = sends_where(connection, msgspec.structs.replace(chosen, unconfirmed=False))
    yield from map(_cause, connection.execute(_SENDS.replace("{where}", where), parameters))


def _cause(row: tuple[object, ...]) -> CauseCount:
    names = ("failed", "code", "title", "template", "workflow_id", "number", "number_label", "count", "people")
    failed, *values, first, last = row
    found = dict(zip(names[1:], values, strict=True))
    return msgspec.convert(
        {"failed": bool(failed), **found, "first_timestamp": first, "last_timestamp": last}, CauseCount
    )


def _decoded(errors: str | None) -> object:
    try:
        return None if errors is None else msgspec.json.decode(errors)
    except msgspec.DecodeError:
        return None


def _first_title(errors: object) -> str | None:
    first = errors[0] if isinstance(errors, list) and errors else None
    return error_title(first.get("title")) if isinstance(first, dict) else None
