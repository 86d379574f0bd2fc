"""A day in ten lines: whole days of a zone, figures with their parts, and what could not be seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ticktrail.alerts.alert import Alert, AlertKind
from ticktrail.alerts.daily_report import (
    DailyReport,
    PeriodName,
    daily_report_document,
    period_of,
    report_lines,
    week_before,
)
from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.error_codes import packaged
from ticktrail.messages.failure_causes import CauseCount
from ticktrail.queries.completeness import WorkflowCompleteness
from ticktrail.stores.coverage import Facts, PendingExecution, PendingKind

RIYADH = ZoneInfo("Asia/Riyadh")
NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
"""08:00 in Riyadh, a Sunday."""


@pytest.mark.parametrize(
    ("name", "zone", "now", "since", "until", "title"),
    [
        ("day", "Asia/Riyadh", NOW, "2026-11-21T00:00+03:00", "2026-11-22T00:00+03:00", "Yesterday, Sat 21 Nov 2026"),
        ("week", "Asia/Riyadh", NOW, "2026-11-15T00:00+03:00", "2026-11-22T00:00+03:00",
         "The week from 15 to 21 Nov 2026"),
        ("day", "UTC", NOW, "2026-11-21T00:00+00:00", "2026-11-22T00:00+00:00", "Yesterday, Sat 21 Nov 2026"),
        # The day on which clocks go back has 25 hours.
        ("day", "Europe/Berlin", datetime(2026, 10, 26, 5, 0, tzinfo=UTC), "2026-10-25T00:00+02:00",
         "2026-10-26T00:00+01:00", "Yesterday, Sun 25 Oct 2026"),
        ("week", "UTC", datetime(2026, 12, 3, tzinfo=UTC), "2026-11-26T00:00+00:00", "2026-12-03T00:00+00:00",
         "The week from 26 Nov to 2 Dec 2026"),
    ],
)  # fmt: skip
def test_periods_are_whole_days_of_the_zone(
    name: PeriodName, zone: str, now: datetime, since: str, until: str, title: str
) -> None:
    """From midnight to midnight, by the clock on the wall."""
    period = period_of(name, now, ZoneInfo(zone))
    assert period.since == datetime.fromisoformat(since).timestamp()
    assert period.until == datetime.fromisoformat(until).timestamp()
    assert period.title == title


def test_the_week_before_has_the_same_hours_on_the_wall() -> None:
    """Also where the clocks were changed in between."""
    berlin = ZoneInfo("Europe/Berlin")
    before = week_before(period_of("day", datetime(2026, 10, 27, 5, 0, tzinfo=UTC), berlin))
    assert before.since == datetime.fromisoformat("2026-10-19T00:00+02:00").timestamp()
    assert before.until == datetime.fromisoformat("2026-10-20T00:00+02:00").timestamp()


def counts(delivered: int, slow: int, failed: int, waiting: int) -> Counts:
    """So many delivered in 4 seconds, slowly (9 hours), not at all."""
    return Counts(
        messages=delivered + slow + failed + waiting,
        delivered=delivered + slow,
        read=delivered // 2,
        failed=failed,
        pending=waiting,
        sent_reported=delivered,
        delivered_reported=delivered,
        delays={4: delivered, 9 * 3_600: slow},
        groups=3,
        unconfirmed=8,
    )


def bad_day() -> DailyReport:
    """A day with a bit of everything."""
    return DailyReport(
        period=period_of("day", NOW, RIYADH),
        now=NOW,
        counts=counts(80, 4, 10, 6),
        before=counts(95, 5, 0, 0),
        errors=[
            Group(key="131026", counts=Counts(failed=9), label="reported", people=8),
            Group(key=None, counts=Counts(failed=1), people=1),
        ],
        refused=[
            CauseCount(failed=True, code="190", count=2),
            CauseCount(failed=True, code="190", template="a", count=1),
            CauseCount(failed=False, count=100),
        ],
        workflows=[
            WorkflowCompleteness(
                instance_url="https://n8n.example.com",
                workflow_id="wf",
                facts=Facts(checked_at=NOW - timedelta(minutes=1)),
                unprocessed=tuple(
                    PendingExecution(execution_id=number, kind=kind, first_met_at=NOW, look_again_at=NOW)
                    for number, kind in enumerate((PendingKind.WITHHELD, PendingKind.WITHHELD, PendingKind.REFUSED))
                ),
            )
        ],
        sends_known=True,
        alerts=[Alert(key="190", kind=AlertKind.FAILING, urgency="urgent", title="Token (190)", says="", remedy="")],
    )


def test_ten_lines() -> None:
    """Every figure with its parts; slow deliveries count in the day, and not at the age that is compared."""
    found = bad_day()
    assert report_lines(found, packaged()) == [
        "accepted: 108 = 100 with a status + 8 without any for over 1 h; not counted: 3 to groups",
        "delivered: 84.0 % (84 of 100 sent)",
        "read: ≥ 47.6 % (40 of 84 delivered)",
        (
            "a week before: 95.0 % (95 of 100) delivered within 8 hours, now 80.0 % (80 of 100), "
            "of messages with known times"
        ),
        "failed: 10 (10.0 % of 100); 9 Message undeliverable (131026), to 8 people; 1 No reason given, to 1 person",
        "pending: 6",
        "time to deliver: median 4 s, p90 4 s, p99 9 h; 16 not delivered",
        "refused by Meta before sending: 3; 3 Access token has expired (190)",
        "completeness: complete up to 07:59; 2 executions withheld by n8n; data of 1 execution refused by the store",
        "now: 1 open alert: Token (190)",
    ]
    document = daily_report_document(found, [])
    assert (document["totals"]["delivered"], document["refusedSends"]) == (84, 3)
    assert [error["failed"] for error in document["errors"]] == [9, 1]


def test_a_day_without_messages() -> None:
    """Without messages there is no percentage, and the report says that no sync has run."""
    empty = DailyReport(
        period=period_of("day", NOW, RIYADH), now=NOW, counts=Counts(), before=Counts(), checked="No sync has run."
    )
    told = report_lines(empty, packaged())
    assert len(told) == 10
    assert not any("%" in line for line in told if not line.startswith("a week before"))
    assert told[0].startswith("accepted: 0 with a status; others are unknown")
    assert told[-2:] == ["completeness: no sync with n8n has run", "now: No open alerts. No sync has run."]
    assert "too few for a percentage" in told[3]
