"""``python -m tests.torture [--runs N] [--seed N] [--store sqlite|mongodb|both]``: kill syncs, and count what is left.

Each run is a process of its own that syncs while n8n and the store misbehave, and is killed with SIGKILL at a random
moment, or not. After each one nothing may be settled that is not stored. At the end, once n8n shows everything, the
store must hold every status that there ever was, once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.n8n_server import N8nServer
from tests.torture.relay import Relay
from tests.torture.world import VERSIONS, Entry, World

from ticktrail.messages.filters import MessageFilter
from ticktrail.stores import Store, StoreOptions
from ticktrail.stores.coverage import BLOCK
from ticktrail.stores.opening import open_store

ROOT = Path(__file__).parents[2]
_DAY = timedelta(hours=26)


class TortureError(AssertionError):
    """A promise was broken."""


class Story:
    """One n8n, one store, and syncs that are killed."""

    def __init__(self, url: str, *, seed: int, relay: Relay | None = None) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated
        self.n8n = N8nServer(version=self.chance.choice(VERSIONS))
        self.world = World(self.n8n, self.chance)
        self.counts: Counter[str] = Counter()
        self._troubles: list[threading.Thread] = []
        self._url = url
        self._relay = relay
        self._database = f"ticktrail_torture_{uuid.uuid4().hex[:12]}"
        self._options = StoreOptions(timezone=ZoneInfo("Asia/Riyadh"), database=self._database)

    def play(self, runs: int) -> None:
        """The whole story.

        Raises:
            TortureError: something is missing, doubled, or settled without being stored.
        """
        with self.n8n:
            while self.counts["killed"] < runs:
                self.world.step()
                self._disturbed_run()
                with self._store() as store:
                    self._check_settled(store)
                    if self.chance.random() < 0.1:
                        settled = self._settled(store)
                        self.world.prune(settled.__contains__)
            self._end()

    def _disturbed_run(self) -> None:
        for _ in range(self.chance.choice([0, 0, 1, 2, 4])):
            self.world.misbehave()
        if self.chance.random() < 0.1:
            self._trouble_n8n()
        if self.chance.random() < 0.2:
            self._trouble_store()
        reckless = self.chance.random() < 0.3
        count = 2 if self.chance.random() < 0.2 else 1
        children = [self._start(reckless=reckless, full=self.chance.random() < 0.1) for _ in range(count)]
        spared = self.chance.random() < 0.15
        time.sleep(0 if spared else self.chance.uniform(0.0, 0.5) ** 2 * 3)
        for child in children:
            if not spared and child.poll() is None:
                child.kill()
                self.counts["killed"] += 1
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.communicate(timeout=60)
            if child.poll() is None:
                child.kill()
                raise TortureError("a sync did not end within a minute")
            self.counts["runs"] += 1
        while self._troubles:
            self._troubles.pop().join()
        self.n8n.heal()

    def _trouble_n8n(self) -> None:
        self.counts["n8n away"] += 1
        self.n8n.stop()
        self._begin(threading.Timer(self.chance.uniform(0.05, 0.6), self.n8n.start))

    def _trouble_store(self) -> None:
        self.counts["store away"] += 1
        seconds = self.chance.uniform(0.05, 0.6)
        if self._relay is not None:
            self._relay.cut(seconds)
        elif Path(self._url).exists():
            self._begin(threading.Thread(target=_hold_lock, args=(self._url, seconds)))

    def _begin(self, trouble: threading.Thread) -> None:
        trouble.start()
        self._troubles.append(trouble)

    def _start(self, *, reckless: bool = False, full: bool = False) -> subprocess.Popen[str]:
        asked = {
            "n8n": self.n8n.address,
            "instance": "https://n8n.example.com",
            "api_key": self.n8n.api_key,
            "workflow_id": self.n8n.workflow_id,
            "store": self._relay.url if self._relay is not None else self._url,
            "database": self._database,
            "clock_ahead": (self.world.now - datetime.now(UTC)).total_seconds(),
            "reckless": reckless,
            "full": full,
        }
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.child", json.dumps(asked)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        child.stdout.readline()
        return child

    # ── What must hold ──────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def _store(self) -> Iterator[Store]:
        with open_store(self._url, self._options) as store:
            yield store

    def _settled(self, store: Store) -> set[int]:
        found = set()
        for scope in store.sync_state.facts():
            blocks = store.sync_state.load_coverage(scope).blocks
            for number, block in blocks.items():
                found |= {number * BLOCK + bit for bit in range(BLOCK) if block.bits >> bit & 1}
        return found

    def _check_settled(self, store: Store) -> None:
        held = _held(store)
        for name, entries in self.world.expected(self._settled(store)).items():
            if not entries <= held.get(name, set()):
                raise TortureError(
                    f"settled, and not stored: {name} {sorted(entries - held.get(name, set()), key=str)}"
                )

    def _end(self) -> None:
        """Once n8n shows everything, a few undisturbed syncs must find it all, and then nothing more."""
        self.world.come_to_rest()
        for _ in range(8):
            self.world.now += _DAY
            output, errors = self._start().communicate(timeout=120)
            if not output:
                raise TortureError(f"an undisturbed sync failed: {errors[-500:]}")
            report = json.loads(output.splitlines()[-1])
            if report["executions"] == 0 and not report["open"] and report["complete"]:
                break
        else:
            raise TortureError(f"the syncs do not come to rest: {report}")
        with self._store() as store:
            held, expected = _held(store), self.world.expected()
            if held != expected:
                wrong = {name: (held.get(name), expected.get(name)) for name in {*held, *expected}}
                wrong = {name: pair for name, pair in wrong.items() if pair[0] != pair[1]}
                raise TortureError(f"{len(wrong)} messages differ from what n8n had, such as {list(wrong.items())[:3]}")
            for message in store.messages(MessageFilter()):
                if len(message.history) != len(expected[message.message_id]):
                    raise TortureError(f"{message.message_id} has a status twice")
        self.counts["messages"] = len(expected)
        self.counts["statuses"] = sum(map(len, expected.values()))
        self.counts["executions"] = len(self.world.made)


def _held(store: Store) -> dict[str, set[Entry]]:
    return {
        message.message_id: {(entry.status, entry.timestamp, entry.execution_id) for entry in message.history}
        for message in store.messages(MessageFilter())
    }


def _hold_lock(path: str, seconds: float) -> None:
    """Another program, a backup perhaps, keeps the file locked for a while."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path, timeout=0.1)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")


def torture(kind: str, *, runs: int, seed: int) -> Counter[str]:
    """Play stories until so many syncs were killed; a new n8n and a new store every hundred."""
    total: Counter[str] = Counter()
    while total["killed"] < runs:
        portion = min(100, runs - total["killed"])
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ticktrail-torture-"))
            relay = None
            url = str(Path(folder) / "ledger.sqlite")
            if kind == "mongodb":
                from secantus import SecantusDBServer  # noqa: PLC0415 - not for the embedded store

                server = stack.enter_context(SecantusDBServer(port=0, storage_path=folder))
                url = f"mongodb://127.0.0.1:{server.port}"
                relay = stack.enter_context(Relay(server.port))
            story = Story(url, seed=seed, relay=relay)
            try:
                story.play(portion)
            except TortureError:
                print(f"seed {seed}, {kind}, n8n {story.n8n.version}: {dict(story.counts)}", file=sys.stderr)
                raise
        total += story.counts
        seed += 1
    return total


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[1])
    parser.add_argument("--runs", type=int, default=200, help="syncs to kill, of each store")
    parser.add_argument("--seed", type=int, default=None, help="to repeat a story")
    parser.add_argument("--store", choices=["sqlite", "mongodb", "both"], default="both")
    asked: Any = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1_000_000)
    for kind in ("sqlite", "mongodb") if asked.store == "both" else (asked.store,):
        began = time.monotonic()
        total = torture(kind, runs=asked.runs, seed=seed)
        told = ", ".join(f"{count:,} {what}" for what, count in sorted(total.items()))
        print(f"{kind}, from seed {seed}: {told}; nothing missing, nothing doubled ({time.monotonic() - began:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
