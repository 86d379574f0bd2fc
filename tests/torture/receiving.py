"""A receiver under load that is killed, while n8n, the store and the disk go away in between."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.support.patience import PATIENCE_SECONDS
from tests.support.webhooks import APP_SECRET, signature
from tests.torture.forward_target import ForwardTarget
from tests.torture.meta import CONTENT_TYPE, PATH, Meta, Sent, texts_of
from tests.torture.oracle import MongoOracle, Oracle, SqliteOracle
from tests.torture.relay import Relay
from tests.torture.trouble import TortureError, Troubles, hold_lock
from tests.torture.world import Entry

ROOT = Path(__file__).parents[2]
_OTHER_SECRET = "fedcba9876543210fedcba9876543210"  # noqa: S105 - invented


class ReceiverStory:
    """One journal, one store and one n8n, and receivers that are killed.

    Args:
        folder: where files may be made.
        relay: leads to a MongoDB server; None for a SQLite file in the folder.
    """

    def __init__(self, folder: Path, *, seed: int, relay: Relay | None = None, server_url: str = "") -> None:
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated
        self.counts: Counter[str] = Counter()
        self._n8n = ForwardTarget()
        self._folder = folder
        self._file = folder / "store.sqlite"
        self._journal = folder / "journal.sqlite"
        self._relay = relay
        self._database = f"ticktrail_torture_{uuid.uuid4().hex[:12]}"
        self._oracle: Oracle = SqliteOracle(self._file) if relay is None else MongoOracle(server_url, self._database)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._meta = Meta(self._port, seed)
        self._troubles = Troubles(self.chance, self.counts)
        self._process: subprocess.Popen[str] | None = None

    def play(self, runs: int) -> None:
        """Play the whole story.

        Raises:
            TortureError: an acknowledged webhook is missing, doubled, changed or out of order, or a text is left.
        """
        with self._n8n, contextlib.ExitStack() as stack:
            stack.callback(self._kill)
            self._meta.start()
            try:
                while self.counts["killed"] < runs:
                    self._disturbed_run()
            finally:
                self._meta.stop()
                self._troubles.wait()
            self._quiet_run()
        self._check()

    def _kill(self) -> None:
        """Kill a receiver that a failed story left running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    # ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _disturbed_run(self) -> None:
        for _ in range(self.chance.choice([0, 0, 1, 2, 4])):
            self._n8n.misbehave(self.chance)
        process = self._start()
        before = len(self._meta.acknowledged())
        if self.chance.random() < 0.9:
            _wait_until(lambda: len(self._meta.acknowledged()) > before or process.poll() is not None, "an answer")
        troubles: list[Callable[[], None]] = [
            partial(self._troubles.stop_n8n, self._n8n),
            self._stop_store,
            self._lock_journal,
            partial(self._fill_disk, process),
        ]
        for trouble in self.chance.sample(troubles, self.chance.choice([0, 0, 1, 1, 2])):
            trouble()
        time.sleep(self.chance.uniform(0.0, 0.9) ** 2)
        if process.poll() is not None:
            raise TortureError(f"a receiver ended by itself: {self._end(process)}")
        if self.chance.random() < 0.9:
            process.kill()
            self.counts["killed"] += 1
            self._end(process)
        else:
            self._troubles.wait()
            self._stop(process)
        self.counts["runs"] += 1
        self._troubles.wait()
        self._n8n.heal()

    def _quiet_run(self) -> None:
        """Let one undisturbed receiver deliver what is left, and leave no text behind, even while it runs."""
        process = self._start()
        _wait_until(lambda: self._waiting() == 0 or process.poll() is not None, "an empty journal")
        _wait_until(lambda: not self._texts_left() or process.poll() is not None, "a journal without texts")
        self._stop(process)
        if self._texts_left():
            raise TortureError(f"texts are left in the journal: {self._texts_left()}")

    def _start(self) -> subprocess.Popen[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TICKTRAIL_", "MONGODB_"))},
            "WHATSAPP_APP_SECRET": f"{_OTHER_SECRET},{APP_SECRET}",
            "TICKTRAIL_FORWARD_URL": self._n8n.address,
            "TICKTRAIL_JOURNAL": str(self._journal),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }
        if self._relay is None:
            environment["TICKTRAIL_STORE"] = str(self._file)
        else:
            environment |= {"MONGODB_URI": self._relay.url, "MONGODB_DATABASE": self._database}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.receiver_child", "--port", str(self._port)],
            cwd=self._folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self._process

    def _stop(self, process: subprocess.Popen[str]) -> None:
        process.terminate()
        errors = self._end(process)
        # While modules load, the signal ends the process at once.
        if process.returncode not in {0, -signal.SIGTERM}:
            raise TortureError(f"a receiver that was asked to stop ended with {process.returncode}: {errors}")

    def _end(self, process: subprocess.Popen[str]) -> str:
        try:
            _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR1)
            time.sleep(1)
            process.kill()
            _, errors = process.communicate()
            raise TortureError(f"a receiver did not end: {errors}") from None
        if "Traceback" in errors:
            raise TortureError(f"a receiver had an error of its own: {errors[-3_000:]}")
        return errors

    # ── Trouble ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _stop_store(self) -> None:
        self.counts["store away"] += 1
        seconds = self.chance.uniform(0.05, 0.6)
        if self._relay is not None:
            self._relay.cut(seconds)
        else:
            self._troubles.begin(threading.Thread(target=hold_lock, args=(self._file, seconds)))

    def _lock_journal(self) -> None:
        self.counts["journal locked"] += 1
        self._troubles.begin(threading.Thread(target=hold_lock, args=(self._journal, self.chance.uniform(0.05, 0.4))))

    def _fill_disk(self, process: subprocess.Popen[str]) -> None:
        """Let no file grow beyond a size, as on a full disk, and make room again after a while."""
        if not sys.platform.startswith("linux"):
            return
        import resource  # noqa: PLC0415 - Linux only

        self.counts["disk full"] += 1
        unlimited = resource.RLIM_INFINITY
        size = self.chance.choice([0, 4_096, 60_000, 200_000])
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, unlimited))

        def make_room() -> None:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))

        self._troubles.begin(threading.Timer(self.chance.uniform(0.05, 0.6), make_room))

    # ── Checks ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _waiting(self) -> int:
        with contextlib.closing(sqlite3.connect(self._journal, timeout=10)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM webhook").fetchone()
        return int(count)

    def _texts_left(self) -> list[str]:
        files = [file for file in self._folder.iterdir() if file.name.startswith(self._journal.name)]
        return [f"{piece} in {file.name}" for file in files for piece in texts_of(file.read_bytes())]

    def _check(self) -> None:
        self.counts["webhooks acknowledged"] = len(self._meta.acknowledged())
        self.counts["webhooks that n8n took"] = len(self._n8n.taken)
        self._check_store()
        self._check_forwarded()

    def _check_store(self) -> None:
        """Every acknowledged status is stored once, and nothing that was never sent."""
        held = self._oracle.held()
        required, known = _statuses(self._meta.acknowledged()), _statuses(self._meta.sent)
        for name, entries in required.items():
            missing = entries - set(held.get(name, []))
            if missing:
                raise TortureError(f"acknowledged, and not stored: {name} {sorted(missing, key=str)}")
        for name, history in held.items():
            if len(history) != len(set(history)):
                raise TortureError(f"{name} has a status twice: {history}")
            if not set(history) <= known.get(name, set()):
                raise TortureError(f"stored, and never sent: {name} {history}")
        self.counts["messages"] = len(held)

    def _check_forwarded(self) -> None:
        """n8n took every acknowledged webhook that it needs, unchanged, those of one number in order."""
        first: dict[bytes, int] = {}
        for place, taken in enumerate(self._n8n.taken):
            first.setdefault(taken.body, place)
            if (taken.path, taken.content_type, taken.signature) != (PATH, CONTENT_TYPE, signature(taken.body)):
                raise TortureError(f"forwarded with another path or header: {taken.path} {taken.content_type}")
        expected = {one.body for one in self._meta.sent if one.is_forwarded}
        if not first.keys() <= expected:
            raise TortureError("forwarded, and not to be: statuses alone, or other bytes")
        last: dict[str, int] = {}
        for one in self._meta.acknowledged():
            if one.is_forwarded:
                if one.body not in first:
                    raise TortureError(f"acknowledged, and not forwarded: {one.body[:200]!r}")
                if first[one.body] < last.get(one.number, -1):
                    raise TortureError(f"forwarded out of order: {one.body[:200]!r}")
                last[one.number] = first[one.body]


def _statuses(webhooks: list[Sent]) -> dict[str, set[Entry]]:
    statuses: dict[str, set[Entry]] = {}
    for one in webhooks:
        for name, entry in one.statuses.items():
            statuses.setdefault(name, set()).add(entry)
    return statuses


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise TortureError(f"waited in vain for {what}")
        time.sleep(0.01)
