"""A ledger → the facts that the rules of alerts look at. The database counts; nothing is loaded to be counted here."""

from __future__ import annotations

import itertools
from datetime import datetime

import msgspec

from ticktrail.alerts.alert import DAY_SECONDS, Rules
from ticktrail.alerts.failures import Failures, Moment
from ticktrail.alerts.rules import (
    DELIVERED_WITHIN,
    STUCK_UNTIL,
    WEEK,
    AlertFacts,
    Delivery,
    UndeliveredByNumber,
    delivered_within,
    is_stuck,
    timed,
)
from ticktrail.health.checks import Finding, judge_key
from ticktrail.messages.counts import QUARTER_SECONDS, Group
from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
from ticktrail.queries.completeness import WorkflowCompleteness, read_completeness
from ticktrail.settings.naming import Naming
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store

_PAUSES_OF = 14 * DAY_SECONDS
_ENOUGH_DAYS = 7 * DAY_SECONDS
_ENOUGH_MESSAGES = 100
_MOST_UNANSWERED = 1_000


def gather(ledger: Store, settings: Settings, rules: Rules, naming: Naming, *, now: datetime) -> AlertFacts:
    """The facts of this moment."""
    moment, window = int(now.timestamp()), rules.window
    newest = next(ledger.messages(MessageFilter(limit=1)), None)
    last = None if newest is None else newest.state.latest_timestamp
    last = None if last is None else min(last, moment)
    return AlertFacts(
        at=Moment(now, settings.timezone, naming.numbers),
        failures=_failures(ledger, moment - window, None),
        failures_before=_failures(ledger, moment - 2 * window, moment - window),
        standings=_standings(ledger, rules, moment),
        deliveries=_deliveries(ledger, rules, moment),
        delivered_passes=next(ledger.messages(MessageFilter(statuses=("delivered",), limit=1)), None) is not None,
        last_status_timestamp=last,
        unanswered=_unanswered(ledger, rules, last, moment),
        longest_pause=None if last is None else _longest_pause(ledger, last),
        workflows=workflows(ledger, settings),
        key=_key(settings, now),
    )


def workflows(store: Store, settings: Settings) -> tuple[WorkflowCompleteness, ...]:
    """Return how complete each synced workflow is; none where the store was never fed by a sync."""
    known = read_completeness(store, settings)
    return known.workflows if any(one.scope for one in known.workflows) or known.runs else ()


def _failures(ledger: Store, since: int, until: int | None) -> Failures:
    chosen = MessageFilter(since_timestamp=since, until_timestamp=until)
    messages = tuple(ledger.causes(chosen))
    people = {}
    if any(one.failed for one in messages):
        groups = ledger.statistics(chosen, Grouping.ERROR, young_since=since)
        people = {str(group.key): group.people or 0 for group in groups if group.key is not None}
    sends = tuple(ledger.send_causes(SendFilter(since_timestamp=since, until_timestamp=until)))
    return Failures(messages=messages, sends=sends, people=people)


def _standings(ledger: Store, rules: Rules, now: int) -> list[UndeliveredByNumber]:
    until = now - rules.stuck_after
    ripe = MessageFilter(since_timestamp=until - rules.window, until_timestamp=until)
    groups = list(ledger.statistics(ripe, Grouping.NUMBER, young_since=now))
    stuck: dict[str | int | None, int] = {}
    # Thirty days are many messages: they are only counted when the answer may be wanted.
    if any(is_stuck(group.counts, rules) for group in groups):
        chosen = MessageFilter(statuses=("sent",), since_timestamp=now - STUCK_UNTIL, until_timestamp=until)
        stuck = {
            group.key: group.counts.on_the_way for group in ledger.statistics(chosen, Grouping.NUMBER, young_since=now)
        }
    return [
        UndeliveredByNumber(
            number=None if group.key is None else str(group.key),
            label=group.label,
            ripe=group.counts,
            stuck=stuck.get(group.key, group.counts.on_the_way),
            people=_people_waiting(ledger, group, ripe) if is_stuck(group.counts, rules) else None,
        )
        for group in groups
    ]


def _people_waiting(ledger: Store, group: Group, ripe: MessageFilter) -> int | None:
    """How many people messages with one tick went to; None where the sending number is not known."""
    if group.key is None:
        return None
    chosen = msgspec.structs.replace(ripe, statuses=("sent",), sending_numbers=(str(group.key),))
    return sum(one.key is not None for one in ledger.statistics(chosen, Grouping.USER, young_since=0))


def _deliveries(ledger: Store, rules: Rules, now: int) -> list[Delivery]:
    until = now - DELIVERED_WITHIN

    def counted(shift: int) -> dict[str | int | None, Group]:
        chosen = MessageFilter(since_timestamp=until - rules.window - shift, until_timestamp=until - shift)
        groups = ledger.statistics(chosen, Grouping.NUMBER, young_since=now, details=True)
        return {group.key: group for group in groups}

    present, before = counted(0), counted(WEEK)
    return [
        Delivery(
            number=None if number is None else str(number),
            label=group.label,
            delivered=delivered_within(group.counts, DELIVERED_WITHIN),
            sent=timed(group.counts),
            delivered_before=delivered_within(before[number].counts, DELIVERED_WITHIN),
            sent_before=timed(before[number].counts),
        )
        for number, group in present.items()
        if number in before
    ]


def _unanswered(ledger: Store, rules: Rules, last: int | None, now: int) -> int:
    since = max(now - WEEK, 0 if last is None else last + 1)
    waiting = SendFilter(
        refused=False,
        unconfirmed=True,
        since_timestamp=since,
        until_timestamp=now - rules.silence_after,
        limit=_MOST_UNANSWERED,
    )
    # What Meta holds back for a look at its quality is not sent yet.
    return sum(send.status == "accepted" for send in ledger.sends(waiting))


def _longest_pause(ledger: Store, last: int) -> int | None:
    """The longest time without a message before the last status, in seconds; None where little is known."""
    chosen = MessageFilter(since_timestamp=last - _PAUSES_OF, until_timestamp=last + 1)
    messages = 0
    quarters = []
    for group in ledger.statistics(chosen, Grouping.HOUR, young_since=last):
        messages += group.counts.messages
        if isinstance(group.key, int):
            quarters.append(group.key)
    quarters.sort()
    if messages < _ENOUGH_MESSAGES or (quarters[-1] - quarters[0]) * QUARTER_SECONDS < _ENOUGH_DAYS:
        return None
    return max((later - earlier) * QUARTER_SECONDS for earlier, later in itertools.pairwise(quarters))


def _key(settings: Settings, now: datetime) -> Finding | None:
    key = settings.n8n.api_key
    if key is None:
        return None
    page = f"{settings.n8n.editor_url}/settings/api" if settings.n8n.editor_url else "Settings > n8n API"
    return judge_key(key.reveal(), now, page=page)
