"""What a store answers to a filter: messages one by one, and where the next page would begin."""

from __future__ import annotations

from collections.abc import Iterator

from ticktrail.messages.filters import Cursor, Order
from ticktrail.messages.model import Message


class MessagePage(Iterator[Message]):
    """The messages a filter chooses. Read to the end, half, or not at all.

    The place it tells is the one the message had in the order when it was chosen, whatever became of it since.
    """

    def __init__(self, order: Order, found: Iterator[tuple[int | None, Message]]) -> None:
        self._order = order
        self._found = found
        self._last: tuple[int | None, str] | None = None

    def __next__(self) -> Message:
        key, message = next(self._found)
        self._last = key, message.message_id
        return message

    @property
    def cursor(self) -> Cursor | None:
        """The place after the message that came last; None before the first."""
        return None if self._last is None else Cursor(self._order, *self._last)
