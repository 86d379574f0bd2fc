"""A fake n8n that takes webhooks, or fails in the ways in which n8n and proxies fail."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from tests.support.faulty_server import Answer, FaultyServer, Request

_REFUSALS: tuple[tuple[int, bytes], ...] = (
    (404, b'{"code":404,"message":"The requested webhook is not registered."}'),
    (404, b"<!DOCTYPE html><pre>Cannot POST</pre>"),
    (200, b"n8n is starting up. Please wait"),
    (200, b"<html>a proxy's own page"),
    (503, b'{"message":"Database is not ready!"}'),
    (502, b"<html>Bad Gateway"),
)


@dataclass(frozen=True)
class Taken:
    """One webhook that n8n took."""

    path: str
    body: bytes
    content_type: str
    signature: str


class ForwardTarget(FaultyServer):
    """A fake n8n that remembers what it took, repeats included, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[Taken] = []
        self._taking = threading.Lock()

    def respond(self, request: Request) -> Answer:
        """Take a webhook as the WhatsApp Trigger of n8n 2.41 does."""
        headers = request.headers
        if len(request.body) < int(headers["content-length"]):
            # The receiver was killed while it sent this.
            return 400, b"", {}
        taken = Taken(
            request.path, request.body, headers.get("content-type", ""), headers.get("x-hub-signature-256", "")
        )
        with self._taking:
            self.taken.append(taken)
        return 200, b"firstEntryJson", {"content-type": "text/html; charset=utf-8"}

    def misbehave(self, chance: random.Random) -> None:
        """Let the next answers go wrong."""
        times = chance.choice([1, 1, 2, 5, 15])
        fault = chance.randrange(10)
        if fault < len(_REFUSALS):
            self.answer(*_REFUSALS[fault], times=times)
        elif fault == 6:
            self.break_off(times=times)
        elif fault == 7:
            self.hang_up(times=times)
        elif fault == 8:
            self.delay(chance.choice([0.02, 0.1, 0.6]), times=min(times, 3))
        else:
            self.trickle(chance.uniform(0.05, 0.3), times=min(times, 3))
