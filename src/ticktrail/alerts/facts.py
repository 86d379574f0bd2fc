"""Read the facts that the alert rules judge. The database does the counting."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from ticktrail.alerts.alert import DAY_SECONDS, HOUR_SECONDS
from ticktrail.alerts.failures import AlertContext, Failures
from ticktrail.alerts.self_answers import SelfAnswers, find_self_answers, without_self_answers
from ticktrail.health.checks import Finding, check_key_expiry
from ticktrail.messages.counts import QUARTER_SECONDS, Counts, Group, Key
from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
from ticktrail.queries.completeness import WorkflowCompleteness, read_completeness
from ticktrail.queries.lists import latest_status_at
from ticktrail.queries.workflow_names import workflow_names
from ticktrail.settings.alert_rules import Rules
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.journal import JournalState, read_state

STUCK_UNTIL = 30 * DAY_SECONDS
"""WhatsApp drops a message that could not be delivered for thirty days (Meta's page on statuses)."""

WEEK = 7 * DAY_SECONDS

DELIVERED_WITHIN = 3_600
"""Seconds: messages that are compared had so long to be delivered, both times."""

FEWEST_SENDS = 3
"""So many accepted messages without a single status are no accident."""

MOST_WITHOUT_ALERT = 3
"""So many accepted messages of one workflow and template may stay without a status, without an alert."""

CONFIRMED_WITHIN = HOUR_SECONDS
"""Seconds: WhatsApp reports the first status of a message within seconds, and n8n may be slow."""

_PAUSES_OF = 14 * DAY_SECONDS
_ENOUGH_DAYS = 7 * DAY_SECONDS
_ENOUGH_MESSAGES = 100
_MOST_UNANSWERED = 1_000


class UndeliveredByNumber(msgspec.Struct, frozen=True, kw_only=True):
    """Messages from one sending number that are old enough to have arrived.

    Attributes:
        ripe: those sent in the window that ended ``stuck_after`` ago.
        stuck: all with one tick that are older than that, up to thirty days.
        people: to whom those of the window went that still have one tick; None where that was not counted.
    """

    number: str | None
    label: str | None = None
    ripe: Counts = Counts()
    stuck: int = 0
    people: int | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of one sending number that were delivered within an hour, now and a week before."""

    number: str | None
    label: str | None = None
    delivered: int
    sent: int
    delivered_before: int
    sent_before: int


class UnconfirmedSends(msgspec.Struct, frozen=True, kw_only=True):
    """Accepted sends of one workflow and template in the last seven days that no status confirmed for over an hour.

    Attributes:
        confirmed: messages of the same workflow and template with a status.
        number: the sending number, where all messages of this workflow with a status came from one.
    """

    workflow_id: str | None
    template: str | None
    count: int
    confirmed: int = 0
    number: str | None = None
    label: str | None = None


class AlertFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the rules judge.

    Attributes:
        failures: of the window that ends now; ``failures_before``: of the one before it. Without sends that answer
            status updates: these are ``self_answers``.
        unconfirmed: accepted sends that no status confirmed; ``unconfirmed_until``: the sends before then were counted.
        delivered_passes: whether a delivery was ever reported: else one tick says nothing.
        last_status_timestamp: of the newest status; None when there is none.
        unanswered: sends accepted since then, at least ``silence_after`` ago, that no status confirmed.
        longest_pause: between two messages of the last fourteen days, in seconds; None where too little is known.
        key: when the API key runs out, where one is set.
        journal: what the receiver's journal holds; None where nothing is received directly.
    """

    at: AlertContext
    failures: Failures = Failures()
    failures_before: Failures = Failures()
    self_answers: Sequence[SelfAnswers] = ()
    unconfirmed: Sequence[UnconfirmedSends] = ()
    unconfirmed_until: int = 0
    undelivered: Sequence[UndeliveredByNumber] = ()
    deliveries: Sequence[Delivery] = ()
    delivered_passes: bool = True
    last_status_timestamp: int | None = None
    unanswered: int = 0
    longest_pause: int | None = None
    workflows: Sequence[WorkflowCompleteness] = ()
    key: Finding | None = None
    journal: JournalState | None = None


def read_facts(
    store: Store, settings: Settings, rules: Rules, numbers: Mapping[str, str], *, now: datetime
) -> AlertFacts:
    """Return the facts of this moment."""
    moment, window = int(now.timestamp()), rules.window
    last = latest_status_at(store, now)
    unanswered, synced = _unanswered(store, rules, last, moment), workflows(store, settings)
    until = _confirmed_until(synced, moment, last if unanswered >= FEWEST_SENDS else moment)
    failures, answers = _failures(store, moment - window, None)
    failures_before, _ = _failures(store, moment - 2 * window, moment - window)
    return AlertFacts(
        at=AlertContext(now, settings.timezone, numbers, workflow_names(store)),
        failures=failures,
        failures_before=failures_before,
        self_answers=answers,
        unconfirmed=_unconfirmed(store, moment - WEEK, until),
        unconfirmed_until=until,
        undelivered=_undelivered(store, rules, moment),
        deliveries=_deliveries(store, rules, moment),
        delivered_passes=next(store.messages(MessageFilter(statuses=("delivered",), limit=1)), None) is not None,
        last_status_timestamp=last,
        unanswered=unanswered,
        longest_pause=None if last is None else _longest_pause(store, last),
        workflows=synced,
        key=_key(settings, now),
        journal=read_state(settings.receiver.journal),
    )


def workflows(store: Store, settings: Settings) -> tuple[WorkflowCompleteness, ...]:
    """Return how complete each synced workflow is; none where the store was never fed by a sync."""
    known = read_completeness(store, settings)
    return known.workflows if any(workflow.scope for workflow in known.workflows) or known.runs else ()


def _confirmed_until(workflows: Sequence[WorkflowCompleteness], now: int, last_status: int | None) -> int:
    """Return the time before which every accepted send should have a status.

    An hour ago, and not later than the last sync. Where statuses stopped coming, which is an alert of its own, not
    later than the last status.
    """
    moments = [now - CONFIRMED_WITHIN]
    if workflows:
        moments += [
            0 if workflow.checked_at is None else int(workflow.checked_at.timestamp()) for workflow in workflows
        ]
        moments.append(0 if last_status is None else last_status)
    return min(moments)


def _unconfirmed(store: Store, since: int, until: int) -> list[UnconfirmedSends]:
    sends = SendFilter(unconfirmed=True, since_timestamp=since, until_timestamp=until)
    groups = list(store.unconfirmed(sends, Grouping.SENDER, overdue_before=until, across=Grouping.TEMPLATE))
    if all(group.counts.unconfirmed <= MOST_WITHOUT_ALERT for group in groups):
        return []
    messages = MessageFilter(since_timestamp=since, until_timestamp=until)
    confirmed = {
        (group.key, group.across): group.counts.messages
        for group in store.statistics(messages, Grouping.SENDER, young_since=0, across=Grouping.TEMPLATE)
    }
    labels = {group.key: group.label for group in store.statistics(messages, Grouping.NUMBER, young_since=0)}
    numbers: dict[Key, list[Key]] = {}
    for group in store.statistics(messages, Grouping.SENDER, young_since=0, across=Grouping.NUMBER):
        numbers.setdefault(group.key, []).append(group.across)
    found = []
    for group in groups:
        (number, *others) = numbers.get(group.key, [None])
        found.append(
            UnconfirmedSends(
                workflow_id=None if group.key is None else str(group.key),
                template=None if group.across is None else str(group.across),
                count=group.counts.unconfirmed,
                confirmed=confirmed.get((group.key, group.across), 0),
                number=None if number is None or others else str(number),
                label=labels.get(number),
            )
        )
    return found


def _failures(store: Store, since: int, until: int | None) -> tuple[Failures, list[SelfAnswers]]:
    chosen = MessageFilter(since_timestamp=since, until_timestamp=until)
    messages = tuple(store.causes(chosen))
    people = {}
    if any(message.failed for message in messages):
        groups = store.statistics(chosen, Grouping.ERROR, young_since=since)
        people = {str(group.key): group.people or 0 for group in groups if group.key is not None}
    sends = tuple(store.send_causes(SendFilter(since_timestamp=since, until_timestamp=until)))
    answers = find_self_answers(store, sends, since=since, until=until)
    return Failures(messages=messages, sends=without_self_answers(sends, answers), people=people), answers


def _undelivered(store: Store, rules: Rules, now: int) -> list[UndeliveredByNumber]:
    until = now - rules.stuck_after
    ripe = MessageFilter(since_timestamp=until - rules.window, until_timestamp=until)
    groups = list(store.statistics(ripe, Grouping.NUMBER, young_since=now))
    stuck: dict[str | int | None, int] = {}
    # Thirty days are many messages: they are only counted when the answer may be wanted.
    if any(is_stuck(group.counts, rules) for group in groups):
        chosen = MessageFilter(statuses=("sent",), since_timestamp=now - STUCK_UNTIL, until_timestamp=until)
        stuck = {
            group.key: group.counts.pending for group in store.statistics(chosen, Grouping.NUMBER, young_since=now)
        }
    return [
        UndeliveredByNumber(
            number=None if group.key is None else str(group.key),
            label=group.label,
            ripe=group.counts,
            stuck=stuck.get(group.key, group.counts.pending),
            people=_people_waiting(store, group, ripe) if is_stuck(group.counts, rules) else None,
        )
        for group in groups
    ]


def _people_waiting(store: Store, group: Group, ripe: MessageFilter) -> int | None:
    """Return the number of people with a pending message; None where the sending number is unknown."""
    if group.key is None:
        return None
    chosen = msgspec.structs.replace(ripe, statuses=("sent",), sending_numbers=(str(group.key),))
    return sum(one.key is not None for one in store.statistics(chosen, Grouping.USER, young_since=0))


def _deliveries(store: Store, rules: Rules, now: int) -> list[Delivery]:
    until = now - DELIVERED_WITHIN

    def counted(shift: int) -> dict[str | int | None, Group]:
        chosen = MessageFilter(since_timestamp=until - rules.window - shift, until_timestamp=until - shift)
        groups = store.statistics(chosen, Grouping.NUMBER, young_since=now, details=True)
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


def _unanswered(store: Store, rules: Rules, last: int | None, now: int) -> int:
    since = max(now - WEEK, 0 if last is None else last + 1)
    waiting = SendFilter(
        refused=False,
        unconfirmed=True,
        since_timestamp=since,
        until_timestamp=now - rules.silence_after,
        limit=_MOST_UNANSWERED,
    )
    # What Meta holds back for a look at its quality is not sent yet.
    return sum(send.status == "accepted" for send in store.sends(waiting))


def _longest_pause(store: Store, last: int) -> int | None:
    """Return the longest time without a message before the last status, in seconds; None for too few messages."""
    chosen = MessageFilter(since_timestamp=last - _PAUSES_OF, until_timestamp=last + 1)
    messages = 0
    quarters = []
    for group in store.statistics(chosen, Grouping.HOUR, young_since=last):
        messages += group.counts.messages
        if isinstance(group.key, int):
            quarters.append(group.key)
    quarters.sort()
    if messages < _ENOUGH_MESSAGES or (quarters[-1] - quarters[0]) * QUARTER_SECONDS < _ENOUGH_DAYS:
        return None
    return max((later - earlier) * QUARTER_SECONDS for earlier, later in itertools.pairwise(quarters))


def is_stuck(ripe: Counts, rules: Rules) -> bool:
    """Return True when too many of the messages that are old enough are still pending."""
    return ripe.sent >= rules.at_least and ripe.pending >= rules.stuck_rate * ripe.sent


def delivered_within(counts: Counts, seconds: int) -> int:
    """Return the number of messages delivered within so many seconds; times up to a day are exact."""
    return sum(count for taken, count in counts.delays.items() if taken <= seconds)


def timed(counts: Counts) -> int:
    """Return the number of messages sent, less delivered ones whose time to deliver is unknown."""
    return counts.sent - (counts.delivered - sum(counts.delays.values()))


def _key(settings: Settings, now: datetime) -> Finding | None:
    key = settings.n8n.api_key
    if key is None:
        return None
    page = f"{settings.n8n.editor_url}/settings/api" if settings.n8n.editor_url else "Settings > n8n API"
    return check_key_expiry(key.reveal(), now, page=page)
