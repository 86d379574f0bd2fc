"""Executions of every kind of a real n8n end as one correct document per message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ticktrail.messages.filters import SendFilter
from ticktrail.settings.settings import N8nSettings, Secret
from ticktrail.sources.n8n_api.api import N8nApi
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.sync.ingest import sync
from ticktrail.sync.results import SyncReport

from . import fake_meta, situations, workflows
from .n8n_lab import N8n, since
from .situations import Situation

pytestmark = pytest.mark.e2e


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(str(tmp_path / "store.sqlite"), StoreOptions(timezone=ZoneInfo("UTC"))) as opened:
        yield opened


def read(n8n: N8n, store: Store, workflow_id: str) -> SyncReport:
    """One full pass over a workflow, with the key that the documentation recommends."""
    settings = N8nSettings(base_url=n8n.base_url, editor_url=n8n.base_url, api_key=Secret(n8n.reader_key))
    with N8nApi(settings, workflow_id) as source:
        return sync(source, store)


def reported(situation: Situation) -> set[tuple[str, str, int, str]]:
    """Statuses in the webhook of a situation, as (message, status, time, execution)."""
    return {
        (status["id"], status["status"], int(status["timestamp"]), str(situation.execution_id))
        for status in situation.statuses
    }


def kept(store: Store, situation: Situation) -> set[tuple[str, str, int | None, str]]:
    """Statuses in the store for the messages and executions of a situation."""
    return {
        (message.message_id, entry.status, entry.timestamp, entry.execution_id)
        for message in store.get(situation.message_ids).values()
        for entry in message.history
        if entry.execution_id == str(situation.execution_id)
    }


@pytest.mark.parametrize(
    "happens",
    [
        *(situations.succeeded, situations.triggered, situations.split, situations.errored, situations.waiting),
        *(situations.canceled, situations.retried, situations.oversized, situations.crashed),
    ],
)
def test_statuses_of_every_kind_of_execution_are_stored(
    n8n: N8n, store: Store, happens: Callable[[N8n], Situation]
) -> None:
    """Each status a webhook brought is in the store once for its execution, and a second pass changes nothing."""
    if happens is situations.waiting:
        since(n8n, (2, 30), "list of waiting executions")
    situation = happens(n8n)
    read(n8n, store, situation.workflow_id)
    assert kept(store, situation) == reported(situation)
    again = read(n8n, store, situation.workflow_id)
    assert (again.written.inserted, again.written.updated) == (0, 0)


@pytest.mark.parametrize("happens", [situations.redacted, situations.corrupted, situations.dataless])
def test_withheld_executions_are_counted_and_do_not_affect_others(
    n8n: N8n, store: Store, happens: Callable[[N8n], Situation]
) -> None:
    """An execution that n8n withholds is counted, and the next one's statuses are stored."""
    if happens is situations.redacted:
        since(n8n, (2, 41), "redaction without a licence")
    hidden = happens(n8n)
    report = read(n8n, store, hidden.workflow_id)
    assert sum(report.read_counts.withheld.values()) >= 1
    assert kept(store, hidden) == set()
    neighbour = situations.succeeded(n8n)
    read(n8n, store, neighbour.workflow_id)
    assert kept(store, neighbour) == reported(neighbour)


def test_sends_are_stored_with_their_template_and_refusals_with_their_code(n8n: N8n, store: Store) -> None:
    """An accepted template send has its template and node; one that Meta refused has Meta's code."""
    accepted = situations.sent(n8n, workflows.send_template(), fake_meta.ACCEPTED_RECIPIENT)
    situations.sent(n8n, workflows.send_template(), fake_meta.UNKNOWN_TEMPLATE_RECIPIENT)
    read(n8n, store, accepted.workflow_id)
    sends = {send.message_id: send for send in store.sends(SendFilter(refused=False))}
    known = sends[accepted.send.message_id]
    assert known.template is not None
    assert known.sent_by.execution_id == str(accepted.execution_id)
    assert {error["code"] for send in store.sends(SendFilter(refused=True)) for error in send.errors or ()} == {132001}
