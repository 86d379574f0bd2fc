"""Every rule at its edges: what is worth an alert, what is not, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from ticktrail.alerts.alert import Alert, AlertKind, key_of
from ticktrail.alerts.documents import command_of
from ticktrail.alerts.facts import AlertFacts, Delivery, UndeliveredByNumber
from ticktrail.alerts.failures import AlertContext, Failures
from ticktrail.alerts.rules import evaluate_rules, may_be_over
from ticktrail.health.checks import Finding, Severity
from ticktrail.messages.counts import Counts
from ticktrail.messages.error_codes import packaged
from ticktrail.messages.failure_causes import CauseCount, first_code
from ticktrail.messages.filters import MessageFilter, SendFilter
from ticktrail.queries.completeness import WorkflowCompleteness
from ticktrail.settings.alert_rules import Rules
from ticktrail.stores.coverage import Facts, Gap, LostExecution, PendingExecution, PendingKind
from ticktrail.stores.journal import JournalState

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
"""20:00 in Riyadh."""

SECONDS = int(NOW.timestamp())
HOUR = 3_600
AT = AlertContext(NOW, ZoneInfo("Asia/Riyadh"), {"1065": "Support"}, {"wf": "Order updates"})
UNDELIVERABLE, PAYMENT, TOKEN, NO_TEMPLATE, STOPPED = "131026", "131042", "190", "132001", "131050"


def failed(code: str | None, count: int, *, ago: int = HOUR // 2, **more: Any) -> CauseCount:
    """Failed messages, the last of them so long ago, the first half an hour before it."""
    usual = {"template": "order_ready", "workflow_id": "orders", "number": "1065", "people": count}
    last = SECONDS - ago
    return CauseCount(
        failed=True, code=code, count=count, last_timestamp=last, first_timestamp=last - HOUR // 2, **{**usual, **more}
    )


def fine(count: int, *, ago: int = 0, **more: Any) -> CauseCount:
    """Messages of the same kind that did not fail, the last of them so long ago."""
    usual = {"template": "order_ready", "workflow_id": "orders", "number": "1065"}
    return CauseCount(failed=False, count=count, last_timestamp=SECONDS - ago, **{**usual, **more})


def found(*messages: CauseCount, sends: tuple[CauseCount, ...] = (), before: tuple[CauseCount, ...] = (),
          rules: Rules | None = None, people: dict[str, int] | None = None) -> list[Alert]:  # fmt: skip
    """The alerts that these counts are worth."""
    facts = AlertFacts(
        at=AT,
        failures=Failures(messages=messages, sends=sends, people=people or {}),
        failures_before=Failures(messages=before),
    )
    return evaluate_rules(facts, rules or Rules(), packaged())


def about(**facts: Any) -> list[Alert]:
    """The alerts that these facts are worth, by the usual rules."""
    return evaluate_rules(AlertFacts(at=AT, **facts), Rules(), packaged())


def test_an_empty_store_raises_no_alert() -> None:
    """An empty store without a sync raises no alert."""
    assert about() == []


def test_one_failure_of_a_code_that_counts_at_once_is_worth_an_alert() -> None:
    """It is urgent, and says how many, whom, since when, compared with before, and what the catalogue advises."""
    (alert,) = found(failed(PAYMENT, 1, people=1), fine(500, ago=3 * HOUR))
    assert (alert.kind, alert.urgency, alert.messages, alert.people) == (AlertKind.FAILING, "urgent", 1, 1)
    assert alert.says == "1 message to 1 person failed since 19:00. In the 24 hours before that: none."
    assert alert.remedy == packaged().lookup(131042).advice
    assert alert.since_timestamp == SECONDS - HOUR


@pytest.mark.parametrize(("failures", "fires"), [(1, False), (2, True)])
def test_codes_that_count_when_many_have_a_threshold(failures: int, fires: bool) -> None:  # noqa: FBT001
    """A tenth of twenty messages is enough, less is not."""
    alerts = found(failed(UNDELIVERABLE, failures), fine(20 - failures))
    assert bool(alerts) is fires
    if fires:
        assert (
            alerts[0].says
            == "2 of 20 messages (10.0 %) to 2 people failed since 19:00. In the 24 hours before that: none."
        )
        assert alerts[0].urgency == "warning"


def test_rates_have_a_floor() -> None:
    """Nineteen failures of nineteen messages are no rate; at the twentieth message they are."""
    assert found(failed(UNDELIVERABLE, 19)) == []
    assert len(found(failed(UNDELIVERABLE, 20))) == 1


def test_a_rate_is_computed_among_messages_of_the_same_kind() -> None:
    """Another template's messages and another number's do not thin it out."""
    others = (fine(5_000, template="offer"), fine(5_000, number="1066"))
    (alert,) = found(failed(UNDELIVERABLE, 5), fine(15), *others)
    assert "5 of 20 messages" in alert.says


def test_each_code_may_have_a_rate_of_its_own() -> None:
    """[alerts.rates] goes before the common one."""
    counts = (failed("131049", 5), fine(15))
    assert len(found(*counts)) == 1
    assert found(*counts, rules=Rules(rates={"131049": 0.3})) == []
    assert len(found(*counts, rules=Rules(rates={"131049": 0.25}))) == 1


def test_a_code_that_never_counts_is_never_worth_an_alert() -> None:
    """A recipient who opted out of marketing raises no alert."""
    assert packaged().lookup(131050).alert == "never"
    assert found(failed(STOPPED, 900)) == []


def test_an_undeliverable_message_is_a_cause_for_each_template_and_number() -> None:
    """Three combinations, three alerts with three keys; the same combination has the same key tomorrow."""
    counts = (
        failed(UNDELIVERABLE, 20),
        failed(UNDELIVERABLE, 30, number="1066"),
        failed(UNDELIVERABLE, 40, template=None),
    )
    alerts = found(*counts)
    assert [alert.messages for alert in alerts] == [40, 30, 20]
    assert len({alert.key for alert in alerts}) == 3
    assert {alert.key for alert in found(*counts)} == {alert.key for alert in alerts}
    assert all(alert.key.startswith("131026-") for alert in alerts)
    assert alerts[0].listing == MessageFilter(
        people_only=True,
        statuses=("failed", "undelivered"),
        failure_codes=(131026,),
        since_timestamp=SECONDS - 24 * HOUR,
        sending_workflow_id="orders",
        sending_numbers=("1065",),
    )


def test_a_token_is_one_cause_whatever_it_keeps_from_going_out() -> None:
    """Messages of several templates, and sends that were refused, make one alert; people are counted once if known."""
    counts = (failed(TOKEN, 3, people=2), failed(TOKEN, 4, template="offer", people=3))
    (alert,) = found(*counts, people={TOKEN: 4})
    assert (alert.key, alert.messages, alert.people, alert.people_at_most) == ("190", 7, 4, False)
    assert alert.says.startswith("7 messages to 4 people failed")
    (alert,) = found(*counts, sends=(failed(TOKEN, 2, number=None),), people={TOKEN: 4})
    assert (alert.messages, alert.people, alert.people_at_most) == (9, 7, True)
    assert alert.says.startswith("7 messages failed and 2 sends were refused, to at most 7 people since")


def test_a_missing_template_is_one_cause_for_each_template() -> None:
    """Refused sends have no message: the alert leads to the sends with its code, of all numbers."""
    (alert,) = found(sends=(failed(NO_TEMPLATE, 7, number=None),))
    assert alert.title == "Template missing or not approved (132001), template order_ready"
    assert alert.says.startswith("7 sends to 7 people were refused since 19:00.")
    assert alert.listing == SendFilter(
        refused=True, failure_codes=(132001,), since_timestamp=SECONDS - 24 * HOUR, template="order_ready"
    )


def test_the_command_behind_an_alert_chooses_what_its_list_does() -> None:
    """Refused sends are asked for with their code, as the listing has it; messages with theirs."""
    (refused,) = found(sends=(failed(NO_TEMPLATE, 7, number=None),))
    (undelivered,) = found(failed(UNDELIVERABLE, 20))
    assert refused.listing is not None
    assert undelivered.listing is not None
    assert command_of(refused.listing, AT.zone) == (
        "ticktrail sends --refused --error 132001 --template order_ready --since 2026-11-21T20:00"
    )
    assert command_of(undelivered.listing, AT.zone) == (
        "ticktrail messages --undelivered --error 131026 --template order_ready --number 1065 --since 2026-11-21T20:00"
    )


@pytest.mark.parametrize(
    ("failed_ago", "success_ago", "fires"),
    [(HOUR - 1, 0, True), (HOUR, HOUR - 1, False), (HOUR, HOUR, True), (20 * HOUR, 21 * HOUR, True)],
)
def test_what_counts_at_once_is_over_after_an_hour_of_calm_and_a_success(
    failed_ago: int,
    success_ago: int,
    fires: bool,  # noqa: FBT001
) -> None:
    """Both are needed: nothing sent since proves nothing, and neither does a success between two failures."""
    assert bool(found(failed(PAYMENT, 3, ago=failed_ago), fine(10, ago=success_ago))) is fires


def test_another_templates_success_does_not_resolve_a_template() -> None:
    """Only what the cause could have kept from going out shows that it is over."""
    refused = (failed(NO_TEMPLATE, 1, ago=5 * HOUR, number=None),)
    assert len(found(fine(9, template="offer"), sends=refused)) == 1
    assert found(fine(9), sends=refused) == []


def test_the_trend_is_shown() -> None:
    """So many of the same cause in the window before; another cause's do not count."""
    before = (failed(PAYMENT, 4), failed(PAYMENT, 2, template="offer"), failed(TOKEN, 50))
    (alert,) = found(failed(PAYMENT, 9), before=before)
    assert alert.before == 6
    assert alert.says.endswith("In the 24 hours before that: 6.")


def test_failures_without_a_code_or_with_an_unknown_one_count_when_many() -> None:
    """They are named by what was reported, cut and masked."""
    (alert,) = found(failed(None, 20))
    assert (alert.key.split("-")[0], alert.title.split(",")[0]) == ("none", "No reason given")
    hostile = "Ask +966 50 000 0012\x1b[2J\u202e" + "x" * 300
    (alert,) = found(failed("999999", 20, title=hostile))
    assert "0012" not in alert.title
    assert alert.title.isprintable()
    assert len(alert.title) < 200
    assert "(999999)" in alert.title


def test_names_from_outside_are_fit_to_be_sent() -> None:
    """Sending numbers have the user's name or are masked; a template that holds a number is masked."""
    (named,) = found(failed(UNDELIVERABLE, 20, template="to_966500000012"))
    assert "from Support" in named.title
    assert "966500000012" not in named.title
    (masked,) = found(failed(UNDELIVERABLE, 20, number="1066", number_label="966500000013"))
    assert "from +966 50 ••• ••13" in masked.title


@pytest.mark.parametrize("off", ["failing", "131026", key_of("131026", "order_ready", None, "1065")])
def test_a_rule_can_be_switched_off(off: str) -> None:
    """By kind, by code, or this one alert alone."""
    alerts = found(failed(UNDELIVERABLE, 20), failed(PAYMENT, 1), rules=Rules(off=frozenset({off})))
    assert [alert.messages for alert in alerts] == ([] if off == "failing" else [1])


def test_the_most_urgent_comes_first() -> None:
    """Then what concerns most messages."""
    alerts = found(failed(UNDELIVERABLE, 40), failed(UNDELIVERABLE, 60, number="1066"), failed(PAYMENT, 1))
    assert [alert.messages for alert in alerts] == [1, 60, 40]


def state_of(pending: int, sent: int) -> UndeliveredByNumber:
    """So many of so many messages of a number with one tick."""
    return UndeliveredByNumber(number="1065", ripe=Counts(pending=pending, delivered=sent - pending), stuck=pending + 7)


@pytest.mark.parametrize(("pending", "sent", "fires"), [(2, 20, True), (1, 20, False), (19, 19, False)])
def test_messages_that_hang(pending: int, sent: int, fires: bool) -> None:  # noqa: FBT001
    """From a tenth on, of twenty messages on."""
    alerts = about(undelivered=[state_of(pending, sent)])
    assert [alert.kind for alert in alerts] == ([AlertKind.STUCK] if fires else [])
    if fires:
        assert "2 of 20 messages (10.0 %)" in alerts[0].says
        assert "In the last 30 days: 9." in alerts[0].says
        assert alerts[0].title == "One tick for more than 24 hours, from Support"


def test_one_tick_says_nothing_where_deliveries_are_not_reported() -> None:
    """A trigger that passes no "delivered" makes every message look like it."""
    assert about(undelivered=[state_of(20, 20)], delivered_passes=False) == []


def delivery(delivered: int, sent: int, before: int, sent_before: int) -> Delivery:
    """Delivered now and a week before."""
    return Delivery(number="1065", delivered=delivered, sent=sent, delivered_before=before, sent_before=sent_before)


@pytest.mark.parametrize(
    ("facts", "fires"),
    [
        ((800, 1_000, 900, 1_000), True),
        ((801, 1_000, 900, 1_000), False),
        ((950, 1_000, 900, 1_000), False),
        ((0, 19, 20, 20), False),
        ((0, 20, 19, 19), False),
        ((0, 20, 20, 20), True),
        ((17, 20, 20, 20), False),
    ],
)
def test_delivery_is_compared_with_a_week_before(facts: tuple[int, int, int, int], fires: bool) -> None:  # noqa: FBT001
    """Ten parts of a hundred less, twenty messages each, and more than chance makes of so few."""
    alerts = about(deliveries=[delivery(*facts)])
    assert [alert.kind for alert in alerts] == ([AlertKind.DELIVERY] if fires else [])


def test_less_delivery_is_reported_with_its_parts() -> None:
    """Both rates with what they are made of, at the same age."""
    (alert,) = about(deliveries=[delivery(800, 1_000, 930, 1_000)])
    assert "80.0 % (800 of 1,000) were delivered within an hour" in alert.says
    assert "at the same age: 93.0 % (930 of 1,000)" in alert.says


def synced(
    minutes: float | None = 1, *, error: str | None = None, withheld: Sequence[str] = (), refused: Sequence[str] = (),
    **facts: Any,
) -> WorkflowCompleteness:  # fmt: skip
    """A workflow whose last successful sync began so many minutes ago."""
    checked_at = None if minutes is None else NOW - timedelta(minutes=minutes)
    open_ones = [(PendingKind.WITHHELD, reason) for reason in withheld] + [
        (PendingKind.REFUSED, why) for why in refused
    ]
    return WorkflowCompleteness(
        instance_url="https://n8n.example.com",
        workflow_id="wf",
        facts=Facts(checked_at=checked_at, **facts),
        unprocessed=tuple(
            PendingExecution(execution_id=number, kind=kind, reason=reason, first_met_at=NOW, look_again_at=NOW)
            for number, (kind, reason) in enumerate(open_ones)
        ),
        error=error,
    )


@pytest.mark.parametrize(("minutes", "fires"), [(120, False), (120.1, True), (None, True)])
def test_a_late_sync(minutes: float | None, fires: bool) -> None:  # noqa: FBT001
    """Later than two hours while the usual time between syncs is unknown, or never."""
    alerts = about(workflows=[synced(minutes)])
    assert [alert.kind for alert in alerts] == ([AlertKind.SYNC] if fires else [])


def test_a_late_sync_says_how_far_the_store_goes_and_why() -> None:
    """Up to when it is complete, and what ended the last try."""
    (alert,) = about(workflows=[synced(180, error="n8n refused the key.")])
    assert alert.says == (
        "Complete up to 17:00; no sync has succeeded for 3 hours. The last sync failed: n8n refused the key."
    )


@pytest.mark.parametrize(("sends", "fires"), [(2, False), (3, True)])
def test_silence_after_messages_were_accepted(sends: int, fires: bool) -> None:  # noqa: FBT001
    """Three accepted messages without a status are no accident."""
    alerts = about(workflows=[synced()], unanswered=sends, last_status_timestamp=SECONDS - 3 * HOUR)
    assert [alert.kind for alert in alerts] == ([AlertKind.SILENCE] if fires else [])
    if fires:
        assert alerts[0].says == "No status has come for 3 hours, although Meta accepted 3 messages since."
        assert alerts[0].listing == SendFilter(unconfirmed=True, since_timestamp=SECONDS - 3 * HOUR)
        (never,) = about(workflows=[synced()], unanswered=sends)
        assert never.says == "No status has ever come, although Meta accepted 3 messages."


@pytest.mark.parametrize(
    ("hours", "pause_hours", "fires"),
    [(15, 10, False), (15.1, 10, True), (2, 1, False), (2.1, 1, True), (99, None, False)],
)
def test_silence_longer_than_ever(hours: float, pause_hours: float | None, fires: bool) -> None:  # noqa: FBT001
    """Half as long again as the longest pause of two weeks, and two hours at least; unknown pauses prove nothing."""
    pause = None if pause_hours is None else int(pause_hours * HOUR)
    alerts = about(workflows=[synced()], longest_pause=pause, last_status_timestamp=SECONDS - int(hours * HOUR))
    assert bool(alerts) is fires


def test_a_late_sync_explains_silence() -> None:
    """One cause, one alert."""
    alerts = about(workflows=[synced(600)], unanswered=50, last_status_timestamp=SECONDS - 10 * HOUR)
    assert [alert.kind for alert in alerts] == [AlertKind.SYNC]
    assert about(unanswered=50, last_status_timestamp=0) == []


def test_withheld_executions_and_those_the_store_refused_are_two_alerts() -> None:
    """Each names the workflow, the number and why; what the store refused is not counted as withheld."""
    alert, refused = about(
        workflows=[synced(withheld=["redacted", "redacted", "too_large"], refused=["document too large"])]
    )
    assert alert.title == "n8n withheld 3 executions, workflow Order updates"
    assert alert.says == "2 redacted, 1 too large. They may hold statuses."
    assert refused.title == "The store refused data of 1 execution, workflow Order updates"
    assert refused.says == "1 document too large. These statuses are not stored."


@pytest.mark.parametrize(("days", "fires"), [(7, True), (7.01, False)])
def test_gaps_and_lost_executions_found_lately(days: float, fires: bool) -> None:  # noqa: FBT001
    """Within a week: the bounds of a gap in the zone of the reader, and how many were never shown."""
    found_at = NOW - timedelta(days=days)
    gap = Gap(
        after_id=3,
        before_id=9,
        from_started_at="2026-11-21T23:10:00.000Z",
        to_started_at="2026-11-21T23:40:00.000Z",
        found_at=found_at,
    )
    lost = LostExecution(execution_id=7, reason="redacted", started_at=None, found_at=found_at)
    alerts = about(workflows=[synced(gaps=(gap,), lost=(lost,))])
    assert [alert.kind for alert in alerts] == [AlertKind.GAP] * (2 if fires else 0)
    if fires:
        told = {alert.says for alert in alerts}
        assert "No data from 02:10 to 02:40: n8n deleted these executions before they were read." in told
        assert "n8n deleted 1 execution before the data could be read." in told
        nameless = msgspec.structs.replace(gap, from_started_at=None)
        (alert,) = about(workflows=[synced(gaps=(nameless,))])
        assert alert.says.startswith("No data from executions 3 to 9:")


@pytest.mark.parametrize(
    ("severity", "urgency"),
    [(Severity.OK, None), (Severity.UNKNOWN, None), (Severity.WARNING, "warning"), (Severity.FAULT, "urgent")],
)
def test_the_key_runs_out(severity: Severity, urgency: str | None) -> None:
    """A warning of doctor raises an alert, which is urgent once the key has expired."""
    alerts = about(key=Finding(name="key expiry", severity=severity, says="So.", remedy="Do."))
    assert [alert.urgency for alert in alerts] == ([] if urgency is None else [urgency])


def test_alerts_that_cannot_be_checked_are_not_resolved() -> None:
    """While no sync comes through, only what is not about messages can be over."""
    late = about(workflows=[synced(600)])
    assert not may_be_over("failing", late)
    assert may_be_over("key", late)
    assert may_be_over("failing", [])


@pytest.mark.parametrize(
    ("hours", "clock", "quiet"),
    [
        ("22:00-07:00", "21:59", False),
        ("22:00-07:00", "22:00", True),
        ("22:00-07:00", "06:59", True),
        ("22:00-07:00", "07:00", False),
        ("12:00-14:00", "13:00", True),
        ("12:00-14:00", "14:00", False),
        ("00:00-00:00", "00:00", False),
    ],
)
def test_quiet_hours(hours: str, clock: str, quiet: bool) -> None:  # noqa: FBT001
    """From and to, over midnight too; the end is outside."""
    begin, end = (int(part[:2]) * 60 + int(part[3:]) for part in hours.split("-"))
    moment = datetime.fromisoformat(f"2026-11-22T{clock}:00+03:00")
    assert Rules(quiet=(begin, end)).is_quiet(moment) is quiet
    assert not Rules().is_quiet(moment)


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([{"code": 190}], "190"), ([{"code": 190.0}], "190"), ([{"code": "x"}], "x"), ([{"code": True}], None),
        ([{"code": "{a"}], None), ([{}], None), ([7], None), ([], None), (None, None), ("[]", None),
        ([{"code": "y" * 70}], "y" * 64), ([{"code": ""}], None),
    ],
)  # fmt: skip
def test_the_code_of_a_refused_send(errors: object, code: str | None) -> None:
    """The first error's, when it is a number or a word."""
    assert first_code(errors) == code


def journal(**changes: Any) -> JournalState:
    """A journal in which nothing waits, but for the changes."""
    usual: dict[str, Any] = {
        "to_store": 0,
        "to_forward": 0,
        "failed": 0,
        "oldest_at": None,
        "reasons": (),
        "counts": {},
        "counted_at": {},
    }
    return JournalState(**{**usual, **changes})


def test_webhooks_that_wait_too_long_raise_an_alert() -> None:
    """A webhook that waits for more than 15 minutes is urgent, with the reason; a younger one is not an alert."""
    assert about(journal=journal()) == []
    assert about(journal=journal(to_forward=3, oldest_at=SECONDS - 900)) == []
    waiting = journal(to_forward=3, oldest_at=SECONDS - 901, reasons=(("n8n answered 404", 3),))
    (alert,) = about(journal=waiting)
    assert (alert.kind, alert.urgency) == (AlertKind.RECEIVER, "urgent")
    assert alert.says == "0 webhooks to store and 3 to forward, the oldest since 19:44: n8n answered 404."


def test_webhooks_that_were_given_up_raise_an_alert() -> None:
    """It names their number, the reasons and how to try again."""
    (alert,) = about(journal=journal(failed=2, reasons=(("n8n answered 404", 2),)))
    assert alert.says == "2 webhooks could not be stored or forwarded: n8n answered 404."
    assert "ticktrail receive --replay" in alert.remedy
