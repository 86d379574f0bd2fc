"""Tries again what fails for a moment: an election, a lost connection, a query that MongoDB killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeVar

from pymongo.collection import Collection
from pymongo.command_cursor import CommandCursor
from pymongo.cursor import Cursor
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError

from ticktrail.stores.mongodb.connection import READ_MILLISECONDS
from ticktrail.stores.mongodb.errors import passes

ATTEMPTS = 4

_T = TypeVar("_T")
_Documents = Cursor[dict[str, Any]] | CommandCursor[dict[str, Any]]


def keep_trying(work: Callable[[], _T]) -> _T:
    """Return the result of work that may be repeated; after a passing failure it is tried again.

    Raises:
        PyMongoError: it failed for another reason, or in :data:`ATTEMPTS` attempts.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except PyMongoError as error:
            # The driver has waited for a server already, and a reader should soon learn that none can be reached.
            if not passes(error) or isinstance(error, ServerSelectionTimeoutError):
                raise
            pause(attempt)
    return work()


def delete(documents: Collection[dict[str, Any]], query: Mapping[str, Any]) -> int:
    """Delete the documents that a query finds, and return how many.

    The driver does not repeat this request. After an election the number may lack what was deleted before it.
    """
    return keep_trying(lambda: documents.delete_many(query).deleted_count)


def read(
    documents: Collection[dict[str, Any]],
    query: Mapping[str, Any],
    fields: Mapping[str, Any] | None = None,
    *,
    sorting: Sequence[tuple[str, int]] = (),
    limit: int = 0,
) -> Generator[dict[str, Any], None, None]:
    """Yield the documents that a query finds, as :func:`stream` does.

    The server may sort on its disk where no index gives the order.
    """

    def find() -> Cursor[dict[str, Any]]:
        found = documents.find(query, fields, limit=limit, max_time_ms=READ_MILLISECONDS)
        return found.sort(sorting).allow_disk_use(True) if sorting else found  # noqa: FBT003 - the driver's signature

    return stream(find)


def stream(open_cursor: Callable[[], _Documents]) -> Generator[dict[str, Any], None, None]:
    """Yield what a cursor returns; a passing failure before the first document opens it again."""

    def begin() -> tuple[_Documents, dict[str, Any] | None]:
        cursor = open_cursor()
        return cursor, next(cursor, None)

    cursor, first = keep_trying(begin)
    with cursor:
        if first is not None:
            yield first
            yield from cursor


def pause(attempt: int) -> None:
    """Wait for a random time, longer after more attempts, so that two processes do not collide again."""
    time.sleep(random.uniform(0, min(2.0, 0.01 * 2**attempt)))  # noqa: S311 - no secret
