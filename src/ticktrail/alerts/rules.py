"""Rules over facts → alerts: one for each cause, not one for each message. Pure: the facts and the time come in.

What the facts do not hold is not judged: a ledger that no sync feeds is not late, and one without sends is not silent
because of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from ticktrail.alerts.alert import ABOUT_MESSAGES, DAY_SECONDS, Alert, Kind, Rules, key_of
from ticktrail.alerts.failures import Failures, Moment, failing, number_name
from ticktrail.health.checks import Finding, Verdict
from ticktrail.messages.counts import Counts
from ticktrail.messages.error_codes import Catalogue
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.queries.completeness import WorkflowCompleteness, counted, reason_text
from ticktrail.text.formatting import outside, plural, span, when

STUCK_UNTIL = 30 * DAY_SECONDS
"""WhatsApp drops a message that could not be delivered for thirty days (Meta's page on statuses)."""

WEEK = 7 * DAY_SECONDS

LATELY = WEEK
"""A gap found so long ago is no news."""

DELIVERED_WITHIN = 3_600
"""Seconds: messages that are compared had so long to be delivered, both times."""

FEWEST_SENDS = 3
"""So many accepted messages without a single status are no accident."""

_SURE = 3.0
"""Standard deviations by which two shares differ before it is more than chance."""


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
    """From one sending number: delivered within an hour, of those that had the hour; now and a week before."""

    number: str | None
    label: str | None = None
    delivered: int
    sent: int
    delivered_before: int
    sent_before: int


class AlertFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the rules look at.

    Attributes:
        failures: of the window that ends now; ``failures_before``: of the one before it.
        delivered_passes: whether a delivery was ever reported: else one tick says nothing.
        last_status_timestamp: of the newest status; None when there is none.
        unanswered: sends accepted since then, at least ``silence_after`` ago, that no status confirmed.
        longest_pause: between two messages of the last fourteen days, in seconds; None where too little is known.
        key: when the API key runs out, where one is set.
    """

    at: Moment
    failures: Failures = Failures()
    failures_before: Failures = Failures()
    standings: Sequence[UndeliveredByNumber] = ()
    deliveries: Sequence[Delivery] = ()
    delivered_passes: bool = True
    last_status_timestamp: int | None = None
    unanswered: int = 0
    longest_pause: int | None = None
    workflows: Sequence[WorkflowCompleteness] = ()
    key: Finding | None = None


def judge(facts: AlertFacts, rules: Rules, catalogue: Catalogue) -> list[Alert]:
    """Everything that needs somebody, the most urgent first, then what concerns most messages."""
    late = list(_late(facts))
    found = [
        *failing(facts.failures, facts.failures_before, rules, catalogue, facts.at),
        *_stuck(facts, rules),
        *_delivery(facts, rules),
        # Without a sync there are no statuses: that is one cause, not two.
        *(() if late else _silence(facts, rules)),
        *late,
        *_withheld(facts),
        *_gaps(facts),
        *_key(facts),
    ]
    wanted = [alert for alert in found if alert.kind not in rules.off and alert.key not in rules.off]
    return sorted(wanted, key=lambda one: (one.urgency != "urgent", -(one.messages or 0), one.key))


def may_be_over(kind: str, firing: Sequence[Alert]) -> bool:
    """Whether an alert that is not found any more is over, or only cannot be told because no sync comes through."""
    return kind not in ABOUT_MESSAGES or not any(alert.kind is Kind.SYNC for alert in firing)


def _stuck(facts: AlertFacts, rules: Rules) -> Iterator[Alert]:
    if not facts.delivered_passes:
        return
    now = int(facts.at.now.timestamp())
    for one in facts.standings:
        if not is_stuck(one.ripe, rules):
            continue
        waiting, sent = one.ripe.on_the_way, one.ripe.sent
        after = span(rules.stuck_after)
        yield Alert(
            key=key_of(Kind.STUCK, one.number),
            kind=Kind.STUCK,
            urgency="warning",
            title=f"One tick for more than {after}{_from(one.number, one.label, facts)}",
            says=(
                f"{waiting:,} of {plural(sent, 'message')} ({waiting / sent * 100:.1f} %) still have one tick, of "
                f"those sent in the {span(rules.window)} that ended {after} ago. In the last 30 days: {one.stuck:,}."
            ),
            remedy=(
                "One tick that stays means: the phone is off, or the person blocked you. Many at once can be a list of "
                "old numbers, or trouble at Meta: look at metastatus.com, then reach these people another way."
            ),
            messages=waiting,
            people=one.people,
            since_timestamp=now - rules.stuck_after - rules.window,
            listing=MessageFilter(
                people_only=True,
                statuses=("sent",),
                sending_numbers=(one.number,) if one.number else (),
                since_timestamp=now - rules.stuck_after - rules.window,
                until_timestamp=now - rules.stuck_after,
            ),
        )


def is_stuck(ripe: Counts, rules: Rules) -> bool:
    """Whether too many of the messages that are old enough to have arrived have one tick."""
    return ripe.sent >= rules.at_least and ripe.on_the_way >= rules.stuck_rate * ripe.sent


def _delivery(facts: AlertFacts, rules: Rules) -> Iterator[Alert]:
    now = int(facts.at.now.timestamp())
    for one in facts.deliveries:
        if min(one.sent, one.sent_before) < rules.at_least:
            continue
        rate, before = one.delivered / one.sent, one.delivered_before / one.sent_before
        # A shade less, for 0.9 - 0.8 is a shade less than 0.1.
        if before - rate < rules.delivery_drop - 1e-9 or not _more_than_chance(one):
            continue
        since = now - DELIVERED_WITHIN - rules.window
        yield Alert(
            key=key_of(Kind.DELIVERY, one.number),
            kind=Kind.DELIVERY,
            urgency="warning",
            title=f"Fewer messages are delivered{_from(one.number, one.label, facts)}",
            says=(
                f"Of the messages sent since {when(since, facts.at.now, facts.at.zone)} whose times are known, "
                f"{rate * 100:.1f} % ({one.delivered:,} of {one.sent:,}) were delivered within an hour. A week before, "
                f"at the same age: {before * 100:.1f} % ({one.delivered_before:,} of {one.sent_before:,})."
            ),
            remedy="See what fails and what is on the way: ticktrail stats --by error --since 25h",
            messages=one.sent - one.delivered,
            before=one.sent_before - one.delivered_before,
            since_timestamp=since,
            listing=MessageFilter(
                people_only=True,
                not_statuses=("delivered", "played", "read"),
                sending_numbers=(one.number,) if one.number else (),
                since_timestamp=since,
                until_timestamp=now - DELIVERED_WITHIN,
            ),
        )


def _more_than_chance(one: Delivery) -> bool:
    """Whether two shares differ by more than chance makes them: the two-proportion z-test."""
    together = (one.delivered + one.delivered_before) / (one.sent + one.sent_before)
    deviation = math.sqrt(together * (1 - together) * (1 / one.sent + 1 / one.sent_before))
    difference = one.delivered_before / one.sent_before - one.delivered / one.sent
    return difference >= _SURE * deviation


def delivered_within(counts: Counts, seconds: int) -> int:
    """How many messages were delivered within so many seconds of being sent; a day at most is told to the second."""
    return sum(count for taken, count in counts.delays.items() if taken <= seconds)


def timed(counts: Counts) -> int:
    """Messages sent, less those that arrived nobody knows how fast."""
    return counts.sent - (counts.delivered - sum(counts.delays.values()))


def _silence(facts: AlertFacts, rules: Rules) -> Iterator[Alert]:
    if not facts.workflows:
        return
    last, now = facts.last_status_timestamp, int(facts.at.now.timestamp())
    silent = None if last is None else now - last
    known = "No status has ever come" if silent is None else f"No status has come for {span(silent)}"
    listing = None
    if facts.unanswered >= FEWEST_SENDS:
        says = (
            f"{known}, although Meta accepted {plural(facts.unanswered, 'message')}{'' if last is None else ' since'}."
        )
        listing = SendFilter(unconfirmed=True, since_timestamp=last)
    elif (
        silent is not None
        and facts.longest_pause is not None
        and silent > max(rules.silence_after, rules.silence_factor * facts.longest_pause)
    ):
        says = f"{known}. The longest pause in the fourteen days before was {span(facts.longest_pause)}."
    else:
        return
    yield Alert(
        key=key_of(Kind.SILENCE),
        kind=Kind.SILENCE,
        urgency="urgent",
        title="Statuses have stopped coming",
        says=says,
        remedy=(
            "Meta reports each status once. Look whether the workflow is active, its trigger lets statuses through and "
            "n8n saves its executions: ticktrail doctor"
        ),
        messages=facts.unanswered or None,
        since_timestamp=last,
        listing=listing,
    )


def _late(facts: AlertFacts) -> Iterator[Alert]:
    now, zone = facts.at.now, facts.at.zone
    for one in facts.workflows:
        if not one.is_late(now):
            continue
        says = "No sync of this workflow has succeeded yet."
        if one.checked_at is not None:
            until = when(int(one.checked_at.timestamp()), now, zone)
            age = span((now - one.checked_at).total_seconds())
            says = f"Complete up to {until}; no sync has succeeded for {age}."
        if one.error:
            says += f" The last sync failed: {outside(one.error, 200)}"
        yield Alert(
            key=key_of(Kind.SYNC, one.workflow_id),
            kind=Kind.SYNC,
            urgency="urgent",
            title=f"Syncs are late, workflow {outside(one.workflow_id)}",
            says=says,
            remedy="n8n deletes executions after a while, and the statuses in them. Type: ticktrail sync",
            since_timestamp=None if one.checked_at is None else int(one.checked_at.timestamp()),
        )


def _withheld(facts: AlertFacts) -> Iterator[Alert]:
    for one in facts.workflows:
        workflow = f"workflow {outside(one.workflow_id)}"
        if one.withheld:
            reasons = counted(Counter(outside(reason_text(record.reason)) for record in one.withheld))
            yield Alert(
                key=key_of(Kind.WITHHELD, one.workflow_id),
                kind=Kind.WITHHELD,
                urgency="warning",
                title=f"n8n withheld {plural(len(one.withheld), 'execution')}, {workflow}",
                says=f"{reasons}. {'It' if len(one.withheld) == 1 else 'They'} may hold statuses.",
                remedy="List them with their reasons: ticktrail audit --verbose",
            )
        if one.refused:
            reasons = counted(Counter(outside(record.reason or "no reason given", 80) for record in one.refused))
            yield Alert(
                key=key_of(Kind.REFUSED, one.workflow_id),
                kind=Kind.REFUSED,
                urgency="warning",
                title=f"The store refused data of {plural(len(one.refused), 'execution')}, {workflow}",
                says=f"{reasons}. These statuses are not stored.",
                remedy="Check the store: ticktrail doctor",
            )


def _gaps(facts: AlertFacts) -> Iterator[Alert]:
    at, remedy = facts.at, "They cannot be had again. Sync more often, or let n8n keep more: ticktrail doctor"
    for one in facts.workflows:
        workflow = f"workflow {outside(one.workflow_id)}"
        for gap in one.facts.gaps:
            if (at.now - gap.found_at).total_seconds() > LATELY:
                continue
            bounds = [
                when(int(moment.timestamp()), at.now, at.zone)
                for moment in map(_instant, (gap.from_started_at, gap.to_started_at))
                if moment is not None
            ]
            between = " to ".join(bounds) if len(bounds) == 2 else f"execution {gap.after_id} to {gap.before_id}"
            yield Alert(
                key=key_of(Kind.GAP, one.workflow_id, gap.after_id, gap.before_id),
                kind=Kind.GAP,
                urgency="warning",
                title=f"Statuses are missing, {workflow}",
                says=f"Nothing known from {between}: n8n deleted these executions before they were read.",
                remedy=remedy,
            )
        lost = [each for each in one.facts.lost if (at.now - each.found_at).total_seconds() <= LATELY]
        if lost:
            yield Alert(
                key=key_of(Kind.GAP, one.workflow_id, "lost"),
                kind=Kind.GAP,
                urgency="warning",
                title=f"Statuses may be missing, {workflow}",
                says=f"n8n deleted {plural(len(lost), 'execution')} before it ever showed what was in them.",
                remedy=remedy,
            )


def _key(facts: AlertFacts) -> Iterator[Alert]:
    if facts.key is not None and facts.key.needs_you:
        yield Alert(
            key=key_of(Kind.KEY),
            kind=Kind.KEY,
            urgency="urgent" if facts.key.verdict is Verdict.FAULT else "warning",
            title="n8n's API key",
            says=facts.key.says,
            remedy=facts.key.remedy,
        )


def _from(number: str | None, label: str | None, facts: AlertFacts) -> str:
    return f", from {number_name(number, label, facts.at.numbers)}" if number else ""


def _instant(text: str | None) -> datetime | None:
    """n8n's ISO time, which ends in Z."""
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
