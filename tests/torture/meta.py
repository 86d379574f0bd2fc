"""A fake Meta that sends webhooks, repeats those not answered with 200, and records those that were."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.support.webhooks import envelope, message_value, signature, status, status_value
from tests.torture.world import Entry

PATH = "/webhook/0b1c2d3e/webhook"
CUSTOMER_TEXT = "what-the-customer-wrote"
CONTENT_TYPE = "application/json; charset=utf-8"

_NUMBERS = 4
_STATUS_SENDERS = 3
_LIFE = ("sent", "delivered", "read")
_BEGAN = 1_795_000_000
_TIMEOUT_SECONDS = 15


@dataclass
class Sent:
    """One webhook: its body, its statuses by message, and whether the receiver answered 200."""

    number: str
    body: bytes
    statuses: dict[str, Entry] = field(default_factory=dict)
    is_forwarded: bool = False
    is_acknowledged: bool = False


class Meta:
    """Sends webhooks until :meth:`stop`, those of one phone number one after the other.

    Attributes:
        sent: every webhook; those of one number in the order in which they were sent.
    """

    def __init__(self, port: int, seed: int) -> None:
        self.sent: list[Sent] = []
        self._port = port
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._send_all,
                args=(sender, str(200_000_000_000_001 + sender % _NUMBERS), sender >= _NUMBERS, seed * 100 + sender),
            )
            for sender in range(_NUMBERS + _STATUS_SENDERS)
        ]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Send no more. What was under way may have been received or not."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def acknowledged(self) -> list[Sent]:
        """Every webhook that was answered with 200."""
        return [one for one in self.sent if one.is_acknowledged]

    def _send_all(self, sender: int, number: str, statuses_only: bool, seed: int) -> None:  # noqa: FBT001 - of a thread
        chance = random.Random(seed)  # noqa: S311 - to be repeated
        making = _Making(sender, number, chance)
        earlier: list[Sent] = []
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS)) as line:
            while not self._stop.is_set():
                one = making.statuses() if statuses_only else making.any()
                self.sent.append(one)
                # Now and then Meta gives up, or repeats what was received already.
                while not self._post(line, one) and not self._stop.is_set() and chance.random() < 0.97:
                    time.sleep(chance.uniform(0.005, 0.05))
                if statuses_only and one.is_acknowledged and chance.random() < 0.1:
                    earlier.append(one)
                if earlier and chance.random() < 0.05:
                    self._post(line, chance.choice(earlier))
                time.sleep(chance.uniform(0, 0.03))

    def _post(self, line: http.client.HTTPConnection, one: Sent) -> bool:
        headers = {"content-type": CONTENT_TYPE, "x-hub-signature-256": signature(one.body)}
        try:
            line.request("POST", PATH, body=one.body, headers=headers)
            answer = line.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            line.close()
            return False
        one.is_acknowledged |= answer.status == http.HTTPStatus.OK
        return answer.status == http.HTTPStatus.OK


class _Making:
    """Makes the webhooks of one sender, each with a body of its own."""

    def __init__(self, sender: int, number: str, chance: random.Random) -> None:
        self._sender = sender
        self._number = number
        self._chance = chance
        self._count = 0
        self._reached: dict[str, int] = {}

    def any(self) -> Sent:
        """A webhook of a kind that chance decides."""
        kind = self._chance.random()
        if kind < 0.4:
            return self.statuses()
        if kind < 0.85:
            return self._forwarded([self._message()])
        values, statuses = self._some_statuses()
        if kind < 0.92:
            return self._forwarded([values, self._message()], statuses)
        return self._forwarded([{**values, "messages": self._message()["messages"]}], statuses)

    def statuses(self) -> Sent:
        """A webhook with statuses alone."""
        value, statuses = self._some_statuses()
        return Sent(self._number, envelope(value), statuses)

    def _forwarded(self, values: list[dict[str, Any]], statuses: dict[str, Entry] | None = None) -> Sent:
        return Sent(self._number, envelope(*values), statuses or {}, is_forwarded=True)

    def _message(self) -> dict[str, Any]:
        self._count += 1
        size = self._chance.choice([1, 1, 1, 3, 300, 4_000])
        return message_value(f"{self._sender}.{self._count} " + CUSTOMER_TEXT * size, self._number)

    def _some_statuses(self) -> tuple[dict[str, Any], dict[str, Entry]]:
        names = {self._name() for _ in range(self._chance.choice([1, 1, 1, 2, 6]))}
        made: dict[str, Entry] = {}
        for name in sorted(names):
            reached = self._reached.get(name, 0)
            self._reached[name] = reached + 1
            made[name] = (_LIFE[reached], _BEGAN + int(name.rpartition(".")[2]) + reached * 7, "webhook")
        objects = [status(name, entry[0], entry[1] or 0) for name, entry in made.items()]
        return status_value(*objects, number=self._number), made

    def _name(self) -> str:
        going = [name for name, reached in self._reached.items() if reached < len(_LIFE)]
        if going and self._chance.random() < 0.6:
            return self._chance.choice(going)
        self._count += 1
        return f"wamid.{self._sender}.{self._count}"


def texts_of(path_bytes: bytes) -> list[str]:
    """Pieces of webhooks that these bytes of a file hold; none are left once all is delivered."""
    pieces = (CUSTOMER_TEXT, "whatsapp_business_account", "wamid.", json.dumps("recipient_id"))
    return [piece for piece in pieces if piece.encode() in path_bytes]
