"""Counts of sends that WhatsApp accepted and no status confirmed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime

import msgspec

from ticktrail.messages import counts
from ticktrail.messages.counts import Group, Key, unconfirmed_groups
from ticktrail.messages.filters import Grouping, SendFilter
from ticktrail.messages.model import NEVER, Send
from ticktrail.stores.mongodb.bulk import Documents
from ticktrail.stores.mongodb.counting import order
from ticktrail.stores.mongodb.sends import matching, read_sends, unconfirmed
from ticktrail.text.phone_numbers import country_prefix


def count_unconfirmed(
    sends: Documents,
    statuses: Documents,
    chosen: SendFilter,
    by: Grouping | None,
    *,
    overdue_before: int,
    across: Grouping | None = None,
) -> Iterator[Group]:
    """Count as :meth:`ticktrail.stores.Store.unconfirmed` promises."""
    wanted = matching(msgspec.structs.replace(chosen, unconfirmed=True, after=None))
    found: dict[tuple[Key, Key, str | None], tuple[str | None, int, int]] = {}
    # In the order of an index, so that the records of one message come together.
    by_message = itertools.groupby(
        read_sends(sends, wanted, sorting=[("messageId", 1)]), key=lambda send: send.message_id
    )
    first_records = (min(records, key=_age) for _, records in by_message)
    for send in unconfirmed(first_records, statuses):
        person = send.conversation_id or None
        is_long = person is not None and len(person) > counts.LONGEST_NUMBER
        key = (_key(send, by), _key(send, across), person if is_long else None)
        label, overdue, count = found.get(key, (None, 0, 0))
        label = min(filter(None, (label, person)), default=None)
        is_overdue = send.sent_at is None or send.sent_at.timestamp() < overdue_before
        found[key] = (label, overdue + is_overdue, count + 1)
    rows = (
        (first, second, label, counts.audience(long_id, None), overdue, count)
        for (first, second, long_id), (label, overdue, count) in sorted(found.items(), key=lambda one: order(one[0]))
    )
    yield from unconfirmed_groups(rows, by)


def _age(send: Send) -> tuple[bool, datetime]:
    """Order the records of one message: the earliest first, unknown times last."""
    return (send.sent_at is None, send.sent_at or NEVER)


def _key(send: Send, by: Grouping | None) -> Key:
    if by in {Grouping.DAY, Grouping.HOUR}:
        return None if send.sent_at is None else int(send.sent_at.timestamp() // counts.QUARTER_SECONDS)
    keys: dict[Grouping | None, Key] = {
        Grouping.USER: send.conversation_id or send.input or None,
        Grouping.TEMPLATE: send.template.name or None if send.template else None,
        Grouping.COUNTRY: country_prefix(send.conversation_id),
        Grouping.SENDER: send.sent_by.workflow_id or None,
    }
    return keys.get(by)
