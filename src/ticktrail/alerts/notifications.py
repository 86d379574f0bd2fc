"""Notifications: each alert once on each channel, and once more when it is resolved. The store remembers both.

One process sends at a time (a lease). The next run retries what a channel did not accept. A run that is killed after
sending and before remembering sends again under the same id: at least once, and exactly once except for that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

import msgspec

from ticktrail.alerts.alert import Alert, AlertKind
from ticktrail.alerts.channels import Notification, safe_id
from ticktrail.alerts.documents import alert_document, body_of
from ticktrail.alerts.rules import may_be_over
from ticktrail.errors import TicktrailError
from ticktrail.settings.alert_rules import Rules
from ticktrail.settings.channels import Channel
from ticktrail.stores import Store
from ticktrail.stores.alert_state import AlertRecord

SETTLE = timedelta(minutes=10)
"""An alert that has not fired for this long is resolved; one that flaps is not sent each time."""

KEPT = timedelta(days=90)
"""Alerts that were resolved so long ago are forgotten."""

_LEASE = timedelta(minutes=5)

_FAILURES_IN_A_ROW = 2

Deliver = Callable[[Channel, Notification], str | None]


class DeliveryReport(msgspec.Struct, frozen=True, kw_only=True):
    """Which channels were notified.

    Attributes:
        sent: channel and event of each notice that was sent, in order.
        problems: why a channel did not accept a notice, one sentence each.
        held: number of notices that wait for the end of quiet hours.
        busy: another process was sending, so this one did not.
    """

    sent: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    held: int = 0
    busy: bool = False

    def __add__(self, other: DeliveryReport) -> DeliveryReport:
        return DeliveryReport(
            sent=self.sent + other.sent,
            problems=self.problems + other.problems,
            held=self.held + other.held,
            busy=self.busy or other.busy,
        )


class NotificationContext(msgspec.Struct, frozen=True, kw_only=True):
    """The time, the time zone, the label of the n8n, and the process that sends."""

    now: datetime
    zone: tzinfo
    holder: str
    instance: str | None = None


class _Due(msgspec.Struct, frozen=True):
    """One notice that one channel should receive; ``over`` for a resolved alert."""

    key: str
    notice: Notification
    urgent: bool
    over: bool = False


def send_due(
    alerts: Sequence[Alert],
    store: Store,
    channels: Sequence[Channel],
    rules: Rules,
    context: NotificationContext,
    deliver: Deliver,
) -> DeliveryReport:
    """Remember which alerts fire and which are resolved, and send every channel what it has not received yet."""
    lease = f"alerts {store.sync_state.identity()}"

    def is_ours() -> bool:
        # The machine's own time, because a channel may take long.
        moment = datetime.now(UTC)
        return (
            store.sync_state.take_lease(lease, holder=context.holder, now=moment, until=moment + _LEASE)
            == context.holder
        )

    if not is_ours():
        return DeliveryReport(busy=True)
    try:
        remember(alerts, store, now=context.now)
        remembered = store.alert_state.all()
        report = DeliveryReport()
        for channel in channels:
            due = _due(alerts, remembered, channel, rules, context)
            report += _send_to(channel, due, store, rules, context, deliver=deliver, is_ours=is_ours)
        return report
    finally:
        store.sync_state.drop_lease(lease, holder=context.holder)


def _send_to(
    channel: Channel,
    notices: Iterable[_Due],
    store: Store,
    rules: Rules,
    context: NotificationContext,
    *,
    deliver: Deliver,
    is_ours: Callable[[], bool],
) -> DeliveryReport:
    """Send one channel its notices. After two failures in a row the rest waits for the next run."""
    quiet = rules.is_quiet(context.now.astimezone(context.zone))
    sent: list[tuple[str, str]] = []
    problems: list[str] = []
    held = in_a_row = 0
    for due in notices:
        if quiet and not due.urgent:
            held += 1
            continue
        if in_a_row == _FAILURES_IN_A_ROW:
            break
        if not is_ours():
            return DeliveryReport(sent=tuple(sent), problems=tuple(problems), held=held, busy=True)
        problem = deliver(channel, due.notice)
        if problem is not None:
            in_a_row += 1
            problems.append(problem)
            continue
        in_a_row = 0
        store.alert_state.record_notice(due.key, channel.name, at=context.now, over=due.over)
        sent.append((channel.name, due.notice.event))
    return DeliveryReport(sent=tuple(sent), problems=tuple(dict.fromkeys(problems)), held=held)


def remember(alerts: Sequence[Alert], store: Store, *, now: datetime) -> None:
    """Remember in the store which alerts fire, and which are resolved."""
    memory = store.alert_state
    for alert in alerts:
        memory.record_firing(alert.key, alert.kind.value, alert.title, at=now)
    firing = {alert.key for alert in alerts}
    for one in memory.all():
        gone = one.resolved_at is None and one.key not in firing and now - one.last_seen_at >= SETTLE
        if gone and may_be_over(one.kind, alerts):
            memory.resolve(one.key, at=now)
    memory.forget(resolved_before=now - KEPT)


def follow_acknowledged(alerts: Sequence[Alert], store: Store, *, now: datetime) -> None:
    """Resolve acknowledged alerts that no longer fire; without channels nothing else would.

    Errors of the store are ignored: the caller only wanted to read.
    """
    firing = {alert.key: alert for alert in alerts}
    with contextlib.suppress(TicktrailError):
        for one in store.alert_state.all():
            if one.resolved_at is not None or one.acknowledged_at is None:
                continue
            alert, age = firing.get(one.key), now - one.last_seen_at
            if alert is not None and age >= SETTLE / 2:
                store.alert_state.record_firing(alert.key, alert.kind.value, alert.title, at=now)
            elif alert is None and age >= SETTLE and may_be_over(one.kind, alerts):
                store.alert_state.resolve(one.key, at=now)


def unacknowledged(alerts: Sequence[Alert], remembered: Sequence[AlertRecord]) -> list[Alert]:
    """Return the alerts that are not acknowledged."""
    known = {one.key for one in remembered if one.acknowledged_at is not None and one.resolved_at is None}
    return [alert for alert in alerts if alert.key not in known]


def _due(
    alerts: Sequence[Alert],
    remembered: Sequence[AlertRecord],
    channel: Channel,
    rules: Rules,
    context: NotificationContext,
) -> Iterator[_Due]:
    """Yield what a channel has not received yet: alerts that fire in their order, then resolved ones."""
    by_key = {one.key: one for one in remembered}
    for alert in unacknowledged(alerts, remembered):
        one = by_key.get(alert.key)
        if one is None:
            continue
        told = one.told.get(channel.name)
        event = "alert.firing"
        if told is not None:
            if rules.remind_after is None or (context.now - told.told_at).total_seconds() < rules.remind_after:
                continue
            event = "alert.reminder"
        yield _Due(alert.key, firing_notice(alert, one, event, context), urgent=alert.urgency == "urgent")
    for one in remembered:
        told = one.told.get(channel.name)
        # A gap never closes, and an alert that was switched off is not resolved.
        switched_off = {one.key, one.kind, one.key.rsplit("-", 1)[0]} & rules.off
        if one.resolved_at is None or told is None or told.over_at is not None or switched_off:
            continue
        if one.kind != AlertKind.GAP:
            yield _Due(one.key, resolved_notice(one, one.resolved_at, context), urgent=False, over=True)


def firing_notice(alert: Alert, one: AlertRecord, event: str, context: NotificationContext) -> Notification:
    """Return the notice that an alert fires, or still does."""
    still = "Still: " if event == "alert.reminder" else ""
    first = int(one.first_seen_at.timestamp())
    # Each reminder has its own id; the first notice keeps its id however often it is retried.
    last_told = f"-{max(int(told.told_at.timestamp()) for told in one.told.values())}" if still else ""
    return Notification(
        event=event,
        notice_id=safe_id(f"{alert.key}-{first}-{event}{last_told}"),
        title=f"{_prefix(context.instance)}{still}{alert.title}",
        body=body_of(alert, context.zone),
        tone="failure" if alert.urgency == "urgent" else "warning",
        document={"instance": context.instance, "alert": alert_document(alert, context.zone, one)},
    )


def resolved_notice(one: AlertRecord, over_at: datetime, context: NotificationContext) -> Notification:
    """Return the notice that an alert is resolved."""
    begin, end = (f"{moment.astimezone(context.zone):%d %b %H:%M}" for moment in (one.first_seen_at, over_at))
    first = int(one.first_seen_at.timestamp())
    return Notification(
        event="alert.resolved",
        notice_id=safe_id(f"{one.key}-{first}-alert.resolved"),
        title=f"{_prefix(context.instance)}Resolved: {one.title}",
        body=f"Open from {begin} to {end}.",
        tone="success",
        document={
            "instance": context.instance,
            "alert": {
                "key": one.key,
                "kind": one.kind,
                "title": one.title,
                "firstSeenAt": one.first_seen_at.astimezone(context.zone).isoformat(timespec="seconds"),
                "resolvedAt": over_at.astimezone(context.zone).isoformat(timespec="seconds"),
            },
        },
    )


def _prefix(instance: str | None) -> str:
    return f"[{instance}] " if instance else ""
