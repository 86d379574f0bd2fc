"""Recordings from a real n8n: see ``tests/data/n8n-2.41.1``."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "data" / "n8n-2.41.1"
CORPUS = FOLDER / "corpus_400_messages.jsonl.gz"


@cache
def corpus() -> tuple[bytes, ...]:
    """The texts of 1,020 executions, newest first: ids 1022 to 3."""
    return tuple(gzip.decompress(CORPUS.read_bytes()).splitlines())


def recording(name: str) -> bytes:
    """One recorded answer, without the line end of its file."""
    return (FOLDER / f"{name}.json").read_bytes().strip()
