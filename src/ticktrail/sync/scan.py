"""Read the newest executions directly, and keep the messages they hold in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from ticktrail.messages.merge import gather, merge_message
from ticktrail.messages.model import Message, Send, StatusEvent
from ticktrail.sources import Source
from ticktrail.stores import Store
from ticktrail.stores.results import WriteReport
from ticktrail.sync.ingest import read
from ticktrail.sync.results import Progress, ReadCounts
from ticktrail.text.phone_numbers import Person

NOT_FOUND = "not_found"
"""Result of :meth:`Scan.track`: no execution that was read has a status of this message."""

WA_ID_MISMATCH = "wa_id_mismatch"
"""Result of :meth:`Scan.track`: the message was found, with another recipient."""


class Scan:
    """The messages of the newest executions.

    Attributes:
        read_counts: counts of what was read.
    """

    def __init__(self, events: list[StatusEvent], sends: list[Send], read_counts: ReadCounts, at: datetime) -> None:
        self.read_counts = read_counts
        self._events = events
        self._sends = sends
        self._at = at
        self._messages = {
            message_id: merge_message(None, message_id, gathered, at=at)
            for message_id, gathered in gather(events).items()
        }

    def messages(self, *, person: Person | None = None, limit: int | None = None) -> list[Message]:
        """Return the messages, newest first (latest timestamp, then message id)."""
        chosen = [message for message in self._messages.values() if person is None or _is_to(message, person)]
        chosen.sort(key=lambda one: one.message_id)
        chosen.sort(key=lambda one: one.state.latest_timestamp or 0, reverse=True)
        return chosen[:limit]

    def track(self, person: Person, message_id: str) -> tuple[str, Message | None]:
        """Return a message with its latest status, or :data:`NOT_FOUND` or :data:`WA_ID_MISMATCH` and None."""
        message = self._messages.get(message_id)
        if message is None:
            return NOT_FOUND, None
        recipient = message.attributes.conversation_id
        if recipient is not None and not _is_to(message, person):
            return WA_ID_MISMATCH, None
        return message.state.latest_status, message

    def save(self, store: Store, message_ids: Sequence[str], *, instance: str | None = None) -> WriteReport:
        """Write the events and sends of these messages to a store."""
        chosen = set(message_ids)
        events = [event for event in self._events if event.message_id in chosen]
        sends = [send for send in self._sends if send.message_id in chosen]
        return store.write(events, sends, at=self._at, instance=instance)


def newest(
    sources: Sequence[Source],
    *,
    executions: int,
    since_timestamp: int | None = None,
    progress: Progress,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Scan:
    """Read the newest executions of each source.

    Args:
        executions: maximum number of executions of each source.
        since_timestamp: leave out older statuses, Unix seconds.
        now: the clock.
    """
    read_counts = ReadCounts()
    events: list[StatusEvent] = []
    sends: list[Send] = []
    for source in sources:
        for extraction in read(source, read_counts, limit=executions, progress=progress):
            sends.extend(extraction.sends)
            events.extend(
                event
                for event in extraction.events
                if since_timestamp is None or (event.timestamp is not None and event.timestamp >= since_timestamp)
            )
    return Scan(events, sends, read_counts, now())


def _is_to(message: Message, person: Person) -> bool:
    return person.includes(message.attributes.conversation_id, message.attributes.recipient_user_id)
