"""Who is told what, and what the store remembers of it: each alert once on each channel, and its end.

One process tells at a time (a lease). What a channel did not take is tried again by the next run. A run that is killed
between telling and remembering tells again, under the same id: at least once, and once but for that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

import msgspec

from ticktrail.alerts.alert import Alert, Kind, Rules
from ticktrail.alerts.channels import Notice, safe_id
from ticktrail.alerts.documents import alert_document, body_of
from ticktrail.alerts.rules import may_be_over
from ticktrail.alerts.settings import Channel
from ticktrail.errors import TicktrailError
from ticktrail.stores import Store
from ticktrail.stores.alert_state import AlertRecord

SETTLE = timedelta(minutes=10)
"""An alert that was not found for so long is over; one that comes and goes is not told each time."""

KEPT = timedelta(days=90)
"""What was over so long ago is forgotten."""

_LEASE = timedelta(minutes=5)

_PATIENCE = 2

Deliver = Callable[[Channel, Notice], str | None]


class DeliveryReport(msgspec.Struct, frozen=True, kw_only=True):
    """What telling came to.

    Attributes:
        told: channel and event, in order.
        problems: of channels that did not take something, a sentence each.
        held: how many notices wait for the end of quiet hours.
        busy: another process was telling, this one left it to that.
    """

    told: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    held: int = 0
    busy: bool = False

    def __add__(self, other: DeliveryReport) -> DeliveryReport:
        return DeliveryReport(
            told=self.told + other.told,
            problems=self.problems + other.problems,
            held=self.held + other.held,
            busy=self.busy or other.busy,
        )


class NotificationContext(msgspec.Struct, frozen=True, kw_only=True):
    """When telling happens, how people there tell the time, whose n8n it is, and who tells."""

    now: datetime
    zone: tzinfo
    holder: str
    instance: str | None = None


class _Due(msgspec.Struct, frozen=True):
    """One notice that one channel should get; ``over`` for the end of an alert."""

    key: str
    notice: Notice
    urgent: bool
    over: bool = False


def tell(
    alerts: Sequence[Alert],
    ledger: Store,
    channels: Sequence[Channel],
    rules: Rules,
    occasion: NotificationContext,
    deliver: Deliver,
) -> DeliveryReport:
    """Remember what fires and what is over, and tell every channel what it has not heard yet."""
    lease = f"alerts {ledger.sync_state.identity()}"

    def is_ours() -> bool:
        # The machine's own time: a channel may take long.
        moment = datetime.now(UTC)
        return (
            ledger.sync_state.take_lease(lease, holder=occasion.holder, now=moment, until=moment + _LEASE)
            == occasion.holder
        )

    if not is_ours():
        return DeliveryReport(busy=True)
    try:
        remember(alerts, ledger, now=occasion.now)
        remembered = ledger.alert_state.all()
        telling = DeliveryReport()
        for channel in channels:
            due = _due(alerts, remembered, channel, rules, occasion)
            telling += _tell_one(channel, due, ledger, rules, occasion, deliver=deliver, is_ours=is_ours)
        return telling
    finally:
        ledger.sync_state.drop_lease(lease, holder=occasion.holder)


def _tell_one(
    channel: Channel,
    notices: Iterable[_Due],
    ledger: Store,
    rules: Rules,
    occasion: NotificationContext,
    *,
    deliver: Deliver,
    is_ours: Callable[[], bool],
) -> DeliveryReport:
    """Tell one channel what it should hear. Two failures in a row, and the rest waits for the next run."""
    quiet = rules.is_quiet(occasion.now.astimezone(occasion.zone))
    told: list[tuple[str, str]] = []
    problems: list[str] = []
    held = in_a_row = 0
    for due in notices:
        if quiet and not due.urgent:
            held += 1
            continue
        if in_a_row == _PATIENCE:
            break
        if not is_ours():
            return DeliveryReport(told=tuple(told), problems=tuple(problems), held=held, busy=True)
        problem = deliver(channel, due.notice)
        if problem is not None:
            in_a_row += 1
            problems.append(problem)
            continue
        in_a_row = 0
        ledger.alert_state.tell(due.key, channel.name, at=occasion.now, over=due.over)
        told.append((channel.name, due.notice.event))
    return DeliveryReport(told=tuple(told), problems=tuple(dict.fromkeys(problems)), held=held)


def remember(alerts: Sequence[Alert], ledger: Store, *, now: datetime) -> None:
    """Note in the store what fires, and what fires no more."""
    memory = ledger.alert_state
    for alert in alerts:
        memory.see(alert.key, alert.kind.value, alert.title, at=now)
    firing = {alert.key for alert in alerts}
    for one in memory.all():
        gone = one.resolved_at is None and one.key not in firing and now - one.last_seen_at >= SETTLE
        if gone and may_be_over(one.kind, alerts):
            memory.resolve(one.key, at=now)
    memory.forget(resolved_before=now - KEPT)


def follow_acknowledged(alerts: Sequence[Alert], ledger: Store, *, now: datetime) -> None:
    """Let what somebody acknowledged end with its cause, where nobody is told of alerts and so nothing else notes it.

    A ledger that cannot be written to, or is busy, is left as it is: somebody only wanted to read.
    """
    firing = {alert.key: alert for alert in alerts}
    with contextlib.suppress(TicktrailError):
        for one in ledger.alert_state.all():
            if one.resolved_at is not None or one.acknowledged_at is None:
                continue
            alert, age = firing.get(one.key), now - one.last_seen_at
            if alert is not None and age >= SETTLE / 2:
                ledger.alert_state.see(alert.key, alert.kind.value, alert.title, at=now)
            elif alert is None and age >= SETTLE and may_be_over(one.kind, alerts):
                ledger.alert_state.resolve(one.key, at=now)


def needing(alerts: Sequence[Alert], remembered: Sequence[AlertRecord]) -> list[Alert]:
    """The alerts that nobody has acknowledged."""
    known = {one.key for one in remembered if one.acknowledged_at is not None and one.resolved_at is None}
    return [alert for alert in alerts if alert.key not in known]


def _due(
    alerts: Sequence[Alert],
    remembered: Sequence[AlertRecord],
    channel: Channel,
    rules: Rules,
    occasion: NotificationContext,
) -> Iterator[_Due]:
    """What a channel has not heard yet: what fires in the order of the alerts, then what is over."""
    by_key = {one.key: one for one in remembered}
    for alert in needing(alerts, remembered):
        one = by_key.get(alert.key)
        if one is None:
            continue
        told = one.told.get(channel.name)
        event = "alert.firing"
        if told is not None:
            if rules.remind_after is None or (occasion.now - told.told_at).total_seconds() < rules.remind_after:
                continue
            event = "alert.reminder"
        yield _Due(alert.key, firing_notice(alert, one, event, occasion), urgent=alert.urgency == "urgent")
    for one in remembered:
        told = one.told.get(channel.name)
        # A gap never closes, and what was switched off is not over.
        switched_off = {one.key, one.kind, one.key.rsplit("-", 1)[0]} & rules.off
        if one.resolved_at is None or told is None or told.over_at is not None or switched_off:
            continue
        if one.kind != Kind.GAP:
            yield _Due(one.key, over_notice(one, one.resolved_at, occasion), urgent=False, over=True)


def firing_notice(alert: Alert, one: AlertRecord, event: str, occasion: NotificationContext) -> Notice:
    """That an alert fires, or still does."""
    still = "Still: " if event == "alert.reminder" else ""
    first = int(one.first_seen_at.timestamp())
    # A reminder is another notice each time; the first one has the same id however often it is tried.
    last_told = f"-{max(int(told.told_at.timestamp()) for told in one.told.values())}" if still else ""
    return Notice(
        event=event,
        notice_id=safe_id(f"{alert.key}-{first}-{event}{last_told}"),
        title=f"{_prefix(occasion.instance)}{still}{alert.title}",
        body=body_of(alert, occasion.zone),
        tone="failure" if alert.urgency == "urgent" else "warning",
        document={"instance": occasion.instance, "alert": alert_document(alert, occasion.zone, one)},
    )


def over_notice(one: AlertRecord, over_at: datetime, occasion: NotificationContext) -> Notice:
    """That an alert is over."""
    begin, end = (f"{moment.astimezone(occasion.zone):%d %b %H:%M}" for moment in (one.first_seen_at, over_at))
    first = int(one.first_seen_at.timestamp())
    return Notice(
        event="alert.resolved",
        notice_id=safe_id(f"{one.key}-{first}-alert.resolved"),
        title=f"{_prefix(occasion.instance)}Over: {one.title}",
        body=f"This needed you from {begin} to {end}, and does no more.",
        tone="success",
        document={
            "instance": occasion.instance,
            "alert": {
                "key": one.key,
                "kind": one.kind,
                "title": one.title,
                "firstSeenAt": one.first_seen_at.astimezone(occasion.zone).isoformat(timespec="seconds"),
                "resolvedAt": over_at.astimezone(occasion.zone).isoformat(timespec="seconds"),
            },
        },
    )


def _prefix(instance: str | None) -> str:
    return f"[{instance}] " if instance else ""
