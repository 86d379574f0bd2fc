"""Queries behind the pages: periods, completeness, causes, notes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from fastapi import Request

from ticktrail.alerts.service import find_alerts
from ticktrail.alerts.settings import read_alert_settings
from ticktrail.errors import ConfigurationError, NotFoundError
from ticktrail.messages.error_codes import packaged
from ticktrail.messages.filters import Grouping
from ticktrail.messages.model import StatusEvent
from ticktrail.queries.completeness import Completeness, WorkflowCompleteness
from ticktrail.queries.periods import day_bounds, period_of
from ticktrail.queries.statistics import compute_statistics
from ticktrail.settings.loading import load_settings
from ticktrail.settings.settings import Settings
from ticktrail.settings.user_file import UserFile
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.coverage import Facts, Gap, PendingExecution, PendingKind
from ticktrail.stores.opening import open_store
from ticktrail.stores.sync_state import Run
from ticktrail.web.cache import QueryCache
from ticktrail.web.pages import wording as words
from ticktrail.web.pages.alert_rows import acknowledge_alert, list_alerts, with_records
from ticktrail.web.pages.completeness_summary import summarize
from ticktrail.web.pages.context import Site, grouped
from ticktrail.web.security.url_tokens import UrlTokens

RIYADH = ZoneInfo("Asia/Riyadh")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MOMENT = int(NOW.timestamp())
HOUR, DAY = 3_600, 86_400


def _settings(tmp_path: Path) -> Settings:
    return load_settings({"TICKTRAIL_STORE": str(tmp_path / "a.db")}, {}, tmp_path)


def _event(number: int, status: str, at: int, **more: object) -> StatusEvent:
    about = {"message_id": f"wamid.{number}", "conversation_id": f"96650000{number % 40:04}", **more}
    return StatusEvent(status=status, timestamp=at, execution_id=str(number), workflow_id="w", **about)  # type: ignore[arg-type]


def _store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "a.db"), StoreOptions(timezone=RIYADH))


def test_periods_are_whole_days_of_the_zone() -> None:
    """Seven days are today and the six before it, from midnight in the zone; a day and a span name themselves."""
    midnight = int(datetime(2026, 11, 22, tzinfo=RIYADH).timestamp())
    assert period_of("today", NOW, RIYADH).since == midnight
    assert period_of("7d", NOW, RIYADH).since == midnight - 6 * DAY
    assert period_of("all", NOW, RIYADH).since is None
    named = period_of("2026-11-01..2026-11-02", NOW, RIYADH)
    assert (named.since, named.until) == (midnight - 21 * DAY, midnight - 19 * DAY)
    assert day_bounds("2026-11-22", RIYADH) == (midnight, midnight + DAY)
    for bad in ("", "yesterday-ish", "2026-11-02..2026-11-01", "9999-12-31", "..", "2026-13-01"):
        with pytest.raises(ConfigurationError):
            period_of(bad, NOW, RIYADH)


def test_equal_ages_are_compared() -> None:
    """Messages younger than a day are left out, and the previous period has the same length."""
    halves = period_of("7d", NOW, RIYADH).before(NOW)
    assert halves is not None
    later, earlier = halves
    assert later.until == MOMENT - DAY
    assert (later.since, later.until - (later.since or 0)) == (
        earlier.until,
        (earlier.until or 0) - (earlier.since or 0),
    )
    assert period_of("today", NOW, RIYADH).before(NOW) is None
    assert period_of("all", NOW, RIYADH).before(NOW) is None


def test_moments_are_said_as_people_say_them() -> None:
    """The hour alone today, the day beside it before, the year when it is another."""
    said = [words.clock(MOMENT - ago, RIYADH, NOW) for ago in (0, DAY, 5 * DAY, 400 * DAY)]
    assert said == ["15:00", "yesterday 15:00", "17 Nov 15:00", "18 Oct 2025 15:00"]
    assert words.clock(None, RIYADH, NOW) == words.clock(10**15, RIYADH, NOW) == "no time"
    assert words.points(0.0121) == "+1.2"
    assert words.points(-0.0121) == "\N{MINUS SIGN}1.2"
    assert (grouped("966500000041"), grouped("120363000000000041"), grouped("SA.1")) == (
        "+966 50 000 0041", "120363000000000041", "SA.1",
    )  # fmt: skip


def _known(
    checked_at: datetime | None,
    *,
    opened: tuple[PendingExecution, ...] = (),
    gaps: tuple[Gap, ...] = (),
    **more: object,
) -> Completeness:
    workflow = WorkflowCompleteness(
        instance_url="u", workflow_id="w", scope="s", facts=Facts(checked_at=checked_at, gaps=gaps), unprocessed=opened
    )
    fields = {"exists": True, "location": "", "workflows": (workflow,), "never": frozenset(), "messages": 9, **more}
    return Completeness(**fields)  # type: ignore[arg-type]


def test_the_summary_is_green_most_days_and_names_what_is_wrong() -> None:
    """A sync a moment ago is good; a gap, hidden executions and a late sync are said; a dead sync is bad."""
    good = summarize(_known(NOW - timedelta(minutes=1)), NOW, RIYADH)
    assert (good.level, good.headline, good.remarks) == ("good", "complete up to 14:59", ())
    hidden = tuple(
        PendingExecution(
            execution_id=number, kind=PendingKind.WITHHELD, first_met_at=NOW, look_again_at=NOW, reason=reason
        )
        for number, reason in enumerate(("redacted", "redacted", "too_large"))
    )
    gap = Gap(after_id=1, before_id=9, from_started_at="2026-11-21T23:10:00.000Z",
              to_started_at="2026-11-21T23:40:00.000Z", found_at=NOW - timedelta(hours=1))  # fmt: skip
    troubled = summarize(_known(NOW, opened=hidden, gaps=(gap,), never=frozenset({"read"})), NOW, RIYADH)
    assert troubled.level == "warn"
    assert troubled.remarks == (
        "nothing known from 02:10 to 02:40: n8n deleted these executions before they were read",
        "3 executions withheld by n8n (2 redacted, 1 too large)",
        "no message ever came with “read”: the trigger may filter it",
    )
    late = summarize(_known(NOW - timedelta(hours=5)), NOW, RIYADH)
    assert (late.level, late.remarks) == ("bad", ("the last sync was 5 h ago",))
    failing = Run(run_id="r", scope="s", began_at=NOW, seconds=1, error="n8n refused the key.\nmore")
    assert summarize(_known(NOW, runs=(failing,)), NOW, RIYADH).remarks == (
        "the last sync failed: n8n refused the key.",
    )
    assert summarize(_known(None, workflows=()), NOW, RIYADH).headline.startswith("imported from files")
    assert summarize(_known(NOW, exists=False), NOW, RIYADH).level == "warn"
    assert summarize(_known(None, workflows=(), messages=0), NOW, RIYADH).headline == "no data yet: no sync has run"


def _bad_day(store: Store) -> None:
    """Six of 45 messages of half an hour ago undeliverable, one locked account; twenty-four with one tick for a day."""
    undeliverable, locked = ({"code": 131026, "title": "x"},), ({"code": 131031, "title": "y"},)
    store.write(
        [
            *(_event(number, "read", MOMENT - HOUR // 2) for number in range(36)),
            *(_event(100 + number, "failed", MOMENT - HOUR // 2, errors=undeliverable) for number in range(6)),
            *(_event(200 + number, "failed", MOMENT - 30 * HOUR, errors=undeliverable) for number in range(2)),
            _event(300, "failed", MOMENT - HOUR // 2, errors=locked),
            *(_event(400 + number, "sent", MOMENT - 26 * HOUR, phone_number_id="106540000000001")
              for number in range(24)),
            _event(500, "sent", MOMENT - HOUR // 2),
            _event(501, "delivered", MOMENT - HOUR // 2),
        ],
        at=NOW,
    )  # fmt: skip


def test_open_alerts_are_listed_with_the_messages_behind_them(tmp_path: Path) -> None:
    """One row per alert with its number of messages; no rows without alerts; None without a store."""
    settings = _settings(tmp_path)
    with _store(tmp_path) as store:
        assert list_alerts(store, settings, now=NOW) is None
        store.write([_event(number, "read", MOMENT - HOUR) for number in range(30)], at=NOW)
        quiet = list_alerts(store, settings, now=NOW)
        assert quiet is not None
        assert (quiet.rows, quiet.messages) == ((), 30)
        _bad_day(store)
        listed = list_alerts(store, settings, now=NOW)
        assert listed is not None
        found = find_alerts(settings, read_alert_settings(settings, {}), store, NOW)
        assert ([row.alert for row in listed.rows], listed.checked) == (list(found.alerts), found.checked)
        by_title = {row.alert.title.partition(",")[0].partition(" from ")[0]: row for row in listed.rows}
        assert {title: row.listed for title, row in by_title.items()} == {
            f"{packaged().lookup(131031).title} (131031)": 1,
            f"{packaged().lookup(131026).title} (131026)": 6,
            "One tick for more than 24 hours": 24,
        }
        stuck = by_title["One tick for more than 24 hours"].alert
        assert (stuck.messages, stuck.people) == (24, 24)


def test_a_causes_list_has_the_messages_that_were_counted(tmp_path: Path) -> None:
    """Groups and tests of Meta's are in no figure (product.md §6), and so in no list behind one."""
    settings = _settings(tmp_path)
    group, test = {"conversation_id": "120363000000000041"}, {"phone_number_id": "123456123"}
    undeliverable = ({"code": 131026, "title": "x"},)
    with _store(tmp_path) as store:
        _bad_day(store)
        before = _alerts(store, settings)
        for number, aside in enumerate((group, test)):
            store.write(
                [
                    _event(600 + number, "failed", MOMENT - HOUR // 2, errors=undeliverable, **aside),
                    _event(700 + number, "sent", MOMENT - 26 * HOUR, **{"phone_number_id": "106540000000001", **aside}),
                ],
                at=NOW,
            )
        assert _alerts(store, settings) == before


def _alerts(store: Store, settings: Settings) -> dict[str, tuple[str, int | None]]:
    found = list_alerts(store, settings, now=NOW)
    return {row.alert.key: (row.alert.says, row.listed) for row in (found.rows if found else ())}


def test_an_acknowledgement_is_visible_to_every_process(tmp_path: Path) -> None:
    """The name and the note are saved in the store; a resolved alert cannot be acknowledged."""
    settings = _settings(tmp_path)
    with _store(tmp_path) as store:
        _bad_day(store)
        found = list_alerts(store, settings, now=NOW)
        assert found is not None
        key = found.rows[0].alert.key
        acknowledge_alert(store, settings, key, by=" Nora ", note=f"  Calls {'n' * 1_000}", now=NOW)
        with pytest.raises(NotFoundError):
            acknowledge_alert(store, settings, "over", by="", note="", now=NOW)
    with _store(tmp_path) as store:
        marked = with_records(found, store.alert_state.all())
        assert [row.alert.key for row in marked.acknowledged] == [key]
        assert len(marked.open) == 2
        record = marked.acknowledged[0].acknowledged
        assert record is not None
        assert (record.acknowledged_by, record.note) == ("Nora", f"Calls {'n' * 294}")
        assert store.alert_state.unacknowledge(key)
        assert with_records(found, store.alert_state.all()).acknowledged == []


def test_the_funnel_counts_by_day_sent(tmp_path: Path) -> None:
    """Parts add up; a day belongs to the zone; what is younger than a day is not final."""
    with _store(tmp_path) as store:
        store.write(
            [_event(number, status, MOMENT - ago) for number, (status, ago) in enumerate(
                [("sent", 10), ("read", 20), ("delivered", 30 * HOUR), ("failed", 31 * HOUR), ("read", 60 * DAY)])],
            at=NOW,
        )  # fmt: skip
        chosen = period_of("7d", NOW, RIYADH).chosen
        found = compute_statistics(
            store, _settings(tmp_path), chosen, Grouping.DAY, user_file=UserFile(), now=NOW, compare=True
        )
        counts = found.totals
        assert (counts.sent, counts.delivered, counts.read, counts.pending, counts.failed) == (4, 2, 1, 1, 1)
        assert counts.provisional == 2
        assert [(day.key, day.counts.sent) for day in found.groups.shown] == [("2026-11-21", 2), ("2026-11-22", 2)]  # type: ignore[union-attr]


@pytest.mark.parametrize("length", range(100, 130))
def test_a_number_that_is_cut_is_masked_all_the_same(tmp_path: Path, length: int) -> None:
    """Wherever a text ends on the page, a viewer reads no more of a number than its mask leaves."""
    request = Request({"type": "http", "query_string": b"wall", "headers": []})
    site = Site(
        settings=_settings(tmp_path), queries=QueryCache(None), addresses=UrlTokens(b"k" * 32), catalogue=packaged(),  # type: ignore[arg-type]
        user_file=UserFile(), region=None, access=None,
    )  # fmt: skip
    for number in ("966500000041", "+966 50 000 0041", "9665\u200e00000041"):
        shown = site.visitor(request).text(f"{'could not reach ' * 6} {number} at all", length)
        assert len(shown) <= length
        assert "000" not in shown
