"""Metrics: counts of the recording, in a bounded number of series without personal data."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from tests.integration.web.conftest import EXPECTED, Open, environment_of, settings_of

from ticktrail.messages.counts import Counts, Group
from ticktrail.messages.error_codes import packaged
from ticktrail.messages.model import Send, SentBy, StatusEvent
from ticktrail.settings.secret import Secret
from ticktrail.settings.user_file import UserFile
from ticktrail.stores import Store
from ticktrail.stores.coverage import Change, Facts, PendingKind
from ticktrail.stores.coverage import PendingExecution as OpenExecution
from ticktrail.stores.opening import open_configured_store
from ticktrail.web.metrics import MAX_SERIES, Metrics, Reading, _by_code, _by_number, expiry_of_key, read

NOW = datetime.now(UTC).replace(microsecond=0)


def reading_of(failed: int, delays: dict[int, int]) -> Reading:
    """A reading with so many failures and these delays."""
    return Reading(
        totals=Counts(delays=delays),
        failures={"131026": failed} if failed else {},
        last_status=None,
        synced={},
        late_after={},
        withheld={},
        unconfirmed=0,
    )


@pytest.fixture(params=["sqlite", "mongodb"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of store."""
    return str(request.param)


Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(text: str) -> Series:
    """Every sample of an answer by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Series, name: str, **labels: str) -> float:
    """One sample."""
    return found[name, frozenset(labels.items())]


def test_gauges_match_the_recording(open_dashboard: Open, request: pytest.FixtureRequest, kind: str) -> None:
    """Gauges by status and number are those recorded; counters begin at 0."""
    client = open_dashboard(**environment_of(request, kind))
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = series(answer.text)
    standing = Counter(message["latestStatus"] for message in EXPECTED.values())
    for status in ("sent", "delivered", "read", "failed"):
        assert value(found, "ticktrail_messages", status=status, number="106540352242922") == standing[status]
        assert value(found, "ticktrail_status_events_total", status=status) == 0
    assert value(found, "ticktrail_failures_total", code="131026") == 0
    assert value(found, "ticktrail_time_to_deliver_seconds_count") == 0
    newest = max(event["timestamp"] for one in EXPECTED.values() for event in one["events"])
    assert value(found, "ticktrail_last_status_timestamp_seconds") == newest
    assert value(found, "ticktrail_build_info", version="0.1.0") == 1


def test_counters_count_since_the_start(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statuses, failures and delays are counted from the first reading on, here of an empty store."""
    settings = settings_of(tmp_path, **environment_of(request, kind))
    metrics = Metrics()
    metrics.begin(reading_of(0, {}))
    with open_configured_store(settings) as store:
        found = series(metrics.text(read(store, settings, NOW), {}).decode())
    reported = Counter(status for one in EXPECTED.values() for status in {event["status"] for event in one["events"]})
    for status in ("sent", "delivered", "read", "failed"):
        assert value(found, "ticktrail_status_events_total", status=status) == reported[status]
    assert value(found, "ticktrail_failures_total", code="131026") == reported["failed"]
    delays = [
        times["delivered"] - times["sent"]
        for one in EXPECTED.values()
        if {"sent", "delivered"} <= (times := {event["status"]: event["timestamp"] for event in one["events"]}).keys()
    ]
    name = "ticktrail_time_to_deliver_seconds"
    assert value(found, f"{name}_count") == len(delays)
    assert value(found, f"{name}_sum") == sum(delays)
    assert value(found, f"{name}_bucket", le="5.0") == sum(delay <= 5 for delay in delays)


def test_known_codes_begin_at_zero(open_dashboard: Open) -> None:
    """A code of the catalogue always has a series, so that its first failure is an increase."""
    found = series(open_dashboard().get("/metrics").text)
    for code in ("131042", "131026", "130497"):
        assert value(found, "ticktrail_failures_total", code=code) == 0


def test_the_newest_status_may_be_of_an_older_message(tmp_path: Path) -> None:
    """A message of last week that was read a minute ago counts; a status in the future does not."""
    settings = settings_of(tmp_path, TICKTRAIL_STORE=str(tmp_path / "ledger.db"))
    now = int(NOW.timestamp())
    told = (("old", "sent", now - 700_000), ("new", "sent", now - 90_000), ("old", "read", now - 60))
    with open_configured_store(settings) as store:
        for number, (name, status, moment) in enumerate((*told, ("odd", "sent", now + 5_000))):
            event = StatusEvent(
                message_id=f"wamid.{name}",
                status=status,
                timestamp=moment,
                execution_id=str(number),
                conversation_id="966500000001",
            )
            store.write([event], at=NOW)
        assert read(store, settings, NOW).last_status == now - 60


def test_metrics_name_nobody(client: TestClient) -> None:
    """The text contains no recipient's number and no message id."""
    text = client.get("/metrics").text
    assert "wamid" not in text
    for message in EXPECTED.values():
        assert message["conversation_id"] not in text


def test_metrics_describe_syncs(open_dashboard: Open, tmp_path: Path) -> None:
    """The last successful sync, the age at which it is late, and withheld executions, by workflow."""
    environ = {"TICKTRAIL_STORE": str(tmp_path / "ledger.db")}
    with open_configured_store(settings_of(tmp_path, **environ)) as store:
        note_sync(store, "flow-a", NOW, hidden=3)
        note_sync(store, "flow-b", NOW - timedelta(hours=2))
        # Coverage of an older version of the extraction is ignored.
        note_sync(store, "flow-a", NOW - timedelta(days=2), hidden=9, version=0)
    found = series(open_dashboard(**environ).get("/metrics").text)
    synced = "ticktrail_last_sync_success_timestamp_seconds"
    assert value(found, synced, workflow="flow-a") == NOW.timestamp()
    assert value(found, synced, workflow="flow-b") == NOW.timestamp() - 7_200
    assert value(found, "ticktrail_sync_late_after_seconds", workflow="flow-a") == 7_200
    assert value(found, "ticktrail_executions_unreadable", workflow="flow-a") == 3
    assert value(found, "ticktrail_executions_unreadable", workflow="flow-b") == 0


def note_sync(store: Store, workflow_id: str, checked_at: datetime, *, hidden: int = 0, version: int = 1) -> None:
    """Note in the sync state that a workflow was synced, except for some executions."""
    scope = f"https://n8n.example.com|{workflow_id}|{version}|{store.sync_state.identity()}"
    opened = tuple(
        OpenExecution(execution_id=number, kind=PendingKind.WITHHELD, first_met_at=NOW, look_again_at=NOW)
        for number in range(hidden)
    )
    store.sync_state.save_coverage(scope, Change(pending=opened, facts=Facts(checked_at=checked_at)))


def test_hostile_labels_are_bounded(open_dashboard: Open, tmp_path: Path) -> None:
    """Invented ids, of any number and content, share a few series."""
    environ = {"TICKTRAIL_STORE": str(tmp_path / "ledger.db")}
    hostile = ['"} 1\nevil{x="', "966500000054x", "<script>", "\u202e", "9" * 40, "x" * 100_000]
    ids = [*hostile, *(str(1_000 + number) for number in range(200))]
    events = [
        StatusEvent(
            message_id=f"wamid.{place}",
            status="failed",
            timestamp=1_795_355_171,
            execution_id=str(place),
            conversation_id="966500000001",
            phone_number_id=name,
            errors=({"code": place if place > 5 else name, "title": "t"},),
        )
        for place, name in enumerate(ids)
    ]
    with open_configured_store(settings_of(tmp_path, **environ)) as store:
        store.write(events, at=NOW)
    found = series(open_dashboard(**environ).get("/metrics").text)
    numbers = {dict(labels)["number"] for name, labels in found if name == "ticktrail_messages"}
    codes = {dict(labels)["code"] for name, labels in found if name == "ticktrail_failures_total"}
    assert len(numbers) <= MAX_SERIES + 1
    assert len(codes) <= MAX_SERIES + 1 + len(packaged().singles)
    assert all(name == "other" or name.isdigit() for name in numbers | codes)
    assert not any(name.startswith("evil") for name, _ in found)


def test_own_names_of_numbers_are_used() -> None:
    """A number named in ticktrail.toml has this name; messages without a number are unknown."""
    groups = [
        Group(key="106540352242922", label="15550783881", counts=Counts(messages=5)),
        Group(key="200000000000002", label="15550000002", counts=Counts(messages=4)),
        Group(key=None, counts=Counts(messages=3)),
        Group(key="200000000000003", counts=Counts(groups=3)),
    ]
    names = UserFile(numbers={"106540352242922": "Support", "15550000002": "Shop"})
    assert {name: counts.messages for name, counts in _by_number(groups, names).items()} == {
        "Support": 5,
        "Shop": 4,
        "unknown": 3,
    }


def test_malformed_codes_share_a_series() -> None:
    """Codes of digits have their own series, texts share one, a failure without code is unknown."""
    groups = [
        Group(key=key, counts=Counts(failed=1)) for key in ("131026", "131047", "no code", "12345678", "١٢٣", None)
    ]
    assert _by_code(groups) == {"131026": 1, "131047": 1, "other": 3, "unknown": 1}


def test_counters_never_shrink() -> None:
    """Pruning leaves counters as they are; later messages are added."""
    metrics = Metrics()

    def told(failed: int, delays: dict[int, int]) -> Series:
        return series(metrics.text(reading_of(failed, delays), {}).decode())

    told(0, {})
    for failed, delays, total, buckets in (
        (10, {2: 5, 60: 5}, 10, (5, 10)),
        (4, {2: 1, 60: 3}, 10, (5, 10)),
        (0, {}, 10, (5, 10)),
        (3, {2: 2}, 13, (7, 12)),
        (5, {2: 2}, 15, (7, 12)),
    ):
        found = told(failed, delays)
        assert value(found, "ticktrail_failures_total", code="131026") == total
        name = "ticktrail_time_to_deliver_seconds_bucket"
        assert (value(found, name, le="5.0"), value(found, name, le="+Inf")) == buckets


def test_the_keys_expiry_is_read_from_the_key() -> None:
    """A JWT has its expiry; another key has none, and is no error."""

    def key_of(claims: object) -> str:
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        return f"eyJhbGciOiJIUzI1NiJ9.{body}.c2lnbmF0dXJl"

    for key, expiry in (
        (key_of({"exp": 1_800_000_000}), 1_800_000_000.0),
        (key_of({"exp": True}), None),
        (key_of({}), None),
        (key_of([1]), None),
        ("eyJ.%%%.x", None),
        ("n8n_api_0123456789", None),
    ):
        assert expiry_of_key(Secret(key)) == expiry
    assert expiry_of_key(None) is None


def test_a_changed_key_is_used(open_dashboard: Open) -> None:
    """The expiry of a new key is exported without a restart."""
    client = open_dashboard()
    name = "ticktrail_api_key_expiry_timestamp_seconds"
    assert name not in client.get("/metrics").text
    claims = base64.urlsafe_b64encode(b'{"exp": 1800000000}').rstrip(b"=").decode()
    client.app.state.n8n_key = Secret(f"eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJl")
    assert value(series(client.get("/metrics").text), name) == 1_800_000_000


def test_metrics_count_unconfirmed_sends(open_dashboard: Open, tmp_path: Path) -> None:
    """A send that Meta accepted over an hour ago counts until a status comes; a younger one does not."""
    environ = {"TICKTRAIL_STORE": str(tmp_path / "ledger.db")}
    ages = {"wamid.old": 3, "wamid.confirmed": 3, "wamid.young": 0.5}
    sends = [
        Send(
            key=name,
            message_id=name,
            status="accepted",
            sent_at=NOW - timedelta(hours=hours),
            sent_by=SentBy("w", "n", "1"),
        )
        for name, hours in ages.items()
    ]
    status = StatusEvent(
        message_id="wamid.confirmed",
        status="sent",
        timestamp=int(NOW.timestamp()) - 9_000,
        execution_id="1",
        workflow_id="w",
        conversation_id="966500000001",
    )
    with open_configured_store(settings_of(tmp_path, **environ)) as store:
        store.write([status], sends, at=NOW)
    found = series(open_dashboard(**environ).get("/metrics").text)
    assert value(found, "ticktrail_sends_unconfirmed") == 1
