"""What figures say of what they could not see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ticktrail import MessageFilter, Store, open_store
from ticktrail.queries.completeness import gap_text, unseen
from ticktrail.stores.coverage import Change, Facts, Gap, PendingExecution, PendingKind

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
GAP = Gap(
    after_id=3,
    before_id=9,
    from_started_at="2026-11-20T02:10:00.000Z",
    to_started_at="2026-11-20T02:40:00.000Z",
    found_at=NOW,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty ledger."""
    return open_store(str(tmp_path / "ledger.db"))


def test_a_ledger_without_syncs_has_nothing_to_say(store: Store) -> None:
    """Imported files have no coverage."""
    assert unseen(store, MessageFilter(), NOW) == ()


def test_hidden_executions_gaps_and_a_late_sync_are_told(store: Store) -> None:
    """Each in a sentence; unfinished executions are no blind spot, and a coverage long given up says nothing."""
    hidden = [
        PendingExecution(
            execution_id=1, kind=PendingKind.WITHHELD, reason="redacted", first_met_at=NOW, look_again_at=NOW
        ),
        PendingExecution(
            execution_id=2, kind=PendingKind.WITHHELD, reason="too_large", first_met_at=NOW, look_again_at=NOW
        ),
        PendingExecution(execution_id=3, kind=PendingKind.UNFINISHED, first_met_at=NOW, look_again_at=NOW),
    ]
    facts = Facts(checked_at=NOW - timedelta(hours=3), gaps=(GAP,))
    store.sync_state.save_coverage("now", Change(facts=facts, pending=tuple(hidden)))
    old = msgspec.structs.replace(facts, checked_at=NOW - timedelta(days=9))
    store.sync_state.save_coverage("long ago", Change(facts=old, pending=tuple(hidden)))
    assert unseen(store, MessageFilter(), NOW) == (
        "The last sync that came through was 3 hours ago.",
        "2 executions n8n would not show (1 redacted, 1 too large).",
        f"{gap_text(GAP)}.",
    )


@pytest.mark.parametrize(("since", "until", "told"), [(0, 30, True), (31, 60, False), (-99, -1, False), (-9, 1, True)])
def test_a_gap_is_told_where_it_touches_the_time_asked_for(store: Store, since: int, until: int, told: bool) -> None:  # noqa: FBT001
    """Minutes from its beginning; it is 30 minutes long."""
    begin = int(datetime(2026, 11, 20, 2, 10, tzinfo=UTC).timestamp())
    store.sync_state.save_coverage("now", Change(facts=Facts(checked_at=NOW, gaps=(GAP,))))
    asked = MessageFilter(since_timestamp=begin + 60 * since, until_timestamp=begin + 60 * until)
    assert bool(unseen(store, asked, NOW)) is told
