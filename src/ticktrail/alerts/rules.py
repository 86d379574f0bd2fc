"""Alert rules: one alert for each cause, not one for each message. Pure: the facts and the time are arguments.

Unknown facts raise no alert: a store without syncs is not late, and one without sends is not silent because of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ticktrail.alerts.alert import ABOUT_MESSAGES, Alert, AlertKind, key_of
from ticktrail.alerts.facts import (
    DELIVERED_WITHIN,
    FEWEST_SENDS,
    MOST_WITHOUT_ALERT,
    WEEK,
    AlertFacts,
    Delivery,
    is_stuck,
)
from ticktrail.alerts.failures import failure_alerts, number_name
from ticktrail.alerts.installation_rules import (
    executions_not_read,
    gaps,
    key_expiry,
    late_syncs,
    waiting_webhooks,
    withheld_executions,
)
from ticktrail.health.checks import SELF_ANSWER_REMEDY
from ticktrail.messages.error_codes import Catalogue
from ticktrail.messages.failure_causes import NO_RECIPIENT_CODES
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.settings.alert_rules import Rules
from ticktrail.text.formatting import long_duration, percent, plural, recent_time, safe_name

_SURE = 3.0
"""Standard deviations by which two shares differ before it is more than chance."""


def evaluate_rules(facts: AlertFacts, rules: Rules, catalogue: Catalogue) -> list[Alert]:
    """Return the alerts, the most urgent first, then those that concern most messages."""
    late = list(late_syncs(facts))
    found = [
        *failure_alerts(facts.failures, facts.failures_before, rules, catalogue, facts.at),
        *_self_answers(facts, rules),
        *_unconfirmed(facts),
        *_stuck(facts, rules),
        *_delivery(facts, rules),
        # Without a sync there are no statuses: that is one cause, not two.
        *(() if late else _silence(facts, rules)),
        *late,
        *withheld_executions(facts),
        *executions_not_read(facts),
        *gaps(facts),
        *key_expiry(facts),
        *waiting_webhooks(facts),
    ]
    wanted = [alert for alert in found if alert.kind not in rules.off and alert.key not in rules.off]
    return sorted(wanted, key=lambda one: (one.urgency != "urgent", -(one.messages or 0), one.key))


def may_be_over(kind: str, firing: Sequence[Alert]) -> bool:
    """Return True when an alert that does not fire any more is resolved; False where late syncs hide it."""
    return kind not in ABOUT_MESSAGES or not any(alert.kind is AlertKind.SYNC for alert in firing)


def checked_text(facts: AlertFacts, rules: Rules) -> str:
    """Return what was checked, or that there was nothing to check: what "no open alerts" rests on."""
    messages, sends = facts.failures.checked
    window = long_duration(rules.window)
    checked = f"No message was sent in the last {window}."
    if messages or sends:
        checked = (
            f"Checked {plural(messages, 'message')} with a status and {plural(sends, 'send')} of the last {window}."
        )
    if not facts.workflows:
        return f"{checked} No sync with n8n has run."
    moments = [workflow.checked_at for workflow in facts.workflows]
    known = [moment for moment in moments if moment is not None]
    if len(known) < len(moments):
        return f"{checked} {plural(len(moments) - len(known), 'workflow')} not synced yet."
    until = recent_time(int(min(known).timestamp()), facts.at.now, facts.at.zone)
    return f"{checked} {plural(len(known), 'workflow')} synced up to {until}."


def _self_answers(facts: AlertFacts, rules: Rules) -> Iterator[Alert]:
    at = facts.at
    for answer in facts.self_answers:
        since = (
            "" if answer.first_timestamp is None else f" since {recent_time(answer.first_timestamp, at.now, at.zone)}"
        )
        yield Alert(
            key=key_of(AlertKind.SELF_ANSWERS, answer.workflow_id),
            kind=AlertKind.SELF_ANSWERS,
            urgency="warning",
            title=f"Answers to its own status updates, {at.workflow(answer.workflow_id)}",
            says=(
                f"WhatsApp refused {plural(answer.count, 'send')} without a recipient{since}, from the node "
                f"'{safe_name(answer.node)}': status updates started the workflow. No customer misses a message."
            ),
            remedy=SELF_ANSWER_REMEDY,
            messages=answer.count,
            since_timestamp=answer.first_timestamp,
            listing=SendFilter(
                refused=True,
                failure_codes=NO_RECIPIENT_CODES,
                since_timestamp=int(at.now.timestamp()) - rules.window,
                workflow_id=answer.workflow_id,
            ),
        )


def _unconfirmed(facts: AlertFacts) -> Iterator[Alert]:
    since = int(facts.at.now.timestamp()) - WEEK
    for one in facts.unconfirmed:
        if one.count <= MOST_WITHOUT_ALERT:
            continue
        subjects = [f"template {safe_name(one.template)}"] if one.template else []
        subjects += [facts.at.workflow(one.workflow_id)] if one.workflow_id else []
        yield Alert(
            key=key_of(AlertKind.UNCONFIRMED, one.workflow_id, one.template),
            kind=AlertKind.UNCONFIRMED,
            urgency="urgent",
            title=", ".join(["Accepted messages without any status", *subjects]) + _from(one.number, one.label, facts),
            says=(
                f"{one.count:,} of {plural(one.count + one.confirmed, 'message')} that WhatsApp accepted in the last "
                f"{long_duration(WEEK)} have had no status for over an hour: WhatsApp dropped them, or their "
                "statuses do not reach Ticktrail."
            ),
            remedy=(
                "If other messages of this number get statuses, WhatsApp dropped these: check the recipients (user ids "
                "where numbers belong?), the account's quality and limits in WhatsApp Manager, and ask Meta's support "
                "with the message ids. Else check that the statuses of this number reach a synced workflow: "
                "ticktrail doctor"
            ),
            messages=one.count,
            since_timestamp=since,
            listing=SendFilter(
                unconfirmed=True,
                since_timestamp=since,
                until_timestamp=facts.unconfirmed_until,
                workflow_id=one.workflow_id,
                template=one.template,
            ),
        )


def _stuck(facts: AlertFacts, rules: Rules) -> Iterator[Alert]:
    if not facts.delivered_passes:
        return
    now = int(facts.at.now.timestamp())
    for one in facts.undelivered:
        if not is_stuck(one.ripe, rules):
            continue
        waiting, sent = one.ripe.pending, one.ripe.sent
        after = long_duration(rules.stuck_after)
        yield Alert(
            key=key_of(AlertKind.STUCK, one.number),
            kind=AlertKind.STUCK,
            urgency="warning",
            title=f"One tick for more than {after}{_from(one.number, one.label, facts)}",
            says=(
                f"{waiting:,} of {plural(sent, 'message')} ({percent(waiting / sent)}) still have one tick, of "
                f"those sent in the {long_duration(rules.window)} that ended {after} ago. In the last 30 days: "
                f"{one.stuck:,}."
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


def _delivery(facts: AlertFacts, rules: Rules) -> Iterator[Alert]:
    now = int(facts.at.now.timestamp())
    for delivery in facts.deliveries:
        if min(delivery.sent, delivery.sent_before) < rules.at_least:
            continue
        rate, before = delivery.delivered / delivery.sent, delivery.delivered_before / delivery.sent_before
        # A shade less, for 0.9 - 0.8 is a shade less than 0.1.
        if before - rate < rules.delivery_drop - 1e-9 or not _more_than_chance(delivery):
            continue
        since = now - DELIVERED_WITHIN - rules.window
        yield Alert(
            key=key_of(AlertKind.DELIVERY, delivery.number),
            kind=AlertKind.DELIVERY,
            urgency="warning",
            title=f"Fewer messages are delivered{_from(delivery.number, delivery.label, facts)}",
            says=(
                f"Of the messages sent since {recent_time(since, facts.at.now, facts.at.zone)} whose times are known, "
                f"{percent(rate)} ({delivery.delivered:,} of {delivery.sent:,}) were delivered within an hour. "
                f"A week before, at the same age: {percent(before)} "
                f"({delivery.delivered_before:,} of {delivery.sent_before:,})."
            ),
            remedy="See what fails and what is on the way: ticktrail stats --by error --since 25h",
            messages=delivery.sent - delivery.delivered,
            before=delivery.sent_before - delivery.delivered_before,
            since_timestamp=since,
            listing=MessageFilter(
                people_only=True,
                not_statuses=("delivered", "played", "read"),
                sending_numbers=(delivery.number,) if delivery.number else (),
                since_timestamp=since,
                until_timestamp=now - DELIVERED_WITHIN,
            ),
        )


def _more_than_chance(one: Delivery) -> bool:
    """Return True when two shares differ by more than chance: the two-proportion z-test."""
    together = (one.delivered + one.delivered_before) / (one.sent + one.sent_before)
    deviation = math.sqrt(together * (1 - together) * (1 / one.sent + 1 / one.sent_before))
    difference = one.delivered_before / one.sent_before - one.delivered / one.sent
    return difference >= _SURE * deviation


def _silence(facts: AlertFacts, rules: Rules) -> Iterator[Alert]:
    if not facts.workflows:
        return
    last, now = facts.last_status_timestamp, int(facts.at.now.timestamp())
    silent = None if last is None else now - last
    known = "No status has ever come" if silent is None else f"No status has come for {long_duration(silent)}"
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
        says = f"{known}. The longest pause in the fourteen days before was {long_duration(facts.longest_pause)}."
    else:
        return
    yield Alert(
        key=key_of(AlertKind.SILENCE),
        kind=AlertKind.SILENCE,
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


def _from(number: str | None, label: str | None, facts: AlertFacts) -> str:
    return f", from {number_name(number, label, facts.at.numbers)}" if number else ""
