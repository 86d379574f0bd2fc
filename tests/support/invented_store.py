"""A store of an invented shop: any number of messages sent over the last days, with plausible statuses.

Everything follows from a seed and the given time. All phone numbers are invented.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from ticktrail.messages.model import Send, SentBy, StatusEvent, Template
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.coverage import BLOCK, Block, Change, Facts, Gap, PendingExecution, PendingKind
from ticktrail.stores.opening import open_store
from ticktrail.stores.sync_state import Run
from ticktrail.sync.incremental import scope_of

ZONE = ZoneInfo("Asia/Riyadh")
N8N = "https://n8n.example.com"
WORKFLOW = "deliveryReports1"
DAY = 86_400

TEMPLATES = (
    ("order_ready", "orders", 0.97),
    ("payment_reminder", "billing", 0.93),
    ("spring_offer", "marketing", 0.78),
)
CODES = (
    (131026, "Message undeliverable", 6),
    (131049, "This message was not delivered to maintain healthy ecosystem engagement", 5),
    (131047, "Re-engagement message", 2),
    (131048, "Spam rate limit hit", 1),
)
SENDING = (("106540000000001", "15550000001"), ("106540000000002", "15550000002"))


def person(number: int) -> str:
    """A number of the made-up country code block that tests use."""
    return f"9665000{number % 100_000:05}"


def message(number: int, chance: random.Random, now: int, days: int) -> tuple[list[StatusEvent], Send | None]:
    """The statuses of one message, and the send that lent it a template."""
    sent = now - int(days * DAY * chance.random() ** 1.1) - 5
    name, workflow_id, rate = TEMPLATES[chance.choices((0, 1, 2), (5, 3, 2))[0]]
    number_id, display = SENDING[number % 3 == 0]
    about = {
        "message_id": f"wamid.invented{number:07}",
        "conversation_id": person(chance.randrange(1 + number // 3 + 40)),
        "workflow_id": WORKFLOW,
        "phone_number_id": number_id,
        "display_phone_number": display,
        "callback_data": {"marketing": "spring-2026", "billing": "dunning"}.get(workflow_id),
    }
    execution = str(1_000 + number)
    events: list[StatusEvent] = []

    def add(status: str, after: int, **more: object) -> None:
        if sent + after <= now:
            events.append(
                StatusEvent(status=status, timestamp=sent + after, execution_id=execution, **about, **more)  # type: ignore[arg-type]
            )

    pricing = {"category": "marketing" if workflow_id == "marketing" else "utility", "billable": True}
    add("sent", 0, pricing=pricing)
    delay = int(chance.expovariate(1 / 6)) + 1 if chance.random() < 0.9 else int(chance.expovariate(1 / 9_000))
    fate = chance.random()
    if fate < rate:
        add("delivered", delay, pricing=pricing)
        if chance.random() < 0.64:
            add("read", delay + int(chance.expovariate(1 / 3_600)) + 3)
    elif fate < rate + (1 - rate) * 0.7:
        code, title, _ = chance.choices(CODES, [weight for *_, weight in CODES])[0]
        add(
            "failed",
            2,
            errors=({"code": code, "title": title, "details": f"{title.removesuffix('.')} (error {code})."},),
        )
    send = None
    if number % 20:
        send = Send(
            key=about["message_id"], message_id=about["message_id"],  # type: ignore[arg-type]
            sent_by=SentBy(workflow_id, "Send template", str(500_000 + number)), status="accepted",
            sent_at=datetime.fromtimestamp(sent - 1, UTC), conversation_id=about["conversation_id"],
            template=Template(name, "ar"),
        )  # fmt: skip
    return events, send


def apart(now: int) -> list[Send]:
    """Sends that never became a message: twelve that Meta refused, and five that it accepted and never spoke of."""
    refusals = (
        ({"code": 132001, "title": "Template name does not exist in the translation",
          "details": "template name (order_ready_v2) does not exist in ar"}, "orders", "order_ready_v2"),
        ({"code": 131009, "title": "Parameter value is not valid"}, "billing", "payment_reminder"),
    )  # fmt: skip
    made = []
    for number in range(17):
        refused = number < 12
        error, workflow_id, name = refusals[number % 4 == 3] if refused else ({}, "marketing", "spring_offer")
        made.append(
            Send(
                key=f"refused:{number}" if refused else f"wamid.silent{number}",
                message_id=None if refused else f"wamid.silent{number}",
                sent_by=SentBy(workflow_id, "Send template", str(700_000 + number)),
                status="rejected" if refused else "held_for_quality_assessment" if number == 16 else "accepted",
                rejected=refused,
                errors=(error,) if refused else None,
                sent_at=datetime.fromtimestamp(now - 900 * (number + 1), UTC),
                conversation_id=None if refused else person(number),
                input=f"+{person(number)}",
                template=Template(name, "ar"),
            )
        )
    return made


def batches(count: int, now: int, *, days: int, size: int = 5_000) -> Iterator[tuple[list[StatusEvent], list[Send]]]:
    """The statuses and sends of so many messages."""
    chance = random.Random(20261122)  # noqa: S311 - test data
    for start in range(0, count, size):
        events: list[StatusEvent] = []
        sends: list[Send] = []
        for number in range(start, min(start + size, count)):
            told, send = message(number, chance, now, days)
            events += told
            sends += [send] if send is not None and told else []
        yield events, sends


def fill(path: Path, count: int, now: datetime, *, days: int = 14, trouble: bool = False) -> None:
    """Fill a new store in a file."""
    with open_store(str(path), StoreOptions(timezone=ZONE)) as store:
        put(store, count, now, days=days, trouble=trouble)


def put(store: Store, count: int, now: datetime, *, days: int = 14, trouble: bool = False) -> None:
    """Fill a store; with ``trouble`` it has open alerts."""
    for events, sends in batches(count, int(now.timestamp()), days=days):
        store.write(events, sends, at=now)
    store.write([], apart(int(now.timestamp())), at=now)
    if trouble:
        store.write(*bad_day(int(now.timestamp())), at=now)
    note_syncs(store, now)


def bad_day(now: int) -> tuple[list[StatusEvent], list[Send]]:
    """Events and sends that raise alerts: an offer Meta holds back, an unpaid bill, phones that are off."""
    events: list[StatusEvent] = []
    sends: list[Send] = []

    def add(
        name: str, status: str, ago: int, number: int, *, code: int = 0, title: str = "", template: str = ""
    ) -> None:
        key = f"wamid.badday{name}{number:03}"
        errors = (
            ({"code": code, "title": title, "details": f"{title.removesuffix('.')} (error {code})."},) if code else ()
        )
        number_id, display = SENDING[1]
        events.append(
            StatusEvent(
                status=status, timestamp=now - ago - 17 * number, execution_id=str(600_000 + len(events)),
                workflow_id=WORKFLOW, message_id=key, conversation_id=person(70_500 + number), errors=errors,
                phone_number_id=number_id, display_phone_number=display,
            )
        )  # fmt: skip
        if template:
            sends.append(
                Send(
                    key=key, message_id=key, status="accepted",
                    sent_by=SentBy("marketing", "Send template", str(710_000 + number)),
                    sent_at=datetime.fromtimestamp(now - ago - 17 * number - 1, UTC), template=Template(template, "ar"),
                )
            )  # fmt: skip

    for number in range(26):
        add("held", "failed", 2_400, number, code=131049, title=CODES[1][1], template="spring_offer")
    for number in range(4):
        add("unpaid", "failed", 600, number, code=131042, title="Business eligibility payment issue")
    for number in range(45):
        add("off", "sent", 26 * 3_600, number)
    return events, sends


def note_syncs(store: Store, now: datetime, *, trouble: bool = False) -> None:
    """Save the sync state of successful syncs; with ``trouble``, with a gap and withheld executions."""
    store.prepare()
    scope = scope_of(N8N, WORKFLOW, store)
    gap = Gap(
        after_id=900, before_id=950, found_at=now - timedelta(hours=3),
        from_started_at=f"{now - timedelta(hours=12):%Y-%m-%dT%H:%M:%S.000Z}",
        to_started_at=f"{now - timedelta(hours=11, minutes=30):%Y-%m-%dT%H:%M:%S.000Z}",
    )  # fmt: skip
    opened = tuple(
        PendingExecution(execution_id=40_000 + number, kind=PendingKind.WITHHELD, first_met_at=now - timedelta(hours=2),
             look_again_at=now + timedelta(hours=1), reason=reason)
        for number, reason in enumerate(("redacted", "redacted", "too_large"))
    )  # fmt: skip
    facts = Facts(
        newest_id=41_000, newest_started_at=f"{now:%Y-%m-%dT%H:%M:%S.000Z}", checked_at=now - timedelta(seconds=20),
        full_at=now - timedelta(minutes=14), full_owed=False, oldest_id=1, holds_statuses=True,
        gaps=(gap,) if trouble else (),
    )  # fmt: skip
    settled = {number: Block(bits=2**BLOCK - 1) for number in range(1, 20)}
    store.sync_state.save_coverage(scope, Change(processed=settled, facts=facts, pending=opened if trouble else ()))
    for minute in range(12):
        store.sync_state.add_run(
            Run(run_id=f"run{minute:02}", scope=scope, began_at=now - timedelta(minutes=minute, seconds=20),
                seconds=0.4 + minute / 10, report={"executions": 12 - minute, "newEvents": 20 - minute})
        )  # fmt: skip
