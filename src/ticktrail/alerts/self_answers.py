"""Find workflows that answer their own status updates.

The WhatsApp Trigger starts the workflow for each status too. Without a filter the workflow goes on, and its send node
has no recipient: WhatsApp refuses the send. No customer misses a message, so these sends are no failures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ticktrail.messages.failure_causes import NO_RECIPIENT_CODES, CauseCount, first_code, lacks_recipient
from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
from ticktrail.messages.model import Send
from ticktrail.stores import Store

_CODES = frozenset(map(str, NO_RECIPIENT_CODES))
_MOST_READ = 1_000


class SelfAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """Refused sends of one workflow that answer status updates.

    Attributes:
        causes: what they count as among the refused sends.
        first_timestamp: when the first of them was sent, Unix seconds.
    """

    workflow_id: str
    node: str
    count: int
    causes: tuple[CauseCount, ...]
    first_timestamp: int | None = None


def find_self_answers(
    store: Store, sends: Sequence[CauseCount], *, since: int | None, until: int | None
) -> list[SelfAnswers]:
    """Return the workflows that answer their own status updates in a span of time.

    Args:
        sends: the sends of this span, counted by cause.
    """
    suspected = {one.workflow_id for one in sends if one.failed and one.code in _CODES and one.workflow_id}
    if not suspected:
        return []
    chosen = MessageFilter(since_timestamp=since, until_timestamp=until)
    receiving = {group.key for group in store.statistics(chosen, Grouping.WORKFLOW, young_since=0)}
    answers = []
    for workflow_id in sorted(suspected & receiving):
        refused = SendFilter(
            refused=True,
            failure_codes=NO_RECIPIENT_CODES,
            since_timestamp=since,
            until_timestamp=until,
            workflow_id=workflow_id,
            limit=_MOST_READ,
        )
        found = [send for send in store.sends(refused) if lacks_recipient(send)]
        if found:
            moments = [int(send.sent_at.timestamp()) for send in found if send.sent_at is not None]
            answers.append(
                SelfAnswers(
                    workflow_id=str(workflow_id),
                    node=found[-1].sent_by.node,
                    count=len(found),
                    causes=_causes(found),
                    first_timestamp=min(moments, default=None),
                )
            )
    return answers


def without_self_answers(sends: Iterable[CauseCount], answers: Iterable[SelfAnswers]) -> tuple[CauseCount, ...]:
    """Return the counted sends less those that answer status updates."""
    less: dict[tuple[str | None, str | None, str | None], int] = {}
    for answer in answers:
        for cause in answer.causes:
            less[cause.workflow_id, cause.code, cause.template] = cause.count
    left = []
    for send in sends:
        count = send.count - (less.get((send.workflow_id, send.code, send.template), 0) if send.failed else 0)
        if count > 0:
            left.append(msgspec.structs.replace(send, count=count))
    return tuple(left)


def _causes(sends: Iterable[Send]) -> tuple[CauseCount, ...]:
    counts: dict[tuple[str, str | None, str | None], int] = {}
    for send in sends:
        key = (send.sent_by.workflow_id, first_code(send.errors), send.template.name if send.template else None)
        counts[key] = counts.get(key, 0) + 1
    return tuple(
        CauseCount(failed=True, workflow_id=workflow_id, code=code, template=template, count=count)
        for (workflow_id, code, template), count in counts.items()
    )
