"""``python -m benchmarks [NAME …]``: all benchmarks, or those named."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks import dashboard, database, extraction, figures, memory, merging, mongodb, receiving, start_up, syncing

ALL: dict[str, Callable[[], None]] = {
    "start_up": start_up.run,
    "extraction": extraction.run,
    "merging": merging.run,
    "mongodb": mongodb.run,
    "memory": memory.run,
    "figures": figures.run,
    "syncing": syncing.run,
    "database": database.run,
    "receiving": receiving.run,
    "dashboard": dashboard.run,
}


def main(names: list[str]) -> int:
    """Run them in order and return the exit code."""
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    for name in names or ALL:
        ALL[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
