"""Channels against real servers in this process: told once, signed, retried, and told when it is over."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from tests.support.faulty_server import Answer, FaultyServer, Request

from ticktrail.alerts.alert import Alert, AlertKind
from ticktrail.alerts.channels import Notification, deliver
from ticktrail.alerts.notifications import DeliveryReport, NotificationContext, follow_acknowledged, send_due
from ticktrail.alerts.settings import read_alert_settings
from ticktrail.messages.filters import MessageFilter
from ticktrail.settings.alert_rules import Rules
from ticktrail.settings.channels import Channel
from ticktrail.settings.loading import load_settings
from ticktrail.settings.secret import Secret
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.opening import open_store
from ticktrail.sync.lease_owner import new_holder

ZONE = ZoneInfo("Asia/Riyadh")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=ZONE)
MINUTE = timedelta(minutes=1)
SECRET = "a secret of thirty-two characters"  # noqa: S105 - made up


def example(language: str) -> Any:
    """The example in this language in the how-to's section on alerts, read as a program reads it."""
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "alerts.md").read_text(encoding="utf-8")
    block = page.split(f"```{language}\n", 1)[1].split("```", 1)[0]
    return json.loads(block) if language == "json" else block


class Receiver(FaultyServer):
    """Takes whatever is posted."""

    def respond(self, request: Request) -> Answer:  # noqa: ARG002 - all are taken
        """Well received."""
        return 200, {"ok": True}, {}

    def bodies(self) -> list[dict[str, Any]]:
        """The received bodies, decoded."""
        return [json.loads(request.body) for request in self.requests]

    def events(self) -> list[str]:
        """The types of the received notifications."""
        return [body["event"] for body in self.bodies()]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server that takes notifications."""
    with Receiver() as server:
        yield server


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_configured_store(tmp_path) as store:
        store.prepare()
        yield store


def open_configured_store(folder: Path) -> Store:
    """The store of the test, opened again as another process does."""
    return open_store(str(folder / "store.sqlite"), StoreOptions(timezone=ZONE))


def webhook(server: FaultyServer, name: str = "hook", *, secret: str | None = SECRET) -> Channel:
    """A webhook on a server."""
    url = Secret(f"{server.address}/{name}?key=hidden", "http://127.0.0.1/…")
    return Channel(name=name, kind="webhook", url=url, secret=None if secret is None else Secret(secret))


def alert(key: str = "131042", **more: Any) -> Alert:
    """An open alert."""
    usual = Alert(
        key=key,
        kind=AlertKind.FAILING,
        urgency="urgent",
        title="Payment issue (131042)",
        says="3 messages to 2 people failed.",
        remedy="Pay.",
        messages=3,
        people=2,
        listing=MessageFilter(failure_codes=(131042,), since_timestamp=int(NOON.timestamp())),
    )
    return msgspec.structs.replace(usual, **more)


def notify(opened: Store, channels: list[Channel], *alerts: Alert, at: datetime = NOON, **rules: Any) -> DeliveryReport:
    """Send the notifications that are due in a run that finds these alerts."""
    occasion = NotificationContext(now=at, zone=ZONE, holder=new_holder(), instance="shop")
    return send_due(alerts, opened, channels, Rules(**rules), occasion, deliver)


def test_a_webhook_gets_signed_json(opened: Store, receiver: Receiver) -> None:
    """The documented fields; the signature is of the time, a dot and the body, and the time is now."""
    assert notify(opened, [webhook(receiver)], alert()).sent == (("hook", "alert.firing"),)
    (request,) = receiver.requests
    (body,) = receiver.bodies()
    assert (request.path, request.headers["content-type"]) == ("/hook", "application/json")
    timestamp = request.headers["x-ticktrail-timestamp"]
    expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-ticktrail-signature"] == f"sha256={expected}"
    assert abs(int(timestamp) - time.time()) < 60
    assert body["sentAt"] == int(timestamp)
    assert (body["version"], body["event"], body["instance"]) == (1, "alert.firing", "shop")
    assert body["id"] == request.headers["x-ticktrail-id"]
    assert body["title"] == "[shop] Payment issue (131042)"
    assert body["alert"].items() >= {"people": 2, "kind": "failing", "urgency": "urgent", "messages": 3}.items()
    assert body.keys() == example("json").keys()
    assert body["alert"].keys() <= example("json")["alert"].keys()
    assert body["alert"]["firstSeenAt"] == "2026-11-22T12:00:00+03:00"
    assert body["text"].endswith("ticktrail messages --undelivered --error 131042 --since 2026-11-22T12:00")


def test_the_documented_settings_can_be_read(tmp_path: Path) -> None:
    """The example of the how-to is a good file: two channels, and every threshold where it belongs."""
    (tmp_path / "webhook-secret").write_text(SECRET, encoding="utf-8")
    file = tmp_path / "ticktrail.toml"
    file.write_text(example("toml"), encoding="utf-8")
    own = read_alert_settings(load_settings({}, {}, tmp_path), {"TICKTRAIL_CHAT_URL": "slack://a/b/c"})
    assert [(channel.name, channel.kind) for channel in own.channels] == [("office", "apprise"), ("n8n", "webhook")]
    assert own.channels[1].secret == Secret(SECRET)
    assert (own.user_file.rules.quiet, own.user_file.rules.rates) == ((1_320, 420), {"131026": 0.15})


def test_an_unsigned_webhook_has_no_signature(opened: Store, receiver: Receiver) -> None:
    """Without a secret nothing is signed."""
    notify(opened, [webhook(receiver, secret=None)], alert())
    assert "x-ticktrail-signature" not in receiver.requests[0].headers


def test_each_alert_is_sent_once_across_restarts(opened: Store, receiver: Receiver, tmp_path: Path) -> None:
    """The next run sends only new alerts, in the same process and in another one."""
    channel = webhook(receiver)
    notify(opened, [channel], alert())
    notify(opened, [channel], alert(says="4 messages failed."), at=NOON + MINUTE)
    with open_configured_store(tmp_path) as another:
        notify(another, [channel], alert(), alert("190"), at=NOON + 2 * MINUTE)
    assert [body["alert"]["key"] for body in receiver.bodies()] == ["131042", "190"]


def test_several_processes_send_an_alert_once(opened: Store, receiver: Receiver, tmp_path: Path) -> None:
    """A process that finds another one sending notifications sends none."""
    receiver.delay(0.3, times=None)
    outcomes: list[DeliveryReport] = []

    def run() -> None:
        with open_configured_store(tmp_path) as store:
            outcomes.append(notify(store, [webhook(receiver)], alert(), alert("190")))

    runs = [threading.Thread(target=run) for _ in range(4)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert sorted(body["alert"]["key"] for body in receiver.bodies()) == ["131042", "190"]
    assert sum(outcome.busy for outcome in outcomes) >= 1


def test_a_failed_notification_is_sent_again(opened: Store, receiver: Receiver) -> None:
    """Other channels get theirs meanwhile; the repeated notification keeps its id; the problem shows no secret."""
    with Receiver() as other:
        receiver.answer(503)
        channels = [webhook(receiver), webhook(other, "other")]
        first = notify(opened, channels, alert())
        assert first.sent == (("other", "alert.firing"),)
        (problem,) = first.problems
        assert problem == "hook (http://127.0.0.1/…) answered with 503."
        assert notify(opened, channels, alert(), at=NOON + MINUTE).sent == (("hook", "alert.firing"),)
        assert notify(opened, channels, alert(), at=NOON + 2 * MINUTE).sent == ()
        assert len(other.requests) == 1
    failed, received = receiver.bodies()
    assert failed["id"] == received["id"]


def test_an_unreachable_channel_is_given_up_until_the_next_run(opened: Store, receiver: Receiver) -> None:
    """After two failures in a row the rest waits for the next run, which sends all notifications."""
    channel = webhook(receiver)
    many = [alert(f"code-{number}") for number in range(5)]
    receiver.stop()
    outcome = notify(opened, [channel], *many)
    assert (outcome.sent, len(outcome.problems)) == ((), 1)
    assert "was not reached: ConnectError" in outcome.problems[0]
    assert "hidden" not in outcome.problems[0]
    receiver.start()
    assert len(notify(opened, [channel], *many, at=NOON + MINUTE).sent) == 5


def test_a_refused_notification_does_not_stop_the_others(opened: Store, receiver: Receiver) -> None:
    """The refused one is a problem of the run; the other one arrives."""
    receiver.answer(400, when=lambda request: b'"131042"' in request.body, times=None)
    outcome = notify(opened, [webhook(receiver)], alert(), alert("190"))
    assert outcome.sent == (("hook", "alert.firing"),)
    assert len(outcome.problems) == 1


def test_redirects_are_not_followed(opened: Store, receiver: Receiver) -> None:
    """A signature is valid for one address."""
    receiver.answer(307, headers={"Location": f"{receiver.address}/elsewhere"})
    assert notify(opened, [webhook(receiver)], alert()).problems
    assert [request.path for request in receiver.requests] == ["/hook"]


def test_a_resolution_is_sent_to_channels_that_got_the_alert(opened: Store, receiver: Receiver) -> None:
    """It is sent once, ten minutes after the alert was last found; a channel that never got the alert gets nothing."""
    channel = webhook(receiver)
    notify(opened, [channel], alert())
    notify(opened, [channel], at=NOON + 9 * MINUTE)
    assert receiver.events() == ["alert.firing"]
    with Receiver() as late:
        notify(opened, [channel, webhook(late, "late")], at=NOON + 10 * MINUTE)
        notify(opened, [channel, webhook(late, "late")], at=NOON + 11 * MINUTE)
        assert late.requests == []
    assert receiver.events() == ["alert.firing", "alert.resolved"]
    over = receiver.bodies()[-1]
    assert over["title"] == "[shop] Resolved: Payment issue (131042)"
    assert over["text"] == "Open from 22 Nov 12:00 to 22 Nov 12:10."
    assert over["alert"]["resolvedAt"] == "2026-11-22T12:10:00+03:00"


def test_an_alert_that_fires_again_is_sent_again(opened: Store, receiver: Receiver) -> None:
    """An alert that fires again after it was resolved has a new id."""
    channel = webhook(receiver)
    for minutes, alerts in ((0, [alert()]), (20, []), (30, [alert()])):
        notify(opened, [channel], *alerts, at=NOON + minutes * MINUTE)
    assert receiver.events() == ["alert.firing", "alert.resolved", "alert.firing"]
    first, _, again = receiver.bodies()
    assert first["id"] != again["id"]


def test_a_failed_resolution_is_sent_again(opened: Store, receiver: Receiver) -> None:
    """The run after a failed delivery sends the resolution."""
    channel = webhook(receiver)
    notify(opened, [channel], alert())
    receiver.hang_up()
    assert notify(opened, [channel], at=NOON + 20 * MINUTE).problems
    assert notify(opened, [channel], at=NOON + 21 * MINUTE).sent == (("hook", "alert.resolved"),)


def test_alerts_do_not_resolve_while_syncs_fail(opened: Store, receiver: Receiver) -> None:
    """Alerts about messages wait until the store is up to date again."""
    channel = webhook(receiver)
    late = alert("sync-a", kind=AlertKind.SYNC)
    notify(opened, [channel], alert())
    notify(opened, [channel], late, at=NOON + 60 * MINUTE)
    assert receiver.events() == ["alert.firing", "alert.firing"]
    notify(opened, [channel], at=NOON + 120 * MINUTE)
    assert receiver.events()[2:] == ["alert.resolved", "alert.resolved"]


def test_gaps_and_disabled_rules_send_no_resolution(opened: Store, receiver: Receiver) -> None:
    """A gap never closes; disabling a rule does not mean that its cause has ended."""
    channel = webhook(receiver)
    notify(opened, [channel], alert("gap-a1b2c3", kind=AlertKind.GAP), alert("131026-a1b2c3"))
    notify(opened, [channel], at=NOON + 60 * MINUTE, off=frozenset({"131026"}))
    assert receiver.events() == ["alert.firing", "alert.firing"]


def test_quiet_hours_hold_warnings_back(opened: Store, receiver: Receiver) -> None:
    """Urgent alerts are sent at once, the others when the quiet hours have ended."""
    channel, quiet = webhook(receiver), (22 * 60, 7 * 60)
    night = NOON.replace(hour=23)
    both = (alert("urgent"), alert("warning", urgency="warning"))
    outcome = notify(opened, [channel], *both, at=night, quiet=quiet)
    assert (len(outcome.sent), outcome.held) == (1, 1)
    assert notify(opened, [channel], *both, at=night + timedelta(hours=8), quiet=quiet).sent == (
        ("hook", "alert.firing"),
    )
    assert [body["alert"]["key"] for body in receiver.bodies()] == ["urgent", "warning"]


def test_reminders_are_sent_if_configured(opened: Store, receiver: Receiver) -> None:
    """Reminders are sent every N hours while an alert fires, each with its own id; never once acknowledged."""
    channel, hours = webhook(receiver), timedelta(hours=1)
    for after in (0, 5, 6, 7, 12):
        notify(opened, [channel], alert(), at=NOON + after * hours, remind_after=6 * 3_600)
    assert receiver.events() == ["alert.firing", "alert.reminder", "alert.reminder"]
    assert receiver.bodies()[1]["title"] == "[shop] Still: Payment issue (131042)"
    assert len({body["id"] for body in receiver.bodies()}) == 3
    opened.alert_state.acknowledge("131042", at=NOON)
    notify(opened, [channel], alert(), at=NOON + 24 * hours, remind_after=6 * 3_600)
    assert len(receiver.requests) == 3


def test_acknowledged_alerts_resolve_without_notifications(opened: Store) -> None:
    """Finding alerts keeps an acknowledged one open while it fires and resolves it ten minutes after that."""
    memory = opened.alert_state
    memory.record_firing("131042", "failing", "Payment issue", at=NOON)
    memory.record_firing("other", "failing", "Other failure", at=NOON)
    memory.acknowledge("131042", at=NOON, note="Sara")
    follow_acknowledged([alert()], opened, now=NOON + 60 * MINUTE)
    follow_acknowledged([], opened, now=NOON + 69 * MINUTE)
    assert [one.resolved_at for one in memory.all()] == [None, None]
    follow_acknowledged([alert("late", kind=AlertKind.SYNC)], opened, now=NOON + 71 * MINUTE)
    assert [one.resolved_at for one in memory.all()] == [None, None], "syncs fail, so no alert resolves"
    follow_acknowledged([], opened, now=NOON + 71 * MINUTE)
    assert {one.key: one.resolved_at for one in memory.all()} == {"131042": NOON + 71 * MINUTE, "other": None}


def test_apprise_carries_alerts(opened: Store, receiver: Receiver) -> None:
    """Through its json:// URL: title, text and tone arrive; a refusal is said without the URL."""
    url = receiver.address.replace("http://", "json://user:hidden@") + "/apprise"
    channel = Channel(name="chat", kind="apprise", url=Secret(url, "json://…"))
    receiver.answer(500)
    outcome = notify(opened, [channel], alert())
    assert outcome.problems == ("chat (json://…) did not take the message.",)
    assert notify(opened, [channel], alert(), at=NOON + MINUTE).sent == (("chat", "alert.firing"),)
    body = receiver.bodies()[-1]
    assert (body["title"], body["type"]) == ("[shop] Payment issue (131042)", "failure")
    assert body["message"].startswith("3 messages to 2 people failed.\nPay.")


def test_apprise_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not installed, that is said, with what to type."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    channel = Channel(name="chat", kind="apprise", url=Secret("slack://hidden", "slack://…"))
    problem = deliver(channel, Notification(event="test", notice_id="1", title="t", body="b"))
    command = f'{sys.executable} -m pip install "ticktrail[alerts]"'
    assert problem == f"chat (slack://…) needs Apprise, which is not installed. Type: {command}"


def test_a_url_that_apprise_does_not_know(capfd: pytest.CaptureFixture[str]) -> None:
    """It is said in a sentence; nothing of the URL, which is mostly a token, is printed anywhere."""
    channel = Channel(name="chat", kind="apprise", url=Secret("nosuch://hidden", "nosuch://…"))
    problem = deliver(channel, Notification(event="test", notice_id="1", title="t", body="b"))
    assert problem is not None
    assert "does not understand" in problem
    assert "hidden" not in problem + "".join(capfd.readouterr())
