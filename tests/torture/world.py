"""A business's n8n over some days, with everything that n8n has been seen to do to its executions.

The world knows what it made: after any story the store must hold exactly that, whatever happened to the syncs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.invented_messages import execution, status_object
from tests.support.n8n_server import N8nRequest, N8nServer

VERSIONS = ("2.41.1", "2.30.0", "2.12.0", "2.0.0", "1.109.0")
_LIFE = ("sent", "delivered", "read")
_HTML = b"<html><body>Cannot GET /api/v1/executions</body></html>"

Entry = tuple[str, int | None, str]
"""Status, Unix seconds, execution id."""


def recipient_of(name: str) -> str:
    """The number that a message went to; a few messages share one."""
    return f"9665000{int(name.rpartition('.')[2]) % 50 + 10_000}"


class World:
    """The state and history of n8n.

    Attributes:
        now: the clock of the story.
        made: the statuses of every execution there ever was.
        removed: the executions that n8n deleted.
    """

    def __init__(self, n8n: N8nServer, chance: random.Random) -> None:
        self.n8n = n8n
        self.now = datetime(2026, 11, 1, tzinfo=UTC)
        self.made: dict[int, list[dict[str, Any]]] = {}
        self.removed: set[int] = set()
        self._chance = chance
        self._next_id = 1
        self._reached: dict[str, int] = {}
        self._later: list[tuple[int, Callable[[], None]]] = []
        self._step = 0

    def expected(self, ids: Iterable[int] | None = None) -> dict[str, set[Entry]]:
        """Statuses in executions, by message: those of ``ids``, or all there ever were."""
        entries: dict[str, set[Entry]] = {}
        for number in self.made if ids is None else ids:
            for one in self.made.get(number, []):
                entry = (one["status"], int(one["timestamp"]), str(number))
                entries.setdefault(one["id"], set()).add(entry)
        return entries

    def step(self) -> None:
        """Let some minutes pass: statuses come in, and n8n does what it does."""
        chance = self._chance
        self._step += 1
        self.now += timedelta(seconds=chance.choice([5, 20, 60, 300, 1_200]))
        for due, happen in [one for one in self._later if one[0] <= self._step]:
            self._later.remove((due, happen))
            happen()
        for _ in range(chance.choice([0, 1, 3, 10, 60])):
            self._receive()
        if chance.random() < 0.15:
            self._spoil(chance.sample(sorted(self.made), min(3, len(self.made))), chance.choice(["corrupt", "missing"]))
        if chance.random() < 0.08 and self._next_id > 80:
            first = chance.randrange(1, self._next_id - 60)
            self._spoil(range(first, first + 60), chance.choice(["corrupt", "missing"]))

    def misbehave(self) -> None:
        """Let n8n's next answers go wrong."""
        chance, n8n = self._chance, self.n8n
        when = chance.choice(
            [lambda _: True, N8nRequest.is_list_with_data, N8nRequest.is_list_without_data, N8nRequest.is_single]
        )
        times = chance.choice([1, 1, 2, 4, 9])
        fault = chance.randrange(8)
        if fault == 0:
            n8n.answer(429, headers={"Retry-After": "0"}, times=times, when=when)
        elif fault in {1, 2}:
            n8n.answer(500 if fault == 1 else 502, {"message": "Internal server error"}, times=times, when=when)
        elif fault == 3:
            n8n.answer(200, _HTML, {"Content-Type": "text/html"}, times=times, when=when)
        elif fault == 4:
            n8n.break_off(times=times, when=when)
        elif fault == 5:
            n8n.hang_up(times=times, when=when)
        elif fault == 6:
            n8n.delay(chance.uniform(0.02, 0.2), times=times, when=when)
        else:
            n8n.trickle(chance.uniform(0.05, 0.3), times=times, when=when)

    def prune(self, processed: set[int]) -> None:
        """Delete the oldest executions, of those that were processed."""
        for number in sorted(self.made)[: self._chance.randrange(20)]:
            if number in processed:
                self.n8n.remove(number)
                self.removed.add(number)

    def come_to_rest(self) -> None:
        """Everything shows up, is done, and can be read."""
        self.n8n.heal()
        for _, happen in self._later:
            happen()
        self._later.clear()
        self.n8n.hidden.clear()
        self.n8n.corrupt.clear()
        self.n8n.data_missing.clear()

    # ── What happens ────────────────────────────────────────────────────────────────────────────────────────────────

    def _receive(self) -> None:
        """A webhook comes in, with one status or a few, and is executed in one way or another."""
        chance = self._chance
        number, self._next_id = self._next_id, self._next_id + chance.choice([1, 1, 1, 2, 40])
        statuses = [self._status() for _ in range(chance.choice([1, 1, 1, 2, 5]))]
        fate = chance.random()
        if fate < 0.7:
            self._put(number, statuses, chance.choice(["success"] * 9 + ["error", "canceled"]))
        elif fate < 0.85:
            # It runs, hidden, and appears when it is done.
            self.n8n.hidden.add(number)
            self._put(number, statuses, "success")
            self._in_steps(lambda: self.n8n.hidden.discard(number))
        elif fate < 0.95:
            # It waits, and goes on later with more of the same webhook's statuses known.
            self._put(number, statuses[:1], chance.choice(["waiting", "new", "running"]))
            self._in_steps(lambda: self._put(number, statuses, "success"))
        else:
            self._put(number, statuses[:1], "crashed")
            if chance.random() < 0.5:
                self._in_steps(lambda: self._put(number, statuses, "success"), at_most=5)

    def _status(self) -> dict[str, Any]:
        chance = self._chance
        going = [name for name, reached in self._reached.items() if reached < len(_LIFE)]
        name = chance.choice(going) if going and chance.random() < 0.6 else f"wamid.{len(self._reached)}"
        reached = self._reached.get(name, 0)
        self._reached[name] = reached + 1
        second = int(self.now.timestamp()) + chance.randrange(5)
        return status_object(name, _LIFE[reached], second, recipient_of(name))

    def _put(self, number: int, statuses: list[dict[str, Any]], status: str) -> None:
        made = execution(number, statuses, status=status)
        moment = self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        before = self.n8n.started_at(number)
        made["startedAt"] = None if status == "new" else before or moment
        made["stoppedAt"] = None if status in {"new", "running"} else moment
        self.made[number] = statuses
        self.n8n.add(made)

    def _spoil(self, ids: Iterable[int], how: str) -> None:
        """For a while the data of these cannot be read."""
        spoilt = set(ids)
        place = self.n8n.corrupt if how == "corrupt" else self.n8n.data_missing
        place |= spoilt
        self._in_steps(lambda: place.difference_update(spoilt))

    def _in_steps(self, happen: Callable[[], None], *, at_most: int = 25) -> None:
        self._later.append((self._step + self._chance.randrange(1, at_most + 1), happen))
