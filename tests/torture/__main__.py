"""Kill commands, and look what is left: ``python -m tests.torture [--runs N] [--seed N] [--store sqlite|both]``.

Each run is a process of its own (sync, forget, prune, copy, backup, receive) that works while n8n and the store
misbehave, and is killed with SIGKILL at a random moment, or not. Some stories begin with a file of an older Ticktrail,
and the file may be deleted under a command. After each run nothing may be marked as processed that is not stored. At
the end, once n8n shows everything, the store must hold every status that there ever was, once, except what was erased
or pruned. Of a receiver, every acknowledged status must be stored, every acknowledged webhook that n8n needs must have
reached it unchanged and in order, and no text may be left in the journal. The stores and the journal are read without
the product's code (``oracle.py``).
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.torture.receiving import ReceiverStory
from tests.torture.relay import Relay
from tests.torture.story import Story
from tests.torture.trouble import TortureError

_RUNS_A_STORY = 15
"""So many kills to a story: a few stories see more starts, older files and ends than one long one."""

_STORIES: dict[str, type[Story | ReceiverStory]] = {"commands": Story, "receiver": ReceiverStory}


@contextlib.contextmanager
def _with_store(story: type[Story | ReceiverStory], kind: str, *, seed: int) -> Iterator[Story | ReceiverStory]:
    """A story with its store: ``sqlite``, or ``mongodb`` with a server of its own."""
    with tempfile.TemporaryDirectory(prefix="ticktrail-torture-") as name:
        folder = Path(name)
        if kind == "sqlite":
            yield story(folder, seed=seed)
            return
        from secantus import SecantusDBServer  # noqa: PLC0415 - not for the embedded store

        with SecantusDBServer(port=0, storage_path=str(folder)) as server, Relay(server.port) as relay:
            yield story(folder, seed=seed, relay=relay, server_url=f"mongodb://127.0.0.1:{server.port}")


def torture(of: str, kind: str, *, runs: int, seed: int) -> Counter[str]:
    """Play stories until so many commands were killed; each with a new n8n and a new store."""
    total: Counter[str] = Counter()
    while total["killed"] < runs:
        with _with_store(_STORIES[of], kind, seed=seed) as story:
            try:
                story.play(min(max(_RUNS_A_STORY, runs // 10), runs - total["killed"]))
            except TortureError:
                print(f"--story {of} --store {kind} --seed {seed}: {dict(story.counts)}", file=sys.stderr)
                raise
        total += story.counts
        seed += 1
    return total


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[1])
    parser.add_argument("--runs", type=int, default=30, help="processes to kill, of each story and store")
    parser.add_argument("--seed", type=int, default=None, help="to repeat a story")
    parser.add_argument("--store", choices=["sqlite", "mongodb", "both"], default="both")
    parser.add_argument("--story", choices=[*_STORIES, "all"], default="all")
    arguments: Any = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    for of in _STORIES if arguments.story == "all" else (arguments.story,):
        for kind in ("sqlite", "mongodb") if arguments.store == "both" else (arguments.store,):
            began = time.monotonic()
            total = torture(of, kind, runs=arguments.runs, seed=seed)
            counts = ", ".join(f"{count:,} {what}" for what, count in sorted(total.items()))
            seconds = time.monotonic() - began
            print(f"{of}, {kind}, from seed {seed}: {counts}; nothing missing, nothing doubled ({seconds:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
