"""Alerts raised from written events on every store: the facts that the rules read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ticktrail.alerts.alert import Alert, AlertKind
from ticktrail.alerts.facts import read_facts
from ticktrail.alerts.rules import evaluate_rules
from ticktrail.messages.error_codes import packaged
from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.settings.alert_rules import Rules
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.stores import Store
from ticktrail.stores.coverage import Change, Facts, PendingExecution
from ticktrail.stores.coverage import PendingKind as Why
from ticktrail.stores.sync_state import Run
from ticktrail.sync.incremental import scope_of

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
HOUR, DAY = 3_600, 86_400


def settings(**environ: str) -> Settings:
    """Settings from this environment and a folder without files."""
    return load_settings({}, environ, Path("/nonexistent"))


def alerts(store: Store, **environ: str) -> list[Alert]:
    """The alerts that the default rules raise."""
    facts = read_facts(store, settings(**environ), Rules(), {}, now=NOW)
    return evaluate_rules(facts, Rules(), packaged())


def life(number: int, sent: int, *later: tuple[str, int], code: int | None = None, **more: Any) -> list[StatusEvent]:
    """The statuses of one message: ``sent``, and each of the others so many seconds later."""
    about: dict[str, Any] = {
        "message_id": f"wamid.facts{number}",
        "conversation_id": f"9665000000{number % 50:02d}",
        "phone_number_id": "1065",
        "workflow_id": "wf",
        **more,
    }
    events = [StatusEvent(status="sent", timestamp=sent, execution_id=f"{number}", **about)]
    for status, after in later:
        errors = {"errors": ({"code": code, "title": "as reported"},)} if status == "failed" and code else {}
        events.append(
            StatusEvent(status=status, timestamp=sent + after, execution_id=f"{number}{status}", **about, **errors)  # type: ignore[arg-type]
        )
    return events


def send(key: str, ago: int, *, refused: int | None = None, **more: Any) -> Send:
    """A send so many seconds ago, accepted, or refused with a code."""
    return Send(
        key=key,
        message_id=None if refused else key,
        sent_by=SentBy("orders", "Send", key),
        status="rejected" if refused else more.pop("status", "accepted"),
        sent_at=NOW - timedelta(seconds=ago),
        input="+966 50 000 0012",
        template=Template("ready", "ar"),
        rejected=bool(refused),
        errors=({"code": refused, "title": "as reported"},) if refused else None,
    )


def test_a_missing_store_raises_no_alert(store: Store) -> None:
    """There is nothing to be judged."""
    assert alerts(store) == []


def test_failures_are_reported_by_cause(store: Store) -> None:
    """Of 40 messages of today 8 failed, to 8 people; the day before 2 of the same; the list behind has the 8."""
    events = []
    for number in range(40):
        fails = number % 5 == 0
        events += life(number, SECONDS - HOUR - number, ("failed" if fails else "delivered", 2), code=131026)
    for number in (100, 101):
        events += life(number, SECONDS - DAY - HOUR, ("failed", 2), code=131026)
    store.write(events, at=NOW)
    (alert,) = alerts(store)
    assert (alert.messages, alert.people, alert.before) == (8, 8, 2)
    assert "8 of 40 messages (20.0 %) to 8 people failed" in alert.says
    assert alert.listing is not None
    assert {message.message_id for message in store.messages(alert.listing)} == {  # type: ignore[arg-type]
        f"wamid.facts{number}" for number in range(0, 40, 5)
    }


def test_one_token_one_alert(store: Store) -> None:
    """Failed messages and refused sends of one code are one cause; a person in several counts is not invented."""
    store.write(
        [*life(1, SECONDS - 600, ("failed", 1), code=190), *life(51, SECONDS - 500, ("failed", 1), code=190)],
        [send("r1", 400, refused=190), send("r2", 300, refused=190)],
        at=NOW,
    )
    (alert,) = alerts(store)
    assert (alert.key, alert.urgency, alert.messages, alert.people, alert.people_at_most) == (
        "190",
        "urgent",
        4,
        2,
        True,
    )


def test_stuck_messages_are_counted_for_the_day_before(store: Store) -> None:
    """5 of 25 sent between 48 and 24 hours ago; those of thirty days are told beside; younger ones are no matter."""
    events = []
    for number in range(25):
        later = () if number < 5 else (("delivered", 2),)
        events += life(number, SECONDS - DAY - HOUR - number, *later)
    for number in range(30, 33):
        events += life(number, SECONDS - 20 * DAY)
    for number in range(40, 49):
        events += life(number, SECONDS - 600)
    store.write([*events, *life(60, SECONDS - 31 * DAY)], at=NOW)
    (alert,) = [one for one in alerts(store) if one.kind is AlertKind.STUCK]
    assert alert.messages == 5
    assert "In the last 30 days: 8." in alert.says
    assert store.count(alert.listing) == alert.messages  # type: ignore[arg-type]


def test_delivery_is_compared_at_the_same_age(store: Store) -> None:
    """Messages delivered hours later count as late in both weeks; those of unknown delivery time in neither."""
    events = []
    for number in range(30):
        events += life(number, SECONDS - 5 * HOUR, ("delivered", 2 if number < 15 else 2 * HOUR))
        before = ("delivered", 2 if number < 27 else 2 * HOUR)
        events += life(number + 100, SECONDS - 7 * DAY - 5 * HOUR, before)
        events += life(number + 200, SECONDS - 7 * DAY - 5 * HOUR, ("read", 9))
    store.write(events, at=NOW)
    (alert,) = [one for one in alerts(store) if one.kind is AlertKind.DELIVERY]
    assert "50.0 % (15 of 30)" in alert.says
    assert "90.0 % (27 of 30)" in alert.says


def test_accepted_and_never_heard_of(store: Store) -> None:
    """Three accepted sends since the last status, two hours old; a held one and a fresh one do not count."""
    sends = [
        send("wamid.a1", 5 * HOUR),
        send("wamid.a2", 4 * HOUR),
        send("wamid.a3", 2 * HOUR + 1),
        send("wamid.held", 3 * HOUR, status="held_for_quality_assessment"),
        send("wamid.fresh", 1 * HOUR),
        send("wamid.before", 9 * HOUR),
    ]
    store.write(life(1, SECONDS - 6 * HOUR, ("delivered", 1)), sends, at=NOW)
    note(store, checked_at=NOW)
    (alert,) = alerts(store)
    assert (alert.kind, alert.messages) == (AlertKind.SILENCE, 3)


def test_a_pause_longer_than_the_longest(store: Store) -> None:
    """Ten days with a message an hour but for one pause of eight hours: after thirteen hours it is too long."""
    events = []
    last = SECONDS - 13 * HOUR
    for number in range(240):
        if not 100 < number < 108:
            events += life(number, last - number * HOUR, ("delivered", 0))
    store.write(events, at=NOW)
    note(store, checked_at=NOW)
    (alert,) = alerts(store)
    assert alert.says == "No status has come for 13 hours. The longest pause in the fourteen days before was 8 hours."
    facts = read_facts(store, settings(), Rules(), {}, now=NOW)
    assert facts.longest_pause == 8 * HOUR


def test_how_the_reading_goes(store: Store) -> None:
    """By the workflows of the settings: late since when and why, what n8n would not show; others are no matter."""
    store.prepare()
    note(store, checked_at=NOW - timedelta(hours=5), workflow_id="wf", hidden=2)
    note(store, checked_at=NOW - timedelta(days=90), workflow_id="gone")
    scope = scope_of("https://n8n.example.com", "wf", store)
    began_at = NOW - timedelta(hours=4)
    store.sync_state.add_run(Run(run_id="1", scope=scope, began_at=began_at, seconds=1.0, error="n8n refused the key."))
    told = alerts(store, N8N_BASE_URL="https://n8n.example.com", WORKFLOW_ID_WHATSAPP="wf")
    assert {alert.kind for alert in told} == {AlertKind.SYNC, AlertKind.WITHHELD}
    by_kind = {alert.kind: alert for alert in told}
    assert by_kind[AlertKind.SYNC].says.startswith("Complete up to 15:00; no sync has succeeded for 5 hours.")
    assert by_kind[AlertKind.SYNC].says.endswith("The last sync failed: n8n refused the key.")
    assert by_kind[AlertKind.WITHHELD].says == "2 redacted. They may hold statuses."
    # Somewhere else, where nothing is set, the last read applies to all.
    assert {alert.key for alert in alerts(store)} == {alert.key for alert in told}


def note(store: Store, *, checked_at: datetime, workflow_id: str = "wf", hidden: int = 0) -> None:
    """Save the sync state of a workflow."""
    opened = tuple(
        PendingExecution(execution_id=number, kind=Why.WITHHELD, reason="redacted", first_met_at=NOW, look_again_at=NOW)
        for number in range(hidden)
    )
    scope = scope_of("https://n8n.example.com", workflow_id, store)
    store.sync_state.save_coverage(scope, Change(facts=Facts(checked_at=checked_at), pending=opened))
