"""Kill commands, and look what is left: ``python -m tests.torture [--runs N] [--seed N] [--store sqlite|both]``.

Each run is a process of its own (sync, forget, prune, copy, backup) that works while n8n and the store misbehave, and
is killed with SIGKILL at a random moment, or not. Some stories begin with a file of an older Ticktrail, and the file
may be deleted under a command. After each run nothing may be marked as processed that is not stored. At the end, once
n8n shows everything, the store must hold every status that there ever was, once, except what was erased or pruned.
The store is read without the product's code (``oracle.py``).
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.torture.story import TortureError, story

_RUNS_A_STORY = 15
"""So many kills to a story: a few stories see more starts, older files and ends than one long one."""


def torture(kind: str, *, runs: int, seed: int) -> Counter[str]:
    """Play stories until so many commands were killed; each with a new n8n and a new store."""
    total: Counter[str] = Counter()
    while total["killed"] < runs:
        with (
            tempfile.TemporaryDirectory(prefix="ticktrail-torture-") as folder,
            story(kind, Path(folder), seed=seed) as one,
        ):
            try:
                one.play(min(max(_RUNS_A_STORY, runs // 10), runs - total["killed"]))
            except TortureError:
                print(f"seed {seed}, {kind}, n8n {one.n8n.version}: {dict(one.counts)}", file=sys.stderr)
                raise
        total += one.counts
        seed += 1
    return total


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", 1)[1])
    parser.add_argument("--runs", type=int, default=30, help="commands to kill, of each store")
    parser.add_argument("--seed", type=int, default=None, help="to repeat a story")
    parser.add_argument("--store", choices=["sqlite", "mongodb", "both"], default="both")
    asked: Any = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1_000_000)
    for kind in ("sqlite", "mongodb") if asked.store == "both" else (asked.store,):
        began = time.monotonic()
        total = torture(kind, runs=asked.runs, seed=seed)
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(total.items()))
        print(
            f"{kind}, from seed {seed}: {counts}; nothing missing, nothing doubled ({time.monotonic() - began:.0f} s)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
