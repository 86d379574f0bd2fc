"""Iterate the messages of a filter, with the cursor of the next page."""

from __future__ import annotations

from collections.abc import Iterator

from ticktrail.messages.filters import Cursor, Order
from ticktrail.messages.model import Message


class MessagePage(Iterator[Message]):
    """The messages that a filter chooses; it may be read in part.

    The cursor is the position that a message had when it was chosen, even if it has moved since.
    """

    def __init__(self, order: Order, found: Iterator[tuple[int | float | None, Message]]) -> None:
        self._order = order
        self._found = found
        self._last: tuple[int | float | None, str] | None = None

    def __next__(self) -> Message:
        key, message = next(self._found)
        self._last = key, message.message_id
        return message

    @property
    def cursor(self) -> Cursor | None:
        """Position after the last message that was returned; None before the first."""
        return None if self._last is None else Cursor(self._order, *self._last)
