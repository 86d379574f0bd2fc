"""One n8n, one store, and commands that are killed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.n8n_server import N8nServer
from tests.support.patience import PATIENCE_SECONDS
from tests.torture.older_file import OLDER, make_older_file
from tests.torture.oracle import History, MongoOracle, Oracle, SqliteOracle
from tests.torture.relay import Relay
from tests.torture.trouble import TortureError, Troubles, hold_lock
from tests.torture.world import VERSIONS, Entry, World, recipient_of

ROOT = Path(__file__).parents[2]
_DAY = timedelta(hours=26)


class Story:
    """Commands that run while n8n and the store misbehave, and are killed; and what must hold after each of them.

    Args:
        folder: where files may be made.
        relay: leads to a MongoDB server; None for a SQLite file in the folder.
    """

    def __init__(self, folder: Path, *, seed: int, relay: Relay | None = None, server_url: str = "") -> None:
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated
        self.n8n = N8nServer(version=self.chance.choice(VERSIONS))
        self.world = World(self.n8n, self.chance)
        self.counts: Counter[str] = Counter()
        self._folder = folder
        self._file = folder / "store.sqlite"
        self._copy = folder / "copy.sqlite"
        self._relay = relay
        self._database = f"ticktrail_torture_{uuid.uuid4().hex[:12]}"
        self._oracle: Oracle = SqliteOracle(self._file) if relay is None else MongoOracle(server_url, self._database)
        self._troubles = Troubles(self.chance, self.counts)
        self._older: dict[str, set[Entry]] = {}
        # What may be missing, and what must be: a command that was killed may have done its work or not.
        self._erasing: set[str] = set()
        self._erased: set[str] = set()
        self._mark = self._pruned = 0
        self._gone: set[int] = set()
        self._rest_began: datetime | None = None

    def play(self, runs: int) -> None:
        """Play the whole story.

        Raises:
            TortureError: something is missing, doubled, left over, or processed without being stored.
        """
        if self._relay is None and self.chance.random() < 0.5:
            self._older = make_older_file(self._file, self.chance)
            self.counts["older files"] += 1
        with self.n8n:
            while self.counts["killed"] < runs:
                self.world.step()
                self._disturbed_run()
                self._check(self._oracle.processed())
                if self.chance.random() < 0.1:
                    self.world.prune(self._oracle.processed())
            self._end()

    # ── Runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _disturbed_run(self) -> None:
        for _ in range(self.chance.choice([0, 0, 1, 2, 4])):
            self.world.misbehave()
        if self.chance.random() < 0.1:
            self._troubles.stop_n8n(self.n8n)
        if self.chance.random() < 0.2:
            self._trouble_store()
        deletes = self._relay is None and self._file.exists() and self.chance.random() < 0.05
        reckless = self.chance.random() < 0.3
        count = 2 if self.chance.random() < 0.2 else 1
        children = [self._start(reckless=reckless, full=self.chance.random() < 0.1) for _ in range(count)]
        if self.chance.random() < 0.35:
            children.append(self._maintain())
        if deletes:
            self._troubles.begin(threading.Timer(self.chance.uniform(0.0, 0.3), self._delete_file))
        spared = self.chance.random() < 0.15
        time.sleep(0 if spared else self.chance.uniform(0.0, 0.5) ** 2 * 3)
        for child in children:
            if not spared and child.poll() is None:
                child.kill()
                self.counts["killed"] += 1
            self._wait(child)
            self.counts["runs"] += 1
        self._troubles.wait()
        if deletes:
            self._forget_what_the_file_held()
        self.n8n.heal()

    def _wait(self, child: subprocess.Popen[str]) -> str:
        """Wait for a child, note what it did, and return what it printed."""
        try:
            output, errors = child.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            raise TortureError("a command did not end") from None
        if "Traceback" in errors:
            raise TortureError(f"a command ended with an error of its own: {errors[-1_500:]}")
        asked = json.loads(str(child.args[-1]))  # type: ignore[index]
        if f'"done": "{asked["command"]}"' in output:
            self.counts[f"{asked['command']} done"] += 1
            if asked["command"] == "forget":
                self._erased.add(asked["who"])
            elif asked["command"] == "prune":
                self._pruned = max(self._pruned, asked["mark"])
            elif asked["command"] == "backup":
                self._check_backup(Path(asked["target"]))
        return output

    def _maintain(self) -> subprocess.Popen[str]:
        """Begin to erase a person, to prune, to copy or to back up."""
        command = self.chance.choice(["forget", "prune", "copy"] + ["backup"] * (self._relay is None))
        return self._start(command, **self._arguments(command))

    def _arguments(self, command: str) -> dict[str, Any]:
        if command == "forget":
            who = recipient_of(f"wamid.{self.chance.randrange(50)}")
            self._erasing.add(who)
            return {"who": who}
        if command == "prune":
            mark = int((self._rest_began or self.world.now).timestamp() - self.chance.uniform(1, 6) * 3_600)
            self._mark = max(self._mark, mark)
            return {"mark": mark}
        name = self._copy if command == "copy" else self._folder / f"{uuid.uuid4().hex}.backup"
        return {"target": str(name)}

    def _start(self, command: str = "sync", **more: Any) -> subprocess.Popen[str]:
        asked = {
            "command": command,
            "n8n": self.n8n.address,
            "api_key": self.n8n.api_key,
            "workflow_id": self.n8n.workflow_id,
            "store": self._relay.url if self._relay is not None else str(self._file),
            "database": self._database,
            "clock_ahead": (self.world.now - datetime.now(UTC)).total_seconds(),
            "reckless": False,
            "full": False,
            **more,
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

    # ── Trouble ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _trouble_store(self) -> None:
        self.counts["store away"] += 1
        seconds = self.chance.uniform(0.05, 0.6)
        if self._relay is not None:
            self._relay.cut(seconds)
        elif self._file.exists():
            self._troubles.begin(threading.Thread(target=hold_lock, args=(self._file, seconds)))

    def _delete_file(self) -> None:
        self.counts["file deleted"] += 1
        for name in (self._file, Path(f"{self._file}-wal"), Path(f"{self._file}-shm")):
            name.unlink(missing_ok=True)

    def _forget_what_the_file_held(self) -> None:
        """A new file begins empty: without tombstones, without a mark, without what n8n has no more."""
        self._erasing |= self._erased
        self._erased.clear()
        self._pruned = 0
        self._older.clear()
        self._gone |= self.world.removed

    # ── Checks ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _check(self, processed: set[int]) -> None:
        """Processed events are stored, stored events were reported, and no erased data is left."""
        held, known = self._held(self._oracle), self._known()
        for name, entries in {**self.world.expected(processed), **self._older}.items():
            missing = {entry for entry in entries - held.get(name, set()) if entry[2] not in map(str, self._gone)}
            if missing and not self._may_be_missing(name, known[name]):
                raise TortureError(f"processed, and not stored: {name} {sorted(missing, key=str)}")
        for name, entries in held.items():
            if not entries <= known.get(name, set()):
                raise TortureError(f"stored, and never reported: {name} {entries - known.get(name, set())}")
            if name not in self._older and recipient_of(name) in self._erased:
                raise TortureError(f"{name} went to a person who was erased")
            if max(entry[1] or 0 for entry in known[name]) < self._pruned:
                raise TortureError(f"{name} is older than what was pruned")

    def _known(self) -> dict[str, set[Entry]]:
        return {**self.world.expected(), **self._older}

    def _may_be_missing(self, name: str, entries: set[Entry]) -> bool:
        oldest = min(entry[1] or 0 for entry in entries)
        return oldest < self._mark or (name not in OLDER and recipient_of(name) in self._erasing)

    def _held(self, oracle: Oracle) -> dict[str, set[Entry]]:
        held: dict[str, History] = oracle.held()
        for name, history in held.items():
            if len(history) != len(set(history)):
                raise TortureError(f"{name} has a status twice: {history}")
        return {name: set(history) for name, history in held.items()}

    def _check_backup(self, target: Path) -> None:
        oracle = SqliteOracle(target)
        if oracle.verdict() != "ok":
            raise TortureError(f"a backup is damaged: {oracle.verdict()}")
        known = self._known()
        for name, entries in self._held(oracle).items():
            if not entries <= known.get(name, entries):
                raise TortureError(f"a backup holds what was never reported: {name}")
        target.unlink()

    def _end(self) -> None:
        """Once n8n shows everything, a few undisturbed syncs must find it all, and then nothing more."""
        self._rest_began = self.world.now
        self.world.come_to_rest()
        for _ in range(8):
            self.world.now += _DAY
            child = self._start()
            output = self._wait(child)
            if child.returncode:
                raise TortureError("an undisturbed sync failed")
            report = json.loads(output.splitlines()[0])
            if report["executions"] == 0 and not report["open"] and report["complete"]:
                break
        else:
            raise TortureError(f"the syncs do not come to rest: {report}")
        self._check(set(self.world.made))
        for command in ("forget", "prune", "copy", *(["backup"] * (self._relay is None))):
            self._age_unfinished_copies()
            child = self._start(command, **self._arguments(command))
            self._wait(child)
            if child.returncode:
                raise TortureError(f"an undisturbed {command} failed")
            self._check(set())
        self._check_copy()
        if list(self._folder.glob(".*.part*")):
            raise TortureError("unfinished copies of killed backups are left")
        self.counts["messages"] = len(self._oracle.held())
        self.counts["executions"] = len(self.world.made)

    def _check_copy(self) -> None:
        copied, held, known = self._held(SqliteOracle(self._copy)), self._held(self._oracle), self._known()
        for name, entries in held.items():
            # The copy remembers who was erased and what was pruned before the file was deleted.
            if not entries <= copied.get(name, set()) and not self._may_be_missing(name, known[name]):
                raise TortureError(f"not copied: {name}")
        if any(recipient_of(name) in self._erased for name in copied if name not in OLDER):
            raise TortureError("a copy holds messages of a person who was erased")

    def _age_unfinished_copies(self) -> None:
        for file in self._folder.glob(".*.part*"):
            os.utime(file, (time.time() - 10_000,) * 2)
