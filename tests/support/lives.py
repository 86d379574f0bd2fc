"""Random messages with every attribute that statistics group by, hostile values among them."""

from __future__ import annotations

import random
from typing import Any

from tests.support.records import AT, NOON, event

from ticktrail.messages.model import Send, SentBy, StatusEvent, Template

DAY = 86_400
HOSTILE = (
    "$$ROOT",
    "$",
    "{",
    '{"a": 1}',
    "'; DROP TABLE message; --",
    "a\nb",
    "=1+1",
    "0",
    "null",
    "x" * 300,
    "é\u202e",
)
PEOPLE = ("966500000011", "966500000012", "447797000013", "18760000014", "4915000000015", "+966500000016", "9")
GROUPS = ("120363000000000001", "Y2FwaV9ncm91cDoxNzA1NTU1MDEzOToxMjAz")

Life = list[StatusEvent]


def life(chance: random.Random, number: int) -> Life:
    """Return one message's statuses, complete or not, in order or not, with every attribute of statistics."""
    sent = NOON + chance.randrange(-3 * DAY, 3 * DAY)
    known: dict[str, Any] = {
        "message_id": f"wamid.figures{number}",
        "conversation_id": chance.choice((*PEOPLE, *PEOPLE, *GROUPS, None)),
        "phone_number_id": chance.choice(("1065", "1066", "123456123", None)),
        "display_phone_number": chance.choice(("15550000001", None)),
        "recipient_user_id": chance.choice(("SA.1a2b3c4d5e6f7a8b9c", None, None)),
        "callback_data": chance.choice((None, "spring", *HOSTILE)),
        "workflow_id": chance.choice(("delivery", "billing")),
    }
    statuses: Life = []
    for status, chances, later in (
        ("sent", 0.8, 0),
        ("failed", 0.2, 5),
        ("undelivered", 0.05, 6),
        ("delivered", 0.6, chance.choice((-2, 0, 0, 0, 1, 60, DAY, DAY + 61, 9 * DAY))),
        ("read", 0.4, chance.choice((1, 60, 3_600, 3_601, 9_000, DAY, DAY + 1, 10 * DAY))),
        ("played", 0.1, chance.choice((0, 4_000))),
        ("deleted", 0.1, 7),
    ):
        if chance.random() >= chances and (statuses or status != "deleted"):
            continue
        more: dict[str, Any] = {"timestamp_source": "execution"} if chance.random() < 0.1 else {}
        if status in {"failed", "undelivered"} and chance.random() < 0.8:
            code = chance.choice((131026, 131026.0, 131047, "131026", "x y", "{", "", 1.5, 1e300, True, {"a": 1}, None))
            more["errors"] = ({"code": code, "title": chance.choice(("Undeliverable", "Cannot", "", 7, True))},)
        if chance.random() < 0.5:
            more["pricing"] = chance.choice(
                (
                    {"billable": True, "category": "marketing", "type": "free_entry_point"},
                    {"billable": False, "category": "utility"},
                    {"category": "utility", "type": "regular"},
                    {"category": "service", "type": "free_customer_service"},
                    {"category": 7, "billable": "yes"},
                    {},
                )
            )
        moment = None if chance.random() < 0.05 else sent + later
        statuses.append(event(status, moment, execution_id=str(number), **more, **known))
    return statuses


def sends_of(chance: random.Random, lives: list[Life]) -> list[Send]:
    """Return sends of about half of the messages."""
    return [
        Send(
            key=one[0].message_id,
            message_id=one[0].message_id,
            sent_by=SentBy(chance.choice(("orders", "offers")), "Send", "1"),
            status="accepted",
            sent_at=AT,
            template=chance.choice((Template("ready", "en"), Template("offer", "ar"), Template("$ready"), None)),
        )
        for one in lives
        if chance.random() < 0.5
    ]
