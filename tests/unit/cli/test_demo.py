"""The demonstration: every view has something to show, and it ends now wherever it can be stored."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ticktrail.cli import demo
from ticktrail.cli.demo_executions import DemoExecutions
from ticktrail.messages.counts import message_time
from ticktrail.messages.filters import Grouping, MessageFilter, SendFilter
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.sync import ingest

NOW = datetime(2027, 3, 5, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the demonstration of some morning."""
    store = open_store(str(tmp_path_factory.mktemp("demo") / "demo.sqlite"), StoreOptions(timezone=ZoneInfo("UTC")))
    report = ingest.sync(DemoExecutions(NOW), store)
    assert not report.written.refused
    return store


def test_the_newest_status_is_now(filled: Store) -> None:
    """No status is later than now, the newest is at most minutes old, and the oldest is a week old."""
    times = [time for one in filled.messages(MessageFilter()) if (time := message_time(one.state))]
    latest = max(one.state.latest_timestamp or 0 for one in filled.messages(MessageFilter()))
    assert NOW.timestamp() - 300 < latest <= NOW.timestamp()
    assert min(times) < (NOW - timedelta(days=6)).timestamp()


def test_every_view_has_something_to_show(filled: Store) -> None:
    """Several templates, campaigns, countries and days; failures by cause; refused and unconfirmed sends."""
    for by, fewest in (
        (Grouping.TEMPLATE, 4), (Grouping.CAMPAIGN, 2), (Grouping.COUNTRY, 2), (Grouping.DAY, 7), (Grouping.ERROR, 2),
        (Grouping.CATEGORY, 3), (Grouping.SENDER, 1),
    ):  # fmt: skip
        groups = [one.key for one in filled.statistics(MessageFilter(), by, young_since=0) if one.key]
        assert len(groups) >= fewest, by
    failed = Counter(one.template.name for one in filled.messages(MessageFilter(statuses=("failed",))) if one.template)
    assert failed.most_common(1)[0][0] == "customer_survey"
    assert list(filled.sends(SendFilter(refused=True)))
    assert len(list(filled.sends(SendFilter(unconfirmed=True)))) >= 6


def test_the_demonstration_is_deterministic() -> None:
    """At the same time it is the same executions."""
    first, second = ([one for page in DemoExecutions(NOW).pages() for one in page.executions] for _ in range(2))
    assert first == second


def test_where_the_folder_cannot_be_written_it_is_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that is missing or read-only: the demonstration says where it is instead."""
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setattr(demo, "user_cache_path", lambda *_args, **_more: blocked / "ticktrail")
    said: list[str] = []
    demo.run_demo("jsonl", io.StringIO(), said.append)
    assert any("temporary" in line or "instead" in line for line in said)
    assert any(line.startswith("Why did one fail?") for line in said)
